"""An opaque token is good for what its grant was given for: nobody else here can say what it stands for."""

from collections.abc import Mapping

from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.reason import Reason
from orgfence.core.rule import Issuer
from orgfence.core.tokens.token import OrgClaim, Token, TokenKind

_MISSING = OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING)


def token_by_grant(
    raw: bytes, issuer: str | None, issuers: Mapping[str, Issuer], grants: GrantLedger, now: float
) -> Token | None:
    """Return what an opaque token is good for by the exchange that issued it; None where that was not seen.

    `issuer` is whom the rule names, if it does. Where no org was named in the exchange, nobody knows which one it is.
    """
    issued = grants.issued_token(raw, now)
    if issued is None or not issued.grant.orgs:
        return None
    grant = issued.grant
    if issuer not in {None, grant.issuer} or grant.issuer not in issuers:
        return None
    return Token(
        kind=TokenKind.OPAQUE,
        issuer=grant.issuer,
        subject=None,
        active=_MISSING,
        member=OrgClaim(grant.orgs, None),
        scopes=frozenset(scope.encode() for scope in grant.scopes or ()),
        expires=None if issued.expires is None else issued.expires + issuers[grant.issuer].leeway,
        not_before=None,
        verified=False,
        salesforce_ids=issuers[grant.issuer].salesforce_ids,
        client=grant.client,
    )
