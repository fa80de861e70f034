"""The whole way of a request, from its rules to what becomes of it."""

import pytest
from tests.guarding import ASKS_FOR_POST, NOW, ORIGIN, bearer, inspected, request_of, ruleset_of, said

from orgfence.core import guard
from orgfence.core.decision import NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.reason import Reason
from orgfence.core.request import AWAITED, UNREAD
from orgfence.core.tokens.cache import TokenCache

ACME = bearer({"org_ids": ["acme"]})
ORGS = "match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}"
TOO_MANY = b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 3


def test_a_right_token_passes_and_a_wrong_one_does_not() -> None:
    """The main job."""
    ruleset = ruleset_of(ORGS)
    assert said(ruleset, request_of(b"/orgs/acme/users", ACME)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/globex/users", ACME)) == "blocked: org_not_granted"


@pytest.mark.parametrize(
    ("enforcement", "outcome"),
    [("block", "blocked"), ("annotate", "annotated"), ("observe", "forwarded")],
)
def test_a_mismatch_is_enforced_as_the_rule_says(enforcement: str, outcome: str) -> None:
    """What is said of it stays the same."""
    ruleset = ruleset_of(f"{ORGS}, enforcement: {enforcement}")
    assert said(ruleset, request_of(b"/orgs/globex", ACME)) == f"{outcome}: org_not_granted"


def test_the_strictest_rule_decides_and_all_are_heard() -> None:
    """Whatever order they stand in."""
    rules = ["id: z", "id: a, org: {value: globex}", "id: m, org: {value: globex}, enforcement: annotate"]
    for order in (rules, rules[::-1]):
        inspection = inspected(ruleset_of(*order), request_of(b"/", ACME))
        assert inspection.deciding is not None
        assert inspection.deciding.rule is not None
        assert inspection.deciding.rule.id == "a"
        heard = {(decision.rule.id, decision.reason.value) for decision in inspection.decisions if decision.rule}
        assert heard == {("z", "token_accepted"), ("a", "org_not_granted"), ("m", "org_not_granted")}


def test_a_ruleset_that_only_observes_says_what_would_be_done() -> None:
    """The same rule decides, for the same reason, in the same reading."""
    ruleset = ruleset_of(f"id: a, enforcement: annotate, {ORGS}", f"id: b, token: {{scopes: [read]}}, {ORGS}")
    for target, headers, reason in [
        (b"/orgs/globex", [bearer({"org_ids": "globex"})], "b: scope_missing"),
        (b"/orgs/acme/..%2fglobex", [bearer({"org_ids": "acme", "scope": "read", "exp": 0})], "b: path_ambiguous"),
    ]:
        for each in (ruleset, ruleset.observing()):
            deciding = inspected(each, request_of(target, *headers)).deciding
            assert deciding is not None
            assert deciding.rule is not None
            assert f"{deciding.rule.id}: {deciding.reason}" == reason


def test_an_allow_by_one_rule_is_shared() -> None:
    """Nothing is made for the requests that are most."""
    ruleset = ruleset_of(ORGS)
    request = request_of(b"/orgs/acme", ACME)
    assert inspected(ruleset, request) is inspected(ruleset, request)


@pytest.mark.parametrize(
    ("hosts", "target", "method", "headers", "outcome"),
    [
        ([b"other.test"], b"/x", b"GET", [], "unmatched"),
        ([b"api.example.com"], b"/x", b"GET", [], "blocked: no_rule"),
        ([b"api.example.com"], b"/orgs/acme", b"GET", [ACME], "forwarded: org_granted"),
        # Each guarded name needs a rule of its own.
        ([b"api.example.com", b"other.test"], b"/orgs/acme", b"GET", [ACME], "forwarded: org_granted"),
        ([b"api.example.com", b"b.test"], b"/orgs/acme", b"GET", [ACME], "blocked: no_rule"),
        ([b"api.example.com", b"b.test"], b"/orgs/globex", b"GET", [ACME], "blocked: org_not_granted"),
        # A rule that matches in another reading or method alone is for another request.
        ([b"api.example.com"], b"/x/../orgs/acme", b"GET", [ACME], "blocked: no_rule"),
        ([b"api.example.com"], b"/x", b"GET", [ACME, (b"X-Original-URL", b"/orgs/acme")], "blocked: no_rule"),
        ([b"b.test"], b"/orgs/acme", b"GET", [ACME, (b"X-HTTP-Method-Override", b"POST")], "blocked: no_rule"),
        ([b"b.test"], b"/orgs/acme", b"POST", [ACME, (b"X-HTTP-Method-Override", b"GET")], "forwarded: token_accepted"),
        # As if the rule were not there.
        ([b"api.example.com"], b"/orgs/me", b"GET", [ACME], "blocked: no_rule"),
        # A preflight asks before anything is sent.
        ([b"api.example.com"], b"/x", b"OPTIONS", [ORIGIN, ASKS_FOR_POST], "unmatched"),
        ([b"api.example.com"], b"/x", b"GET", [ORIGIN, ASKS_FOR_POST], "blocked: no_rule"),
        ([b"api.example.com"], b"/x", b"OPTIONS", [ORIGIN, ASKS_FOR_POST, ACME], "blocked: no_rule"),
        ([b"api.example.com"], b"/x", b"OPTIONS", [ORIGIN, ASKS_FOR_POST, (b"Cookie", b"a=1")], "blocked: no_rule"),
        (
            [b"api.example.com"],
            b"/x",
            b"OPTIONS",
            [ORIGIN, ASKS_FOR_POST, (b"X-Method-Override", b"POST")],
            "blocked: no_rule",
        ),
    ],
)
def test_unmatched_requests_are_blocked_where_the_policy_says_so(
    hosts: list[bytes], target: bytes, method: bytes, headers: list[tuple[bytes, bytes]], outcome: str
) -> None:
    """Those to a guarded host that no rule matches as they stand."""
    rules = [f"{ORGS}, except: [{{paths: [/orgs/me]}}]", "match: {hosts: [b.test], methods: [POST]}"]
    request = request_of(target, *headers, hosts=tuple(hosts), method=method)
    assert said(ruleset_of(*rules, top="unmatched: block\n"), request) == outcome
    if outcome == "blocked: no_rule":
        assert "no_rule" not in said(ruleset_of(*rules, top="unmatched: observe\n"), request)
        assert said(ruleset_of(*rules, top="unmatched: block\n").observing(), request) == "forwarded: no_rule"


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ([ORIGIN, ASKS_FOR_POST], "forwarded: not_judged"),
        ([ORIGIN], "annotated: token_missing"),
        ([ORIGIN, ASKS_FOR_POST, ACME], "blocked: org_not_granted"),
        ([ORIGIN, ASKS_FOR_POST, (b"Cookie", b"a=1")], "annotated: token_missing"),
        ([ORIGIN, ASKS_FOR_POST, (b"X-HTTP-Method", b"DELETE")], "annotated: token_missing"),
    ],
)
def test_a_preflight_passes(headers: list[tuple[bytes, bytes]], outcome: str) -> None:
    """A browser sends neither token nor cookie with it, and nothing that makes it another request."""
    assert said(ruleset_of(ORGS), request_of(b"/orgs/globex", *headers, method=b"OPTIONS")) == outcome


@pytest.mark.parametrize(
    ("undetermined", "outcome"),
    [("block", "blocked"), ("annotate", "annotated"), ("observe", "forwarded")],
)
def test_a_bug_is_a_decision(undetermined: str, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handled as the rule's `undetermined` says, and the exception is kept for the log."""
    error = RecursionError("a bug")

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(guard, "decide", failing)
    inspection = inspected(ruleset_of(f"undetermined: {undetermined}"), request_of(b"/a/../b", ACME))
    assert inspection.action == outcome
    assert inspection.deciding is not None
    assert inspection.deciding.reason is Reason.INTERNAL_ERROR
    assert inspection.deciding.error is error


@pytest.mark.parametrize(
    ("target", "headers", "outcome", "read_as"),
    [
        # Fails in another reading alone.
        (b"/orgs/acme/..%2fglobex", [ACME], "blocked: path_ambiguous", b"/orgs/globex"),
        (b"/x/../orgs/globex", [ACME], "blocked: path_ambiguous", b"/orgs/globex"),
        (b"/orgs/acme", [ACME, (b"X-Original-URL", b"/orgs/globex")], "blocked: path_ambiguous", b"/orgs/globex"),
        # All readings are about the right org.
        (b"/orgs/acme/..%2facme", [ACME], "forwarded: org_granted", b""),
        (b"/orgs/acme/a%2fb", [ACME], "forwarded: org_granted", b""),
        (b"/x/../public", [ACME], "unmatched", b""),
        # The path as it stands fails as well.
        (b"/orgs/globex/..%2fglobex", [ACME], "blocked: org_not_granted", b""),
        # No token is no token, however the path is read.
        (b"/x/../orgs/globex", [], "annotated: token_missing", b""),
        (b"/orgs/acme/%2e", [bearer({"org_ids": "acme", "exp": NOW - 60})], "annotated: token_expired", b""),
        # The other reading weighs more than an expired token.
        (
            b"/orgs/acme/..%2fglobex",
            [bearer({"org_ids": "acme", "exp": NOW - 60})],
            "blocked: path_ambiguous",
            b"/orgs/globex",
        ),
        # What cannot be read here is treated as ever.
        (b"/x/../orgs/globex", [(b"Authorization", b"Bearer opaque")], "forwarded: token_opaque", b""),
        # More readings than are tried.
        (TOO_MANY, [ACME], "blocked: path_ambiguous", b""),
        (TOO_MANY, [], "blocked: path_ambiguous", b""),
    ],
)
def test_every_reading_must_be_allowed(
    target: bytes, headers: list[tuple[bytes, bytes]], outcome: str, read_as: bytes
) -> None:
    """Of several that fail, the strictest decides, and then the path as it stands."""
    ruleset = ruleset_of(f"{ORGS}, undetermined: observe")
    request = request_of(target, *headers)
    assert said(ruleset, request) == outcome
    deciding = inspected(ruleset, request).deciding
    assert (b"" if deciding is None else deciding.read_as) == read_as


def test_each_rule_decides_once() -> None:
    """However many names, paths and readings it matches by."""
    ruleset = ruleset_of("match: {hosts: [api.example.com, '*.example.com', b.test], paths: [/**, /a/**, '/{x}/**']}")
    for target in (b"/a/b", b"/a/%2e%2e%2fa/b", TOO_MANY):
        assert len(inspected(ruleset, request_of(target, ACME, hosts=(b"api.example.com", b"b.test"))).decisions) == 1


@pytest.mark.parametrize(
    ("match", "org", "hosts", "target", "outcome"),
    [
        ("hosts: [api.example.com], paths: [/**, '/orgs/{org}/**']", "path: org", [], b"/orgs/acme", "org_granted"),
        ("hosts: [api.example.com], paths: [/**, '/orgs/{org}/**']", "path: org", [], b"/orgs/x", "org_not_granted"),
        ("hosts: [api.example.com], paths: [/**, '/orgs/{org}/**']", "path: org", [], b"/x", "org_absent"),
        ("hosts: [api.example.com], paths: ['/{org}/b', '/a/{org}']", "path: org", [], b"/a/b", "org_not_granted"),
        ("hosts: ['*.test', '{org}.test']", "host: org", [b"acme.test"], b"/", "org_granted"),
        ("hosts: ['*.test', '{org}.test']", "host: org", [b"globex.test"], b"/", "org_not_granted"),
        # Under one of its names the request says nothing of an org.
        ("hosts: ['*.test', '{org}.test']", "host: org", [b"acme.test", b"a.b.test"], b"/", "org_absent"),
        ("hosts: ['{org}.test']", "host: org", [b"acme.test", b"globex.test"], b"/", "org_not_granted"),
    ],
)
def test_one_template_may_name_the_org_where_another_does_not(
    match: str, org: str, hosts: list[bytes], target: bytes, outcome: str
) -> None:
    """Whatever any of a rule's templates captures is requested; it is absent where none captures it."""
    ruleset = ruleset_of(f"match: {{{match}}}, org: {{{org}}}")
    request = request_of(target, ACME, hosts=tuple(hosts) or (b"api.example.com",))
    assert said(ruleset, request).endswith(f": {outcome}")


def test_granted_is_said_only_where_every_reading_is() -> None:
    """A reading that passes without an org takes the proof away, not the passage."""
    ruleset = ruleset_of(
        "match: {hosts: [api.example.com], paths: ['/orgs/{org}', /other]}, org: {path: org}, pass_without: [org]"
    )
    assert said(ruleset, request_of(b"/orgs/acme", ACME)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/orgs/acme", ACME, (b"X-Rewrite-URL", b"/other"))) == "forwarded: not_judged"


FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")
POSTS = "match: {hosts: [api.example.com], methods: [POST]}, org: {form: org}"
DELETES = "match: {hosts: [api.example.com], methods: [DELETE]}, token: {scopes: [delete]}"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"org=acme", "forwarded: org_granted"),
        (b"org=acme&_method=delete", "blocked: scope_missing"),
        (b"_method=+DELETE&org=acme", "blocked: scope_missing"),
        (b"%5Fmethod=delete&org=acme", "blocked: scope_missing"),
        (b"x=y;_METHOD=delete&org=acme", "blocked: scope_missing"),
        (b".method[]=delete&org=acme", "blocked: scope_missing"),
        (b"method=delete&x_method=delete&org=acme&_methods=delete", "forwarded: org_granted"),
        (b"org=acme&_method=%E9", "forwarded: org_granted"),
        (b"org=acme&_method=put", "forwarded: org_granted"),
    ],
)
def test_a_form_that_is_read_may_name_a_method(body: bytes, outcome: str) -> None:
    """As Rails, Laravel and Symfony read `_method`: the rules for that method judge the request too."""
    for method in b"POST", b"post":
        assert said(ruleset_of(POSTS, DELETES), request_of(b"/", ACME, FORM, method=method, body=body)) == outcome


@pytest.mark.parametrize(
    ("rule", "body", "outcome"),
    [
        ("{body: /org}", b'{"org": "acme", "_method": "delete"}', "blocked: scope_missing"),
        ("{body: /org}", b'{"org": "acme", "method": "delete"}', "forwarded: org_granted"),
        # Most servers take the last.
        ("{body: /org}", b'{"org": "acme", "_method": null, "_method": "delete"}', "blocked: scope_missing"),
        ("{body: /org}", b'{"org": "acme", "_method": {"a": 1}, "_method": "delete"}', "blocked: scope_missing"),
        ("{body: /org}", b'{"org": "acme", "_method": 1.5, "_method": "delete"}', "blocked: scope_missing"),
        ("[{body: /org}, {form: org}]", b'{"org": "acme", "_method": "DELETE"}', "blocked: scope_missing"),
    ],
)
def test_a_document_that_is_read_may_name_a_method(rule: str, body: bytes, outcome: str) -> None:
    """As Laravel reads it."""
    ruleset = ruleset_of(POSTS.replace("{form: org}", rule), DELETES)
    assert said(ruleset, request_of(b"/", ACME, JSON, method=b"POST", body=body)) == outcome


def test_a_method_that_only_some_can_decode_is_any() -> None:
    """Beyond ASCII a form is one text to those who go by its label, and another to those who do not."""
    latin = (b"Content-Type", b"application/x-www-form-urlencoded; charset=iso-8859-1")
    for query, body in ((b"", b"org=acme&_method=%E9&_method=delete"), (b"?_method=put", b"org=acme&_method=%E9")):
        request = request_of(b"/" + query, ACME, latin, method=b"POST", body=body)
        assert said(ruleset_of(POSTS, DELETES), request) == "blocked: scope_missing"


def test_no_body_is_read_for_its_method_alone() -> None:
    """Nor is that of another method than POST, or one that cannot be read."""
    posted = request_of(b"/", ACME, FORM, method=b"POST", body=b"org=acme&_method=delete")
    only_path = "match: {hosts: [api.example.com], methods: [POST]}"
    assert said(ruleset_of(only_path, DELETES), posted) == "forwarded: token_accepted"
    assert (
        said(ruleset_of(POSTS.replace("POST", "PUT"), DELETES), posted._replace(method=b"PUT"))
        == "forwarded: org_granted"
    )
    assert said(ruleset_of(POSTS, DELETES), posted._replace(body=UNREAD)) == "blocked: body_unread"
    assert isinstance(
        inspect(posted._replace(body=AWAITED), ruleset_of(POSTS, DELETES), Known(TokenCache()), NOW), NeedBody
    )


def test_an_overriding_method_in_the_query_is_no_preflight_and_leaves_a_request_unmatched() -> None:
    """A query may name a method as a header may."""
    target = b"/?_method=POST"
    preflight = request_of(target, ORIGIN, ASKS_FOR_POST, method=b"OPTIONS")
    assert said(ruleset_of("token: {issuer: corp}"), preflight) == "annotated: token_missing"
    only_post = ruleset_of("match: {hosts: [api.example.com], methods: [POST]}", top="unmatched: block\n")
    assert said(only_post, request_of(target, ACME)) == "blocked: no_rule"
    only_get = ruleset_of("match: {hosts: [api.example.com], methods: [GET]}", top="unmatched: block\n")
    assert said(only_get, request_of(target, ACME)) == "forwarded: token_accepted"
