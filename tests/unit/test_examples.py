"""What an example of a rule is taken for: the request that it stands for, its token, and what is wrong with it."""

import json

import jwt
import pytest
from tests.guarding import NOW

from orgfence.checking.trial import Trial, try_example
from orgfence.core.policy.examples import Example
from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.load import Policy, PolicyText, load_policy
from orgfence.core.request import Authority, Request

CORP = "corp: {iss: https://login.example.com, claims: {member: org_ids, scopes: scope}}"
GET = "request: GET https://api.example.com/orgs/acme"


def load(example: str, *keys: str, issuers: str = CORP, org: str = "org: {path: org}", match: str = "") -> Policy:
    """Load a policy of one rule with one example."""
    rule = [
        "id: a",
        f'match: {{hosts: [api.example.com], paths: ["/orgs/{{org}}/**"]{match}}}',
        org,
        "enforcement: block",
        *keys,
        f"examples: [{{{example}}}]",
    ]
    lines = ["version: 1", "issuers:", f"  {issuers}", "rules:", "  - " + "\n    ".join(filter(None, rule))]
    return load_policy([PolicyText("policy.yaml", "\n".join(lines).encode())])


def example_of(
    example: str, *keys: str, issuers: str = CORP, org: str = "org: {path: org}", match: str = ""
) -> Example:
    (rule,) = load(f"{example}, verdict: allow", *keys, issuers=issuers, org=org, match=match).rules
    return rule.examples[0]


def sent(example: str, *keys: str, issuers: str = CORP, org: str = "org: {path: org}", match: str = "") -> Request:
    return example_of(example, *keys, issuers=issuers, org=org, match=match).sent(NOW)[0]


def tried(example: str, *keys: str, issuers: str = CORP, org: str = "org: {path: org}", match: str = "") -> Trial:
    policy = load(example, *keys, issuers=issuers, org=org, match=match)
    (rule,) = policy.rules
    return try_example(rule, rule.examples[0], policy.ruleset, NOW)


def claims_of(example: str, *keys: str, issuers: str = CORP) -> dict[str, object]:
    """Return the claims of an example's token, which stands in the `Authorization` header."""
    headers = dict(sent(example, *keys, issuers=issuers).headers)
    claims: dict[str, object] = jwt.decode(
        headers[b"authorization"].removeprefix(b"bearer "), options={"verify_signature": False, "verify_exp": False}
    )
    return claims


def test_an_example_is_the_request_that_a_client_would_send() -> None:
    """Method, host and port, target, the port that it comes in on: all from the one line and the rule."""
    request = sent("request: POST http://api.example.com:8000/orgs/caf\u00e9/x?a=b%20c")

    assert request.method == b"POST"
    assert request.scheme == b"http"
    assert request.authorities == (Authority(b"api.example.com:8000", 80),)
    assert request.target == b"/orgs/caf%C3%A9/x?a=b%20c"
    assert request.listen_port == 8080
    assert request.headers == ((b"Host", b"api.example.com:8000"),)


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://api.example.com", Authority(b"api.example.com", 443), b"/"),
        ("https://api.example.com?x=1", Authority(b"api.example.com", 443), b"/?x=1"),
        ("https://[::1]:8443/x", Authority(b"[::1]:8443", 443), b"/x"),
        ("http://10.0.0.1/a\\\\b;c//d/..", Authority(b"10.0.0.1", 80), b"/a\\b;c//d/.."),
    ],
)
def test_a_url_names_host_and_target(url: str, authority: Authority, target: bytes) -> None:
    """No path is the path `/`; odd ones stay as odd as they are."""
    request = sent(f'request: "GET {url}"')

    assert request.authorities == (authority,)
    assert request.target == target


@pytest.mark.parametrize(
    ("example", "match", "port"),
    [
        (GET, "", 8080),
        (GET, ", listen: [9002, 9001]", 9002),
        (f"{GET}, listen: 9001", ", listen: [9002, 9001]", 9001),
    ],
)
def test_an_example_comes_in_on_its_port_else_on_the_rules_first(example: str, match: str, port: int) -> None:
    """Without `listen` anywhere it is 8080, the default of `orgfence run`."""
    assert sent(example, match=match).listen_port == port


def test_headers_are_sent_as_they_are_written() -> None:
    """One value or several, in their order; a `Host` of the example's own takes the place of the URL's."""
    request = sent(f"{GET}, headers: {{X-A: [one, two], Host: other.example.com}}")

    assert request.headers == ((b"X-A", b"one"), (b"X-A", b"two"), (b"Host", b"other.example.com"))


@pytest.mark.parametrize(
    ("body", "raw", "media_type"),
    [
        (
            'body: {org: acme, n: 1, all: true, "no": null}',
            b'{"org": "acme", "n": 1, "all": true, "no": null}',
            b"json",
        ),
        ("body: [acme, 1.5]", b'["acme", 1.5]', b"json"),
        ("body: {org: caf\u00e9}", '{"org": "caf\u00e9"}'.encode(), b"json"),
        ("""body: '{"org": "acme"}'""", b'{"org": "acme"}', b"json"),
        ("body: ' [1'", b" [1", b"json"),
        ("body: org=acme&x=1", b"org=acme&x=1", b"x-www-form-urlencoded"),
        ("body: 42", b"42", b"x-www-form-urlencoded"),
        ("body: ''", b"", b"x-www-form-urlencoded"),
    ],
)
def test_a_body_is_json_or_a_form_by_how_it_is_written(body: str, raw: bytes, media_type: bytes) -> None:
    """Keys and values are JSON; text is what it looks like."""
    request, sent_body = example_of(f"{GET}, {body}").sent(NOW)

    assert sent_body == raw
    assert request.headers[1:] == ((b"Content-Type", b"application/" + media_type),)


def test_headers_say_what_a_body_is() -> None:
    """A `Content-Type` of the example's own stays the only one."""
    request, body = example_of(f"{GET}, headers: {{content-type: text/plain}}, body: {{a: b}}").sent(NOW)

    assert body == b'{"a": "b"}'
    assert request.headers[1:] == ((b"content-type", b"text/plain"),)


def test_a_token_is_unexpired_of_the_rules_issuer_with_its_scopes_and_no_orgs() -> None:
    """So an example writes only what it is about."""
    claims = claims_of(f"{GET}, token: {{}}", "token: {scopes: [write, read]}")

    assert claims == {"iss": "https://login.example.com", "scope": "read write", "iat": NOW, "exp": NOW + 3600}


def test_what_the_example_says_lies_over_the_tokens_claims() -> None:
    """A top-level claim takes the place of the whole of it."""
    claims = claims_of(f"{GET}, token: {{org_ids: [acme, 42], scope: x, exp: 1}}", "token: {scopes: [read]}")

    assert claims == {"iss": "https://login.example.com", "scope": "x", "org_ids": ["acme", 42], "iat": NOW, "exp": 1}


def test_an_example_without_a_token_carries_none() -> None:
    """And `token_missing` can be expected of it."""
    assert tried(f"{GET}, verdict: mismatch, reason: token_missing").has_passed


ISS = "claims: {member: o}"


@pytest.mark.parametrize(
    ("issuers", "keys", "iss"),
    [
        (f"corp: {{iss: [https://a, https://b], {ISS}}}", (), "https://a"),
        (f'corp: {{iss: "https://a/{{realm}}/x/{{part}}/**", {ISS}}}', (), "https://a/realm/x/part/"),
        (
            f"one: {{{ISS}}}\n  two: {{iss: https://two, {ISS}}}\n  three: {{iss: https://three, {ISS}}}",
            (),
            "https://two",
        ),
        (
            f"one: {{iss: https://one, {ISS}}}\n  two: {{iss: https://two, {ISS}}}",
            ("token: {issuer: two}",),
            "https://two",
        ),
        (f"one: {{{ISS}}}\n  two: {{iss: https://two, {ISS}}}", ("token: {issuer: one}",), None),
        (f"one: {{{ISS}}}", (), None),
    ],
)
def test_a_token_carries_the_iss_of_the_rules_issuer(issuers: str, keys: tuple[str, ...], iss: str | None) -> None:
    """Of the one that the rule names, else of the first that has one: of a list the first, a template filled."""
    assert claims_of(f"{GET}, token: {{}}", *keys, issuers=issuers).get("iss") == iss


@pytest.mark.parametrize(
    ("scopes", "claims"),
    [
        ("scp", {"scp": "a b"}),
        ("/realm/roles", {"realm": {"roles": "a b"}}),
        ("/realm/roles/*", {"realm": {"roles": ["a", "b"]}}),
        ("/realm/*/name", {"realm": [{"name": "a b"}]}),
        ('{claim: scp, split: ","}', {"scp": "a,b"}),
        ('{claim: scp, template: "{realm}/api/{org}"}', {"scp": ["realm/api/a", "realm/api/b"]}),
        ('[{opaque: "{org}!**"}, scp, other]', {"scp": "a b"}),
        ('{opaque: "{org}!**"}', {}),
    ],
)
def test_scopes_stand_where_the_issuer_reads_them(scopes: str, claims: dict[str, object]) -> None:
    """By pointer, separator and template, of the first selector that reads a JWT."""
    issuers = f"corp: {{claims: {{member: o, scopes: {scopes}}}}}"

    found = claims_of(f"{GET}, token: {{}}", "token: {scopes: [a, b]}", issuers=issuers)

    assert {name: value for name, value in found.items() if name not in {"iat", "exp"}} == claims


@pytest.mark.parametrize(
    "scopes",
    ["scp", "/a/b", "/a/*", "/a/*/b", '{claim: scp, split: ","}', '{claim: s, template: "{x}/y/{org}"}', "{jose: scp}"],
)
def test_a_token_has_the_scopes_as_its_issuer_reads_them(scopes: str) -> None:
    """What is made up is read back: the rule's check of its scopes passes."""
    issuers = f"corp: {{claims: {{member: orgs, scopes: {scopes}}}}}"

    trial = tried(f"{GET}, token: {{orgs: [acme]}}, verdict: allow", "token: {scopes: [a, b:c]}", issuers=issuers)

    assert trial.has_passed


@pytest.mark.parametrize(
    ("place", "example"),
    [
        ("{header: Authorization, scheme: Bearer}", GET),
        ("{header: X-Api-Token}", f"{GET}, headers: {{Authorization: Bearer x}}"),
        ("{query: access token}", GET),
        ("{query: access_token}", f"{GET}?x=1"),
        ("{cookie: sid}", GET),
        ("{cookie: sid}", f"{GET}, headers: {{Cookie: [a=b, c=d]}}"),
        ("{form: access_token}", GET.replace("GET", "POST")),
        ("{form: access_token}", f"{GET.replace('GET', 'POST')}, body: a=b"),
        (
            "{form: t}",
            f"{GET.replace('GET', 'POST')}, headers: {{Content-Type: application/x-www-form-urlencoded;x=y}}",
        ),
    ],
)
def test_a_token_is_put_where_the_rule_looks_first(place: str, example: str) -> None:
    """Wherever that is, the rule finds it there, beside whatever else the request carries."""
    keys = f"token: {{from: [{place}, {{header: X-Other}}]}}"

    assert tried(f"{example}, token: {{org_ids: [acme]}}, verdict: allow", keys).has_passed


def test_cookies_of_the_example_stay_beside_the_token() -> None:
    """A client sends one `Cookie` field."""
    request = sent(f"{GET}, headers: {{Cookie: a=b}}, token: {{}}", "token: {from: [{cookie: sid}]}")

    (cookie,) = [value for name, value in request.headers if name == b"Cookie"]
    assert cookie.startswith(b"a=b; sid=ey")


def test_a_body_is_handed_over_where_a_rule_reads_it() -> None:
    """An org in the body is compared."""
    org = "org: {body: /org/id}"
    example = "request: POST https://api.example.com/orgs/x, token: {org_ids: [acme]}"

    assert tried(f"{example}, body: {{org: {{id: acme}}}}, verdict: allow", org=org).has_passed
    assert tried(f"{example}, body: {{org: {{id: b}}}}, verdict: mismatch, reason: org_not_granted", org=org).has_passed
    assert tried(f"{example}, body: '{{', verdict: undetermined, reason: body_unread", org=org).has_passed


def test_a_body_over_the_limit_is_unread_as_in_the_proxy() -> None:
    """The guard is not told more than it asked for."""
    text = "\n".join(
        [
            "version: 1\nbody_limit: 8B\nissuers:",
            f"  {CORP}",
            "rules:\n  - id: a\n    match: {hosts: [api.example.com]}\n    org: {body: /org}\n    examples:",
            f"      - {{{GET}, body: {{org: acme}}, token: {{org_ids: [acme]}}, verdict: undetermined}}",
        ]
    )
    policy = load_policy([PolicyText("policy.yaml", text.encode())])

    assert try_example(policy.rules[0], policy.rules[0].examples[0], policy.ruleset, NOW).has_passed


@pytest.mark.parametrize(
    ("expected", "has_passed"),
    [
        ("verdict: allow", True),
        ("verdict: allow, reason: org_granted", True),
        ("verdict: allow, reason: not_judged", False),
        ("verdict: mismatch", False),
    ],
)
def test_an_example_passes_by_verdict_and_by_reason_where_it_names_one(expected: str, has_passed: bool) -> None:
    """Another reason of the same verdict is another answer."""
    assert tried(f"{GET}, token: {{org_ids: [acme]}}, {expected}").has_passed is has_passed


def test_an_example_that_no_rule_matches_fails() -> None:
    """No verdict is none of the three."""
    trial = tried("request: GET https://api.example.com/x, verdict: allow")

    assert trial.deciding is None
    assert not trial.has_passed


WRITE_IT = "Write it as in `GET https://api.example.com/orgs/acme`"
FORM = "token: {from: [{form: t}]}"


@pytest.mark.parametrize(
    ("example", "keys", "message"),
    [
        (
            "request: /orgs/acme, verdict: allow",
            "",
            "`/orgs/acme` is no method. Write one such as `GET`, a space and the URL",
        ),
        (
            "request: https://api.example.com/, verdict: allow",
            "",
            "`https://api.example.com/` has no method. Write `GET` before the URL",
        ),
        ("request: get https://api.example.com/, verdict: allow", "", "methods are in upper case. Write `GET`"),
        (
            "request: PATHC https://api.example.com/, verdict: allow",
            "",
            "unknown method `PATHC`. Did you mean `PATCH`?",
        ),
        (
            "request: GET api.example.com/x, verdict: allow",
            "",
            f"`GET api.example.com/x` has no URL that names a host. {WRITE_IT}",
        ),
        (
            "request: GET https:///x, verdict: allow",
            "",
            f"`GET https:///x` has no URL that names a host. {WRITE_IT}",
        ),
        (
            "request: GET https://api.example.com:0/x, verdict: allow",
            "",
            f"`GET https://api.example.com:0/x` has no URL that names a host. {WRITE_IT}",
        ),
        (
            "request: GET https://user:secret@api.example.com/, verdict: allow",
            "",
            "what stands before `@` in this URL is not sent with it. Put the credential into `headers`",
        ),
        (
            'request: "GET https://api.test/{x}", verdict: allow',
            "",
            "an example is a real request, and a brace in `https://api.test/{x}` captures nothing. Write a value",
        ),
        (
            "request: GET https://api.example.com/orgs/a b, verdict: allow",
            "",
            "a space in `https://api.example.com/orgs/a b` ends the URL. Write `%20`",
        ),
        (
            "request: GET https://api.example.com/a#b, verdict: allow",
            "",
            "what follows `#` in `https://api.example.com/a#b` is not sent. Remove it, or write `%23`",
        ),
        (f"{GET}, verdict: allow, reason: org_grantd", "", "unknown reason `org_grantd`. Did you mean `org_granted`?"),
        (f"{GET}, verdict: allow, reason: x", "", "unknown reason `x`. See the table of reasons in the reference"),
        (
            f"{GET}, verdict: allow, reason: org_not_granted",
            "",
            "`org_not_granted` is a reason of `mismatch`, not of `allow`. Write `verdict: mismatch`, or another reason",
        ),
        (
            f'{GET}, headers: {{"X Org": a}}, verdict: allow',
            "",
            "`X Org` is no header name. Use letters, digits and `-`",
        ),
        (
            f"{GET}, headers: {{authorization: Bearer x}}, token: {{}}, verdict: allow",
            "",
            "`token` goes into the header `authorization`, which this request has already. Keep one of the two",
        ),
        (
            f"{GET}?t=1, token: {{}}, verdict: allow",
            "token: {from: [{query: t}]}",
            "`token` goes into the query `t`, which this request has already. Keep one of the two",
        ),
        (
            f"{GET}, headers: {{Cookie: t=1}}, token: {{}}, verdict: allow",
            "token: {from: [{cookie: t}]}",
            "`token` goes into the cookie `t`, which this request has already. Keep one of the two",
        ),
        (
            f"{GET}, body: t=1, token: {{}}, verdict: allow",
            FORM,
            "`token` goes into the form `t`, which this request has already. Keep one of the two",
        ),
        (
            f"{GET}, body: {{a: b}}, token: {{}}, verdict: allow",
            FORM,
            "`token` goes into the form `t`, where this rule looks for it first, and this body is no form. Make it one",
        ),
    ],
)
def test_a_malformed_example_is_a_fault_of_the_policy(example: str, keys: str, message: str) -> None:
    """With its place, so that it keeps a policy from running as it keeps it from passing a check."""
    with pytest.raises(PolicyError) as caught:
        load(example, keys)

    (fault,) = caught.value.faults
    assert fault.message == message
    assert fault.place.source.lines[fault.place.line - 1].startswith("    examples:")
    assert fault.place.column > 1


@pytest.mark.parametrize(
    ("method", "match"), [("PROPPATCH", ""), ("QUERY", ""), ("GETS", ", methods: [GET, GETS]"), ("M-SEARCH", "")]
)
def test_methods_that_only_some_know_are_methods(method: str, match: str) -> None:
    """A registered one, one that the rule lists, or one that is near to none."""
    assert sent(f"request: {method} https://api.example.com/", match=match).method == method.encode()


def test_claims_and_bodies_are_typed_as_json() -> None:
    """A policy's `42` is a number in a token, and `"42"` a string, as the issuer would have it."""
    claims = claims_of(f'{GET}, token: {{a: 42, b: "42", c: [1.5, true, null], d: {{e: x}}}}')

    assert json.dumps({name: claims[name] for name in "abcd"}) == (
        '{"a": 42, "b": "42", "c": [1.5, true, null], "d": {"e": "x"}}'
    )


def test_an_example_knows_where_it_stands() -> None:
    """What came of it is said of its own line."""
    place = example_of(GET).place

    assert (place.line, place.source.lines[place.line - 1][place.column - 1 :][: len("GET https")]) == (9, "GET https")


@pytest.mark.parametrize("issuers", ["corp: {iss: https://a, claims: {member: o}}", "other: {iss: 1e3}"])
def test_an_example_is_read_where_the_issuer_is_at_fault(issuers: str) -> None:
    """A fault elsewhere keeps none from being told that stands in an example."""
    with pytest.raises(PolicyError) as caught:
        load(f"{GET}, token: {{}}, verdict: allow, reason: x", "token: {issuer: other}", issuers=issuers)

    assert len(caught.value.faults) == 2
