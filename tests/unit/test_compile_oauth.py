"""What an issuer's `oauth` becomes: records of how it is spoken with, and rules that stand for its endpoints."""

import pytest
from tests.guarding import inspected, load, request_of, said
from tests.tokens import jwt_of

from orgfence.core.decision import Decision
from orgfence.core.oauth.exchange import Endpoint
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.reason import Enforcement, Reason, Verdict
from orgfence.core.request import Authority
from orgfence.core.ruleset import Ruleset

ORGS = "orgs: {acme: {id: 8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01, aliases: [acme-inc]}, globex: {id: g}}"


def ruleset_of(oauth: str = "hosts: [login.test]", top: str = "", rules: str = "") -> Ruleset:
    """Return the ruleset of one issuer."""
    issuer = f"corp: {{iss: https://login.test, claims: {{member: org_ids}}, oauth: {{{oauth}}}}}"
    return load(f"version: 1\n{top}\nissuers: {{{issuer}}}\nrules: [{rules}]")


def issuer_of(oauth: str, top: str = "") -> OAuthIssuer:
    issuer = ruleset_of(f"hosts: [login.test], {oauth}", top).issuers["corp"].oauth
    assert issuer is not None
    return issuer


def endpoints(ruleset: Ruleset) -> list[tuple[str, str, str]]:
    return [
        (route.rule.exchange.endpoint.value, route.host.text, route.path.text)
        for route in ruleset.routes
        if route.rule.exchange is not None
    ]


def test_hosts_are_enough() -> None:
    """The usual paths, and nothing that is asked for."""
    ruleset = ruleset_of()
    assert endpoints(ruleset) == [
        ("token", "login.test", "/oauth/token"),
        ("token", "login.test", "/oauth2/token"),
        ("par", "login.test", "/oauth/par"),
        ("par", "login.test", "/oauth2/par"),
        ("authorize", "login.test", "/oauth/authorize"),
        ("authorize", "login.test", "/oauth2/authorize"),
    ]
    issuer = ruleset.issuers["corp"].oauth
    assert issuer is not None
    assert (issuer.name, issuer.org_parameters, issuer.flags, issuer.clients) == ("corp", (), {}, {})
    assert (issuer.refresh_needs_scope, issuer.block_responses, issuer.scopes, issuer.known_orgs) == (
        False,
        False,
        None,
        {},
    )


def test_each_host_has_each_path_once() -> None:
    """As in a rule."""
    ruleset = ruleset_of(
        "hosts: [a.test, '*.b.test:8443', a.test], authorize: [/a, '/{realm}/a'], token: [/t, /t], par: [/p]"
    )
    hosts = ["a.test", "*.b.test:8443"]
    paths = [("authorize", "/a"), ("authorize", "/{realm}/a"), ("par", "/p"), ("token", "/t")]
    assert sorted(endpoints(ruleset)) == sorted((end, host, path) for end, path in paths for host in hosts)
    assert ruleset.guards(Authority(b"x.b.test:8443", 443))
    assert not ruleset.guards(Authority(b"x.b.test", 443))


def test_it_says_what_has_to_be_asked_for() -> None:
    """Every key arrives in its record; orgs by their ids."""
    issuer = issuer_of(
        "org_parameter: [target, org], flags: {multi_org: 'true'}, refresh_needs_scope: true, scopes: [read], "
        "clients: {app: acme-inc, other: nobody}, block_responses: true",
        ORGS,
    )
    assert issuer.org_parameters == ("target", "org")
    assert issuer.flags == {"multi_org": "true"}
    assert issuer.refresh_needs_scope
    assert issuer.block_responses
    assert issuer.scopes is not None
    assert issuer.scopes.unknown(["read", "openid", "write"]) == ["write"]
    assert issuer.clients == {"app": b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "other": b"nobody"}
    assert issuer.known_orgs == {b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01": "acme", b"g": "globex"}
    assert issuer_of("org_parameter: organization").org_parameters == ("organization",)


@pytest.mark.parametrize(
    ("top", "oauth", "requests", "answers"),
    [
        ("", "", ("annotate", "annotate"), ("annotate", "annotate")),
        ("enforcement: observe", "", ("observe", "observe"), ("observe", "observe")),
        ("enforcement: block", "", ("block", "block"), ("annotate", "annotate")),
        ("enforcement: block", ", enforcement: observe", ("observe", "observe"), ("observe", "observe")),
        ("undetermined: observe", ", enforcement: block", ("block", "observe"), ("annotate", "observe")),
        ("undetermined: block", "", ("annotate", "block"), ("annotate", "annotate")),
        ("", ", enforcement: block, block_responses: true", ("block", "block"), ("block", "block")),
        ("", ", block_responses: true", ("annotate", "annotate"), ("annotate", "annotate")),
    ],
)
def test_what_is_done_about_a_faulty_exchange(
    top: str, oauth: str, requests: tuple[str, str], answers: tuple[str, str]
) -> None:
    """What the issuer says, else the file; an answer is blocked only where the policy wants what that costs."""
    ruleset = ruleset_of(f"hosts: [login.test]{oauth}", top)
    for rule in ruleset.exchange_rules:
        assert (rule.enforcement.word, rule.undetermined.word) == requests
    rule = ruleset.answer_rules["corp"]
    assert (rule.enforcement.word, rule.undetermined.word) == answers
    assert rule.exchange is not None
    assert rule.exchange.endpoint is Endpoint.TOKEN
    capped = ruleset.observing()
    assert {rule.enforcement for rule in (*capped.exchange_rules, *capped.answer_rules.values())} == {
        Enforcement.OBSERVE
    }


def test_they_are_rules_of_their_own() -> None:
    """They go by the issuer's name, and are none of the policy's."""
    ruleset = ruleset_of()
    assert ruleset.rules == ()
    assert {rule.id for rule in ruleset.exchange_rules} == {"oauth/corp"}
    assert {rule.issuer for rule in ruleset.exchange_rules} == {"corp"}
    assert ruleset_of("hosts: [a]").answer_rules.keys() == {"corp"}


def test_the_methods_are_those_of_the_endpoints() -> None:
    """Anything else there is no exchange."""
    ruleset = ruleset_of()
    for method, target, expected in (
        (b"GET", b"/oauth/authorize", "forwarded: exchange_sound"),
        (b"HEAD", b"/oauth/authorize", "forwarded: exchange_sound"),
        (b"DELETE", b"/oauth/authorize", "unmatched"),
        (b"GET", b"/oauth/token", "unmatched"),
        (b"GET", b"/oauth/par", "unmatched"),
        (b"POST", b"/oauth/token", "forwarded: exchange_sound"),
        (b"GET", b"/", "unmatched"),
    ):
        assert said(ruleset, request_of(target, method=method, hosts=(b"login.test",), body=b"")) == expected


def test_two_issuers_at_one_host_are_told_apart_by_their_paths() -> None:
    """As realms are."""
    issuers = ", ".join(
        f"{name}: {{iss: https://kc.test/{name}, oauth: {{hosts: [kc.test], authorize: [/{name}/auth]}}}}"
        for name in ("a", "b")
    )
    ruleset = load(f"version: 1\nissuers: {{{issuers}}}")
    deciding = inspected(ruleset, request_of(b"/b/auth", hosts=(b"kc.test",))).deciding
    assert deciding is not None
    assert deciding.rule is not None
    assert deciding.rule.id == "oauth/b"
    assert ruleset.answer_rules.keys() == {"a", "b"}


def test_a_rule_may_be_about_the_org_of_the_client() -> None:
    """By `client_id`, else `azp`; what no client is for is absent."""
    rules = "{id: a, match: {hosts: [api.test]}, org: {client: true}, enforcement: block}"
    ruleset = ruleset_of("hosts: [login.test], clients: {app: acme-inc, bare: globex}", ORGS, rules)
    for claims, expected in (
        ({"client_id": "app", "org_ids": ["acme"]}, "forwarded: org_granted"),
        ({"azp": "app", "org_ids": ["acme"]}, "forwarded: org_granted"),
        ({"client_id": "bare", "azp": "app", "org_ids": ["acme"]}, "blocked: org_not_granted"),
        ({"client_id": "nobody", "org_ids": ["acme"]}, "blocked: org_absent"),
        ({"client_id": 7, "org_ids": ["acme"]}, "blocked: org_absent"),
        ({"org_ids": ["acme"]}, "blocked: org_absent"),
    ):
        token = (b"Authorization", b"Bearer " + jwt_of({"iss": "https://login.test", **claims}))
        assert said(ruleset, request_of(b"/", token, hosts=(b"api.test",))) == expected, claims


def test_the_first_decision_about_an_exchange_is_its_own() -> None:
    """An allow of an exchange holds what was seen of it, which the shared one cannot."""
    deciding = inspected(ruleset_of(), request_of(b"/oauth/authorize?client_id=a", hosts=(b"login.test",))).deciding
    assert isinstance(deciding, Decision)
    assert (deciding.verdict, deciding.reason) == (Verdict.ALLOW, Reason.EXCHANGE_SOUND)
    assert deciding.exchange is not None
    assert deciding.exchange.request.client == "a"
