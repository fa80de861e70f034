"""Policies as plain data, and requests that hit their rules often, hostile ones among them.

What is drawn comes from a small world: four orgs in all their spellings, three issuers, a handful of hosts and paths.
So rules overlap, requests match, and tokens fit about as often as they do not.
"""

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from orgfence.core.policy.load import load_policy
from orgfence.core.request import Authority, Request
from orgfence.core.ruleset import Ruleset
from tests.property.reference import Policy

NOW = 1_800_000_000.0

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


class Case(NamedTuple):
    """A policy and a request that is likely to be about it."""

    policy: Policy
    request: Request
    now: float


def compiled(policy: Policy) -> Ruleset:
    """Load a policy as a file would be: JSON is YAML."""
    return load_policy(json.dumps(policy, ensure_ascii=False).encode(), "policy.yaml")


def jwt(claims: object, header: object = None, signature: str = "c2ln") -> bytes:
    """Write a JWT."""
    parts = [{"alg": "RS256", "typ": "JWT"} if header is None else header, claims]
    written = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in parts]
    encoded = [base64.urlsafe_b64encode(item).rstrip(b"=") for item in written]
    return b".".join([*encoded, signature.encode()])


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

# Policies.

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
def policies(draw: st.DrawFn, unmatched: str | None = None) -> Policy:
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
    if unmatched is not None or draw(st.booleans()):
        policy["unmatched"] = unmatched or draw(st.sampled_from(["observe", "block"]))
    count = draw(st.integers(1, 4))
    policy["rules"] = [draw(rules(policy["issuers"], f"r{number}")) for number in range(count)]
    return policy


@st.composite
def rules(draw: st.DrawFn, issuers: Policy, rule_id: str) -> Policy:
    """Draw a rule that may stand beside these issuers."""
    match: Policy = {"hosts": draw(some(HOSTS, 2))}
    if not draw(chance(8)):
        match["paths"] = draw(some(PATHS, 2))
    if draw(chance(4)):
        match["methods"] = draw(some(METHODS))
    if draw(chance(6)):
        match["listen"] = draw(some(PORTS))
    rule: Policy = {"id": rule_id, "match": match}
    if draw(chance(4)):
        rule["except"] = [{"paths": draw(some(["/orgs/me/**", *PATHS[:-1]], 2))}]

    token: Policy = {}
    if not draw(chance(6)):
        rule["org"] = draw(org_sources(match))
        usable = list(issuers.values())
        if draw(chance(4)):
            token["issuer"] = draw(st.sampled_from(sorted(issuers)))
            usable = [issuers[token["issuer"]]]
        has_active = any("active" in issuer["claims"] for issuer in usable)
        if draw(chance(4)):
            token["coverage"] = draw(st.sampled_from(["member", "active"] if has_active else ["member"]))
    if draw(chance(4)):
        token["scopes"] = draw(some(["read", "write"]))
    if draw(chance(5)):
        token["from"] = draw(some(PLACES, 2))
    if draw(chance(4)):
        token["unauthenticated"] = draw(st.sampled_from(ENFORCEMENTS))
    if token:
        rule["token"] = token
    if draw(chance(3)):
        rule["pass_without"] = draw(some(["token", "org", "claim"] if "org" in rule else ["token"]))
    if not draw(chance(5)):
        rule["enforcement"] = draw(st.sampled_from([*ENFORCEMENTS, "block"]))
    if draw(chance(4)):
        rule["undetermined"] = draw(st.sampled_from(ENFORCEMENTS))
    return rule


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


# Credentials.


@st.composite
def claim_sets(draw: st.DrawFn, issuer: Policy, orgs: list[str]) -> Policy:
    """Draw the claims of a token that is most likely of this issuer and for these orgs."""
    claims: Policy = {}
    iss = draw(st.sampled_from([issuer.get("iss")] * 6 + [*ISS.values(), "https://nobody.example.com", None, 7]))
    if iss is not None:
        claims["iss"] = iss
    for name in {"org_ids", "orgs", "aud", "tenant"} if draw(chance(3)) else _claims_of(issuer):
        shapes = SHAPES[name]
        claims[name] = draw(st.sampled_from(ODD_CLAIMS) if draw(chance(6)) else shapes.map(lambda shape: shape(orgs)))  # noqa: B023
    for name in ("scope", "scp"):
        if draw(st.booleans()):
            claims[name] = draw(
                st.sampled_from(["read write", "read write", "read", ["read", "write"], ["write", 1], 5])
            )
    if draw(st.booleans()):
        claims["exp"] = NOW + draw(times)
    for name in ("nbf", "iat"):
        if draw(chance(4)):
            claims[name] = NOW - draw(times)
    if draw(chance(20)):
        claims[draw(st.sampled_from(["exp", "nbf", "iat"]))] = draw(st.sampled_from(["9999999999", True, None, [1]]))
    return claims


def _claims_of(issuer: Policy) -> list[str]:
    """Return the claims in which an issuer names orgs."""
    written = json.dumps(issuer["claims"])
    return [name for name in ("org_ids", "orgs", "aud", "tenant") if name in written]


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


#: Seconds from now, most of them ahead; the bounds of the leeway among them.
times = st.sampled_from([3600, 3600, 3600, 0.5, 0, -29, -29.5, -30, -31, -3600])


@st.composite
def credentials(draw: st.DrawFn, issuer: Policy, orgs: list[str]) -> bytes:
    """Draw a credential that is most likely a JWT of this issuer and for these orgs."""
    claims = draw(claim_sets(issuer, orgs))
    header = {"alg": "RS256"} | draw(st.sampled_from([{}, {}, {"tnk": f"core/prod/{orgs[0]}"}, {"tnk": 5}]))
    token = jwt(claims, header)
    if not draw(chance(10)):
        return token
    first, _, rest = token.partition(b".")
    return draw(
        st.sampled_from(
            [
                b"opaque-token",
                orgs[0].encode() + b"!AQ1",
                b"\xff\xfe",
                jwt({"orgs": orgs}, {"typ": "no alg"}),
                jwt(b"[]", header),
                jwt(b"not json", header),
                jwt(b'{"iss": "\xff"}', header),
                jwt(b'{"org_ids": "acme", "org_ids": "globex"}', header),
                jwt(b'{"org_ids": {"acme": 1, "acme": 2}}', header),
                first + b"==." + rest,
                b"x" * (16 * 1024 + draw(st.integers(0, 1))),
            ]
        )
    )


# Requests.


@st.composite
def requests(draw: st.DrawFn, policy: Policy) -> Request:
    """Draw a request that most likely matches one of the rules."""
    rule = draw(st.sampled_from(policy["rules"]))
    asked, granted = draw(words), [draw(words) for _ in range(draw(st.integers(1, 2)))]
    if not draw(chance(3)):
        granted[-1] = draw(st.sampled_from(next((same for same in SPELLINGS if asked in same), [asked])))

    names = [draw(host_names(rule, asked))]
    if draw(chance(5)):
        names.append(draw(st.sampled_from(policy["rules"]).flatmap(lambda other: host_names(other, asked))))
    headers: list[tuple[bytes, bytes]] = []
    if draw(chance(3)):
        headers.append((b"Host", draw(st.sampled_from(names) | host_names(rule, "globex")).name))

    query = draw(queries(asked))
    for place in rule.get("token", {}).get("from", PLACES[:1]):
        if draw(chance(8)):
            continue
        issuer = rule.get("token", {}).get("issuer") or draw(st.sampled_from(sorted(policy["issuers"])))
        credential = draw(credentials(policy["issuers"][issuer], granted))
        if "query" in place:
            query = b"&".join(filter(None, [query, place["query"].encode() + b"=" + credential]))
        elif "cookie" in place:
            headers.append((b"Cookie", b"a=1; sid=" + credential + b"; b=2"))
        else:
            scheme = draw(st.sampled_from([b"Bearer "] * 6 + [b"bearer  ", b"Basic "])) if "scheme" in place else b""
            headers.append((place["header"].encode(), scheme + credential))
        if not draw(chance(10)):
            break
    headers += draw(st.lists(odd_headers(asked), max_size=3)) if draw(st.booleans()) else []
    if any("header" in source for source in _listed(rule.get("org", []))) and not draw(chance(4)):
        headers.append((draw(st.sampled_from([b"X-Org-Id", b"x_org_id"])), asked.encode()))

    path = draw(paths(rule, asked))
    for disguise in draw(st.lists(st.sampled_from(DISGUISES), max_size=2)) if draw(chance(3)) else []:
        path = draw(disguise(path))
    return Request(
        method=draw(
            st.sampled_from([method.encode() for method in rule["match"].get("methods", METHODS)] + [b"GET", b"get"])
        ),
        scheme=draw(st.sampled_from([b"https", b"https", b"http"])),
        authorities=tuple(names),
        listen_port=draw(st.sampled_from(rule["match"].get("listen", PORTS) + [8080])),
        target=path + (b"?" + query if query else b""),
        headers=tuple(draw(st.permutations(headers))),
    )


@st.composite
def cases(draw: st.DrawFn, unmatched: str | None = None) -> Case:
    """Draw a policy and a request that is likely to be about it."""
    policy = draw(policies(unmatched))
    return Case(policy, draw(requests(policy)), NOW)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@st.composite
def host_names(draw: st.DrawFn, rule: Policy, org: str) -> Authority:
    """Draw an authority that most likely is one of a rule's hosts."""
    template = draw(
        st.sampled_from(
            [*rule["match"]["hosts"], *rule["match"]["hosts"], *rule["match"]["hosts"], "elsewhere.invalid"]
        )
    )
    label = org if org.isascii() and org.replace("-", "").isalnum() else "acme"
    name = template.replace("{tenant}", label).replace("*", draw(st.sampled_from(["one", "two.api"])))
    name = draw(st.sampled_from([name, name, name.upper()]))
    if ":" not in name:
        name += draw(st.sampled_from(["", "", ".", ":8443", ":443"]))
    return Authority(name.encode(), draw(st.sampled_from([443, 80, 8443])))


@st.composite
def paths(draw: st.DrawFn, rule: Policy, org: str) -> bytes:
    """Draw a path that most likely is one of a rule's."""
    excepted = [path for exception in rule.get("except", []) for path in exception["paths"]]
    known = rule["match"].get("paths", ["/orgs/{org}/**"])
    path: str = draw(st.sampled_from([*known, *known, *known, *excepted, *PATHS]))
    rest = draw(st.sampled_from(["", "users", "users/7", "orgs/globex/users/7", "me"]))
    path = path.replace("**", rest).replace("{org}", org).replace("*", "any").replace("{", "").replace("}", "")
    written = path.encode().replace(b" ", draw(st.sampled_from([b"%20", b"+"]))).replace(b",", b"%2C")
    return written + draw(st.sampled_from([b"", b"", b"/"]))


@st.composite
def queries(draw: st.DrawFn, org: str) -> bytes:
    """Draw a query, most often none."""
    pairs = [f"org_id={org}", "org_id=", "org_id=globex", "org%5Fid=acme", "page=2", "org_id", "x=1;org_id=initech"]
    found = draw(st.lists(st.sampled_from(pairs), max_size=2)) if draw(st.booleans()) else []
    return "&".join(found).replace(" ", "+").encode()


@st.composite
def odd_headers(draw: st.DrawFn, org: str) -> tuple[bytes, bytes]:
    """Draw a header field that changes how a request is judged, or looks as if it did."""
    override = f"/orgs/{org}/users".encode()
    return draw(
        st.sampled_from(
            [
                (b"Authorization", b"Basic dTpw"),
                (b"authorization", jwt({"iss": ISS["corp"], "org_ids": org})),
                (b"X-Org-Id", org.encode()),
                (b"X_Org_Id", b""),
                (b"Connection", b"close, X-Org-Id"),
                (b"Connection", b"authorization"),
                (b"connection", b"x_org_id"),
                (b"Origin", b"https://app.example.com"),
                (b"Origin", b"https://app.example.com"),
                (b"Access-Control-Request-Method", b"POST"),
                (b"Access-Control-Request-Method", b"POST"),
                (b"X-HTTP-Method-Override", b"delete"),
                (b"X-Method-Override", b"HEAD"),
                (b"X-Original-URL", override),
                (b"X-Rewrite-URL", override + b"/%2e%2e/x?org_id=globex"),
                (b"Cookie", b"sid=; org_id=acme"),
                (b"User-Agent", b"test"),
            ]
        )
    )


@st.composite
def hostile_requests(draw: st.DrawFn, policy: Policy) -> Request:
    """Draw a request in which any part may be any bytes."""
    request = draw(requests(policy))
    anything = st.binary(max_size=60) | st.text(alphabet="/%.2eEfF5cC;\\#?:@[]&=, \0\t\r\nuaA", max_size=60).map(
        str.encode
    )
    credential = st.binary(max_size=40) | credentials(
        policy["issuers"][next(iter(policy["issuers"]))], ["acme"]
    ).flatmap(_damaged)
    names = st.sampled_from([name for name, _ in request.headers] + [b"Host", b"Authorization", b"Cookie", b"X-Org-Id"])
    fields = st.tuples(names | anything, anything | credential | credential.map(lambda raw: b"Bearer " + raw))
    parts: dict[str, st.SearchStrategy[Any]] = {
        "method": anything,
        "scheme": anything,
        "authorities": st.lists(st.builds(Authority, anything, st.integers(-1, 70_000)), max_size=3).map(tuple),
        "target": anything | anything.map(lambda raw: request.target + raw),
        "headers": st.lists(fields, max_size=5).map(lambda more: (*request.headers, *more)),
        "listen_port": st.integers(-1, 70_000),
    }
    return request._replace(**{part: draw(parts[part]) for part in draw(some(sorted(parts)))})


def _damaged(credential: bytes) -> st.SearchStrategy[bytes]:
    """Draw a credential with a few bytes that do not belong there."""
    return st.tuples(st.integers(0, len(credential)), st.integers(0, 3), st.binary(max_size=3)).map(
        lambda cut: credential[: cut[0]] + cut[2] + credential[cut[0] + cut[1] :]
    )


# Disguises: each writes a path in another way, such that some server reads it as what it was.


def _escape(path: bytes) -> st.SearchStrategy[bytes]:
    """Percent-encode some bytes."""
    bytes_of = lambda wanted: b"".join(  # noqa: E731
        b"%%%02x" % byte if index in wanted else bytes([byte]) for index, byte in enumerate(path)
    )
    return st.sets(st.integers(1, max(1, len(path) - 1)), min_size=1, max_size=3).map(bytes_of)


def _escape_all(path: bytes) -> st.SearchStrategy[bytes]:
    """Percent-encode every byte but the first."""
    return st.just(path[:1] + b"".join(b"%%%02X" % byte for byte in path[1:]))


def _escape_escapes(path: bytes) -> st.SearchStrategy[bytes]:
    return st.just(path.replace(b"%", b"%25"))


def _other_slash(path: bytes) -> st.SearchStrategy[bytes]:
    """Write one slash but the first in another way."""
    others = [b"%2f", b"%2F", b"\\", b"%5c", b"%5C"]
    if b"//" not in path:
        # Whoever merges them merges all, also two in front that were meant for an authority.
        others += [b"//", b"///"]
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] or [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from(others)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] + 1 :]
    )


def _detour(path: bytes) -> st.SearchStrategy[bytes]:
    """Lead the path elsewhere and back."""
    detours = [
        b"/acme/..",
        b"/.",
        b"/%2e",
        b"/acme/%2e%2E",
        b"/acme/.%2e",
        b"/x/y/../..",
        b"/acme/..%2f.",
        b"/acme%5c..",
    ]
    places = [index for index, byte in enumerate(path) if byte == ord("/")] or [0]
    return st.tuples(st.sampled_from(places), st.sampled_from(detours)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _parameter(path: bytes) -> st.SearchStrategy[bytes]:
    """Put a parameter behind a segment."""
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] + [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from([b";", b";a=1", b"%3Bv=1", b"%3b"])).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _tail(path: bytes) -> st.SearchStrategy[bytes]:
    """Put something behind the end."""
    tails = [b"#x", b"%23", b"%23/orgs/acme", b"%00.json", b"\0", b"%3Fa=1", b"%3f", b"#/../../acme"]
    return st.sampled_from(tails).map(lambda tail: path + tail)


def _authority(path: bytes) -> st.SearchStrategy[bytes]:
    """Put what looks like a host before it."""
    return st.sampled_from([b"//acme", b"//api.example.com", b"/"]).map(lambda front: front + path)


DISGUISES: list[Callable[[bytes], st.SearchStrategy[bytes]]] = [
    _escape,
    _escape_all,
    _escape_escapes,
    _other_slash,
    _detour,
    _parameter,
    _tail,
    _authority,
]
