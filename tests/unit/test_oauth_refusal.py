"""Why an issuer may have refused, which it says by `invalid_grant` whatever it was."""

from tests.exchanges import ACME, OAUTH, SignIns, exchange_of

from orgfence.core.decision import Decision
from orgfence.core.oauth.refusal import explain_refusal

REFRESH = {"grant_type": "refresh_token", "refresh_token": "rt"}


def explained(sign_ins: SignIns, asked: Decision, error: str = "invalid_grant") -> str:
    return explain_refusal(exchange_of(asked), error, sign_ins.ruleset.orgs)


def test_what_is_wrong_with_the_request_is_why() -> None:
    """With what to do first about each fault."""
    sign_ins = SignIns(f"{OAUTH}, refresh_needs_scope: true")
    sign_ins.sign_in(f"org_id={ACME}&scope=read", org_ids=[ACME])
    why = explained(sign_ins, sign_ins.ask(**REFRESH, org_id="globex"))
    assert why.startswith("The issuer has refused with `invalid_grant`. The refresh has no `scope`, and this issuer ")
    assert "is good for `acme`" in why
    assert "Send `scope=read` with each refresh. Sign in once more, with `globex` in `org_id`" in why
    assert "Keep one refresh token" not in why


def test_where_nothing_is_wrong_with_it_its_grant_may_tell() -> None:
    """When it began, for which org, and how often it was refreshed."""
    sign_ins = SignIns()
    sign_ins.sign_in(f"org_id={ACME}", org_ids=[ACME])
    assert explained(sign_ins, sign_ins.ask(**REFRESH)) == (
        "The issuer has refused with `invalid_grant`. The request is for `acme`. It descends from an authorize request "
        "at 2027-01-15 08:00 UTC for `acme`, no scope."
    )


def test_what_was_not_seen_is_said() -> None:
    """And what has neither a code nor a refresh token comes from nowhere."""
    sign_ins = SignIns()
    assert explained(sign_ins, sign_ins.ask(**REFRESH), "") == (
        "The issuer has refused. Where the code or refresh token comes from was not seen here."
    )
    assert explained(sign_ins, sign_ins.ask(grant_type="client_credentials", org_id="acme"), "x\ny") == (
        "The issuer has refused with `x\\ny`. The request is for `acme`."
    )
