"""Orgs of another party: set aside where the issuer says so, and nowhere else."""

from collections.abc import Mapping

import pytest
from tests.guarding import NOW, load, request_of, said
from tests.tokens import jwt_of

from orgfence.core.ruleset import Ruleset

TOP = """
version: 1
enforcement: block
issuers:
  corp:
    iss: https://corp.test
    claims: {{member: org_ids, scopes: scope}}
    {hosts}
    other_party:
      - "/orgs/*/partners/{{partner}}/**"
      - "/links/{{org}}"
      - {{path: /links, query: [partner, customer]}}
      - {{path: "/both/{{org}}", query: partner}}
  other: {{iss: https://other.test, claims: {{member: org_ids}}}}
rules:
"""
PATHS = (
    'match: {hosts: [api.test, "*.wide.test"], paths: ["/orgs/{org}/partners/{partner}/**", "/orgs/{org}/**", '
    '"/links/{partner}", "/both/{partner}", /links, "/{any}/x"]}'
)


def ruleset_of(*rules: str, hosts: str = "") -> Ruleset:
    items = "\n".join(f"  - {{id: r{number}, {rule}}}" for number, rule in enumerate(rules))
    return load(TOP.format(hosts=hosts) + items)


def judged(
    ruleset: Ruleset,
    target: bytes,
    *headers: tuple[bytes, bytes],
    iss: str = "https://corp.test",
    host: bytes = b"api.test",
    claims: Mapping[str, object] = {},
) -> str:
    """Say what becomes of a request whose token is for `acme`."""
    token = jwt_of({"iss": iss, "org_ids": ["acme"], **claims})
    return said(ruleset, request_of(target, (b"Authorization", b"Bearer " + token), *headers, hosts=(host,)))


@pytest.mark.parametrize(
    ("org", "target", "expected"),
    [
        ("{path: partner}", b"/links/globex", "forwarded: not_judged"),
        ("{path: partner}", b"/links/globex/", "forwarded: not_judged"),
        ("{path: partner}", b"/orgs/acme/partners/globex", "forwarded: not_judged"),
        ("{path: partner}", b"/orgs/acme/partners/globex/rates/1", "forwarded: not_judged"),
        # What stands in another segment is compared as ever,
        ("{path: org}", b"/orgs/globex/partners/acme", "blocked: org_not_granted"),
        ("[{path: org}, {path: partner}]", b"/orgs/acme/partners/globex", "forwarded: org_granted"),
        ("[{path: org}, {path: partner}]", b"/orgs/globex/partners/globex", "blocked: org_not_granted"),
        # and so is what stands elsewhere.
        ("{path: org}", b"/orgs/globex", "blocked: org_not_granted"),
        ("[{path: partner}, {header: X-Org}]", b"/links/globex", "forwarded: not_judged"),
        ("[{path: partner}, {query: partner}]", b"/links/globex?partner=globex", "blocked: org_not_granted"),
        ("[{path: partner}, {value: globex}]", b"/links/globex", "blocked: org_not_granted"),
        ("[{path: partner}, {value: acme}]", b"/links/globex", "forwarded: org_granted"),
        # A parameter is meant whether it is there or not, and no other parameter is.
        ("{query: partner}", b"/links?partner=globex&partner=initech", "forwarded: not_judged"),
        ("{query: customer}", b"/links", "forwarded: not_judged"),
        ("{query: org}", b"/links?org=globex&partner=acme", "blocked: org_not_granted"),
        ("{query: org}", b"/links", "blocked: org_absent"),
        ("{query: partner}", b"/orgs/acme?partner=globex", "blocked: org_not_granted"),
        ("[{query: partner}, {path: partner}]", b"/both/globex?partner=globex", "forwarded: not_judged"),
        # A path that lacks the capture names nobody.
        ("{path: partner}", b"/links", "blocked: org_absent"),
        # Two paths match, and one of them captures another segment.
        ("[{path: any}, {path: partner}]", b"/links/x", "blocked: org_not_granted"),
        ("{path: any}", b"/links/x", "blocked: org_not_granted"),
    ],
)
def test_another_partys_org_is_set_aside(org: str, target: bytes, expected: str) -> None:
    """That one alone."""
    assert judged(ruleset_of(f"{PATHS}, org: {org}"), target) == expected


def test_a_capture_that_two_paths_have_in_two_segments_is_compared() -> None:
    """One of them may be the token's."""
    match = 'match: {hosts: [api.test], paths: ["/links/{org}", "/{org}/*"]}'
    assert judged(ruleset_of(f"{match}, org: {{path: org}}"), b"/links/globex") == "blocked: org_not_granted"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/links/globex", "forwarded: not_judged"),
        # Only some server takes it for a partner's.
        (b"/orgs/globex/..%2f..%2flinks/globex", "blocked: org_not_granted"),
        (b"/orgs/acme/..%2f..%2flinks%2fglobex", "forwarded: not_judged"),
        # Only some server takes it for the org's.
        (b"/links/..%2forgs%2fglobex", "blocked: path_ambiguous"),
        (b"/links/../orgs/globex", "blocked: path_ambiguous"),
        (b"/links/globex%2fusers;", "blocked: path_ambiguous"),
        (b"/orgs/acme/partners/../../globex", "blocked: path_ambiguous"),
        (b"//links/globex", "forwarded: not_judged"),
    ],
)
def test_each_reading_of_a_path_is_about_its_own_parties(target: bytes, expected: str) -> None:
    """What one server takes for a partner's path another takes for the org's."""
    match = 'match: {hosts: [api.test], paths: ["/orgs/{org}/**", "/links/{org}", "/links/*/{org}"]}'
    assert judged(ruleset_of(f"{match}, org: {{path: org}}"), target) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"scope": "read"}, "forwarded: not_judged"),
        ({}, "blocked: scope_missing"),
        ({"scope": "read", "exp": NOW - 3600}, "blocked: token_expired"),
        ({"scope": "read", "nbf": NOW + 3600}, "blocked: token_not_yet_valid"),
        ({"scope": "read", "iss": "https://nobody.test"}, "blocked: issuer_untrusted"),
        ({"scope": "read", "org_ids": []}, "forwarded: not_judged"),
    ],
)
def test_the_other_checks_hold(claims: dict[str, object], expected: str) -> None:
    """Scopes, time and whose token it is; which orgs it has makes no difference where none is compared."""
    rule = f"{PATHS}, org: {{path: partner}}, token: {{scopes: [read], unauthenticated: block}}"
    assert judged(ruleset_of(rule), b"/links/globex", claims=claims) == expected


def test_the_tokens_of_other_issuers_are_compared() -> None:
    """Another party to one is nobody to another."""
    ruleset = ruleset_of(f"{PATHS}, org: {{path: partner}}")
    assert judged(ruleset, b"/links/globex", iss="https://other.test") == "blocked: org_not_granted"
    assert judged(ruleset, b"/links/acme", iss="https://other.test") == "forwarded: org_granted"


def test_the_rules_beside_it_are_not_touched() -> None:
    """Each is asked by its own sources."""
    ruleset = ruleset_of(f"{PATHS}, org: {{path: partner}}", "match: {hosts: [api.test]}, org: {header: X-Org}")
    assert judged(ruleset, b"/links/globex", (b"X-Org", b"acme")) == "forwarded: org_granted"
    assert judged(ruleset, b"/links/globex", (b"X-Org", b"globex")) == "blocked: org_not_granted"


@pytest.mark.parametrize(
    ("hosts", "token", "host", "expected"),
    [
        ("", "", b"api.test", "forwarded: not_judged"),
        ("hosts: [api.test]", "", b"api.test", "forwarded: not_judged"),
        ("hosts: ['{any}.test']", "", b"api.test", "forwarded: not_judged"),
        # Its tokens may be sent to another API, whose paths look alike,
        ("hosts: [api.corp.test]", "", b"api.test", "blocked: org_not_granted"),
        # unless the rule says that they are for it.
        ("hosts: [api.corp.test]", "token: {issuer: corp}", b"api.test", "forwarded: not_judged"),
        # A rule for more hosts than the issuer has is for other APIs too.
        ("hosts: [a.wide.test]", "", b"a.wide.test", "blocked: org_not_granted"),
        ("hosts: ['*.wide.test']", "", b"a.wide.test", "forwarded: not_judged"),
        ("hosts: ['api.test:443']", "", b"api.test", "blocked: org_not_granted"),
    ],
)
def test_another_party_is_one_at_the_issuers_own_api(hosts: str, token: str, host: bytes, expected: str) -> None:
    """Where it says which hosts those are."""
    rule = ", ".join(part for part in (PATHS, "org: {path: partner}", token) if part)
    assert judged(ruleset_of(rule, hosts=hosts), b"/links/globex", host=host) == expected
