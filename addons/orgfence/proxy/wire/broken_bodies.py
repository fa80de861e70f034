"""Never lets a body look complete that upstream has broken off.

A body without a length ends where its connection does. mitmproxy takes a reset for that end too, and ends what it
passes on in the same way. RFC 9112 section 9.8: it is complete only if the connection was closed in order, which in TLS
takes a word of its own.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

from h11._readers import Http10Reader
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server
from mitmproxy.proxy.layers.tls import ServerTLSLayer

from orgfence.proxy.lifetime.in_flight import ends_with_connection, handler_of, reset_on_close
from orgfence.proxy.wire.tls_ends import was_ended_in_order


def install() -> None:
    """See to it for every answer in this process."""
    # mypy lets nobody assign to a method; that is the point here.
    Http1Client.read_body = _read_body  # type: ignore[method-assign]


def break_off(stream: HttpStream) -> None:
    """Have the client's connection end by a reset, where its end would be that of the body which is under way."""
    layers = stream.context.layers
    server = layers[layers.index(stream) - 1].connections.get(stream.context.client)  # type: ignore[attr-defined]
    handler = handler_of(stream.context.client)
    if handler is not None and isinstance(server, Http1Server) and ends_with_connection(server):
        reset_on_close(handler)


def _read_body(self: Http1Connection, event: events.Event) -> CommandGenerator[None]:
    if (
        isinstance(event, events.ConnectionClosed)
        and isinstance(self.body_reader, Http10Reader)
        and not _was_closed_in_order(self)
    ):
        return _broken(self)
    return Http1Connection.read_body(self, event)


def _was_closed_in_order(client: Http1Connection) -> bool:
    for layer in client.context.layers:
        if isinstance(layer, ServerTLSLayer) and layer.conn is client.conn:
            return was_ended_in_order(layer.tls)
    handler = handler_of(client.context.client)
    transport = handler and handler.transports.get(client.conn)
    error = getattr(transport and transport.reader, "exception", None)
    return error is None or error() is None


def _broken(client: Http1Connection) -> CommandGenerator[None]:
    assert client.stream_id is not None
    yield commands.CloseConnection(client.conn)
    yield ReceiveHttp(
        ResponseProtocolError(client.stream_id, "upstream broke its answer off", ErrorCode.GENERIC_SERVER_ERROR)
    )
