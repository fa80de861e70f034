"""Credentials: most of them tokens of a policy's issuers, some a little wrong, some wholly."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st
from tests.property.policies import ISS, PLACES, chance
from tests.property.reference_token import Policy, listed
from tests.tokens import jwt_of

NOW = 1_800_000_000.0


@st.composite
def claim_sets(draw: st.DrawFn, issuer: Policy, orgs: list[str]) -> Policy:
    """Draw the claims of a token that is most likely of this issuer and for these orgs."""
    claims: Policy = {}
    iss = draw(issuer_ids(issuer, orgs))
    if iss is not None:
        claims["iss"] = iss
    for name in sorted(SHAPES) if draw(chance(3)) else _claims_of(issuer):
        claims[name] = draw(st.sampled_from(ODD_CLAIMS)) if draw(chance(6)) else draw(SHAPES[name])(orgs)
    for name in ("scope", "scp"):
        if draw(st.booleans()):
            claims[name] = draw(
                st.sampled_from(["read write", "read write", "read", ["read", "write"], ["write", 1], 5])
            )
    if draw(chance(3)):
        claims |= draw(st.sampled_from(TRAITS))
    claims |= draw(clients(issuer))
    if draw(st.booleans()):
        claims["exp"] = NOW + draw(times)
    for name in ("nbf", "iat"):
        if draw(chance(3)):
            claims[name] = NOW - draw(times)
    if draw(chance(20)):
        claims[draw(st.sampled_from(["exp", "nbf", "iat"]))] = draw(st.sampled_from(["9999999999", True, None, [1]]))
    return claims


@st.composite
def clients(draw: st.DrawFn, issuer: Policy) -> Policy:
    """Draw whose client a token was issued to, most often where the issuer knows that."""
    if "oauth" not in issuer and not draw(chance(8)):
        return {}
    return draw(st.sampled_from([{"client_id": "app"}, {"azp": "app"}, {"client_id": "nobody", "azp": "app"}, {}]))


@st.composite
def issuer_ids(draw: st.DrawFn, issuer: Policy, orgs: list[str]) -> Any:
    """Draw an `iss` that is most likely this issuer's."""
    iss = draw(st.sampled_from([*listed(issuer.get("iss")) * 6, *ISS.values(), "https://nobody.example.com", None, 7]))
    if not isinstance(iss, str):
        return iss
    filled = draw(st.sampled_from([orgs[0], orgs[0], "acme", "a/b", ""]))
    return re.sub(r"\{\w+\}", lambda _: filled, iss).replace("**", draw(st.sampled_from(["", "v2"])))


def _claims_of(issuer: Policy) -> list[str]:
    """Return the claims in which an issuer names orgs."""
    written = json.dumps(issuer["claims"])
    return [name for name in sorted(SHAPES) if name in written]


#: The shapes in which each claim may hold orgs.
SHAPES: dict[str, st.SearchStrategy[Callable[[list[str]], Any]]] = {
    "org_ids": st.sampled_from(
        [list, list, lambda orgs: orgs[0], lambda orgs: dict.fromkeys(orgs, 1), lambda orgs: [*orgs, 42]]
    ),
    "orgs": st.sampled_from(
        [list, " ".join, lambda orgs: [{"id": org} for org in orgs], lambda orgs: {org: {"id": org} for org in orgs}]
    ),
    "aud": st.sampled_from(
        [lambda orgs: f"urn:org:{orgs[0]}", lambda orgs: ["api", *(f"urn:org:{org}" for org in orgs)]]
    ),
    "tenant": st.sampled_from([lambda orgs: orgs[0], lambda orgs: orgs[0], list, lambda orgs: {orgs[0]: {}}]),
}
#: What is there and names no org, or none that can be told.
ODD_CLAIMS: list[Any] = [
    [],
    "",
    True,
    1.5,
    None,
    [[]],
    {},
    [None],
    [{"id": "acme"}],
    [7, False],
    42,
    ["acme", ""],
    "urn:x",
]


#: What rules make exceptions by, and what only resembles it.
TRAITS: list[Policy] = [
    *({"role": value} for value in ("platform-admin", ["x", "platform-admin"], {"support": 1}, 7, "7", 7.0, [["7"]])),
    *(
        {"realm": {"roles": value}}
        for value in ("support", ["support", "x"], [["support"]], {"a": "support"}, [True], [])
    ),
    *({"support": value} for value in (True, False, "true", "TRUE", 1, None)),
    {"role": "platform-admin", "realm": {"roles": [["support", 7]]}, "support": True},
    {"/realm/roles": "support", "realm": ["support"]},
]


#: Seconds from now, most of them ahead; the bounds of the leeway among them.
times = st.sampled_from([3600, 3600, 3600, 0.5, 0, -29.5, -30, -31, -31, -3600])


@st.composite
def credentials(draw: st.DrawFn, issuer: Policy, orgs: list[str]) -> bytes:
    """Draw a credential that is most likely a JWT of this issuer and for these orgs."""
    claims = draw(claim_sets(issuer, orgs))
    header = {"alg": "RS256"} | draw(st.sampled_from([{}, {}, {"tnk": f"core/prod/{orgs[0]}"}, {"tnk": 5}]))
    token = jwt_of(claims, header)
    if not draw(chance(10)):
        return token
    first, _, rest = token.partition(b".")
    return draw(
        st.sampled_from(
            [
                b"opaque-token",
                orgs[0].encode() + b"!AQ1",
                b"\xff\xfe",
                jwt_of({"orgs": orgs}, {"typ": "no alg"}),
                jwt_of(b"[]", header),
                jwt_of(b"not json", header),
                jwt_of(b'{"iss": "\xff"}', header),
                jwt_of(b'{"org_ids": "acme", "org_ids": "globex"}', header),
                jwt_of(b'{"org_ids": {"acme": 1, "acme": 2}}', header),
                first + b"==." + rest,
                b"x" * (16 * 1024 + draw(st.integers(0, 1))),
            ]
        )
    )


@st.composite
def credential_fields(
    draw: st.DrawFn, policy: Policy, rule: Policy, granted: list[str]
) -> tuple[list[tuple[bytes, bytes]], list[bytes], list[str]]:
    """Draw what most likely carries one credential where a rule looks: in header fields, query and form."""
    fields: list[tuple[bytes, bytes]] = []
    parameters: list[bytes] = []
    form: list[str] = []
    for place in rule.get("token", {}).get("from", PLACES[:1]):
        if draw(chance(8)):
            continue
        issuer = rule.get("token", {}).get("issuer") or draw(st.sampled_from(sorted(policy["issuers"])))
        credential = draw(credentials(policy["issuers"][issuer], granted))
        if "query" in place:
            parameters.append(place["query"].encode() + b"=" + credential)
        elif "form" in place:
            form.append(f"{place['form']}={quote_plus(credential)}")
        elif "cookie" in place:
            fields.append((b"Cookie", b"a=1; sid=" + credential + b"; b=2"))
        else:
            schemes = [b"Bearer "] * 6 + [b"bearer  ", b"Basic "] if "scheme" in place else [b""]
            fields.append((place["header"].encode(), draw(st.sampled_from(schemes)) + credential))
        if not draw(chance(4)):
            break
    return fields, parameters, form
