"""From the issuers of a policy to the records that tokens are read by."""

import re
from collections.abc import Iterable, Mapping

from orgfence.core.orgs import OrgNames
from orgfence.core.policy.compile_api import compile_errors, compile_hosts, compile_lookup, compile_other_party
from orgfence.core.policy.compile_oauth import compile_oauth
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model_issuers import IssuerEntry, SelectorEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import refusal, shown
from orgfence.core.routing.overlap import texts_overlap
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.rule import Issuer
from orgfence.core.tokens.selectors import ORG, Selector, Source, parse_pointer

_DEFAULT_LEEWAY = 30.0
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def compile_issuers(entries: Mapping[Scalar, IssuerEntry], orgs: OrgNames, faults: Faults) -> dict[str, Issuer]:
    """Return the issuers by their names. No two may claim the same tokens."""
    claimed = _Claimed(faults)
    issuers = {}
    for name, entry in entries.items():
        # Issuers are labels of metrics, and name their OAuth decisions: `oauth/ISSUER`.
        if not _NAME.fullmatch(name):
            faults.add(name.place, f"{shown(name)} is no issuer name. Use letters, digits and `-_.`, 64 at most")
        templates = claimed.take(name, entry.iss)
        issuers[str(name)] = _issuer(str(name), entry, templates, orgs, faults)
    return issuers


class _Claimed:
    """Which issuer each `iss` belongs to. A token that could be of two would be read by the claims of either."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._exact: dict[str, Scalar] = {}
        self._templates: list[tuple[TextTemplate, Scalar]] = []

    def take(self, name: Scalar, texts: Iterable[Scalar]) -> list[TextTemplate]:
        """Note what an issuer claims, and return it."""
        templates = []
        for text in texts:
            try:
                template = TextTemplate.parse(text)
            except ValueError as error:
                self._faults.add(text.place, refusal(text, error))
                continue
            owner = self._owner(text, template)
            if owner is not None:
                self._refuse(name, owner, text)
                continue
            templates.append(template)
            self._templates += [(template, name)] if _is_open(template) else []
            self._exact |= {} if _is_open(template) else {str(text): name}
        return templates

    def _owner(self, text: Scalar, template: TextTemplate) -> Scalar | None:
        if not _is_open(template) and text in self._exact:
            return self._exact[text]
        for other, owner in self._templates:
            if _may_overlap(template, other) and texts_overlap(template, other):
                return owner
        if _is_open(template):
            return next((owner for exact, owner in self._exact.items() if template.match(exact) is not None), None)
        return None

    def _refuse(self, name: Scalar, owner: Scalar, text: Scalar) -> None:
        if owner is name:
            self._faults.add(text.place, f"{shown(text)} is covered by what stands before it. Remove one of the two")
            return
        whose = f"the issuer {shown(owner)} ({owner.place.seen_from(name.place)})"
        if text in self._exact:
            self._faults.add(text.place, f"{whose} has this `iss` already. Make the two one issuer")
            return
        message = f"a token can fit both this `iss` and one of {whose}"
        self._faults.add(text.place, f"{message}. Write them so that none fits both, or make the two one issuer")


def _may_overlap(one: TextTemplate, other: TextTemplate) -> bool:
    """Return whether what stands before the first captures can be one text: a cheap test that most pairs fail."""
    begins, also = one.literals[0], other.literals[0]
    return begins.startswith(also) or also.startswith(begins)


def _is_open(template: TextTemplate) -> bool:
    """Return whether a template stands for more than its own text."""
    return bool(template.names) or template.text.endswith("**")


def _issuer(name: str, entry: IssuerEntry, templates: list[TextTemplate], orgs: OrgNames, faults: Faults) -> Issuer:
    claims, oauth = entry.claims, entry.oauth
    hosts = compile_hosts(entry, faults)
    salesforce_ids = entry.ids is not None
    return Issuer(
        name=name,
        iss=tuple(template.text for template in templates if not _is_open(template)),
        iss_templates=tuple(template for template in templates if _is_open(template)),
        member=_selectors(claims.member, faults),
        active=_selectors(claims.active, faults),
        scopes=_selectors(claims.scopes, faults),
        leeway=_DEFAULT_LEEWAY if entry.leeway is None else entry.leeway,
        salesforce_ids=salesforce_ids,
        hosts=hosts,
        other_party=compile_other_party(entry.other_party, faults),
        errors=None if entry.errors is None else compile_errors(entry.errors, faults),
        lookup=None if entry.lookup is None else compile_lookup(entry.lookup, hosts, templates, faults),
        oauth=None if oauth is None else compile_oauth(name, oauth, orgs, faults, salesforce_ids=salesforce_ids),
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
        faults.add(text.place, refusal(text, error))
        return None
    if written is not None and template is None:
        return None
    return Selector(Source(source), pointer, entry.split and str(entry.split), template)


def _template(text: Scalar, faults: Faults) -> TextTemplate | None:
    """Return the template that takes an org out of a longer text, or None after a fault."""
    try:
        template = TextTemplate.parse(text)
    except ValueError as error:
        faults.add(text.place, refusal(text, error))
        return None
    if ORG not in template.names:
        faults.add(text.place, f"{shown(text)} does not say where the org stands. Write `{{org}}` there")
        return None
    return template
