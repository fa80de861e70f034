"""Hears what upstream does on a connection before TLS has begun on it.

mitmproxy dials ahead, and begins TLS with upstream when the client has said something. It forgets an end that came
before the ClientHello, begins TLS on the dead connection, and the client waits for ever; bytes it cannot take then at
all, and in reverse mode it decides by them, without a word from the client, that this one will speak no TLS. And to a
client that speaks none, an end before its first request is the answer to that.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.tunnel import TunnelState

#: No server that speaks TLS says anything first. Of one that does, this much is kept to tell what it was.
MAX_EARLY_BYTES = 64 * 1024

_start_handshake = ServerTLSLayer.start_handshake
_choose = NextLayer._handle_event


def install() -> None:
    """Hear it in this process."""
    # mypy lets nobody assign to a method; that is the point here.
    ServerTLSLayer.start_handshake = _start_and_tell  # type: ignore[method-assign]
    NextLayer._handle_event = _choose_by_client  # type: ignore[method-assign]


class _BeforeHello:
    """Handles a layer's events in its place for as long as that waits for the ClientHello."""

    def __init__(self, layer: ServerTLSLayer) -> None:
        self._layer = layer
        self._server = layer.tunnel_connection
        self._early: list[events.Event] = []

    def __call__(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.ConnectionEvent) and event.connection == self._server:
            yield from _keep(self._early, event)
            return
        yield from ServerTLSLayer._handle_event(self._layer, event)
        if self._layer.tunnel_connection is not self._server:
            # The client's TLS passes unread, and so does what upstream says.
            yield from self.tell(*self._early)

    def begin(self) -> CommandGenerator[None]:
        """Tell the layer, which has begun TLS, what it has missed."""
        # Where it could not begin, there is nothing that could read; it has closed the connection.
        kinds = events.ConnectionClosed if self._layer.tls is None else events.ConnectionEvent
        yield from self.tell(*(event for event in self._early if isinstance(event, kinds)))
        # It says nothing of the connection that the request will be given in place of this one. Nor is a certificate's
        # fault forgotten: none can have been seen before our own hello.
        self._layer.conn.error = None

    def tell(self, *early: events.Event) -> CommandGenerator[None]:
        """Give way to the layer's own handling, beginning with these."""
        vars(self._layer).pop("_handle_event", None)
        for event in early:
            yield from self._layer._handle_event(event)


def _start_and_tell(self: ServerTLSLayer) -> CommandGenerator[None]:
    is_over = self.command_to_reply_to is None and not self.conn.connected
    if is_over and not isinstance(self.child_layer, ClientTLSLayer):
        self.tunnel_state = TunnelState.CLOSED
        yield commands.CloseConnection(self.tunnel_connection)
        return
    yield from _start_handshake(self)
    if self.wait_for_clienthello:
        self._handle_event = _BeforeHello(self)  # type: ignore[method-assign]
    elif isinstance(self._handle_event, _BeforeHello):
        yield from self._handle_event.begin()


def _choose_by_client(self: NextLayer, event: events.Event) -> CommandGenerator[None]:
    from_client = isinstance(event, events.ConnectionEvent) and event.connection == self.context.client
    if isinstance(event, events.DataReceived) and not from_client and isinstance(self.context.layers[-1], ReverseProxy):
        yield from _keep(self.events, event)
    else:
        yield from _choose(self, event)


def _keep(early: list[events.Event], event: events.ConnectionEvent) -> CommandGenerator[None]:
    """Keep one more event of a connection, in one piece with the one before it, or end the connection."""
    last = early[-1] if early else None
    if (
        isinstance(event, events.DataReceived)
        and isinstance(last, events.DataReceived)
        and last.connection == event.connection
    ):
        early.pop()
        event = events.DataReceived(event.connection, last.data + event.data)
    early.append(event)
    if isinstance(event, events.DataReceived) and len(event.data) > MAX_EARLY_BYTES:
        # That will be told, as if it had come by itself.
        yield commands.CloseConnection(event.connection)
