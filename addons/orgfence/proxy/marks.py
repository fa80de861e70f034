"""What mitmweb and the console show beside a flow: a marker, a one-line comment, and the claims as metadata.

mitmweb shows marker and comment and filters by them (`~marker`, `~comment`); the console shows metadata too. Plain
types only, since flows are saved; and never the raw token.
"""

from mitmproxy import http

from orgfence.core.escapes import text_of
from orgfence.core.reason import Action
from orgfence.enforcement.report import Report

_MARKERS = {
    Action.BLOCKED: ":no_entry:",
    Action.ANNOTATED: ":warning:",
    Action.FORWARDED: ":eyes:",
}


def mark(flow: http.HTTPFlow, report: Report) -> None:
    """Mark a flow whose inspection is not `allow`."""
    decision, explanation, rule = report.decision, report.explanation, report.rule_id or ""
    flow.marked = _MARKERS[report.action]
    flow.comment = f"{report.action}: {decision.reason} (rule {rule or '-'}). {explanation.detail}"
    flow.metadata["orgfence"] = {
        "id": report.id,
        "action": str(report.action),
        "verdict": str(decision.verdict),
        "reason": str(decision.reason),
        "rule": rule,
        "requested_orgs": list(explanation.requested_orgs),
        "granted_orgs": list(explanation.granted_orgs),
        "advice": list(explanation.advice),
        **_claims(report),
    }


def mark_outcome(flow: http.HTTPFlow, rule_id: str, status: int) -> None:
    """Note that upstream itself refused what was allowed here."""
    flow.comment = f"allow; outcome={status} (rule {rule_id}). The org is right; upstream refused for another reason."


def _claims(report: Report) -> dict[str, object]:
    token, show = report.decision.token, report.redactor.value
    if token is None:
        return {}
    return {
        "token": {
            "issuer": token.issuer,
            "subject": show(token.subject or "", may_be_part=True),
            "scopes": sorted(show(text_of(scope)) for scope in token.scopes),
            "verified": token.verified,
        }
    }
