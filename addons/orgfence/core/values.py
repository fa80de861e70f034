"""The values of query parameters, form fields and cookies, in every way that a server may take them apart."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orgfence.core.cookie_names import COOKIE_NAMES
from orgfence.core.escapes import unescaped
from orgfence.core.names import PARAMETER_NAMES, Found, Naming, OtherName

_SEPARATORS = re.compile(rb"[&;]")
# An `int` is found in bytes ten times as fast as bytes are.
_EQUALS, _PERCENT, _PLUS, _COMMA = b"=%+,"


def query_values(query: bytes, name: bytes) -> list[bytes]:
    """Return every value of exactly this parameter of a query, empty ones and repeated ones included, in their order.

    Most servers part the parameters at `&`, some at `;` as well (HTML 4.01 asked for it, appendix B.2.2, and
    Python did until 3.10): what only those would see comes last.
    """
    values = _values_of(query.split(b"&"), name)
    if b";" in query:
        seen = set(values)
        values += [value for value in _values_of(_SEPARATORS.split(query), name) if value not in seen]
    return values


def _values_of(pieces: list[bytes], name: bytes) -> list[bytes]:
    """Return the values of the `name=value` pieces that have this name once it is decoded."""
    values = []
    for piece in pieces:
        key, _, value = piece.partition(b"=")
        if key == name or _decoded(key) == name:
            values.append(_decoded(value))
    return values


def cookie_values(fields: Iterable[bytes], name: bytes) -> list[bytes]:
    """Return every value of exactly this cookie in the `Cookie` fields; RFC 9113 section 8.2.3 allows several."""
    return find_cookie(cookie_pieces(fields), name).values


class Pieces:
    """`name=value` pieces by the forms of their names, so that any number of names is looked up at the same cost."""

    __slots__ = ("_by_form", "_naming", "_only", "odd_bytes")

    def __init__(self, pieces: Iterable[bytes], naming: Naming = PARAMETER_NAMES) -> None:
        """Take the pieces as they were sent; one without `=` has an empty value."""
        self._naming = naming
        split = [piece.partition(b"=") for piece in pieces]
        names = b"=".join([name for name, _, _ in split])  # no name holds a `=`
        forms = names.translate(naming.table, naming.ignored)  # once for all of them
        #: The bytes of the names that hold an escape, an index or anything beyond ASCII: reading these takes time.
        self.odd_bytes = 0
        #: The pieces where each has the only form of its own name: nearly all requests need no more.
        self._only: dict[bytes, _Piece] = {}
        self._by_form: dict[bytes, list[_Piece]] = {}
        if forms.isascii():
            self._only = dict(zip(forms.split(b"="), split, strict=False))  # of no pieces there is one empty form
            if len(self._only) == len(split):
                return
            self._only = {}
        self._group(split)

    def _group(self, pieces: Iterable["_Piece"]) -> None:
        by_form, (table, ignored, _, forms_of) = self._by_form, self._naming
        for piece in pieces:
            name = piece[0]
            form = name.translate(table, ignored)
            if form.isascii():
                forms = [form]
            else:
                self.odd_bytes += len(name)
                if self.odd_bytes > MAX_ODD_BYTES:
                    break
                forms = forms_of(name)
            for each in forms:
                if each in by_form:
                    by_form[each].append(piece)
                else:
                    by_form[each] = [piece]

    def named(self, name: bytes) -> Sequence["_Piece"]:
        """Return the pieces with the names that some server takes for this one."""
        form = self._naming.form_of(name)
        return (self._only[form],) if form in self._only else self._by_form.get(form, ())


#: A name, its `=` if there is one, and the value, all as they were sent.
type _Piece = tuple[bytes, bytes, bytes]
# Ten thousand names such as `items%5B0%5D%5Bname%5D`; no server takes so many with an index.
MAX_ODD_BYTES = 256 * 1024


def parameter_pieces(query: bytes, naming: Naming = PARAMETER_NAMES) -> tuple[Pieces, ...]:
    """Take a query or a form apart: at `&` and, where that gives others, at `;` as well."""
    at_ampersand = Pieces(query.split(b"&"), naming)
    return (at_ampersand, Pieces(_SEPARATORS.split(query), naming)) if b";" in query else (at_ampersand,)


def find_parameter(readings: Iterable[Pieces], name: bytes) -> Found:
    """Find the values of a query's parameter or a form's field."""
    values: list[bytes] = []
    others: dict[OtherName, None] = {}
    for pieces in readings:
        seen = set(values)
        for sent, _, raw in pieces.named(name):
            value = _decoded(raw)
            if sent != name and _decoded(sent) != name:
                others[OtherName(sent, name, value)] = None
            elif value not in seen:
                values.append(value)
    return Found(values, list(others))


def _decoded(text: bytes) -> bytes:
    """Decode one part of a query as forms encode it: percent escapes, and `+` for a space."""
    if _PERCENT in text or _PLUS in text:
        return unescaped(text.replace(b"+", b" "))
    return text


class CookiePieces(NamedTuple):
    """The pieces of all `Cookie` fields."""

    #: Parted at `;`.
    plain: Pieces
    #: Those without `=`, and those that come of parting also at commas and blanks; None where there are none.
    loose: Pieces | None


def cookie_pieces(fields: Iterable[bytes]) -> CookiePieces:
    """Take the `Cookie` fields apart. What has no `=` is no cookie; some servers take it for an empty one."""
    plain: list[bytes] = []
    loose: list[bytes] = []
    for field in fields:
        without_spaces = field.replace(b"; ", b";")
        pieces = without_spaces.split(b";")
        plain += [piece for piece in pieces if _EQUALS in piece]
        loose += [piece for piece in pieces if _EQUALS not in piece and piece]
        has_blanks = any(map(without_spaces.__contains__, _BLANKS))
        if has_blanks:
            loose += _loose_pieces(field.translate(_AS_SPACES))
        if _COMMA in field:
            if has_blanks:
                loose += _loose_pieces(field.translate(_AS_SPACES).replace(b",", b";"))
            # Perl's CGI parts at both and leaves blanks within a value, which it parts at `&`.
            loose += [piece.strip() for piece in field.replace(b",", b";").split(b";") if _EQUALS in piece]
    return CookiePieces(Pieces(plain, COOKIE_NAMES), Pieces(loose, COOKIE_NAMES) if loose else None)


# CPython's `http.cookies` ends a value at a blank, old Rack at a comma, PHP at NUL. What else servers strip from names
# is no part of a name's form.
_BLANKS = b"\0\t\n\v\f\r "
_AS_SPACES = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))


def _loose_pieces(text: bytes) -> list[bytes]:
    """Part a field at `;` and at its spaces. Those beside a `=` part nothing, unless an empty value ends there."""
    joined = b"=".join([part.strip(b" ") for part in text.split(b"=")])
    pieces = [piece for piece in joined.replace(b";", b" ").split() if _EQUALS in piece]
    if joined != text:
        others = text.replace(b";", b" ").split()
        pieces += [piece for piece in others if _EQUALS in piece and not piece.endswith(b"=")]
    return pieces


def find_cookie(pieces: CookiePieces, name: bytes) -> Found:
    """Find the values of a cookie."""
    values: list[bytes] = []
    others: dict[OtherName, None] = {}
    for sent, _, raw in pieces.plain.named(name):
        value = _unquoted(raw.strip())
        if sent.strip() == name:
            values.append(value)
        else:
            others[OtherName(sent, name, value)] = None
    if pieces.loose is not None:
        seen = set(values)
        for sent, _, raw in pieces.loose.named(name):
            value = raw.strip(b'"')
            if sent != name or value not in seen:
                others[OtherName(sent, name, value)] = None
    return Found(values, list(others))


# https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
#   cookie-value = *cookie-octet / ( DQUOTE *cookie-octet DQUOTE )
def _unquoted(value: bytes) -> bytes:
    """Take the quotes off a cookie's value."""
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        return value[1:-1]
    return value
