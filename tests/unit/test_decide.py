"""What one rule says of one request: every check, and their order."""

import pytest
from tests.guarding import ASKS_FOR_POST, CORP, NOW, ORIGIN, bearer, inspected, load, request_of, ruleset_of, said
from tests.tokens import jwt_of

from orgfence.core.reason import Reason

UUID = "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"
IN_PATH = "match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}"
IN_HEADER = "org: {header: X-Org-Id}"
ACME: dict[str, object] = {"org_ids": ["acme"]}


@pytest.mark.parametrize(
    ("rule", "headers", "reason"),
    [
        ("org: {value: acme}", [], "token_missing"),
        ("org: {value: acme}", [(b"Authorization", b"Basic dTpw")], "token_missing"),
        ("org: {value: acme}", [bearer(ACME), bearer(ACME)], "credential_ambiguous"),
        ("org: {value: acme}", [bearer(ACME), (b"Connection", b"Authorization")], "credential_ambiguous"),
        ("org: {value: acme}", [(b"Authorization", b"Bearer " + b"x" * 20_000)], "credential_too_large"),
        ("org: {value: acme}", [(b"Authorization", b"Bearer opaque")], "token_opaque"),
        ("org: {value: acme}", [(b"Authorization", b"Bearer " + jwt_of(b"[]"))], "token_malformed"),
        ("org: {value: acme}", [bearer(ACME | {"iss": "https://nobody"})], "issuer_untrusted"),
        (IN_HEADER, [bearer(ACME)], "org_absent"),
        (IN_HEADER, [bearer(ACME), (b"X-Org-Id", b"acme"), (b"Connection", b"x-org-id")], "org_ambiguous"),
        ("org: {value: acme}", [bearer({})], "org_claim_missing"),
        ("org: {value: acme}", [bearer({"org_ids": True})], "org_claim_malformed"),
        ("org: {value: acme}", [bearer({"org_ids": []})], "org_claim_empty"),
        ("org: {value: globex}", [bearer(ACME)], "org_not_granted"),
        ("org: {value: acme}, token: {scopes: [read]}", [bearer(ACME)], "scope_missing"),
        ("org: {value: acme}", [bearer(ACME | {"nbf": NOW + 31})], "token_not_yet_valid"),
        ("org: {value: acme}", [bearer(ACME | {"iat": NOW + 31})], "token_not_yet_valid"),
        ("org: {value: acme}", [bearer(ACME | {"exp": NOW - 30})], "token_expired"),
        ("org: {value: acme}", [bearer(ACME)], "org_granted"),
        ("token: {scopes: [read]}", [bearer({"scope": "write read"})], "token_accepted"),
        ("token: {scopes: [read]}", [bearer({"scope": "readwrite"})], "scope_missing"),
    ],
)
def test_each_fault_has_its_reason(rule: str, headers: list[tuple[bytes, bytes]], reason: str) -> None:
    """And what has none is allowed."""
    assert said(ruleset_of(rule), request_of(b"/", *headers)).endswith(f": {reason}")


def test_the_first_check_that_fails_is_the_reason() -> None:
    """Credential, reading, requested org, granted org, scope, expiry: a request with all faults, mended one by one."""
    ruleset = ruleset_of(f"{IN_HEADER}, token: {{scopes: [read]}}")
    named = (b"X-Org-Id", b"globex")
    bad: dict[str, object] = {"org_ids": [], "exp": NOW - 60, "iss": "https://nobody"}
    steps: dict[str, list[tuple[bytes, bytes]]] = {
        "token_missing": [],
        "issuer_untrusted": [bearer(bad)],
        "org_absent": [bearer(bad := bad | {"iss": CORP})],
        "org_claim_empty": [bearer(bad), named],
        "org_not_granted": [bearer(bad := bad | ACME), named],
        "scope_missing": [bearer(bad := bad | {"org_ids": "globex"}), named],
        "token_expired": [bearer(bad := bad | {"scope": "read"}), named],
        "org_granted": [bearer(bad | {"exp": NOW}), named],
    }
    for reason, headers in steps.items():
        assert said(ruleset, request_of(b"/", *headers)).endswith(f": {reason}")


@pytest.mark.parametrize(
    ("claims", "seconds", "reason"),
    [
        ({"exp": NOW}, 29.9, "org_granted"),
        ({"exp": NOW}, 30, "token_expired"),
        ({"nbf": NOW}, -30, "org_granted"),
        ({"nbf": NOW}, -30.1, "token_not_yet_valid"),
        ({"nbf": NOW - 99, "iat": NOW}, -31, "token_not_yet_valid"),
        ({"iat": NOW, "exp": NOW + 60}, 60, "org_granted"),
        ({}, 1e9, "org_granted"),
    ],
)
def test_clocks_may_be_half_a_minute_apart(claims: dict[str, object], seconds: float, reason: str) -> None:
    """The issuer's leeway, at either end of a token's life."""
    request = request_of(b"/", bearer(ACME | claims))
    assert said(ruleset_of("org: {value: acme}"), request, NOW + seconds).endswith(f": {reason}")


@pytest.mark.parametrize(
    ("org", "target", "headers", "requested"),
    [
        ("{path: org}", b"/orgs/acme/x", [], [UUID]),
        ("{path: org}", b"/orgs/a%20b/x", [], ["a b"]),
        ("{path: org}", b"/other", [], []),
        ("{header: x-org-id}", b"/", [(b"X_Org_ID", b" acme "), (b"X-Org-Id", b"")], [UUID, ""]),
        ("{header: X-Org-Id}", b"/", [(b"X-Org-Id", b"acme,globex")], ["acme,globex"]),
        ("{query: org}", b"/?org=acme&o%72g=globex&org", [], [UUID, "globex", ""]),
        ("{query: org}", b"/", [], []),
        ("{host: tenant}", b"/", [], ["api"]),
        ("{value: acme}", b"/", [], [UUID]),
        ("[{path: org}, {header: X-Org-Id}, {query: org}]", b"/orgs/a?org=b", [(b"X-Org-Id", b"c")], ["a", "c", "b"]),
        ("[{value: acme}, {query: org}]", b"/?org=" + UUID.upper().encode(), [], [UUID]),
    ],
)
def test_every_org_that_a_source_gives_is_requested(
    org: str, target: bytes, headers: list[tuple[bytes, bytes]], requested: list[str]
) -> None:
    """In the order of the sources, by its id, once; an empty value is one."""
    match = "{hosts: ['{tenant}.example.com'], paths: ['/orgs/{org}/**', '/**']}"
    ruleset = ruleset_of(f"match: {match}, org: {org}")
    deciding = inspected(ruleset, request_of(target, bearer({"org_ids": ["elsewhere"]}), *headers)).deciding
    assert deciding is not None
    assert deciding.requested == tuple(org.encode() for org in requested)
    assert deciding.reason is (Reason.ORG_NOT_GRANTED if requested else Reason.ORG_ABSENT)


def test_all_requested_orgs_must_be_granted() -> None:
    """One that is not spoils the others."""
    ruleset = ruleset_of("org: {query: org}")
    token = bearer({"org_ids": ["acme", "globex"]})
    assert said(ruleset, request_of(b"/?org=acme&org=globex", token)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/?org=acme&org=initech", token)) == "blocked: org_not_granted"
    assert said(ruleset, request_of(b"/?org=acme&org=", token)) == "blocked: org_not_granted"


@pytest.mark.parametrize(
    ("coverage", "claims", "reason"),
    [
        (None, {"org_id": "acme", "org_ids": ["globex"]}, "org_granted"),
        (None, {"org_id": "globex", "org_ids": ["acme"]}, "org_not_granted"),
        (None, {"org_ids": ["acme"]}, "org_granted"),
        (None, {"org_id": "", "org_ids": ["acme"]}, "org_claim_empty"),
        (None, {"org_id": ["acme", "globex"], "org_ids": ["acme"]}, "org_claim_malformed"),
        ("member", {"org_id": "globex", "org_ids": ["acme"]}, "org_granted"),
        ("member", {"org_id": "acme"}, "org_claim_missing"),
        ("active", {"org_id": "acme", "org_ids": []}, "org_granted"),
        ("active", {"org_ids": ["acme"]}, "org_claim_missing"),
    ],
)
def test_the_active_org_counts_where_the_token_has_one(
    coverage: str | None, claims: dict[str, object], reason: str
) -> None:
    """Else those that it may act in, unless the rule says which."""
    token = "" if coverage is None else f", token: {{coverage: {coverage}}}"
    ruleset = ruleset_of(f"org: {{value: acme}}{token}")
    assert said(ruleset, request_of(b"/", bearer(claims))).endswith(f": {reason}")


@pytest.mark.parametrize(
    ("missing", "headers", "reason"),
    [
        ("token", [], "not_judged"),
        ("token", [(b"X-Org-Id", b"acme")], "not_judged"),
        ("token", [bearer(ACME), bearer(ACME)], "credential_ambiguous"),
        ("token", [bearer(ACME)], "org_absent"),
        ("org", [], "token_missing"),
        ("org", [bearer(ACME | {"scope": "read"})], "not_judged"),
        ("org", [bearer({"scope": "read"})], "not_judged"),
        ("org", [bearer(ACME)], "scope_missing"),
        ("org", [bearer(ACME | {"scope": "read", "exp": 0})], "token_expired"),
        ("org", [bearer(ACME), (b"X-Org-Id", b"")], "org_not_granted"),
        ("org", [bearer({}), (b"X-Org-Id", b"acme")], "org_claim_missing"),
        ("claim", [bearer({"scope": "read"}), (b"X-Org-Id", b"acme")], "not_judged"),
        ("claim", [bearer({}), (b"X-Org-Id", b"acme")], "scope_missing"),
        ("claim", [bearer({"org_ids": []}), (b"X-Org-Id", b"acme")], "org_claim_empty"),
        ("claim", [bearer({"org_ids": 1.5}), (b"X-Org-Id", b"acme")], "org_claim_malformed"),
        ("claim", [bearer(ACME), (b"X-Org-Id", b"globex")], "org_not_granted"),
        ("claim", [bearer({})], "org_absent"),
    ],
)
def test_only_what_may_be_missing_passes_without(missing: str, headers: list[tuple[bytes, bytes]], reason: str) -> None:
    """The other checks hold all the same."""
    ruleset = ruleset_of(f"{IN_HEADER}, pass_without: [{missing}], token: {{scopes: [read]}}")
    assert said(ruleset, request_of(b"/", *headers)).endswith(f": {reason}")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([ORIGIN, ASKS_FOR_POST], "not_judged"),
        ([ORIGIN, ASKS_FOR_POST, (b"X-Api-Token", jwt_of({}))], "issuer_untrusted"),
        ([ASKS_FOR_POST], "token_missing"),
        ([ORIGIN], "token_missing"),
    ],
)
def test_a_preflight_needs_no_token(headers: list[tuple[bytes, bytes]], reason: str) -> None:
    """One that carries a token where the rule looks for it is no preflight."""
    ruleset = ruleset_of("org: {value: acme}, token: {from: [{header: X-Api-Token}]}")
    assert said(ruleset, request_of(b"/", *headers, method=b"OPTIONS")).endswith(f": {reason}")


def test_a_token_that_names_an_org_elsewhere_does_not_pass_without_the_claim() -> None:
    """`claim` is for tokens that name no org at all."""
    ruleset = ruleset_of("org: {value: globex}, pass_without: [claim], token: {coverage: active}")
    assert said(ruleset, request_of(b"/", bearer({}))) == "forwarded: not_judged"
    assert said(ruleset, request_of(b"/", bearer(ACME))) == "blocked: org_claim_missing"


def test_a_rule_may_want_one_issuer() -> None:
    """Another one's token is as untrusted there as nobody's."""
    issuers = "issuers: {corp: {iss: corp, claims: {member: org_ids}}, partner: {iss: partner}}\nrules:\n"
    rule = "  - {id: r, match: {hosts: [api.example.com]}, org: {value: acme}, enforcement: block%s}"
    for named, reason in (("", "org_claim_missing"), (", token: {issuer: corp}", "issuer_untrusted")):
        ruleset = load(f"version: 1\n{issuers}{rule % named}")
        token = (b"Authorization", b"Bearer " + jwt_of({"iss": "partner", "org_ids": "acme"}))
        assert said(ruleset, request_of(b"/", token)) == f"blocked: {reason}"


def test_salesforce_ids_are_one_in_either_form() -> None:
    """The token names the org by 18 characters, the request by 15, or the other way round."""
    short, long = "00D5g00000AbCdE", "00D5g00000AbCdEEAV"
    issuers = "issuers: {sf: {ids: salesforce, claims: {member: org_ids}}}\nrules:\n"
    rule = "  - {id: r, match: {hosts: [api.example.com]}, org: {query: org}, enforcement: block}"
    ruleset = load(f"version: 1\n{issuers}{rule}")
    for granted in (short, long):
        token = (b"Authorization", b"Bearer " + jwt_of({"org_ids": granted}))
        for asked in (short, long):
            assert said(ruleset, request_of(f"/?org={asked}".encode(), token)) == "forwarded: org_granted"
        assert said(ruleset, request_of(b"/?org=00D5g00000AbCde", token)) == "blocked: org_not_granted"


def test_a_failure_says_what_was_seen() -> None:
    """The rule, the template that matched, the orgs that were asked for and the token, for whoever explains it."""
    ruleset = ruleset_of(IN_PATH)
    deciding = inspected(ruleset, request_of(b"/orgs/globex/users", bearer(ACME))).deciding
    assert deciding is not None
    assert deciding.rule is ruleset.rules[0]
    assert deciding.path_template == "/orgs/{org}/**"
    assert deciding.requested == (b"globex",)
    assert deciding.token is not None
    assert deciding.token.member.orgs == {UUID.encode()}
    assert deciding.error is None
