"""A tunnel of which it is not known yet what it carries: HTTP and TLS are read, all else only passes where it may.

mitmproxy guesses by a connection's first segment, and without raw TCP takes all that is no TLS for HTTP. Here the
bytes are waited for that it takes to tell, and a server that speaks first is heard meanwhile.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, ServerTLSLayer
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream

from orgfence.observe.metrics import Refused
from orgfence.proxy.interception import proxy_header
from orgfence.proxy.interception.first_bytes import FirstLine, Protocol, protocol_of

#: Seconds for a client to go on with a line that might become a request's, and to speak before a server is dialled
#: that might be waited for. Nearly all clients send what it takes in one segment.
PATIENCE = 1.0
#: How often as long for the end of a PROXY protocol header, which has 3 seconds for a lost segment to be sent again.
_HEADER_WAITS = 4
#: Each load balancer on the way may put its own header before those that are there.
MAX_HEADERS = 8


@dataclass
class HalfClose:
    """One side of a tunnel that has said all; the other is to be told."""

    client: Client
    connection: Connection


@dataclass
class TunnelHalfCloseHook(commands.StartHook):
    """Asks whoever holds the sockets to end one direction of a tunnel.

    A layer's own command for it becomes a close of both on its way through the `HttpStream` that a CONNECT began, and
    the answer would be lost.
    """

    data: HalfClose


class RefusedLayer(Layer):
    """Closes a connection that carries nothing that could be judged."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)


class Tunnel(Layer):
    """Finds out what a tunnel carries, and gives way to the layer that reads it; what nobody reads it passes itself."""

    def __init__(
        self, context: Context, *, is_guarded: bool, passes: Callable[[], None], refuses: Callable[[Refused], None]
    ) -> None:
        """To a guarded host all that is no TLS is HTTP.

        `passes` is called when other bytes pass, `refuses` when they do not.
        """
        super().__init__(context)
        self._is_guarded = is_guarded
        self._passes = passes
        self._refuses = refuses
        #: What came so far, for the layer that this one gives way to.
        self._kept: list[events.Event] = []
        #: PROXY protocol headers, which upstream has got, and waits for the end of one.
        self._headers = 0
        self._header_waits = 0
        #: Of what is passed; None where it has ended.
        self._first_line: FirstLine | None = FirstLine()
        self._is_passing = False
        self._is_over = False
        self._is_waiting = False
        self._is_counted = False
        self._child: Layer | None = None

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Hand an event on without another generator around it, once it is known to whom."""
        if self._child is None:
            return super().handle_event(event)
        return self._handle_event(event)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Wakeup) and self._is_waiting:
            self._is_waiting = False
            return self._waited()
        if self._child is not None:
            return self._child.handle_event(event)
        if self._is_over:
            return _nothing()
        if self._is_passing:
            return self._relay(event)
        if isinstance(event, events.Start):
            return self._start(event)
        return self._find_out(event)

    def _start(self, event: events.Event) -> CommandGenerator[None]:
        self._kept.append(event)
        if not self._is_guarded and not self.context.server.connected:
            # Behind a proxy of one's own, or with lazy connections: the server may be the one that speaks first.
            yield from self._wait()

    def _find_out(self, event: events.Event) -> CommandGenerator[None]:
        from_client = isinstance(event, events.ConnectionEvent) and event.connection == self.context.client
        if isinstance(event, events.DataReceived) and not from_client and not self._is_guarded:
            self._count()
            yield commands.SendData(self.context.client, event.data)
            return
        self._keep(event)
        if isinstance(event, events.DataReceived) and from_client and not (yield from self._pass_headers()):
            return
        if self._is_guarded:
            yield from self._find_out_guarded(event, from_client)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._pass()
        else:
            yield from self._go_by(protocol_of(self._held))

    def _keep(self, event: events.Event) -> None:
        """Keep one more event: with the one before it where both are data, so that a byte costs no look at them all."""
        last = self._kept[-1]
        if (
            isinstance(event, events.DataReceived)
            and isinstance(last, events.DataReceived)
            and last.connection == event.connection
        ):
            self._kept[-1] = events.DataReceived(event.connection, last.data + event.data)
        else:
            self._kept.append(event)

    def _find_out_guarded(self, event: events.Event, from_client: bool) -> CommandGenerator[None]:
        if isinstance(event, events.ConnectionClosed):
            if from_client:
                yield commands.CloseConnection(self.context.client)
            return
        if not from_client and isinstance(event, events.DataReceived):
            # A greeting, as of mail or SSH, for which the client waits; it would wait for ever. Who speaks TLS or HTTP
            # says nothing before the client has.
            yield from self._refuse(Refused.NON_HTTP)
            return
        protocol = protocol_of(self._held)
        if protocol is Protocol.OTHER:
            yield from self._refuse(Refused.NON_HTTP)
        elif protocol is not Protocol.UNKNOWN:
            yield from self._go_by(protocol)
        elif proxy_header.may_begin(self._held):
            yield from self._wait()
        else:
            yield from self._go_by(Protocol.HTTP)

    def _go_by(self, protocol: Protocol) -> CommandGenerator[None]:
        if protocol is Protocol.TLS:
            yield from self._give_way(_tls(self._leave()))
        elif protocol is Protocol.HTTP:
            yield from self._give_way(HttpLayer(self._leave(), HTTPMode.transparent))
        elif protocol is Protocol.OTHER:
            yield from self._pass()
        elif protocol is Protocol.UNKNOWN:
            yield from self._wait()
        elif protocol in _REFUSED:
            yield from self._refuse(_REFUSED[protocol])

    def _pass_headers(self) -> CommandGenerator[bool]:
        """Send PROXY protocol headers on; return whether what stands behind them is to be read now.

        A server that takes them reads that as if the tunnel began there.
        """
        while proxy_header.is_begun(held := self._held) and protocol_of(held) is not Protocol.HTTP:
            try:
                length = proxy_header.header_length(held)
            except proxy_header.ProxyHeaderError:
                length = -1
            if length is None:
                yield from self._wait()
                return False
            self._headers += 1
            if length < 0 or self._headers > MAX_HEADERS:
                yield from self._refuse(Refused.PROXY_HEADER)
                return False
            if not (yield from self._connect()):
                return False
            yield commands.SendData(self.context.server, held[:length])
            behind = events.DataReceived(self.context.client, held[length:])
            self._kept = [event for event in self._kept if not isinstance(event, events.DataReceived)] + [behind]
        return True

    def _wait(self) -> CommandGenerator[None]:
        if not self._is_waiting:
            self._is_waiting = True
            yield commands.RequestWakeup(PATIENCE)

    def _waited(self) -> CommandGenerator[None]:
        if self._child is not None or self._is_passing or self._is_over:
            return
        held = self._held
        if not held:
            yield from self._connect()
        elif proxy_header.is_begun(held):
            self._header_waits += 1
            yield from self._wait() if self._header_waits < _HEADER_WAITS else self._refuse(Refused.PROXY_HEADER)
        elif protocol_of(held) is Protocol.UNKNOWN:
            yield from self._go_by(Protocol.HTTP) if self._is_guarded else self._pass()

    @property
    def _held(self) -> bytes:
        data = (event for event in self._kept if isinstance(event, events.DataReceived))
        return b"".join(event.data for event in data if event.connection == self.context.client)

    def _leave(self) -> Context:
        """Return the context as it would be without this layer: others go by the order of the layers in it."""
        self.context.layers.remove(self)
        return self.context

    def _give_way(self, child: Layer) -> CommandGenerator[None]:
        self._child = child
        kept, self._kept = self._kept, []
        for event in kept:
            yield from child.handle_event(event)

    def _pass(self) -> CommandGenerator[None]:
        """Pass what came and all that comes, unread but for the first line."""
        if not (yield from self._connect()):
            return
        self._is_passing = True
        kept, self._kept = self._kept, []
        for event in kept:
            if isinstance(event, events.ConnectionEvent):
                yield from self._relay(event)

    def _connect(self) -> CommandGenerator[bool]:
        if self.context.server.timestamp_start is None:
            error = yield commands.OpenConnection(self.context.server)
            if error:
                yield from self._end()
                return False
        return True

    def _relay(self, event: events.Event) -> CommandGenerator[None]:
        client, server = self.context.client, self.context.server
        if self._is_over or not isinstance(event, events.ConnectionEvent):
            return
        from_client = event.connection == client
        other: Connection = server if from_client else client
        if isinstance(event, events.ConnectionClosed):
            yield from self._relay_close(other)
        elif isinstance(event, events.DataReceived):
            if from_client and self._first_line is not None and self._is_request(self._first_line, event.data):
                yield from self._refuse(Refused.HIDDEN_REQUEST)
                return
            self._count()
            yield commands.SendData(other, event.data)

    def _is_request(self, first_line: FirstLine, data: bytes) -> bool:
        found = first_line.is_request(data)
        if found is not None:
            self._first_line = None
        return bool(found)

    def _relay_close(self, other: Connection) -> CommandGenerator[None]:
        client, server = self.context.client, self.context.server
        if not (client.state | server.state) & ConnectionState.CAN_READ:
            yield from self._end()
        elif server.via is None and any(isinstance(layer, HttpStream) for layer in self.context.layers):
            yield TunnelHalfCloseHook(HalfClose(client, other))
        else:
            yield commands.CloseTcpConnection(other, half_close=True)

    def _refuse(self, why: Refused) -> CommandGenerator[None]:
        self._refuses(why)
        yield from self._end()

    def _end(self) -> CommandGenerator[None]:
        self._is_over = True
        for connection in (self.context.server, self.context.client):
            if connection.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(connection)

    def _count(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._passes()


_REFUSED = {
    Protocol.TLS_VERSION: Refused.TLS_VERSION,
    Protocol.NO_CLIENT_HELLO: Refused.NO_CLIENT_HELLO,
    Protocol.SSL2: Refused.SSL2,
}


def _nothing() -> CommandGenerator[None]:
    yield from ()


def _tls(context: Context) -> Layer:
    server = ServerTLSLayer(context)
    server.child_layer = ClientTLSLayer(context)
    return server
