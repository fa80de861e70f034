"""What is wrong with an authorize request: it decides for which org all tokens of the sign-in will be."""

from urllib.parse import quote, unquote_plus

from orgfence.core.decision import Reason
from orgfence.core.oauth.exchange import AuthorizeRequest, Fault
from orgfence.core.oauth.issuer import ORG_PARAMETERS, OAuthIssuer
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.oauth.words import code, form_faults, listed
from orgfence.core.showing.credential_shapes import JWT
from orgfence.core.showing.redactor import NO_REQUEST

# Servers and browsers stop near 8 KiB; nobody could open what is longer.
_MAX_URL = 8 * 1024
# More orgs than a person would choose from in an error.
_MAX_URLS = 5


def authorize_faults(
    request: AuthorizeRequest, parameters: Parameters, issuer: OAuthIssuer, url: str | None
) -> tuple[Fault, ...]:
    """Return what is wrong, in the catalogue's order. `url`: the one that was opened; None: the request was pushed."""
    if request.request_uri or parameters.first("request"):
        # It was judged where it was pushed (RFC 9126), or it is a request object, which is not read (RFC 9101).
        return ()
    faults: list[Fault] = []
    changes: dict[str, str] = {}
    if issuer.org_parameters and request.client not in issuer.clients:
        faults += _org_faults(request, parameters, issuer, changes)
        faults += _flag_faults(parameters, issuer, changes)
    faults += form_faults(request.scopes, issuer.scopes, changes)
    if not faults or url is None or len(url) > _MAX_URL:
        return tuple(faults)
    first, *others = faults
    do, *else_do = first.advice
    return (first._replace(advice=(do, *_corrected(url, issuer, faults, changes), *else_do)), *others)


def _org_faults(
    request: AuthorizeRequest, parameters: Parameters, issuer: OAuthIssuer, changes: dict[str, str]
) -> list[Fault]:
    wanted = issuer.org_parameters[0]
    named = [org for org in request.orgs if org]
    if named:
        unknown = [org.decode("utf-8", "backslashreplace") for org in named if org not in issuer.known_orgs]
        if not issuer.known_orgs or not unknown:
            return []
        detail = f"{code(wanted)} names {listed(unknown)}, which is none of the policy's orgs."
        return [Fault(Reason.AUTHORIZE_ORG_UNKNOWN, detail, (f"Name one of {_known(issuer)}.",))]

    for other in ORG_PARAMETERS:
        value = "" if other in issuer.org_parameters else parameters.first(other)
        if value:
            changes |= {other: "", wanted: value}
            detail = f"The request names the org by {code(other)}, and this issuer reads {code(wanted)}."
            advice = f"Name the org by {code(wanted)} instead of {code(other)}."
            return [Fault(Reason.AUTHORIZE_ORG_PARAMETER, detail, (advice,))]
    detail = f"The request has no {code(wanted)}, so every token of this sign-in will be for whichever org comes first."
    steps = (
        f"Add {code(wanted)} with the org that is meant.",
        "If the app is for one org alone, say which under `oauth.clients` in the policy.",
    )
    return [Fault(Reason.AUTHORIZE_ORG_MISSING, detail, steps)]


def _flag_faults(parameters: Parameters, issuer: OAuthIssuer, changes: dict[str, str]) -> list[Fault]:
    missing = {name: value for name, value in issuer.flags.items() if value not in parameters.values(name)}
    if not missing:
        return []
    changes |= missing
    wanted = listed([f"{name}={value}" for name, value in missing.items()])
    return [Fault(Reason.AUTHORIZE_FLAG_MISSING, f"This issuer wants {wanted}.", (f"Add {wanted}.",))]


def _corrected(url: str, issuer: OAuthIssuer, faults: list[Fault], changes: dict[str, str]) -> tuple[str, ...]:
    """Return the URL as it would be right, one for each org where nobody can know which one is meant."""
    reasons = {fault.reason for fault in faults}
    if reasons.isdisjoint({Reason.AUTHORIZE_ORG_MISSING, Reason.AUTHORIZE_ORG_UNKNOWN}):
        return (f"Open {changed(url, changes)}",)
    parameter = issuer.org_parameters[0]
    # An org parameter that holds another org is replaced, whichever it stands in.
    cleared = dict.fromkeys(issuer.org_parameters, "")
    orgs = list(issuer.known_orgs.items())
    if not orgs:
        return (f"Open, with the org's id in place of ORG, {changed(url, {**cleared, **changes, parameter: 'ORG'})}",)
    return tuple(
        f"For {code(name)} open {changed(url, {**cleared, **changes, parameter: org.decode()})}"
        for org, name in orgs[:_MAX_URLS]
    )


def changed(url: str, changes: dict[str, str]) -> str:
    """Return a URL with these parameters set, or left out where they are empty; all others stay as they are.

    Left out are also parameters that hold a credential: the issuer's page needs none of them.
    """
    base, _, query = url.partition("?")
    names_and_pairs = [(unquote_plus(pair.partition("=")[0]), pair) for pair in query.split("&") if pair]
    kept = [pair for name, pair in names_and_pairs if name not in changes and not _is_secret(name, pair)]
    added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in changes.items() if value]
    return f"{NO_REQUEST.path(base)}?{'&'.join([*kept, *added])}"


def _is_secret(name: str, pair: str) -> bool:
    """Return whether a parameter holds a credential. What is random in a sign-in (`state`, `nonce`) is none."""
    return name.endswith(_SECRET_NAMES) or JWT.search(unquote_plus(pair)) is not None


_SECRET_NAMES = ("_token", "_token_hint", "secret", "password", "code_verifier", "assertion")


def _known(issuer: OAuthIssuer) -> str:
    return listed(list(issuer.known_orgs.values()))
