"""Loading a policy: what each key becomes, what is assumed where nothing is said, and the policy that ships."""

import re
from importlib.resources import files

import pytest
from tests.guarding import load

from orgfence.core.policy.compile_rules import MAX_ROUTES
from orgfence.core.policy.faults import PolicyError
from orgfence.core.reason import Enforcement, Reason
from orgfence.core.request import Authority
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.rule import CredentialPlace, Issuer, OrgSource, PlaceKind, Rule
from orgfence.core.tokens.selectors import Selector, Source
from orgfence.core.tokens.token import Coverage

ISSUERS = "issuers: {corp: {claims: {member: org_ids, active: org_id, scopes: scope}}}"


def rule_of(keys: str = "", *, top: str = "", match: str = "hosts: [api.example.com]") -> Rule:
    """Return the one rule of a policy, which says this."""
    (rule,) = load(f"version: 1\n{top}\n{ISSUERS}\nrules: [{{id: a, match: {{{match}}}, {keys}}}]").rules
    return rule


def issuer_of(keys: str) -> Issuer:
    """Return the one issuer of a policy, which says this."""
    return load(f"version: 1\nissuers: {{corp: {{{keys}}}}}").issuers["corp"]


def test_what_a_rule_does_not_say_is_the_least_surprising() -> None:
    """A rule with hosts alone checks every request's bearer token, and marks what is wrong."""
    rule = rule_of()
    assert rule.id == "a"
    assert (rule.methods, rule.listen, rule.except_paths, rule.org) == (None, None, (), ())
    assert (rule.issuer, rule.scopes, rule.coverage) == (None, frozenset(), None)
    assert rule.places == (CredentialPlace(PlaceKind.HEADER, b"authorization", b"bearer"),)
    assert (rule.pass_without_token, rule.pass_without_org, rule.pass_without_claim) == (False, False, False)
    assert rule.enforcement == rule.undetermined == rule.unauthenticated == Enforcement.ANNOTATE


def test_a_rule_says_all_that_it_can() -> None:
    """Every key of a rule arrives in its record."""
    rule = rule_of(
        """
        except: [{paths: [/a/me]}, {paths: [/b/me, /c/me]}],
        org: [{path: org}, {header: X_Org-Id}, {query: org}, {host: tenant}, {value: acme}],
        token: {
          issuer: corp, scopes: [read, write], coverage: member, unauthenticated: block,
          from: [{header: X-Api-Token}, {header: Authorization, scheme: TOKEN}, {query: t}, {cookie: sid}]
        },
        pass_without: [token, org, claim], undetermined: observe, enforcement: block
        """,
        match="""hosts: ["{tenant}.example.com", api.example.com], paths: ["/a/{org}", /b],
                 methods: [GET, POST], listen: [80, 65535]""",
        top="orgs: {acme: {id: 8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01}}",
    )
    assert rule.methods == frozenset({b"GET", b"POST"})
    assert rule.listen == frozenset({80, 65535})
    assert [path.text for path in rule.except_paths] == ["/a/me", "/b/me", "/c/me"]
    assert rule.org == (
        OrgSource(PlaceKind.PATH, b"org"),
        OrgSource(PlaceKind.HEADER, b"x-org-id"),
        OrgSource(PlaceKind.QUERY, b"org"),
        OrgSource(PlaceKind.HOST, b"tenant"),
        OrgSource(PlaceKind.VALUE, b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"),
    )
    assert (rule.issuer, rule.scopes, rule.coverage) == ("corp", frozenset({b"read", b"write"}), Coverage.MEMBER)
    assert rule.places == (
        CredentialPlace(PlaceKind.HEADER, b"x-api-token"),
        CredentialPlace(PlaceKind.HEADER, b"authorization", b"token"),
        CredentialPlace(PlaceKind.QUERY, b"t"),
        CredentialPlace(PlaceKind.COOKIE, b"sid"),
    )
    assert (rule.pass_without_token, rule.pass_without_org, rule.pass_without_claim) == (True, True, True)
    assert (rule.enforcement, rule.undetermined, rule.unauthenticated) == (
        Enforcement.BLOCK,
        Enforcement.OBSERVE,
        Enforcement.BLOCK,
    )


def test_a_rule_without_an_org_may_still_pass_requests_without_a_token() -> None:
    """It then checks the scopes of those that have one."""
    assert rule_of("token: {scopes: [read]}, pass_without: [token]").pass_without_token


def test_a_single_org_source_needs_no_list() -> None:
    """`org: {header: X}` is the same as a list of it."""
    assert rule_of("org: {header: X-Org}").org == rule_of("org: [{header: X-Org}]").org


@pytest.mark.parametrize(
    ("top", "keys", "enforcement", "undetermined"),
    [
        ("", "", Enforcement.ANNOTATE, Enforcement.ANNOTATE),
        ("", "enforcement: block", Enforcement.BLOCK, Enforcement.BLOCK),
        ("enforcement: block", "", Enforcement.BLOCK, Enforcement.BLOCK),
        ("enforcement: block", "enforcement: observe", Enforcement.OBSERVE, Enforcement.OBSERVE),
        ("undetermined: block", "enforcement: observe", Enforcement.OBSERVE, Enforcement.BLOCK),
        ("undetermined: block", "undetermined: annotate", Enforcement.ANNOTATE, Enforcement.ANNOTATE),
    ],
)
def test_a_rule_is_enforced_as_it_says_else_as_its_file_says(
    top: str, keys: str, enforcement: Enforcement, undetermined: Enforcement
) -> None:
    """What cannot be judged is treated as the rule, else the file says, else like a mismatch."""
    rule = rule_of(keys, top=top)
    assert (rule.enforcement, rule.undetermined) == (enforcement, undetermined)


def test_a_missing_token_is_enforced_no_stricter_than_the_rule() -> None:
    """`unauthenticated` is a ceiling, not a demand."""
    rule = rule_of("enforcement: observe, token: {unauthenticated: block}")
    assert rule.enforcement_of(Reason.TOKEN_MISSING) is Enforcement.OBSERVE


@pytest.mark.parametrize(
    ("top", "unmatched"), [("", "observe"), ("unmatched: observe", "observe"), ("unmatched: block", "block")]
)
def test_requests_that_no_rule_matches_are_observed_or_blocked(top: str, unmatched: str) -> None:
    """The default lets a half-written policy break nothing."""
    assert load(f"version: 1\n{top}").unmatched.word == unmatched


def test_what_an_issuer_does_not_say_is_the_least_surprising() -> None:
    """An issuer without keys reads any token, and no org or scope in it."""
    issuer = issuer_of("")
    assert (issuer.name, issuer.iss, issuer.leeway, issuer.salesforce_ids) == ("corp", (), 30.0, False)
    assert issuer.member == issuer.active == issuer.scopes == ()


@pytest.mark.parametrize(
    ("written", "selectors"),
    [
        ("org_ids", [Selector(Source.CLAIM, ("org_ids",))]),
        ("/a/b/*", [Selector(Source.CLAIM, ("a", "b", "*"))]),
        ("[a, b]", [Selector(Source.CLAIM, ("a",)), Selector(Source.CLAIM, ("b",))]),
        ('{claim: orgs, split: " "}', [Selector(Source.CLAIM, ("orgs",), " ")]),
        (
            '{claim: scope, split: " ", template: "org:{org}"}',
            [Selector(Source.CLAIM, ("scope",), " ", TextTemplate.parse("org:{org}"))],
        ),
        (
            '[{jose: tnk, template: "core/{x}/{org}"}]',
            [Selector(Source.JOSE, ("tnk",), None, TextTemplate.parse("core/{x}/{org}"))],
        ),
        ('{opaque: "{org}!**"}', [Selector(Source.OPAQUE, (), None, TextTemplate.parse("{org}!**"))]),
    ],
)
@pytest.mark.parametrize("claim", ["member", "active", "scopes"])
def test_claims_are_selected_in_every_way(claim: str, written: str, selectors: list[Selector]) -> None:
    """A name, a pointer, a part of a text, the JOSE header, an opaque token: one of them or a list."""
    assert list(getattr(issuer_of(f"claims: {{{claim}: {written}}}"), claim)) == selectors


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30.0), ("0s", 0.0), ("500ms", 0.5), ("2m", 120.0), ("1h", 3600.0)]
)
def test_an_issuer_has_its_own_leeway(written: str, seconds: float) -> None:
    """Durations are written with their unit."""
    assert issuer_of(f"leeway: {written}").leeway == seconds


def test_an_issuer_says_whose_tokens_and_ids_it_has() -> None:
    """`iss` and `ids` arrive in its record."""
    issuer = issuer_of("iss: https://login.example.com, ids: salesforce")
    assert (issuer.iss, issuer.salesforce_ids) == (("https://login.example.com",), True)


def test_names_and_aliases_stand_for_an_org() -> None:
    """Whatever word the policy has for an org, it is the id that is compared."""
    orgs = load(
        "version: 1\norgs: {acme: {id: 42, aliases: [acme-inc, 8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01]}, own: {id: own}}"
    ).orgs
    assert {orgs.normalise(word) for word in (b"acme", b"acme-inc", b"42")} == {b"42"}
    assert orgs.name_of(b"42") == "acme"
    assert orgs.normalise(b"own") == b"own"


def test_a_rule_is_reached_by_each_of_its_hosts_and_paths_once() -> None:
    """What is listed twice does not make the rule decide twice."""
    ruleset = load(
        f"version: 1\n{ISSUERS}\nrules: [{{id: a, match: {{hosts: [a.test, b.test, a.test], paths: [/x, /y, /x]}}}}]"
    )
    assert [(route.host.text, route.path.text) for route in ruleset.routes] == [
        ("a.test", "/x"),
        ("a.test", "/y"),
        ("b.test", "/x"),
        ("b.test", "/y"),
    ]
    assert ruleset.guards(Authority(b"B.test", 443))
    assert not ruleset.guards(Authority(b"c.test", 443))


def test_a_rule_without_paths_is_for_every_path() -> None:
    """Hosts alone are enough to guard an API."""
    (route,) = load(f"version: 1\n{ISSUERS}\nrules: [{{id: a, match: {{hosts: [a.test]}}}}]").routes
    assert route.path.text == "/**"


def test_routes_have_a_limit() -> None:
    """Hosts times paths is refused before it takes the memory of the machine."""
    hosts = ", ".join(f"h{number}" for number in range(1000))
    paths = ", ".join(f"/{number}" for number in range(MAX_ROUTES // 1000 + 1))
    with pytest.raises(PolicyError, match=r"policy\.yaml:3:14: more than 200000 pairs of host and path"):
        load(f"version: 1\n{ISSUERS}\nrules: [{{id: a, match: {{hosts: [{hosts}], paths: [{paths}]}}}}]")


def test_the_generation_is_a_hash_of_the_bytes() -> None:
    """Two processes with the same file say the same of it."""
    text = b"version: 1\n"
    assert load(text, "a").generation == load(text, "b").generation
    assert re.fullmatch("[0-9a-f]{12}", load(text, "a").generation)
    assert load(text + b"\n", "a").generation != load(text, "a").generation


def test_a_policy_may_have_no_rules_yet() -> None:
    """It guards nothing, and what starts with it can say so."""
    ruleset = load("version: 1")
    assert ruleset.rules == ()
    assert not ruleset.guards(Authority(b"api.example.com", 443))


def test_rules_may_each_name_one_of_several_issuers_without_iss() -> None:
    """Only a rule that leaves the choice open is a mistake."""
    issuers = "issuers: {one: {claims: {member: a}}, two: {claims: {active: b}}}"
    rules = "\n".join(
        f"  - {{id: {name}, match: {{hosts: [a]}}, org: {{value: x}}, token: {{issuer: {name}}}}}"
        for name in ("one", "two")
    )
    assert [rule.issuer for rule in load(f"version: 1\n{issuers}\nrules:\n{rules}").rules] == ["one", "two"]


def test_the_starter_loads_and_gets_in_nobodys_way() -> None:
    """The policy that applies where none is given guards every host, and observes."""
    text = files("orgfence").joinpath("issuers/starter.yaml").read_bytes()
    ruleset = load(text, "starter.yaml")
    assert ruleset.guards(Authority(b"anything.example", 443))
    assert ruleset.unmatched is Enforcement.OBSERVE
    assert {rule.enforcement for rule in ruleset.rules} == {Enforcement.OBSERVE}
    assert {rule.undetermined for rule in ruleset.rules} == {Enforcement.OBSERVE}


@pytest.mark.parametrize(
    ("path", "org"),
    [
        ("/orgs/acme", b"acme"),
        ("/orgs/acme/users/1", b"acme"),
        ("/organizations/acme", b"acme"),
        ("/tenants/acme/x", b"acme"),
        ("/api/orgs/acme", b"acme"),
        ("/v1/tenants/acme", b"acme"),
        ("/api/v2/organizations/acme/users", b"acme"),
        ("/api/v2/organizations/me", None),
        ("/orgs/me/users", None),
        ("/orgs/acme/me", b"acme"),
        ("/users/acme", None),
        ("/orgs", None),
        ("/a/b/c/orgs/acme", None),
    ],
)
def test_the_starter_finds_the_org_in_the_usual_paths(path: str, org: bytes | None) -> None:
    """`/orgs`, `/organizations` and `/tenants`, at the top or behind `/api` and a version; `me` is no org."""
    ruleset = load(files("orgfence").joinpath("issuers/starter.yaml").read_bytes(), "starter.yaml")
    segments = path.encode().split(b"/")[1:]
    (host,) = ruleset.index.hosts(Authority(b"api.example.com", 443))
    found = [
        route.path.captured(b"org", segments)
        for route in host.paths.find(segments)
        if not any(excepted.matches(segments) for excepted in route.rule.except_paths)
    ]
    assert found == ([] if org is None else [org])
