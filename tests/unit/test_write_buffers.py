"""What waits for a socket is few pieces, whatever it came in."""

import asyncio
import socket
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined] # typeshed has no name for it

import pytest

from orgfence.proxy.wire import write_buffers
from orgfence.proxy.wire.waiting import SMALL


async def _written(pieces: list[bytes]) -> tuple[int, bytes]:
    """Return in how many pieces this waits for a peer that does not read, and what arrives when that reads."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        _, writer = await asyncio.open_connection(sock=ours)
        writer.write(bytes(4 * 1024 * 1024))
        filled = len(writer.transport._buffer)  # type: ignore[attr-defined] # asyncio's own
        for piece in pieces:
            writer.write(piece)
        waiting = len(writer.transport._buffer) - filled  # type: ignore[attr-defined] # as above
        writer.write_eof()
        arrived = bytearray()
        while data := await asyncio.get_running_loop().sock_recv(theirs, 1 << 20):
            arrived += data
        writer.close()
        return waiting, bytes(arrived[4 * 1024 * 1024 :])


def test_small_pieces_wait_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """And arrive in their order; large ones are not copied."""
    monkeypatch.setattr(_SelectorSocketTransport, "write", _SelectorSocketTransport.write)
    write_buffers.install()
    pieces = [b"%d" % (number % 10) for number in range(20_000)] + [bytes(SMALL), b"", bytes(SMALL + 1), b"end"]
    waiting, arrived = asyncio.run(_written(pieces))
    assert waiting <= 2 * 20_000 // SMALL + 5
    assert arrived == b"".join(pieces)
