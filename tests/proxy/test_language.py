"""Every key of a policy makes a difference to what the real proxy does: rules that differ in it alone are told apart.

All rules stand in one folder and before one proxy; each has a host of its own, by which a test chooses it. The keys
are taken from the models, so a key that nobody tests here is a failure.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.proxy.guarding import ISS, REVERSE_PLAIN, GuardingProxy
from tests.proxy.harness import Answer, Upstream, unsigned_token
from tests.tokens import jwt_of

from orgfence.core.policy import model, model_issuers
from orgfence.core.policy.section import Section

type Field = tuple[bytes, bytes]
FORM = (b"content-type", b"application/x-www-form-urlencoded")
GRANTED = "forwarded"
REFUSED = "blocked: org_not_granted"
MISSING = "blocked: token_missing"


def bearer(*orgs: str, **claims: object) -> Field:
    return b"authorization", b"Bearer " + unsigned_token(iss=ISS, org_ids=list(orgs), **claims).encode()


ACME = bearer("acme")
RAW_ACME = ACME[1].removeprefix(b"Bearer ")
BOTH = bearer("acme", "globex")


class Case(NamedTuple):
    """A key, a rule that says it, one that does not, and a request that the two differ about."""

    #: As in `Section.key`, by the models' names.
    key: str
    said: str
    unsaid: str
    expected: str
    otherwise: str
    fields: tuple[Field, ...] = (ACME,)
    path: bytes = b"/orgs/acme/users"
    method: bytes = b"GET"
    body: bytes = b""


def org(source: str, key: str, path: bytes = b"/", *fields: Field, body: bytes = b"") -> Case:
    """Return a case of a source that names another org than the token is for, beside none."""
    method = b"POST" if body else b"GET"
    return Case(f"OrgSourceEntry.{key}", f"org: {source}", "", REFUSED, GRANTED, (ACME, *fields), path, method, body)


def place(key: str, said: str, *fields: Field, path: bytes = b"/", body: bytes = b"") -> Case:
    """Return a case of a place for the token, where it stands."""
    method = b"POST" if body else b"GET"
    unsaid = "token: {unauthenticated: block}"
    said = f"token: {{unauthenticated: block, from: [{said}]}}"
    return Case(f"PlaceEntry.{key}", said, unsaid, GRANTED, MISSING, fields, path, method, body)


VALUE = "org: {value: globex}"
CASES = [
    Case("MatchEntry.hosts", "org: {value: globex}", "host: elsewhere.test, org: {value: globex}", REFUSED, GRANTED),
    Case("MatchEntry.paths", f"{VALUE}, paths: [/a]", VALUE, GRANTED, REFUSED),
    Case("MatchEntry.methods", f"{VALUE}, methods: [POST]", VALUE, GRANTED, REFUSED),
    Case("MatchEntry.listen", f"{VALUE}, listen: [1]", VALUE, GRANTED, REFUSED),
    Case(
        "MatchEntry.ignore_case",
        f"{VALUE}, paths: [/ORGS/**], ignore_case: true",
        f"{VALUE}, paths: [/ORGS/**]",
        REFUSED,
        GRANTED,
    ),
    Case(
        "MatchEntry.encoded_slash",
        "org: {path: o}, paths: ['/orgs/*/{o}'], encoded_slash: data",
        "org: {path: o}, paths: ['/orgs/*/{o}']",
        GRANTED,
        "blocked: path_ambiguous",
        path=b"/orgs/a%2fglobex",
    ),
    Case(
        "MatchEntry.names",
        "org: [{path: o}, {query: org}], paths: ['/orgs/{o}'], names: exact, pass_without: [org]",
        "org: [{path: o}, {query: org}], paths: ['/orgs/{o}'], pass_without: [org]",
        GRANTED,
        "blocked: org_ambiguous",
        path=b"/orgs/acme?Org=globex",
    ),
    Case("ExceptEntry.paths", f"{VALUE}, except: [{{paths: [/orgs/**]}}]", VALUE, GRANTED, REFUSED),
    Case(
        "ExceptEntry.claims",
        f"{VALUE}, except: [{{claims: {{role: [admin]}}}}]",
        VALUE,
        GRANTED,
        REFUSED,
        (bearer("acme", role="admin"),),
    ),
    Case("RuleEntry.org", VALUE, "", REFUSED, GRANTED),
    Case(
        "OrgSourceEntry.path",
        "org: {path: o}, paths: ['/orgs/{o}']",
        "paths: ['/orgs/{o}']",
        REFUSED,
        GRANTED,
        path=b"/orgs/globex",
    ),
    Case(
        "OrgSourceEntry.host",
        'host: "{t}-said.test", paths: [/by-host], org: {host: t}',
        'host: "{t}-unsaid.test", paths: [/by-host]',
        REFUSED,
        GRANTED,
        path=b"/by-host",
    ),
    org("{header: X-Org}", "header", b"/", (b"x-org", b"globex")),
    org("{query: org}", "query", b"/?org=globex"),
    org("{cookie: org}", "cookie", b"/", (b"cookie", b"org=globex")),
    org("{body: /org}", "body", body=b'{"org": "globex"}'),
    org("{form: org}", "form", b"/", FORM, body=b"org=globex"),
    org("{value: globex}", "value"),
    Case("OrgSourceEntry.client", "org: {client: true}", "", REFUSED, GRANTED, (bearer("acme", client_id="app"),)),
    Case(
        "OrgSourceEntry.split",
        "org: {header: X-Org, split: ','}",
        "org: {header: X-Org}",
        GRANTED,
        REFUSED,
        (BOTH, (b"x-org", b"acme, globex")),
    ),
    Case(
        "RuleEntry.agree",
        "org: [{query: a}, {query: b}], agree: true",
        "org: [{query: a}, {query: b}]",
        "blocked: org_ambiguous",
        GRANTED,
        (BOTH,),
        b"/?a=acme&b=globex",
    ),
    Case("TokenEntry.issuer", "token: {issuer: other}", "", "blocked: issuer_untrusted", GRANTED),
    Case("TokenEntry.scopes", "token: {scopes: [write]}", "", "blocked: scope_missing", GRANTED),
    Case(
        "TokenEntry.coverage",
        "org: {value: acme}, token: {coverage: member}",
        "org: {value: acme}",
        GRANTED,
        REFUSED,
        (bearer("acme", active="globex"),),
    ),
    Case("TokenEntry.unauthenticated", "token: {unauthenticated: block}", "", MISSING, "annotated: token_missing", ()),
    place("header", "{header: X-Token}", (b"x-token", RAW_ACME)),
    place("scheme", "{header: Authorization, scheme: Token}", (b"authorization", b"Token " + RAW_ACME)),
    place("query", "{query: t}", path=b"/?t=" + RAW_ACME),
    place("cookie", "{cookie: t}", (b"cookie", b"t=" + RAW_ACME)),
    place("form", "{form: t}", FORM, body=b"t=" + RAW_ACME),
    Case("RuleEntry.pass_without", "pass_without: [token]", "", GRANTED, "annotated: token_missing", ()),
    Case(
        "RuleEntry.pass_without",
        "pass_without: [org], org: {query: o}",
        "org: {query: o}",
        GRANTED,
        "blocked: org_absent",
    ),
    Case(
        "RuleEntry.pass_without",
        "pass_without: [claim], org: {value: acme}",
        "org: {value: acme}",
        GRANTED,
        "blocked: org_claim_missing",
        ((b"authorization", b"Bearer " + unsigned_token(iss=ISS).encode()),),
    ),
    Case(
        "RuleEntry.undetermined",
        "undetermined: annotate",
        "",
        "annotated: token_opaque",
        "blocked: token_opaque",
        ((b"authorization", b"Bearer opaque"),),
    ),
    Case("RuleEntry.enforcement", f"{VALUE}, enforcement: annotate", VALUE, "annotated: org_not_granted", REFUSED),
    Case("OrgEntry.id", "org: {value: named}", "org: {value: unnamed}", GRANTED, REFUSED, (bearer("named-id"),)),
    Case("OrgEntry.aliases", "org: {value: named}", "org: {value: unnamed}", GRANTED, REFUSED, (bearer("alias"),)),
]


class IssuerCase(NamedTuple):
    """A key of an issuer, one that says it, one that does not, and what a token of either is good for."""

    key: str
    said: str
    unsaid: str
    #: What the token says, beside its `iss`.
    claims: dict[str, object]
    otherwise: str
    expected: str = GRANTED
    header: tuple[tuple[str, object], ...] = ()
    #: Instead of a JWT.
    opaque: bytes = b""
    rule: str = "org: {value: acme}, token: {%s}"
    path: bytes = b"/"


NO_ORG = "blocked: org_claim_missing"
SALESFORCE = "00D5g000000abcD"
ISSUER_CASES = [
    IssuerCase("ClaimsEntry.member", "claims: {member: o, active: a}", "claims: {active: a}", {"o": "acme"}, NO_ORG),
    IssuerCase("ClaimsEntry.active", "claims: {member: o, active: a}", "claims: {member: o}", {"a": "acme"}, NO_ORG),
    IssuerCase(
        "ClaimsEntry.scopes",
        "claims: {member: o, scopes: s}",
        "claims: {member: o, scopes: t}",
        {"o": "acme", "s": "a read"},
        "blocked: scope_missing",
        rule="token: {scopes: [read], %s}",
    ),
    IssuerCase(
        "SelectorEntry.claim",
        "claims: {member: {claim: /o/*/id}}",
        "claims: {member: o}",
        {"o": [{"id": "acme"}]},
        "blocked: org_claim_malformed",
    ),
    IssuerCase(
        "SelectorEntry.jose", "claims: {member: {jose: o}}", "claims: {member: o}", {}, NO_ORG, header=(("o", "acme"),)
    ),
    IssuerCase(
        "SelectorEntry.opaque",
        "claims: {member: {opaque: '{org}!**'}}",
        "claims: {member: o}",
        {},
        "blocked: token_opaque",
        opaque=b"acme!0123456789",
    ),
    IssuerCase(
        "SelectorEntry.split",
        "claims: {member: {claim: o, split: ' '}}",
        "claims: {member: o}",
        {"o": "acme globex"},
        REFUSED,
    ),
    IssuerCase(
        "SelectorEntry.template",
        "claims: {member: {claim: o, template: 'urn:{org}'}}",
        "claims: {member: o}",
        {"o": "urn:acme"},
        REFUSED,
    ),
    IssuerCase(
        "IssuerEntry.leeway",
        "claims: {member: o}, leeway: 900000h",
        "claims: {member: o}",
        {"o": "acme", "exp": 1_700_000_000},
        "annotated: token_expired",
    ),
    IssuerCase(
        "IssuerEntry.ids",
        "claims: {member: o}, ids: salesforce",
        "claims: {member: o}",
        {"o": SALESFORCE + "EAQ"},
        REFUSED,
        rule=f"org: {{value: {SALESFORCE}}}, token: {{%s}}",
    ),
    IssuerCase("IssuerEntry.claims", "claims: {member: o}", "leeway: 1s, claims: {member: p}", {"o": "acme"}, NO_ORG),
    IssuerCase(
        "IssuerEntry.iss",
        "iss: [https://x, 'ISS/{realm}'], claims: {member: o}",
        "iss: ISS/b, claims: {member: o}",
        {"o": "acme", "iss": "ISS/a"},
        "blocked: issuer_untrusted",
    ),
    IssuerCase(
        "IssuerEntry.preset",
        "preset: generic, oauth: {hosts: [login.preset.test]}",
        "claims: {member: o}",
        {"org_ids": "acme"},
        NO_ORG,
    ),
    IssuerCase(
        "OtherPartyEntry.path",
        "claims: {member: o}, other_party: ['/partners/{any}']",
        "claims: {member: o}, other_party: ['/others/{any}']",
        {"o": "acme"},
        REFUSED,
        rule="org: {path: o}, paths: ['/partners/{o}'], token: {%s}",
        path=b"/partners/globex",
    ),
    IssuerCase(
        "OtherPartyEntry.query",
        "claims: {member: o}, other_party: [{path: /q, query: partner}]",
        "claims: {member: o}",
        {"o": "acme"},
        REFUSED,
        rule="org: {query: partner}, token: {%s}",
        path=b"/q?partner=globex",
    ),
]


class ExchangeCase(NamedTuple):
    """A key of an issuer's `oauth`, one that says it, one that does not, and an exchange that they differ about."""

    key: str
    said: str
    unsaid: str
    expected: str
    otherwise: str
    path: bytes = b"/oauth/authorize?client_id=app&scope=read"
    #: A form; empty: the request has no body.
    body: bytes = b""


REFRESH = b"grant_type=refresh_token&refresh_token=invented&client_id=app"
ORG_MISSING = "blocked: authorize_org_missing"
EXCHANGE_CASES = [
    ExchangeCase(
        "OAuthEntry.hosts", "org_parameter: o", "hosts: [elsewhere.test], org_parameter: o", ORG_MISSING, GRANTED
    ),
    ExchangeCase("OAuthEntry.org_parameter", "org_parameter: o", "", ORG_MISSING, GRANTED),
    ExchangeCase(
        "OAuthEntry.authorize",
        "org_parameter: o, authorize: [/a]",
        "org_parameter: o",
        ORG_MISSING,
        GRANTED,
        b"/a?client_id=app",
    ),
    ExchangeCase(
        "OAuthEntry.par",
        "org_parameter: o, par: [/p]",
        "org_parameter: o",
        ORG_MISSING,
        GRANTED,
        b"/p",
        b"client_id=app",
    ),
    ExchangeCase(
        "OAuthEntry.token",
        "refresh_needs_scope: true, token: [/t]",
        "refresh_needs_scope: true",
        "blocked: refresh_scope_missing",
        GRANTED,
        b"/t",
        REFRESH,
    ),
    ExchangeCase(
        "OAuthEntry.refresh_needs_scope",
        "refresh_needs_scope: true",
        "",
        "blocked: refresh_scope_missing",
        # What upstream answers is no token.
        "annotated: body_unread",
        b"/oauth/token",
        REFRESH,
    ),
    ExchangeCase(
        "OAuthEntry.flags",
        "org_parameter: o, flags: {multi: 'true'}",
        "org_parameter: o",
        "blocked: authorize_flag_missing",
        GRANTED,
        b"/oauth/authorize?client_id=app&o=named",
    ),
    ExchangeCase("OAuthEntry.scopes", "scopes: [write]", "scopes: [read]", "blocked: scope_form", GRANTED),
    ExchangeCase(
        "OAuthEntry.clients", "org_parameter: o, clients: {app: named}", "org_parameter: o", GRANTED, ORG_MISSING
    ),
    ExchangeCase(
        "OAuthEntry.enforcement",
        "org_parameter: o, enforcement: annotate",
        "org_parameter: o",
        "annotated: authorize_org_missing",
        ORG_MISSING,
    ),
]

#: Where the keys are tested that are no matter of one rule or issuer.
ELSEWHERE = {
    "PolicyFile.held_bodies_limit": "test_held_bodies",
    "MatchEntry": "what each case has",
    **dict.fromkeys(
        ("PolicyFile.version", "PolicyFile.orgs", "PolicyFile.issuers", "PolicyFile.rules", "RuleEntry.id"),
        "every policy has them",
    ),
    **dict.fromkeys(
        ("RuleEntry.match", "RuleEntry.except", "RuleEntry.token", "TokenEntry.from"), "sections of others"
    ),
    **dict.fromkeys(("PolicyFile.enforcement", "PolicyFile.undetermined"), "test_a_file_speaks_for_its_own_rules"),
    **dict.fromkeys(
        ("PolicyFile.unmatched", "PolicyFile.disclose", "PolicyFile.annotate_request", "PolicyFile.body_limit"),
        "test_global_keys_are_for_all_files",
    ),
    "IssuerEntry.hosts": "test_the_hosts_of_a_preset_are_its_issuers",
    **dict.fromkeys(("IssuerEntry.oauth", "IssuerEntry.other_party"), "sections of others"),
    **dict.fromkeys(("IssuerEntry.errors", "ErrorsEntry.body", "ErrorsEntry.content_type"), "test_api_errors.py"),
    **{f"LookupEntry.{key}": "nothing is asked yet" for key in list(model_issuers.LookupEntry.keys())},
    "IssuerEntry.lookup": "nothing is asked yet",
    "OAuthEntry.block_responses": "tests/unit/test_compile_oauth.py",
    "PolicyFile.log_repeat": "test_global_keys_are_for_all_files",
    "OrgSourceEntry.strip": "test_a_stripped_header_is_not_forwarded",
    "RuleEntry.examples": "tests/system/test_check.py: for `orgfence check` alone",
    **{f"ExampleEntry.{key}": "tests/system/test_check.py" for key in list(model.ExampleEntry.keys())},
}


def keys_of(section: type[Section]) -> set[str]:
    return {f"{section.__name__}.{key}" for key in list(section.keys())}


def test_every_key_is_tested() -> None:
    """A key that this version takes has a case here, or is named with the test that it has."""
    keys = set().union(*(keys_of(section) for section in Section.__subclasses__()))
    cases: list[Case | IssuerCase | ExchangeCase] = [*CASES, *ISSUER_CASES, *EXCHANGE_CASES]
    tested = {case.key for case in cases} | ELSEWHERE.keys()
    assert keys - tested == set()


def host(index: int, said: bool) -> str:
    return f"case-{index}-{'said' if said else 'unsaid'}.test"


MATCH_KEYS = frozenset(model.MatchEntry.keys())


def rule(rule_id: str, keys: str, own_host: str) -> str:
    """Return a rule in flow style: `hosts`, `paths` and the like of its `match` are told from its other keys."""
    parts = [part for part in split_keys(keys) if part]
    in_match = [part for part in parts if part.partition(":")[0] in MATCH_KEYS]
    named = next((part.partition(": ")[2] for part in parts if part.startswith("host:")), own_host)
    others = [part for part in parts if part not in in_match and not part.startswith("host:")]
    match = ", ".join([f"hosts: [{named}]", *in_match])
    return f"  - {{{', '.join([f'id: {rule_id}', f'match: {{{match}}}', *others])}}}\n"


def split_keys(keys: str) -> list[str]:
    """Split at the commas that stand outside of all brackets."""
    parts, depth = [""], 0
    for character in keys:
        depth += (character in "{[") - (character in "}]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


COMMON = f"""
version: 1
orgs:
  named: {{id: named-id, aliases: [alias]}}
issuers:
  corp:
    iss: {ISS}
    claims: {{member: org_ids, active: active, scopes: scope}}
    oauth: {{hosts: [login.corp.test], clients: {{app: globex}}}}
  other: {{iss: https://other.example.com, claims: {{member: org_ids, scopes: scope}}}}
  ready:
    preset: generic
    iss: https://ready.example.com
    hosts: [ready.test, "*.ready.test"]
    oauth: {{hosts: [login.ready.test]}}
rules:
  - {{id: ready, match: {{hosts: ["preset:generic", also.test]}}, {VALUE}, enforcement: block}}
"""


def issuer_of(index: int, said: bool, keys: str) -> str:
    name = f"{'said' if said else 'unsaid'}-{index}"
    iss = f"https://{name}"
    own = "" if "iss: " in keys else f"iss: {iss}, "
    return f"  {name}: {{{own}{keys.replace('ISS', iss)}}}\n"


def exchange_issuer(index: int, said: bool, keys: str) -> str:
    name = f"exchange-{'said' if said else 'unsaid'}-{index}"
    hosts = "" if "hosts: " in keys else f"hosts: [exchange-{host(index, said)}], "
    return f"  {name}: {{iss: https://{name}, oauth: {{{hosts}{keys}}}}}\n"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A policy of several files: one with what all share, one with each case."""
    with tempfile.TemporaryDirectory(prefix="orgfence-language-") as name:
        path = Path(name)
        (path / "common.yaml").write_text(COMMON)
        issuers, rules = "", ""
        for index, case in enumerate(CASES):
            for said in (True, False):
                keys = case.said if said else case.unsaid
                rules += rule(f"case-{index}-{said}", keys, host(index, said))
        for index, issuer_case in enumerate(ISSUER_CASES):
            for said in (True, False):
                issuers += issuer_of(index, said, issuer_case.said if said else issuer_case.unsaid)
                keys = issuer_case.rule % f"issuer: {'said' if said else 'unsaid'}-{index}"
                rules += rule(f"issuer-{index}-{said}", keys, f"issuer-{host(index, said)}")
        for index, exchange_case in enumerate(EXCHANGE_CASES):
            for said in (True, False):
                issuers += exchange_issuer(index, said, exchange_case.said if said else exchange_case.unsaid)
        (path / "cases.yaml").write_text(f"version: 1\nenforcement: block\nissuers:\n{issuers}rules:\n{rules}")
        (path / "block.yml").write_text(
            "version: 1\nenforcement: block\nundetermined: annotate\nrules:\n"
            + rule("file-block", VALUE, "file-block.test")
        )
        (path / "defaults.yml").write_text("version: 1\nrules:\n" + rule("file-none", VALUE, "file-none.test"))
        (path / ".hidden.yaml").write_text("no policy")
        (path / "README.md").write_text("no policy")
        (path / "below").mkdir()
        (path / "below" / "other.yaml").write_text("no policy")
        yield path


@pytest.fixture(scope="module")
def language(shared_upstream: Upstream, folder: Path) -> Iterator[GuardingProxy]:
    """The proxy by that policy."""
    with GuardingProxy(shared_upstream, None, "--policy", str(folder)) as process:
        yield process


def ask(
    proxy: GuardingProxy, name: str, path: bytes, *fields: Field, method: bytes = b"GET", body: bytes = b""
) -> Answer:
    """Ask for a host through the reverse proxy."""
    if body:
        fields = (*fields, (b"content-length", b"%d" % len(body)))
    lines = [b"%s %s HTTP/1.1" % (method, path), b"host: " + name.encode()]
    with proxy.raw(REVERSE_PLAIN) as client:
        client.send(b"\r\n".join([*lines, *(b"%s: %s" % field for field in fields), b"", body]))
        return client.read_answer(method)


def became(answer: Answer) -> str:
    """Return what became of a request, and why."""
    for status in answer.values(b"proxy-status"):
        return f"blocked: {status.decode().rpartition('details=')[2].strip(chr(34))}"
    for told in answer.values(b"orgfence"):
        return f"annotated: {told.decode().partition('reason=')[2].partition(';')[0]}"
    assert answer.status == 200
    return GRANTED


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.key for case in CASES])
def test_a_rule_that_says_it_and_one_that_does_not(language: GuardingProxy, upstream: Upstream, index: int) -> None:
    """The proxy does for the one what the key says, and for the other what is so without it."""
    case = CASES[index]
    found = [
        became(ask(language, host(index, said), case.path, *case.fields, method=case.method, body=case.body))
        for said in (True, False)
    ]
    assert found == [case.expected, case.otherwise]
    assert case.expected != case.otherwise
    forwarded = [received for received in upstream.requests if received.complete]
    assert len(forwarded) == sum(not outcome.startswith("blocked") for outcome in found)
    assert all(received.body_bytes == len(case.body) for received in forwarded)


@pytest.mark.parametrize("index", range(len(ISSUER_CASES)), ids=[case.key for case in ISSUER_CASES])
def test_an_issuer_that_says_it_and_one_that_does_not(language: GuardingProxy, index: int) -> None:
    """The proxy reads the one's tokens as the key says, and the other's as without it."""
    case = ISSUER_CASES[index]
    found = []
    for said in (True, False):
        iss = f"https://{'said' if said else 'unsaid'}-{index}"
        claims = json.loads(json.dumps({"iss": "ISS", **case.claims}).replace("ISS", iss))
        token = case.opaque or jwt_of(claims, {"alg": "none", **dict(case.header)})
        answer = ask(language, f"issuer-{host(index, said)}", case.path, (b"authorization", b"Bearer " + token))
        found.append(became(answer))
    assert found == [case.expected, case.otherwise]


@pytest.mark.parametrize("index", range(len(EXCHANGE_CASES)), ids=[case.key for case in EXCHANGE_CASES])
def test_an_exchange_with_an_issuer_that_says_it_and_one_that_does_not(language: GuardingProxy, index: int) -> None:
    """The proxy asks of the one what the key says, and of the other what is so without it."""
    case = EXCHANGE_CASES[index]
    fields, method = ((FORM,), b"POST") if case.body else ((), b"GET")
    found = [
        became(ask(language, f"exchange-{host(index, said)}", case.path, *fields, method=method, body=case.body))
        for said in (True, False)
    ]
    assert found == [case.expected, case.otherwise]


def test_the_hosts_of_a_preset_are_its_issuers(language: GuardingProxy) -> None:
    """All that it names, and what the rule names beside them."""
    for name, expected in (
        ("ready.test", REFUSED),
        ("api.ready.test", REFUSED),
        ("also.test", REFUSED),
        ("unready.test", GRANTED),
    ):
        assert became(ask(language, name, b"/", ACME)) == expected


def test_a_file_speaks_for_its_own_rules(language: GuardingProxy) -> None:
    """What one file says of enforcement and of the undetermined changes nothing for the others."""
    opaque = (b"authorization", b"Bearer opaque")
    assert became(ask(language, "file-block.test", b"/", ACME)) == REFUSED
    assert became(ask(language, "file-block.test", b"/", opaque)) == "annotated: token_opaque"
    assert became(ask(language, "file-none.test", b"/", ACME)) == "annotated: org_not_granted"


GLOBALS = """
disclose: reason
annotate_request: false
log_repeat: 0s
body_limit: ${LIMIT:-8B}
unmatched: block
"""
REST = f"""
version: 1
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
rules:
  - {{id: told, match: {{hosts: [told.test], paths: [/told]}}, {VALUE}, enforcement: block}}
  - {{id: marked, match: {{hosts: [marked.test], paths: [/told]}}, org: {{value: {{file: org.txt}}}}}}
  - {{id: read, match: {{hosts: [read.test], paths: [/told]}}, org: {{body: /o}}, enforcement: block}}
  - {{id: strip, match: {{hosts: [strip.test], paths: [/told]}}, org: {{header: X-Org, strip: true}}}}
  - {{id: keep, match: {{hosts: [keep.test], paths: [/told]}}, org: {{header: X-Org}}}}
"""


@pytest.fixture(scope="module")
def two(shared_upstream: Upstream) -> Iterator[tuple[GuardingProxy, GuardingProxy]]:
    """A proxy by a policy with the global keys in a file of their own, and one without them."""
    with tempfile.TemporaryDirectory(prefix="orgfence-globals-") as name:
        for folder in (Path(name) / "said", Path(name) / "unsaid"):
            folder.mkdir()
            (folder / "rules.yaml").write_text(REST)
            (folder / "org.txt").write_text("globex\n")
        (Path(name) / "said" / "globals.yaml").write_text(f"version: 1\n{GLOBALS}")
        with (
            GuardingProxy(shared_upstream, None, "--policy", f"{name}/said") as said,
            GuardingProxy(shared_upstream, None, "--policy", f"{name}/unsaid") as unsaid,
        ):
            yield said, unsaid


def test_global_keys_are_for_all_files(two: tuple[GuardingProxy, GuardingProxy], upstream: Upstream) -> None:
    """Each of them, against a policy that leaves it out."""
    blocked = [json.loads(ask(each, "told.test", b"/told", ACME).body) for each in two]
    assert ["requested_orgs" in document for document in blocked] == [False, True]
    assert ["globex" in json.dumps(document) for document in blocked] == [False, True]

    assert [became(ask(each, "marked.test", b"/told", ACME)) for each in two] == ["annotated: org_not_granted"] * 2
    assert [len(received.values(b"orgfence")) for received in upstream.requests] == [0, 1]

    body = b'{"o": "acme"}'
    assert [became(ask(each, "read.test", b"/told", ACME, method=b"POST", body=body)) for each in two] == [
        "blocked: body_unread",
        GRANTED,
    ]
    assert [became(ask(each, "told.test", b"/other", ACME)) for each in two] == ["blocked: no_rule", GRANTED]

    for each in two:
        ask(each, "told.test", b"/told", ACME)
        ask(each, "read.test", b"/told", bearer("globex"), method=b"POST", body=b'{"o":1}')
        each.wait_for_event("inspection", lambda event: event.get("rule") == "read")
    assert [len([event for event in each.events("inspection") if event.get("rule") == "told"]) for each in two] == [
        2,
        1,
    ]


def test_a_stripped_header_is_not_forwarded(two: tuple[GuardingProxy, GuardingProxy], upstream: Upstream) -> None:
    """It is judged, and upstream never sees it; without the key upstream does."""
    for name in ("strip.test", "keep.test"):
        assert became(ask(two[0], name, b"/told", ACME, (b"x-org", b"acme"))) == GRANTED
        assert became(ask(two[0], name, b"/told", ACME, (b"x-org", b"globex"))) == "annotated: org_not_granted"
    assert [received.values(b"x-org") for received in upstream.requests] == [[], [], [b"acme"], [b"globex"]]
