"""A table that stays small: the oldest entries go first, and what entries have in common is held and counted once.

Most grants are of few clients, for the same orgs and scopes, so those texts cost next to nothing; texts that each
entry has for itself are what hostile traffic would fill the memory with, so they are counted by the byte.
"""

import sys
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# What entries may take on average. One of a common sign-in takes half of it, so that those are bounded by number.
_BYTES_PER_ENTRY = 1024
# Measured, and rounded up: an entry's key, slot and records, without its texts.
_ENTRY = 512
# Measured, and rounded up: what it takes to count one text.
_TEXT = 256
# Four times the longest header line that common servers take, so no authorize request comes near; a pushed one that
# does would cost others their place.
_MAX_ENTRY = 64 * 1024


class Entry(Protocol):
    """What a table holds."""

    def texts(self) -> Iterable[Hashable]:
        """Return what is of any length in it: strings, and tuples and frozensets of strings."""


class _Slot[Value](NamedTuple):
    """An entry at its place."""

    until: float
    value: Value


@dataclass(slots=True)
class _Text:
    """A text that at least one entry has."""

    text: Hashable
    size: int
    entries: int = 0


class BoundedTable[Value: Entry]:
    """Entries by key, each good until its time, never more than so many, and never more than so many bytes."""

    __slots__ = ("_bytes", "_max_bytes", "_max_entries", "_slots", "_texts")

    def __init__(self, max_entries: int) -> None:
        """Make an empty table."""
        self._max_entries = max_entries
        self._max_bytes = max(max_entries * _BYTES_PER_ENTRY, _MAX_ENTRY)
        self._slots: OrderedDict[bytes, _Slot[Value]] = OrderedDict()
        self._texts: dict[Hashable, _Text] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._slots)

    def get(self, key: bytes, now: float) -> Value | None:
        """Return the entry that a key has, if it is still good."""
        slot = self._slots.get(key)
        return slot.value if slot is not None and now < slot.until else None

    def put(self, key: bytes, value: Value, now: float, until: float) -> None:
        """Give a key its entry, which is the newest from now on; one that is too long is not kept."""
        self.drop(key)
        texts = [self._text(text) for text in value.texts()]
        if _ENTRY + sum(text.size for text in texts) > _MAX_ENTRY:
            return
        self._slots[key] = _Slot(until, value)
        self._bytes += _ENTRY
        for text in texts:
            self._hold(text)
        while self._slots and (self._is_full or next(iter(self._slots.values())).until <= now):
            self.drop(next(iter(self._slots)))

    def drop(self, key: bytes) -> None:
        """Forget a key's entry, if it has one."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return
        self._bytes -= _ENTRY
        for text in slot.value.texts():
            self._release(self._texts[text])

    def shared[Text: Hashable](self, text: Text) -> Text:
        """Return the one object that stands for all equal ones: what goes into an entry goes through here first."""
        held = self._texts.get(text)
        return text if held is None else held.text  # type: ignore[return-value]  # it is equal, so of the same type

    @property
    def _is_full(self) -> bool:
        return len(self._slots) > self._max_entries or self._bytes > self._max_bytes

    def _text(self, text: Hashable) -> _Text:
        held = self._texts.get(text)
        return _Text(text, _size_of(text)) if held is None else held

    def _hold(self, text: _Text) -> None:
        # Looked up again: an entry can have the same text twice.
        text = self._texts.setdefault(text.text, text)
        text.entries += 1
        if text.entries == 1:
            self._bytes += text.size

    def _release(self, text: _Text) -> None:
        text.entries -= 1
        if text.entries == 0:
            self._bytes -= text.size
            del self._texts[text.text]


def _size_of(text: Hashable) -> int:
    """Return what a text takes in memory."""
    items = text if isinstance(text, tuple | frozenset) else ()
    return _TEXT + sys.getsizeof(text) + sum(map(sys.getsizeof, items))
