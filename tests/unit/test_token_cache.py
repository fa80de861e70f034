"""The bounded cache of tokens: what it holds, for how much, and what cannot be got out of it."""

import gc
import tracemalloc

import pytest

from orgfence.core.reason import Reason
from orgfence.core.tokens import cache as cache_module
from orgfence.core.tokens.cache import TokenCache
from orgfence.core.tokens.token import OrgClaim, Token, TokenKind

NO_ORGS = OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING)


def token_of(*orgs: bytes, scopes: tuple[bytes, ...] = ()) -> Token:
    return Token(
        kind=TokenKind.JWT,
        issuer="corp",
        subject="user",
        active=NO_ORGS,
        member=OrgClaim(frozenset(orgs), None),
        scopes=frozenset(scopes),
        expires=None,
        not_before=None,
        verified=False,
        salesforce_ids=False,
    )


def test_what_is_kept_is_found_again() -> None:
    """Tokens and faults alike."""
    cache = TokenCache()
    assert cache.get(b"key") is None
    kept = cache.keep(b"key", token_of(b"acme"))
    assert kept == token_of(b"acme")
    assert cache.get(b"key") is kept
    assert cache.keep(b"bad", Reason.TOKEN_MALFORMED) is Reason.TOKEN_MALFORMED
    assert cache.get(b"bad") is Reason.TOKEN_MALFORMED


def test_a_key_is_of_credential_generation_and_issuer() -> None:
    """The same three give the same key; where one differs, so does the key, however the texts are cut."""
    cache = TokenCache()
    cases: list[tuple[bytes, str, str | None]] = [
        (b"raw", "one", None),
        (b"raw2", "one", None),
        (b"", "one", None),
        (b"raw", "two", None),
        (b"raw", "one", "None"),
        (b"raw", "one", ""),
        (b"raw", "one', 'a", "b"),
        (b"raw", "one", "a', 'b"),
        (b"raw", "\ud800", "\udfff"),
    ]
    keys = [cache.key(*case) for case in cases]
    assert len(set(keys)) == len(cases)
    assert [cache.key(*case) for case in cases] == keys


def test_a_key_means_nothing_to_another_process() -> None:
    """It is keyed by a secret of this cache alone, so no table of hashes finds the credential."""
    assert TokenCache().key(b"raw", "one", None) != TokenCache().key(b"raw", "one", None)


def test_keys_survive_any_number_of_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is derived for each generation is forgotten in time, and comes out the same again."""
    monkeypatch.setattr(cache_module, "_MAX_SHARED", 3)
    cache = TokenCache()
    before = [cache.key(b"raw", f"generation-{number}", None) for number in range(10)]
    assert [cache.key(b"raw", f"generation-{number}", None) for number in range(10)] == before
    assert len(cache._hashes) <= 3


def test_what_was_unused_longest_goes_first() -> None:
    """The number of entries is bounded."""
    cache = TokenCache(max_entries=3)
    for key in (b"a", b"b", b"c"):
        cache.keep(key, token_of(key))
    cache.get(b"a")
    cache.keep(b"d", Reason.TOKEN_OPAQUE)
    assert [key for key in (b"a", b"b", b"c", b"d") if cache.get(key) is not None] == [b"a", b"c", b"d"]


def test_a_fat_token_takes_the_room_of_many() -> None:
    """Many orgs, or long ones: who sends such tokens crowds out others, and does not fill the memory."""
    for fat in (
        token_of(*(b"org-%d" % number for number in range(60))),
        token_of(b"x" * 6000),
        token_of(scopes=(b"x" * 3000, b"y" * 3000)),
    ):
        cache = TokenCache(max_entries=10)
        for number in range(10):
            cache.keep(b"%d" % number, token_of(b"acme"))
        cache.keep(b"fat", fat)
        assert cache.get(b"fat") == fat
        assert 2 <= sum(cache.get(b"%d" % number) is not None for number in range(10)) <= 5


@pytest.mark.parametrize("max_entries", [0, 1, 3])
def test_a_token_too_fat_for_the_whole_cache_is_not_kept(max_entries: int) -> None:
    """It is read again each time, and pushes nothing out."""
    cache = TokenCache(max_entries)
    cache.keep(b"key", Reason.TOKEN_OPAQUE)
    fat = token_of(b"x" * 12_000)
    assert cache.keep(b"fat", fat) == fat
    assert cache.get(b"fat") is None
    assert (cache.get(b"key") is None) == (max_entries == 0)


def test_equal_orgs_and_scopes_are_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of tokens name the same few; what is shared is bounded as well."""
    monkeypatch.setattr(cache_module, "_MAX_SHARED", 8)
    cache = TokenCache()
    first = cache.keep(b"1", token_of(b"acme", scopes=(b"read",)))
    second = cache.keep(b"2", token_of(b"acme", scopes=(b"read",)))
    assert isinstance(first, Token)
    assert isinstance(second, Token)
    assert first.member is second.member
    assert first.scopes is second.scopes

    for number in range(100):
        cache.keep(b"more-%d" % number, token_of(b"org-%d" % number))
        assert len(cache._shared) <= 8
    assert cache.get(b"1") == token_of(b"acme", scopes=(b"read",))

    cache.keep(b"fat", token_of(b"x" * 2000))
    assert not [shared for shared in cache._shared if len(repr(shared)) > 2000]


def test_the_memory_of_a_full_cache_is_bounded() -> None:
    """However many tokens pass: 20,000 of them, each with orgs of its own, cost no more than the last thousand."""
    cache = TokenCache(max_entries=1000)
    peak = 0
    tracemalloc.start()
    try:
        for number in range(20_000):
            orgs = (b"org-%d-%d" % (number, index) for index in range(number % 30))
            cache.keep(cache.key(b"%d" % number, "one", None), token_of(*orgs))
            if number % 1000 == 999:
                gc.collect()
                peak = max(peak, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert peak < 1000 * 4096 + cache_module._MAX_SHARED * 2048


def test_the_cache_does_not_show_what_it_holds() -> None:
    """Neither a credential nor the secret of its keys."""
    cache = TokenCache()
    cache.keep(cache.key(b"credential", "one", None), token_of(b"acme"))
    assert "credential" not in repr(cache)
    assert repr(cache._secret) not in repr(cache)
