"""Answers of a token endpoint that clients read in different ways, or that nobody reads for certain."""

import gzip
import json

import pytest
from tests.exchanges import ACME, GLOBEX, SignIns, details, exchange_of, token, told
from tests.guarding import NOW

from orgfence.core.decision import Decision
from orgfence.core.oauth.exchange import Step
from orgfence.core.reason import Reason, Verdict

JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")
RIGHT, WRONG = token(org_ids=[ACME]), token(org_ids=[GLOBEX])
API = "{id: orgs, match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}}"


def answered(body: bytes, *fields: tuple[bytes, bytes], scope: str = "", status: int = 200) -> Decision | None:
    """Answer a client of its own that wants acme."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", org_id="acme", scope=scope)
    return sign_ins.answer(asked, body, status, *(fields or (JSON,)))


@pytest.mark.parametrize(
    "body",
    [
        '{"access_token": "%s", "access_token": "%s"}' % (WRONG, RIGHT),
        '{"access_token": "%s", "access_token": "%s"}' % (RIGHT, WRONG),
        '{"access_token": "%s", "Access_Token": "%s"}' % (RIGHT, WRONG),
        '{"access_token": "%s", "accessToken": "%s"}' % (RIGHT, WRONG),
        '{"Access_Token": "%s"}' % WRONG,
        '{"ACCESS_TOKEN": "%s"}' % WRONG,
        '{"access\\u005ftoken": "%s"}' % WRONG,
        '{"access_token": "%s", "authed_user": {"access_token": "%s"}}' % (RIGHT, WRONG),
        '{"data": {"access_token": "%s"}}' % WRONG,
        '[{"access_token": "%s"}]' % WRONG,
        '{"access_token": 7, "data": [{"access_token": "%s"}]}' % WRONG,
        '{"error": "no", "access_token": "%s"}' % WRONG,
    ],
)
def test_every_token_of_an_answer_counts(body: str) -> None:
    """Twice under one name, by a name that only some clients read, or deeper: each has to be for the org."""
    assert told(answered(body.encode())) == ["issued_org_missing"]
    assert told(answered(body.replace(WRONG, RIGHT).encode())) == []
    assert told(answered(json.dumps(json.loads(body)).replace(WRONG, RIGHT).encode("utf-16"))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"access_token=%s&access_token=%s" % (RIGHT.encode(), WRONG.encode()),
        b"access%%5Ftoken=%s" % WRONG.encode(),
        b"Access_Token=%s" % WRONG.encode(),
    ],
)
def test_every_token_of_a_form_counts(body: bytes) -> None:
    """As GitHub answers."""
    assert told(answered(body, FORM)) == ["issued_org_missing"]
    assert told(answered(body, FORM, (b"content-encoding", b"identity"))) == ["issued_org_missing"]


def test_every_scope_and_lifetime_of_an_answer_counts() -> None:
    """A client may read either."""
    long = token(org_ids=[ACME], exp=NOW + 3600)
    for scopes in ('"scope": "read", "scope": "write read"', '"scope": "write read", "Scope": ["read"]'):
        body = f'{{"access_token": "{long}", {scopes}}}'
        assert told(answered(body.encode(), scope="read write")) == ["issued_scope_reduced"]
    body = f'{{"access_token": "{long}", "expires_in": 3600, "expires_in": 86400}}'
    assert told(answered(body.encode())) == ["issued_lifetime_wrong"]


def test_what_is_beside_the_token_says_nothing_of_its_scopes() -> None:
    """An app's token and its user's have scopes of their own (Slack)."""
    of_user = {"access_token": token(org_ids=[ACME], scope="x"), "scope": "write"}
    body = {"access_token": "a", "scope": "read", "authed_user": of_user}
    assert told(answered(json.dumps(body).encode(), scope="read")) == []


@pytest.mark.parametrize(
    "members",
    [
        '"access_token": "one", "access_token": "two"',
        '"access_token": "one", "refresh_token": "r", "refresh_token": "s"',
        '"access_token": "one", "refresh_token": "r", "Refresh_Token": "s"',
    ],
)
def test_nothing_is_learnt_of_an_answer_that_says_two_things(members: str) -> None:
    """Nobody knows which of the tokens the client has."""
    sign_ins = SignIns(rules=API)
    asked = sign_ins.ask(grant_type="client_credentials", org_id="acme")
    sign_ins.answer(asked, f"{{{members}}}".encode())
    assert sign_ins.call("one", b"/orgs/acme/x").reason is Reason.TOKEN_OPAQUE
    sign_ins.answer(asked, b'{"access_token": "one", "access_token": "one"}')
    assert sign_ins.call("one", b"/orgs/acme/x").reason is Reason.ORG_GRANTED


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"access_token": "x", "expires_in": ' + b"9" * 6000 + b"}", ()),
        (b'{"access_token": "x", "expires_in": NaN}', ()),
        (b'{"access_token": "x"', ()),
        (b'{"access_token": "x"}}', ()),
        (b')]}\'\n{"access_token": "x"}', ()),
        (b'callback({"access_token": "x"})', ()),
        (b"<html>access_token=x</html>", ((b"content-type", b"text/html"),)),
        (b"<html>access_token=x</html>", ()),
        (b"access_token=x&scope=y", ((b"content-type", b"text/plain"),)),
        (b"", ()),
        (b"{}", ()),
        (b"[]", ()),
        (b"null", ()),
        (b'"x"', ()),
        (b'{"access_token": ""}', ()),
        (b'{"access_token": {"value": "x"}}', ()),
        (b'{"access_token": "x"}', (JSON, (b"content-encoding", b"zstd"))),
        (b'{"access_token": "x"}', (JSON, (b"content-encoding", b"aes128gcm"))),
        (b'{"access_token": "x"}', (JSON, (b"content-encoding", b"gzip"))),
        (gzip.compress(b'{"access_token": "x"}', mtime=0)[:-4], (JSON, (b"content-encoding", b"gzip"))),
        ('{"access_token": "x"}'.encode("utf-16"), ((b"content-type", b"application/json; charset=utf-8"),)),
        (b'{"access_token": "x"}', ((b"content-type", b"application/json; charset=utf-16"),)),
        (b'{"access_token": "x"}', ((b"content-type", b"application/json; charset=utf-7"),)),
        (b"\xff", ()),
        (b"[" * 200 + b'{"access_token": "x"}' + b"]" * 200, ()),
        (b'{"access_token": "x", "a": [' + b"1," * 10_000 + b"1]}", ()),
        (b"{" + b",".join(b'"access_token": "%d"' % n for n in range(17)) + b"}", ()),
        (b'{"access_token": "x", "a": [' + b",".join(b'{"access_token": "%d"}' % n for n in range(17)) + b"]}", ()),
        (b"access_token=x&" + b"a=b&" * 101, (FORM,)),
        (b"access_token=\xe9", ((b"content-type", b"application/x-www-form-urlencoded; charset=iso-8859-1"),)),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_that_is_not_understood_is_a_decision(
    body: bytes, fields: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    """It may hold a token that the client finds, so that it is undetermined and counted."""
    decision = answered(body, *fields, status=status)
    assert decision is not None
    assert (decision.verdict, decision.reason) == (Verdict.UNDETERMINED, Reason.BODY_UNREAD)
    assert told(decision) == ["body_unread"]
    assert exchange_of(decision).step is Step.TOKEN_RESPONSE
    assert "larger than `body_limit`, coded" in details(decision)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"error": "invalid_grant"}', ()),
        (b'{"Error": "invalid_grant"}', ()),
        (b"error=bad_verification_code&error_description=x", (FORM,)),
    ],
)
def test_a_refusal_is_no_fault(body: bytes, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """Some issuers refuse with 200 (GitHub)."""
    for status in (200, 400, 401, 503):
        assert answered(body, *fields, status=status) is None


def test_an_answer_is_read_without_its_content_coding() -> None:
    """Whatever its coded bytes look like."""
    padding = "".join(f"{n:x}" for n in range(40_000))
    body = gzip.compress(json.dumps({"access_token": RIGHT, "id_token": padding}).encode())
    assert body.count(b"&") > 100
    assert told(answered(body, JSON, (b"content-encoding", b"gzip"))) == []
    body = gzip.compress(b"access_token=%s&id_token=%s" % (WRONG.encode(), padding.encode()))
    assert body.count(b"&") > 100
    assert told(answered(body, FORM, (b"content-encoding", b"gzip"))) == ["issued_org_missing"]


def test_two_members_of_gzip_are_two_answers() -> None:
    """Some clients stop at the first."""
    two = gzip.compress(json.dumps({"access_token": WRONG}).encode()) + gzip.compress(b" ")
    assert told(answered(two, JSON, (b"content-encoding", b"gzip"))) == ["issued_org_missing"]
    cut = gzip.compress(b'{"access_token": ') + gzip.compress(f'"{RIGHT}"}}'.encode())
    assert told(answered(cut, JSON, (b"content-encoding", b"gzip"))) == ["body_unread"]
