"""A request's body as JSON, read so that no server can find another value in it than those that are found here.

Readers of JSON part ways over names that repeat or that differ only in case, over encodings, depth and large numbers.
So every candidate for a name counts, and what only some readers take is not read at all.
"""

import json
import re
from array import array
from enum import Enum
from itertools import accumulate
from typing import Literal, NoReturn

#: An object is the tuple of its members, all of them, in their order; all else is as `json` has it.
type Json = str | int | float | bool | list[Json] | tuple[tuple[str, Json], ...] | None

# serde_json stops at 128 levels, System.Text.Json at 64. No API's request is deeper.
MAX_DEPTH = 128


class NoDocument(Enum):
    """Why a body is not taken for a JSON document."""

    #: By its grammar it is none.
    NO_JSON = "no JSON"
    #: It is one, or nearly, and not every server reads it alike.
    UNCERTAIN = "uncertain"


def parse_json(data: bytes, charset: bytes) -> Json | Literal[NoDocument.NO_JSON, NoDocument.UNCERTAIN]:
    """Parse a body. `charset` is what its `Content-Type` says, in lower case; empty where it says nothing."""
    if not data:
        return _NOTHING
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
        if _is_deep(text):
            return NoDocument.UNCERTAIN
        document: Json = _STRICT.decode(text)
    except (UnicodeDecodeError, json.JSONDecodeError):
        return NoDocument.NO_JSON
    except ValueError:  # `NaN`, or a number of more digits than Python reads
        return NoDocument.UNCERTAIN
    return document if _agrees(charset, encoding, data) else NoDocument.UNCERTAIN


def resembles_json(data: bytes) -> bool:
    """Tell whether a lenient reader may take for JSON what by its grammar is none."""
    return data.lstrip(_BEFORE_JSON)[:1] in {b"{", b"["}


#: White space, byte order marks, and the zeros of UTF-16 and UTF-32.
_BEFORE_JSON = b" \t\r\n\v\f\0\xef\xbb\xbf\xfe\xff"
# An empty list is nothing to every pointer.
_NOTHING: Json = []


def _no_number(text: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which are no JSON."""
    raise ValueError(text)


_STRICT = json.JSONDecoder(object_pairs_hook=tuple, parse_constant=_no_number)

_STRING = re.compile(rb'"[^"]*+"?')
_BACKSLASH, _QUOTE = b'\\"'
_STEP = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_SIGNS = bytes(set(range(256)) - set(b'{}[]"'))


def _is_deep(text: str) -> bool:
    """Tell whether lists and objects are nested too deeply, before the parser, whose own limit varies, has to."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    data = text.encode()
    if _BACKSLASH in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes with no bracket between them change nothing, whether they are of one string or of two.
    signs = data.translate(None, _NO_SIGNS).replace(b'""', b"")
    if _QUOTE in signs:
        signs = _STRING.sub(b"", signs)
    return max(accumulate(array("b", signs.translate(_STEP))), default=0) > MAX_DEPTH


# RFC 8259 section 8.1 demands UTF-8; RFC 4627 took UTF-16 and UTF-32 as well, and told them apart by their zeros.
_LABELS = {
    "utf-8": frozenset({b"utf-8", b"utf8"}),
    "utf-16": frozenset({b"utf-16", b"utf-16le", b"utf-16be"}),
    "utf-32": frozenset({b"utf-32", b"utf-32le", b"utf-32be"}),
}
#: Labels under which bytes beyond ASCII are one character to some readers and another to others.
ASCII_LABELS = frozenset({b"us-ascii", b"iso-8859-1"})


def _agrees(charset: bytes, encoding: str, data: bytes) -> bool:
    """Tell whether a server that goes by the label reads the same text."""
    if charset in ASCII_LABELS:
        return encoding == "utf-8" and data.isascii()
    family = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    return not charset or charset in _LABELS[family]
