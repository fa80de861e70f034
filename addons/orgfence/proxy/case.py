"""What is known of one request from its headers to the answer that it gets."""

from dataclasses import dataclass

from orgfence.core.decision import Inspection
from orgfence.core.ruleset import Ruleset
from orgfence.proxy.shown import Shown


@dataclass(slots=True, eq=False)
class Case:
    """One request: by what it is judged, what was found, and what was said of it."""

    #: What was in force when the request came; it stays so, whatever is put in force meanwhile.
    ruleset: Ruleset
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
