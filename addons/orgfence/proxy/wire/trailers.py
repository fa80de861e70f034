"""Drops the trailers of chunked HTTP/1 messages, at which mitmproxy crashes and leaves both sides hanging.

RFC 9112 section 7.1.2 lets whoever takes the chunked coding off a message discard them, and a guard should: what
comes after the body was not judged. They are not even read: h11 takes the square of a line's length for that.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import Any

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1

from orgfence.proxy.wire.heads import MAX_HEAD


def install() -> None:
    """Read every chunked body of this process without its trailers."""
    # `_http1` only imports the name, so for mypy it is not there to be replaced.
    _http1.ChunkedReader = TrailerlessReader  # type: ignore[attr-defined]


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body; its end never has headers."""

    def __call__(self, buf: Any) -> Any:
        """Return the next event, or None where more bytes are needed."""
        if not self._reading_trailer:
            # It comes back here for what is behind the last chunk.
            return super().__call__(buf)
        # Not by the buffer's own method, which reads past the empty line that ends the body.
        if ReceiveBuffer.maybe_extract_lines(buf) is not None:
            return h11.EndOfMessage()
        if len(buf) > MAX_HEAD:
            raise h11.RemoteProtocolError("trailers that do not end")
        return None
