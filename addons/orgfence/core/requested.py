"""The orgs that a request is about: from the values that are found where a rule reads it to normalised orgs."""

from collections.abc import Iterable

from orgfence.core.json_members import MAX_VALUES
from orgfence.core.names import Found, OtherName
from orgfence.core.orgs import OrgNames, salesforce_id
from orgfence.core.parts import Parts, Requested
from orgfence.core.rule import OrgSource

# A list such as `org_id[0]=…&org_id[1]=…` is a few; each rule holds all of them against the token.
MAX_OTHERS = 256
# Up to so many values are normalised sooner than they are looked up.
_FEW = 16


def requested_by(
    found: Found, source: OrgSource, orgs: OrgNames, parts: Parts, *, salesforce_ids: bool, exact_names: bool
) -> Requested | None:
    """Return the orgs that values found in a source stand for; None where there are more than are compared.

    `salesforce_ids`: whether they are compared as Salesforce's. `exact_names`: not those of other readings of the name.
    """
    others = () if exact_names else found.others
    if not source.split and not others and len(found.values) <= _FEW:
        return Requested(normalised(found.values, orgs, salesforce_ids=salesforce_ids))
    # What was found is shared by all who ask for it, and is kept here, so that no other can have its identity.
    asked = id(found), source.split, salesforce_ids, exact_names
    if asked not in parts.requested:
        parts.requested[asked] = (
            found,
            _all_of(Found(found.values, others), source.split, orgs, salesforce_ids=salesforce_ids),
        )
    return parts.requested[asked][1]


def _all_of(found: Found, separator: bytes, orgs: OrgNames, *, salesforce_ids: bool) -> Requested | None:
    values = _split(found.values, separator)
    others: dict[bytes, OtherName] = {}
    for other in found.others:
        for org in normalised(_split([other.value], separator), orgs, salesforce_ids=salesforce_ids):
            others.setdefault(org, other)
            if len(others) > MAX_OTHERS:
                return None
    if len(values) > MAX_VALUES:
        return None
    return Requested(normalised(values, orgs, salesforce_ids=salesforce_ids), tuple(others.items()))


def _split(values: list[bytes], separator: bytes) -> list[bytes]:
    if not separator:
        return values
    return [part.strip(b" ") for value in values for part in value.split(separator, MAX_VALUES + 1)]


def normalised(values: Iterable[bytes], orgs: OrgNames, *, salesforce_ids: bool) -> tuple[bytes, ...]:
    """Return each org once."""
    ids = [orgs.normalise(value) for value in values]
    if salesforce_ids:
        ids = [salesforce_id(org) for org in ids]
    return tuple(dict.fromkeys(ids)) if len(ids) > 1 else tuple(ids)
