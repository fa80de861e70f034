"""What the rest of the policy language says of a request: each key makes a difference, and only its own."""

import pytest
from tests.guarding import CORP, NOW, bearer, inspected, load, request_of, ruleset_of, said

from orgfence.core.decision import Inspection, NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.reason import Reason
from orgfence.core.request import UNREAD
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache

ACME = bearer({"org_ids": ["acme"]})
BOTH = bearer({"org_ids": ["acme", "globex"]})
JSON = (b"Content-Type", b"application/json")
FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
GRANTED = "forwarded: org_granted"
REFUSED = "blocked: org_not_granted"


def answer_to(ruleset: Ruleset, *headers: tuple[bytes, bytes]) -> Inspection | NeedBody:
    """Judge a request whose body nobody has seen yet."""
    return inspect(request_of(b"/", *headers), ruleset, Known(TokenCache()), NOW)


@pytest.mark.parametrize(
    ("source", "headers", "expected"),
    [
        ("{cookie: org}", [(b"Cookie", b"a=b; org=acme")], GRANTED),
        ("{cookie: org}", [(b"Cookie", b"org=acme"), (b"Cookie", b"org=globex")], REFUSED),
        ("{cookie: org}", [(b"Cookie", b"a=b")], "blocked: org_absent"),
        ("{cookie: org}", [], "blocked: org_absent"),
        ("{cookie: org}", [(b"Cookie", b"org=acme"), (b"Connection", b"Cookie")], "blocked: org_ambiguous"),
        ("{header: X-Org, split: ','}", [(b"X-Org", b"acme, acme")], GRANTED),
        ("{header: X-Org, split: ','}", [(b"X-Org", b"acme, globex")], REFUSED),
        ("{header: X-Org, split: ','}", [(b"X-Org", b"acme,")], REFUSED),
        ("{header: X-Org}", [(b"X-Org", b"acme, acme")], REFUSED),
        ("{header: X-Org}", [(b"X-Org", b"acme"), (b"Connection", b"X-Org")], "blocked: org_ambiguous"),
        ("{header: X-Org, strip: true}", [(b"X-Org", b"acme"), (b"Connection", b"X-Org")], GRANTED),
        ("{header: X-Org, strip: true}", [(b"X_org", b"globex")], REFUSED),
    ],
)
def test_orgs_in_cookies_and_lists(source: str, headers: list[tuple[bytes, bytes]], expected: str) -> None:
    """Each value counts; what Connection names may not arrive, unless it goes no further than here."""
    assert said(ruleset_of(f"org: {source}"), request_of(b"/", ACME, *headers)) == expected


@pytest.mark.parametrize(
    ("sources", "headers", "body", "expected"),
    [
        ("{body: /org/id}", [JSON], b'{"org": {"id": "acme"}}', GRANTED),
        ("{body: /org/id}", [JSON], b'{"org": {"id": "globex"}}', REFUSED),
        ("{body: /org/id}", [JSON], b'{"org": {"id": "acme", "id": "globex"}}', REFUSED),
        ("{body: /org/id}", [JSON], b"{}", "blocked: org_absent"),
        ("{body: /org/id}", [JSON], b"{", "blocked: body_unread"),
        ("{body: /org/id}", [JSON], UNREAD, "blocked: body_unread"),
        ("{form: org}", [FORM], b"a=b&org=acme", GRANTED),
        ("{form: org}", [FORM], b"org=acme&org=globex", REFUSED),
        ("{form: org}", [JSON], b"{}", "blocked: body_unread"),
        ("{form: orgs, split: ','}", [FORM], b"orgs=acme,globex", REFUSED),
        ("[{form: org}, {body: /org}]", [JSON], b'{"org": "acme"}', GRANTED),
        ("[{form: org}, {body: /org}]", [FORM], b"org=acme", GRANTED),
        ("[{header: X-Org}, {body: /org}]", [JSON, (b"X-Org", b"globex")], b'{"org": "acme"}', REFUSED),
        (
            "[{body: /org}, {header: X-Org}]",
            [(b"X-Org", b"acme"), (b"Connection", b"X-Org")],
            b"{",
            "blocked: body_unread",
        ),
    ],
)
def test_orgs_in_bodies(sources: str, headers: list[tuple[bytes, bytes]], body: bytes, expected: str) -> None:
    """What cannot be read is `body_unread`, before anything that is wrong with the other places."""
    request = request_of(b"/", ACME, *headers, method=b"POST", body=body)
    assert said(ruleset_of(f"org: {sources}"), request) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"org=acme&t=" + ACME[1].removeprefix(b"Bearer "), GRANTED),
        (b"org=globex&t=" + ACME[1].removeprefix(b"Bearer "), REFUSED),
        (b"org=acme", "annotated: token_missing"),
        (b"t=a&t=b", "blocked: credential_ambiguous"),
        (UNREAD, "blocked: body_unread"),
    ],
)
def test_a_token_in_a_form(body: bytes, expected: str) -> None:
    """RFC 6750 section 2.2: the token may be a field of the form, and there must be one of it."""
    ruleset = ruleset_of("org: {form: org}, token: {from: [{form: t}]}")
    assert said(ruleset, request_of(b"/", FORM, method=b"POST", body=body)) == expected


def test_a_body_is_asked_for_only_where_it_matters() -> None:
    """A token that cannot be read, or another rule that blocks, is not kept waiting; a rule without a body neither."""
    reads = "org: {body: /org}"
    limit = 5 * 1024
    ruleset = ruleset_of(reads, top="body_limit: 5KiB")
    assert answer_to(ruleset, ACME) == NeedBody(limit)
    assert isinstance(answer_to(ruleset), Inspection)

    also = ruleset_of(reads, "org: {value: globex}")
    assert isinstance(answer_to(also, ACME), Inspection)
    assert answer_to(also, BOTH) == NeedBody(1024 * 1024)
    assert answer_to(also.observing(), ACME) == NeedBody(1024 * 1024)
    assert isinstance(answer_to(ruleset_of("org: {value: acme}"), ACME), Inspection)
    assert answer_to(ruleset_of("token: {from: [{form: t}]}")) == NeedBody(1024 * 1024)
    # The cookie may be removed on the way, whatever the form holds; a form that comes first is read first.
    hidden = (b"Cookie", b"sid=x"), (b"Connection", b"Cookie")
    early = answer_to(ruleset_of("token: {from: [{cookie: sid}, {form: t}]}"), *hidden)
    assert isinstance(early, Inspection)
    assert early.decisions[0].reason is Reason.CREDENTIAL_AMBIGUOUS
    assert answer_to(ruleset_of("token: {from: [{form: t}, {cookie: sid}]}"), *hidden) == NeedBody(1024 * 1024)


def test_all_rules_decide_once_the_body_is_there() -> None:
    """What was decided before is decided again, beside what waited."""
    ruleset = ruleset_of("org: {body: /org}", "org: {value: acme}")
    inspection = inspected(ruleset, request_of(b"/", ACME, body=b'{"org": "globex"}'))
    assert {(each.rule and each.rule.id, each.reason.value) for each in inspection.decisions} == {
        ("rule-0", "org_not_granted"),
        ("rule-1", "org_granted"),
    }


@pytest.mark.parametrize(
    ("agree", "headers", "expected"),
    [
        ("true", [(b"X-Org", b"globex")], "blocked: org_ambiguous"),
        ("true", [(b"X-Org", b"acme")], GRANTED),
        ("true", [], GRANTED),
        ("false", [(b"X-Org", b"globex")], GRANTED),
    ],
)
def test_orgs_that_must_agree(agree: str, headers: list[tuple[bytes, bytes]], expected: str) -> None:
    """Two granted orgs in one request are a mistake where the rule says so; a source that gives none agrees."""
    match = 'match: {hosts: [api.example.com], paths: ["/{org}"]}'
    rule = f"{match}, org: [{{path: org}}, {{header: X-Org}}], agree: {agree}"
    ruleset = ruleset_of(rule)
    assert said(ruleset, request_of(b"/acme", BOTH, *headers)) == expected


@pytest.mark.parametrize(
    ("exception", "claims", "excepted"),
    [
        ("{claims: {role: [admin]}}", {"role": "admin"}, True),
        ("{claims: {role: admin}}", {"role": ["user", "admin"]}, True),
        ("{claims: {role: [admin]}}", {"role": {"admin": 1}}, True),
        ("{claims: {role: [admin]}}", {"role": "admins"}, False),
        ("{claims: {role: [admin]}}", {"role": None}, False),
        ("{claims: {role: [admin]}}", {"role": "admin\ud800"}, False),
        ("{claims: {role: [admin]}}", {}, False),
        ("{claims: {role: [admin, root]}}", {"role": "root"}, True),
        ("{claims: {level: [7]}}", {"level": 7}, True),
        ("{claims: {level: ['1']}}", {"level": True}, False),
        ("{claims: {root: ['true']}}", {"root": True}, True),
        ("{claims: {root: ['false']}}", {"root": [1.5, False]}, True),
        ("{claims: {/realm/roles/*: [admin]}}", {"realm": {"roles": ["admin"]}}, True),
        ("{claims: {role: [admin], level: [7]}}", {"role": "admin", "level": 7}, True),
        ("{claims: {role: [admin], level: [7]}}", {"role": "admin", "level": 8}, False),
        ("{claims: {role: [admin]}, paths: [/a/**]}", {"role": "admin"}, True),
        ("{claims: {role: [admin]}, paths: [/b/**]}", {"role": "admin"}, False),
    ],
)
def test_exceptions_by_claims(exception: str, claims: dict[str, object], excepted: bool) -> None:
    """A token that has one of the values in each of the claims is not judged, wherever the exception holds."""
    ruleset = ruleset_of(f"org: {{value: globex}}, except: [{exception}]")
    expected = "forwarded: not_judged" if excepted else REFUSED
    assert said(ruleset, request_of(b"/a/x", bearer({"org_ids": ["acme"], **claims}))) == expected


def test_an_exception_by_claims_comes_before_all_that_a_rule_asks_of_the_token() -> None:
    """Orgs, scopes and lifetime are not judged; that there is a token which can be read is."""
    ruleset = ruleset_of("org: {header: X}, token: {scopes: [a]}, except: [{paths: [/x]}, {claims: {role: admin}}]")
    assert said(ruleset, request_of(b"/", bearer({"role": "admin", "exp": 1}))) == "forwarded: not_judged"
    assert said(ruleset, request_of(b"/")) == "annotated: token_missing"


@pytest.mark.parametrize(
    ("iss", "token_iss", "expected"),
    [
        ("[https://a, https://b]", "https://b", GRANTED),
        ("[https://a, https://b]", "https://c", "blocked: issuer_untrusted"),
        ("https://kc/realms/{realm}", "https://kc/realms/x", GRANTED),
        ("https://kc/realms/{realm}", "https://kc/realms/x/y", "blocked: issuer_untrusted"),
        ("https://kc/realms/{realm}", "https://kc.evil/realms/x", "blocked: issuer_untrusted"),
        ("https://kc/**", "https://kc/realms/x/y", GRANTED),
        ("[https://a, 'https://kc/{realm}']", "https://kc/x", GRANTED),
    ],
)
@pytest.mark.parametrize("named", ["", "token: {issuer: corp}"])
def test_issuers_of_several_names(iss: str, token_iss: str, expected: str, named: str) -> None:
    """A token belongs to the issuer one of whose texts or templates is its `iss`."""
    quoted = iss if iss.startswith("[") else f'"{iss}"'
    issuers = f"issuers: {{corp: {{iss: {quoted}, claims: {{member: orgs}}}}, other: {{iss: https://o}}}}"
    rule = f"{{id: a, match: {{hosts: [api.example.com]}}, org: {{value: acme}}, enforcement: block, {named}}}"
    ruleset = load(f"version: 1\n{issuers}\nrules: [{rule}]")
    assert said(ruleset, request_of(b"/", bearer({"iss": token_iss, "orgs": ["acme"]}))) == expected


@pytest.mark.parametrize(
    ("slash", "target", "expected"),
    [
        # The first segment is the org.
        ("", b"/acme/..%2f..%2fglobex%2fx", "blocked: path_ambiguous"),
        ("encoded_slash: data", b"/acme%2Fglobex/users", REFUSED),
        ("encoded_slash: data", b"/acme/a%2Fglobex", GRANTED),
        ("encoded_slash: separator", b"/acme%2Fusers", GRANTED),
        ("encoded_slash: separator", b"/globex%2Fusers", REFUSED),
        ("encoded_slash: separator", b"/acme/..%2fglobex/users", "blocked: path_ambiguous"),
    ],
)
def test_encoded_slashes(slash: str, target: bytes, expected: str) -> None:
    """Only the readings that the API makes are judged, where the policy says which those are."""
    rule = f'match: {{hosts: [api.example.com], paths: ["/{{org}}/*"], {slash}}}, org: {{path: org}}'
    assert said(ruleset_of(rule), request_of(target, bearer({"org_ids": ["acme"]}))) == expected


def test_each_rule_has_its_own_view_of_encoded_slashes() -> None:
    """Two APIs behind one host may differ; a rule of one is not judged by the readings of the other."""
    match = 'match: {{hosts: [api.example.com], paths: ["/{{org}}"], encoded_slash: {}}}'
    ruleset = ruleset_of(
        f"{match.format('data')}, org: {{path: org}}", f"{match.format('separator')}, org: {{path: org}}"
    )
    inspection = inspected(ruleset, request_of(b"/acme%2Fx", ACME))
    assert [(each.rule and each.rule.id, each.reason.value) for each in inspection.decisions] == [
        ("rule-0", "org_not_granted")
    ]
    odd_method = inspected(ruleset, request_of(b"/acme%2Fx", ACME, method=b"GET /x"))
    assert {each.reason.value for each in odd_method.decisions} == {"org_not_granted", "path_ambiguous"}


@pytest.mark.parametrize(
    ("keys", "target", "expected"),
    [
        ("ignore_case: true", b"/ORGS/acme", GRANTED),
        ("ignore_case: true", b"/Orgs/ACME", REFUSED),
        ("ignore_case: true", b"/orgs/\xe2\x84\xaa", REFUSED),
        ("ignore_case: false", b"/ORGS/acme", "unmatched"),
    ],
)
def test_paths_that_ignore_case(keys: str, target: bytes, expected: str) -> None:
    """The template's own text is compared without regard to case; what it captures stays as it is."""
    rule = f'match: {{hosts: [api.example.com], paths: ["/orgs/{{org}}"], {keys}}}, org: {{path: org}}'
    assert said(ruleset_of(rule), request_of(target, ACME)) == expected


def test_an_exception_ignores_case_with_its_rule() -> None:
    """The same API takes the excepted path in the same way."""
    match = 'match: {hosts: [api.example.com], paths: ["/orgs/{org}"], ignore_case: true}'
    ruleset = ruleset_of(f"{match}, org: {{path: org}}, except: [{{paths: [/orgs/me]}}]")
    assert said(ruleset, request_of(b"/Orgs/ME", ACME)) == "unmatched"


def test_a_trait_is_kept_with_the_token() -> None:
    """The second request with the same token is judged like the first, without reading it again."""
    ruleset = ruleset_of("org: {value: globex}, except: [{claims: {role: admin}}]")
    known = Known(TokenCache())
    request = request_of(b"/", bearer({"iss": CORP, "role": "admin", "sub": "a"}))
    for _ in range(2):
        inspection = inspect(request, ruleset, known, NOW)
        assert isinstance(inspection, Inspection)
        assert inspection.deciding is not None
        assert inspection.deciding.reason == "not_judged"
