"""What may not stand in a log is not there, and what may be there stays readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgfence.observe.redaction import MAX_TEXT, printable, redact, redact_jwts, redact_strictly

SECRET = "Zm9vYmFyc2VjcmV0"
JWT = f"eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.{SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {SECRET}",
        f"invalid: bearer  {SECRET}!",
        f"Basic {SECRET}==",
        f"Bearer\r\n {SECRET}",
        f"b'Bearer\\r\\n {SECRET}'",
        f"authorization=Bearer%20{SECRET}&x=1",
        f"Authorization: {SECRET}",
        f"Authorization: Digest username=x,\r\n response={SECRET}",
        f"Proxy-Authorization: {SECRET} {SECRET}",
        f"Cookie: sid=1; other={SECRET}",
        f"set-cookie: a={SECRET}; Path=/",
        f"{{'authorization': '{SECRET}', 'x': 'y'}}",
        f"Headers[(b'Cookie', b'a={SECRET}')]",
        f"HTTP_COOKIE='{SECRET}'",
        f"X-Api-Key: {SECRET}",
        f"X-Auth-Token: {SECRET}",
        f"GET /cb?code={SECRET}&state=1",
        f"GET /cb?state=1&code={SECRET}",
        f"access_token={SECRET}",
        f"refresh_token={SECRET}&a=b",
        f"client_secret={SECRET}",
        f"id_token%3D{SECRET}",
        f'{{"access_token": "{SECRET}", "expires_in": 1}}',
        f'{{"client_secret":"with spaces {SECRET}"}}',
        f"password={SECRET} user=x",
        f"code_verifier={SECRET}",
        f"device_code: {SECRET}",
        f"SAMLResponse={SECRET}",
        f"connect to https://user:{SECRET}@api.example.com/x failed",
        f"token: {SECRET}",
    ],
)
def test_what_is_named_like_a_credential_is_replaced(text: str) -> None:
    """Schemes, header lines with their folds, parameters, members and userinfo, in any case and escaping."""
    assert SECRET not in redact(text)
    assert SECRET not in redact(text.upper().replace(SECRET.upper(), SECRET))
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text", [JWT, f"x{JWT}", f"tokens {JWT}, {JWT}", f"/reset/{JWT}/x", f"{JWT}.{SECRET}.{SECRET}", f"'{JWT}'"]
)
def test_a_jwt_is_replaced_anywhere(text: str) -> None:
    """Also with five parts, also where nothing says what it is."""
    for function in (redact_jwts, redact, redact_strictly):
        assert SECRET not in function(text)
        assert "eyJ" not in function(text)


@pytest.mark.parametrize(
    "opaque", ["A1b2" * 10, f"{SECRET}.{SECRET}.{SECRET}", "00Dxx0000001gPL!AR8AQJXg5oj8jXSgxJfA0lBog"]
)
def test_a_long_opaque_token_is_replaced_only_strictly(opaque: str) -> None:
    """Length is no proof, so this holds only for text of others."""
    assert opaque not in redact_strictly(f"unexpected {opaque} here")
    assert redact(f"unexpected {opaque} here") == f"unexpected {opaque} here"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Server TLS handshake failed. Certificate verify failed: unable to get local issuer certificate",
        "client disconnected from api-gateway.payments-production-eu.svc.cluster.local:443",
        "the org 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01 is not granted",
        "HTTP status code 403 from https://api.example.com/api/v2/users?page=2",
        "/usr/lib/python3.13/site-packages/mitmproxy/proxy/layers/http/__init__.py:606",
        "Use a token that was issued for the org.",
        "eyeglasses.shop.example.com",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    """A log that hides everything helps nobody."""
    assert redact_strictly(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "token" + " " * 1_000_000,
        "Cookie:" + "\r\n a" * 300_000,
        "eyJ" * 500_000,
        "://" * 500_000,
        "Bearer " * 200_000,
        "a-" * 500_000,
        "code=" * 200_000,
        "'\"" * 500_000,
    ],
)
def test_hostile_text_costs_little(text: str) -> None:
    """No text makes the search run away."""
    started = time.process_time()
    redact_strictly(text)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 組織", "plain äöü 組織"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("c1 \x9b2J", "c1 \\x9b2J"),
        ("bidi \u202e\u2066", "bidi \\u202e\\u2066"),
        ("line \u2028\u2029\x85", "line \\u2028\\u2029\\x85"),
        ("zero \u200b\ufeff", "zero \\u200b\\ufeff"),
        ("half \ud800\udcff", "half \\ud800\\udcff"),
        ("nul \0", "nul \\x00"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_what_is_not_seen_as_itself_is_escaped(text: str, shown: str) -> None:
    """Line breaks, terminal sequences, bidi and zero-width characters, half surrogate pairs."""
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    """The start is what helps, and the cut shows."""
    assert printable("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert printable("x" * (MAX_TEXT + 1)) == "x" * (MAX_TEXT - 1) + "…"
    assert printable("abcdef", 4) == "abc…"


@given(st.text(st.characters(codec=None)))
def test_printable_text_is_printable(text: str) -> None:
    """Whatever comes in, what goes out is encodable and of one line."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
