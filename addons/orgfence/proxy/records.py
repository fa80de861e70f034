"""What the log may know of a report and of an outcome: chosen fields, no credential among them."""

from typing import TypedDict

from orgfence.core.decision import Decision, Inspection
from orgfence.core.routing.host_overrides import HOST_OVERRIDES
from orgfence.core.showing.redactor import Redactor
from orgfence.enforcement.call import Call, values_of
from orgfence.enforcement.redaction import redactor_of
from orgfence.enforcement.report import Report
from orgfence.observe.inspection_log import InspectionRecord, trace_id_of

# What APIs call the id by which their operators find a request again, most telling first.
_CORRELATION_HEADERS = (b"inin-correlation-id", b"x-correlation-id", b"x-request-id", b"x-amzn-requestid")


def inspection_record(report: Report) -> InspectionRecord:
    """Return what is logged of an inspection that is not `allow`."""
    deciding, explanation = report.decision, report.explanation
    token, faults = deciding.token, deciding.faults
    return InspectionRecord(
        id=report.id,
        action=report.action,
        verdict=deciding.verdict,
        reason=deciding.reason,
        rule=report.rule_id,
        enforcement=deciding.enforcement,
        requested_orgs=explanation.requested_orgs,
        granted_orgs=explanation.granted_orgs,
        token_issuer=None if token is None else token.issuer,
        unverified=token is not None and not token.verified,
        advice=_advice(report),
        **_of_call(report.call, report.redactor),
        path_template=deciding.path_template,
        generation=report.generation,
        step=None if deciding.exchange is None else deciding.exchange.step,
        faults=tuple(fault.reason for fault in faults) if len(faults) > 1 else (),
        lineage=report.redactor.sentence(deciding.lineage),
        host_from=HOST_OVERRIDES[deciding.override] if deciding.override else None,
    )


def _advice(report: Report) -> str | None:
    """Return what to do in one line: of each fault of an exchange the first step, without the URLs of the others."""
    steps = [fault.advice[0] for fault in report.decision.faults if fault.advice]
    if steps:
        return report.redactor.sentence(" ".join(steps))
    return report.explanation.advice[0] if report.explanation.advice else None


def outcome_record(
    call: Call,
    inspection: Inspection,
    deciding: Decision,
    generation: str,
    status: int,
    advice: str | None = None,
) -> InspectionRecord:
    """Return what is logged of an allow that upstream itself refused, with advice where there is better than common."""
    redactor = redactor_of(call, deciding.rule)
    fields = () if call.answer is None else call.answer.fields
    found = (values_of(fields, name) for name in _CORRELATION_HEADERS)
    correlation_id = next((", ".join(values) for values in found if values), None)
    return InspectionRecord(
        id=None,
        action=inspection.action,
        verdict=deciding.verdict,
        reason=deciding.reason,
        rule=None if deciding.rule is None else deciding.rule.id,
        enforcement=deciding.enforcement,
        requested_orgs=(),
        granted_orgs=(),
        token_issuer=None,
        unverified=False,
        advice=redactor.sentence(advice) if advice else _REFUSED_UPSTREAM,
        **_of_call(call, redactor),
        path_template=deciding.path_template,
        generation=generation,
        correlation_id=None if correlation_id is None else redactor.value(correlation_id),
        outcome=status,
    )


_REFUSED_UPSTREAM = "The org is right; look for a scope, a role or a permission that the token's user or app lacks."


class _OfCall(TypedDict):
    client: str
    method: str
    host: str
    path: str
    trace_id: str | None


def _of_call(call: Call, redactor: Redactor) -> _OfCall:
    """Return what the request says of itself."""
    trace_id = trace_id_of(", ".join(values_of(call.request.headers, b"traceparent")))
    return {
        "client": call.client,
        "method": redactor.value(call.method),
        "host": redactor.host(call.host),
        "path": redactor.path(call.path),
        "trace_id": None if trace_id is None else redactor.value(trace_id),
    }
