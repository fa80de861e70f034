"""Org ids and their names: everything that names an org is compared as its id, whole.

A policy may give an org a name and aliases; whichever of them a request, a token or the policy uses, it is the id
that is compared, and the name that a person is shown.
"""

import re
from collections.abc import Iterable, Mapping

from orgfence.core.escapes import text_of
from orgfence.core.showing.redactor import NO_REQUEST, Redactor

# https://www.rfc-editor.org/rfc/rfc9562#section-4: output is lower case, input is case-insensitive.
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_LENGTH = 36


class OrgNames:
    """The orgs that a policy names."""

    __slots__ = ("_ids", "_names")

    def __init__(self, ids: Mapping[str, str], aliases: Iterable[tuple[str, str]] = ()) -> None:
        """Take the id of each name, and (alias, name) pairs. Names, aliases and ids must not contradict."""
        known = {name: canonical_id(org_id.encode()) for name, org_id in ids.items()}
        self._names = {salesforce_id(org_id): name for name, org_id in known.items()}
        self._names |= {org_id: name for name, org_id in known.items()}
        words = [*zip(known, known, strict=True), *aliases]
        self._ids = {canonical_id(word.encode()): known[name] for word, name in words}

    def normalise(self, value: bytes) -> bytes:
        """Return the id that a value stands for: of a name or an alias its id, of a UUID its lower-case form."""
        canonical = canonical_id(value)
        return self._ids.get(canonical, canonical)

    def name_of(self, org_id: bytes) -> str | None:
        """Return the policy's name for a normalised id, a Salesforce id in either form; None: it has none."""
        return self._names.get(org_id)

    def shown(self, org_id: bytes, redactor: Redactor = NO_REQUEST, *, is_granted: bool = False) -> str:
        """Return what a person is shown: the policy's name, else the id, unless that is a secret.

        `is_granted`: the token names it.
        """
        name = self.name_of(org_id)
        return name or redactor.value(text_of(org_id), may_be_part=is_granted)

    @property
    def ids(self) -> Mapping[bytes, str]:
        """The orgs that the policy names: id, normalised, to name."""
        return {self._ids[canonical_id(name.encode())]: name for name in dict.fromkeys(self._names.values())}


def canonical_id(value: bytes) -> bytes:
    """Return a UUID in lower case, anything else as it is."""
    if len(value) == _UUID_LENGTH and _UUID.fullmatch(value):
        return value.lower()
    return value


# The checksum letters stand for five bits each, one a character, set where that character is upper case.
_CHECKSUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHORT_ID = 15


def salesforce_id(value: bytes) -> bytes:
    """Return the 18-character form of a Salesforce id of 15 characters, anything else as it is."""
    if len(value) != _SHORT_ID or not value.isalnum():
        return value
    letters = bytearray()
    for start in range(0, _SHORT_ID, 5):
        chunk = value[start : start + 5]
        letters.append(_CHECKSUM[sum(1 << bit for bit in range(5) if chunk[bit : bit + 1].isupper())])
    return value + bytes(letters)
