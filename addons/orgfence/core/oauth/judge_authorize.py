"""What is wrong with an authorize request: it decides for which org all tokens of the sign-in will be."""

from collections.abc import Sequence
from urllib.parse import quote

from orgfence.core.escapes import text_of
from orgfence.core.oauth.clients import said_clients
from orgfence.core.oauth.exchange import AuthorizeRequest, Fault
from orgfence.core.oauth.issuer import ORG_PARAMETERS, OAuthIssuer
from orgfence.core.oauth.names import folded, form_text, with_unicode_escapes
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.oauth.words import code, form_faults, listed, most_severe_first, two_clients, unclear_orgs
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.showing.credential_shapes import JWT
from orgfence.core.showing.redactor import NO_REQUEST

# Servers and browsers stop near 8 KiB; nobody could open what is longer.
_MAX_URL = 8 * 1024
# More orgs than a person would choose from in an error.
_MAX_URLS = 5


def authorize_faults(
    request: AuthorizeRequest,
    parameters: Parameters,
    issuer: OAuthIssuer,
    orgs: OrgNames,
    url: str | None,
    *,
    is_partial: bool,
) -> tuple[Fault, ...]:
    """Return what is wrong, in the catalogue's order. `url`: the one that was opened; None: the request was pushed.

    `is_partial`: more of it was pushed and judged then (RFC 9126), or stands in what is encrypted (RFC 9101), so that
    nothing is missed here; but many issuers know neither and go by what is here.
    """
    faults: list[Fault] = []
    changes: dict[str, str] = {}
    clients = said_clients(parameters)
    if len(clients) > 1:
        faults.append(two_clients())
    is_of_one_org = bool(parameters.exact("client_id")) and all(client in issuer.clients for client in clients)
    if issuer.org_parameters and not (clients and is_of_one_org):
        faults += _org_faults(request, parameters, issuer, orgs, changes, is_partial=is_partial)
        faults += _flag_faults(parameters, issuer, changes, is_partial=is_partial)
    faults += form_faults(request.scopes, issuer.scopes, changes)
    found = most_severe_first(faults)
    if not found or url is None or len(url) > _MAX_URL:
        return found
    first, *others = found
    do, *else_do = first.advice
    return (first._replace(advice=(do, *_corrected(url, issuer, found, changes), *else_do)), *others)


def _org_faults(
    request: AuthorizeRequest,
    parameters: Parameters,
    issuer: OAuthIssuer,
    orgs: OrgNames,
    changes: dict[str, str],
    *,
    is_partial: bool,
) -> list[Fault]:
    wanted = issuer.org_parameters[0]
    named = [org for org in request.orgs if org]
    unknown = [text_of(org) for org in named if org not in issuer.known_orgs]
    if issuer.known_orgs and unknown:
        detail = f"{code(wanted)} names {listed(unknown)}, which is none of the policy's orgs."
        return [Fault(Reason.AUTHORIZE_ORG_UNKNOWN, detail, (f"Name one of {_known(issuer)}.",))]
    if len(named) > 1 and b"" in request.orgs:
        return [unclear_orgs(named, orgs)]
    if is_partial or (named and b"" not in request.orgs):
        return []

    for other in ORG_PARAMETERS:
        exact = [] if other in issuer.org_parameters else parameters.exact(other)
        value = next(filter(None, exact), "")
        if value:
            changes |= {other: "", wanted: value}
            detail = f"The request names the org by {code(other)}, and this issuer reads {code(wanted)}."
            advice = f"Name the org by {code(wanted)} instead of {code(other)}."
            return [Fault(Reason.AUTHORIZE_ORG_PARAMETER, detail, (advice,))]
    lacks = "names no org to some servers in" if named else "has no"
    detail = (
        f"The request {lacks} {code(wanted)}, so every token of this sign-in will be for whichever org comes first."
    )
    steps = (
        f"Add {code(wanted)} with the org that is meant.",
        "If the app is for one org alone, say which under `oauth.clients` in the policy.",
    )
    return [Fault(Reason.AUTHORIZE_ORG_MISSING, detail, steps)]


def _flag_faults(
    parameters: Parameters, issuer: OAuthIssuer, changes: dict[str, str], *, is_partial: bool
) -> list[Fault]:
    missing = {
        name: value
        for name, value in issuer.flags.items()
        if (value not in parameters.exact(name) and not is_partial)
        or _is_contradicted(parameters.values(name), name, value)
    }
    if not missing:
        return []
    changes |= missing
    wanted = listed([f"{name}={value}" for name, value in missing.items()])
    detail = f"This issuer wants {wanted}."
    if not any(map(parameters.values, missing)):
        return [Fault(Reason.AUTHORIZE_FLAG_MISSING, detail, (f"Add {wanted}.",))]
    return [Fault(Reason.AUTHORIZE_FLAG_MISSING, detail, (f"Add {wanted}, once, and no other value of it.",))]


def _is_contradicted(values: Sequence[str], name: str, wanted: str) -> bool:
    return name not in _REPEATABLE and any(value != wanted for value in values)


# https://www.rfc-editor.org/rfc/rfc8707#section-2 and https://www.rfc-editor.org/rfc/rfc8693#section-2.1
_REPEATABLE = frozenset({"resource", "audience"})


def _corrected(url: str, issuer: OAuthIssuer, faults: Sequence[Fault], changes: dict[str, str]) -> tuple[str, ...]:
    """Return the URL as it would be right, one for each org where nobody can know which one is meant."""
    reasons = {fault.reason for fault in faults}
    if reasons.isdisjoint(_ORG_UNCLEAR):
        return (f"Open {changed(url, changes)}",) if changes else ()
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


_ORG_UNCLEAR = frozenset({Reason.AUTHORIZE_ORG_MISSING, Reason.AUTHORIZE_ORG_UNKNOWN, Reason.ORG_AMBIGUOUS})


def changed(url: str, changes: dict[str, str]) -> str:
    """Return a URL with these parameters set, or left out where they are empty; all others stay as they are.

    Left out are also parameters that hold a credential: the issuer's page needs none of them.
    """
    base, _, query = url.partition("?")
    names = frozenset(map(folded, changes))
    names_and_pairs = [(_name_of(pair), pair) for pair in query.split("&") if pair]
    kept = [pair for name, pair in names_and_pairs if name not in names and not _is_secret(pair)]
    added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in changes.items() if value]
    return f"{NO_REQUEST.path(base)}?{'&'.join([*kept, *added])}"


def _is_secret(pair: str) -> bool:
    """Return whether a parameter holds a credential. What is random in a sign-in (`state`, `nonce`) is none."""
    name, text = (form_text(part.encode("utf-8", "backslashreplace")) for part in (pair.partition("=")[0], pair))
    return name.lower().endswith(_SECRET_NAMES) or JWT.search(text) is not None


_SECRET_NAMES = ("_token", "_token_hint", "secret", "password", "code_verifier", "assertion")


def _name_of(pair: str) -> str:
    """Return the name in a pair of a query, as it is compared."""
    name = pair.partition("=")[0].encode("utf-8", "backslashreplace")
    return folded(form_text(with_unicode_escapes(name)))


def _known(issuer: OAuthIssuer) -> str:
    return listed(list(issuer.known_orgs.values()))
