"""Pages of other origins: they may read why a request of theirs was stopped, and never whose token the browser sent."""

from base64 import b64encode
from collections.abc import Iterator

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    ISS,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    problem,
    token,
)
from tests.proxy.harness import Upstream

POLICY = f"""
version: 1
orgs: {{acme: {{id: acme}}, globex: {{id: globex}}}}
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids, scopes: scope}}}}
rules:
  - id: block
    match: {{hosts: [localhost], paths: ["/*/block/{{org}}/**"]}}
    org: {{path: org}}
    token: {{from: [{{header: Authorization, scheme: Bearer}}, {{cookie: sid}}]}}
    enforcement: block
  - id: scopes
    match: {{hosts: [localhost], paths: ["/*/scopes/{{org}}/**"]}}
    org: {{path: org}}
    token: {{from: [{{cookie: sid}}], scopes: [billing]}}
    enforcement: block
  - id: basic
    match: {{hosts: [localhost], paths: ["/*/basic/{{org}}/**"]}}
    org: {{path: org}}
    token: {{from: [{{header: Authorization, scheme: Basic}}]}}
    enforcement: block
  - id: remembered
    match: {{hosts: [localhost], paths: ["/*/remembered/**"]}}
    org: {{cookie: org}}
    enforcement: block
  - id: annotate
    match: {{hosts: [localhost], paths: ["/*/annotate/{{org}}/**"]}}
    org: {{path: org}}
    token: {{from: [{{cookie: sid}}]}}
    enforcement: annotate
"""
EVIL = (b"origin", b"https://evil.example")
COOKIE = (b"cookie", b"sid=" + token("acme", scope="secret-scope").encode())
BASIC = (b"authorization", b"Basic " + token("acme").encode())
HTML, GRPC = (b"accept", b"text/html"), (b"content-type", b"application/grpc")


@pytest.fixture(scope="module")
def guarding(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """A proxy whose rules read the token, or the org, from a cookie."""
    with GuardingProxy(shared_upstream, POLICY) as proxy:
        yield proxy


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize(
    ("path", "credential"),
    [
        (b"/api/block/globex/x", [COOKIE]),
        (b"/api/basic/globex/x", [BASIC]),
        (b"/api/remembered/x", [authorized("globex"), (b"cookie", b"org=acme")]),
        (b"/api/scopes/acme/x", [COOKIE]),
    ],
)
def test_a_page_of_another_origin_is_not_told_the_orgs(
    guarding: GuardingProxy, upstream: Upstream, way: Way, path: bytes, credential: list[tuple[bytes, bytes]]
) -> None:
    """In no form of the answer; the page can read why it was stopped."""
    for origin in (b"https://evil.example", b"null", b"http://localhost.evil.example", b"https://sub.localhost"):
        answer = guarding.call(way, path, *credential, (b"origin", origin))
        document = problem(answer)
        assert document["reason"] in ("org_not_granted", "scope_missing")
        assert not {"requested_orgs", "granted_orgs"} & document.keys()
        assert answer.values(b"access-control-allow-origin") == [origin]
        for form in ((), (HTML,), (GRPC,)):
            shown = guarding.call(way, path, *credential, (b"origin", origin), *form)
            text = (shown.body + str(shown.headers).encode()).replace(path, b"")
            assert b"acme" not in text
            assert b"globex" not in text
            assert b"billing" not in shown.body
    assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_whoever_knows_the_token_is_told_the_orgs(guarding: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A page of the server itself, a program, and a page that has sent a bearer token of its own."""
    path, own = b"/api/block/globex/x", guarding.url(way).encode()
    for fields in (
        (COOKIE,),
        (COOKIE, (b"origin", own)),
        (COOKIE, (b"origin", b"https://behind.example"), (b"sec-fetch-site", b"same-origin")),
        (authorized("acme"), EVIL),
    ):
        document = problem(guarding.call(way, path, *fields))
        assert (document["requested_orgs"], document["granted_orgs"]) == (["globex"], ["acme"])
    for fields in (
        (COOKIE, EVIL, (b"sec-fetch-site", b"same-site")),
        (COOKIE, EVIL, (b"origin", own)),
        (authorized("acme"), (b"cookie", b"sid="), EVIL),
    ):
        assert "granted_orgs" not in problem(guarding.call(way, path, *fields))
    assert not upstream.requests


def test_an_annotated_answer_names_no_orgs_either(guarding: GuardingProxy, upstream: Upstream) -> None:
    """The API may let pages of other origins read the header; the log names the orgs all the same."""
    answer = guarding.call(FORWARD_H1, b"/api/annotate/globex/x", COOKIE, EVIL)
    (request,) = upstream.requests
    for (annotation,) in (answer.values(b"orgfence"), request.values(b"orgfence")):
        assert annotation.startswith(b"mismatch; reason=org_not_granted")
        assert b"globex" not in annotation
    logged = guarding.wait_for_event("inspection", lambda event: event["rule"] == "annotate")
    assert (logged["requested_orgs"], logged["granted_orgs"]) == (["globex"], ["acme"])
    assert b'granted="acme"' in guarding.call(FORWARD_H1, b"/api/annotate/globex/x", COOKIE).values(b"orgfence")[0]


def test_other_schemes_that_browsers_keep_count_as_well(guarding: GuardingProxy) -> None:
    """A token that a browser sends by `Basic` beside what the rule reads is not looked into; nothing is named."""
    basic = (b"authorization", b"Basic " + b64encode(b"user:password"))
    answer = guarding.call(FORWARD_H1, b"/api/block/globex/x", basic, (b"cookie", COOKIE[1]), EVIL)
    assert b"acme" not in answer.body
