"""What browsers, analytics, SDKs and frameworks send is judged by what has exactly the rule's name: no false alarm."""

import pytest
from tests.guarding import CORP, bearer, request_of, ruleset_of, said
from tests.servers.normal_requests import COOKIES, FORMS, QUERIES, WITH_SESSION, WITH_TOKEN
from tests.tokens import jwt_of

from orgfence.core.request import Request

ACME = bearer({"org_ids": ["acme"]})
GRANTED = "forwarded: org_granted"
REFUSED = "blocked: org_not_granted"
IN_COOKIE, IN_QUERY = ruleset_of("org: {cookie: org_id}"), ruleset_of("org: {query: org_id}")
IN_FORM = ruleset_of("org: {form: org_id}")
TOKEN_IN_QUERY = ruleset_of("token: {from: [{query: access_token}]}")
TOKEN_IN_COOKIE = ruleset_of("token: {from: [{cookie: sid}]}")


def filled(text: str, org: str) -> bytes:
    return text.replace("{org}", org).encode()


def posted(body: bytes) -> Request:
    content_type = (b"Content-Type", b"application/x-www-form-urlencoded")
    return request_of(b"/", ACME, content_type, method=b"POST", body=body)


@pytest.mark.parametrize("field", COOKIES)
def test_cookies(field: str) -> None:
    """The org's cookie is judged, whatever stands beside it."""
    for org, expected in (("acme", GRANTED), ("globex", REFUSED)):
        assert said(IN_COOKIE, request_of(b"/", ACME, (b"Cookie", filled(field, org)))) == expected


@pytest.mark.parametrize("query", QUERIES)
def test_queries(query: str) -> None:
    """The org's parameter is judged, whatever stands beside it."""
    for org, expected in (("acme", GRANTED), ("globex", REFUSED)):
        assert said(IN_QUERY, request_of(b"/?" + filled(query, org), ACME)) == expected


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    """The org's field is judged, whatever stands beside it."""
    for org, expected in (("acme", GRANTED), ("globex", REFUSED)):
        assert said(IN_FORM, posted(filled(form, org))) == expected


@pytest.mark.parametrize("text", [*WITH_TOKEN, *WITH_SESSION])
def test_credentials(text: str) -> None:
    """There is one, whatever stands beside it."""
    sent = text.encode().replace(b"{token}", jwt_of({"iss": CORP, "org_ids": ["acme"]}))
    if text in WITH_TOKEN:
        assert said(TOKEN_IN_QUERY, request_of(b"/?" + sent)) == "forwarded: token_accepted"
    else:
        assert said(TOKEN_IN_COOKIE, request_of(b"/", (b"Cookie", sent))) == "forwarded: token_accepted"


def test_there_are_two_hundred() -> None:
    """A form may hold what a query holds."""
    assert len([*COOKIES, *QUERIES, *FORMS, *WITH_TOKEN, *WITH_SESSION]) >= 200
