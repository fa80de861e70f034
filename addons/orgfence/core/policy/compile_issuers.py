"""From the issuers of a policy to the records that tokens are read by."""

import re
from collections.abc import Mapping

from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model import IssuerEntry, SelectorEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.templates import TextTemplate
from orgfence.core.policy.wording import shown
from orgfence.core.rule import Issuer
from orgfence.core.tokens.selectors import ORG, Selector, Source, parse_pointer

_DEFAULT_LEEWAY = 30.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def compile_issuers(entries: Mapping[Scalar, IssuerEntry], faults: Faults) -> dict[str, Issuer]:
    """Return the issuers by their names. No two may claim the same tokens."""
    claimed: dict[str, Scalar] = {}
    for name, entry in entries.items():
        # Issuers are labels of metrics, and name their OAuth decisions: `oauth/ISSUER`.
        if not _NAME.fullmatch(name):
            faults.add(name.place, f"{shown(name)} is no issuer name. Use letters, digits and `-_.`, 64 at most")
        if entry.iss is not None:
            owner = claimed.setdefault(entry.iss, name)
            if owner is not name:
                message = f"the issuer {shown(owner)} (line {owner.place.line}) has this `iss` already"
                faults.add(entry.iss.place, f"{message}. Make the two one issuer")
    return {str(name): _issuer(str(name), entry, faults) for name, entry in entries.items()}


def _issuer(name: str, entry: IssuerEntry, faults: Faults) -> Issuer:
    claims = entry.claims
    return Issuer(
        name=name,
        iss=None if entry.iss is None else str(entry.iss),
        member=_selectors(claims.member, faults),
        active=_selectors(claims.active, faults),
        scopes=_selectors(claims.scopes, faults),
        leeway=_DEFAULT_LEEWAY if entry.leeway is None else _seconds(entry.leeway, faults),
        salesforce_ids=entry.ids is not None,
    )


def _selectors(entries: list[SelectorEntry], faults: Faults) -> tuple[Selector, ...]:
    selectors = [_selector(entry, faults) for entry in entries]
    return tuple(selector for selector in selectors if selector is not None)


def _selector(entry: SelectorEntry, faults: Faults) -> Selector | None:
    """Return a selector, or None after a fault."""
    source: str
    text: Scalar
    source, text = entry.given
    if entry.split is not None and source != "claim":
        faults.add(entry.split.place, "`split` goes with `claim` only. Remove it")
    if entry.template is not None and source == "opaque":
        faults.add(entry.template.place, "`opaque` is a template itself. Remove `template`")

    written = text if source == "opaque" else entry.template
    template = None if written is None else _template(written, faults)
    try:
        pointer = () if source == "opaque" else parse_pointer(text)
    except ValueError as error:
        faults.add(text.place, str(error))
        return None
    if written is not None and template is None:
        return None
    return Selector(Source(source), pointer, entry.split and str(entry.split), template)


def _template(text: Scalar, faults: Faults) -> TextTemplate | None:
    """Return the template that takes an org out of a longer text, or None after a fault."""
    try:
        template = TextTemplate.parse(text)
    except ValueError as error:
        faults.add(text.place, str(error))
        return None
    if ORG not in template.names:
        faults.add(text.place, f"{shown(text)} does not say where the org stands. Write `{{org}}` there")
        return None
    return template


_DURATION = re.compile(r"([0-9]{1,6})(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: Scalar, faults: Faults) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        faults.add(text.place, f"{shown(text)} is no duration. Write one such as `500ms`, `30s`, `2m` or `1h`")
        return _DEFAULT_LEEWAY
    return int(found[1]) * _SECONDS[found[2]]
