"""One log line for each inspection that somebody should see, and no more of the same than is of use."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog

from orgfence.core.oauth.exchange import Step
from orgfence.core.reason import Action, Enforcement, Reason, Verdict
from orgfence.observe.redaction import printable, redact, redact_strictly


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionRecord:
    """What the log may know of an inspection. What has no field here cannot leak."""

    #: The inspection's id, as the answer and the annotation give it; None for an allow.
    id: str | None
    action: Action
    verdict: Verdict
    reason: Reason
    #: The deciding rule's id; None where no rule decided.
    rule: str | None
    enforcement: Enforcement
    #: By the policy's names where it has any.
    requested_orgs: tuple[str, ...]
    granted_orgs: tuple[str, ...]
    #: The policy's name for the token's issuer. Its subject may be a person's address, so that is not here.
    token_issuer: str | None
    #: Whether nobody vouches for what the token says of itself.
    unverified: bool
    #: The catalogue's, in one line.
    advice: str | None
    #: The client's IP address.
    client: str
    method: str
    host: str
    path_template: str
    #: Without the query. Paths may hold what is nobody's business: shown on a terminal only.
    path: str
    #: The ruleset's.
    generation: str
    #: From the request's `traceparent`.
    trace_id: str | None = None
    #: What upstream calls the exchange.
    correlation_id: str | None = None
    #: The status that upstream answered with; None while there is no answer.
    outcome: int | None = None
    #: The exception behind an `internal_error`.
    error: Exception | None = None
    #: Of an OAuth exchange, the step that is judged.
    step: Step | None = None
    #: All that is wrong with it, where that is more than the reason.
    faults: tuple[Reason, ...] = ()
    #: Where the token comes from, in a sentence or two, where that was seen.
    lineage: str = ""
    #: The header field that names the host by which the request was decided, where that is not its own.
    host_from: str | None = None


# https://www.w3.org/TR/trace-context/#traceparent-header
#   version "-" trace-id "-" parent-id "-" trace-flags
# Later versions may go on behind that. A trace-id of zeros is none.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def trace_id_of(traceparent: str) -> str | None:
    """Return the trace id in a `traceparent` header."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    return match and match[1]


class InspectionLog:
    """Writes inspections, each kind of which at most once in a while."""

    def __init__(self, *, console: bool, repeat: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Write the same again only after `repeat` seconds. `console`: for a person at a terminal."""
        #: May be set at any time, and holds from then on for what was written before, too.
        self.repeat = repeat
        self._console = console
        self._clock = clock
        # In the order in which they were written: what stands first is out of date first.
        self._written: OrderedDict[_Likeness, _Written] = OrderedDict()

    def write(self, record: InspectionRecord) -> None:
        """Write a record, or count it where its like was written a moment ago."""
        now = self._clock()
        likeness = _Likeness.of(record)
        written = self._written.get(likeness)
        if written is not None and now < written.at + self.repeat:
            written.suppressed += 1
            return
        self._written.pop(likeness, None)
        self._forget(now)
        self._written[likeness] = _Written(now)
        _log(_level_of(record), _event_of(record), self._fields(record), written.suppressed if written else 0)

    def close(self) -> None:
        """Write how many were suppressed of what was not written since."""
        while self._written:
            self._forget_first()

    def _forget(self, now: float) -> None:
        """Make room: forget what is out of date, and the oldest where there is too much."""
        while self._written:
            if now < next(iter(self._written.values())).at + self.repeat and len(self._written) < _MAX_KINDS:
                return
            self._forget_first()

    def _forget_first(self) -> None:
        likeness, written = self._written.popitem(last=False)
        if written.suppressed:
            _log("info", "repeats", likeness.fields(), written.suppressed)

    def _fields(self, record: InspectionRecord) -> dict[str, Any]:
        """Return what is written of a record. What a client chose may be a credential in the wrong place."""
        return {
            "id": record.id,
            "action": record.action.value,
            "verdict": record.verdict.value,
            "reason": record.reason.value,
            "step": record.step and record.step.value,
            "faults": [reason.value for reason in record.faults],
            "rule": record.rule,
            "enforcement": record.enforcement.word,
            "outcome": record.outcome,
            "requested_orgs": _shown(record.requested_orgs),
            "granted_orgs": _shown(record.granted_orgs),
            "token_issuer": record.token_issuer,
            "unverified": record.unverified or None,
            "client": record.client,
            "method": redact(record.method),
            "host": redact(record.host),
            "host_from": record.host_from,
            "path_template": record.path_template,
            "path": redact_strictly(record.path) if self._console else None,
            "generation": record.generation,
            "trace_id": record.trace_id,
            "correlation_id": record.correlation_id and redact(record.correlation_id),
            "lineage": redact(record.lineage),
            "advice": record.advice,
            "exc_info": record.error,
        }


# Some 4 MiB at most.
_MAX_KINDS = 4096
# Orgs, and characters of each: more than a person can take in, or than an org's id has.
_MAX_SHOWN = 10
_MAX_ORG = 64


@dataclass(slots=True)
class _Written:
    """What is remembered of a line that was written."""

    #: When it was.
    at: float
    suppressed: int = 0


class _Likeness(NamedTuple):
    """What records share that tell a reader the same. Texts are cut, because thousands of these are kept."""

    client: str
    rule: str | None
    reason: str
    method: str
    host: str
    path_template: str
    requested_orgs: tuple[str, ...]
    outcome: int | None

    @classmethod
    def of(cls, record: InspectionRecord) -> "_Likeness":
        """Take a record's."""
        return cls(
            record.client,
            record.rule,
            record.reason.value,
            record.method[:32],
            record.host[:255],
            record.path_template,
            tuple(org[:_MAX_ORG] for org in record.requested_orgs[:_MAX_SHOWN]),
            record.outcome,
        )

    def fields(self) -> dict[str, Any]:
        """Return what is written of it."""
        return self._asdict() | {
            "method": redact(self.method),
            "host": redact(self.host),
            "requested_orgs": _shown(self.requested_orgs),
        }


def _shown(orgs: tuple[str, ...]) -> list[str]:
    shown = [redact(printable(org, _MAX_ORG)) for org in orgs[:_MAX_SHOWN]]
    return shown if len(orgs) <= _MAX_SHOWN else [*shown, f"and {len(orgs) - _MAX_SHOWN} more"]


def _event_of(record: InspectionRecord) -> str:
    return "inspection" if record.outcome is None else "outcome"


def _level_of(record: InspectionRecord) -> str:
    if record.reason is Reason.INTERNAL_ERROR:
        return "error"
    return "warning" if record.action is Action.BLOCKED else "info"


def _log(level: str, event: str, fields: dict[str, Any], suppressed: int) -> None:
    present = {name: value for name, value in fields.items() if value not in (None, "", [], ())}
    if suppressed:
        present["suppressed"] = suppressed
    getattr(structlog.get_logger(), level)(event, **present)
