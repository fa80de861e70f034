"""Chunked bodies are the same, however they come, and many small chunks are one piece."""

import random

import h11
import pytest

from orgfence.proxy.wire.heads import HeadBuffer
from orgfence.proxy.wire.trailers import TrailerlessReader

LINES = [b"%x", b"%X", b"000%x", b"%x;ext", b'%x;a="b;c"', b"%x ", b"%x\t;" + b"e" * 300, b"%x" + b" " * 70]


def add(buffer: HeadBuffer, data: bytes) -> None:
    """Have this come; h11's own operator forgets of what class the buffer is."""
    buffer.__iadd__(data)


def read(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """Return what a body consists of that comes in these pieces, and whether it has ended."""
    reader, buffer = TrailerlessReader(), HeadBuffer()
    found: list[bytes] = []
    for piece in pieces:
        add(buffer, piece)
        while isinstance(event := reader(buffer), h11.Data):
            found.append(bytes(event.data))
        if isinstance(event, h11.EndOfMessage):
            return found, True
    return found, False


@pytest.mark.parametrize("seed", range(50))
def test_the_body_is_the_same_in_pieces_of_any_size(seed: int) -> None:
    """With any lines that say how long a chunk is, and trailers behind the last."""
    randomly = random.Random(seed)
    chunks = [randomly.randbytes(randomly.choice([1, 2, 15, 16, 300])) for _ in range(200)]
    lines = [randomly.choice(LINES) % len(chunk) for chunk in chunks]
    data = b"".join(b"%s\r\n%s\r\n" % pair for pair in zip(lines, chunks, strict=True)) + b"0\r\nname: value\r\n\r\n"
    pieces = []
    while data:
        size = randomly.choice([1, 3, 50, 4000])
        pieces.append(data[:size])
        data = data[size:]
    found, ended = read(pieces)
    assert ended
    assert b"".join(found) == b"".join(chunks)


@pytest.mark.parametrize("line", LINES[:6])
def test_chunks_that_come_together_are_one_piece(line: bytes) -> None:
    """Ten thousand of one byte cost no more objects than one."""
    whole = (line % 1 + b"\r\nx\r\n") * 10_000
    assert read([whole + b"0\r\n\r\n"]) == ([b"x" * 10_000], True)
    assert read([whole, whole + b"5\r\nab"]) == ([b"x" * 10_000, b"x" * 10_000, b"ab"], False)


@pytest.mark.parametrize(
    "odd", [b"x\r\n", b"-1\r\n", b"1\nx", b"1\r\nxx\r\n", b"1\r\nx1\r\nx", b"g\r\n", b"8" * 20 + b"\r\n"]
)
def test_what_is_no_chunk_is_refused(odd: bytes) -> None:
    """Also behind chunks that are read many at a time."""
    with pytest.raises(h11.ProtocolError):
        read([b"1\r\nx\r\n" * 100 + odd + b"\r\nrest"])
