"""Throws the rest of a request's body away once the request was answered, within bounds.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import time
from dataclasses import dataclass
from typing import ClassVar, cast

from h2.errors import ErrorCodes
from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import DropStream, HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server


@dataclass(frozen=True, slots=True)
class DiscardBounds:
    """How much of a request's body is still read once the request was answered."""

    #: So much is worth the connection of a client that sends all of its body before it reads.
    max_bytes: int = 64 * 1024 * 1024
    #: From the answer on: long enough for a client to notice it, too short to hold connections for free.
    seconds: float = 10.0


class DiscardingStream(HttpStream):
    """A stream that can go on reading a body which nobody wants."""

    _bounds: ClassVar[DiscardBounds]

    #: When to stop waiting for the end of a discarded body, by the monotonic clock.
    deadline: float | None = None
    _discarded = 0

    def state_discard_request_body(self, event: HttpEvent) -> CommandGenerator[None]:
        """Throw away what comes of an answered request, up to its end or the bounds."""
        if isinstance(event, RequestData):
            self._discarded += len(event.data)
            if self._discarded > self._bounds.max_bytes:
                yield from self.stop_reading()
        elif isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            yield from self._finish()

    def stop_reading(self) -> CommandGenerator[None]:
        """Close the client's HTTP/1 connection, or reset its HTTP/2 stream, in the midst of a body."""
        self.client_state = self.state_errored
        client = self.context.client
        connection = self._client_connection
        if isinstance(connection, Http2Server) and _answer_is_out(connection, self.stream_id):
            # RFC 9113 section 8.1: so a server that has sent its whole response asks for no more.
            connection.h2_conn.reset_stream(self.stream_id, ErrorCodes.NO_ERROR)
            connection.streams.pop(self.stream_id, None)
            yield commands.SendData(client, connection.h2_conn.data_to_send())
        else:
            error = ResponseProtocolError(self.stream_id, "the request's body is too long", ErrorCode.CANCEL)
            yield SendHttp(error, client)
        yield from self._finish()

    def _allow_short_body(self) -> None:
        """Let an HTTP/2 client end its body before the length it declared, as curl 7 does when it sees a 403.

        h2 would take that for an error of the whole connection, and end all other streams with it.
        """
        connection = self._client_connection
        if isinstance(connection, Http2Server):
            stream = connection.h2_conn.streams.get(self.stream_id)
            if stream is not None:
                stream._expected_content_length = None

    def _set_deadline(self) -> CommandGenerator[None]:
        self.deadline = time.monotonic() + self._bounds.seconds
        sources = self._http_layer.command_sources
        if any(isinstance(source, DiscardClock) for source in sources.values()):
            return
        wakeup = commands.RequestWakeup(self._bounds.seconds)
        yield wakeup
        # mitmproxy has noted this stream, and would hold it and its flow until then, long after their end.
        sources[wakeup] = cast("Layer", DiscardClock(self._http_layer))

    def _finish(self) -> CommandGenerator[None]:
        self.flow.live = False
        yield DropStream(self.stream_id)

    @property
    def _is_http1(self) -> bool:
        # The version in the request line is whatever the client wrote there.
        return isinstance(self._client_connection, Http1Server)

    @property
    def _client_connection(self) -> Layer:
        return self._http_layer.connections[self.context.client]

    @property
    def _http_layer(self) -> HttpLayer:
        layers = self.context.layers
        return cast("HttpLayer", layers[layers.index(self) - 1])


class DiscardClock:
    """Ends overdue discards of one connection: at most one timer each, which holds no stream and no flow.

    Stands where a layer would as the receiver of its own wake-ups.
    """

    def __init__(self, http_layer: HttpLayer) -> None:
        self._http_layer = http_layer

    def handle_event(self, _wakeup: events.Wakeup) -> CommandGenerator[None]:
        """Stop the streams that are overdue, and ask to be woken for the next one if there are more."""
        now = time.monotonic()
        waiting: list[float] = []
        for stream in list(self._http_layer.streams.values()):
            if not isinstance(stream, DiscardingStream) or stream.deadline is None:
                continue
            if stream.deadline <= now:
                yield from stream.stop_reading()
            else:
                waiting.append(stream.deadline)
        if waiting:
            yield commands.RequestWakeup(min(waiting) - now)


def ends_connection(request: http.Request, bounds: DiscardBounds) -> bool:
    """Return whether it is known before a body is discarded that no other HTTP/1 request can follow this one."""
    # RFC 9110 section 10.1.1: such a client may send its body or not, so nobody can tell what comes next.
    if "100-continue" in request.headers.get("expect", "").lower():
        return True
    try:
        length = expected_http_body_size(request)
    except ValueError:
        # Only if an addon has made it so: mitmproxy has refused what came like this.
        return True
    return length is not None and length > bounds.max_bytes


def _answer_is_out(connection: Http2Server, stream_id: int) -> bool:
    return not connection.is_closed(stream_id) and not connection.is_open_for_us(stream_id)
