"""The body of a request, and what a rule finds in it: the org, or the credential in a form.

Nobody knows which parser stands behind the guard. So what cannot be read for certain is not read, and where servers
may read one body in two ways, what either of them finds counts.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Literal, NamedTuple

from orgfence.core.content_coding import undo_codings
from orgfence.core.form import Form
from orgfence.core.json_document import ASCII_LABELS, Json, NoDocument, parse_json, resembles_json
from orgfence.core.json_members import JsonMembers
from orgfence.core.names import Found, OtherName
from orgfence.core.request import Fields, named_by_connection

#: The canonical names of the header fields that say how a body is to be read, beside `connection`.
NEEDED_HEADERS = frozenset({b"content-type", b"content-encoding"})

_FORM = b"application/x-www-form-urlencoded"
# The WHATWG parser takes every form for UTF-8; servers that go by the label differ from it beyond ASCII.
_FORM_LABELS = frozenset({b"", b"utf-8", b"utf8"}) | ASCII_LABELS
# As it stands, or escaped.
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]|%[89A-Fa-f]")
_NOTHING = Found([])


class RequestBody:
    """A body that is taken apart when it is first asked for something, and only once.

    The lists that it returns are shared: not to be changed. None: unread; an empty list: read, and nothing there.
    """

    def __init__(self, raw: bytes | None, fields: Fields, limit: int) -> None:
        """`raw` is as sent, None where it could not be had; `limit` is in bytes, with and without content codings."""
        self._raw = raw
        self._fields = fields
        self._limit = limit
        self._found: dict[tuple[tuple[str, ...] | bytes, bool], Found | None] = {}

    def find_members(self, pointer: tuple[str, ...], *, or_form: bool) -> Found | None:
        """Find every org that a JSON Pointer's steps lead to, whatever the media type: servers parse it all the same.

        `or_form`: the body may be a form instead, in which there is nothing for a pointer.
        """
        if not self._raw:
            return None if self._raw is None else _NOTHING
        asked = pointer, or_form
        if asked not in self._found:
            self._found[asked] = self._find_members(pointer, or_form)
        return self._found[asked]

    def find_fields(self, name: bytes, *, or_json: bool) -> Found | None:
        """Find every value of a form's field.

        `or_json`: the body may be JSON instead. What a server finds that takes any body for a form counts even so.
        """
        if not self._raw:
            return None if self._raw is None else _NOTHING
        asked = name, or_json
        if asked not in self._found:
            self._found[asked] = self._find_fields(name, or_json)
        return self._found[asked]

    def is_document(self, *, or_form: bool) -> bool:
        """Return whether the body's JSON members can be read. With `or_form` a form counts: it has no members."""
        if not self._raw or not self._bodies or NoDocument.UNCERTAIN in self._documents:
            return False
        return self._documents[0] is not NoDocument.NO_JSON or (or_form and self._can_only_be_form)

    def is_form(self, *, or_json: bool) -> bool:
        """Return whether the body's form fields can be read. With `or_json` the members of JSON count as fields."""
        if not self._raw or not self._bodies:
            return False
        media_type, charset = self._content_type
        if media_type in {b"", _FORM}:
            return charset in _FORM_LABELS
        return or_json and not isinstance(self._documents[0], NoDocument)

    def json_values(self, pointer: tuple[str, ...], *, or_form: bool) -> list[bytes] | None:
        """Return all that `find_members` finds, in any reading of the names."""
        found = self.find_members(pointer, or_form=or_form)
        if found is None or not found.others_are_read:
            return None
        return [*found.values, *(other.value for other in found.others)]

    def form_values(self, name: bytes, *, or_json: bool) -> list[bytes] | None:
        """Return what `find_fields` finds under exactly this name."""
        found = self.find_fields(name, or_json=or_json)
        return None if found is None else found.values

    def as_form_or_json(self) -> list[tuple[bytes, Json]] | None:
        """Return the body as a form and as a JSON document, once for each way to undo its content codings.

        None: it can be read neither as the one nor as the other for certain. What is no JSON has the document `null`.
        """
        if not self._raw:
            return None if self._raw is None else []
        if not self._bodies or NoDocument.UNCERTAIN in self._documents:
            return None
        media_type, charset = self._content_type
        if media_type in {b"", _FORM}:
            # Under such a label what stands beyond ASCII is one text to some servers and another to others.
            is_clear = charset not in ASCII_LABELS or not any(map(_BEYOND_ASCII.search, self._bodies))
            if charset not in _FORM_LABELS or not is_clear:
                return None
        elif isinstance(self._documents[0], NoDocument):
            return None
        documents = [None if isinstance(each, NoDocument) else each for each in self._documents]
        return list(zip(self._bodies, documents, strict=True))

    def _find_members(self, pointer: tuple[str, ...], or_form: bool) -> Found | None:
        return _union(each.find(pointer) for each in self._members) if self.is_document(or_form=or_form) else None

    def _find_fields(self, name: bytes, or_json: bool) -> Found | None:
        if not self.is_form(or_json=or_json):
            return None
        found = _union(form.find(name) for form in self._forms)
        if found is None or self._content_type.charset not in ASCII_LABELS:
            return found
        texts = (name, *found.values, *(other.value for other in found.others))
        return found if all(map(bytes.isascii, texts)) else None

    @property
    def _can_only_be_form(self) -> bool:
        """Whether a body that is no JSON is a form, and a lenient reader of JSON would not take it either."""
        media_type, charset = self._content_type
        return media_type == _FORM and charset in _FORM_LABELS and not resembles_json(self._bodies[0])

    @cached_property
    def _bodies(self) -> list[bytes]:
        """The body without its content codings, then what else it may be taken for; none where that is uncertain."""
        assert self._raw is not None
        types = {field.strip() for field in self._fields.get(b"content-type", ())}
        if len(types) > 1 or any(named_by_connection(self._fields, name) for name in NEEDED_HEADERS):
            return []
        return undo_codings(self._raw, self._fields.get(b"content-encoding", ()), self._limit) or []

    @cached_property
    def _documents(self) -> list[Json | Literal[NoDocument.NO_JSON, NoDocument.UNCERTAIN]]:
        """Each of the bodies as JSON."""
        return [parse_json(body, self._content_type.charset) for body in self._bodies]

    @cached_property
    def _members(self) -> list[JsonMembers]:
        """The members of each of the bodies that is JSON."""
        return [JsonMembers(each) for each in self._documents if not isinstance(each, NoDocument)]

    @cached_property
    def _forms(self) -> list[Form]:
        """Each of the bodies as a form."""
        return [Form(body) for body in self._bodies]

    @cached_property
    def _content_type(self) -> "_ContentType":
        """What the only `Content-Type` says."""
        fields = self._fields.get(b"content-type")
        return _parse_content_type(fields[0]) if fields else _ContentType(b"", b"")


def _union(readings: Iterable[Found | None]) -> Found | None:
    """Return what was found in one reading and then what only the others show; None if one of them is unread."""
    values: list[bytes] = []
    others: list[OtherName] = []
    others_are_read = True
    for found in readings:
        if found is None:
            return None
        others_are_read = others_are_read and found.others_are_read
        seen, seen_others = set(values), set(others)
        values += [value for value in found.values if value not in seen]
        others += [other for other in found.others if other not in seen_others]
    return Found(values, others, others_are_read)


class _ContentType(NamedTuple):
    """What a `Content-Type` says of a body, in lower case; empty where it says nothing."""

    media_type: bytes
    charset: bytes


# https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1
#   media-type = type "/" subtype parameters
#   parameter  = token "=" ( token / quoted-string )
# What some parsers take for a charset and others for a part of something else counts; so does RFC 2231's `charset*=`.
_CHARSET = re.compile(rb"charset[\s*0-9]*=([^;]*)")


def _parse_content_type(field: bytes) -> _ContentType:
    """Take a field's value apart. Charsets that differ become one that nobody knows."""
    lowered = field.lower()
    labels = {label.strip().strip(b"\"'") for label in _CHARSET.findall(lowered)}
    return _ContentType(lowered.partition(b";")[0].strip(), b",".join(sorted(labels)))
