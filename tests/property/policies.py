"""Policies as plain data, out of a small world: a few orgs in all their spellings, three issuers, few hosts and paths.

So rules overlap, requests match, and tokens fit about as often as they do not.
"""

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st
from tests.property.reference_token import Policy

from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.ruleset import Ruleset

ORGS: Policy = {
    "acme": {"id": "8B1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "aliases": ["acme-inc"]},
    "globex": {"id": "globex-1"},
}
#: The two forms of one Salesforce id.
SALESFORCE = ["00D1a000000XyZq", "00D1a000000XyZqEAK"]
#: Every way to write each org.
SPELLINGS = [
    ["acme", "acme-inc", "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01"],
    ["globex", "globex-1"],
    ["initech"],
    ["42"],
    SALESFORCE,
    ["group/web"],
]
#: What looks like an org and is none of them.
LOOKALIKES = ["acme-prod", "ACME", "acme ", "acme,globex", "globex-10", "042", "acm\u00e9", "me", "group", "GLOBEX"]


def compiled(*files: Policy) -> Ruleset:
    """Load a policy of some files: JSON is YAML."""
    texts = [json.dumps(file, ensure_ascii=False).encode() for file in files]
    return load_policy([PolicyText(f"{number}.yaml", text) for number, text in enumerate(texts)]).ruleset


@cache
def chance(one_in: int) -> st.SearchStrategy[bool]:
    """Say yes one time in so many; shrink to no."""
    return st.integers(0, one_in - 1).map(lambda drawn: drawn == one_in // 2)


@st.composite
def some[T](draw: st.DrawFn, items: list[T], at_most: int = 3) -> list[T]:
    """Draw one to a few different items."""
    drawn = [draw(st.sampled_from(items)) for _ in range(draw(_up_to(at_most)))]
    return [item for index, item in enumerate(drawn) if item not in drawn[:index]]


@cache
def _up_to(count: int) -> st.SearchStrategy[int]:
    return st.integers(1, count)


#: An org in one of its spellings.
org_words = st.sampled_from(SPELLINGS).flatmap(st.sampled_from)
#: The same, and at times something else.
words = st.one_of(org_words, org_words, org_words, st.sampled_from(LOOKALIKES))

HOSTS = ["api.example.com", "{tenant}.api.example.com", "*.example.com", "*", "api.example.com:8443", "{tenant}.test"]
PATHS = [
    "/orgs/{org}",
    "/orgs/{org}/**",
    "/orgs/{org}/users/*",
    "/orgs/*/users/{user}",
    "/{org}/items",
    "/p/@{org}/**",
    "/v{version}/orgs/{org}/**",
    "/orgs/acme/**",
    "/public/**",
    "/**",
]
METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]
ENFORCEMENTS = ["observe", "annotate", "block"]
PORTS = [8080, 8081]

MEMBER_CLAIMS: list[Any] = [
    "org_ids",
    "/orgs/*",
    "/orgs/*/id",
    ["org_ids", "tenant"],
    {"claim": "orgs", "split": " "},
    {"claim": "aud", "template": "urn:org:{org}"},
    {"jose": "tnk", "template": "core/{any}/{org}"},
    ["org_ids", {"opaque": "{org}!**"}],
]
ACTIVE_CLAIMS: list[Any] = ["tenant", "org_ids", {"claim": "aud", "template": "urn:org:{org}"}]
ISS: dict[str, str] = {"corp": "https://login.example.com", "partner": "https://partner.example.com"}
#: In what ways each issuer may say what its tokens carry; one has none.
ISS_FIELDS: dict[str, list[Any]] = {
    "corp": [ISS["corp"], ISS["corp"], [ISS["corp"], "https://old.example.com"]],
    "partner": [
        ISS["partner"],
        [ISS["partner"], "https://{tenant}.partner.example.com/**"],
        "https://kc.example.com/realms/{realm}",
    ],
}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw a valid policy of one file."""
    policy: Policy = {"version": 1, "orgs": ORGS, "issuers": {}}
    for name in draw(some(["corp", "partner", "anyone"])):
        claims: Policy = {
            "member": draw(st.sampled_from(MEMBER_CLAIMS)),
            "scopes": draw(st.sampled_from(["scope", ["scope", "scp"]])),
        }
        if draw(st.booleans()):
            claims["active"] = draw(st.sampled_from(ACTIVE_CLAIMS))
        policy["issuers"][name] = {"claims": claims}
        if name in ISS_FIELDS:
            policy["issuers"][name]["iss"] = draw(st.sampled_from(ISS_FIELDS[name]))
        if draw(chance(4)):
            policy["issuers"][name]["leeway"] = "0s"
        if draw(chance(6)):
            policy["issuers"][name]["ids"] = "salesforce"
        policy["issuers"][name] |= draw(apis())
    policy |= draw(defaults())
    if draw(chance(3)):
        policy["body_limit"] = draw(st.sampled_from(["40B", "200B", "1KiB"]))
    if draw(chance(6)):
        # Of these nothing depends but how a decision is told.
        policy |= {"disclose": "reason", "annotate_request": False, "log_repeat": "0s"}
    count = draw(st.integers(1, 4))
    policy["rules"] = [draw(rules(policy["issuers"], f"r{number}")) for number in range(count)]
    return policy


#: Where an issuer's API may name another party.
OTHER_PARTIES: list[Any] = [
    *("/orgs/{org}/**", "/orgs/*/users/{user}", "/p/@{org}/**", "/{org}/items", "/v{version}/**"),
    *("/v{version}/orgs/{org}/**", {"path": "/orgs/{org}", "query": "org_id"}, {"path": "/**", "query": ["org_id"]}),
]


@st.composite
def apis(draw: st.DrawFn) -> Policy:
    """Draw what an issuer says of its API and of its clients, if it does."""
    issuer: Policy = {}
    if draw(chance(3)):
        issuer["other_party"] = draw(some(OTHER_PARTIES, 2))
    if draw(chance(2 if issuer else 8)):
        issuer["hosts"] = draw(some(HOSTS, 2))
    if draw(chance(4)):
        # No request of this world goes there.
        issuer["oauth"] = {"hosts": ["login.elsewhere.org"], "clients": {"app": draw(org_words)}}
    return issuer


@st.composite
def defaults(draw: st.DrawFn) -> Policy:
    """Draw what one file says for its rules that do not say it, and for requests that no rule matches."""
    file: Policy = {}
    for key in ("enforcement", "undetermined"):
        if draw(chance(3)):
            file[key] = draw(st.sampled_from(ENFORCEMENTS))
    if draw(st.booleans()):
        file["unmatched"] = draw(st.sampled_from(["observe", "block"]))
    return file


@st.composite
def folders(draw: st.DrawFn) -> list[Policy]:
    """Draw the files of a policy, one of them most often."""
    policy = draw(policies())
    files = [policy]
    for _ in range(draw(st.integers(1, 2)) if draw(chance(3)) else 0):
        file: Policy = {"version": 1} | draw(defaults())
        for part in ("orgs", "issuers"):
            moved = draw(st.sets(st.sampled_from(sorted(policy[part])))) if policy[part] else set()
            file[part] = {name: policy[part][name] for name in sorted(moved)}
            policy[part] = {name: entry for name, entry in policy[part].items() if name not in moved}
        cut = draw(st.integers(0, len(policy["rules"])))
        file["rules"], policy["rules"] = policy["rules"][:cut], policy["rules"][cut:]
        files.append(file)
    return draw(st.permutations(files))


@st.composite
def rules(draw: st.DrawFn, issuers: Policy, rule_id: str) -> Policy:
    """Draw a rule that may stand beside these issuers."""
    rule: Policy = {"id": rule_id, "match": draw(matches())}
    if draw(chance(3)):
        rule["except"] = draw(st.lists(exceptions(), min_size=1, max_size=2))
    if not draw(chance(6)):
        rule["org"] = draw(org_sources(rule["match"]))
        if draw(chance(4)):
            rule["agree"] = draw(st.sampled_from([True, True, False]))
    if token := draw(demands(issuers, "org" in rule)):
        rule["token"] = token
    usable = [issuers[token["issuer"]]] if "issuer" in token else issuers.values()
    if "org" in rule and any("oauth" in issuer for issuer in usable) and draw(chance(3)):
        rule["org"] = [*([rule["org"]] if isinstance(rule["org"], dict) else rule["org"]), {"client": True}]
    if draw(chance(3)):
        rule["pass_without"] = draw(some(["token", "org", "claim"] if "org" in rule else ["token"]))
    if not draw(chance(5)):
        rule["enforcement"] = draw(st.sampled_from([*ENFORCEMENTS, "block"]))
    if draw(chance(4)):
        rule["undetermined"] = draw(st.sampled_from(ENFORCEMENTS))
    return rule


@st.composite
def matches(draw: st.DrawFn) -> Policy:
    """Draw which requests a rule is for."""
    match: Policy = {"hosts": draw(some(HOSTS, 2))}
    if not draw(chance(8)):
        match["paths"] = draw(some(PATHS, 2))
    if draw(chance(4)):
        match["methods"] = draw(some(METHODS))
    if draw(chance(6)):
        match["listen"] = draw(some(PORTS))
    if draw(chance(4)):
        match["ignore_case"] = draw(st.sampled_from([True, True, False]))
    if draw(chance(3)):
        match["encoded_slash"] = draw(st.sampled_from(["data", "separator"]))
    return match


#: Claims that rules make exceptions by, as a policy names them, and what it lists for them.
TRAITS: dict[str, list[Any]] = {
    "role": ["platform-admin", ["platform-admin", "support"], "7"],
    "/realm/roles": [["platform-admin", "support"], "true"],
    "/realm/roles/*": ["support", ["support", 7]],
    "support": ["true", ["true", "false"]],
}


@st.composite
def exceptions(draw: st.DrawFn, *, by_claims: bool = False) -> Policy:
    """Draw an exception by paths, by claims or by both."""
    exception: Policy = {}
    by = draw(st.sampled_from([["claims"], ["paths", "claims"], *[["paths"]] * (not by_claims)]))
    if "paths" in by:
        exception["paths"] = draw(some(["/orgs/me/**", *PATHS[:-1]], 2))
    if "claims" in by:
        claims = draw(some(sorted(TRAITS), 2))
        exception["claims"] = {claim: draw(st.sampled_from(TRAITS[claim])) for claim in claims}
    return exception


@st.composite
def demands(draw: st.DrawFn, issuers: Policy, has_org: bool) -> Policy:
    """Draw what a rule asks of the token."""
    token: Policy = {}
    if draw(chance(4)):
        token["issuer"] = draw(st.sampled_from(sorted(issuers)))
    if has_org and draw(chance(4)):
        usable = [issuers[token["issuer"]]] if token else issuers.values()
        has_active = any("active" in issuer["claims"] for issuer in usable)
        token["coverage"] = draw(st.sampled_from(["member", "active"] if has_active else ["member"]))
    if draw(chance(4)):
        token["scopes"] = draw(some(["read", "write"]))
    if draw(chance(5)):
        token["from"] = draw(some(PLACES, 2))
    if draw(chance(4)):
        token["unauthenticated"] = draw(st.sampled_from(ENFORCEMENTS))
    return token


PLACES: list[Policy] = [
    {"header": "Authorization", "scheme": "Bearer"},
    {"header": "X-Api-Token"},
    {"query": "access_token"},
    {"cookie": "sid"},
    {"form": "access_token"},
]
#: JSON Pointers to orgs in a body.
POINTERS = ["/organization/id", "/org", "/orgs/*", "/orgs/0/id", "/orgs/*/id"]
_IN_REQUESTS: list[Policy] = [
    *({"query": "org_id"}, {"cookie": "org"}, {"form": "org"}, {"form": "org"}),
    *({"header": "X-Org-Id"}, {"header": "X-Org-Id", "strip": True}, {"value": "acme"}),
]


@st.composite
def org_sources(draw: st.DrawFn, match: Policy) -> Any:
    """Draw where a rule that matches so may read its org: one source or a list."""
    sources = [*_IN_REQUESTS, *({"body": draw(st.sampled_from(POINTERS))} for _ in range(2))]
    if any("{org}" in path for path in match.get("paths", [])):
        sources += [{"path": "org"}] * 6
    if any("{tenant}" in host for host in match["hosts"]):
        sources += [{"host": "tenant"}] * 2
    found = draw(some(sources, 2))
    for index, source in enumerate(found):
        if "value" in source:
            found[index] = {"value": draw(org_words)}
        elif draw(chance(5)):
            found[index] = source | {"split": draw(st.sampled_from([",", " "]))}
    return found[0] if len(found) == 1 and draw(st.booleans()) else found
