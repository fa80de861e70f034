"""An opaque token is good for what its exchange was for."""

import pytest
from tests.exchanges import ACME, GLOBEX, OAUTH, REDIRECT_URI, SignIns
from tests.guarding import NOW

from orgfence.core.oauth.exchange import Redirect
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.oauth.opaque import token_by_grant
from orgfence.core.reason import Reason
from orgfence.core.tokens.token import TokenKind

RULE = "id: orgs, match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}"


def signed_in(more: str = "", rules: str = f"{{{RULE}}}", **content: object) -> SignIns:
    """Get the token `opaque` for acme and the scope `read`."""
    sign_ins = SignIns(OAUTH + more, rules=rules)
    asked = sign_ins.ask(grant_type="client_credentials", org_id="acme", scope="read")
    assert sign_ins.answer(asked, {"access_token": "opaque", **content}) is not None
    return sign_ins


@pytest.mark.parametrize(
    ("raw", "org", "reason"),
    [
        ("opaque", "acme", Reason.ORG_GRANTED),
        ("opaque", "globex", Reason.ORG_NOT_GRANTED),
        ("unseen", "acme", Reason.TOKEN_OPAQUE),
    ],
)
def test_an_api_call_is_judged_by_the_exchange(raw: str, org: str, reason: Reason) -> None:
    """By its org, and where it was not seen not at all."""
    assert signed_in().call(raw, f"/orgs/{org}/x".encode()).reason is reason


def test_the_scopes_and_the_time_count_as_well() -> None:
    """As far as the exchange said them; a token has the issuer's leeway."""
    scoped = f"{{{RULE}, token: {{scopes: [read]}}}}"
    assert signed_in(rules=scoped).call("opaque", b"/orgs/acme/x").reason is Reason.ORG_GRANTED
    narrower = signed_in(rules=scoped, scope="other")
    assert narrower.call("opaque", b"/orgs/acme/x").reason is Reason.SCOPE_MISSING
    assert signed_in(expires_in=-20).call("opaque", b"/orgs/acme/x").reason is Reason.ORG_GRANTED
    assert signed_in(expires_in=-60).call("opaque", b"/orgs/acme/x").reason is Reason.TOKEN_EXPIRED


def test_what_a_client_is_for() -> None:
    """`{client: true}` is the org of the client that the token was issued to."""
    rule = "{id: client, match: {hosts: [api.example.com]}, org: {client: true}}"
    sign_ins = signed_in(f", clients: {{app: {GLOBEX}}}", rule)
    decision = sign_ins.call("opaque", b"/")
    assert (decision.reason, decision.requested) == (Reason.ORG_NOT_GRANTED, (GLOBEX.encode(),))


@pytest.mark.parametrize(
    ("query", "reason"), [("org_id=acme", Reason.ORG_NOT_GRANTED), ("scope=read", Reason.TOKEN_OPAQUE)]
)
def test_asking_for_another_org_is_not_getting_it(query: str, reason: Reason) -> None:
    """Issuers answer 200 to a refresh for an org that its sign-in was not for, and give what they would have given."""
    sign_ins = SignIns(rules=f"{{{RULE}}}")
    sign_ins.authorize(f"client_id=app&redirect_uri={REDIRECT_URI}&state=s&{query}")
    assert isinstance(sign_ins.known.grants, GrantLedger)
    sign_ins.known.grants.redirected("corp", Redirect(REDIRECT_URI, "s", "code", None), None, NOW)
    code = sign_ins.ask(grant_type="authorization_code", code="code")
    sign_ins.answer(code, {"access_token": "first", "refresh_token": "rt"})
    refresh = sign_ins.ask(grant_type="refresh_token", refresh_token="rt", org_id="globex")
    assert refresh.reason is Reason.GRANT_LACKS_ORG
    sign_ins.answer(refresh, {"access_token": "second"})
    assert sign_ins.call("second", b"/orgs/globex/x").reason is reason


def test_nothing_is_known_where_no_org_was_named() -> None:
    """Of the orgs; the issuer may have chosen any."""
    sign_ins = SignIns(rules=f"{{{RULE}}}")
    sign_ins.answer(sign_ins.ask(grant_type="client_credentials"), {"access_token": "opaque"})
    assert sign_ins.call("opaque", b"/orgs/acme/x").reason is Reason.TOKEN_OPAQUE


def test_a_token_belongs_to_the_issuer_that_issued_it() -> None:
    """A rule that wants another issuer's, or a policy that no longer has that one, has no use for it."""
    sign_ins = signed_in()
    grants, issuers = sign_ins.known.grants, sign_ins.ruleset.issuers
    assert isinstance(grants, GrantLedger)
    for issuer in (None, "corp"):
        token = token_by_grant(b"opaque", issuer, issuers, grants, NOW)
        assert token is not None
        assert (token.kind, token.issuer, token.client) == (TokenKind.OPAQUE, "corp", "app")
        assert token.member.orgs == {ACME.encode()}
        assert not token.verified
    assert token_by_grant(b"opaque", "other", issuers, grants, NOW) is None
    assert token_by_grant(b"opaque", None, {}, grants, NOW) is None
    assert token_by_grant(b"unseen", None, issuers, grants, NOW) is None
