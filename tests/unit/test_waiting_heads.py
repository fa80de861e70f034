"""What a head may be, and what all heads together may hold whose end has not come."""

from collections.abc import Iterator

import h11
import pytest

from orgfence.proxy.budget import Budget
from orgfence.proxy.wire import heads
from orgfence.proxy.wire.heads import MAX_HEAD, MAX_LINES, MAX_WAITING, UNCOUNTED, HeadBuffer
from orgfence.proxy.wire.trailers import TrailerlessReader

REQUEST = b"GET / HTTP/1.1\r\n"


@pytest.fixture(autouse=True)
def waiting() -> Iterator[Budget]:
    """Nothing of one test is counted in the next."""
    kept, HeadBuffer.waiting = HeadBuffer.waiting, Budget(lambda: MAX_WAITING)
    yield HeadBuffer.waiting
    HeadBuffer.waiting = kept


def add(buffer: HeadBuffer, data: bytes) -> None:
    """Have this come; h11's own operator forgets of what class the buffer is."""
    buffer.__iadd__(data)


def read(*pieces: bytes) -> list[bytes] | None:
    """Return the first head that comes in these pieces."""
    buffer = HeadBuffer()
    for piece in pieces:
        add(buffer, piece)
        lines = buffer.maybe_extract_lines()
        if lines is not None:
            return [bytes(line) for line in lines]
    return None


@pytest.mark.parametrize("start", [REQUEST, b"HTTP/1.1 200 OK\r\n"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("size", [1, 4000, 10**6])
def test_a_head_has_so_many_lines(start: bytes, end: bytes, size: int) -> None:
    """A request or an answer, in pieces of any size; one line more is no head."""
    for count, is_read in ((MAX_LINES - 1, True), (MAX_LINES, False)):
        data = start + (b"a:" + end) * count + end
        lines = read(*(data[at : at + size] for at in range(0, len(data), size)))
        assert lines is not None
        assert (lines[0] == start.strip()) is is_read


def test_too_many_lines_are_not_waited_for() -> None:
    """Nobody splits 100,000 of them in one piece."""
    assert read(REQUEST, b"a:\n" * (MAX_LINES - 1)) is None
    assert read(REQUEST, b"a:\n" * MAX_LINES, b"not read") == [b"a head that does not end"]


def test_the_lines_of_a_body_do_not_count() -> None:
    """Nor do those of the requests behind the first."""
    buffer = HeadBuffer()
    add(buffer, REQUEST + b"\r\n" + b"a:\n" * 10 * MAX_LINES)
    assert buffer.maybe_extract_lines() == [bytearray(REQUEST.strip())]
    buffer.maybe_extract_at_most(30 * MAX_LINES)
    add(buffer, REQUEST)
    assert buffer.maybe_extract_lines() is None
    add(buffer, b"\r\n")
    assert buffer.maybe_extract_lines() == [bytearray(REQUEST.strip())]


def test_trailers_have_so_many_lines() -> None:
    """They are read past all the same, and so must not take long."""
    reader, buffer = TrailerlessReader(), HeadBuffer()
    add(buffer, b"0\r\n" + b"a:\n" * (MAX_LINES - 1))
    assert reader(buffer) is None
    add(buffer, b"a:\na:\n")
    with pytest.raises(h11.ProtocolError):
        reader(buffer)


def test_trailers_that_are_over_wait_no_longer(waiting: Budget) -> None:
    """Where they are too long, and where their connection ends: what read them may be kept for long."""
    begun = b"0\r\n" + b"a" * (UNCOUNTED + 1)
    endless, broken = (TrailerlessReader(), HeadBuffer()), (TrailerlessReader(), HeadBuffer())
    for reader, buffer in endless, broken:
        add(buffer, begun)
        assert reader(buffer) is None
    assert waiting.bytes == 2 * (UNCOUNTED + 1)
    reader, buffer = endless
    add(buffer, b"a" * MAX_HEAD)
    with pytest.raises(h11.ProtocolError):
        reader(buffer)
    with pytest.raises(h11.ProtocolError):
        broken[0].read_eof()
    assert (waiting.bytes, len(endless[1]), len(broken[1])) == (0, 0, 0)


def test_heads_that_wait_share_a_budget(waiting: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is refused; a head that has come, or whose connection has ended, is counted no longer."""
    monkeypatch.setattr(heads, "MAX_WAITING", 3 * MAX_HEAD)
    HeadBuffer.waiting = waiting = Budget(lambda: heads.MAX_WAITING)
    buffers = [HeadBuffer() for _ in range(4)]
    for buffer in buffers[:3]:
        add(buffer, REQUEST + b"a: " + b"a" * (MAX_HEAD - 100))
        assert buffer.maybe_extract_lines() is None
        # Not twice.
        assert buffer.maybe_extract_lines() is None
    assert waiting.bytes == sum(len(buffer) for buffer in buffers[:3])
    add(buffers[3], REQUEST + b"a: " + b"a" * UNCOUNTED)
    assert buffers[3].maybe_extract_lines() == [bytearray(b"a head that does not end")]
    assert len(buffers[3]) == 0
    # A short one is taken.
    assert read(REQUEST + b"a: " + b"a" * (UNCOUNTED - 100), b"\r\n\r\n") is not None

    add(buffers[0], b"\r\n\r\n")
    assert buffers[0].maybe_extract_lines() is not None
    buffers[1].forget()
    assert waiting.bytes == len(buffers[2])
    del buffer, buffers
    assert waiting.bytes == 0
