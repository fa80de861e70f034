"""The parameters of an OAuth request, wherever its client has put them and however a server may read their names.

RFC 6749 section 3.1 forbids a parameter that stands twice, and issuers differ in which of the two they read. So every
value counts, and each is kept apart from those that every server finds: what only some find makes nothing right.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orgfence.core.body import RequestBody
from orgfence.core.json_document import Json
from orgfence.core.oauth.names import folded, form_text, with_unicode_escapes

# An exchange has some ten or twenty; PHP and Express read 1,000 at most.
MAX_PARAMETERS = 1_000
# A query is read before anything else of the request: four times what nginx and Apache take for a whole request line.
_MAX_QUERY_BYTES = 32 * 1024
_MAX_IN_QUERY = 250
# An assertion may have some KiB; a quarter of a MiB of it, in base64, has no more escapes. Each takes a third of a
# microsecond.
MAX_ESCAPES = 10_000
_MAX_VALUE_BYTES = 256 * 1024


class _Found(NamedTuple):
    """One parameter as it was found."""

    #: Where it stands: servers that read several places go by one of them.
    place: int
    #: As every server reads it; empty: only some servers find this parameter.
    name: str
    #: What servers may read; usually one.
    values: tuple[str, ...]


class Parameters:
    """The parameters of one request: issuers read a POST's from its body, and many of them from its query as well."""

    def __init__(self, query: bytes, body: RequestBody | None = None) -> None:
        """Take a raw query, and a body where parameters may be in one."""
        self._found: dict[str, list[_Found]] = {}
        self._place = 0
        #: Whether the query holds more than is read.
        self.is_query_too_long = len(query) > _MAX_QUERY_BYTES or _is_long(query, _MAX_IN_QUERY)
        #: Whether the body can be read for certain.
        self.are_readable = body is None or self._add_body(body)
        if not self.is_query_too_long:
            self._place += 1
            self._add_form(query)

    def values(self, name: str) -> list[str]:
        """Return every value that some server may read under a name, empty ones included; each counts once."""
        return list(dict.fromkeys(value for found in self._found.get(folded(name), ()) for value in found.values))

    def exact(self, name: str) -> list[str]:
        """Return the values that stand under just this name, in the first place that has any."""
        found = [each for each in self._found.get(folded(name), ()) if each.name == name]
        return list(dict.fromkeys(each.values[0] for each in found if each.place == found[0].place))

    def meant(self, name: str) -> list[str]:
        """Return every value that is not empty."""
        return [value for value in self.values(name) if value]

    def first(self, name: str) -> str:
        """Return the first value of a parameter that holds something, else an empty one."""
        return next(iter(self.meant(name)), "")

    def may_lack(self, name: str) -> bool:
        """Return whether some server finds nothing under a name: it is absent, empty, or spelt otherwise."""
        values, exact = self.values(name), self.exact(name)
        return not any(value.strip() for value in exact) or not all(value.strip() for value in values)

    def add(self, members: Mapping[str, object]) -> None:
        """Add what a request object says (RFC 9101)."""
        self._place += 1
        for name, value in members.items():
            for each in _scalars(value):
                self._add(name, name, (each,))

    def _add_body(self, body: RequestBody) -> bool:
        """Add what is in a body; return whether that is all, and certain."""
        parts = body.as_form_or_json()
        if parts is None or any(_is_long(form, MAX_PARAMETERS) for form, _ in parts):
            self._found.clear()
            return False
        for form, document in parts:
            # A server that decodes the body first may take the mark off its first parameter's name.
            self._add_form(form.removeprefix(b"\xef\xbb\xbf"))
            members = document if isinstance(document, tuple) else ()
            if len(members) > MAX_PARAMETERS or not self._add_json(members):
                self._found.clear()
                return False
        return True

    def _add_form(self, form: bytes) -> None:
        """Add the fields of a form or a query; what servers see that part them at `;` as well is not for all."""
        for pair in form.split(b"&"):
            if pair:
                self._add_pair(pair, for_all=True)
                if b";" in pair:
                    for part in pair.split(b";"):
                        self._add_pair(part, for_all=False)

    def _add_pair(self, pair: bytes, *, for_all: bool) -> None:
        name, _, value = pair.partition(b"=")
        # No parameter of an exchange has so long a name, however it is escaped.
        if len(name) > _MAX_NAME_BYTES:
            return
        value = value[:_MAX_VALUE_BYTES]
        values = [form_text(value)]
        if b"%u" in value:
            values.append(form_text(with_unicode_escapes(value)))
        text = form_text(with_unicode_escapes(name))
        self._add(text, text if for_all and b"%u" not in name else "", tuple(values))

    def _add_json(self, members: Iterable[tuple[str, Json]]) -> bool:
        """Add the members of a JSON object; return whether there were not too many values."""
        room = MAX_PARAMETERS
        for name, value in members:
            values = _scalars(value)
            room -= len(values)
            if room < 0:
                return False
            for each in values:
                self._add(name, name, (each,))
        return True

    def _add(self, name: str, exact: str, values: tuple[str, ...]) -> None:
        self._found.setdefault(folded(name), []).append(_Found(self._place, exact, values))


_MAX_NAME_BYTES = 1024


def _is_long(form: bytes, limit: int) -> bool:
    """Return whether there is more than is read."""
    return form.count(b"&") + form.count(b";") > limit or form.count(b"%") > MAX_ESCAPES


def _scalars(value: object) -> list[str]:
    """Return the texts, numbers and truths in a JSON value, at any depth, as a form would write them.

    Of more than can be read it returns too many.
    """
    found: list[str] = []
    waiting = [value]
    looked_at = 0
    while waiting and looked_at <= MAX_PARAMETERS:
        item = waiting.pop()
        looked_at += 1
        if len(waiting) > MAX_PARAMETERS:
            return [""] * (MAX_PARAMETERS + 1)
        if isinstance(item, bool):
            found.append("true" if item else "false")
        elif isinstance(item, str | int | float):
            # JSON can hold half of a surrogate pair.
            found.append(str(item).encode("utf-8", "backslashreplace").decode())
        elif isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict):
            waiting += reversed(item.values())
        elif isinstance(item, tuple):
            waiting += [child for _, child in reversed(item)]
    return found if looked_at <= MAX_PARAMETERS else [""] * looked_at
