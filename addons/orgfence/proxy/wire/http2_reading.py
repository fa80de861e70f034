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

from h2.frame_buffer import FrameBuffer
from hyperframe.frame import Frame, HeadersFrame
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http._http2 import Http2Connection

#: How long one connection is read in one piece, in seconds: some ten requests, and a fifth of the 25 ms that a request
#: may take.
SLICE_SECONDS = 0.005
#: How many frames that begin no request are handled before the clock is read again.
_FRAMES = 16

_clock = time.perf_counter


class ReadOn(commands.RequestWakeup):
    """Asks what speaks HTTP/2 on a connection to go on reading."""


class SlicedFrames(FrameBuffer):
    """What has come of one connection and is not read yet; gives no more frames than it may."""

    #: Whether bytes wait for their turn.
    is_behind = False
    _may_give: float = float("inf")

    def allow_some(self) -> None:
        """Give up to the next request, or a few frames that begin none."""
        self._may_give = _FRAMES

    def __next__(self) -> Frame:
        """Return the next frame, while one may be given."""
        if self._may_give <= 0:
            raise StopIteration
        frame = super().__next__()
        self._may_give = 0 if isinstance(frame, HeadersFrame) else self._may_give - 1
        return frame

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
    until = _clock() + SLICE_SECONDS
    while True:
        before = len(frames) + len(data)
        frames.allow_some()
        yield from Layer.handle_event(speaker, events.DataReceived(speaker.conn, data))
        data = b""
        # Nothing is read any more from a connection that is over.
        if not frames.has_frame or len(frames) == before:
            _note(speaker, frames, is_behind=False)
            return
        if _clock() >= until:
            _note(speaker, frames, is_behind=True)
            yield ReadOn(0)
            return


def _note(speaker: Http2Connection, frames: SlicedFrames, *, is_behind: bool) -> None:
    if is_behind != frames.is_behind:
        frames.is_behind = is_behind
        noted = vars(speaker.context.client)
        noted[_BEHIND] = noted.get(_BEHIND, 0) + (1 if is_behind else -1)


# On the client, which all connections that serve it have in common: how many of these are behind.
_BEHIND = "orgfence_behind"


async def wait_while_behind(client: Connection) -> None:
    """Wait until all that has come for a client, or from it, is read."""
    noted = vars(client)
    # Each turn of the loop reads one slice, so an event would be set hardly sooner, and cost every other reading.
    while noted.get(_BEHIND):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
