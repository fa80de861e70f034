"""The secrets of a message are found at a bounded cost."""

import pytest

from orgfence.core.escapes import unescaped
from orgfence.core.showing import own_secrets as module
from orgfence.core.showing.own_secrets import own_secrets


def secrets_of(*values: bytes) -> frozenset[str]:
    return own_secrets([(b"Authorization", value) for value in values], (), (), ())


def test_a_secret_is_found_decoded_too() -> None:
    """By what is shown nobody can tell in which form it was sent."""
    assert {"s3cret%2fkey", "s3cret/key"} <= secrets_of(b"Bearer s3cret%2Fkey")


def test_decoding_is_bounded_for_the_whole_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of KiB of escapes in the fields of one request would hold the proxy for a second."""
    decoded: list[bytes] = []

    def counted(value: bytes) -> bytes:
        decoded.append(value)
        return unescaped(value)

    monkeypatch.setattr(module, "unescaped", counted)
    values = [b"%%%d" % number + b"%" * 30_000 for number in range(18)]
    found = secrets_of(*values, *(b"Bearer %d%s" % (number, b"%41" * 2000) for number in range(200)))
    assert sum(map(len, decoded)) <= 2 * 16 * 1024
    # As it was sent it is known all the same.
    assert values[0].decode() in found


def test_what_is_repeated_is_looked_at_once() -> None:
    """The same value in many fields takes no other's place."""
    assert "the-other-one" in secrets_of(*[b"Bearer the-same-one"] * 300, b"Bearer the-other-one")
