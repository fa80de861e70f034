"""Heads that servers take apart in different ways, and requests that are made to keep a guard busy."""

import pytest
from tests.guarding import bearer, request_of, ruleset_of, said

from orgfence.core.request import MAX_FIELDS, is_ambiguous_head, is_token
from orgfence.core.routing.host_names import normalise_host

ORG_IN_PATH = 'match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"]}, org: {path: org}'
RIGHT = bearer({"org_ids": ["acme"]})


@pytest.mark.parametrize(
    ("value", "ambiguous"),
    [
        (b"plain", False),
        (b"folded\r\n on", False),
        (b"folded\r\n\ton", False),
        (b"x\rAuthorization: Bearer other", True),
        (b"x\r\nAuthorization: Bearer other", True),
        (b"\r", True),
    ],
)
def test_a_bare_carriage_return_hides_a_field(value: bytes, ambiguous: bool) -> None:
    """Some parsers end the line at it, and find a field behind it that this head does not have."""
    assert is_ambiguous_head(((b"X-Note", value),), {}) is ambiguous


def test_a_hidden_credential_is_not_let_through() -> None:
    """The token in sight is right; the one behind the carriage return is what some servers go by."""
    ruleset = ruleset_of(ORG_IN_PATH)
    hiding = (b"X-Note", b"x\rAuthorization: Bearer other")

    assert said(ruleset, request_of(b"/orgs/acme/users", RIGHT)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/acme/users", hiding, RIGHT)) == "blocked: credential_ambiguous"


def test_hundreds_of_fields_are_not_let_through() -> None:
    """Servers take some hundred fields and leave out the rest."""
    ruleset = ruleset_of(ORG_IN_PATH)
    many = [(b"X-%d" % number, b"") for number in range(MAX_FIELDS)]

    assert said(ruleset, request_of(b"/orgs/acme/users", *many[1:], RIGHT)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/acme/users", *many, RIGHT)) == "blocked: credential_ambiguous"


@pytest.mark.parametrize(
    ("method", "token"), [(b"GET", True), (b"M-SEARCH", True), (b"GET /orgs/globex/x HTTP/1.1", False), (b"", False)]
)
def test_what_is_a_method(method: bytes, token: bool) -> None:
    """RFC 9110 section 5.6.2: no space in it, and at least one character."""
    assert is_token(method) is token


def test_a_method_that_holds_a_path_is_judged_by_every_rule_of_the_host() -> None:
    """HTTP/2 lets it pass, and the request line that it becomes in HTTP/1 is about that path."""
    ruleset = ruleset_of(
        'match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"], methods: [GET]}, org: {path: org}'
    )
    request = request_of(b"/free", RIGHT, method=b"GET /orgs/globex/x HTTP/1.1")

    assert said(ruleset, request) == "blocked: path_ambiguous"
    assert said(ruleset, request_of(b"/free", RIGHT)) == "unmatched"


def test_the_first_and_the_last_of_many_hosts_count() -> None:
    """A server that takes a request with many Host fields goes by one of these."""
    ruleset = ruleset_of(ORG_IN_PATH)
    others = [(b"Host", b"h%d.example.org" % number) for number in range(100)]
    guarded = (b"Host", b"api.example.com")

    for hosts in ([guarded, *others], [*others, guarded]):
        request = request_of(b"/orgs/globex/users", *hosts, RIGHT, hosts=(b"elsewhere.example.org",))
        assert said(ruleset, request) == "blocked: org_not_granted"


def test_many_overriding_paths_are_more_readings_than_are_tried() -> None:
    """Nobody sends more than one, and each of them would be read in every way."""
    ruleset = ruleset_of(ORG_IN_PATH)
    overrides = [(b"X-Original-URL", b"/orgs/acme/%d" % number) for number in range(5)]

    assert said(ruleset, request_of(b"/orgs/acme/users", *overrides[:4], RIGHT)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/acme/users", *overrides, RIGHT)) == "blocked: path_ambiguous"


def test_a_huge_target_is_not_read_in_many_ways() -> None:
    """Each reading of the path would go through the whole query once more."""
    ruleset = ruleset_of(ORG_IN_PATH)
    query = b"?" + b"a=1&" * 10_000

    assert said(ruleset, request_of(b"/orgs/acme/users" + query, RIGHT)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/acme/x%2Fy" + query, RIGHT)) == "blocked: path_ambiguous"


def test_a_zone_does_not_change_an_address() -> None:
    """RFC 6874: `%eth0` and `%25eth0` say by which interface."""
    assert normalise_host(b"[::1%1]") == normalise_host(b"[::1%25lo]") == normalise_host(b"::1") == b"::1"


def test_pass_without_claim_is_for_tokens_that_name_no_org() -> None:
    """A token that names orgs in its other claim is judged, also where that one does not cover."""
    ruleset = ruleset_of(
        'match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"]}, org: {path: org}, '
        "token: {coverage: active}, pass_without: [claim]"
    )

    assert said(ruleset, request_of(b"/orgs/acme/x", bearer({}))) == "forwarded: not_judged"
    assert said(ruleset, request_of(b"/orgs/acme/x", bearer({"org_ids": ["zeta"]}))) == "blocked: org_claim_missing"


@pytest.mark.parametrize(
    ("target", "unmatched", "outcome"),
    [
        (b"/elsewhere", "observe", "unmatched"),
        (b"/elsewhere", "block", "blocked: no_rule"),
        (b"/orgs/acme/x", "block", "blocked: credential_ambiguous"),
    ],
)
def test_an_ambiguous_head_may_match_no_rule(target: bytes, unmatched: str, outcome: str) -> None:
    """Then the policy's `unmatched` says what becomes of it."""
    many = [(b"X-%d" % number, b"x") for number in range(MAX_FIELDS)]
    request = request_of(target, RIGHT, *many)
    assert said(ruleset_of(ORG_IN_PATH, top=f"unmatched: {unmatched}\n"), request) == outcome
