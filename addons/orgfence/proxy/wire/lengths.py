"""Refuses a `Content-Length` that is longer than any body.

Servers hold lengths in 64 bits. What they make of a larger one is not what mitmproxy makes of it, which waits for that
many bytes: the client waits as well. A request with it is answered with 400, an answer with it becomes a 502.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy.net.http import validate

#: In bytes; also of one chunk.
MAX_LENGTH = 2**63 - 1
# That many digits. Python reads no number of more than 4,300.
_MAX_DIGITS = 19

_parse = validate.parse_content_length


def install() -> None:
    """Read every length of this process so."""
    validate.parse_content_length = _parse_within_bounds


def _parse_within_bounds(value: str | bytes) -> int:
    # What is no number at all is refused as before.
    if len(value) <= _MAX_DIGITS:
        length = _parse(value)
        if length <= MAX_LENGTH:
            return length
    raise ValueError("a content-length that is no length")
