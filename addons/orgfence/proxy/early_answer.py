"""Answers a request as soon as its headers are judged, and lets none pass that was not judged.

By itself mitmproxy sends a `flow.response` that was set in `requestheaders` only when the whole body has
come: it asks for it by `100-continue` and buffers it, however large. So the stream that serves a request is
replaced by a subclass, which answers at once and throws the rest of the body away, within bounds.

Relies, in mitmproxy 12.2, on:

* `HttpLayer.make_stream` taking `HttpStream` from the globals of `mitmproxy.proxy.layers.http`;
* `HttpStream.state_wait_for_request_headers` calling `check_killed` once, after the `requestheaders` hook;
* events that come while a hook runs waiting in `_paused_event_queue`;
* `make_server_connection` being the only way of a request to its upstream;
* `HttpLayer.streams`, `.connections` and `.command_sources`: to whom events and wake-ups go;
* h2's `H2Stream._expected_content_length`, where None is no expectation.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import logging
import time
from dataclasses import dataclass
from typing import ClassVar, Protocol, cast

from h2.errors import ErrorCodes
from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import DropStream, HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook, HttpResponseHook
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server

from orgfence.proxy.dispatch import outline

logger = logging.getLogger(__name__)


class Gate(Protocol):
    """Says of each request whether it may go on."""

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | None:
        """Return what to answer instead of going upstream, new each time; None lets the request go on.

        Called once a request, when all `requestheaders` hooks are through, whether they ran or not. An
        exception refuses the request. CONNECT does not come by here, nor does what mitmproxy itself refuses.
        """


@dataclass(frozen=True, slots=True)
class DiscardBounds:
    """How much of a request's body is still read once the request was answered."""

    #: So much is worth the connection of a client that sends all of its body before it reads.
    max_bytes: int = 64 * 1024 * 1024
    #: From the answer on: long enough for a client to notice it, too short to hold connections for free.
    seconds: float = 10.0


def install(gate: Gate, bounds: DiscardBounds | None = None) -> None:
    """Serve every request of this process by a stream that asks this gate."""
    if "HttpStream" not in HttpLayer.make_stream.__code__.co_names:
        raise RuntimeError("this version of mitmproxy makes its streams in another way. Use mitmproxy 12.2")
    # mypy lets nobody assign to a class; that is the point here.
    http_layers.HttpStream = guarded_stream(gate, bounds or DiscardBounds())  # type: ignore[misc]


def guarded_stream(gate: Gate, bounds: DiscardBounds) -> type[HttpStream]:
    """Return a stream class whose requests this gate lets through or answers."""

    class GuardedHttpStream(EarlyAnswerStream):
        _gate = gate
        _bounds = bounds

    return GuardedHttpStream


class EarlyAnswerStream(HttpStream):
    """One request and its response, answered before the body where the gate says so."""

    _gate: ClassVar[Gate]
    _bounds: ClassVar[DiscardBounds]

    #: Whether the gate let the request go on.
    let_through = False
    #: When to stop waiting for the end of a discarded body, by the monotonic clock.
    deadline: float | None = None
    _discarded = 0

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:
        """Ask the gate, where mitmproxy asks whether the request was killed while its headers were judged."""
        if (yield from super().check_killed(emit_error_hook)):
            return True
        if self.client_state != self.state_wait_for_request_headers:
            return False
        answer = self._ask_gate()
        if answer is None:
            self.let_through = True
            return False
        yield from self._answer(answer)
        return True

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Connect to upstream for a request that the gate let through, and for no other."""
        if self.let_through:
            return (yield from super().make_server_connection())
        # Only with a mitmproxy that no longer calls `check_killed` as described above, which so fails closed.
        error = ResponseProtocolError(self.stream_id, "the request was not judged", ErrorCode.CONNECT_FAILED)
        yield from self.handle_protocol_error(error)
        return False

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

    def _ask_gate(self) -> http.Response | None:
        try:
            answer = self._gate.answer_early(self.flow)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the request must not go on
            # Not `logger.exception`, whose last line is the exception's message: it might quote the request.
            logger.error("The gate failed, so the request is refused: %s", outline(error))  # noqa: TRY400
            return http.Response.make(502)
        # What another addon answers, such as a 407, would else wait for the body all the same.
        return self.flow.response if answer is None else answer

    def _answer(self, answer: http.Response) -> CommandGenerator[None]:
        flow = self.flow
        flow.response = answer
        self._complete_request(flow.request)
        if self._is_http1 and _ends_connection(flow.request, self._bounds):
            answer.headers["Connection"] = "close"

        # What views and loggers expect of a response, also of one that an addon made.
        answer.timestamp_start = time.time()
        yield HttpResponseHeadersHook(flow)
        answer.timestamp_end = time.time()
        yield HttpResponseHook(flow)
        if (yield from super().check_killed(False)):
            return

        self.server_state = self.state_done
        self.client_state = self.state_discard_request_body
        self._allow_short_body()
        yield from self._send(flow.response or answer)
        if not self._has_come(RequestEndOfMessage, RequestProtocolError):
            yield from self._set_deadline()

    def _complete_request(self, request: http.Request) -> None:
        """Leave the request as views expect it: read as far as it ever will be."""
        request.timestamp_end = time.time()
        if self._has_come(RequestEndOfMessage) and not self._has_come(RequestData):
            request.data.content = b""

    def _send(self, answer: http.Response) -> CommandGenerator[None]:
        client = self.context.client
        is_head = self.flow.request.method.upper() == "HEAD"
        content = None if is_head else answer.raw_content
        # mitmproxy's HTTP/1 server cannot send trailers; it crashes.
        trailers = None if is_head or self._is_http1 else answer.trailers
        yield SendHttp(ResponseHeaders(self.stream_id, answer, not (content or trailers)), client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), client)
        if trailers:
            yield SendHttp(ResponseTrailers(self.stream_id, trailers), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)

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

    def _has_come(self, *kinds: type[HttpEvent]) -> bool:
        return any(isinstance(event, kinds) for event in self._paused_event_queue)

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
            if not isinstance(stream, EarlyAnswerStream) or stream.deadline is None:
                continue
            if stream.deadline <= now:
                yield from stream.stop_reading()
            else:
                waiting.append(stream.deadline)
        if waiting:
            yield commands.RequestWakeup(min(waiting) - now)


def _ends_connection(request: http.Request, bounds: DiscardBounds) -> bool:
    """Return whether it is known at once that no other HTTP/1 request can follow this one."""
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
