"""Hears what upstream does on a connection before its client has begun TLS.

mitmproxy dials ahead, and begins TLS with upstream when the ClientHello has come. It forgets an end that came before
that, begins TLS on the dead connection, and the client waits for ever; bytes it cannot take then at all, and in
reverse mode it decides by them, without a word from the client, that this one will speak no TLS.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator, NextLayer
from mitmproxy.proxy.layers import ServerTLSLayer
from mitmproxy.proxy.layers.modes import ReverseProxy

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
            self._early.append(event)
            return
        yield from ServerTLSLayer._handle_event(self._layer, event)
        if self._layer.tunnel_connection is not self._server:
            # The client's TLS passes unread, and so does what upstream says.
            yield from self.tell()

    def tell(self) -> CommandGenerator[None]:
        """Give way, and tell the layer what it has missed."""
        vars(self._layer).pop("_handle_event", None)
        for event in self._early:
            yield from self._layer._handle_event(event)
        self._early.clear()


def _start_and_tell(self: ServerTLSLayer) -> CommandGenerator[None]:
    yield from _start_handshake(self)
    if self.wait_for_clienthello:
        self._handle_event = _BeforeHello(self)  # type: ignore[method-assign]
    elif isinstance(self._handle_event, _BeforeHello):
        yield from self._handle_event.tell()
        # It says nothing of the connection that the request will be given in place of this one.
        self.conn.error = None


def _choose_by_client(self: NextLayer, event: events.Event) -> CommandGenerator[None]:
    from_client = isinstance(event, events.ConnectionEvent) and event.connection == self.context.client
    if isinstance(event, events.DataReceived) and not from_client and isinstance(self.context.layers[-1], ReverseProxy):
        self.events.append(event)
    else:
        yield from _choose(self, event)
