"""What an issuer answers to an exchange."""

import json

import pytest
from tests.exchanges import answer_body

from orgfence.core.oauth.answers import ErrorResponse, Issued, pushed_answer, redirect_of, repeats, token_answer
from orgfence.core.oauth.exchange import Redirect, TokenResponse

JSON = "application/json"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
SECRET = "hunter2"


def read(body: bytes, content_type: str = JSON) -> Issued | ErrorResponse | None:
    return token_answer(answer_body(body, (b"content-type", content_type.encode())))


def answer(**members: object) -> TokenResponse | ErrorResponse | None:
    """Read an answer that says everything once."""
    found = read(json.dumps(members).encode())
    if not isinstance(found, Issued):
        return found
    (response,) = found.responses
    assert found.others == ()
    return response


def test_tokens_are_read() -> None:
    """With what the answer says of them."""
    assert answer(access_token="a", refresh_token="r", expires_in=3600, scope="x  y x") == TokenResponse(
        "a", "r", 3600.0, ("x", "y")
    )
    assert answer(access_token="a") == TokenResponse("a", None, None, None)
    assert answer(access_token="a", refresh_token="", scope="") == TokenResponse("a", None, None, ())


def test_some_issuers_answer_otherwise() -> None:
    """With a form, a list of scopes, a lifetime in quotes, a type that is not JSON's."""
    body = b"access_token=a&expires_in=3600&scope=x+y&refresh_token=r"
    assert read(body, FORM) == Issued((TokenResponse("a", "r", 3600.0, ("x", "y")),))
    assert answer(access_token="a", scope=["x", 1, "y"], expires_in="60") == TokenResponse("a", None, 60.0, ("x", "y"))
    assert read(b'{"access_token": "a"}', "text/html") == Issued((TokenResponse("a", None, None, None),))


@pytest.mark.parametrize("value", [True, None, [1], "soon", "1e999", "nan", "inf", 10**400, {}])
def test_what_is_no_lifetime_is_none(value: object) -> None:
    """Nothing can be compared with it."""
    assert answer(access_token="a", expires_in=value) == TokenResponse("a", None, None, None)


def test_what_is_no_scope_is_none() -> None:
    """It does not say."""
    assert answer(access_token="a", scope=7) == TokenResponse("a", None, None, None)


def test_an_error_is_read() -> None:
    """RFC 6749 section 5.2."""
    assert answer(error="invalid_grant", error_description="gone") == ErrorResponse("invalid_grant", "gone")
    assert answer(error="invalid_grant") == ErrorResponse("invalid_grant", "")
    assert read(b"error=bad", FORM) == ErrorResponse("bad", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"a"',
        b"{}",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"access_token": 7}',
        b'{"access_token": ""}',
        b'{"error": {"code": 7}}',
        b"9" * 10_000,
    ],
)
def test_anything_else_is_neither(body: bytes) -> None:
    """Whatever the bytes are, nothing is raised."""
    assert read(body) is None


@pytest.mark.parametrize("body", [b"\xff", b"a=b&" * 101, b"access_token="])
def test_a_form_that_is_none_is_neither(body: bytes) -> None:
    """As above."""
    assert read(body, FORM) is None


def test_a_pushed_request_is_answered_with_its_name() -> None:
    """RFC 9126 section 2.2."""
    assert pushed_answer(answer_body(b'{"request_uri": "urn:x:1", "expires_in": 60}')) == "urn:x:1"
    assert pushed_answer(answer_body(b"{}")) is None
    assert pushed_answer(answer_body(b"<html>")) is None


@pytest.mark.parametrize(
    ("location", "redirect"),
    [
        ("https://app.test/cb?a=b&code=c&state=s", Redirect("https://app.test/cb", "s", "c", None)),
        ("https://app.test/cb#code=c&state=s", Redirect("https://app.test/cb", "s", "c", None)),
        ("https://app.test/cb?error=access_denied&state=s", Redirect("https://app.test/cb", "s", None, None)),
        (
            "https://app.test/cb#access_token=t&expires_in=60&scope=x+y&state=s",
            Redirect("https://app.test/cb", "s", None, TokenResponse("t", None, 60.0, ("x", "y"))),
        ),
        ("com.app:/cb?code=c", Redirect("com.app:/cb", "", "c", None)),
        ("https://login.test/sign-in?next=%2F", None),
        ("", None),
        ("https://app.test/cb?code=", None),
        ("https://app.test/cb?" + "a=b&" * 200 + "code=c", None),
        ("https://app.test/cb?code=c&a=" + "b" * 40_000, None),
        # It says two things.
        ("https://app.test/cb?code=c#code=d", None),
        ("https://app.test/cb?code=c&state=s&state=t", None),
        ("https://app.test/cb?code=c&code=c&state=s&iss=a&iss=b", Redirect("https://app.test/cb", "s", "c", None)),
        (
            "https://app.test/cb#access_token=t&access_token=u&state=s",
            Redirect(
                "https://app.test/cb",
                "",
                None,
                None,
                (TokenResponse("t", None, None, None), TokenResponse("u", None, None, None)),
            ),
        ),
    ],
)
def test_a_redirect_brings_a_code_or_a_token(location: str, redirect: Redirect | None) -> None:
    """Or an error; anything else is a step of the issuer's own."""
    assert redirect_of(location) == redirect


def test_nothing_secret_is_shown() -> None:
    """Neither codes nor tokens."""
    shown = repr(
        [
            read(b'{"access_token": "hunter2", "a": {"access_token": "hunter2"}}'),
            redirect_of(f"https://a/?code={SECRET}&state={SECRET}"),
        ]
    )
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("target", "is_repeated"),
    [
        (b"/logout?next=https://app.test/cb%3Fcode=hunter2", True),
        (b"/logout?next=https://app.test/cb?code=%68unter2", True),
        (b"/login?next=%2Flogout%3Fnext%3Dhttps%253A%252F%252Fapp.test%252Fcb%253Fcode%253D%2568unter2", True),
        (b"/authorize?code=other", False),
        (b"/?" + b"x" * 40_000, True),
    ],
)
def test_a_redirect_that_repeats_its_request_brings_nothing(target: bytes, is_repeated: bool) -> None:
    """Whoever wrote the URL has chosen the code or the token, and not the issuer."""
    for answer in ("?code=hunter2", "#access_token=hunter2", "#access_token=hunter2&access_token=x"):
        redirect = redirect_of(f"https://app.test/cb{answer}")
        assert redirect is not None
        assert repeats(redirect, target) == is_repeated
