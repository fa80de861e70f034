"""Reads HTTP/2 frames in slices of time, so that one connection never holds up the others.

A segment of 64 KiB holds thousands of small frames: requests that are reset at once, or blocked at once, or PING.
mitmproxy handles all of a segment before anybody else is served. Here a connection is read for a few milliseconds; the
rest of its segment waits until the event loop has served the others, and no more of the connection is read meanwhile.
Envoy has the same bound as `http.max_requests_per_io_cycle` (GHSA-jhv4-f7mr-xx76).

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

import asyncio
import time

from h2.exceptions import ProtocolError
from h2.frame_buffer import FrameBuffer
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PushPromiseFrame
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http._http2 import Http2Connection

#: How long one connection is read in one piece, in seconds: some ten requests, and a fifth of the 25 ms that a request
#: may take.
SLICE_SECONDS = 0.005
#: How many frames that begin no request are handled before the clock is read again.
_FRAMES = 16

#: How long a head may be as it comes, in bytes; it waits for its last frame. nghttp2 and Node stop there as well, and
#: h2 at as much when it is decoded, but only then.
MAX_BLOCK = 64 * 1024

_clock = time.perf_counter


class ReadOn(commands.RequestWakeup):
    """Asks what speaks HTTP/2 on a connection to go on reading."""


class SlicedFrames(FrameBuffer):
    """What has come of one connection and is not read yet; gives no more frames than it may."""

    #: Whether bytes wait for their turn.
    is_behind = False
    #: How many frames may be given; None: all.
    _may_give: int | None = None
    #: How much has come of a head that is not complete.
    _block = 0

    def allow_some(self) -> None:
        """Give up to the next request, or a few frames that begin none."""
        self._may_give = _FRAMES

    def __next__(self) -> Frame:
        """Return the next frame, while one may be given."""
        if self._may_give == 0:
            raise StopIteration
        frame = super().__next__()
        if self._may_give is not None:
            self._may_give = 0 if isinstance(frame, HeadersFrame) else self._may_give - 1
        return frame

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        if isinstance(f, HeadersFrame | PushPromiseFrame | ContinuationFrame):
            self._block += len(f.data)
            if self._block > MAX_BLOCK:
                raise ProtocolError("a head that does not end")
            if "END_HEADERS" in f.flags:
                self._block = 0
        return super()._update_header_buffer(f)

    def __len__(self) -> int:
        """Return how many bytes there are."""
        return len(self._data)

    @property
    def has_frame(self) -> bool:
        """Whether a whole frame is there."""
        # https://www.rfc-editor.org/rfc/rfc9113#section-4.1: nine bytes, the first three of which are the length.
        return len(self._data) >= 9 and len(self._data) >= 9 + int.from_bytes(self._data[:3])


def read(speaker: Http2Connection, data: bytes) -> CommandGenerator[None]:
    """Handle what has come of a connection, for as long as one slice lasts."""
    frames = speaker.h2_conn.incoming_buffer
    assert isinstance(frames, SlicedFrames)
    if frames.is_behind and data:
        frames.add_data(data)
        return
    part = Slice(speaker.context.client, speaker)
    while True:
        before = len(frames) + len(data)
        frames.allow_some()
        yield from Layer.handle_event(speaker, events.DataReceived(speaker.conn, data))
        data = b""
        # Nothing is read any more from a connection that is over.
        if not frames.has_frame or len(frames) == before:
            frames.is_behind = False
            part.end()
            return
        if part.is_over:
            frames.is_behind = True
            yield part.go_on()
            return


class Slice:
    """The time for which one layer may read before others are served."""

    __slots__ = ("_client", "_reader", "_until")

    def __init__(self, client: Connection, reader: Layer) -> None:
        """Begin now; `client` is the one that the reading layer serves."""
        self._client = client
        self._reader = reader
        self._until = _clock() + SLICE_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether others are to be served now."""
        return _clock() >= self._until

    def go_on(self) -> ReadOn:
        """Return the command after which the next slice begins; nothing more is read from the client's sockets."""
        vars(self._client).setdefault(_BEHIND, set()).add(id(self._reader))
        return ReadOn(0)

    def end(self) -> None:
        """Read from the client's sockets again: all that had come was read."""
        behind = vars(self._client).get(_BEHIND)
        if behind:
            behind.discard(id(self._reader))


# On the client, which all connections that serve it have in common: which layers have not read all that has come.
_BEHIND = "orgfence_behind"


async def wait_while_behind(client: Connection) -> None:
    """Wait until all that has come for a client, or from it, is read."""
    noted = vars(client)
    # Each turn of the loop reads one slice, so an event would be set hardly sooner, and cost every other reading.
    while noted.get(_BEHIND):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
