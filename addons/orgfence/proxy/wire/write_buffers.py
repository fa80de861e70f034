"""Joins small pieces of data that wait for a socket to take them.

asyncio keeps each piece that it is given as an object of its own, and adds all their lengths up again for each piece
that comes. An HTTP/2 client that sends its body in frames of one byte, to an upstream that does not read, has it do so
for hundreds of thousands of pieces: that is the square of their number, and some hundred bytes for each.

What it takes for granted in asyncio stands in `relied_on`.
"""

from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined] # typeshed has no name for it
from typing import Any

from orgfence.proxy.wire.waiting import SMALL

_write = _SelectorSocketTransport.write


def install() -> None:
    """Write so to every socket of this process."""
    _SelectorSocketTransport.write = _write_joined


def _write_joined(self: Any, data: bytes) -> None:
    buffer = self._buffer
    # With data in the buffer the connection is not lost; asyncio clears it where it is.
    if not buffer or self._eof or self._empty_waiter is not None or len(buffer[-1]) + len(data) > SMALL:
        _write(self, data)
        return
    buffer[-1] = b"".join((buffer[-1], data))
    self._maybe_pause_protocol()
