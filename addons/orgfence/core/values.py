"""The values of query parameters and cookies, as bytes, in every way that a server may take them apart."""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

_SEPARATORS = re.compile(rb"[&;]")


def query_values(query: bytes, name: bytes) -> list[bytes]:
    """Return every value of a query parameter, empty ones and repeated ones included, in their order.

    Most servers part the parameters at `&`, some at `;` as well (HTML 4.01 asked for it, appendix B.2.2, and
    Python did until 3.10): what only those would see comes last.
    """
    values = _values_of(query.split(b"&"), name)
    if b";" in query:
        seen = set(values)
        values += [value for value in _values_of(_SEPARATORS.split(query), name) if value not in seen]
    return values


def cookie_values(fields: Iterable[bytes], name: bytes) -> list[bytes]:
    """Return every value of a cookie in the `Cookie` fields; RFC 9113 section 8.2.3 allows several."""
    values = []
    for field in fields:
        for pair in field.split(b";"):
            key, equals, value = pair.partition(b"=")
            if equals and key.strip() == name:
                values.append(_unquoted(value.strip()))
    return values


def _values_of(pairs: list[bytes], name: bytes) -> list[bytes]:
    """Return the values of the `name=value` pairs that have this name once it is decoded."""
    values = []
    for pair in pairs:
        key, _, value = pair.partition(b"=")
        if key == name or _decoded(key) == name:
            values.append(_decoded(value))
    return values


def _decoded(text: bytes) -> bytes:
    """Decode one part of a query as forms encode it: percent escapes, and `+` for a space."""
    if b"%" in text or b"+" in text:
        return unquote_to_bytes(text.replace(b"+", b" "))
    return text


# https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
#   cookie-value = *cookie-octet / ( DQUOTE *cookie-octet DQUOTE )
def _unquoted(value: bytes) -> bytes:
    """Take the quotes off a cookie's value."""
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        return value[1:-1]
    return value
