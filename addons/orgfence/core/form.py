"""A request's body as the fields of a form, taken apart once for any number of names."""

from orgfence.core.names import Found
from orgfence.core.values import MAX_ODD_BYTES, Pieces, find_parameter, parameter_pieces

# A credential may have 16 KiB, a list of orgs some more. Unescaping megabytes takes longer than all else together.
MAX_VALUE_BYTES = 64 * 1024
# Tomcat took as many; ASP.NET, PHP, Express and Django take 1,000 or so, Rack 4,096.
MAX_FIELDS = 10_000


# https://url.spec.whatwg.org/#urlencoded-parsing
class Form:
    """The fields of a form, parted at `&`, and at `;` as well, as some servers do."""

    __slots__ = ("_found", "_pieces")

    def __init__(self, data: bytes) -> None:
        """Take a body apart, unless it has more fields than are read."""
        self._found: dict[bytes, Found | None] = {}
        self._pieces: tuple[Pieces, ...] | None = None
        if data.count(b"&") + data.count(b";") < MAX_FIELDS:
            # A server that decodes the body first may take the mark off its first field's name.
            pieces = parameter_pieces(data.removeprefix(b"\xef\xbb\xbf"))
            if all(each.odd_bytes <= MAX_ODD_BYTES for each in pieces):
                self._pieces = pieces

    def find(self, name: bytes) -> Found | None:
        """Find the values of a field; None where there are too many fields, or too many bytes in these."""
        if self._pieces is None:
            return None
        if name not in self._found:
            sizes = [sum(len(value) for _, _, value in pieces.named(name)) for pieces in self._pieces]
            self._found[name] = None if max(sizes) > MAX_VALUE_BYTES else find_parameter(self._pieces, name)
        return self._found[name]
