"""What was made of an inspection that somebody is shown."""

import uuid
from typing import NamedTuple, Self

from orgfence.core.catalogue import Explanation, explain, without_orgs
from orgfence.core.decision import Decision
from orgfence.core.error_envelope import ErrorEnvelope
from orgfence.core.ruleset import Ruleset
from orgfence.proxy import annotation


class Shown(NamedTuple):
    """Made only for what is not `allow`: an id costs more than a whole check."""

    #: Unique to the request; in the answer, the annotation and the log.
    id: str
    #: For the log, the metrics and the view: whoever runs the proxy.
    explanation: Explanation
    #: For clients and upstream: under `disclose: reason` without the orgs.
    told: Explanation
    #: The value of the `Orgfence` header.
    header: bytes
    #: How the API that was called words its errors; None: nobody has said.
    errors: ErrorEnvelope | None = None

    @classmethod
    def of(cls, decision: Decision, ruleset: Ruleset) -> Self:
        """Put a decision into words, by its ruleset's names of orgs and its `disclose`."""
        inspection_id = str(uuid.uuid4())
        explanation = explain(decision, ruleset.orgs)
        told = explanation if ruleset.handling.disclose_orgs else without_orgs(decision, explanation)
        header = annotation.header_value(decision, told, inspection_id)
        return cls(inspection_id, explanation, told, header, ruleset.errors_of(decision))
