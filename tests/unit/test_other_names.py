"""What a rule says of a request in which only another reading of a name shows an org or a credential."""

import json

import pytest
from tests.guarding import CORP, NOW, bearer, inspected, load, request_of, ruleset_of, said
from tests.tokens import jwt_of

from orgfence.core.catalogue import Explanation, explain, without_orgs
from orgfence.core.parts import MAX_BYTES, MAX_PIECES
from orgfence.core.request import Request
from orgfence.core.ruleset import Ruleset

ACME = bearer({"org_ids": ["acme"]})
BOTH = bearer({"org_ids": ["acme", "globex"]})
OLD = bearer({"org_ids": ["acme"], "exp": NOW - 3600})
JSON = (b"Content-Type", b"application/json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
GRANTED = "forwarded: org_granted"
NOT_JUDGED = "forwarded: not_judged"
AMBIGUOUS = "blocked: org_ambiguous"
TWO_CREDENTIALS = "blocked: credential_ambiguous"


def cookies(value: bytes) -> Request:
    return request_of(b"/", ACME, (b"Cookie", value))


def query(value: bytes, token: tuple[bytes, bytes] = ACME) -> Request:
    return request_of(b"/?" + value, token)


def posted(body: bytes, content_type: tuple[bytes, bytes]) -> Request:
    return request_of(b"/", ACME, content_type, method=b"POST", body=body)


@pytest.mark.parametrize(
    "field",
    [
        *(
            b"x=y org=",
            b"\xa0org=",
            b"\xc2\xa0org=",
            b"\x1forg=",
            b"\x85org=",
            b"x=y,org=",
            b"%6frg=",
            b"ORG=",
        ),
        *(b"x=y\x0borg=", b"x=y\torg =", b"org[]=", b"org[a][b]=", b"\xe3\x80\x80org=", b'x="y" org='),
    ],
)
def test_a_cookie_that_some_server_reads(field: bytes) -> None:
    """As `http.cookies`, Tornado, Starlette, Django, Rack, PHP and ASP.NET do."""
    alone, optional = ruleset_of("org: {cookie: org}"), ruleset_of("org: {cookie: org}, pass_without: [org]")
    for cookie in (b"org=acme; " + field, field):
        for ruleset in (alone, optional):
            there = b"org=acme" in cookie
            absent = "blocked: org_absent" if ruleset is alone else None
            assert said(ruleset, cookies(cookie + b"globex")) == (AMBIGUOUS if there else absent or AMBIGUOUS)
            assert said(ruleset, cookies(cookie + b"acme")) == (GRANTED if there else absent or NOT_JUDGED)


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"ORG_ID",
            b"org%u005fid",
            b"org.id",
            b"org+id",
            b"org[id",
            b"org_id[]",
            b"org_id%00x",
            b"org_id[0]",
            b"orgId",
        ),
        *(b"org_id[a]", b"%20org_id", b"[org_id]", b"org%255fid", b"org_id%5B%5D"),
    ],
)
@pytest.mark.parametrize("place", ["query", "form"])
def test_a_parameter_that_some_server_reads(name: bytes, place: str) -> None:
    """As ASP.NET, PHP, Express, Rails and protobuf JSON do, in a query and in a form."""

    def sent(text: bytes) -> Request:
        return query(text) if place == "query" else posted(text, FORM)

    alone = ruleset_of(f"org: {{{place}: org_id}}")
    optional = ruleset_of(f"org: {{{place}: org_id}}, pass_without: [org]")
    assert said(alone, sent(b"org_id=acme&" + name + b"=globex")) == AMBIGUOUS
    assert said(alone, sent(b"org_id=acme&" + name + b"=acme")) == GRANTED
    assert said(alone, sent(name + b"=acme")) == "blocked: org_absent"
    assert said(optional, sent(name + b"=globex")) == AMBIGUOUS
    assert said(optional, sent(name + b"=acme")) == NOT_JUDGED


@pytest.mark.parametrize("name", ["ORG_ID", "orgId", "OrgId", "org-id", "org_id\0x", "org\u00a0id"])
def test_a_member_that_some_server_reads(name: str) -> None:
    """As Go, .NET and protobuf JSON do."""
    alone = ruleset_of("org: {body: /org_id}")
    optional = ruleset_of("org: {body: /org_id}, pass_without: [org]")

    def sent(**members: str) -> Request:
        return posted(json.dumps(members).encode(), JSON)

    assert said(alone, sent(org_id="acme", **{name: "globex"})) == AMBIGUOUS
    assert said(alone, sent(org_id="acme", **{name: "acme"})) == GRANTED
    assert said(alone, sent(**{name: "acme"})) == "blocked: org_absent"
    assert said(optional, sent(**{name: "globex"})) == AMBIGUOUS
    assert said(optional, sent(**{name: "acme"})) == NOT_JUDGED
    assert said(alone, posted(b'{"org_id": "acme", "Org_Id": {"a": "acme"}}', JSON)) == "blocked: body_unread"


def test_what_fails_as_it_stands_keeps_its_reason() -> None:
    """Another reading adds nothing then, unless the API's own 401 is to answer it and it may be let through."""
    ruleset = ruleset_of("org: {query: org}, token: {scopes: [read]}")
    assert said(ruleset, query(b"org=globex&ORG=initech")) == "blocked: org_not_granted"
    assert said(ruleset, query(b"org=acme&ORG=initech")) == "blocked: scope_missing"
    assert said(ruleset, query(b"org=acme&ORG=initech", bearer({}))) == "blocked: org_claim_missing"
    ruleset = ruleset_of("org: {query: org}")
    assert said(ruleset, query(b"org=acme", OLD)) == "annotated: token_expired"
    assert said(ruleset, query(b"org=acme&ORG=acme", OLD)) == "annotated: token_expired"
    assert said(ruleset, query(b"org=acme&ORG=globex", OLD)) == AMBIGUOUS


def test_the_other_checks_hold_for_another_reading_too() -> None:
    """Orgs that must agree, a claim that may be missing, orgs in one value and their names."""
    agreeing = ruleset_of("org: {query: org}, agree: true")
    assert said(agreeing, query(b"org=acme&ORG=acme", BOTH)) == GRANTED
    assert said(agreeing, query(b"org=acme&ORG=globex", BOTH)) == AMBIGUOUS
    assert said(ruleset_of("org: {query: org}"), query(b"org=acme&ORG=globex", BOTH)) == GRANTED
    unnamed = ruleset_of("org: {query: org}, pass_without: [org, claim]")
    assert said(unnamed, query(b"ORG=globex", bearer({}))) == NOT_JUDGED
    split = ruleset_of("org: {query: orgs, split: ','}")
    assert said(split, query(b"orgs=acme&Orgs=acme,acme")) == GRANTED
    assert said(split, query(b"orgs=acme&Orgs=acme,globex")) == AMBIGUOUS
    both = ruleset_of("org: [{query: org}, {cookie: org}]")
    assert said(both, request_of(b"/?org=acme", ACME, (b"Cookie", b"ORG=globex"))) == AMBIGUOUS
    named = ruleset_of("org: {query: org}, except: [{claims: {role: [admin]}}]")
    assert said(named, query(b"org=acme&ORG=x", bearer({"org_ids": ["acme"], "role": "admin"}))) == NOT_JUDGED


@pytest.mark.parametrize(
    ("source", "request_"),
    [
        ("{query: org}", query(b"org=acme&ORG=globex&org[]=globex")),
        ("{cookie: org}", cookies(b"org=acme; ORG=globex; x=y org=globex")),
        ("{form: org}", posted(b"org=acme&ORG=globex", FORM)),
        ("{body: /org}", posted(b'{"org": "acme", "ORG": "globex"}', JSON)),
        ("{body: /org}", posted(b'{"org": "acme", "ORG": {"id": 1}}', JSON)),
    ],
)
def test_exact_names_are_read_exactly(source: str, request_: Request) -> None:
    """For an API where two such names are two things: repeated names, and those behind a `;`, count even so."""
    exact = ruleset_of(f"match: {{hosts: [api.example.com], names: exact}}, org: {source}")
    assert said(exact, request_) == GRANTED
    assert said(ruleset_of(f"org: {source}"), request_) != GRANTED


def test_exact_names_still_count_where_they_repeat() -> None:
    """And the rules that share a request each read it in their own way."""
    exact = "match: {hosts: [api.example.com], names: exact}, org: {query: org}"
    assert said(ruleset_of(exact), query(b"org=acme&org=globex")) == "blocked: org_not_granted"
    assert said(ruleset_of(exact), query(b"org=acme&a=b;org=globex")) == "blocked: org_not_granted"
    assert said(ruleset_of(exact, "org: {query: org}"), query(b"org=acme&ORG=globex")) == AMBIGUOUS
    assert said(ruleset_of("org: {query: org}", exact), query(b"org=acme&ORG=globex")) == AMBIGUOUS


TOKEN = jwt_of({"iss": CORP, "org_ids": ["acme"]})
OTHER = jwt_of({"iss": CORP, "org_ids": ["globex"]})


@pytest.mark.parametrize(
    ("place", "name", "other"),
    [
        ("query", b"access_token", b"ACCESS_TOKEN"),
        ("query", b"access_token", b"access_token[]"),
        ("cookie", b"sid", b"SID"),
        ("cookie", b"sid", b"x=y sid"),
        ("form", b"access_token", b"accessToken"),
    ],
)
def test_a_credential_that_only_another_reading_finds(place: str, name: bytes, other: bytes) -> None:
    """It is one too many, also alone, also where none is needed, also if it is the same; an empty one is none."""
    for passing in ("", ", pass_without: [token]"):
        ruleset = ruleset_of(f"token: {{from: [{{{place}: {name.decode()}}}]}}{passing}")
        for text, expected in (
            (b"%b=%b", "forwarded: token_accepted"),
            (b"%b=%b&" + other + b"=" + OTHER, TWO_CREDENTIALS),
            # Where only the place differs, the same credential again is no other.
            (b"%b=%b&" + other + b"=" + TOKEN, TWO_CREDENTIALS if b" " not in other else "forwarded: token_accepted"),
            (b"%b=%b&" + other + b"=", "forwarded: token_accepted"),
            (b"z%b=%b&" + other + b"=" + TOKEN, TWO_CREDENTIALS),
        ):
            sent = text % (name, TOKEN)
            request = {
                "query": request_of(b"/?" + sent),
                "cookie": request_of(b"/", (b"Cookie", sent.replace(b"&", b"; "))),
                "form": request_of(b"/", FORM, method=b"POST", body=sent),
            }[place]
            assert said(ruleset, request) == expected, sent
            exact = ruleset_of(
                f"match: {{hosts: [api.example.com], names: exact}}, token: {{from: [{{{place}: {name.decode()}}}]}}"
            )
            assert said(exact, request) != TWO_CREDENTIALS


def test_a_rule_may_look_for_its_credential_under_both_names() -> None:
    """Then each is found by its own."""
    ruleset = ruleset_of("token: {from: [{query: access_token}, {query: accessToken}]}")
    assert said(ruleset, request_of(b"/?accessToken=" + TOKEN)) == "forwarded: token_accepted"
    assert said(ruleset, request_of(b"/?access_token=" + TOKEN)) == "forwarded: token_accepted"
    assert said(ruleset, request_of(b"/?accessToken=" + TOKEN + b"&access_token=" + TOKEN)) == TWO_CREDENTIALS
    assert said(ruleset, request_of(b"/?ACCESSTOKEN=" + TOKEN)) == TWO_CREDENTIALS


def explained(ruleset: Ruleset, request: Request) -> Explanation:
    deciding = inspected(ruleset, request).deciding
    assert deciding is not None
    return explain(deciding, ruleset.orgs)


def test_the_reading_is_shown() -> None:
    """The name as it was sent, without what stands behind a bracket; and what mends it."""
    ruleset = ruleset_of("org: {query: org_id}")
    shown = explained(ruleset, query(b"org_id=acme&OrgId=acme&ORG_ID=globex"))
    assert shown.detail == "Some servers read `ORG_ID` as `org_id`: there the request is about `acme`, `globex`."
    assert shown.requested_orgs == ("acme", "globex")
    assert shown.advice == (
        "Send the value under `org_id` alone.",
        "If `ORG_ID` and `org_id` are two things to this API, add `names: exact` to `match` of the rule.",
    )
    for index in (b"%5Bsecret%5D", b"%255Bsecret%255D", b"%u005Bsecret%u005D", b"]secret", b"%00secret"):
        assert "`org_id[…]`" in explained(ruleset, query(b"org_id=acme&org_id" + index + b"=x")).detail
    assert "`\\x1borg_id`" in explained(ruleset, query(b"org_id=acme&\x1borg_id=x")).detail
    agreeing = ruleset_of("org: {query: org}, agree: true")
    assert "`ORG`" in explained(agreeing, query(b"org=acme&ORG=globex", BOTH)).detail
    assert "`Org`" in explained(agreeing, query(b"org=acme&ORG=acme&Org=globex", BOTH)).detail


def test_a_credential_is_not_shown() -> None:
    """Only the names are, and no org where these are not disclosed."""
    ruleset = ruleset_of("token: {from: [{query: access_token}]}")
    request = request_of(b"/?ACCESS_TOKEN=" + TOKEN)
    shown = explained(ruleset, request)
    assert shown.detail == "Some servers read `ACCESS_TOKEN` as `access_token`: there they find a credential."
    deciding = inspected(ruleset, request).deciding
    assert TOKEN.decode() not in repr(deciding)
    ruleset = ruleset_of("org: {query: org}")
    deciding = inspected(ruleset, query(b"org=acme&ORG=globex")).deciding
    assert deciding is not None
    assert "globex" not in str(without_orgs(deciding, explain(deciding, ruleset.orgs)))


@pytest.mark.parametrize(
    "text",
    [
        b"org=acme;" + b"&" * 1_000_000,
        b"org=acme&" + b"x;" * MAX_PIECES,
        b"org=acme&x=" + b"y" * MAX_BYTES,
        b"org=acme" * 200_000,
    ],
)
def test_a_query_that_is_longer_than_servers_read_is_ambiguous(text: bytes) -> None:
    """Whatever it holds; a rule that does not read it does not mind."""
    assert said(ruleset_of("org: {query: org}"), query(text)) == AMBIGUOUS
    assert said(ruleset_of("token: {from: [{query: access_token}]}"), query(text)) == TWO_CREDENTIALS
    assert said(ruleset_of("org: {value: acme}"), query(text)) == GRANTED


def test_more_cookies_than_servers_read_are_ambiguous() -> None:
    """In one field or in several."""
    field = b"org=acme; " + b"a=b;" * MAX_PIECES
    for fields in ([field], [field[: len(field) // 2], field[len(field) // 2 :]]):
        request = request_of(b"/", ACME, *((b"Cookie", each) for each in fields))
        assert said(ruleset_of("org: {cookie: org}"), request) == AMBIGUOUS
        assert said(ruleset_of("token: {from: [{cookie: sid}]}"), request) == TWO_CREDENTIALS
        assert said(ruleset_of("org: {value: acme}"), request) == GRANTED


def test_a_long_query_is_judged() -> None:
    """Of eight kibibytes, and of two thousand parameters."""
    ruleset = ruleset_of("org: {query: org}")
    assert said(ruleset, query(b"org=acme&filter=" + b"%20a" * 2000)) == GRANTED
    assert said(ruleset, query(b"&".join(b"id=%d" % number for number in range(2000)) + b"&org=acme")) == GRANTED
    assert said(ruleset, query(b"&".join(b"id=%d" % number for number in range(2000)) + b"&org=x")) != GRANTED


def test_a_list_of_orgs_is_bounded() -> None:
    """In a header and behind other readings of a name; each rule holds all of them against the token."""
    ruleset = ruleset_of("org: {header: X-Org, split: ','}")
    assert said(ruleset, request_of(b"/", ACME, (b"X-Org", b"acme" + b",acme" * 9_999))) == GRANTED
    assert said(ruleset, request_of(b"/", ACME, (b"X-Org", b"acme" + b",acme" * 10_000))) == AMBIGUOUS
    optional = ruleset_of("org: {query: org}, pass_without: [org]")
    orgs = [f"org-{number}" for number in range(257)]
    token = bearer({"org_ids": orgs})
    assert said(optional, query("&".join(f"org[]={org}" for org in orgs[:-1]).encode(), token)) == NOT_JUDGED
    assert said(optional, query("&".join(f"org[]={org}" for org in orgs).encode(), token)) == AMBIGUOUS


def test_salesforce_ids_are_compared_in_either_form() -> None:
    """Also those that only another reading finds, and in long lists."""
    ruleset = load(
        f"""
        version: 1
        enforcement: block
        issuers: {{corp: {{iss: "{CORP}", ids: salesforce, claims: {{member: org_ids}}}}}}
        rules: [{{id: r, match: {{hosts: [api.example.com]}}, org: {{query: org}}}}]
        """
    )
    token = bearer({"org_ids": ["00D300000001aBC"]})
    assert said(ruleset, query(b"org=00D300000001aBC&ORG=00D300000001aBCEAY", token)) == GRANTED
    assert said(ruleset, query(b"&".join([b"org=00D300000001aBC"] * 40), token)) == GRANTED


def test_an_exchange_with_a_query_that_is_not_read_is_ambiguous() -> None:
    """Its parameters may stand there."""
    ruleset = load(
        f"""
        version: 1
        enforcement: block
        issuers:
          corp:
            iss: "{CORP}"
            claims: {{member: org_ids}}
            oauth: {{hosts: [login.example.com], authorize: [/authorize], org_parameter: org_id}}
        rules: [{{id: r, match: {{hosts: [api.example.com]}}, org: {{query: org}}}}]
        """
    )
    plain = request_of(b"/authorize?org_id=acme&client_id=x", hosts=(b"login.example.com",))
    assert said(ruleset, plain) == "forwarded: exchange_sound"
    assert said(ruleset, plain._replace(target=plain.target + b"&" * 1_000_000)) == AMBIGUOUS
