"""What is wrong with the tokens that an issuer has issued: a `200 OK` may hold a token that is good for nothing."""

from collections.abc import Iterable
from typing import NamedTuple

from orgfence.core.escapes import text_of
from orgfence.core.oauth.exchange import Fault, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Grant
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.judge_token_request import wanted_orgs
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.scopes import that_come_back
from orgfence.core.oauth.words import code, listed, scope_parameter
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.tokens.token import Token

# Answers take a moment, and issuers round. What is further apart than this is no rounding.
_LIFETIME_TOLERANCE = 60.0


class Times(NamedTuple):
    """What an access token says of its own time, in seconds since the epoch; None: nothing."""

    expires: float | None = None
    issued: float | None = None


def token_response_faults(
    request: TokenRequest,
    response: TokenResponse,
    token: Token | None,
    grant: Grant | None,
    issuer: OAuthIssuer,
    orgs: OrgNames,
    times: Times,
    now: float,
) -> tuple[Fault, ...]:
    """Return what is wrong, in the catalogue's order. `token` and `times`: what the access token says, if anything."""
    found: list[Fault | None] = [*org_faults(request, token, grant, issuer, orgs)]
    found.append(_reduced(request, response, token, grant))
    if response.expires_in is not None and times.expires is not None:
        found.append(_lifetime(response.expires_in, times.expires, times.issued, now))
    return tuple(fault for fault in found if fault is not None)


def org_faults(
    request: TokenRequest, token: Token | None, grant: Grant | None, issuer: OAuthIssuer, orgs: OrgNames
) -> list[Fault]:
    """Return what is wrong with the orgs of an access token; None: it cannot be read."""
    if token is None:
        return []
    found = _empty(token), _missing_org(request, token, grant, issuer, orgs)
    return [fault for fault in found if fault is not None]


def _empty(token: Token) -> Fault | None:
    if token.claim_for(None).fault is not Reason.ORG_CLAIM_EMPTY:
        return None
    return Fault(
        Reason.ORG_CLAIM_EMPTY,
        "The issuer has issued a token that is for no org at all.",
        ("Sign in again and ask for the org by the parameter that the issuer wants for it.",),
    )


def _missing_org(
    request: TokenRequest, token: Token, grant: Grant | None, issuer: OAuthIssuer, orgs: OrgNames
) -> Fault | None:
    wanted = wanted_orgs(request, grant, issuer)
    claim = token.claim_for(None)
    if not wanted or claim.orgs.issuperset(wanted) or claim.fault is Reason.ORG_CLAIM_EMPTY:
        return None
    names = listed([orgs.shown(org) for org in wanted])
    issued = f"is good for {listed(sorted(map(orgs.shown, claim.orgs)))}" if claim.orgs else "names no org"
    origin = "" if grant is None else f" {lineage(grant, issuer, orgs)}"
    parameter = code(issuer.org_parameters[0]) if issuer.org_parameters else "the org"
    return Fault(
        Reason.ISSUED_ORG_MISSING,
        f"The token was to be for {names}, and what the issuer has issued {issued}.{origin}",
        (
            f"Sign in again for {names}, naming it by {parameter} in the authorize request.",
            f"If that changes nothing, the app or the user has no access to {names} at this issuer.",
        ),
    )


def _reduced(request: TokenRequest, response: TokenResponse, token: Token | None, grant: Grant | None) -> Fault | None:
    asked = _asked(request, grant)
    issued = _issued(response, token)
    if asked is None or issued is None:
        return None
    # Where scopes are parted by commas, the answer may have them in another order.
    missing = sorted(each for each in that_come_back(asked) - issued if not issued.issuperset(each.split(",")))
    if not missing:
        return None
    advice = ["Compare what the app asks for with what it is allowed at this issuer."]
    if request.grant_type == "refresh_token" and not request.scopes:
        advice.insert(0, f"Send {scope_parameter(list(asked))} with each refresh.")
    detail = f"The issuer has left out {listed(missing)} of what was asked for."
    return Fault(Reason.ISSUED_SCOPE_REDUCED, detail, tuple(advice))


def _asked(request: TokenRequest, grant: Grant | None) -> Iterable[str] | None:
    """Return what was asked for, here or where the grant began (RFC 6749 section 6); None: that was not seen."""
    if request.scopes is not None:
        return request.scopes
    authorization = None if grant is None else grant.authorization
    return None if authorization is None else authorization.scopes


def _issued(response: TokenResponse, token: Token | None) -> frozenset[str] | None:
    """Return what was issued, by the answer or by the token; None where neither says, for then it is all."""
    if response.scopes is not None:
        return frozenset(response.scopes)
    if token is not None and token.scopes:
        return frozenset(text_of(scope) for scope in token.scopes)
    return None


def _lifetime(expires_in: float, expires: float, issued: float | None, now: float) -> Fault | None:
    """Compare with the token's own time, from now on and from when it was issued: one of the clocks may be wrong."""
    lifetimes = [expires - now] if issued is None else [expires - now, expires - issued]
    if any(abs(lifetime - expires_in) <= _LIFETIME_TOLERANCE for lifetime in lifetimes):
        return None
    return Fault(
        Reason.ISSUED_LIFETIME_WRONG,
        f"`expires_in` says {expires_in:.0f} seconds, and the token's own `exp` {lifetimes[-1]:.0f}.",
        ("Go by the token's `exp`: a client that goes by `expires_in` uses it too long, or refreshes too often.",),
    )
