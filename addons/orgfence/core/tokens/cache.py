"""The tokens that were read, so that a credential is decoded once and not with every request.

Nothing in here can be turned back into a credential: entries are found by a keyed hash, whose key lives and
dies with the process. The hash covers the policy's generation and the issuer that the rule names as well,
because the same credential may read differently under another policy or for another rule.
"""

import hashlib
import secrets
from typing import Any

from cachetools import LRUCache

from orgfence.core.reason import Reason
from orgfence.core.tokens.token import Token

# Measured when full: 21 MiB of tokens that share their orgs, 57 MiB where each has orgs of its own, 108 MiB of
# the worst that a client can send. With mitmproxy's own 75 MiB that stays below 200; reading a token again is cheap.
MAX_ENTRIES = 32_768
# A fat token (16 KiB can name some 4,000 orgs) counts for as many entries as it takes room, so a client
# that sends such tokens crowds out others instead of filling the memory.
_UNIT = 1024
# What a set of bytes takes for each item, beside the item's own bytes.
_ITEM = 100
# 128 bits: without the key nobody can even look for two credentials of the same hash.
_DIGEST_SIZE = 16
# More than there are sets of orgs or of scopes, or issuers, that are met often enough to be worth keeping.
_MAX_SHARED = 4096


class _Entries(LRUCache[bytes, Token | Reason]):
    """The cache itself, in which what is missing is None."""

    def __missing__(self, _: bytes) -> None:  # type: ignore[override] # it may return anything
        """Say so: the base class would raise."""


class TokenCache:
    """What each credential said, or why it could not be read; what was unused longest is dropped first."""

    __slots__ = ("_entries", "_hashes", "_secret", "_shared", "_weight")

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        """Make an empty cache that has room for so many tokens of common size."""
        self._secret = secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)
        #: Of what is being kept, so that it is weighed once.
        self._weight = 0
        self._entries = _Entries(max_entries, getsizeof=lambda _: self._weight)
        self._hashes: dict[tuple[str, str | None], hashlib.blake2b] = {}
        self._shared: dict[Any, Any] = {}

    def key(self, raw: bytes, generation: str, issuer: str | None) -> bytes:
        """Return what stands for a credential under one generation of the policy and one named issuer."""
        keyed = self._hashes.get((generation, issuer))
        if keyed is None:
            keyed = self._keyed_hash(generation, issuer)
        digest = keyed.copy()
        digest.update(raw)
        return digest.digest()

    def get(self, key: bytes) -> Token | Reason | None:
        """Return what was kept under a key, or None."""
        # Not by `get`, which looks twice.
        return self._entries[key]

    def keep(self, key: bytes, read: Token | Reason) -> Token | Reason:
        """Keep what was read, and return it in the form in which it was kept."""
        weight = self._weight = _weight(read)
        if weight == 1 and isinstance(read, Token):
            read = read._replace(
                active=self._share(read.active),
                member=self._share(read.member),
                scopes=self._share(read.scopes),
                traits=self._share(read.traits),
            )
        if weight <= self._entries.maxsize:
            self._entries[key] = read
        return read

    def _keyed_hash(self, generation: str, issuer: str | None) -> hashlib.blake2b:
        """Make the hash, still without input, for one generation and issuer."""
        if len(self._hashes) >= _MAX_SHARED:
            self._hashes.clear()
        # `repr` quotes, so that no two pairs are the same bytes.
        key = hashlib.blake2b(repr((generation, issuer)).encode(), key=self._secret).digest()
        keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_SIZE)
        self._hashes[generation, issuer] = keyed
        return keyed

    def _share[Value](self, value: Value) -> Value:
        """Return the one object that stands for all equal ones: most tokens name the same few orgs."""
        if len(self._shared) >= _MAX_SHARED:
            self._shared.clear()
        shared: Value = self._shared.setdefault(value, value)
        return shared


def _weight(read: Token | Reason) -> int:
    """Return for how many entries one counts."""
    if isinstance(read, Reason):
        return 1
    items = [*read.active.orgs, *read.member.orgs, *read.scopes]
    if read.traits:
        items += [trait.value for trait in read.traits]
    return 1 + (len(b"".join(items)) + _ITEM * len(items)) // _UNIT
