"""Everything that may be said of an inspection, put together once and made safe to show.

Log, answer, header and view only render it. It is made only where something is said: an id alone costs more than a
whole check.
"""

import uuid
from dataclasses import dataclass
from typing import Self

from orgfence.core.catalogue import Explanation, explain, without_orgs
from orgfence.core.decision import Decision, Inspection
from orgfence.core.error_envelope import ErrorEnvelope
from orgfence.core.reason import Action
from orgfence.core.ruleset import Ruleset
from orgfence.core.showing.redactor import Redactor
from orgfence.enforcement.call import Call
from orgfence.enforcement.origin import is_readable_by_others
from orgfence.enforcement.redaction import redactor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is said of one inspection whose deciding verdict is not `allow`."""

    #: Unique to the request; in the answer, the annotation and the log.
    id: str
    call: Call
    action: Action
    #: The deciding one.
    decision: Decision
    #: For the log, the metrics and the view, which whoever runs the proxy sees.
    explanation: Explanation
    #: For clients and upstream: without the orgs under `disclose: reason`, and where a page of another origin reads it.
    told: Explanation
    #: Whether `told` names orgs. If not, an answer leaves their lists out: an empty list would say that there is none.
    names_orgs: bool
    #: Shows what else there is to say of the call.
    redactor: Redactor
    #: How the API that was called words its errors; None: nobody has said.
    errors: ErrorEnvelope | None
    #: The ruleset's.
    generation: str

    @classmethod
    def of(cls, call: Call, inspection: Inspection, ruleset: Ruleset) -> Self:
        """Put an inspection that has a deciding decision into words, by its ruleset's org names and `disclose`."""
        decision = inspection.deciding
        assert decision is not None
        redactor = redactor_of(call, decision.rule)
        explanation = explain(decision, ruleset.orgs, redactor)
        is_foreign = is_readable_by_others(call, decision.rule)
        names_orgs = ruleset.handling.disclose_orgs and not is_foreign
        told = explanation if names_orgs else without_orgs(decision, explanation, names_scopes=not is_foreign)
        return cls(
            id=str(uuid.uuid4()),
            call=call,
            action=inspection.action,
            decision=decision,
            explanation=explanation,
            told=told,
            names_orgs=names_orgs,
            redactor=redactor,
            errors=ruleset.errors_of(decision),
            generation=ruleset.generation,
        )

    @property
    def rule_id(self) -> str | None:
        """The deciding rule's id; None where no rule decided."""
        return None if self.decision.rule is None else self.decision.rule.id
