"""The reasons in words."""

import pytest
from tests.guarding import bearer, inspected, request_of, ruleset_of

from orgfence.core.catalogue import CATALOGUE, explain, without_orgs
from orgfence.core.decision import Decision
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import ALLOWING, Reason, Verdict
from orgfence.core.showing.redactor import Redactor

IN_QUERY = "org: {query: org}"
EXCHANGES = {
    "authorize_org_missing",
    "authorize_org_parameter",
    "authorize_org_unknown",
    "authorize_flag_missing",
    "refresh_scope_missing",
    "grant_lacks_org",
    "issued_org_missing",
    "issued_scope_reduced",
    "issued_lifetime_wrong",
    "scope_form",
}


def test_every_reason_is_explained() -> None:
    """With a title, an explanation and, where something can be mended, advice."""
    assert set(CATALOGUE) == set(Reason)
    for reason, entry in CATALOGUE.items():
        assert entry.title
        assert not entry.title.endswith(".")
        assert entry.explanation.endswith(".")
        assert all(step.endswith(".") for step in entry.advice)
        assert bool(entry.advice) == (reason not in ALLOWING)


def test_a_block_is_answered_so_that_no_client_tries_again_in_vain() -> None:
    """403 but where a fresh token mends it, the request itself is unclear, or orgfence is at fault."""
    others = {reason.value: entry.status for reason, entry in CATALOGUE.items() if entry.status != 403}
    # At an issuer's endpoints whatever is wrong is 400.
    others = {reason: status for reason, status in others.items() if reason not in EXCHANGES}
    assert others == {
        "token_expired": 401,
        "token_not_yet_valid": 401,
        "credential_ambiguous": 400,
        "path_ambiguous": 400,
        "internal_error": 502,
    }


@pytest.mark.parametrize(
    ("rule", "target", "claims", "detail"),
    [
        (
            IN_QUERY,
            b"/?org=globex",
            {"org_ids": ["acme", "initech"]},
            "The request is about `globex`; the token is good for `acme`, `initech`.",
        ),
        (
            IN_QUERY,
            b"/?org=\xff&org=" + b"x" * 101,
            {"org_ids": [str(number) for number in range(12, 20)]},
            (
                f"The request is about `\\xff`, `{'x' * 100}…`; "
                "the token is good for `12`, `13`, `14`, `15`, `16` and 3 more."
            ),
        ),
        (
            IN_QUERY,
            b"/?org=acme",
            {},
            "The claim in which the issuer names the token's orgs is not in the token. The request is about `acme`.",
        ),
        (
            IN_QUERY,
            b"/?org=",
            {"org_ids": []},
            "The claim that names the token's orgs is there and holds none. The request is about ``.",
        ),
        ("token: {scopes: [b, a, c]}", b"/", {"scope": "c"}, "The token lacks `a`, `b`."),
        (IN_QUERY, b"/", {}, CATALOGUE[Reason.ORG_ABSENT].explanation),
        (
            "match: {hosts: [api.example.com], paths: ['/orgs/{org}']}, org: {path: org}",
            b"/x/../orgs/globex\xff",
            {"org_ids": "acme"},
            f"{CATALOGUE[Reason.PATH_AMBIGUOUS].explanation} It can be read as `/orgs/globex\\xff`.",
        ),
        ("id: a", b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 3, {}, CATALOGUE[Reason.PATH_AMBIGUOUS].explanation),
    ],
)
def test_what_was_found_is_said(rule: str, target: bytes, claims: dict[str, object], detail: str) -> None:
    """Orgs by the policy's names, bytes that are no text escaped, long values and lists cut."""
    ruleset = ruleset_of(rule)
    deciding = inspected(ruleset, request_of(target, bearer(claims))).deciding
    assert deciding is not None
    explanation = explain(deciding, ruleset.orgs)
    assert explanation.detail == detail
    assert explanation.title == CATALOGUE[deciding.reason].title
    assert explanation.advice == CATALOGUE[deciding.reason].advice
    assert explanation.status == CATALOGUE[deciding.reason].status


def test_the_lists_of_orgs_are_whole() -> None:
    """Each org by its name if it has one: those asked for as they stand, those granted in order."""
    ruleset = ruleset_of(f"{IN_QUERY}, token: {{coverage: member}}")
    claims: dict[str, object] = {"org_id": "hidden", "org_ids": ["z", *map(str, range(9)), "acme"]}
    deciding = inspected(ruleset, request_of(b"/?org=y&org=acme&org=b", bearer(claims))).deciding
    assert deciding is not None
    explanation = explain(deciding, ruleset.orgs)
    assert explanation.requested_orgs == ("y", "acme", "b")
    assert explanation.granted_orgs == (*map(str, range(9)), "acme", "z")


def test_lists_of_hundreds_are_cut_and_counted() -> None:
    """A request may name as many orgs as fit into it, and nobody reads them all."""
    ruleset = ruleset_of(IN_QUERY)
    target = b"/?" + b"&".join(b"org=o%d" % number for number in range(1000))
    deciding = inspected(ruleset, request_of(target, bearer({"org_ids": [f"g{n}" for n in range(300)]}))).deciding
    assert deciding is not None
    explanation = explain(deciding, ruleset.orgs)
    assert explanation.requested_orgs[-2:] == ("o255", "and 744 more")
    assert (len(explanation.granted_orgs), explanation.granted_orgs[-1]) == (257, "and 44 more")
    assert "`o4` and 995 more; the token is good for" in explanation.detail


def test_a_credential_in_the_place_of_an_org_is_not_shown() -> None:
    """Neither one of the request's own nor what looks like one; an org of the policy's is shown, whatever it equals."""
    ruleset = ruleset_of(IN_QUERY)
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.Zm9vYmFyc2VjcmV0"
    target = f"/?org=secret-value&org=globex&org={jwt}&org=acme".encode()
    deciding = inspected(ruleset, request_of(target, bearer({"org_ids": ["initech", jwt]}))).deciding
    assert deciding is not None
    explanation = explain(deciding, ruleset.orgs, Redactor({"secret-value", "globex", "acme"}))
    assert explanation.requested_orgs == ("[redacted]", "[redacted]", "[redacted]", "acme")
    assert explanation.granted_orgs == ("[redacted]", "initech")
    assert explanation.detail.endswith("stands in the place of the org; it is not shown.")
    assert "secret" not in str(explanation)


def test_a_rule_without_org_shows_none() -> None:
    """What the token is good for is nobody's business there."""
    ruleset = ruleset_of("token: {scopes: [a]}")
    deciding = inspected(ruleset, request_of(b"/", bearer({"org_ids": ["acme"]}))).deciding
    assert deciding is not None
    assert explain(deciding, ruleset.orgs).granted_orgs == ()


def test_what_no_rule_decided_is_explained_too() -> None:
    """By the catalogue alone."""
    explanation = explain(Decision(None, Verdict.MISMATCH, Reason.SCOPE_MISSING), OrgNames({}))
    assert explanation.detail == CATALOGUE[Reason.SCOPE_MISSING].explanation
    assert explanation.requested_orgs == explanation.granted_orgs == ()


@pytest.mark.parametrize(
    ("rule", "target", "claims"),
    [
        (IN_QUERY, b"/?org=globex", {"org_ids": ["initech"]}),
        (IN_QUERY, b"/?org=globex", {}),
        (IN_QUERY, b"/?org=globex", {"org_ids": []}),
        (IN_QUERY, b"/?org=globex", {"org_ids": [True]}),
        (f"{IN_QUERY}, token: {{scopes: [write]}}", b"/?org=globex", {"org_ids": ["globex", "initech"]}),
        (
            f"{IN_QUERY}, token: {{unauthenticated: block}}",
            b"/?org=globex",
            {"org_ids": ["globex", "initech"], "exp": 1},
        ),
        (
            "match: {hosts: [api.example.com], paths: ['/orgs/{org}']}, org: {path: org}",
            b"/x/../orgs/globex",
            {"org_ids": ["initech"]},
        ),
    ],
)
def test_all_can_be_said_without_naming_an_org(rule: str, target: bytes, claims: dict[str, object]) -> None:
    """As clients are told under `disclose: reason`: what is wrong and what mends it, and scopes by their names."""
    ruleset = ruleset_of(rule)
    deciding = inspected(ruleset, request_of(target, bearer(claims))).deciding
    assert deciding is not None
    explanation = explain(deciding, ruleset.orgs)
    assert "globex" in str(explanation)
    told = without_orgs(deciding, explanation)
    assert "globex" not in str(told)
    assert "initech" not in str(told)
    assert (told.title, told.advice, told.status) == (explanation.title, explanation.advice, explanation.status)
    missing_scope = deciding.reason is Reason.SCOPE_MISSING
    assert told.detail == ("The token lacks `write`." if missing_scope else CATALOGUE[deciding.reason].explanation)
