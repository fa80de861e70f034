"""Exchanges among the other requests: what is waited for, what cannot be read, and what they tell of API calls."""

import pytest
from tests.exchanges import (
    ACME,
    GLOBEX,
    OAUTH,
    SignIns,
    advice,
    details,
    exchange_of,
    needs_body,
    ruleset_of,
    token,
    told,
)
from tests.guarding import request_of

from orgfence.core.catalogue import explain, without_orgs
from orgfence.core.oauth.exchange import TokenRequest
from orgfence.core.reason import Reason, Verdict
from orgfence.core.request import UNREAD, Body

ORG_IN_PATH = "{id: orgs, match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}}"
JSON = (b"Content-Type", b"application/json")


def test_only_what_has_its_parameters_in_a_body_waits_for_it() -> None:
    """GET and HEAD have them in the URL."""
    ruleset = ruleset_of()
    for path in (b"/oauth/token", b"/oauth/par", b"/oauth/authorize"):
        assert needs_body(ruleset, path, b"POST")
    for method in (b"GET", b"HEAD"):
        assert not needs_body(ruleset, b"/oauth/authorize", method)


@pytest.mark.parametrize(
    ("body", "headers"),
    [(UNREAD, ()), (b"{", (JSON,)), (b"a=1", ((b"Content-Type", b"multipart/form-data"),))],
    ids=["too long", "no json", "no form"],
)
@pytest.mark.parametrize("path", [b"/oauth/token", b"/oauth/par"])
def test_what_cannot_be_read_is_undetermined(
    path: bytes, body: bytes | Body, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Of a token request what is issued is judged all the same."""
    sign_ins = SignIns()
    decision = sign_ins.judge(request_of(path, *headers, method=b"POST", hosts=(b"login.test",), body=body))
    assert (decision.verdict, decision.reason) == (Verdict.UNDETERMINED, Reason.BODY_UNREAD)
    if path == b"/oauth/token":
        assert exchange_of(decision).request == TokenRequest("", None, (), None)
        assert details(decision).startswith("The request is larger than `body_limit`, or neither a form nor JSON")
        assert told(sign_ins.answer(decision, {"access_token": token(org_ids=[])})) == ["org_claim_empty"]
    else:
        assert exchange_of(decision).begins_nothing


def test_salesforce_ids_are_one_in_either_form() -> None:
    """In sign-ins, refreshes and tokens, in the policy and by its client; one that cannot be read is judged alike."""
    short, long = "00D5g00000AbCdE", "00D5g00000AbCdEEAV"
    for policys, asked, issued in ((short, long, long), (long, short, long), (short, short, short)):
        top, more = f"orgs: {{acme: {{id: {policys}}}}}", ", ids: salesforce"
        sign_ins = SignIns(top=top, rules=ORG_IN_PATH, more=more)
        assert told(sign_ins.authorize(f"client_id=app&org_id={asked}")) == []
        assert told(sign_ins.sign_in(f"org_id={asked}", org_ids=[issued])) == []
        refresh = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id=policys)
        assert told(refresh) == []
        machine = sign_ins.ask(grant_type="client_credentials", org_id=asked)
        sign_ins.answer(machine, {"access_token": "opaque"})
        assert sign_ins.call("opaque", f"/orgs/{policys}/x".encode()).reason is Reason.ORG_GRANTED
        of_one = SignIns(f"clients: {{app: {policys}}}", top=top, more=more)
        assert told(of_one.answer(of_one.ask(), {"access_token": token(org_ids=[issued])})) == []


def test_json_is_read_as_a_form_is() -> None:
    """Auth0's clients send it."""
    body = b'{"grant_type": "refresh_token", "refresh_token": "rt", "client_id": "app"}'
    request = request_of(b"/oauth/token", JSON, method=b"POST", hosts=(b"login.test",), body=body)
    assert told(SignIns(f"{OAUTH}, refresh_needs_scope: true").judge(request)) == ["refresh_scope_missing"]


def test_a_path_that_can_be_read_in_too_many_ways() -> None:
    """Is nobody's exchange, and is answered as those are."""
    target = b"/oauth/token" + b"/%2e" * 4000
    decision = SignIns().judge(request_of(target, method=b"POST", hosts=(b"login.test",), body=b""))
    assert (decision.reason, decision.exchange, decision.faults) == (Reason.PATH_AMBIGUOUS, None, ())
    assert explain(decision, SignIns().ruleset.orgs).status == 400


def test_an_odd_path_is_what_is_wrong_with_it() -> None:
    """Though the exchange in it has a fault, too: a plain one would be told that."""
    decision = SignIns().judge(request_of(b"/x/../oauth/authorize?a=1", hosts=(b"login.test",)))
    assert (decision.reason, decision.faults) == (Reason.PATH_AMBIGUOUS, ())
    assert "It can be read as `/oauth/authorize`" in explain(decision, SignIns().ruleset.orgs).detail
    assert exchange_of(decision).faults


def test_a_rule_for_the_same_path_asks_for_no_token() -> None:
    """`Authorization: Basic` at an issuer's endpoint is the client's own; what lies beside it is another matter."""
    rules = "{id: all, match: {hosts: [login.test]}, token: {unauthenticated: block}}"
    sign_ins = SignIns(rules=rules)
    assert sign_ins.authorize("org_id=acme").reason in {Reason.EXCHANGE_SOUND, Reason.NOT_JUDGED}
    assert sign_ins.judge(request_of(b"/userinfo", hosts=(b"login.test",))).reason is Reason.TOKEN_MISSING


def test_only_the_endpoint_itself_takes_no_token() -> None:
    """Another reading of a path that looks like an endpoint's may be an API's, which wants its token."""
    rules = '{id: api, match: {hosts: [login.test], paths: ["/api/**"]}, token: {unauthenticated: block}}'
    sign_ins = SignIns('authorize: ["/{realm}/authorize"], org_parameter: org_id', rules=rules)
    request = request_of(b"/api%2Forgs/authorize?org_id=acme", hosts=(b"login.test",))
    assert sign_ins.judge(request).reason is Reason.TOKEN_MISSING


def test_only_the_method_itself_makes_an_exchange() -> None:
    """What a header puts in its place an API may not go by, and then it wants its token."""
    sign_ins = SignIns(rules="{id: all, match: {hosts: [login.test]}, token: {unauthenticated: block}}")
    post = (b"X-HTTP-Method-Override", b"POST")
    for method, fields, is_exchange in ((b"POST", (), True), (b"DELETE", (post,), False)):
        request = request_of(b"/oauth/token", *fields, method=method, hosts=(b"login.test",), body=b"")
        assert (sign_ins.judge(request).reason is Reason.TOKEN_MISSING) != is_exchange


def test_a_bug_is_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every rule."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orgfence.core.oauth.decide.authorize_request", broken)
    assert SignIns().authorize("a=1").reason is Reason.INTERNAL_ERROR


def test_a_wrong_token_is_explained_by_its_sign_in() -> None:
    """By the authorize request that it descends from; and one that is right, or of nobody, is not."""
    sign_ins = SignIns(rules=ORG_IN_PATH)
    raw = token(org_ids=[ACME])
    sign_ins.sign_in("scope=read", org_ids=[ACME])
    decision = sign_ins.call(raw, b"/orgs/globex/users")
    assert decision.reason is Reason.ORG_NOT_GRANTED
    assert decision.lineage == (
        "It descends from an authorize request at 2027-01-15 08:00 UTC without `org_id`, scope `read`."
    )
    orgs = sign_ins.ruleset.orgs
    assert explain(decision, orgs).detail.endswith(f"the token is good for `acme`. {decision.lineage}")
    assert "acme" not in without_orgs(decision, explain(decision, orgs)).detail
    assert sign_ins.call(raw, b"/orgs/acme/users").lineage == ""
    assert sign_ins.call(token(org_ids=[ACME], jti="another"), b"/orgs/globex/users").lineage == ""


def test_an_issuer_that_is_gone_explains_nothing() -> None:
    """After a reload its grants are still known, and of no use."""
    sign_ins = SignIns(rules=ORG_IN_PATH)
    sign_ins.sign_in("scope=read", org_ids=[ACME])
    raw = token(org_ids=[ACME])
    assert sign_ins.call(raw, b"/orgs/globex/users").lineage
    sign_ins.ruleset = ruleset_of(rules=ORG_IN_PATH, name="other")
    decision = sign_ins.call(raw, b"/orgs/globex/users")
    assert (decision.reason, decision.lineage) == (Reason.ORG_NOT_GRANTED, "")


def test_what_an_exchange_was_for_and_what_it_is_good_for_are_told() -> None:
    """By the token that was issued, or by the grant; under `disclose: reason` neither is, nor advice with it."""
    sign_ins = SignIns()
    sign_ins.sign_in(f"org_id={ACME}", org_ids=[ACME])
    asked = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id="globex")
    issued = sign_ins.answer(asked, {"access_token": token(org_ids=[ACME])})
    assert issued is not None
    orgs = sign_ins.ruleset.orgs
    for decision in (asked, issued):
        explanation = explain(decision, orgs)
        assert (explanation.requested_orgs, explanation.granted_orgs) == (("globex",), ("acme",))
        hidden = without_orgs(decision, explanation)
        assert "globex" not in str(hidden)
        assert GLOBEX not in str(hidden)
    unseen = sign_ins.ask(grant_type="client_credentials", org_id="globex")
    assert explain(unseen, orgs).granted_orgs == ()
    assert not advice(unseen)


@pytest.mark.parametrize(("more", "enforcement"), [("", "block"), (", enforcement: observe", "observe")])
def test_a_faulty_exchange_is_enforced_as_its_issuer_says(more: str, enforcement: str) -> None:
    """As `enforcement` of its `oauth`, else the file's."""
    assert SignIns(OAUTH + more).authorize("a=1").enforcement.word == enforcement
