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


@pytest.mark.parametrize(
    "text",
    [
        b"/authorize?client_id=app&scope=session:role:ANALYST&x=1",
        b"scope=users:read+token:rotate+session:role:ANALYST",
        b"a=b&SCOPE=ticket:read:all;x=y",
        b'{"expires_in": 3600, "scope" : "session:role:ANALYST token:rotate"}',
        b'{"scopes": ["session:role:ANALYST", "token:rotate"]}',
    ],
)
def test_scopes_are_no_secrets(text: bytes) -> None:
    """They are public, also where one reads like a name and its value, as those of Snowflake do."""
    assert own_secrets([], [text], (), ()) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        b"scope=session:role:ANALYST&token=s3cret-value",
        b"token=s3cret-value&scope=a",
        b'{"scope": "a", "access_token": "s3cret-value"}',
        b'{"scope": ["a"], "access_token": "s3cret-value", "scopes": [',
        b"scope=[&token=s3cret-value&x=]",
        b'scope="&token=s3cret-value&x="',
        b'{"scope": ["a", {"token": "s3cret-value"}]}',
        # The look for the end of a list ends at the next list: of many that do not end each would be searched.
        b"scope=[,scope=[,[token=s3cret-value&x]",
        b"scope=a;token=s3cret-value",
        b"/scope/token=s3cret-value",
        b"telescope=token=s3cret-value",
        b"scope_token=s3cret-value",
    ],
)
def test_what_stands_beside_scopes_is_found(text: bytes) -> None:
    """Their end is that of the parameter or of the member."""
    assert own_secrets([], [text], (), ()) == {"s3cret-value"}
