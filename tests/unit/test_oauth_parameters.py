"""What an OAuth request says, wherever its client has put it."""

import json
from base64 import b64encode

import pytest
from tests.tokens import jwt_of

from orgfence.core.body import RequestBody
from orgfence.core.oauth.exchange import AuthorizeRequest, TokenRequest
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.oauth.requests import authorize_request, token_request, without_query
from orgfence.core.orgs import OrgNames
from orgfence.core.request import Fields

ISSUER = OAuthIssuer(name="corp", org_parameters=("target", "org"), flags={}, clients={}, known_orgs={})
ORGS = OrgNames({"acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}, [("acme-inc", "acme")])
ACME = b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"
FORM = b"application/x-www-form-urlencoded"
SECRET = "hunter2"


def body_of(body: bytes | None, content_type: bytes = FORM) -> RequestBody:
    return RequestBody(body, {b"content-type": [content_type]}, 1000)


def in_body(body: bytes | None, content_type: bytes = FORM) -> Parameters:
    return Parameters(b"", body_of(body, content_type))


def authorize(query: bytes) -> AuthorizeRequest:
    return authorize_request(Parameters(query), ISSUER, ORGS)


def token(body: bytes, content_type: bytes = FORM, *authorization: bytes) -> TokenRequest:
    fields: Fields = {b"authorization": list(authorization)} if authorization else {}
    return token_request(in_body(body, content_type), fields, ISSUER, ORGS).request


def basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


def test_an_authorize_request_is_read_from_its_query() -> None:
    """All that matters for what its tokens will be for."""
    asked = authorize(
        b"client_id=app&target=acme-inc&scope=openid+read%20write&redirect_uri=https%3A%2F%2Fapp.test%2Fcb%3Fa%3Db%23c"
        b"&state=s&response_type=code"
    )
    assert asked == AuthorizeRequest(
        client="app",
        orgs=(ACME,),
        scopes=("openid", "read", "write"),
        redirect_uri="https://app.test/cb",
        state="s",
        response_type="code",
    )


def test_what_stands_in_the_query_of_a_post_counts_as_well() -> None:
    """Zoom's clients put a token request there, and a form goes to the URL of its page."""
    both = Parameters(b"grant_type=refresh_token&scope=b&scope=a", body_of(b"scope=a&code=c"))
    assert [both.values(name) for name in ("grant_type", "scope", "code")] == [["refresh_token"], ["a", "b"], ["c"]]


def test_what_it_does_not_say_is_none() -> None:
    """An empty scope asks for nothing, and an org parameter without a value is there."""
    assert authorize(b"") == AuthorizeRequest(client=None, orgs=(), scopes=None, redirect_uri=None)
    assert authorize(b"client_id=&scope=+&redirect_uri=&target") == AuthorizeRequest(None, (b"",), None, None)
    assert authorize(b"client_id=" + b"x" * 256).client is None
    assert authorize(b"request_uri=urn:x").request_uri == "urn:x"


def test_every_org_that_it_names_counts() -> None:
    """By any of the issuer's parameters, each once, whatever bytes they are."""
    assert authorize(b"org=globex&target=acme&target=globex&organization=x").orgs == (ACME, b"globex")
    assert authorize(b"target=%ff").orgs == (b"\\xff",)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=refresh_token&refresh_token=hunter2&client_id=app&scope=read&target=acme", FORM),
        (
            b'{"grant_type":"refresh_token","refresh_token":"hunter2","client_id":"app","scope":"read","target":"acme"}',
            b"application/json",
        ),
    ],
)
def test_a_token_request_is_read_from_a_form_or_json(body: bytes, content_type: bytes) -> None:
    """The standard has a form; some SDKs send JSON."""
    assert token(body, content_type) == TokenRequest("refresh_token", "app", (ACME,), ("read",), SECRET)


def test_the_code_is_the_grant_of_all_others() -> None:
    """And what is bought by neither has none."""
    assert token(b"grant_type=authorization_code&code=hunter2&refresh_token=x").grant == SECRET
    assert token(b"grant_type=client_credentials") == TokenRequest("client_credentials", None, (), None)
    assert token(b"") == TokenRequest("", None, (), None)
    assert token(b"target=&target=acme").orgs == (ACME, b"")
    assert token(b"target=&org=acme").orgs == (ACME,)
    assert token(b"target=").orgs == ()


def test_what_cannot_be_read_says_nothing() -> None:
    """Whoever asks is told so before."""
    for body in (in_body(None), in_body(b"{", b"application/json"), in_body(b"x", b"multipart/form-data")):
        assert not body.are_readable
        assert body.values("client_id") == []
        assert body.first("client_id") == ""
    assert in_body(b"").are_readable
    assert Parameters(b"").are_readable


def test_a_parameter_that_is_there_twice_has_two_values() -> None:
    """What is found by both ways of reading a body is one."""
    assert in_body(b"a=1&a=2").values("a") == ["1", "2"]
    assert in_body(b'{"a": "1", "a": "2"}', b"application/json").values("a") == ["1", "2"]
    assert Parameters(b"a=1&a=%ff").values("a") == ["1", "\\xff"]


def test_the_org_of_an_assertion_is_named_by_its_name() -> None:
    """As Genesys Cloud reads it; other grants do not know that parameter."""
    body = b"orgName=acme&grant_type=urn:ietf:params:oauth:grant-type:"
    assert token(body + b"saml2-bearer").orgs == (ACME,)
    assert token(body + b"jwt-bearer").orgs == ()


ASSERTION = jwt_of({"iss": "app", "sub": "app"})


@pytest.mark.parametrize(
    ("body", "authorization", "client"),
    [
        (b"client_id=app", [], "app"),
        (b"", [basic("app:hunter2")], "app"),
        (b"", [b"basic  " + basic("app:hunter2")[6:]], "app"),
        (b"client_id=app&client_id=app", [basic("app:hunter2")], "app"),
        (b"", [basic("a%3Ab%20c:hunter2")], "a:b c"),
        (b"client_assertion=" + ASSERTION, [], "app"),
        (b"client_id=app&client_assertion=" + ASSERTION, [], "app"),
        # It says so in two ways that differ.
        (b"client_id=other", [basic("app:hunter2")], None),
        (b"client_id=app&client_id=other", [], None),
        (b"client_id=other&client_assertion=" + ASSERTION, [], None),
        # It says nothing that could be read.
        (b"", [], None),
        (b"client_id=", [basic(":hunter2")], None),
        (b"", [b"Basic ?"], None),
        (b"", [b"Basic /w=="], None),
        (b"", [b"Bearer x", basic("app:hunter2")], "app"),
        (b"", [b"Bearer x"], None),
        (b"client_assertion=x", [], None),
        (b"client_assertion=" + jwt_of({"sub": 7}), [], None),
        (b"client_assertion=" + jwt_of(b"{"), [], None),
        (b"client_id=" + b"x" * 256, [], None),
    ],
)
def test_the_client_is_whoever_asks(body: bytes, authorization: list[bytes], client: str | None) -> None:
    """By HTTP's own authentication, the body or an assertion."""
    assert token(body, FORM, *authorization).client == client


def test_nothing_secret_is_shown() -> None:
    """Codes, tokens, states stay out of whatever is made of a record."""
    assert SECRET not in repr(token(b"grant_type=authorization_code&code=hunter2"))
    assert SECRET not in repr(authorize(b"client_id=app&state=hunter2&request_uri=hunter2"))


def test_a_redirect_uri_is_known_by_what_stands_before_its_query() -> None:
    """What a client puts behind that comes back changed."""
    assert without_query("https://a/b?c#d") == without_query("https://a/b#d?c") == without_query("https://a/b")


def test_the_client_may_be_named_by_json_too() -> None:
    """Text as it stands; a number is none."""
    body = json.dumps({"client_id": "app", "scope": "a b"}).encode()
    assert token(body, b"application/json")[:4] == ("", "app", (), ("a", "b"))
