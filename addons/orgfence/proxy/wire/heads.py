"""Reads HTTP/1 heads and the lines between chunks within bounds, and past what may stand before a head.

mitmproxy waits for the end of a head however long it gets, reads any number of lines in one piece, and takes `103 Early
Hints` for the answer itself: the client then waits for ever. So it does behind an empty line, and behind bytes that no
head begins with. h11 takes the square of a chunk extension's length to read it.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re
from typing import ClassVar

from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1

from orgfence.proxy.budget import Budget
from orgfence.proxy.wire.lengths import MAX_LENGTH

#: Servers stop at 8 to 64 KiB, curl at 300: nobody means to send more than this.
MAX_HEAD = 1024 * 1024
#: Node takes 2,000 fields, Apache 100. HTTP/2 has a bound of the same size: h2 takes lists of 64 KiB, and each field
#: counts 32 bytes beside its own (RFC 9113 section 10.5.1). To judge 170,000 fields takes a fifth of a second.
MAX_LINES = 2000
#: What all heads together may take whose end has not come; a client may begin any number of them. In bytes.
MAX_WAITING = 64 * 1024 * 1024
#: Heads that are not longer do not count towards it: nearly all are shorter, whoever fills the rest. Node's bound.
UNCOUNTED = 16 * 1024
#: More hints than this come from nobody who means to answer.
MAX_HINTS = 100
#: Clients that send any before a request send one or two.
MAX_EMPTY_LINES = 100
#: Go takes 4 KiB for a chunk's size with its extensions, Apache 8; a signature by AWS has some hundred bytes.
MAX_CHUNK_LINE = 16 * 1024

# https://www.rfc-editor.org/rfc/rfc9112#section-2.1
#   HTTP-message = start-line CRLF *( field-line CRLF ) CRLF [ message-body ]
# A start line is `method SP request-target SP HTTP-version` or `HTTP-version SP status-code SP [ reason-phrase ]`.
# White space before it is for whoever reads the whole line.
_MAY_BEGIN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z \t\v\f\r\n-]")
# Not 101, which is the answer itself, nor what is no status code at all.
_HINT = re.compile(rb"HTTP/1\.. 1(?!01)[0-9]{2}(?![0-9])")
# As far as a start line is looked for in what has come.
_MAX_START_LINE = 8192


def install() -> None:
    """Read every HTTP/1 connection of this process so."""
    # `_http1` only imports the name, so for mypy it is not there to be replaced.
    _http1.ReceiveBuffer = HeadBuffer  # type: ignore[attr-defined]


class HeadBuffer(ReceiveBuffer):
    """What has come of a connection and is not read yet."""

    #: Heads whose end has not come, on all connections.
    waiting: ClassVar[Budget] = Budget(lambda: MAX_WAITING)

    _hints = 0
    _empty_lines = 0
    #: How much of this one is counted as waiting.
    _held = 0
    #: How many lines there are, up to where they were counted.
    _lines = 0
    _counted = 0

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines of a head, or None where its end has not come."""
        lines = self._next_lines()
        # No request begins so.
        while lines and _HINT.match(lines[0]):
            self._hints += 1
            if self._hints > MAX_HINTS:
                return _unreadable("too many informational answers")
            lines = self._next_lines()
        if lines is not None:
            self._hints = self._empty_lines = 0
            if len(lines) > MAX_LINES:
                return _unreadable("too many lines")
        elif self.is_too_long():
            self.forget()
            return _unreadable("a head that does not end")
        elif self._begins_no_head():
            return _unreadable("no HTTP")
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line that says how long a chunk is, without its extensions; None where its end has not come."""
        line = super().maybe_extract_next_line()
        if line is None:
            # A line that ends in LF alone, which h11 does not take for an end, would be waited for.
            return _endless() if len(self) > MAX_CHUNK_LINE or b"\n" in self._data else None
        size, separator, extensions = line.partition(b";")
        if len(line) > MAX_CHUNK_LINE or b"\n" in extensions[:-2] or _is_too_long(size):
            return _endless()
        return size + b"\r\n" if separator else line

    def is_too_long(self) -> bool:
        """Return whether what has come of a head, or of trailers, is more than is waited for."""
        size = len(self)
        self._lines += self._data.count(b"\n", self._counted)
        self._counted = size
        if size > MAX_HEAD or self._lines > MAX_LINES:
            return True
        if size > UNCOUNTED:
            if not self.waiting.take(size - self._held):
                return True
            self._held = size
        return False

    def forget(self) -> None:
        """Keep nothing of what has come: the connection ends."""
        self._extract(len(self))

    def count_no_longer(self) -> None:
        """Count nothing of what has come as waiting: it is read, or its connection has ended."""
        if self._held:
            self.waiting.give_back(self._held)
            self._held = 0

    def __del__(self) -> None:
        """Count nothing of a connection that is gone."""
        self.count_no_longer()

    def _extract(self, count: int) -> bytearray:
        self._lines = self._counted = 0
        self.count_no_longer()
        return super()._extract(count)

    def _next_lines(self) -> list[bytearray] | None:
        """Return the lines of a head, of a hint too, and read past the empty lines before it.

        https://www.rfc-editor.org/rfc/rfc9112#section-2.2 has servers ignore at least one. Clients of HTTP/1.0 sent
        one behind a body.
        """
        while (lines := super().maybe_extract_lines()) == []:
            self._empty_lines += 1
            if self._empty_lines > MAX_EMPTY_LINES:
                return _unreadable("too many empty lines")
        return lines

    def _begins_no_head(self) -> bool:
        """Return whether what has come is no part of a head, so that nobody need wait for its end."""
        start = bytes(self._data[:_MAX_START_LINE])
        line, newline, _ = start.partition(b"\n")
        return bool(start) and (_MAY_BEGIN.match(start) is None or (bool(newline) and b"HTTP/" not in line))


def _unreadable(why: str) -> list[bytearray]:
    """Return a head that neither a request nor an answer can have, so that its connection ends."""
    return [bytearray(why.encode())]


def _endless() -> bytearray:
    """Return a chunk's line that none can have, so that its connection ends."""
    return bytearray(b"endless\r\n")


def _is_too_long(size: bytearray) -> bool:
    try:
        return int(size.strip(b" \t\r\n"), 16) > MAX_LENGTH
    except ValueError:
        # h11 refuses it.
        return False
