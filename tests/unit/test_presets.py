"""Presets: laid under what a policy says, key by key; and what those that ship know."""

import re

import pytest
from tests.guarding import NOW, load, request_of, said
from tests.tokens import jwt_of

from orgfence.core.oauth.exchange import Endpoint
from orgfence.core.policy.faults import Faults, PolicyError
from orgfence.core.policy.lint import lint
from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.outside import Outside, OutsideValues
from orgfence.core.policy.strict_yaml import read_yaml
from orgfence.core.request import Authority
from orgfence.core.rule import Issuer
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.selectors import Selector
from orgfence.policy_source.files import shipped_presets

PRESET = b"""
iss: https://login.preset.test
hosts: [api.preset.test, "*.preset.test:8443"]
claims: {member: org_ids, scopes: [scope, scp]}
leeway: 10s
oauth: {hosts: [login.preset.test], token: [/t], flags: {a: b}}
errors: {body: {say: "{detail}"}, content_type: text/x}
"""


def loaded(*issuers: str, rules: str = "", preset: bytes = PRESET, **environment: str) -> Ruleset:
    """Return the ruleset of issuers and rules, with one preset, `it`."""
    text = "\n".join(["version: 1", "issuers:", *(f"  {issuer}" for issuer in issuers), f"rules: [{rules}]"])
    outside = Outside(environment, presets={"it": preset, "bare": b"leeway: 1s"})
    return load_policy([PolicyText("policy.yaml", text.encode())], outside).ruleset


def faults(*issuers: str, rules: str = "", preset: bytes = PRESET) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        loaded(*issuers, rules=rules, preset=preset)
    return [f"{fault.place}: {fault.message}" for fault in caught.value.faults]


def test_an_issuer_is_what_its_preset_says() -> None:
    """Its name is enough."""
    issuer = loaded("corp: {preset: it}").issuers["corp"]
    assert (issuer.iss, issuer.leeway) == (("https://login.preset.test",), 10.0)
    assert issuer.member == (Selector.claim("org_ids"),)
    assert issuer.oauth is not None
    assert issuer.oauth.flags == {"a": "b"}
    assert issuer.errors is not None
    assert issuer.errors.content_type == "text/x"
    assert [host.text for host in issuer.hosts] == ["api.preset.test", "*.preset.test:8443"]


def test_what_the_policy_says_wins() -> None:
    """In `claims`, `oauth` and `errors` each key by itself; everything else, and what those hold, as a whole."""
    issuer = loaded(
        "corp: {preset: it, iss: [https://a, https://b], hosts: [a.test], leeway: 20s, "
        "claims: {scopes: scp, active: org}, oauth: {flags: {c: d}, clients: {app: acme}}, errors: {body: {x: 1}}}"
    ).issuers["corp"]
    assert (issuer.iss, issuer.leeway) == (("https://a", "https://b"), 20.0)
    assert [host.text for host in issuer.hosts] == ["a.test"]
    assert (issuer.member, issuer.active) == ((Selector.claim("org_ids"),), (Selector.claim("org"),))
    assert issuer.scopes == (Selector.claim("scp"),)
    assert issuer.oauth is not None
    assert (issuer.oauth.flags, issuer.oauth.clients) == ({"c": "d"}, {"app": b"acme"})
    assert issuer.errors is not None
    assert (issuer.errors.body, issuer.errors.content_type) == ({"x": 1}, "text/x")


def test_a_preset_may_come_from_the_environment() -> None:
    """As any value may."""
    assert loaded("corp: {preset: '${P}'}", P="it").issuers["corp"].leeway == 10.0


def test_a_fault_of_what_a_preset_says_is_told_where_the_policy_names_it() -> None:
    """There it can be mended: nobody has the file of the preset open."""
    assert faults("a: {preset: it}", "b: {preset: it}") == [
        "policy.yaml:4:15: the issuer `a` (line 3) has this `iss` already. Make the two one issuer"
    ]
    assert faults("a: {preset: it, claims: x}", preset=b"lookup: {url: x, active: [a, {b: c}]}") == [
        "policy.yaml:3:15: keys and values, where text belongs. Quote it if `{` is part of the text",
        "policy.yaml:3:27: keys and values belong here. `claims` takes `member`, `active` and `scopes`",
    ]
    assert faults("a: {preset: it, leeway: 1}") == [
        "policy.yaml:3:27: `1` is no duration. Write one such as `500ms`, `30s`, `2m` or `1h`"
    ]


def test_no_preset_is_known_where_none_is_handed_in() -> None:
    """The core reads no files."""
    with pytest.raises(PolicyError, match=re.escape("unknown preset `generic`. There are none here")):
        load_policy([PolicyText("p", b"version: 1\nissuers: {a: {preset: generic}}")])


@pytest.mark.parametrize(
    ("issuers", "hosts", "expected"),
    [
        (["corp: {preset: it}"], "preset:it", ["api.preset.test", "*.preset.test:8443"]),
        # Nothing has to be an issuer by it,
        (["corp: {claims: {member: a}}"], "preset:it", ["api.preset.test", "*.preset.test:8443"]),
        # nor stand alone.
        (
            ["corp: {preset: it}"],
            "a.test, 'preset:it', b.test",
            ["a.test", "api.preset.test", "*.preset.test:8443", "b.test"],
        ),
        (["corp: {preset: it}"], "'${H:-preset:it}'", ["api.preset.test", "*.preset.test:8443"]),
        # An issuer's own are meant, and all of them.
        (["corp: {preset: it, hosts: [a.test]}"], "preset:it", ["a.test"]),
        (
            [
                "a: {preset: it, iss: https://a, hosts: [a.test]}",
                "b: {preset: it, iss: https://b, hosts: ['${H:-b.test}']}",
            ],
            "preset:it",
            ["a.test", "b.test"],
        ),
        (["corp: {preset: bare, hosts: [a.test]}"], "preset:bare", ["a.test"]),
    ],
)
def test_a_rule_may_name_the_hosts_of_a_preset(issuers: list[str], hosts: str, expected: list[str]) -> None:
    """What stands for them is as good as they are."""
    ruleset = loaded(*issuers, rules=f"{{id: a, match: {{hosts: [{hosts}]}}}}")
    assert [route.host.text for route in ruleset.routes if route.rule.exchange is None] == expected


def test_hosts_of_a_preset_from_a_file_are_read() -> None:
    """Wherever a value may come from."""
    text = b"""
version: 1
issuers: {corp: {preset: it, hosts: [{file: host}]}}
rules: [{id: a, match: {hosts: ["preset:it"]}}]
"""
    outside = Outside(read_file=lambda path, _: f"{path}.test", presets={"it": b"{}"})
    assert load_policy([PolicyText("p", text)], outside).ruleset.guards(Authority(b"host.test", 443))


def test_the_issuer_and_the_rule_may_be_in_different_files() -> None:
    """Issuers are known in all files of a policy."""
    texts = [
        PolicyText("a", b"version: 1\nrules: [{id: a, match: {hosts: ['preset:it']}}]"),
        PolicyText("b", b"version: 1\nissuers: {corp: {preset: it, hosts: [b.test]}}"),
    ]
    ruleset = load_policy(texts, Outside(presets={"it": PRESET})).ruleset
    assert ruleset.guards(Authority(b"b.test", 443))
    assert not ruleset.guards(Authority(b"api.preset.test", 443))


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("issuers: preset:it", ["names belong here"]),
        ("issuers: {corp: x}", ["keys and values belong here"]),
        ("issuers: {corp: {preset: }}", ["no value"]),
        ("issuers: {corp: {preset: {a: b}}}", ["keys and values, where text belongs"]),
        ("issuers: {corp: {preset: '${'}}", ["`${` has a `${` that names nothing"]),
        ("issuers: {corp: {preset: it, hosts: it}}", ["a list belongs here"]),
        ("issuers: {corp: {preset: it}}\nrules: a", ["a list belongs here"]),
        ("issuers: {corp: {preset: it}}\nrules: [a]", ["keys and values belong here"]),
        ("issuers: {corp: {preset: it}}\nrules: [{id: a, match: a}]", ["keys and values belong here"]),
        ("issuers: {corp: {preset: it}}\nrules: [{id: a, match: {hosts: a}}]", ["a list belongs here"]),
        (
            "issuers: {corp: {preset: it}}\nrules: [{id: a, match: {hosts: [[a], '${']}}]",
            ["a list, where", "`${` has a"],
        ),
        ("issuers: {corp: {preset: it}}\nrules: [{id: a, match: {hosts: ['preset:']}}]", ["unknown preset ``"]),
    ],
)
def test_what_has_another_shape_is_left_to_the_models(text: str, messages: list[str]) -> None:
    """One fault, worded as ever."""
    with pytest.raises(PolicyError) as caught:
        load_policy([PolicyText("p", f"version: 1\n{text}\n".encode())], Outside(presets={"it": PRESET}))
    found = [fault.message for fault in caught.value.faults]
    assert len(found) == len(messages)
    for message, expected in zip(found, messages, strict=True):
        assert message.startswith(expected)


def test_a_preset_is_part_of_what_was_loaded() -> None:
    """Another version of it makes another generation; one that is not used does not."""
    used = loaded("corp: {preset: it}").generation
    assert loaded("corp: {preset: it}").generation == used
    assert loaded("corp: {preset: it}", preset=PRESET + b"\n").generation != used
    assert loaded("corp: {}").generation == loaded("corp: {}", preset=b"{}").generation


def test_lint_says_nothing_of_single_hosts_of_a_preset() -> None:
    """They cannot be left out one by one; what stands beside them can."""
    issuer = "issuers: {corp: {preset: it, claims: {member: org_ids}}}"
    for hosts, expected in (
        ("['preset:it', a.test]", []),
        ("['preset:it', '*.test']", []),
        ("['preset:it', 'preset:it']", []),
        ("[api.preset.test, 'preset:it']", []),
        ("['preset:it', api.preset.test]", ["covered_host"]),
        ("['preset:it', x.preset.test:8443]", ["covered_host"]),
    ):
        example = "{request: 'GET https://api.preset.test/', verdict: allow}"
        text = f"version: 1\n{issuer}\nrules: [{{id: a, match: {{hosts: {hosts}}}, examples: [{example}]}}]"
        policy = load_policy([PolicyText("p", text.encode())], Outside(presets={"it": PRESET}))
        assert [finding.code for finding in lint(policy)] == expected, hosts


@pytest.mark.parametrize("name", shipped_presets())
def test_a_preset_that_ships_is_an_issuer(name: str) -> None:
    """It has the keys of one and no fault; its first lines say what it is, and how it is used."""
    data = shipped_presets()[name]
    found = Faults()
    entry = IssuerEntry.model_validate(read_yaml(data, name, 0, found), context=OutsideValues(Outside()))
    found.raise_any()
    assert entry.preset is None

    comment = [line.removeprefix("#") for line in data.decode().splitlines() if line.startswith("#")]
    usage = "\n".join(line.removeprefix("   ") for line in comment if line.startswith("   "))
    assert 0 < len(usage.splitlines()) <= 5
    assert load(f"version: 1\n{usage}\n").issuers


def test_the_starter_is_no_preset() -> None:
    """It lies beside them and is a whole policy."""
    assert {*shipped_presets()} == {"generic", "genesys-cloud"}


GENERIC = """
version: 1
orgs: {acme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01}}
issuers: {corp: {preset: generic, iss: https://login.example.com, oauth: {hosts: [login.example.com]}}}
rules:
  - id: a
    match: {hosts: [api.example.com], paths: ["/api/v2/organizations/{org}/**"]}
    org: {path: org}
    token: {scopes: ["organization:read"]}
    enforcement: block
"""
# As a token of a sign-in for two orgs looks, decoded.
STORY = {
    "iss": "https://login.example.com",
    "sub": "user-1",
    "client_id": "nightly-export",
    "org_ids": ["8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02"],
    "scope": "organization:read user:read",
    "exp": NOW + 3600,
}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, "forwarded: org_granted"),
        ({"org_ids": ["1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02"]}, "blocked: org_not_granted"),
        ({"org_ids": []}, "blocked: org_claim_empty"),
        ({"scope": "user:read"}, "blocked: scope_missing"),
        ({"iss": "https://elsewhere.example.com"}, "blocked: issuer_untrusted"),
    ],
)
def test_the_generic_preset_reads_the_tokens_of_the_story(claims: dict[str, object], expected: str) -> None:
    """A JWT with `org_ids` and `scope`."""
    token = (b"Authorization", b"Bearer " + jwt_of({**STORY, **claims}))
    request = request_of(b"/api/v2/organizations/acme/users", token)
    assert said(load(GENERIC), request) == expected


def test_the_generic_preset_speaks_with_the_issuer_of_the_story() -> None:
    """`org_id` and `multi_org` when signing in, `scope` with each refresh, at both paths that are about."""
    ruleset = load(GENERIC)
    oauth = ruleset.issuers["corp"].oauth
    assert oauth is not None
    assert (oauth.org_parameters, oauth.flags, oauth.refresh_needs_scope) == (("org_id",), {"multi_org": "true"}, True)
    paths = {(each.rule.exchange.endpoint, each.path.text) for each in ruleset.routes if each.rule.exchange}
    assert paths >= {
        (Endpoint.AUTHORIZE, "/oauth/authorize"),
        (Endpoint.AUTHORIZE, "/oauth2/authorize"),
        (Endpoint.TOKEN, "/oauth/token"),
        (Endpoint.TOKEN, "/oauth2/token"),
    }


GENESYS = """
version: 1
issuers: {genesys: {preset: genesys-cloud}}
rules: [{id: a, match: {hosts: ["preset:genesys-cloud"]}, org: {header: X-Org}, enforcement: block}]
"""
REGIONS = [
    "mypurecloud.com",
    "use2.us-gov-pure.cloud",
    "usw2.pure.cloud",
    "cac1.pure.cloud",
    "mxc1.pure.cloud",
    "sae1.pure.cloud",
    "mypurecloud.ie",
    "euw2.pure.cloud",
    "mypurecloud.de",
    "euc2.pure.cloud",
    "edee1.eusc-pure.cloud",
    "mec1.pure.cloud",
    "aps1.pure.cloud",
    "mypurecloud.jp",
    "apne2.pure.cloud",
    "apne3.pure.cloud",
    "apse1.pure.cloud",
    "mypurecloud.com.au",
]


def genesys() -> Issuer:
    """Return the issuer of the shortest policy there is."""
    return load("version: 1\nissuers: {genesys: {preset: genesys-cloud}}").issuers["genesys"]


@pytest.mark.parametrize("region", REGIONS)
def test_genesys_cloud_is_guarded_in_every_region(region: str) -> None:
    """API and login; what has a name like it is somebody else's."""
    ruleset = load(GENESYS)
    rules = {}
    for name in ("api", "login"):
        (host,) = ruleset.index.hosts(Authority(f"{name}.{region}".encode(), 443))
        rules[name] = {route.rule.id for route in host.paths.routes}
    assert rules == {"api": {"a"}, "login": {"oauth/genesys"}}
    for name in (f"api.{region}.evil.test", f"api.x.{region}", f"evil-api.{region}", region):
        assert not ruleset.guards(Authority(name.encode(), 443))


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        (b"/oauth/authorize", Endpoint.AUTHORIZE),
        (b"/authorize", Endpoint.AUTHORIZE),
        (b"/oauth2/authorize", Endpoint.AUTHORIZE),
        (b"/oauth/token", Endpoint.TOKEN),
        (b"/oauth2/token", Endpoint.TOKEN),
    ],
)
def test_genesys_cloud_is_spoken_with_at_the_paths_that_are_documented_and_at_those_that_are_about(
    path: bytes, endpoint: Endpoint
) -> None:
    """The latter in many posts."""
    (host,) = load(GENESYS).index.hosts(Authority(b"login.mypurecloud.de", 443))
    (route,) = host.paths.find(path.split(b"/")[1:])
    assert route.rule.exchange is not None
    assert route.rule.exchange.endpoint is endpoint


def test_genesys_cloud_takes_target() -> None:
    """The org's id in `target`, or its short name in `org` beside `provider`; refreshes need no scope."""
    oauth = genesys().oauth
    assert oauth is not None
    assert (oauth.org_parameters, oauth.flags, oauth.refresh_needs_scope) == (("target", "org"), {}, False)


def test_genesys_cloud_has_its_own_scopes() -> None:
    """134, and `all`; a domain alone is reading and writing, and there is no `:read`."""
    oauth = genesys().oauth
    assert oauth is not None
    assert oauth.scopes is not None
    known = ["organization", "organization:readonly", "user-basic-info", "audits:readonly", "all", "openid"]
    assert oauth.scopes.unknown(known) == []
    wrong = ["organization:read", "user:read", "organization:write", "notifications:readonly", "audits", "users:view"]
    assert oauth.scopes.unknown(wrong) == wrong
    assert oauth.scopes.nearest("organization:read") == "organization:readonly"
    assert oauth.scopes.nearest("users:view") == "users"
    listed = read_yaml(shipped_presets()["genesys-cloud"], "", 0, Faults())["oauth"]["scopes"]  # type: ignore[index,call-overload] # it is a mapping
    assert len(listed) == len(set(listed)) == 135


# From the public fixtures of its web SDK, decoded.
GUEST = {
    "data": {"jid": "acd-1@conference.TEST.orgspan.com"},
    "exp": NOW + 3600,
    "iat": NOW,
    "iss": "urn:purecloud:conversation",
    "org": "80883333-8617-472f-8274-58d5b9a10033",
}


@pytest.mark.parametrize(
    ("token", "org", "expected"),
    [
        (jwt_of(GUEST), b"80883333-8617-472F-8274-58d5b9a10033", "forwarded: org_granted"),
        (jwt_of(GUEST), b"2a3a43e5-e89c-406e-badf-e79288bd4ab0", "blocked: org_not_granted"),
        (jwt_of(STORY), b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "forwarded: org_granted"),
        (jwt_of(STORY), b"2a3a43e5-e89c-406e-badf-e79288bd4ab0", "blocked: org_not_granted"),
        (
            b"vLpVOxWZmQZYsZX4oVkiVOxGUr0MrQRzFgGhQxQ0cRgo",
            b"2a3a43e5-e89c-406e-badf-e79288bd4ab0",
            "blocked: token_opaque",
        ),
    ],
)
def test_genesys_cloud_reads_the_tokens_that_there_are(token: bytes, org: bytes, expected: str) -> None:
    """Those of guests, those of the story; access tokens are opaque."""
    request = request_of(
        b"/api/v2/users", (b"Authorization", b"bearer " + token), (b"X-Org", org), hosts=(b"api.mypurecloud.com",)
    )
    assert said(load(GENESYS), request) == expected


def test_genesys_cloud_keeps_its_lookup_for_later() -> None:
    """A who-am-I that leaves the session's timeout as it is."""
    lookup = genesys().lookup
    assert lookup is not None
    assert lookup.url == "https://{host}/api/v2/tokens/me?preserveIdleTTL=true"
    assert (lookup.method, lookup.timeout) == ("GET", 2.0)
    answer = {
        "organization": {"id": "2a3a43e5", "name": "customerorgname"},
        "homeOrganization": {"id": "4b70ee8c", "name": "partnerorgname"},
        "authorizedScope": ["users"],
    }
    assert [selector.find(answer) for selector in lookup.active] == [["2a3a43e5"]]
    assert [selector.find(answer) for selector in lookup.member] == [["2a3a43e5"], ["4b70ee8c"]]
    assert [selector.find(answer) for selector in lookup.scopes] == [[["users"]]]


# All operations of its API (of 3,355 in the Python SDK 269) that have an org's id in path or query, by any method:
# its capture or parameter, and the path.
OPERATIONS = """
trustorOrgId /api/v2/billing/trusteebillingoverview/{trustorOrgId}
?trustorId /api/v2/externalcontacts/organizations
trustorId /api/v2/externalcontacts/organizations/{externalOrganizationId}/trustor/{trustorId}
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/clonedusers
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/clonedusers/{trusteeUserId}
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/groups
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/groups/{trusteeGroupId}
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/groups/{trusteeGroupId}/roledivisions
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/groups/{trusteeGroupId}/roles
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/users
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/users/{trusteeUserId}
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/users/{trusteeUserId}/roledivisions
trusteeOrgId /api/v2/orgauthorization/trustees/{trusteeOrgId}/users/{trusteeUserId}/roles
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/clonedusers
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/clonedusers/{trusteeUserId}
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/groups
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/groups/{trustorGroupId}
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/users
trustorOrgId /api/v2/orgauthorization/trustors/{trustorOrgId}/users/{trusteeUserId}
?activeRoutingOrganizationId /api/v2/telephony/numbers/routing
?ownerOrganizationId /api/v2/telephony/numbers/routing
requestingOrganizationId /api/v2/telephony/organization/link/approve/{requestingOrganizationId}
targetOrganizationId /api/v2/telephony/organization/link/{targetOrganizationId}
externalOrganizationId /api/v2/externalcontacts/organizations/{externalOrganizationId}
""".strip().splitlines()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_other_party_of_genesys_cloud_is_not_compared(operation: str) -> None:
    """Wherever its API has an org's id, it is that of whoever trusts, is trusted or is linked."""
    name, path = operation.split()
    source = f"{{query: {name[1:]}}}" if name.startswith("?") else f"{{path: {name}}}"
    rules = (
        f"{{id: a, match: {{hosts: ['preset:genesys-cloud'], paths: ['{path}']}}, org: {source}, enforcement: block}}"
    )
    ruleset = load(f"version: 1\nissuers: {{genesys: {{preset: genesys-cloud}}}}\nrules: [{rules}]")
    target = re.sub(r"\{\w+\}", "2a3a43e5-e89c-406e-badf-e79288bd4ab0", path).encode()
    query = f"{name}=2a3a43e5-e89c-406e-badf-e79288bd4ab0".encode() if name.startswith("?") else b""
    token = (b"Authorization", b"Bearer " + jwt_of(STORY))
    assert said(ruleset, request_of(target + query, token, hosts=(b"api.usw2.pure.cloud",))) == "forwarded: not_judged"


@pytest.mark.parametrize(
    ("target", "body", "expected"),
    [
        # As its SDKs ask,
        (b"/oauth/authorize?client_id=a&response_type=code&target=2a3a43e5", b"", "forwarded: exchange_sound"),
        (b"/oauth/authorize?client_id=a&org=acme&provider=okta", b"", "forwarded: exchange_sound"),
        (b"/oauth/token", b"grant_type=refresh_token&refresh_token=r", "forwarded: exchange_sound"),
        (b"/oauth/token", b"grant_type=client_credentials", "forwarded: exchange_sound"),
        # and as the story goes.
        (b"/oauth2/authorize?client_id=a&org_id=2a3a43e5", b"", "annotated: authorize_org_parameter"),
        (b"/authorize?client_id=a", b"", "annotated: authorize_org_missing"),
        (b"/oauth/authorize?target=2a3a43e5&scope=organization:read", b"", "annotated: scope_form"),
    ],
)
def test_genesys_cloud_is_asked_as_it_wants_to_be(target: bytes, body: bytes, expected: str) -> None:
    """What works passes, and what its API ignores without a word is told."""
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    method = b"POST" if body else b"GET"
    request = request_of(target, form, method=method, body=body, hosts=(b"login.mypurecloud.com",))
    assert said(load(GENESYS), request) == expected
