"""Sends a request again, on a fresh connection, where upstream has closed the one that it went out on.

Upstreams close connections on which nothing has come for a while, and some do just as the next request is sent. A
client that speaks to upstream itself knows how idle its connection is and sends the request again; behind a proxy it
gets a 502 for what it did right. So we do as it would: what only reads is sent again, once and while nothing of an
answer has come, and so is whatever upstream says that it has not processed (RFC 9113 section 8.7). What may write is
not: RFC 9110 section 9.2.2 would let a proxy repeat a PUT, but a server may take any method for another one. It is not
sent on a connection whose end is already there to be seen.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import select
from asyncio import StreamWriter

from mitmproxy import http
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpClient, HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.tunnel import TunnelLayer

from orgfence.core.escapes import unescaped
from orgfence.core.request import Spellings
from orgfence.proxy.lifetime.in_flight import handler_of
from orgfence.proxy.wire.broken_bodies import break_off
from orgfence.proxy.wire.closed_connections import forget_errors
from orgfence.proxy.wire.http2_client import PatientHttp2Client, UnprocessedError

# https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


def only_reads(request: http.Request) -> bool:
    """Return whether a request may be sent twice: a safe method, and nothing by which a server may read another.

    Frameworks take the method from a field (`X-HTTP-Method-Override`), from the query (`_method`) or from a form, and
    GraphQL servers may take a mutation from the query.
    """
    data = request.data
    if data.method not in _SAFE or data.content:
        return False
    harmless = _HARMLESS.known
    for name, _ in data.headers.fields:
        if name not in harmless:
            if b"method" in name.lower():
                return False
            _HARMLESS.learn(name)
    _, separator, query = data.path.partition(b"?")
    if not separator:
        return True
    query = unescaped(query).lower()
    return b"method" not in query and b"mutation" not in query


#: Names of fields that say nothing of a method.
_HARMLESS = Spellings()


class RepeatingStream(HttpStream):
    """A stream whose request may go out twice, and is inspected once."""

    #: Whether the connection to upstream had been used before.
    _is_reused = False
    _is_repeated = False

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Find or open a connection to upstream."""
        if self.client_state != self.state_done or not only_reads(self.flow.request):
            self._leave_closed_connection()
        if not (yield from super().make_server_connection()):
            return False
        server = vars(self.context.server)
        self._is_reused = _USED in server
        server[_USED] = True
        return True

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        """Send the request again where upstream has not begun to answer it."""
        if isinstance(event, ResponseProtocolError) and self._may_repeat(event):
            self._is_repeated = True
            yield from self._repeat()
        else:
            if isinstance(event, ResponseProtocolError) and self.server_state == self.state_stream_response_body:
                break_off(self)
            yield from super().handle_protocol_error(event)
            if event.code is ErrorCode.CONNECT_FAILED:
                forget_errors(self._http_layer)

    def _may_repeat(self, event: ResponseProtocolError) -> bool:
        if (
            self._is_repeated
            or self.client_state != self.state_done
            or self.server_state != self.state_wait_for_response_headers
            # No connection came about at all.
            or event.code is ErrorCode.CONNECT_FAILED
            # A body that was streamed is not ours to send again.
            or self.flow.request.raw_content is None
        ):
            return False
        if isinstance(event, UnprocessedError):
            return True
        if not only_reads(self.flow.request):
            return False
        speaker = speaker_on(self._http_layer, self.context.server)
        if isinstance(speaker, Http1Client):
            return self._is_reused and not speaker.buf
        # A stream that was reset alone is an answer of a kind, from an upstream that is still there.
        return isinstance(speaker, PatientHttp2Client) and speaker.has_served and not self.context.server.connected

    def _repeat(self) -> CommandGenerator[None]:
        if not (yield from self.make_server_connection()):
            return
        if any(isinstance(event, RequestProtocolError) for event in self._paused_event_queue):
            # The client has gone meanwhile, which is dealt with next.
            return
        request, server = self.flow.request, self.context.server
        content = request.raw_content
        yield SendHttp(RequestHeaders(self.stream_id, request, not content), server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), server)

    def _leave_closed_connection(self) -> None:
        """Have a connection that upstream has closed not be used, though mitmproxy has not been told yet."""
        request, server = self.flow.request, self.flow.server_conn
        wanted = GetHttpConnection(
            (request.host, request.port), request.scheme == "https", server.via, server.transport_protocol
        )
        handler = handler_of(self.context.client)
        if handler is None:
            return
        for connection in (*self._http_layer.connections, self.context.server):
            if not connection.connected or not wanted.connection_spec_matches(connection):
                continue
            transport = handler.transports.get(self._transport_connection(connection))
            if transport is None or not isinstance(transport.writer, StreamWriter):
                continue
            # On an HTTP/1 connection that has been used nothing can come but its end.
            with_bytes = _USED in vars(connection) and connection.alpn != b"h2"
            if _has_ended(transport.writer, with_bytes=with_bytes):
                # As for one that is closed by half, mitmproxy opens another; when it comes to read the end, it closes.
                connection.state &= ~ConnectionState.CAN_WRITE

    def _transport_connection(self, connection: Connection) -> Connection:
        """Return what carries a connection: another one where it goes through an upstream proxy."""
        layers = list(self.context.layers)
        layer = self._http_layer.connections.get(connection)
        while isinstance(layer, TunnelLayer):
            layers.append(layer)
            layer = layer.child_layer
        for tunnel in reversed(layers):
            if isinstance(tunnel, TunnelLayer) and tunnel.conn is connection:
                connection = tunnel.tunnel_connection
        return connection

    @property
    def _http_layer(self) -> HttpLayer:
        layers = self.context.layers
        layer = layers[layers.index(self) - 1]
        assert isinstance(layer, HttpLayer)
        return layer


def speaker_on(http_layer: HttpLayer, connection: Connection) -> Layer | None:
    """Return what speaks HTTP on a connection to upstream, below TLS and the like."""
    layer = http_layer.connections.get(connection)
    while isinstance(layer, TunnelLayer | HttpClient):
        layer = getattr(layer, "child_layer", None)
    return layer


# Noted on the connection itself, which all its requests share.
_USED = "orgfence_used"


def _has_ended(writer: StreamWriter, *, with_bytes: bool) -> bool:
    descriptor = writer.get_extra_info("socket").fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP | (select.POLLIN if with_bytes else 0))
    return bool(poll.poll(0))
