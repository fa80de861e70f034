"""Writes HTTP/2 heads in a time that grows with their size, not with its square.

hpack codes a value by Huffman as one integer, which it shifts for each byte: with half a MiB, which an HTTP/1 upstream
may well send, that takes half a minute, in which nobody is served. Long values go out as they are, as RFC 7541
section 5.2 leaves to whoever writes them.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from h2 import connection
from hpack.hpack import Encoder

#: What most fields fit in; coding as much takes a fifth of a millisecond.
MAX_CODED = 512


def install() -> None:
    """Write the heads of every HTTP/2 connection of this process so."""
    # `connection` only imports the name, so for mypy it is not there to be replaced.
    connection.Encoder = SparingEncoder  # type: ignore[attr-defined]


class SparingEncoder(Encoder):
    """Writes the heads of one connection."""

    def add(self, to_add: tuple[bytes, bytes], sensitive: bool, huffman: bool = False) -> bytes:
        """Return one field as it goes out."""
        name, value = to_add
        return super().add(to_add, sensitive, huffman and len(name) + len(value) <= MAX_CODED)
