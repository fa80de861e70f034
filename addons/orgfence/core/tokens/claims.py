"""What the values that selectors find mean: the orgs and the scopes that a token grants.

A value of another shape than an org id's is refused, never bent into one: a guard that guesses grants more
than the issuer did.
"""

from collections.abc import Callable, Iterable, Mapping

from orgfence.core.reason import Reason
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.tokens.selectors import ORG, Selector, Source
from orgfence.core.tokens.token import OrgClaim, Trait

#: The parts of a credential that there are to select from.
type Documents = Mapping[Source, object]

_NO_ORGS: frozenset[bytes] = frozenset()
_MISSING = OrgClaim(_NO_ORGS, Reason.ORG_CLAIM_MISSING)
_EMPTY = OrgClaim(_NO_ORGS, Reason.ORG_CLAIM_EMPTY)
_MALFORMED = OrgClaim(_NO_ORGS, Reason.ORG_CLAIM_MALFORMED)


def member_claim(selectors: Iterable[Selector], documents: Documents, normalise: Callable[[bytes], bytes]) -> OrgClaim:
    """Return the union of the orgs that the selectors find."""
    orgs: set[bytes] = set()
    present = False
    try:
        for selector in selectors:
            texts = _org_texts(selector, documents)
            if texts is not None:
                present = True
                orgs.update(map(normalise, map(str.encode, filter(None, texts))))
    except (_NotAnOrgError, UnicodeEncodeError):  # JSON can spell lone surrogates, which no org id holds
        return _MALFORMED

    if orgs:
        return OrgClaim(frozenset(orgs), None)
    return _EMPTY if present else _MISSING


def active_claim(selectors: Iterable[Selector], documents: Documents, normalise: Callable[[bytes], bytes]) -> OrgClaim:
    """Return the one org that the selectors find; a token cannot act in two."""
    claim = member_claim(selectors, documents, normalise)
    return claim if len(claim.orgs) <= 1 else _MALFORMED


def granted_scopes(selectors: Iterable[Selector], documents: Documents) -> frozenset[bytes]:
    """Return the union of the scopes that the selectors find. What is no scope grants nothing."""
    scopes: set[bytes] = set()
    for selector in selectors:
        for value in _find(selector, documents) or ():
            # https://www.rfc-editor.org/rfc/rfc6749#section-3.3: scope = scope-token *( SP scope-token )
            items = _split(value, selector.split or " ") if isinstance(value, str) else value
            if isinstance(items, list):
                texts = _picked([item for item in items if isinstance(item, str)], selector.template)
                scopes.update(filter(None, map(encoded, texts)))
    return frozenset(scopes)


def traits_of(claims: object, wanted: Mapping[tuple[str, ...], frozenset[bytes]]) -> frozenset[Trait]:
    """Return which of the wanted values the claims hold, each by the steps to its claim."""
    found: set[Trait] = set()
    for pointer, values in wanted.items():
        for value in Selector(Source.CLAIM, pointer).find(claims) or ():
            items = _granted_keys(value) if isinstance(value, dict) else value if isinstance(value, list) else [value]
            texts = {encoded(text) for text in map(_word, items) if text is not None}
            found.update(Trait(pointer, text) for text in values & texts)
    return frozenset(found)


def _word(item: object) -> str | None:
    """Return how a policy writes a string, an integer or a boolean; None for anything else."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    return item if isinstance(item, str) else None


def encoded(text: str) -> bytes | None:
    """Return a string from a token in UTF-8; None if it holds a lone surrogate, which JSON can spell."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


class _NotAnOrgError(Exception):
    """A value stands where an org id belongs that cannot be one."""


def _find(selector: Selector, documents: Documents) -> list[object] | None:
    """Return the values that a selector leads to; None where the credential has no such part."""
    if selector.source not in documents:
        return None
    return selector.find(documents[selector.source])


def _org_texts(selector: Selector, documents: Documents) -> list[str] | None:
    """Return the org ids, some perhaps empty, that one selector finds; None where it finds nothing."""
    values = _find(selector, documents)
    if values is None:
        return None
    texts: list[str] = []
    for value in values:
        texts += _texts_of(value, selector.split)
    if selector.template is None:
        return texts
    return _picked(texts, selector.template) or None


def _picked(texts: list[str], template: TextTemplate | None) -> list[str]:
    """Return what a template takes out of strings. Those that it does not match mean something else."""
    if template is None:
        return texts
    matches = [template.match(text) for text in texts]
    return [match[ORG] for match in matches if match is not None]


def _texts_of(value: object, separator: str | None) -> Iterable[str]:
    """Return the strings of one claim's value: a string, the items of a list or the keys of a map."""
    if isinstance(value, str):
        return (value,) if separator is None else _split(value, separator)
    if isinstance(value, dict):
        return _granted_keys(value)
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else _decimals(item) for item in items]


def _granted_keys(value: dict[str, object]) -> list[str]:
    """Return the keys of a map, but for those that it denies by `false` or null."""
    return [key for key, granted in value.items() if granted is not False and granted is not None]


def _decimals(item: object) -> str:
    """Return an integer in decimals. To Python, but to nobody else, a boolean is one."""
    if isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    raise _NotAnOrgError


def _split(text: str, separator: str) -> list[str]:
    """Split a string that holds several values; a space beside a separator is no part of a value."""
    return [part.strip(" ") for part in text.split(separator)]
