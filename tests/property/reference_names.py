"""How the reference reads names: which of those that were sent some server takes for the one that is wanted."""

import re
import unicodedata
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class Values(NamedTuple):
    """What is found under a name."""

    #: Under exactly this name.
    exactly: list[bytes]
    #: Under a name that some server takes for it, each with that name.
    otherwise: list[tuple[bytes, bytes]]


@cache  # long forms repeat their names
def is_taken_for(sent: bytes, wanted: bytes, ends: str = r"[\[\]\0]") -> bool:
    """Return whether some server takes a name for the wanted one; what it ends at need not be its end."""
    text = decoded(sent)
    starts = [text, *(text[: end.start()] for end in re.finditer(ends, text))]
    return letters(decoded(wanted)) in map(letters, starts)


def is_taken_for_member(sent: str, wanted: str) -> bool:
    """Return whether some reader of JSON takes a member for the wanted one."""
    return letters(sent.partition("\0")[0]) == letters(wanted.partition("\0")[0])


@cache
def is_taken_for_cookie(sent: bytes, wanted: bytes) -> bool:
    """Return whether some server takes a cookie's name for the wanted one: as it is or as an array of that name."""
    text, blanks = visible(decoded(sent)), "".join(map(chr, range(33))) + "\x7f+"
    ways = [text.lstrip(blanks), text.strip(blanks)]
    ends = r"(?=[\[\0])|(?<=\])"
    starts = [start for way in ways for start in (way, *(way[: end.start()] for end in re.finditer(ends, way)))]
    return underscored(visible(decoded(wanted)).lstrip(blanks)) in map(underscored, starts)


def underscored(name: str) -> str:
    """Return a cookie's name as PHP makes it, without regard to case."""
    return re.sub(r"[.+ \[\]\0]", "_", name).lower()


def decoded(name: bytes) -> str:
    """Undo the escapes of a name, those of IIS too, three times over; bytes that are no text are left out."""
    for _ in range(3):
        name = unquote_to_bytes(re.sub(rb"%[uU]([0-9A-Fa-f]{4})", character, name))
    return name.decode("utf-8", "ignore")


def character(escape: re.Match[bytes]) -> bytes:
    """Return what `%u005f` stands for."""
    return chr(int(escape[1], 16)).encode("utf-8", "ignore")


def visible(name: str) -> str:
    """Leave out of a name the blanks and marks beyond ASCII, and write plain letters for others."""
    if name.isascii():
        return name
    text = unicodedata.normalize("NFKC", name).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return "".join(
        each for each in text if each.isascii() or not (each.isspace() or unicodedata.category(each) in ("Cc", "Cf"))
    )


def letters(name: str) -> str:
    """Leave out of a name all that makes no difference to some server."""
    name = visible(name)
    kept = [each for each in name if not each.isspace() and unicodedata.category(each) not in ("Cc", "Cf")]
    return "".join(each.lower() for each in kept if each not in "[]._-+!?")


def parameters(query: bytes, wanted: bytes) -> Values:
    """Find a query parameter, where the query is parted at `&` and, where that gives others, at `;` too."""
    exactly: list[bytes] = []
    otherwise: list[tuple[bytes, bytes]] = []
    for pieces in (query.split(b"&"), re.split(b"[&;]", query)):
        pairs = [piece.partition(b"=") for piece in pieces]
        here = [decode_form(value) for name, _, value in pairs if decode_form(name) == wanted or name == wanted]
        exactly += [value for value in here if value not in exactly]
        otherwise += [
            (name, decode_form(value))
            for name, _, value in pairs
            if decode_form(name) != wanted and name != wanted and is_taken_for(name, wanted, r"[\[\].\0]")
        ]
    return Values(exactly, otherwise)


def decode_form(text: bytes) -> bytes:
    """Decode a part of a query."""
    return unquote_to_bytes(text.replace(b"+", b" "))


def cookies(fields: list[bytes], wanted: bytes) -> Values:
    """Find a cookie, without the quotes that may stand around it."""
    exactly: list[bytes] = []
    otherwise: list[tuple[bytes, bytes]] = []
    for field in fields:
        for piece in field.split(b";"):
            name, equals, value = piece.partition(b"=")
            value = re.sub(rb'(?s)\A"(.*)"\Z', rb"\1", value.strip())
            if equals and name.strip() == wanted:
                exactly.append(value)
            elif is_taken_for_cookie(name, wanted):
                otherwise.append((name, value))
    seen = list(exactly)
    for name, equals, value in (word.partition(b"=") for field in fields for word in words_of_cookies(field)):
        bare = value.strip(b'"')
        if equals and is_taken_for_cookie(name, wanted) and not (name == wanted and bare in seen):
            otherwise.append((name, bare))
    return Values(exactly, otherwise)


def words_of_cookies(field: bytes) -> list[bytes]:
    """Part a field as some servers do: at blanks, at these and commas, at commas alone.

    A blank beside `=` parts nothing, or it ends an empty value.
    """
    words: list[bytes] = []
    for separators in (rb"[; ]", rb"[;, ]"):
        text = re.sub(rb"[\0\s]", b" ", field)
        words += re.split(separators, re.sub(rb" *= *", b"=", text))
        words += [word for word in re.split(separators, text) if not word.endswith(b"=")]
    return words + [word.strip() for word in re.split(b"[;,]", field) if b"," in field]
