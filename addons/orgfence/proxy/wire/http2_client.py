"""Speaks HTTP/2 to upstream so that its GOAWAY costs nothing.

mitmproxy takes GOAWAY for the end of all that is in flight. But upstream says by it which requests it will still answer
(RFC 9113 section 6.8): those are waited for, and of the others it is known that they may be sent again. What a client
has given up on is waited for no longer; mitmproxy would for as long as the connection lives.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

from collections import defaultdict
from dataclasses import dataclass
from functools import partial

from h2.errors import ErrorCodes
from h2.events import Event as Http2Event
from h2.events import StreamEnded, StreamReset
from hyperframe.frame import Frame, GoAwayFrame
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client

from orgfence.proxy.wire.waiting import WaitingEvents


def install() -> None:
    """Speak HTTP/2 to every upstream of this process by a client that waits for what is in flight."""
    # The package only imports the name, so for mypy it is not there to be replaced.
    http_layers.Http2Client = PatientHttp2Client  # type: ignore[attr-defined]


@dataclass
class UnprocessedError(ResponseProtocolError):
    """Upstream has not processed this request, whatever its method, and says so."""


@dataclass
class GoingAway(Http2Event):
    """Upstream takes no more requests on this connection."""

    #: The last one that it will answer.
    last_stream_id: int = 0


class PatientHttp2Client(Http2Client):
    """One HTTP/2 connection to upstream."""

    #: Whether it has answered a request.
    has_served = False
    _is_going_away = False
    _forget_at = 1000

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # h2 would neither send nor take anything after it.
        self.h2_conn._frame_dispatch_table[GoAwayFrame] = _receive_goaway
        # Lists, of which no more is asked than of these.
        self.stream_queue = defaultdict(partial(WaitingEvents, context.client))  # type: ignore[arg-type]

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if not isinstance(event, RequestProtocolError):
            return super()._handle_event(event)
        if event.stream_id not in self.our_stream_id:
            # It was never sent; mitmproxy would send it in its turn, and then cancel it.
            self.stream_queue.pop(event.stream_id, None)
            return _nothing()
        return self._give_up(event, super()._handle_event(event))

    def _give_up(self, event: RequestProtocolError, handling: CommandGenerator[None]) -> CommandGenerator[None]:
        ours = self.our_stream_id.get(event.stream_id)
        yield from handling
        if ours is not None and self.streams.pop(ours, None) is not None and self._is_going_away:
            yield from self._close_if_done()

    def handle_h2_event(self, event: Http2Event) -> CommandGenerator[bool]:
        """Handle what upstream has sent; return whether the connection is over."""
        if isinstance(event, GoingAway):
            return self._go_away(event)
        if isinstance(event, StreamReset) and event.error_code == ErrorCodes.REFUSED_STREAM:
            return self._refused(event)
        if isinstance(event, StreamEnded):
            self.has_served = True
            self._forget_streams()
        if self._is_going_away:
            return self._handle_last(event)
        return super().handle_h2_event(event)

    def close_connection(self, msg: str) -> CommandGenerator[None]:
        """Fail all that is in flight; what was not sent yet may go out on another connection."""
        queued = list(self.stream_queue)
        self.stream_queue.clear()
        yield from super().close_connection(msg)
        for theirs in queued:
            yield self._unprocessed(self._number(theirs), msg)

    def _go_away(self, event: GoingAway) -> CommandGenerator[bool]:
        self._is_going_away = True
        # As for a connection that is closed by half, mitmproxy opens another one for the next request.
        self.conn.state &= ~ConnectionState.CAN_WRITE
        queued = [self._number(theirs) for theirs in self.stream_queue]
        self.stream_queue.clear()
        refused = [ours for ours in self.streams if ours > event.last_stream_id]
        for ours in refused:
            del self.streams[ours]
        for ours in refused + queued:
            yield self._unprocessed(ours, "the connection to upstream is going away")
        return (yield from self._close_if_done())

    def _refused(self, event: StreamReset) -> CommandGenerator[bool]:
        ours = event.stream_id or 0
        if self.streams.pop(ours, None) is not None:
            # So that it gets another number when it comes again on this connection.
            self.our_stream_id.pop(self.their_stream_id[ours], None)
            yield self._unprocessed(ours, "upstream refused the stream")
        return False

    def _handle_last(self, event: Http2Event) -> CommandGenerator[bool]:
        if (yield from super().handle_h2_event(event)):
            return True
        return (yield from self._close_if_done())

    def _close_if_done(self) -> CommandGenerator[bool]:
        if self.streams:
            return False
        yield commands.CloseConnection(self.conn)
        self._handle_event = self.done  # type: ignore[method-assign] # as mitmproxy does where it closes
        return True

    def _number(self, theirs: int) -> int:
        """Return a number by which a stream that was never sent can be told of."""
        self.their_stream_id[-theirs] = theirs
        return -theirs

    def _unprocessed(self, ours: int, why: str) -> ReceiveHttp:
        return ReceiveHttp(UnprocessedError(ours, why, ErrorCode.GENERIC_SERVER_ERROR))

    def _forget_streams(self) -> None:
        """Forget the numbers of streams that are over, which mitmproxy keeps for as long as the connection lives."""
        if len(self.our_stream_id) < self._forget_at:
            return
        layer = next(layer for layer in reversed(self.context.layers) if isinstance(layer, HttpLayer))
        for theirs, ours in list(self.our_stream_id.items()):
            if ours not in self.streams and theirs not in layer.streams:
                del self.our_stream_id[theirs]
                self.their_stream_id.pop(ours, None)
        self._forget_at = 1000 + 2 * len(self.our_stream_id)


def _nothing() -> CommandGenerator[None]:
    yield from ()


def _receive_goaway(frame: GoAwayFrame) -> tuple[list[Frame], list[Http2Event]]:
    return [], [GoingAway(frame.last_stream_id)]
