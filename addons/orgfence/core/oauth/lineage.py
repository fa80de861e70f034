"""Where a token comes from, in words: what was seen of it, and what was not."""

from datetime import UTC, datetime

from orgfence.core.oauth.grant import Grant
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.words import code, listed
from orgfence.core.orgs import OrgNames

_FROM = {
    "client_credentials": "The client got the token for itself (`client_credentials`).",
    "implicit": "The token came with the redirect (the implicit grant).",
}


def lineage(grant: Grant, issuer: OAuthIssuer | None, orgs: OrgNames) -> str:
    """Return a sentence or two on how a grant began, and how often it was refreshed."""
    authorization = grant.authorization
    if authorization is None:
        began = _FROM.get(grant.grant_type, "Its authorize request was not seen here.")
    else:
        named = [orgs.shown(org) for org in authorization.orgs if org]
        parameter = code(issuer.org_parameters[0]) if issuer is not None and issuer.org_parameters else "an org"
        org = f"for {listed(named)}" if named else f"without {parameter}"
        scopes = f"scope {code(' '.join(authorization.scopes))}" if authorization.scopes else "no scope"
        at = datetime.fromtimestamp(authorization.at, UTC)
        began = f"It descends from an authorize request at {at:%Y-%m-%d %H:%M} UTC {org}, {scopes}."
    if not grant.refreshes:
        return began
    return f"{began} It was refreshed {'once' if grant.refreshes == 1 else f'{grant.refreshes} times'} since."
