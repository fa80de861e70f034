"""A request's body as the fields of a form, read as a query is, and at the same cost whatever it holds.

It may be much longer than a query and made to be slow to read. So it is searched for one name at a time in place of
being taken apart, and nothing is decoded but what was found.
"""

import re
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote_to_bytes

from orgfence.core.json_document import MAX_VALUES

# A credential may have 16 KiB, a list of orgs some more. Unescaping megabytes takes longer than all else together.
MAX_VALUE_BYTES = 64 * 1024


# https://url.spec.whatwg.org/#urlencoded-parsing
def form_fields(data: bytes, name: bytes) -> list[bytes] | None:
    """Return every value of a field, in the order and with the care of `query_values`; None where there are too many.

    Fields are parted at `&`; what only those servers see that also part them at `;` comes last.
    """
    # A server that decodes the body first may take the mark off its first field's name.
    data = data.removeprefix(b"\xef\xbb\xbf")
    at_ampersand, at_both = _patterns(name)
    values = _values_by(at_ampersand, data)
    if values is None or b";" not in data:
        return values
    others = _values_by(at_both, data)
    if others is None:
        return None
    seen = set(values)
    return values + [value for value in others if value not in seen]


def _values_by(pattern: re.Pattern[bytes], data: bytes) -> list[bytes] | None:
    """Return the decoded values of the fields that a pattern finds."""
    found = [match[1] or b"" for match in islice(pattern.finditer(b"&" + data), MAX_VALUES + 1)]
    if len(found) > MAX_VALUES or sum(map(len, found)) > MAX_VALUE_BYTES:
        return None
    return [unquote_to_bytes(value.replace(b"+", b" ")) for value in found]


@lru_cache(maxsize=1024)  # names come from the policy
def _patterns(name: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what finds a field where they are parted at `&`, and where they are at `;` as well."""
    return _pattern(name, b"&"), _pattern(name, b"&;")


def _pattern(name: bytes, separators: bytes) -> re.Pattern[bytes]:
    """Return what finds `&NAME=VALUE`, the value in its group, and `&NAME` alone, however the name is spelt."""
    structure = separators + b"="
    key = b"".join(_spellings(byte, structure) for byte in name)
    # An unescaped name stands for itself too, `a+b` for `a+b`.
    if not any(byte in structure for byte in name):
        key = re.escape(name) + b"|" + key
    return re.compile(b"[%b](?:%b)(?:=([^%b]*))?(?=[%b]|\\Z)" % (separators, key, separators, separators))


def _spellings(byte: int, structure: bytes) -> bytes:
    """Return a pattern for one byte of a name: escaped, and as it stands unless it would mean something else."""
    spellings = [b"(?i:%%%02x)" % byte]
    if byte == ord("%"):
        spellings.append(b"%(?![0-9A-Fa-f]{2})")
    elif byte != ord("+") and byte not in structure:
        spellings.append(re.escape(bytes([byte])))
    if byte == ord(" "):
        spellings.append(rb"\+")
    return b"(?:" + b"|".join(spellings) + b")"
