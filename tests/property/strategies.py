"""Cases: policies and requests that hit their rules often, hostile ones among them."""

from typing import Any, NamedTuple
from urllib.parse import quote_plus

from hypothesis import strategies as st
from tests.property.bodies import sent_bodies
from tests.property.credentials import NOW, TRAITS, credential_fields, credentials
from tests.property.disguises import DISGUISES, other_case
from tests.property.parts import host_names, org_fields, paths, queries
from tests.property.policies import (
    ISS,
    METHODS,
    ORGS,
    PATHS,
    POINTERS,
    PORTS,
    SALESFORCE,
    SPELLINGS,
    chance,
    exceptions,
    folders,
    org_sources,
    some,
    words,
)
from tests.property.reference import as_one
from tests.property.reference_token import Policy
from tests.property.twists import TWISTS, dropped
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
def simple_cases(draw: st.DrawFn) -> Case:
    """Draw a policy of one rule and a request that it is for, with a token that can be read and names a strange org.

    So it comes to what the request asks for, and to that alone.
    """
    match: Policy = {"hosts": ["api.example.com"], "paths": ["/orgs/{org}"]}
    rule: Policy = {"id": "r0", "match": match, "org": draw(body_sources() | body_sources() | org_sources(match))}
    if draw(chance(8)):
        rule["agree"] = True
    if draw(chance(4)):
        rule["except"] = [draw(exceptions(by_claims=True))]
    if draw(chance(6)):
        rule["token"] = {"from": [{"form": "access_token"}]}
    policy: Policy = {
        "version": 1,
        "orgs": ORGS,
        "issuers": {"corp": {"iss": ISS["corp"], "claims": {"member": "org"}}},
    }
    policy |= {"rules": [rule], "enforcement": draw(st.sampled_from(["observe", "block"]))}
    if draw(chance(10)):
        policy["body_limit"] = draw(st.sampled_from(["60B", "100B"]))

    org = draw(words)
    if draw(chance(8)):
        policy["issuers"]["corp"]["ids"] = "salesforce"
        org = draw(st.sampled_from(SALESFORCE))
    credential = jwt_of({"iss": ISS["corp"], "org": "nobody"} | draw(st.sampled_from(TRAITS)))
    in_form = "token" in rule
    body, fields = draw(sent_bodies(rule, org, [f"access_token={quote_plus(credential)}"] if in_form else []))
    query = draw(queries(rule, org))
    request = Request(
        method=b"POST",
        scheme=b"https",
        authorities=(Authority(b"api.example.com", 443),),
        listen_port=8080,
        target=b"/orgs/acme" + (b"?" + query if query else b""),
        headers=(*fields, *draw(org_fields(rule, org)), *[(b"Authorization", b"Bearer " + credential)] * (not in_form)),
        body=body,
    )
    return Case([policy], draw(dropped(request, org)) if draw(chance(6)) else request, NOW)


@st.composite
def path_cases(draw: st.DrawFn) -> Case:
    """Draw a policy of a rule or two, each with its own view of slashes and letters, and a path in disguise."""
    paths_of_rule = [path for path in PATHS if "{org}" in path]
    rules: list[Policy] = []
    for number in range(draw(st.integers(1, 2))):
        match = {
            "hosts": ["api.example.com"],
            "paths": draw(some(paths_of_rule, 2)),
            "ignore_case": draw(st.booleans()),
        }
        if slash := draw(st.sampled_from([None, "data", "separator"])):
            match["encoded_slash"] = slash
        rules.append({"id": f"r{number}", "match": match, "org": {"path": "org"}, "enforcement": "block"})
    if draw(chance(3)):
        rules[0]["except"] = [{"paths": ["/orgs/me/**", "/orgs/{org}/me"]}]
    policy = {"version": 1, "issuers": {"corp": {"iss": ISS["corp"], "claims": {"member": "org"}}}, "rules": rules}
    policy["unmatched"] = draw(st.sampled_from(["observe", "block"]))

    path = draw(paths(rules[0], draw(words)))
    for disguise in draw(st.lists(st.sampled_from([*DISGUISES, other_case]), max_size=2)):
        path = draw(disguise(path, draw(st.booleans())))
    claims = {"iss": ISS["corp"], "org": ["acme", "group/web", "me", "users"]}
    authorization = (b"Authorization", b"Bearer " + jwt_of(claims))
    authority = Authority(b"api.example.com", 443)
    return Case([policy], Request(b"GET", b"https", (authority,), 8080, path, (authorization,), b""), NOW)


@st.composite
def body_sources(draw: st.DrawFn) -> list[Policy]:
    """Draw one or two places in a body."""
    pointers: list[Policy] = [{"body": pointer} for pointer in POINTERS]
    return draw(some(pointers, 2) | some([*pointers, {"form": "org"}, {"form": "org"}], 2))


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
