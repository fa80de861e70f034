"""Reads chunked HTTP/1 bodies: without trailers, and small chunks many at a time.

At trailers mitmproxy crashes and leaves both sides hanging.

RFC 9112 section 7.1.2 lets whoever takes the chunked coding off a message discard them, and a guard should: what
comes after the body was not judged. They are not even read: h11 takes the square of a line's length for that.

A segment of 64 KiB holds ten thousand chunks of one byte. By itself mitmproxy handles, passes on and sends each of them
alone, for half a second in which nobody else is served. Where chunks end says nothing (section 7.1), so here those that
have come together go on as one.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re
from typing import Any, NoReturn

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1

# https://www.rfc-editor.org/rfc/rfc9112#section-7.1
#   chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
# The end of one chunk and the first line of the next; h11 reads the lines that are longer or odd.
_NEXT = re.compile(rb"\r\n([0-9A-Fa-f]{1,20})(?:;[^\r\n]{0,256})?[ \t]{0,64}\r\n")


def install() -> None:
    """Read every chunked body of this process so."""
    # `_http1` only imports the name, so for mypy it is not there to be replaced.
    _http1.ChunkedReader = TrailerlessReader  # type: ignore[attr-defined]


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body; its end never has headers."""

    #: What holds trailers whose end has not come.
    _begun: Any = None

    def __call__(self, buf: Any) -> Any:
        """Return the next event, or None where more bytes are needed."""
        if not self._reading_trailer:
            # It comes back here for what is behind the last chunk.
            event = super().__call__(buf)
            return _with_next(event, buf) if isinstance(event, h11.Data) and event.chunk_end else event
        # Not by the buffer's own method, which reads past the empty line that ends the body.
        if ReceiveBuffer.maybe_extract_lines(buf) is not None:
            return h11.EndOfMessage()
        if buf.is_too_long():
            buf.forget()
            raise h11.RemoteProtocolError("trailers that do not end")
        self._begun = buf
        return None

    def read_eof(self) -> NoReturn:
        """Say that the body is incomplete; its trailers do not wait until the garbage collector comes by."""
        if self._begun is not None:
            self._begun.forget()
        super().read_eof()


def _with_next(first: h11.Data, buf: Any) -> h11.Data:
    """Return a chunk with those behind it that have come whole; the end of the last is still to be read."""
    come, at = buf._data, 0
    data = bytearray(first.data)
    while (line := _NEXT.match(come, at)) is not None:
        size = int(line[1], 16)
        end = line.end() + size
        if not size or end > len(come):
            break
        data += come[line.end() : end]
        at = end
    if not at:
        return first
    buf.maybe_extract_at_most(at)
    return h11.Data(data=bytes(data), chunk_start=True, chunk_end=True)
