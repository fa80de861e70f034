"""Cases: policies and requests that hit their rules often, hostile ones among them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from tests.property.bodies import sent_bodies
from tests.property.credentials import NOW, credential_fields, credentials
from tests.property.disguises import DISGUISES
from tests.property.policies import ISS, METHODS, PATHS, PORTS, SPELLINGS, chance, folders, some, words
from tests.property.reference import as_one
from tests.property.reference_token import Policy, listed
from tests.tokens import jwt_of

from orgfence.core.request import UNREAD, Authority, Request


class Case(NamedTuple):
    """A policy and a request that is likely to be about it."""

    #: The policy's files.
    files: list[Policy]
    request: Request
    now: float

    @property
    def policy(self) -> Policy:
        """What the files say as one."""
        return as_one(self.files)


@st.composite
def requests(draw: st.DrawFn, policy: Policy) -> Request:
    """Draw a request that most likely matches one of the rules."""
    rule = draw(st.sampled_from(policy["rules"]))
    asked, granted = draw(words), [draw(words) for _ in range(draw(st.integers(1, 2)))]
    if not draw(chance(3)):
        granted[-1] = draw(st.sampled_from(next((same for same in SPELLINGS if asked in same), [asked])))

    names = [draw(host_names(rule, asked))]
    if draw(chance(4)):
        names.append(draw(st.sampled_from(policy["rules"]).flatmap(lambda other: host_names(other, "globex"))))
    fields, parameters, form = draw(credential_fields(policy, rule, granted))
    body, body_fields = draw(sent_bodies(rule, asked, form))
    query = b"&".join(filter(None, [draw(queries(rule, asked)), *parameters]))
    methods = [method.encode() for method in rule["match"].get("methods", METHODS)]
    request = Request(
        method=draw(st.sampled_from([*methods, b"GET", b"get"])),
        scheme=draw(st.sampled_from([b"https", b"https", b"http"])),
        authorities=tuple(names),
        listen_port=draw(st.sampled_from([*rule["match"].get("listen", PORTS), 8080])),
        target=draw(paths(rule, asked)) + (b"?" + query if query else b""),
        headers=(*fields, *draw(org_fields(rule, asked)), *body_fields),
        body=body,
    )
    for twist in draw(st.lists(st.sampled_from(TWISTS), min_size=1, max_size=2)) if draw(st.booleans()) else []:
        request = draw(twist(request, asked))
    return request._replace(headers=tuple(draw(st.permutations(request.headers))))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a policy and a request that is likely to be about it."""
    files = draw(folders())
    return Case(files, draw(requests(as_one(files))), NOW)


@st.composite
def host_names(draw: st.DrawFn, rule: Policy, org: str) -> Authority:
    """Draw an authority that most likely is one of a rule's hosts."""
    template = "elsewhere.invalid" if draw(chance(10)) else draw(st.sampled_from(rule["match"]["hosts"]))
    label = org if org.isascii() and org.replace("-", "").isalnum() else "acme"
    name = template.replace("{tenant}", label).replace("*", draw(st.sampled_from(["one", "two.api"])))
    name = draw(st.sampled_from([name, name, name.upper()]))
    if ":" not in name:
        name += draw(st.sampled_from(["", "", ".", ":8443", ":443"]))
    return Authority(name.encode(), draw(st.sampled_from([443, 80, 8443])))


@st.composite
def paths(draw: st.DrawFn, rule: Policy, org: str) -> bytes:
    """Draw a path that most likely is one of a rule's."""
    excepted = [path for exception in rule.get("except", []) for path in exception.get("paths", [])]
    known = rule["match"].get("paths", ["/orgs/{org}/**"])
    path: str = draw(st.sampled_from([*excepted, *PATHS] if draw(chance(4)) else known))
    rest = draw(st.sampled_from(["", "users", "users/7", "orgs/globex/users/7", "me"]))
    if draw(chance(8)):
        path = draw(st.sampled_from([path.upper().replace("{ORG}", "{org}"), path.replace("s", "\u017f")]))
    org = org.replace("/", draw(st.sampled_from(["%2F", "%2F", "%2f", "/"])))
    path = path.replace("**", rest).replace("{org}", org).replace("*", "any").replace("{", "").replace("}", "")
    written = path.encode().replace(b" ", draw(st.sampled_from([b"%20", b"+"]))).replace(b",", b"%2C")
    return written + draw(st.sampled_from([b"", b"", b"/"]))


@st.composite
def queries(draw: st.DrawFn, rule: Policy, org: str) -> bytes:
    """Draw a query: most often what names the org, if the rule reads it there, else none."""
    pairs = [f"org_id={org}", "org_id=", "org_id=globex", "org%5Fid=acme", "page=2", "org_id", "x=1;org_id=initech"]
    found = draw(st.lists(st.sampled_from(pairs), max_size=2)) if draw(chance(3)) else []
    if any("query" in source for source in listed(rule.get("org", []))) and not draw(chance(5)):
        found.append(draw(st.sampled_from([pairs[0], pairs[0], f"org_id={org}, {org}"])))
    return "&".join(found).replace(" ", "+").encode()


@st.composite
def org_fields(draw: st.DrawFn, rule: Policy, org: str) -> list[tuple[bytes, bytes]]:
    """Draw the header fields that name the org, if the rule reads it there: most often one."""
    sources = listed(rule.get("org", []))
    fields: list[tuple[bytes, bytes]] = []
    if any("cookie" in source for source in sources) and not draw(chance(5)):
        cookies = [
            f"org={org}",
            f'org="{org}"; sid=',
            f"a=1; org={org}; org=globex",
            f"ORG={org}",
            "org=",
            f"org={org},acme",
        ]
        fields.append((b"Cookie", draw(st.sampled_from([cookies[0], *cookies])).encode()))
    if not any("header" in source for source in sources):
        return fields
    names = draw(st.lists(st.sampled_from([b"X-Org-Id", b"x_org_id"]), min_size=1, max_size=2))
    values = [draw(st.sampled_from([org, org, f"{org} , {org}"])), draw(st.sampled_from([org, "globex", ""]))]
    if draw(chance(5)):
        return fields
    return fields + [(name, value.encode()) for name, value in zip(names, values, strict=False)]


# Twists: what changes how a request is judged, or looks as if it did.


@st.composite
def _preflight(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Make it what a browser asks first, or nearly."""
    fields = [(b"Origin", b"https://app.example.com"), (b"Access-Control-Request-Method", b"POST")]
    kept = request.headers if draw(chance(3)) else ()
    return request._replace(
        method=draw(st.sampled_from([b"OPTIONS"] * 4 + [b"GET"])),
        headers=(*kept, *draw(st.sampled_from([fields, fields, fields, fields[:1], [*fields, (b"cookie", b"sid=")]]))),
    )


@st.composite
def _dropped(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Let a hop drop some field."""
    named = [
        b"X-Org-Id",
        b"close, x_org_id",
        b"authorization",
        b"Cookie ,te",
        b"X-Api-Token",
        b"keep-alive",
        b"content_type",
    ]
    return request._replace(headers=(*request.headers, (b"Connection", draw(st.sampled_from(named)))))


@st.composite
def _other_method(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Ask for another method in a header."""
    names = [b"X-HTTP-Method-Override", b"x_http_method", b"X-Method-Override"]
    field = draw(st.sampled_from(names)), draw(st.sampled_from([*METHODS, "delete"])).encode()
    return request._replace(headers=(*request.headers, field))


@st.composite
def _other_path(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Ask for another path in a header."""
    path = f"/orgs/{org}/users".encode()
    others = [path, path + b"/%2e%2e/x?org_id=globex", b"/orgs/globex", b"/public/x", TANGLED]
    field = draw(st.sampled_from([b"X-Original-URL", b"x_rewrite_url"])), draw(st.sampled_from(others))
    return request._replace(headers=(*request.headers, field))


@st.composite
def _another_field(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Repeat a field, or add one that resembles it."""
    others = [
        (b"Host", draw(st.sampled_from(request.authorities)).name),
        (b"host", b"api.example.com"),
        (b"Authorization", b"Basic dTpw"),
        (b"authorization", b"Bearer " + jwt_of({"iss": ISS["corp"], "org_ids": org})),
        (b"Cookie", b"sid=; org_id=acme"),
        (b"X_Org_Id", b"acme"),
        (b"User-Agent", b"test"),
    ]
    return request._replace(headers=(*request.headers, draw(st.sampled_from(others))))


@st.composite
def _disguise(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Write the path in another way."""
    path, mark, query = request.target.partition(b"?")
    for disguise in draw(st.lists(st.sampled_from(DISGUISES), min_size=1, max_size=2)):
        path = draw(disguise(path, True))
    return request._replace(target=path + mark + query)


@st.composite
def _tangle(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Give the path more readings than anyone tries."""
    return request._replace(target=draw(st.sampled_from([request.target + TANGLED, TANGLED + request.target])))


TANGLED = b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 2

TWISTS: list[Callable[[Request, str], st.SearchStrategy[Request]]] = [
    *[_preflight, _preflight, _dropped, _other_method, _other_method, _other_path, _another_field, _another_field],
    *[_disguise, _disguise, _disguise, _tangle],
]


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
        "body": anything | st.just(UNREAD),
    }
    return request._replace(**{part: draw(parts[part]) for part in draw(some(sorted(parts)))})


def _damaged(credential: bytes) -> st.SearchStrategy[bytes]:
    """Draw a credential with a few bytes that do not belong there."""
    return st.tuples(st.integers(0, len(credential)), st.integers(0, 3), st.binary(max_size=3)).map(
        lambda cut: credential[: cut[0]] + cut[2] + credential[cut[0] + cut[1] :]
    )
