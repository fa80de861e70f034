"""What is known of one request from its headers to the answer that it gets."""

from orgfence.core.decision import Inspection
from orgfence.core.oauth.exchange import Endpoint, Exchange
from orgfence.core.oauth.ledger import Begun
from orgfence.core.ruleset import Ruleset
from orgfence.enforcement.report import Report


class Case:
    """One request: by what it is judged, what was found, and what is said of it."""

    #: None until it is judged.
    inspection: Inspection | None = None
    #: What is said of it; None for an allow.
    report: Report | None = None
    #: How much of a body is read, where a rule reads it and the request has to wait for it.
    body_limit: int | None = None
    #: How long it took to judge.
    seconds: float = 0.0
    #: The OAuth exchange that it begins, and the endpoint that it is for; None: none.
    exchange: Exchange | None = None
    endpoint: Endpoint | None = None
    #: What the ledger knows of the authorize request that it is.
    begun: Begun | None = None
    #: How much of the answer's body is held, where that is to be read.
    answer_limit: int | None = None

    def __init__(self, ruleset: Ruleset) -> None:
        """Begin with what is in force now; the request is judged by that, whatever is put in force meanwhile."""
        self.ruleset = ruleset

    @property
    def is_held(self) -> bool:
        """Whether the request still waits for its body."""
        return self.inspection is None and self.body_limit is not None
