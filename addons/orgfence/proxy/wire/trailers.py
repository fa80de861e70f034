"""Drops the trailers of chunked HTTP/1 messages, at which mitmproxy crashes and leaves both sides hanging.

RFC 9112 section 7.1.2 lets whoever takes the chunked coding off a message discard them, and a guard should: what
comes after the body was not judged.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import Any

import h11
from h11._readers import ChunkedReader
from mitmproxy.proxy.layers.http import _http1


def install() -> None:
    """Read every chunked body of this process without its trailers."""
    # `_http1` only imports the name, so for mypy it is not there to be replaced.
    _http1.ChunkedReader = TrailerlessReader  # type: ignore[attr-defined]


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body; its end never has headers."""

    def __call__(self, buf: Any) -> Any:
        """Return the next event, or None where more bytes are needed."""
        event = super().__call__(buf)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
