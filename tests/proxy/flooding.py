"""HTTP/2 frames by the thousand, as clients send them that mean no good."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from tests.proxy.harness import Headers, RawClient

#: What stands before the first frame.
BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
CANCEL = 8
ENHANCE_YOUR_CALM = 11


class Flood:
    """Frames of one connection, whose heads are as short as they can be."""

    def __init__(self, head: Headers) -> None:
        """Send this head again and again."""
        self._head = head
        self._encoder = Encoder()
        self._numbers = itertools.count(1, 2)
        #: The last stream that was begun.
        self.last = 0

    def requests(self, count: int, then: Callable[[int], Iterable[Frame]] = lambda _: (), *, end: bool = True) -> bytes:
        """Return so many requests, each followed by frames about its stream."""
        return b"".join(frame.serialize() for frame in self._frames(count, then, end))

    def _frames(self, count: int, then: Callable[[int], Iterable[Frame]], end: bool) -> Iterator[Frame]:
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        for _ in range(count):
            self.last = next(self._numbers)
            yield HeadersFrame(self.last, self._encoder.encode(self._head), flags=flags)
            yield from then(self.last)


def reset(stream_id: int) -> list[Frame]:
    """Return the frame by which a client gives a stream up."""
    return [RstStreamFrame(stream_id, error_code=CANCEL)]


def overflow(stream_id: int) -> list[Frame]:
    """Return a frame that opens a stream's window too far, for which the server has to reset it."""
    return [WindowUpdateFrame(stream_id, window_increment=2**31 - 1)]


def empty(stream_id: int) -> list[Frame]:
    """Return a piece of a body without bytes."""
    return [DataFrame(stream_id, b"")]


def frames_until_close(client: RawClient) -> list[Frame]:
    """Return the frames that still come until the other side closes; heads and bodies are not undone."""
    received, frames = memoryview(client.wait_for_close()), []
    while len(received) >= 9:
        frame, length = Frame.parse_frame_header(received[:9])
        if len(received) < 9 + length:
            break
        frame.parse_body(received[9 : 9 + length])
        frames.append(frame)
        received = received[9 + length :]
    return frames


def goodbyes(frames: Iterable[Frame]) -> list[int]:
    """Return the error codes of the GOAWAYs among these frames."""
    return [frame.error_code for frame in frames if isinstance(frame, GoAwayFrame)]
