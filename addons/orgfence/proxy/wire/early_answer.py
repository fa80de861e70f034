"""Answers a request as soon as it is judged, and lets none pass that was not judged.

By itself mitmproxy sends a `flow.response` that was set in `requestheaders` only when the whole body has
come: it asks for it by `100-continue` and buffers it, however large. So the stream that serves a request is
replaced by a subclass, which answers at once and throws the rest of the body away, within bounds. A request that is
judged by its body is held until that has come, or more of it than is read; so is an answer that is to be read.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import logging
import time
from collections.abc import Callable
from typing import ClassVar

from mitmproxy import http
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook, HttpResponseHook

from orgfence.proxy.lean.dispatch import outline
from orgfence.proxy.wire.abandoned import AbandonableStream
from orgfence.proxy.wire.discard import DiscardBounds, DiscardingStream, ends_connection
from orgfence.proxy.wire.gate import Gate, Hold
from orgfence.proxy.wire.stale_connections import RepeatingStream

logger = logging.getLogger(__name__)


def install(gate: Gate, bounds: DiscardBounds | None = None, *, served_by: type[HttpStream] = HttpStream) -> None:
    """Serve every request of this process by a stream that asks this gate, and otherwise is one of this class."""
    # mypy lets nobody assign to a class; that is the point here.
    http_layers.HttpStream = guarded_stream(gate, bounds or DiscardBounds(), served_by)  # type: ignore[misc]


def guarded_stream(gate: Gate, bounds: DiscardBounds, served_by: type[HttpStream]) -> type[HttpStream]:
    """Return a stream class whose requests this gate lets through or answers."""

    class GuardedHttpStream(EarlyAnswerStream, served_by):  # type: ignore[misc,valid-type]
        _gate = gate
        _bounds = bounds

    return GuardedHttpStream


class EarlyAnswerStream(DiscardingStream, AbandonableStream, RepeatingStream):
    """One request and its response, answered as soon as the gate says so."""

    _gate: ClassVar[Gate]

    #: Whether the gate let the request go on.
    let_through = False
    #: Whether the request has no body.
    _is_all_head = False
    #: While the request is held: how much of its body.
    _limit: int | None = None
    #: How many bytes of the request's body and of the answer's are counted as held.
    _held_request = 0
    _held_answer = 0

    def __del__(self) -> None:
        """Count nothing as held of a stream that is gone, however it ended."""
        if self._held_request or self._held_answer:
            self._let_go()

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Drop a request's trailers, as RFC 9110 section 6.5.1 allows: they come when it was judged already."""
        if isinstance(event, RequestHeaders):
            self._is_all_head = event.end_stream
        return _nothing() if isinstance(event, RequestTrailers) else super()._handle_event(event)

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:
        """Ask the gate, where mitmproxy asks whether the request was killed while its headers or body were judged."""
        is_asked = self.client_state == self.state_wait_for_request_headers or self._limit is not None
        return (self._check_killed if is_asked else super().check_killed)(emit_error_hook)

    def _check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:
        if (yield from super().check_killed(emit_error_hook)):
            # mitmproxy would keep it while an HTTP/2 client stays.
            yield DropStream(self.stream_id)
            return True
        if self.client_state == self.state_wait_for_request_headers:
            answer = self._ask(self._gate.answer_early)
            if isinstance(answer, Hold):
                self._limit = answer.limit
                # Another addon may want it otherwise; but what streams is gone before it is judged.
                self.flow.request.stream = False
                return False
            return (yield from self._go_by(answer))
        if self.client_state == self.state_done and self._limit is not None:
            self._limit = None
            late_answer = self._ask(self._gate.answer_held)
            return (yield from self._go_by(late_answer))
        return False

    def check_invalid(self, request: bool) -> CommandGenerator[bool]:
        """Refuse what has malformed headers, and let go of it: mitmproxy would keep it while an HTTP/2 client stays."""
        return self._let_go_if(super().check_invalid(request))

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        """Hold no more of a body than is read, where mitmproxy asks whether it holds more than its own options say."""
        checks = super().check_body_size
        if not request:
            if self.response_body_buf:
                checks = self._check_answer_size
        elif self._limit is not None:
            checks = self._check_held_size
        elif self.request_body_buf and self.let_through:
            checks = self._check_passed_size
        check = checks(request)
        return self._let_go_if(check) if self.context.options.body_size_limit else check

    def _let_go_if(self, check: CommandGenerator[bool]) -> CommandGenerator[bool]:
        is_over = yield from check
        if is_over and self.client_state == self.state_errored:
            yield DropStream(self.stream_id)
        return is_over

    def _check_answer_size(self, request: bool) -> CommandGenerator[bool]:
        """Hold no more of an answer than is read; the rest of a longer one streams."""
        if (yield from super().check_body_size(request)):
            return True
        limit = self._gate.limit_of_answer(self.flow)
        size = len(self.response_body_buf)
        if (limit is None or size <= limit) and self._gate.held.take(size - self._held_answer):
            self._held_answer = size
            return False
        if limit is not None:
            self._gate.answer_too_long(self.flow)
        self._gate.held.give_back(self._held_answer)
        self._held_answer = 0
        held = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        assert self.flow.response is not None
        # What it became while it was told of has a stream of its own.
        self.flow.response.stream = self.flow.response.stream or True
        yield from self.start_response_stream()
        yield from self.server_state(ResponseData(self.stream_id, held))
        return False

    def _check_held_size(self, request: bool) -> CommandGenerator[bool]:
        if (yield from super().check_body_size(request)):
            return True
        size = len(self.request_body_buf)
        if self._limit is None or (size <= self._limit and self._hold_request(size)):
            return False
        self._limit = None
        answer = self._ask(self._gate.answer_unread)
        if answer is not None:
            self._let_go_of_request()
        if not (yield from self._go_by(answer)):
            yield from self._stream_on()
        return True

    def _check_passed_size(self, request: bool) -> CommandGenerator[bool]:
        """Hold a body that is passed on whole, or pass it on as it comes where too many are held."""
        if (yield from super().check_body_size(request)):
            return True
        if self._hold_request(len(self.request_body_buf)):
            return False
        yield from self._stream_on()
        return True

    def _hold_request(self, size: int) -> bool:
        """Count so many bytes of the request's body as held, if they fit."""
        if not self._gate.held.take(size - self._held_request):
            return False
        self._held_request = size
        return True

    def _stream_on(self) -> CommandGenerator[None]:
        """Pass on what was held of the request's body, and the rest as it comes."""
        held = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.flow.request.stream = True
        yield from self.start_request_stream()
        yield from self.client_state(RequestData(self.stream_id, held))
        self._let_go_of_request()

    def _let_go_of_request(self) -> None:
        self.request_body_buf.clear()
        self._gate.held.give_back(self._held_request)
        self._held_request = 0

    def flow_done(self) -> CommandGenerator[None]:
        """End the stream when request and answer are through."""
        self._let_go()
        return super().flow_done()

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        """End the stream, or send its request again."""
        yield from super().handle_protocol_error(event)
        if not self.flow.live:
            self._let_go()

    def _finish(self) -> CommandGenerator[None]:
        self._let_go()
        return super()._finish()

    def _let_go(self) -> None:
        """Hold nothing any more of a stream that has ended.

        Layers know each other, so that only the garbage collector frees them, which may take long.
        """
        held, flow = self._gate.held, self.flow
        if not (self._held_request or self._held_answer):
            return
        held.give_back(self._held_request + self._held_answer)
        self._held_request = self._held_answer = 0
        self.request_body_buf.clear()
        self.response_body_buf.clear()
        if not held.keeps:
            flow.request.data.content = None
            if flow.response is not None:
                flow.response.data.content = None

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Connect to upstream for a request that the gate let through, and for no other."""
        return super().make_server_connection() if self.let_through else self._refuse()

    def _refuse(self) -> CommandGenerator[bool]:
        # Only with a mitmproxy that no longer calls `check_killed` as described above, which so fails closed.
        error = ResponseProtocolError(self.stream_id, "the request was not judged", ErrorCode.CONNECT_FAILED)
        yield from self.handle_protocol_error(error)
        return False

    def _ask[A](self, question: Callable[[http.HTTPFlow], A]) -> A | http.Response | None:
        try:
            answer = question(self.flow)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the request must not go on
            # Not `logger.exception`, whose last line is the exception's message: it might quote the request.
            logger.error("The gate failed, so the request is refused: %s", outline(error))  # noqa: TRY400
            return http.Response.make(502)
        # What another addon answers, such as a 407, would else wait for the body all the same.
        return self.flow.response if answer is None else answer

    def _go_by(self, answer: http.Response | None) -> CommandGenerator[bool]:
        """Send the answer, or open the way upstream; return whether the request was answered."""
        if answer is None:
            self.let_through = True
            return False
        yield from self._answer(answer)
        return True

    def _answer(self, answer: http.Response) -> CommandGenerator[None]:
        flow = self.flow
        flow.response = answer
        is_whole = self.client_state == self.state_done
        if not is_whole:
            self._complete_request(flow.request)
            if self._is_http1 and ends_connection(flow.request, self._bounds):
                answer.headers["Connection"] = "close"

        # What views and loggers expect of a response, also of one that an addon made.
        answer.timestamp_start = time.time()
        yield HttpResponseHeadersHook(flow)
        answer.timestamp_end = time.time()
        yield HttpResponseHook(flow)
        if (yield from super().check_killed(False)):
            return

        self.server_state = self.state_done
        if is_whole:
            yield from self._send(flow.response or answer)
            yield from self._finish()
            return
        self.client_state = self.state_discard_request_body
        self._allow_short_body()
        yield from self._send(flow.response or answer)
        if not (self._is_all_head or self._has_come(RequestEndOfMessage, RequestProtocolError)):
            yield from self._set_deadline()

    def _complete_request(self, request: http.Request) -> None:
        """Leave the request as views expect it: read as far as it ever will be."""
        request.timestamp_end = time.time()
        if self._is_all_head:
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

    def _has_come(self, *kinds: type[HttpEvent]) -> bool:
        return any(isinstance(event, kinds) for event in self._paused_event_queue)


def _nothing() -> CommandGenerator[None]:
    yield from ()
