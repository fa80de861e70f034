"""Forgets connections to upstream that are over, which mitmproxy keeps for as long as their client stays.

A client that keeps its connection for days would else hold one more of them, with its layers and its TLS, for each time
that upstream closes one. And of one that could not be made mitmproxy remembers the error: an HTTP/2 client would get it
as the answer to every request, long after upstream has come back.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpLayer, RegisterHttpConnection
from mitmproxy.proxy.tunnel import TunnelLayer

_register = HttpLayer.register_connection


def install() -> None:
    """Forget connections of every client of this process."""
    # mypy lets nobody assign to a method; that is the point here.
    HttpLayer.register_connection = _register_and_forget  # type: ignore[method-assign]


def _register_and_forget(self: HttpLayer, command: RegisterHttpConnection) -> CommandGenerator[None]:
    client, server = self.context.client, command.connection
    is_unwanted = not self.waiting_for_establishment[server]
    yield from _register(self, command)
    # mitmproxy never uses it again, but would keep it as long as the client stays.
    if is_unwanted and server.connected and client.alpn == b"h2" and server.alpn != b"h2":
        yield commands.CloseConnection(server)
    # Below a CONNECT the layer of that has noted the connection as well, so as to pass on what comes of it.
    for http_layer in self.context.layers:
        if isinstance(http_layer, HttpLayer):
            _forget_closed(http_layer)


def _forget_closed(http_layer: HttpLayer) -> None:
    streams = (stream.context.server for stream in http_layer.streams.values())
    kept = {http_layer.context.client, http_layer.context.server, *streams, *http_layer.waiting_for_establishment}
    for connection, layer in list(http_layer.connections.items()):
        if connection not in kept and _is_over(connection, layer):
            del http_layer.connections[connection]


def _is_over(connection: Connection, layer: Layer) -> bool:
    if connection.state is not ConnectionState.CLOSED:
        return False
    # Through an upstream proxy it is that connection of which something may still come.
    carrier = layer.tunnel_connection if isinstance(layer, TunnelLayer) else connection
    return carrier.timestamp_end is not None


def forget_errors(http_layer: HttpLayer) -> None:
    """Have the next request try again what could not be connected to."""
    for connection in (http_layer.context.server, *http_layer.connections):
        if connection is not http_layer.context.client and connection not in http_layer.waiting_for_establishment:
            connection.error = None
