"""What is wrong with the tokens that an issuer has issued."""

import pytest
from tests.exchanges import ACME, GLOBEX, OAUTH, SignIns, advice, details, exchange_of, ruleset_of, token, told
from tests.guarding import NOW

from orgfence.core.oauth.decide_answer import decide_redirect, implicit
from orgfence.core.oauth.exchange import Step, TokenResponse
from orgfence.core.oauth.grant import Authorization
from orgfence.core.reason import Enforcement, Reason, Verdict

BOTH = "block_responses: true, org_parameter: org_id"


def test_a_right_token_is_sound() -> None:
    """For the org that was asked for, by whichever request."""
    sign_ins = SignIns()
    for form in ({"org_id": "acme"}, {}):
        asked = sign_ins.ask(grant_type="client_credentials", **form)
        decision = sign_ins.answer(asked, {"access_token": token(org_ids=[ACME, GLOBEX])})
        assert decision is not None
        assert (decision.verdict, decision.reason) == (Verdict.ALLOW, Reason.EXCHANGE_SOUND)
        assert exchange_of(decision).step is Step.TOKEN_RESPONSE


def test_a_token_for_another_org() -> None:
    """Than the one that the token request, the sign-in or the client is for."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", org_id="globex")
    decision = sign_ins.answer(asked, {"access_token": token(org_ids=[ACME])})
    assert (told(decision), details(decision)) == (
        ["issued_org_missing"],
        "The token was to be for `globex`, and what the issuer has issued is good for `acme`.",
    )
    assert advice(decision) == [
        "Sign in again for `globex`, naming it by `org_id` in the authorize request.",
        "If that changes nothing, the app or the user has no access to `globex` at this issuer.",
    ]

    signed_in = SignIns().sign_in(f"org_id={GLOBEX}", org_ids=[ACME])
    assert told(signed_in) == ["issued_org_missing"]
    assert "It descends from an authorize request at" in details(signed_in)

    of_one_org = SignIns("clients: {app: globex}")
    decision = of_one_org.answer(of_one_org.ask(grant_type="client_credentials"), {"access_token": token(org_ids=[])})
    assert told(decision) == ["org_claim_empty"]
    decision = of_one_org.answer(of_one_org.ask(grant_type="client_credentials"), {"access_token": token()})
    assert details(decision) == "The token was to be for `globex`, and what the issuer has issued names no org."
    assert advice(decision)[0] == "Sign in again for `globex`, naming it by the org in the authorize request."


def test_a_token_for_no_org_at_all() -> None:
    """Whatever was asked for; one that cannot name any is for the API's rules to judge."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials")
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[])})) == ["org_claim_empty"]
    assert told(sign_ins.answer(asked, {"access_token": token()})) == []


@pytest.mark.parametrize("raw", ["opaque", "a.b.c", "\ud800", token(iss="https://elsewhere.test", org_ids=[ACME])])
def test_a_token_that_cannot_be_read_here(raw: str) -> None:
    """Nothing is said of its orgs; the answer may tell of its scopes all the same."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", org_id="acme", scope="read write")
    assert told(sign_ins.answer(asked, {"access_token": raw, "expires_in": 5})) == []
    assert told(sign_ins.answer(asked, {"access_token": raw, "scope": "read"})) == ["issued_scope_reduced"]


def test_fewer_scopes_than_were_asked_for() -> None:
    """By the answer, or by the token where the answer does not say; those of OpenID Connect never come back."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", scope="openid offline_access write read")
    for content, missing in (
        ({"scope": "write read", "access_token": token()}, ""),
        ({"scope": "", "access_token": token(scope="write read")}, "`read`, `write`"),
        ({"scope": ["read"], "access_token": "opaque"}, "`write`"),
        ({"access_token": token(scope="write")}, "`read`"),
        ({"access_token": token()}, ""),
    ):
        decision = sign_ins.answer(asked, content)
        assert details(decision) == (f"The issuer has left out {missing} of what was asked for." if missing else "")
        assert len(advice(decision)) == (1 if missing else 0)


@pytest.mark.parametrize(
    ("asked", "issued", "missing"),
    [
        ("repo read:org", "read:org,repo", []),
        ("repo,read:org", "read:org,repo", []),
        ("repo,read:org", "read:org repo", []),
        ("repo read:org", "repo", ["issued_scope_reduced"]),
        ("repo,read:org", "repo,gist", ["issued_scope_reduced"]),
    ],
)
def test_scopes_may_be_parted_by_commas(asked: str, issued: str, missing: list[str]) -> None:
    """As GitHub, Slack and LinkedIn do."""
    sign_ins = SignIns()
    request = sign_ins.ask(grant_type="client_credentials", scope=asked)
    assert told(sign_ins.answer(request, {"access_token": "opaque", "scope": issued})) == missing


def test_a_bare_refresh_has_asked_for_what_its_sign_in_did() -> None:
    """RFC 6749, section 6; and the advice is to repeat that."""
    sign_ins = SignIns()
    sign_ins.sign_in(f"org_id={ACME}&scope=read+write", org_ids=[ACME], scope="read write")
    asked = sign_ins.ask(grant_type="refresh_token", refresh_token="rt")
    decision = sign_ins.answer(asked, {"access_token": token(org_ids=[ACME]), "scope": "read"})
    assert told(decision) == ["issued_scope_reduced"]
    assert advice(decision)[0] == "Send `scope=read write` with each refresh."
    narrower = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", scope="read")
    assert told(sign_ins.answer(narrower, {"access_token": token(org_ids=[ACME]), "scope": "read"})) == []


@pytest.mark.parametrize(
    ("claims", "expires_in", "is_wrong"),
    [
        ({"exp": NOW + 3600}, 3600, False),
        ({"exp": NOW + 3600}, 3550.5, False),
        ({"exp": NOW + 3600}, "3600", False),
        ({"exp": NOW + 3600}, 86400, True),
        ({"exp": NOW + 3600}, None, False),
        ({}, 3600, False),
        # A clock that is an hour ahead, here or there.
        ({"exp": NOW + 7200, "iat": NOW + 3600}, 3600, False),
        ({"exp": NOW + 7200, "iat": NOW}, 3600, True),
    ],
)
def test_a_lifetime_that_is_contradicted(claims: dict[str, object], expires_in: object, is_wrong: bool) -> None:
    """By more than a minute, from now on and from when the token was issued."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials")
    decision = sign_ins.answer(asked, {"access_token": token(org_ids=[ACME], **claims), "expires_in": expires_in})
    assert told(decision) == (["issued_lifetime_wrong"] if is_wrong else [])
    if is_wrong and "iat" in claims:
        assert details(decision) == "`expires_in` says 3600 seconds, and the token's own `exp` 7200."


def test_what_is_no_answer_with_tokens_is_not_judged() -> None:
    """A refusal, and what comes with a status that issues nothing."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", org_id="globex")
    useless = {"access_token": token(org_ids=[ACME])}
    assert sign_ins.answer(asked, {"error": "invalid_grant"}) is None
    assert sign_ins.answer(asked, useless, status=400) is None
    assert sign_ins.answer(asked, useless, status=302) is None
    assert sign_ins.answer(asked, useless, status=201) is not None


def test_what_cannot_be_read_is_undetermined() -> None:
    """Of an answer that is too long, and the policy says what then."""
    sign_ins = SignIns(BOTH)
    asked = sign_ins.ask(grant_type="client_credentials")
    answered = sign_ins.unread(asked)
    assert answered is not None
    decision, issued = answered
    assert (decision.verdict, decision.reason, issued) == (Verdict.UNDETERMINED, Reason.BODY_UNREAD, None)
    assert details(decision).startswith("The issuer's answer is larger than `body_limit`")
    assert decision.enforcement is Enforcement.BLOCK


@pytest.mark.parametrize(
    ("oauth", "enforcement"),
    [
        (OAUTH, Enforcement.ANNOTATE),
        (BOTH, Enforcement.BLOCK),
        (f"{BOTH}, enforcement: observe", Enforcement.OBSERVE),
    ],
)
def test_an_answer_is_blocked_only_where_the_policy_wants_that(oauth: str, enforcement: Enforcement) -> None:
    """It burns what bought it."""
    sign_ins = SignIns(oauth)
    asked = sign_ins.ask(grant_type="client_credentials")
    decision = sign_ins.answer(asked, {"access_token": token(org_ids=[])})
    assert decision is not None
    assert decision.enforcement is enforcement


def test_an_answer_for_an_issuer_that_is_gone_is_not_judged() -> None:
    """After a reload there may be no rule for it."""
    sign_ins = SignIns()
    asked = sign_ins.ask(grant_type="client_credentials")
    sign_ins.ruleset = ruleset_of(name="other")
    assert sign_ins.answer(asked, {"access_token": token(org_ids=[])}) is None


def test_a_bug_is_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undetermined, as where requests are judged: what is not proved right is treated like a mismatch."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orgfence.core.oauth.decide_answer.token_response_faults", broken)
    sign_ins = SignIns(BOTH)
    decision = sign_ins.answer(sign_ins.ask(grant_type="client_credentials"), {"access_token": token()})
    assert decision is not None
    assert (decision.verdict, decision.reason) == (Verdict.UNDETERMINED, Reason.INTERNAL_ERROR)
    assert decision.enforcement is Enforcement.BLOCK
    assert isinstance(decision.error, ZeroDivisionError)


def test_the_tokens_in_a_redirect_are_judged() -> None:
    """And never blocked: a browser follows it. Of several each counts."""
    sign_ins = SignIns(BOTH)
    oauth = exchange_of(sign_ins.authorize("client_id=app&org_id=acme")).issuer
    asked = implicit(oauth, Authorization(NOW, (ACME.encode(),), None), "app")
    right, wrong = (TokenResponse(token(org_ids=[org]), None, None, None) for org in (ACME, GLOBEX))
    for issued, reasons in (
        ((right,), []),
        ((wrong,), ["issued_org_missing"]),
        ((right, wrong), ["issued_org_missing"]),
    ):
        decision = decide_redirect(asked, issued, sign_ins.ruleset, sign_ins.known, NOW)
        assert told(decision) == reasons
        assert decision is not None
        assert decision.enforcement is Enforcement.ANNOTATE
    assert decide_redirect(asked, (right,), ruleset_of(name="other"), sign_ins.known, NOW) is None


def test_a_bug_in_judging_a_redirect_is_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every rule."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orgfence.core.oauth.decide_answer.token_response_faults", broken)
    sign_ins = SignIns()
    oauth = exchange_of(sign_ins.authorize("client_id=app&org_id=acme")).issuer
    asked = implicit(oauth, Authorization(NOW, (), None), "app")
    issued = (TokenResponse("x", None, None, None),)
    decision = decide_redirect(asked, issued, sign_ins.ruleset, sign_ins.known, NOW)
    assert decision is not None
    assert (decision.verdict, decision.reason) == (Verdict.UNDETERMINED, Reason.INTERNAL_ERROR)
