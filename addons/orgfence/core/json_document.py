"""A request's body as JSON, read so that no server can find another value in it than those that are found here.

Readers of JSON part ways over names that repeat or that differ only in case, over encodings, depth and large numbers.
So every candidate for a name counts, and what only some readers take is not read at all.
"""

import json
import re
from array import array
from collections.abc import Iterable
from enum import Enum
from itertools import accumulate
from typing import Literal, NoReturn

from orgfence.core.tokens.selectors import EVERY

#: An object is the tuple of its members, all of them, in their order; all else is as `json` has it.
type Json = str | int | float | bool | list[Json] | tuple[tuple[str, Json], ...] | None

# serde_json stops at 128 levels, System.Text.Json at 64. No API's request is deeper.
MAX_DEPTH = 128
# The items of a 1 MiB batch, at 100 bytes each; of form fields Tomcat took as many, and most others take 1,000.
MAX_VALUES = 10_000


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


def values_at(document: Json, pointer: tuple[str, ...]) -> list[bytes] | None:
    """Return every string or integer that the pointer leads to; None where it leads to something else."""
    reached = [document]
    for step in pointer:
        reached = _children(reached, step)
    if len(reached) > MAX_VALUES:
        return None
    items = [item for value in reached for item in (value if isinstance(value, list) else (value,))]
    if len(items) > MAX_VALUES or not all(type(item) in _ORG_TYPES for item in items):
        return None
    try:
        return [str(item).encode() for item in items]
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return None


def resembles_json(data: bytes) -> bool:
    """Tell whether a lenient reader may take for JSON what by its grammar is none."""
    return data.lstrip(_BEFORE_JSON)[:1] in {b"{", b"["}


#: White space, byte order marks, and the zeros of UTF-16 and UTF-32.
_BEFORE_JSON = b" \t\r\n\v\f\0\xef\xbb\xbf\xfe\xff"
# An empty list is nothing to every pointer.
_NOTHING: Json = []
# To Python, but to nobody else, a boolean is an integer; so these are compared by identity.
_ORG_TYPES = frozenset({str, int})


def _no_number(text: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which are no JSON."""
    raise ValueError(text)


_STRICT = json.JSONDecoder(object_pairs_hook=tuple, parse_constant=_no_number)

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_STEP = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def _is_deep(text: str) -> bool:
    """Tell whether lists and objects are nested too deeply, before the parser, whose own limit varies, has to."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", text.encode()).translate(_STEP, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0) > MAX_DEPTH


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


# https://www.rfc-editor.org/rfc/rfc6901#section-4
#   array-index = %x30 / ( %x31-39 *(%x30-39) )
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


def _children(values: Iterable[Json], step: str) -> list[Json]:
    """Return all that one step leads to, in the order of the document."""
    folded = _folded(step)
    index = int(step) if _INDEX.fullmatch(step) else None
    reached: list[Json] = []
    for value in values:
        if isinstance(value, tuple):
            reached += [child for name, child in value if step == EVERY or _folded(name) == folded]
        elif isinstance(value, list):
            if step == EVERY:
                reached += value
            elif index is not None and index < len(value):
                reached.append(value[index])
    return reached


# Go's encoding/json, Newtonsoft and others match names without regard to case, and some of them by upper case: then
# the Turkish i with and without a dot is an i. To a reader in C a name ends at a NUL.
def _folded(name: str) -> str:
    """Return what a member's name has in common with all that some reader takes for the same."""
    folded = name.partition("\0")[0].casefold()
    return folded if folded.isascii() else folded.replace("i\u0307", "i").replace("\u0131", "i")
