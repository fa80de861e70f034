"""A flow and its inspection, as the log may know them: chosen fields, no credential among them."""

from typing import TypedDict

from mitmproxy import http

from orgfence.core.catalogue import Explanation
from orgfence.core.decision import Decision, Inspection
from orgfence.core.routing.host_overrides import HOST_OVERRIDES
from orgfence.core.showing.redactor import Redactor
from orgfence.observe.inspection_log import InspectionRecord, trace_id_of
from orgfence.proxy.own_secrets import redactor_of
from orgfence.proxy.shown import Shown

# What APIs call the id by which their operators find a request again, most telling first.
_CORRELATION_HEADERS = ("inin-correlation-id", "x-correlation-id", "x-request-id", "x-amzn-requestid")


def inspection_record(
    flow: http.HTTPFlow, inspection: Inspection, deciding: Decision, shown: Shown, generation: str
) -> InspectionRecord:
    """Return what is logged of an inspection that is not `allow`."""
    explanation, token, faults = shown.explanation, deciding.token, deciding.faults
    return InspectionRecord(
        id=shown.id,
        action=inspection.action,
        verdict=deciding.verdict,
        reason=deciding.reason,
        rule=_rule_id(deciding),
        enforcement=deciding.enforcement,
        requested_orgs=explanation.requested_orgs,
        granted_orgs=explanation.granted_orgs,
        token_issuer=None if token is None else token.issuer,
        unverified=token is not None and not token.verified,
        advice=_advice(deciding, explanation, shown.redactor),
        **_of_flow(flow, shown.redactor),
        path_template=deciding.path_template,
        generation=generation,
        step=None if deciding.exchange is None else deciding.exchange.step,
        faults=tuple(fault.reason for fault in faults) if len(faults) > 1 else (),
        lineage=shown.redactor.sentence(deciding.lineage),
        host_from=HOST_OVERRIDES[deciding.override] if deciding.override else None,
    )


def _advice(deciding: Decision, explanation: Explanation, redactor: Redactor) -> str | None:
    """Return what to do in one line: of each fault of an exchange the first step, without the URLs of the others."""
    steps = [fault.advice[0] for fault in deciding.faults if fault.advice]
    if steps:
        return redactor.sentence(" ".join(steps))
    return explanation.advice[0] if explanation.advice else None


def outcome_record(
    flow: http.HTTPFlow,
    inspection: Inspection,
    deciding: Decision,
    generation: str,
    status: int,
    advice: str | None = None,
) -> InspectionRecord:
    """Return what is logged of an allow that upstream itself refused, with advice where there is better than common."""
    response = flow.response
    headers = {} if response is None else response.headers
    redactor = redactor_of(flow, deciding.rule)
    correlation_id = next((headers[name] for name in _CORRELATION_HEADERS if name in headers), None)
    return InspectionRecord(
        id=None,
        action=inspection.action,
        verdict=deciding.verdict,
        reason=deciding.reason,
        rule=_rule_id(deciding),
        enforcement=deciding.enforcement,
        requested_orgs=(),
        granted_orgs=(),
        token_issuer=None,
        unverified=False,
        advice=redactor.sentence(advice) if advice else _REFUSED_UPSTREAM,
        **_of_flow(flow, redactor),
        path_template=deciding.path_template,
        generation=generation,
        correlation_id=None if correlation_id is None else redactor.value(correlation_id),
        outcome=status,
    )


_REFUSED_UPSTREAM = "The org is right; look for a scope, a role or a permission that the token's user or app lacks."


def _rule_id(decision: Decision) -> str | None:
    return None if decision.rule is None else decision.rule.id


class _OfFlow(TypedDict):
    client: str
    method: str
    host: str
    path: str
    trace_id: str | None


def _of_flow(flow: http.HTTPFlow, redactor: Redactor) -> _OfFlow:
    """Return what the request says of itself."""
    trace_id = trace_id_of(flow.request.headers.get("traceparent", ""))
    return {
        "client": str(flow.client_conn.peername[0]),
        "method": redactor.value(flow.request.method),
        "host": redactor.host(flow.request.host),
        "path": redactor.path(flow.request.path.partition("?")[0]),
        "trace_id": None if trace_id is None else redactor.value(trace_id),
    }
