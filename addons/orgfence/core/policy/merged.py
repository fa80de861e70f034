"""The files of a policy as one: a folder of several teams' files has one set of orgs, issuers and rule ids.

What a file says for its own rules (its `enforcement`, say) stays with the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model import OrgEntry, PolicyFile
from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.strict_yaml import Mapping, Scalar
from orgfence.core.policy.wording import shown
from orgfence.core.reason import Enforcement


class File(NamedTuple):
    """One file of a policy."""

    model: PolicyFile
    #: What the model was made of; it knows where each key stands.
    tree: Mapping


@dataclass(frozen=True, slots=True)
class Merged:
    """All files, and what they hold in common."""

    files: tuple[File, ...]
    orgs: dict[Scalar, OrgEntry]
    issuers: dict[Scalar, IssuerEntry]
    #: The parts of which something could not be read: nothing can be said of a name that is missing there.
    incomplete: frozenset[str]

    @classmethod
    def of(cls, files: Sequence[File], incomplete: frozenset[str], faults: Faults) -> Self:
        """Merge the files; a name that two of them give is a fault."""
        return cls(
            tuple(files),
            _merged([file.model.orgs for file in files], "org", faults),
            _merged([file.model.issuers for file in files], "issuer", faults),
            incomplete,
        )

    @property
    def unmatched(self) -> Enforcement:
        """What becomes of requests that no rule matches: of files that differ, `block` wins."""
        blocked = any(file.model.unmatched == "block" for file in self.files)
        return Enforcement.BLOCK if blocked else Enforcement.OBSERVE


def _merged[Entry](parts: Sequence[dict[Scalar, Entry]], called: str, faults: Faults) -> dict[Scalar, Entry]:
    merged: dict[Scalar, Entry] = {}
    for part in parts:
        for name, entry in part.items():
            if name in merged:
                first = next(known for known in merged if known == name)
                message = f"the {called} {shown(name)} is in {first.place.seen_from(name.place)} already"
                faults.add(name.place, f"{message}. Keep one of them")
            else:
                merged[name] = entry
    return merged
