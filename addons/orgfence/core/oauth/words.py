"""How findings about exchanges are put into words, and those that requests of both kinds share."""

from collections.abc import Iterable, Sequence
from itertools import islice

from orgfence.core.oauth.exchange import Fault
from orgfence.core.oauth.scopes import KnownScopes
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.showing.redactor import NO_REQUEST

# A sentence with more of them is not read.
_MAX_LISTED = 5
# Longer than any parameter's name, org id or scope that a person compares by eye.
_MAX_SHOWN = 100
# More than any client asks for.
_MAX_SCOPES = 100


def code(text: str) -> str:
    """Return a value as messages show it: no credential, long ones cut, and what does not print escaped."""
    shown = NO_REQUEST.value(text)
    return f"`{shown}`" if len(shown) <= _MAX_SHOWN else f"`{shown[:_MAX_SHOWN]}…`"


def listed(values: Sequence[str]) -> str:
    """Return a few values in a sentence, and how many more there are."""
    shown = ", ".join(map(code, values[:_MAX_LISTED]))
    return shown if len(values) <= _MAX_LISTED else f"{shown} and {len(values) - _MAX_LISTED} more"


def unclear_orgs(named: Sequence[bytes], orgs: OrgNames) -> Fault:
    """Return what is wrong with a request in which not every server finds the same orgs."""
    found = listed([orgs.shown(org) for org in named if org])
    detail = f"The request names {found}, and another server may read another org in it, or none."
    return Fault(Reason.ORG_AMBIGUOUS, detail, ("Name the org once, by just the name that the issuer documents.",))


def two_clients() -> Fault:
    """Return what is wrong with a request that names several clients."""
    detail = "The request says in two ways which client sends it, and they differ (RFC 6749 section 2.3)."
    advice = "Name the client once: by `Authorization: Basic` or by `client_id`."
    return Fault(Reason.CREDENTIAL_AMBIGUOUS, detail, (advice,))


def too_long() -> Fault:
    """Return what is wrong with a query that holds more than is read."""
    detail = "The query holds more parameters than are read here, and an org that the issuer finds may be among them."
    return Fault(Reason.ORG_AMBIGUOUS, detail, ("Send what the issuer documents, and nothing else.",))


def most_severe_first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return one fault for each reason, in the catalogue's order."""
    found: dict[Reason, Fault] = {}
    for fault in faults:
        found.setdefault(fault.reason, fault)
    return tuple(sorted(found.values(), key=lambda fault: fault.reason.rank))


def scope_parameter(scopes: Sequence[str]) -> str:
    """Return the parameter that asks for these scopes, as messages show it."""
    return f"`scope={' '.join(map(NO_REQUEST.value, scopes[:_MAX_SCOPES]))}`"


def form_faults(scopes: Sequence[str] | None, known: KnownScopes | None, changes: dict[str, str]) -> list[Fault]:
    """Return what is wrong with the form of scopes; `changes` gets the parameter's right value, if there is one."""
    unknown = [] if known is None or scopes is None else known.unknown(scopes)
    if not unknown or known is None or scopes is None:
        return []
    # To compare with all that are known takes milliseconds, so what is not shown is left out.
    nearest = {scope: known.nearest(scope) for scope in unknown[:_MAX_LISTED] if len(scope) <= _MAX_SHOWN}
    meant_by: dict[str, str | None] = {**dict.fromkeys(unknown), **nearest}
    right = [meant_by.get(scope, scope) for scope in scopes]
    changes["scope"] = " ".join(dict.fromkeys(scope for scope in right if scope))
    advice = [
        f"Ask for {code(meant)} instead of {code(scope)}." if meant else f"Leave {code(scope)} out."
        for scope, meant in islice(meant_by.items(), _MAX_LISTED)
    ]
    return [Fault(Reason.SCOPE_FORM, f"This issuer does not know {listed(unknown)}.", tuple(advice))]
