"""Policies as plain data, out of a small world: four orgs in all their spellings, three issuers, a few hosts and paths.

So rules overlap, requests match, and tokens fit about as often as they do not.
"""

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st
from tests.property.reference_token import Policy

from orgfence.core.policy.load import load_policy
from orgfence.core.ruleset import Ruleset

ORGS: Policy = {
    "acme": {"id": "8B1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "aliases": ["acme-inc"]},
    "globex": {"id": "globex-1"},
}
#: Every way to write each org.
SPELLINGS = [
    ["acme", "acme-inc", "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01"],
    ["globex", "globex-1"],
    ["initech"],
    ["42"],
]
#: What looks like an org and is none of them.
LOOKALIKES = ["acme-prod", "ACME", "acme ", "acme,globex", "globex-10", "042", "acm\u00e9", "me"]


def compiled(policy: Policy) -> Ruleset:
    """Load a policy as a file would be: JSON is YAML."""
    return load_policy(json.dumps(policy, ensure_ascii=False).encode(), "policy.yaml")


@cache
def chance(one_in: int) -> st.SearchStrategy[bool]:
    """Say yes one time in so many; shrink to no."""
    return st.integers(0, one_in - 1).map(lambda drawn: drawn == one_in // 2)


def some[T](items: list[T], at_most: int = 3) -> st.SearchStrategy[list[T]]:
    """Draw one to a few different items."""
    return st.lists(st.sampled_from(items), min_size=1, max_size=at_most, unique_by=repr)


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
ISS = {"corp": "https://login.example.com", "partner": "https://partner.example.com"}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw a valid policy."""
    policy: Policy = {"version": 1, "orgs": ORGS, "issuers": {}}
    for name in draw(some(["corp", "partner", "anyone"])):
        claims: Policy = {
            "member": draw(st.sampled_from(MEMBER_CLAIMS)),
            "scopes": draw(st.sampled_from(["scope", ["scope", "scp"]])),
        }
        if draw(st.booleans()):
            claims["active"] = draw(st.sampled_from(ACTIVE_CLAIMS))
        policy["issuers"][name] = {"claims": claims} | ({"iss": ISS[name]} if name in ISS else {})
        if draw(chance(4)):
            policy["issuers"][name]["leeway"] = "0s"
    for key in ("enforcement", "undetermined"):
        if draw(chance(3)):
            policy[key] = draw(st.sampled_from(ENFORCEMENTS))
    if draw(st.booleans()):
        policy["unmatched"] = draw(st.sampled_from(["observe", "block"]))
    count = draw(st.integers(1, 4))
    policy["rules"] = [draw(rules(policy["issuers"], f"r{number}")) for number in range(count)]
    return policy


@st.composite
def rules(draw: st.DrawFn, issuers: Policy, rule_id: str) -> Policy:
    """Draw a rule that may stand beside these issuers."""
    rule: Policy = {"id": rule_id, "match": draw(matches())}
    if draw(chance(4)):
        rule["except"] = [{"paths": draw(some(["/orgs/me/**", *PATHS[:-1]], 2))}]
    if not draw(chance(6)):
        rule["org"] = draw(org_sources(rule["match"]))
    if token := draw(demands(issuers, "org" in rule)):
        rule["token"] = token
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
    return match


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
]


@st.composite
def org_sources(draw: st.DrawFn, match: Policy) -> Any:
    """Draw where a rule that matches so may read its org: one source or a list."""
    sources: list[Policy] = [{"header": "X-Org-Id"}, {"query": "org_id"}, {"value": draw(org_words)}]
    if any("{org}" in path for path in match.get("paths", [])):
        sources += [{"path": "org"}] * 5
    if any("{tenant}" in host for host in match["hosts"]):
        sources += [{"host": "tenant"}] * 2
    found = draw(some(sources, 2))
    return found[0] if len(found) == 1 and draw(st.booleans()) else found
