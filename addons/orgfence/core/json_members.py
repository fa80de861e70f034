"""What JSON Pointers find in a document, of which each member is looked at once for all of them.

Readers of JSON part ways over names that repeat, that differ in case, or that are `orgId` for `org_id`. So every
candidate for a name counts.
"""

import re
from collections.abc import Collection, Iterable
from itertools import chain, islice
from typing import Any, NamedTuple, Self

from orgfence.core.json_document import Json
from orgfence.core.names import Found, OtherName, forms_of_members
from orgfence.core.tokens.selectors import EVERY

# The items of a 1 MiB batch, at 100 bytes each.
MAX_VALUES = 10_000


class JsonMembers:
    """The members of a document, by the pointers that lead to them."""

    __slots__ = ("_found", "_members", "_reached")

    def __init__(self, document: Json) -> None:
        """Take a document as it was parsed."""
        #: None: more than is followed.
        self._reached: dict[tuple[str, ...], _Reached | None] = {(): _Reached([document], [])}
        self._members: dict[tuple[str, ...], _Members] = {}
        self._found: dict[tuple[str, ...], Found | None] = {}

    def find(self, pointer: tuple[str, ...]) -> Found | None:
        """Find every string or integer that the pointer leads to; None where it leads to something else."""
        if pointer not in self._found:
            reached = self._reach(pointer)
            self._found[pointer] = None if reached is None else _orgs_of(reached)
        return self._found[pointer]

    def _reach(self, pointer: tuple[str, ...]) -> "_Reached | None":
        """Follow a pointer's steps."""
        if pointer not in self._reached:
            parents = self._reach(pointer[:-1])
            try:
                self._reached[pointer] = None if parents is None else self._follow(pointer, parents)
            except _TooManyError:
                self._reached[pointer] = None
        return self._reached[pointer]

    def _follow(self, pointer: tuple[str, ...], parents: "_Reached") -> "_Reached":
        """Take a pointer's last step."""
        before, step = pointer[:-1], pointer[-1]
        if step == EVERY:
            return _every_child(parents)
        if before not in self._members:
            self._members[before] = _Members.of(parents)
        return self._members[before].named(step)


class _TooManyError(Exception):
    """A pointer leads to more than is followed."""


class _Other(NamedTuple):
    """A value that is reached by another reading of a name."""

    value: Json
    #: The first such name, and the pointer's name.
    sent: str
    read_as: str


class _Reached(NamedTuple):
    """What the first steps of a pointer lead to, in the order of the document."""

    exactly: list[Json]
    otherwise: list[_Other]


class _Grouped[Key, Value](NamedTuple):
    """Values by a key of which nearly every value has its own: so the first is kept apart from those that follow."""

    first: dict[Key, Value]
    further: dict[Key, list[Value]]

    @classmethod
    def of(cls, values: Iterable[tuple[Key, Value]]) -> Self:
        """Group them."""
        first: dict[Key, Value] = {}
        further: dict[Key, list[Value]] = {}
        for key, value in values:
            if key not in first:
                first[key] = value
            elif key in further:
                further[key].append(value)
            else:
                further[key] = [value]
        return cls(first, further)

    def get(self, key: Key) -> list[Value]:
        """Return the values of a key."""
        return [self.first[key], *self.further.get(key, ())] if key in self.first else []


_NONE: _Grouped[Any, Any] = _Grouped({}, {})


class _Members(NamedTuple):
    """The members of the objects that a pointer leads to, and the lists that it leads to."""

    children: _Grouped[str, Json]
    #: Their names, by the form.
    names: _Grouped[bytes, str]
    others: _Grouped[str, _Other]
    names_of_others: _Grouped[bytes, str]
    lists: list[list[Json]]
    #: What other readings lead to: it may be a list as well.
    parents: list[_Other]

    @classmethod
    def of(cls, parents: _Reached) -> Self:
        """Look at each member once."""
        others: _Grouped[str, _Other] = (
            _Grouped.of(_limited(_members_of(parents.otherwise))) if parents.otherwise else _NONE
        )
        children = _Grouped.of(chain.from_iterable([each for each in parents.exactly if isinstance(each, tuple)]))
        lists = [each for each in parents.exactly if isinstance(each, list)]
        return cls(children, _by_form(children.first), others, _by_form(others.first), lists, parents.otherwise)

    def named(self, step: str) -> _Reached:
        """Return the members that some reader takes for those of this name, and the items that have it for an index."""
        reached = _Reached([], [])
        (form,) = forms_of_members([step])
        for name in self.names.get(form):
            if name == step:
                reached.exactly.extend(self.children.get(name))
            else:
                reached.otherwise.extend([_Other(child, name, step) for child in self.children.get(name)])
        for name in self.names_of_others.get(form):
            reached.otherwise.extend(self.others.get(name))
        if _INDEX.fullmatch(step):
            index = int(step)
            if len(self.lists) > MAX_VALUES:
                raise _TooManyError
            reached.exactly.extend([each[index] for each in self.lists if index < len(each)])
            for value, sent, read_as in self.parents:
                if isinstance(value, list) and index < len(value):
                    reached.otherwise.append(_Other(value[index], sent, read_as))
        return reached


def _by_form(names: Collection[str]) -> _Grouped[bytes, str]:
    return _Grouped.of(zip(forms_of_members(names), names, strict=True)) if names else _NONE


def _limited[Item](items: Iterable[Item]) -> list[Item]:
    """Return what some readers alone find, of which a document has little."""
    listed = list(islice(items, MAX_VALUES + 1))
    if len(listed) > MAX_VALUES:
        raise _TooManyError
    return listed


def _members_of(others: Iterable[_Other]) -> Iterable[tuple[str, _Other]]:
    for value, sent, read_as in others:
        if isinstance(value, tuple):
            for name, child in value:
                yield name, _Other(child, sent, read_as)


# https://www.rfc-editor.org/rfc/rfc6901#section-4
#   array-index = %x30 / ( %x31-39 *(%x30-39) )
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


def _every_child(parents: _Reached) -> _Reached:
    """Return all members and all items."""
    others = (_Other(child, sent, as_) for value, sent, as_ in parents.otherwise for child in _children(value))
    return _Reached([child for value in parents.exactly for child in _children(value)], _limited(others))


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, tuple):
        return [child for _, child in value]
    return value if isinstance(value, list) else ()


# To Python, but to nobody else, a boolean is an integer; so these are compared by identity.
_ORG_TYPES = frozenset({str, int})


def _orgs_of(reached: _Reached) -> Found | None:
    """Return what was reached as orgs; a list stands for its items."""
    values = _texts_of(reached.exactly)
    if values is None or not reached.otherwise:
        return None if values is None else Found(values)
    others: list[OtherName] = []
    for value, sent, read_as in reached.otherwise:
        texts = _texts_of([value])
        if texts is None or len(values) + len(others) + len(texts) > MAX_VALUES:
            return Found(values, others_are_read=False)
        name = sent.encode("utf-8", "backslashreplace")
        others += [OtherName(name, read_as.encode(), text) for text in texts]
    return Found(values, others)


def _texts_of(values: list[Json]) -> list[bytes] | None:
    """Return the strings and the integers, and those in lists; None where there is something else, or too much."""
    if len(values) > MAX_VALUES:
        return None
    items = [item for value in values for item in (value if isinstance(value, list) else (value,))]
    if len(items) > MAX_VALUES or not all(type(item) in _ORG_TYPES for item in items):
        return None
    try:
        return [str(item).encode() for item in items]
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return None
