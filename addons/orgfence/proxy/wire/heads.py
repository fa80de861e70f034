"""Reads HTTP/1 heads within bounds, and past what upstream says before its answer.

mitmproxy waits for the end of a head however long it gets, and takes `103 Early Hints` for the answer itself: the
client then waits for ever.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1

#: Servers stop at 8 to 64 KiB, curl at 300: nobody means to send more than this.
MAX_HEAD = 1024 * 1024
#: More hints than this come from nobody who means to answer.
MAX_HINTS = 100


def install() -> None:
    """Read every HTTP/1 connection of this process so."""
    # `_http1` only imports the name, so for mypy it is not there to be replaced.
    _http1.ReceiveBuffer = HeadBuffer  # type: ignore[attr-defined]


class HeadBuffer(ReceiveBuffer):
    """What has come of a connection and is not read yet."""

    _hints = 0

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines of a head, or None where its end has not come."""
        lines = super().maybe_extract_lines()
        # No request begins so.
        while lines and lines[0].startswith(b"HTTP/1.") and lines[0][8:10] == b" 1" and lines[0][9:12] != b"101":
            self._hints += 1
            if self._hints > MAX_HINTS:
                return _unreadable("too many informational answers")
            lines = super().maybe_extract_lines()
        if lines is None:
            if len(self) > MAX_HEAD:
                return _unreadable("a head that does not end")
        else:
            self._hints = 0
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line that says how long a chunk is, or None where its end has not come."""
        line = super().maybe_extract_next_line()
        return bytearray(b"endless\r\n") if line is None and len(self) > MAX_HEAD else line


def _unreadable(why: str) -> list[bytearray]:
    """Return a head that neither a request nor an answer can have, so that its connection ends."""
    return [bytearray(why.encode())]
