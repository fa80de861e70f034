"""A flow and its inspection, as the log may know them: chosen fields, no credential among them."""

from mitmproxy import http

from orgfence.core.catalogue import Explanation
from orgfence.core.decision import Decision, Inspection
from orgfence.core.host_overrides import HOST_OVERRIDES
from orgfence.observe.inspection_log import InspectionRecord, trace_id_of
from orgfence.observe.redaction import redact
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
        advice=_advice(deciding, explanation),
        client=_client(flow),
        method=flow.request.method,
        host=flow.request.host,
        path_template=deciding.path_template,
        path=_path(flow),
        generation=generation,
        trace_id=trace_id_of(flow.request.headers.get("traceparent", "")),
        step=None if deciding.exchange is None else deciding.exchange.step,
        faults=tuple(fault.reason for fault in faults) if len(faults) > 1 else (),
        lineage=deciding.lineage,
        host_from=HOST_OVERRIDES[deciding.override] if deciding.override else None,
    )


def _advice(deciding: Decision, explanation: Explanation) -> str | None:
    """Return what to do in one line: of each fault of an exchange the first step, without the URLs of the others."""
    steps = [fault.advice[0] for fault in deciding.faults if fault.advice]
    if steps:
        # They quote what the client has sent, which may be a credential in the wrong place.
        return redact(" ".join(steps))
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
        advice=advice or _REFUSED_UPSTREAM,
        client=_client(flow),
        method=flow.request.method,
        host=flow.request.host,
        path_template=deciding.path_template,
        path=_path(flow),
        generation=generation,
        trace_id=trace_id_of(flow.request.headers.get("traceparent", "")),
        correlation_id=next((headers[name] for name in _CORRELATION_HEADERS if name in headers), None),
        outcome=status,
    )


_REFUSED_UPSTREAM = "The org is right; look for a scope, a role or a permission that the token's user or app lacks."


def _rule_id(decision: Decision) -> str | None:
    return None if decision.rule is None else decision.rule.id


def _client(flow: http.HTTPFlow) -> str:
    return str(flow.client_conn.peername[0])


def _path(flow: http.HTTPFlow) -> str:
    return flow.request.path.partition("?")[0]
