"""What was made of an inspection that somebody is shown.

Whatever is shown of a request is made safe here, once: log, answer, header and view only render it.
"""

import uuid
from typing import NamedTuple, Self

from mitmproxy import http

from orgfence.core.catalogue import Explanation, explain, without_orgs
from orgfence.core.decision import Decision
from orgfence.core.error_envelope import ErrorEnvelope
from orgfence.core.ruleset import Ruleset
from orgfence.core.showing.redactor import Redactor
from orgfence.proxy import annotation
from orgfence.proxy.origin import is_readable_by_others
from orgfence.proxy.own_secrets import redactor_of


class Shown(NamedTuple):
    """Made only for what is not `allow`: an id costs more than a whole check."""

    #: Unique to the request; in the answer, the annotation and the log.
    id: str
    #: For the log, the metrics and the view: whoever runs the proxy.
    explanation: Explanation
    #: For clients and upstream: without the orgs under `disclose: reason`, and where a page of another origin reads it.
    told: Explanation
    #: Whether `told` names orgs; if not, an answer leaves their lists out, since an empty one would say that there is
    #: none.
    names_orgs: bool
    #: The value of the `Orgfence` header.
    header: bytes
    #: Shows what else there is to say of the flow.
    redactor: Redactor
    #: How the API that was called words its errors; None: nobody has said.
    errors: ErrorEnvelope | None = None

    @classmethod
    def of(cls, flow: http.HTTPFlow, decision: Decision, ruleset: Ruleset) -> Self:
        """Put a decision on a flow into words, by its ruleset's names of orgs and its `disclose`."""
        inspection_id = str(uuid.uuid4())
        redactor = redactor_of(flow, decision.rule)
        explanation = explain(decision, ruleset.orgs, redactor)
        is_foreign = is_readable_by_others(flow, decision.rule)
        names_orgs = ruleset.handling.disclose_orgs and not is_foreign
        told = explanation if names_orgs else without_orgs(decision, explanation, names_scopes=not is_foreign)
        header = annotation.header_value(decision, told, inspection_id)
        return cls(inspection_id, explanation, told, names_orgs, header, redactor, ruleset.errors_of(decision))
