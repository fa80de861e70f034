"""What is shown of a request: none of its secrets, and every character as itself."""

import base64
from urllib.parse import quote

import pytest

from orgfence.core.showing.own_secrets import own_secrets
from orgfence.core.showing.redactor import MAX_VALUE, NO_REQUEST, Redactor

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.Zm9vYmFyc2VjcmV0"
UUID = "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"
SECRET = "open-sesame"
BASIC = base64.b64encode(f"alice:{SECRET}".encode()).decode()


def secrets_of(
    *fields: tuple[bytes, bytes], text: bytes = b"", credential: tuple[bytes, ...] = (), org: tuple[bytes, ...] = ()
) -> frozenset[str]:
    return own_secrets(fields, [text], credential, org)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"authorization", f"Bearer {SECRET}".encode())],
        [(b"Authorization", SECRET.encode())],
        [(b"authorization", f'Digest username=u, response="{SECRET}"'.encode())],
        [(b"authorization", f"Basic {BASIC}".encode())],
        [(b"proxy-authorization", f"Basic {BASIC}".encode())],
        [(b"cookie", f"theme=dark; sid={SECRET}".encode())],
        [(b"cookie", f'session_id="{SECRET}"'.encode())],
        [(b"set-cookie", f"sid={SECRET}; Path=/".encode())],
        [(b"X_Api_Key", SECRET.encode())],
        [(b"x-custom-place", SECRET.encode())],
    ],
)
def test_the_secrets_of_fields_are_known(fields: list[tuple[bytes, bytes]]) -> None:
    """Behind any scheme, in cookies, in fields that are named like one, and where the rule reads its credential."""
    assert SECRET in secrets_of(*fields, credential=(b"x-custom-place",))


@pytest.mark.parametrize(
    "text",
    [
        b"/x?access_token=%s&a=b",
        b"/x?a=b&ACCESS_TOKEN=%s",
        b"/x?code=%s",
        b"/x?my_place=%s#x",
        b'{"client_secret": "%s", "a": 1}',
        b"{'password': '%s'}",
        b"grant_type=refresh_token&refresh_token=%s",
        b"/x;sid=%s/y",
        b"token=1&token=2&token=%s",
    ],
)
def test_the_secrets_of_parameters_are_known(text: bytes) -> None:
    """In a query, a form or JSON, in any case of the name."""
    assert SECRET in secrets_of(text=text.replace(b"%s", SECRET.encode()), credential=(b"my_place",))


@pytest.mark.parametrize(
    "text",
    [
        b"/x?org_code=open-sesame",
        b"/x?country_code=open-sesame",
        b"/x?q=open-sesame",
        b"/x?token&b",
        b"a" * 100 + b"token",
    ],
)
def test_other_parameters_are_no_secrets(text: bytes) -> None:
    """What only ends like the name of a secret, or has no value."""
    assert not secrets_of(text=text)


def test_where_the_rule_reads_the_org_is_no_secret() -> None:
    """Whatever its name is like; nor are ids that a page remembers in a cookie."""
    fields = [
        (b"x-token-org", b"globex-corp"),
        (b"cookie", b"session_org=globex-corp; last=org_9ybsU1dN2dKfDkBi; lang=en; u=" + UUID.encode()),
    ]
    org = (b"x-token-org", b"session_org", b"token_org")
    assert not secrets_of(*fields, text=b"/x?token_org=globex-corp", org=org)


def test_other_cookies_count_where_they_hold_what_is_no_id() -> None:
    """Nobody knows what a site calls its session."""
    assert "q7w8e9r0t1y2" in secrets_of((b"cookie", b"z=q7w8e9r0t1y2"))


def test_the_parts_of_a_token_are_secrets() -> None:
    """Its signature alone is nobody's business either; `Basic` that is broken has none."""
    assert "zm9vymfyc2vjcmv0" in secrets_of((b"authorization", f"Bearer {JWT}".encode()))
    assert "abcde" not in secrets_of((b"authorization", b"Basic abcde"))


def test_a_message_has_no_endless_number_of_secrets() -> None:
    """So that a search for each of them takes no endless time."""
    fields = [(b"x-token", b"secret%04d" % number) for number in range(1000)]
    assert len(secrets_of(*fields)) <= 256
    assert len(secrets_of(text=b"&".join(b"token=secret%04d" % number for number in range(1000)))) < 256


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        SECRET.upper(),
        f"acme-{SECRET}-x",
        SECRET.replace("-", "%2D"),
        quote(SECRET.replace("-", "%2d"), safe=""),
        "q7w8e9r0t1y2u3i4",
        "q7w8e9r0t1y2",
    ],
)
def test_a_secret_of_the_request_is_not_shown(value: str) -> None:
    """Whole, in any case, inside of a value, percent-encoded once or twice, and in part."""
    redactor = Redactor({SECRET, "q7w8e9r0t1y2u3i4o5p6"})
    assert redactor.value(value) == "[redacted]"
    assert redactor.path(f"/a/{value}/b").startswith("/a/")
    assert value not in redactor.path(f"/a/{value}/b")
    assert "sesame" not in redactor.sentence(f"It is about `{value}`, `acme`.").lower()
    assert redactor.sentence("It is about `acme`.") == "It is about `acme`."


def test_hosts_are_shown_by_their_labels() -> None:
    """Those of clouds are long, and no credential goes over several labels."""
    host = "a1b2c3d4e5f6g7h8.i9j0k1l2m3n4o5p6.eu-west-1.elb.amazonaws.com"
    assert NO_REQUEST.host(host) == host
    assert NO_REQUEST.host("kY3wPq9ZtR2mVx7LbN5cJd8Fs1GhT4uWe6AoQiX.example.com") == "[redacted].example.com"


def test_short_secrets_are_no_part_of_words() -> None:
    """A password of a few letters hides itself only."""
    redactor = Redactor({"open12"})
    assert redactor.value("open12") == "[redacted]"
    assert redactor.value("open123") == "open123"
    assert redactor.sentence("About `open12`, `open123`.") == "About `[redacted]`, `open123`."


def test_an_opaque_token_may_name_its_org() -> None:
    """What a token grants is shown although it stands in the token; a piece of a token as a request's org is not."""
    redactor = Redactor({"q7w8e9r0t1y2u3i4!rest", f"{UUID}.rest"})
    assert redactor.value("q7w8e9r0t1y2u3i4", may_be_part=True) == "q7w8e9r0t1y2u3i4"
    assert redactor.value("q7w8e9r0t1y2u3i4") == "[redacted]"
    assert redactor.value(UUID) == UUID


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (JWT, "[redacted]"),
        (JWT.replace(".", "%2e"), "[redacted]"),
        (f"Bearer {SECRET}", "Bearer [redacted]"),
        (f"acme;sid={SECRET}", "acme;sid=[redacted]"),
        (f"acme {JWT}", "acme [redacted]"),
        ("acme\x1b[31m\u202e\u200b\u3164\x85\u2028", "acme\\x1b[31m\\u202e\\u200b\\u3164\\x85\\u2028"),
        ("half \ud800", "half \\ud800"),
        ("Müller 組織", "Müller 組織"),
        ("a b " * 100, ("a b " * 100)[: MAX_VALUE - 1] + "…"),
        ("x" * 5000 + JWT, "x" * (MAX_VALUE - 1) + "…"),
    ],
)
def test_a_value_is_shown_without_what_looks_like_a_secret(value: str, shown: str) -> None:
    """Also where nothing is known of the request; other values stay, and long ones are cut."""
    assert NO_REQUEST.value(value) == shown


def test_a_tree_is_shown_by_its_texts() -> None:
    """Claims: keys and texts at any depth; numbers stay."""
    tree = {"a": [JWT, 1, None, {JWT: "x\x1b"}], "b": True}
    assert NO_REQUEST.tree(tree) == {"a": ["[redacted]", 1, None, {"[redacted]": "x\\x1b"}], "b": True}
