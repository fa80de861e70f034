"""What a blocked client is answered, as plain data: status, header fields and body.

Its form is the client's: a problem document or the API's own error, a page for a browser, a gRPC status, an OAuth
error. Whatever the form, it is final for the client (no Retry-After, no 429, no closed connection) and can be told from
upstream's own answer by `Proxy-Status`.
"""

import json
import re
from typing import NamedTuple

from orgfence.core.error_envelope import Said
from orgfence.core.oauth.exchange import Endpoint
from orgfence.core.reason import Reason
from orgfence.core.request import canonical_name
from orgfence.enforcement.call import Call, Fields
from orgfence.enforcement.grpc import grpc_status, is_grpc
from orgfence.enforcement.oauth_error import oauth_error_document
from orgfence.enforcement.page import page_of
from orgfence.enforcement.report import Report

PROBLEM_TYPE = "urn:orgfence:reason:"


class Denial(NamedTuple):
    """A response that is sent in place of upstream's."""

    status: int
    #: In their order, `Content-Length` among them.
    fields: Fields
    body: bytes


class _Content(NamedTuple):
    """A body, and the fields that it needs."""

    status: int
    fields: dict[str, str]
    body: bytes


def deny(report: Report) -> Denial:
    """Return the answer to a request that is blocked."""
    endpoint = _endpoint_of(report)
    if endpoint in {Endpoint.TOKEN, Endpoint.PAR}:
        return deny_token(report)
    content = _content(report)
    challenge = {} if endpoint is not None else _challenge(report)
    return _completed(content._replace(fields=content.fields | challenge), report)


# https://www.rfc-editor.org/rfc/rfc6749#section-5.2. OAuth clients lose the error under another status or media type,
# and under a challenge; what else stands in the document, they leave alone.
def deny_token(report: Report) -> Denial:
    """Return what a client of a token endpoint gets in place of a token."""
    document = oauth_error_document(report.decision.reason, report.told) | _members(report)
    fields = {"Content-Type": "application/json", "Pragma": "no-cache"}
    return _completed(_Content(400, fields, _json(document)), report)


def bare_denial() -> Denial:
    """Return the answer when even making a proper one failed."""
    body = b'{"title": "orgfence failed while judging this request", "status": 502, "reason": "internal_error"}\n'
    fields = {
        "Content-Type": "application/problem+json",
        "Proxy-Status": 'orgfence; error=proxy_internal_error; details="internal_error"',
        "Cache-Control": "no-store",
        "content-length": str(len(body)),
    }
    return Denial(502, _encoded(fields), body)


def _content(report: Report) -> _Content:
    """Return the answer in the form that the client reads."""
    told, reason, fields = report.told, report.decision.reason, report.call.request.headers
    if is_grpc(fields):
        return _Content(200, grpc_status(reason, told), b"")
    if b"text/html" in _first(report.call, b"accept").lower():
        return _Content(told.status, *page_of(report))
    if report.errors is not None:
        said = Said(
            title=told.title,
            detail=told.detail,
            reason=str(reason),
            status=told.status,
            rule=report.rule_id or "",
            id=report.id,
            advice=" ".join(told.advice),
        )
        return _Content(told.status, {"Content-Type": report.errors.content_type}, report.errors.filled(said))
    # A problem document (RFC 9457), with members of ours beside the standard ones.
    document = {
        "type": PROBLEM_TYPE + reason,
        "title": told.title,
        "status": told.status,
        "detail": told.detail,
        **_members(report),
    }
    return _Content(told.status, {"Content-Type": "application/problem+json"}, _json(document))


def _members(report: Report) -> dict[str, object]:
    """Return what is ours in a document of whichever form."""
    orgs = {"requested_orgs": report.told.requested_orgs, "granted_orgs": report.told.granted_orgs}
    return {
        "instance": f"urn:uuid:{report.id}",
        "reason": report.decision.reason,
        "rule": report.rule_id,
        **(orgs if report.names_orgs else {}),
        "advice": report.told.advice,
    }


def _json(document: dict[str, object]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _challenge(report: Report) -> dict[str, str]:
    """Return the challenge of RFC 6750 section 3 where one belongs."""
    reason, rule = report.decision.reason, report.decision.rule
    if reason not in _CHALLENGES:
        return {}
    challenge = f'Bearer error="{_CHALLENGES[reason]}"'
    if reason is Reason.SCOPE_MISSING and rule is not None:
        challenge += f', scope="{" ".join(sorted(scope.decode() for scope in rule.scopes))}"'
    return {"WWW-Authenticate": challenge}


_CHALLENGES = {
    Reason.SCOPE_MISSING: "insufficient_scope",
    Reason.TOKEN_EXPIRED: "invalid_token",
    Reason.TOKEN_NOT_YET_VALID: "invalid_token",
}


def _completed(content: _Content, report: Report) -> Denial:
    """Add what every answer of ours has, whatever its form."""
    fields = content.fields | {
        "content-length": str(len(content.body)),
        "Proxy-Status": f'orgfence; error=http_request_denied; details="{report.decision.reason}"',  # RFC 9209
        "Cache-Control": "no-store",
    }
    # Headers only, Content-Length among them.
    body = b"" if report.call.request.method == b"HEAD" else content.body
    return Denial(content.status, (*_encoded(fields), *_cors(report.call)), body)


def _cors(call: Call) -> Fields:
    """Return what a browser app needs to read the answer; without it the app sees only "CORS error"."""
    origin = _first(call, b"origin")
    if not _ORIGIN.fullmatch(origin):
        return ()
    return (
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Access-Control-Expose-Headers", b"Proxy-Status, WWW-Authenticate"),
        (b"Vary", b"Origin"),
    )


# https://www.rfc-editor.org/rfc/rfc6454#section-7.1, loosely: what is echoed holds no space and no control character.
_ORIGIN = re.compile(rb"[!-~]+")


def _first(call: Call, name: bytes) -> bytes:
    """Return the first value of a field, however its name is spelled."""
    return next((value for field, value in call.request.headers if canonical_name(field) == name), b"")


def _encoded(fields: dict[str, str]) -> Fields:
    return tuple((name.encode(), value.encode()) for name, value in fields.items())


def _endpoint_of(report: Report) -> Endpoint | None:
    rule = report.decision.rule
    return None if rule is None or rule.exchange is None else rule.exchange.endpoint
