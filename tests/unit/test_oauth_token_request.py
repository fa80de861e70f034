"""What is wrong with a token request, before it costs anything."""

import pytest
from tests.exchanges import ACME, GLOBEX, OAUTH, SignIns, advice, details, exchange_of, token, told

from orgfence.core.oauth.exchange import Step
from orgfence.core.reason import Verdict

NEEDS_SCOPE = f"{OAUTH}, refresh_needs_scope: true"


def test_a_bare_refresh_loses_its_scopes() -> None:
    """At an issuer that strips them, and at no other; the scopes to send are those that the sign-in asked for."""
    for oauth, reasons in ((NEEDS_SCOPE, ["refresh_scope_missing"]), (OAUTH, [])):
        sign_ins = SignIns(oauth)
        sign_ins.sign_in(f"org_id={ACME}&scope=read+write", org_ids=[ACME])
        for scope in ({}, {"scope": ""}, {"scope": " "}):
            assert told(sign_ins.ask(grant_type="refresh_token", refresh_token="rt", **scope)) == reasons
        assert told(sign_ins.ask(grant_type="refresh_token", refresh_token="rt", scope="read")) == []
    sign_ins = SignIns(NEEDS_SCOPE)
    sign_ins.sign_in(f"org_id={ACME}&scope=read+write", org_ids=[ACME])
    refresh = sign_ins.ask(grant_type="refresh_token", refresh_token="rt")
    assert advice(refresh) == ["Send `scope=read write` with each refresh."]
    assert (refresh.verdict, exchange_of(refresh).step) == (Verdict.MISMATCH, Step.TOKEN_REQUEST)


def test_a_bare_refresh_of_an_unseen_sign_in() -> None:
    """Nobody knows which scopes it had; a sign-in that was seen to ask for none has none to lose."""
    sign_ins = SignIns(NEEDS_SCOPE)
    unseen = sign_ins.ask(grant_type="refresh_token", refresh_token="of nobody")
    assert advice(unseen) == ["Send `scope` with each refresh."]
    sign_ins.sign_in(f"org_id={ACME}", org_ids=[ACME])
    assert told(sign_ins.ask(grant_type="refresh_token", refresh_token="rt")) == []
    assert told(sign_ins.ask(grant_type="client_credentials")) == []


def test_a_grant_is_good_for_its_own_org_alone() -> None:
    """By what was issued, or asked for where nothing was issued yet."""
    sign_ins = SignIns()
    sign_ins.sign_in(f"org_id={ACME}&scope=read", org_ids=[ACME])
    refresh = {"grant_type": "refresh_token", "refresh_token": "rt"}
    assert told(sign_ins.ask(**refresh)) == told(sign_ins.ask(**refresh, org_id="acme")) == []
    decision = sign_ins.ask(**refresh, org_id="globex")
    assert told(decision) == ["grant_lacks_org"]
    assert decision.requested == (GLOBEX.encode(),)
    assert details(decision).startswith(
        "The request is for `globex`; the grant that it goes by is good for `acme`. It descends from an authorize "
        "request at 2027-01-15 08:00 UTC for `acme`, scope `read`."
    )
    assert advice(decision) == [
        (
            "Sign in once more, with `globex` in `org_id`: a refresh token is good for no org that its sign-in was "
            "not for."
        ),
        "Keep one refresh token for each org.",
    ]
    both = sign_ins.ask(**refresh, org_id="globex", scope="x")
    assert told(both) == ["grant_lacks_org"]


def test_an_app_of_several_orgs_goes_from_one_to_the_next() -> None:
    """Its sign-in is for both, each of its refreshes for one."""
    sign_ins = SignIns()
    sign_ins.sign_in("org_id=acme", org_ids=[ACME, GLOBEX])
    for name, org in (("acme", ACME), ("globex", GLOBEX), ("acme", ACME)):
        asked = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id=name)
        assert told(asked) == []
        assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[org])})) == []


def test_what_was_issued_weighs_more_than_what_was_asked_for() -> None:
    """A sign-in without an org, or for another one, is good for what its token says."""
    for query in ("scope=read", f"org_id={GLOBEX}"):
        sign_ins = SignIns()
        sign_ins.sign_in(query, org_ids=[ACME])
        refresh = {"grant_type": "refresh_token", "refresh_token": "rt"}
        assert told(sign_ins.ask(**refresh, org_id="acme")) == []
        assert told(sign_ins.ask(**refresh, org_id="globex")) == ["grant_lacks_org"]


@pytest.mark.parametrize(
    ("oauth", "reasons"),
    [
        (OAUTH, ["grant_lacks_org"]),
        # It may be for one org alone, and then the issuer knows for which.
        (f"{OAUTH}, clients: {{app: acme}}", []),
        ("refresh_needs_scope: false", []),
    ],
)
def test_a_grant_without_an_org(oauth: str, reasons: list[str]) -> None:
    """Where nothing in it says for which it is, but the sign-in was seen: a token that cannot be read here."""
    sign_ins = SignIns(f"{oauth}, clients: {{other: globex}}" if "clients" not in oauth else oauth)
    sign_ins.sign_in("scope=read")
    client = {"org_id": "acme"} if "org_parameter" in oauth and "app" not in oauth else {}
    decision = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", **client)
    assert told(decision) == reasons
    if reasons:
        assert "the grant that it goes by was given without an org" in details(decision)


def test_a_client_of_one_org_wants_that_org() -> None:
    """Though neither its sign-in nor its refresh names it; what it names itself weighs more."""
    sign_ins = SignIns(f"{OAUTH}, clients: {{app: globex}}")
    sign_ins.sign_in("scope=read", org_ids=[ACME])
    decision = sign_ins.ask(grant_type="refresh_token", refresh_token="rt")
    assert told(decision) == ["grant_lacks_org"]
    assert told(sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id="acme")) == []


def test_an_issuer_without_an_org_parameter() -> None:
    """The advice names none."""
    sign_ins = SignIns("clients: {app: globex}")
    sign_ins.sign_in("scope=read", org_ids=[ACME])
    decision = sign_ins.ask(grant_type="refresh_token", refresh_token="rt")
    assert advice(decision)[0].startswith("Sign in once more for `globex`: ")


def test_scopes_that_the_issuer_does_not_know() -> None:
    """In every kind of token request."""
    sign_ins = SignIns(f"{OAUTH}, scopes: [users]")
    decision = sign_ins.ask(grant_type="client_credentials", scope="user")
    assert (told(decision), advice(decision)) == (["scope_form"], ["Ask for `users` instead of `user`."])


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """In the catalogue's order."""
    sign_ins = SignIns(f"{NEEDS_SCOPE}, scopes: [users]")
    sign_ins.sign_in(f"org_id={ACME}&scope=users", org_ids=[ACME])
    decision = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id="globex")
    assert told(decision) == ["refresh_scope_missing", "grant_lacks_org"]


def test_where_nobody_remembers_grants_only_the_request_tells() -> None:
    """As in `orgfence check`."""
    sign_ins = SignIns(NEEDS_SCOPE, remembers=False)
    assert told(sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id="globex")) == [
        "refresh_scope_missing"
    ]
