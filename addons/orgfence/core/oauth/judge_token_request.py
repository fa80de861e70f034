"""What is wrong with a token request before it is answered: nothing is lost when it is stopped here."""

from orgfence.core.oauth.exchange import Fault, TokenRequest
from orgfence.core.oauth.grant import Grant
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.words import code, listed, scope_parameter, unclear_orgs
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason


def token_request_faults(
    request: TokenRequest, grant: Grant | None, issuer: OAuthIssuer, orgs: OrgNames
) -> tuple[Fault, ...]:
    """Return what is wrong, in the catalogue's order. `grant`: what the code or refresh token belongs to, if seen."""
    faults: list[Fault] = []
    if b"" in request.orgs:
        faults.append(unclear_orgs(request.orgs, orgs))
    is_bare = not request.scopes or request.lacks_scope
    if request.grant_type == "refresh_token" and issuer.refresh_needs_scope and is_bare:
        faults += _bare_refresh(grant)
    faults += _org_faults(request, grant, issuer, orgs)
    return tuple(faults)


def wanted_orgs(request: TokenRequest, grant: Grant | None, issuer: OAuthIssuer) -> tuple[bytes, ...]:
    """Return the orgs that the tokens are meant for: as it asks, as its client is known, as its grant began."""
    if request.orgs:
        return tuple(filter(None, request.orgs))
    if request.client is not None and request.client in issuer.clients:
        return (issuer.clients[request.client],)
    authorization = None if grant is None else grant.authorization
    return () if authorization is None else tuple(org for org in authorization.orgs if org)


def _bare_refresh(grant: Grant | None) -> list[Fault]:
    authorization = None if grant is None else grant.authorization
    if authorization is not None and not authorization.scopes:
        # It never asked for any, so that there is none to lose.
        return []
    scopes = () if authorization is None else authorization.scopes or ()
    again = f"Send {scope_parameter(scopes)} with each refresh." if scopes else "Send `scope` with each refresh."
    detail = "The refresh has no `scope`, and this issuer strips the scopes that a refresh does not repeat."
    return [Fault(Reason.REFRESH_SCOPE_MISSING, detail, (again,))]


def _org_faults(request: TokenRequest, grant: Grant | None, issuer: OAuthIssuer, orgs: OrgNames) -> list[Fault]:
    if grant is None:
        return []
    wanted = wanted_orgs(request, None, issuer)
    granted = _granted(grant, issuer)
    if not wanted or granted is None or granted.issuperset(wanted):
        return []
    names = listed([orgs.shown(org) for org in wanted])
    given = f"is good for {listed(sorted(map(orgs.shown, granted)))}" if granted else "was given without an org"
    parameter = issuer.org_parameters[0] if issuer.org_parameters else None
    again = f", with {names} in {code(parameter)}" if parameter else f" for {names}"
    detail = f"The request is for {names}; the grant that it goes by {given}. {lineage(grant, issuer, orgs)}"
    advice = (
        f"Sign in once more{again}: a refresh token is good for no org that its sign-in was not for.",
        "Keep one refresh token for each org.",
    )
    return [Fault(Reason.GRANT_LACKS_ORG, detail, advice)]


def _granted(grant: Grant, issuer: OAuthIssuer) -> frozenset[bytes] | None:
    """Return the orgs that a grant is good for; None where that was not seen."""
    if grant.orgs:
        return grant.orgs
    if grant.authorization is None or not issuer.org_parameters:
        return None
    named = frozenset(org for org in grant.authorization.orgs if org)
    # A client that is for one org alone need not name it.
    return None if not named and grant.client in issuer.clients else named
