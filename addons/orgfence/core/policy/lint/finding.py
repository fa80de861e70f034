"""What lint finds: no mistake that keeps a policy from loading, but most likely not what its author meant."""

from typing import NamedTuple, Self

from orgfence.core.policy.faults import Fault, Place


class Finding(NamedTuple):
    """One warning."""

    #: A stable slug, such as `redundant_rule`.
    code: str
    fault: Fault

    @classmethod
    def at(cls, place: Place, code: str, message: str) -> Self:
        """Return a warning about a place, worded as faults are."""
        return cls(code, Fault(place, message, place.source.shown(place.line)))
