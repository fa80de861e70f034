"""What is known of one request from its headers to the answer that it gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from orgfence.core.decision import Inspection
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.proxy.shown import Shown


class InForce(NamedTuple):
    """What requests that begin now are judged by: a ruleset, with what else depends on it alone."""

    ruleset: Ruleset
    #: For each rule that has any: the canonical names of the header fields that are not forwarded.
    stripped: Mapping[Rule, frozenset[bytes]]

    @classmethod
    def of(cls, ruleset: Ruleset) -> Self:
        """Find out once what no request should have to."""
        return cls(ruleset, {rule: rule.stripped_headers for rule in ruleset.rules if rule.stripped_headers})


@dataclass(slots=True, eq=False)
class Case:
    """One request: by what it is judged, what was found, and what was said of it."""

    #: These two stay what they were when the request came, whatever is put in force meanwhile.
    ruleset: Ruleset
    stripped: Mapping[Rule, frozenset[bytes]]
    #: None until it is judged.
    inspection: Inspection | None = None
    #: None for an allow.
    shown: Shown | None = None
    #: How much of a body is read, where a rule reads it and the request has to wait for it.
    body_limit: int | None = None
    #: How long it took to judge.
    seconds: float = 0.0

    @property
    def is_held(self) -> bool:
        """Whether the request still waits for its body."""
        return self.inspection is None and self.body_limit is not None
