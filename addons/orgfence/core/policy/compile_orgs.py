"""From the orgs that a policy names to the table of their names."""

from collections.abc import Mapping

from orgfence.core.orgs import OrgNames, canonical_id
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model import OrgEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import shown

#: What the metrics call an org that the policy does not name.
UNNAMED = "other"


def compile_orgs(entries: Mapping[Scalar, OrgEntry], faults: Faults) -> OrgNames:
    """Return the names, each of which may stand for one org only."""
    owners: dict[bytes, Scalar] = {}
    for name, entry in entries.items():
        if name == UNNAMED:
            faults.add(name.place, f"metrics say {shown(name)} for orgs without a name. Choose another")
        for word in (name, entry.id, *entry.aliases):
            owner = owners.setdefault(canonical_id(word.encode()), name)
            if owner is not name:
                message = (
                    f"{shown(word)} stands for the org {shown(owner)} ({owner.place.seen_from(word.place)}) already"
                )
                faults.add(word.place, f"{message}. Let each word stand for one org")
    return OrgNames(
        {str(name): str(entry.id) for name, entry in entries.items()},
        [(str(alias), str(name)) for name, entry in entries.items() for alias in entry.aliases],
    )
