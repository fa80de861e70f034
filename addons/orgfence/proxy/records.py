"""A flow and its inspection, as the log may know them: chosen fields, no credential among them."""

from mitmproxy import http

from orgfence.core.decision import Decision, Inspection
from orgfence.observe.inspection_log import InspectionRecord, trace_id_of
from orgfence.proxy.shown import Shown

# What APIs call the id by which their operators find a request again, most telling first.
_CORRELATION_HEADERS = ("inin-correlation-id", "x-correlation-id", "x-request-id", "x-amzn-requestid")


def inspection_record(
    flow: http.HTTPFlow, inspection: Inspection, deciding: Decision, shown: Shown, generation: str
) -> InspectionRecord:
    """Return what is logged of an inspection that is not `allow`."""
    explanation, token = shown.explanation, deciding.token
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
        advice=explanation.advice[0] if explanation.advice else None,
        client=_client(flow),
        method=flow.request.method,
        host=flow.request.host,
        path_template=deciding.path_template,
        path=_path(flow),
        generation=generation,
        trace_id=trace_id_of(flow.request.headers.get("traceparent", "")),
    )


def outcome_record(
    flow: http.HTTPFlow, inspection: Inspection, deciding: Decision, generation: str, status: int
) -> InspectionRecord:
    """Return what is logged of an allow that upstream itself refused."""
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
        advice=_REFUSED_UPSTREAM,
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
