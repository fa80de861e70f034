"""Speaks HTTP/2 with clients, and ends the connection of one that resets more streams than anybody means to.

A client may open a stream and reset it at once (CVE-2023-44487, rapid reset), or have it reset by a frame that is wrong
(CVE-2025-8671): streams that are reset do not count towards those that it may have open, so it can begin any number of
requests. And mitmproxy notes every stream of a connection for as long as that lasts.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

import time

from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.events import Event as Http2Event
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Connection, Http2Server

#: How many streams a client may reset at once, and how many more a second: the defaults of nghttp2 and Node
#: (`nghttp2_option_set_stream_reset_rate_limit`). Envoy looks at a connection from 500 requests on, Netty takes 200
#: resets in 30 s. A browser that leaves a page, or a gRPC client whose deadlines pass, resets the 100 that are open.
RESET_BURST = 1000
RESETS_A_SECOND = 33

_clock = time.monotonic
_handle_h2_event = Http2Connection.handle_h2_event


def install() -> None:
    """Speak HTTP/2 so with every client of this process."""
    # The package only imports the name, and mypy lets nobody assign to a method; both are the point here.
    http_layers.Http2Server = CalmHttp2Server  # type: ignore[attr-defined]
    Http2Connection.handle_h2_event = _drop_empty_data  # type: ignore[method-assign]


def _drop_empty_data(self: Http2Connection, event: Http2Event) -> CommandGenerator[bool]:
    """Pass on no data where none came.

    mitmproxy would send an empty piece to an HTTP/1 peer as a chunk without bytes, which is the end of the body: what
    follows would be another request, that nobody judged. Any number of them would wait for an upstream.
    """
    if isinstance(event, DataReceived) and not event.data and event.stream_id is not None:
        # Also of padding, which takes room; nothing is owed for the end of a stream.
        if event.flow_controlled_length:
            self.h2_conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        return _nothing_more()
    return _handle_h2_event(self, event)


def _nothing_more(*, is_over: bool = False) -> CommandGenerator[bool]:
    yield from ()
    return is_over


class CalmHttp2Server(Http2Server):
    """One client's HTTP/2 connection."""

    _forget_at = 256
    _is_over = False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._resets_left = float(RESET_BURST)
        self._refilled = _clock()

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        handling = super()._handle_event(event)
        # A request that mitmproxy refuses by a reset.
        is_killed = isinstance(event, ResponseProtocolError) and event.code is ErrorCode.KILL
        return self._count_own(handling) if is_killed else handling

    def handle_h2_event(self, event: Http2Event) -> CommandGenerator[bool]:
        """Handle what the client has sent; return whether the connection is over."""
        if self._is_over:
            return _nothing_more(is_over=True)
        if isinstance(event, StreamReset):
            return self._reset(event)
        if isinstance(event, RequestReceived) and len(self.streams) >= self._forget_at:
            self._forget_streams()
        return super().handle_h2_event(event)

    def _reset(self, event: StreamReset) -> CommandGenerator[bool]:
        # Whether the client has reset it, or h2 has because of what the client sent.
        self.h2_conn.stream_trailers.pop(event.stream_id or 0, None)
        if (yield from super().handle_h2_event(event)):
            return True
        return (yield from self._end_if_too_many())

    def _count_own(self, handling: CommandGenerator[None]) -> CommandGenerator[None]:
        yield from handling
        yield from self._end_if_too_many()

    def _end_if_too_many(self) -> CommandGenerator[bool]:
        now = _clock()
        self._resets_left = min(RESET_BURST, self._resets_left + (now - self._refilled) * RESETS_A_SECOND) - 1
        self._refilled = now
        if self._resets_left >= 0:
            return False
        if not self._is_over:
            self._is_over = True
            yield from self.protocol_error("too many streams were reset", ErrorCodes.ENHANCE_YOUR_CALM)
        return True

    def _forget_streams(self) -> None:
        """Forget streams that are over, which mitmproxy keeps until the connection ends."""
        self.streams = {stream_id: state for stream_id, state in self.streams.items() if not self.is_closed(stream_id)}
        self._forget_at = 256 + 2 * len(self.streams)
