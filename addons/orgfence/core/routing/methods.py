"""Every method that a server may take a request for: its own, and those that it names elsewhere.

Frameworks let a client put another method in the place of the one in the request line: by a header field, by the
parameter `_method` of the query, or by a member `_method` of the body. The request is then judged by each of them.
"""

import re
from collections.abc import Iterable

from orgfence.core.body import RequestBody
from orgfence.core.cookie_names import COOKIE_NAMES, cookie_forms_of
from orgfence.core.names import Found, OtherName, decoded
from orgfence.core.request import Fields
from orgfence.core.values import find_parameter, parameter_pieces

#: What frameworks read beside the request line (Rack, Symfony, ASP.NET).
METHOD_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
#: Any method.
ANY_METHOD = frozenset({b"*"})
NO_METHODS: frozenset[bytes] = frozenset()

# The sets for what nearly all requests use, so that these cost one look-up.
PLAIN_METHODS = {
    method: frozenset({method, b"GET"}) if method == b"HEAD" else frozenset({method})
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")
}


def methods_of(method: bytes, fields: Fields) -> frozenset[bytes]:
    """Return every method that the server may take from the request line and the header; HEAD is GET without a body."""
    methods = PLAIN_METHODS.get(method)
    if methods is not None and METHOD_OVERRIDES.isdisjoint(fields):
        return methods
    overrides = [value.strip().upper() for name in METHOD_OVERRIDES for value in fields.get(name, ())]
    return _with_get(frozenset({method, method.upper(), *overrides}))


def joined(methods: frozenset[bytes], others: frozenset[bytes]) -> frozenset[bytes]:
    """Return the methods of both sets."""
    if methods is ANY_METHOD or others is ANY_METHOD:
        return ANY_METHOD
    return _with_get(methods | others) if others else methods


def _with_get(methods: frozenset[bytes]) -> frozenset[bytes]:
    return methods | {b"GET"} if b"HEAD" in methods else methods


# Symfony, Laravel and Spring read it in the query or the form of a POST, Rack, Rails and Yii in the form, the
# method-override of Express in the query, and WordPress in the query of any request. PHP makes the name of `.method`
# and `[method`, as it makes the names of cookies.
_NAME, _TEXT = b"_method", b"method"
(_PERCENT,) = b"%"
# An escape of one of its letters, or what may be one once it is undone. No client escapes letters without need.
_ESCAPED = re.compile(rb"%(?:[46][458DF]|[57]4|25|U)", re.IGNORECASE)


# Bytes and parameters of the queries of one request: a fourth of what is read of them where a rule asks.
_MAX_BYTES, _MAX_PIECES = 16 * 1024, 512
# Bytes of a path that nobody can read. nginx and Apache stop near 8 KiB for a whole request line.
_MAX_PATH = 8 * 1024


def may_name_method(query: bytes) -> bool:
    """Return whether a query may have a parameter `_method`; of nearly all queries this says that they have none."""
    # `find` is several times as fast as `in`.
    return query.lower().find(_TEXT) >= 0 or (_PERCENT in query and _ESCAPED.search(query) is not None)


class MethodsByQuery:
    """The methods of a request whose path has several readings, each of which may have a query of its own.

    What is read of the queries is bounded together. Past that, one may name any method.
    """

    __slots__ = ("_bytes_left", "_found", "_methods", "_pieces_left")

    def __init__(self, methods: frozenset[bytes] = NO_METHODS) -> None:
        """`methods` are those that the request names outside its query."""
        self._methods = methods
        self._found: dict[bytes, frozenset[bytes]] = {}
        self._bytes_left, self._pieces_left = _MAX_BYTES, _MAX_PIECES

    def under(self, query: bytes) -> frozenset[bytes]:
        """Return the methods of a reading that has this query."""
        if not query:
            return self._methods
        if query not in self._found:
            self._found[query] = self._read(query)
        return self._found[query]

    def _read(self, query: bytes) -> frozenset[bytes]:
        if not may_name_method(query):
            return self._methods
        self._bytes_left -= len(query)
        self._pieces_left -= query.count(b"&") + query.count(b";")
        if self._bytes_left < 0 or self._pieces_left < 0:
            return ANY_METHOD
        found = find_parameter(parameter_pieces(query, COOKIE_NAMES), _NAME)
        return joined(self._methods, _methods_of(found.values, found.others))

    def in_any_reading(self, targets: Iterable[bytes]) -> frozenset[bytes]:
        """Return the methods where nobody knows which part of these targets is a query."""
        return ANY_METHOD if any(map(_holds_method, targets)) else self._methods


def _holds_method(target: bytes) -> bool:
    return may_name_method(target) and (len(target) > _MAX_PATH or _TEXT in decoded(target).lower())


def methods_in_body(body: RequestBody, *, is_form: bool, is_json: bool) -> frozenset[bytes]:
    """Return the methods that a body names which may be a form, JSON or either.

    A body that cannot be read names none. If only its `_method` cannot, as one of two is `null`, it may be any.
    """
    found: list[Found | None] = []
    if is_form and body.is_form(or_json=is_json):
        found.append(body.find_fields(_NAME, or_json=is_json))
    if is_json and body.is_document(or_form=is_form):  # Laravel
        found.append(body.find_members((_NAME.decode(),), or_form=is_form))
    methods = NO_METHODS
    for each in found:
        if each is None:
            return ANY_METHOD
        # To a body `method` is `_method` too, which no framework reads.
        others = (other for other in each.others if _NAME in cookie_forms_of(other.sent))
        methods |= _methods_of(each.values, others)
    return methods


def _methods_of(values: Iterable[bytes], others: Iterable[OtherName]) -> frozenset[bytes]:
    return frozenset(value.strip().upper() for value in (*values, *(other.value for other in others)))
