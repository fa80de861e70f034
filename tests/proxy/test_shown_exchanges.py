"""What is said of OAuth exchanges: no code, token, secret or password comes back, wherever a client has put it."""

from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.oauth.stage import Servers, authorize_query, running_servers
from tests.proxy.guarding import FORWARD_H1, FORWARD_H2, GuardingProxy
from tests.proxy.harness import Answer, signed_token

POLICY = """
version: 1
log_repeat: 0s
enforcement: {enforcement}
orgs: {{acme: {{id: acme}}, globex: {{id: globex}}}}
issuers:
  corp:
    iss: https://issuer.test
    claims: {{member: org_ids, scopes: scope}}
    oauth:
      hosts: [localhost, 127.0.0.1]
      org_parameter: org_id
      flags: {{multi_org: "true"}}
      refresh_needs_scope: true
      scopes: [users:read, users:write]
"""
FORM = (b"content-type", b"application/x-www-form-urlencoded")
HTML, ANY = (b"accept", b"text/html"), (b"accept", b"*/*")

JWT = signed_token(iss="https://issuer.test", jti="hidden")
#: Nothing but their places says that they are secret.
SECRET, CODE, REFRESH, PASSWORD = "s3cret-value-one", "s3cret-value-two", "s3cret-value-three", "s3cret-value-four"
KNOWN = (SECRET, CODE, REFRESH, PASSWORD, *JWT.split(".")[1:])
HOSTILE = "\x1b[2J\u202e\u2066\u200b\u2028\x85"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The issuer."""
    with running_servers() as running:
        yield running


@pytest.fixture(scope="module")
def blocking(servers: Servers) -> Iterator[GuardingProxy]:
    """A proxy that blocks."""
    with GuardingProxy(servers.issuer, POLICY.format(enforcement="block")) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def marking(servers: Servers) -> Iterator[GuardingProxy]:
    """A proxy that annotates."""
    with GuardingProxy(servers.issuer, POLICY.format(enforcement="annotate")) as proxy:
        yield proxy


def shown_by(answer: Answer, *, body: bool) -> str:
    """Return what a client gets; the body only where it is the proxy's own."""
    own = [field for field in answer.headers if field[0].lower() in (b"orgfence", b"proxy-status")]
    return str(own) + (answer.body.decode("utf-8", "backslashreplace") if body else "")


def assert_clean(shown: str) -> None:
    for secret in KNOWN:
        assert not [line[:400] for line in shown.splitlines() if secret.lower() in line.lower()]
    assert not [character for character in shown if not (character.isprintable() or character == "\n")]


@pytest.mark.parametrize("value", [SECRET, JWT, f"x{HOSTILE}", f"a {SECRET} b"])
def test_nothing_of_a_sign_in_comes_back(blocking: GuardingProxy, marking: GuardingProxy, value: str) -> None:
    """On the page, in the corrected URL, in header and log; what is random in a sign-in stays in its URL."""
    for parameters in (
        {"org_id": value, "scope": f"users:read {value}"},
        {"target": value, "id_token_hint": JWT, "client_secret": SECRET},
        {"target": "globex", "login_hint": value, "id_token_hint": JWT, "state": "q7w8e9r0t1y2u3i4o5p6a7s8d9"},
    ):
        query = authorize_query("app", **parameters)
        target = f"/oauth/authorize?{query}&access_token={SECRET}".encode()
        for form in (HTML, ANY):
            answer = blocking.call(FORWARD_H2, target, form)
            assert answer.status == 400
            assert_clean(shown_by(answer, body=True))
            assert ("q7w8e9r0t1y2u3i4o5p6a7s8d9" in answer.body.decode()) == ("login_hint" in parameters)
        assert_clean(shown_by(marking.call(FORWARD_H1, target, ANY), body=False))
    assert_clean(blocking.output + marking.output)


@pytest.mark.parametrize("value", [REFRESH, SECRET, PASSWORD, JWT, f"x{HOSTILE}"])
def test_nothing_of_a_token_request_comes_back(blocking: GuardingProxy, marking: GuardingProxy, value: str) -> None:
    """Where it asks for an org or for scopes that are its own secrets, in a form or behind `Basic`."""
    basic = (b"authorization", b"Basic " + b64encode(f"app:{PASSWORD}".encode()))
    for form in (
        {"grant_type": "refresh_token", "org_id": value},
        {"grant_type": "authorization_code", "org_id": value, "scope": f"users:raed {value}"},
        {"grant_type": "client_credentials", "scope": value, "org_id": value},
    ):
        secrets = {"client_secret": SECRET, "password": PASSWORD, "code": CODE, "refresh_token": REFRESH}
        body = urlencode({"client_id": "app", **secrets, **form}).encode()
        for fields in ((FORM,), (FORM, basic)):
            answer = blocking.call(FORWARD_H1, b"/oauth/token", *fields, method=b"POST", body=body)
            own = bool(answer.values(b"proxy-status"))
            assert own == (answer.status == 400 and b"instance" in answer.body)
            assert_clean(shown_by(answer, body=own))
            answered = marking.call(FORWARD_H2, b"/oauth/token", *fields, method=b"POST", body=body)
            assert_clean(shown_by(answered, body=False))
    assert_clean(blocking.output + marking.output)
