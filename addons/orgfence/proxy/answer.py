"""What a blocked client is answered: a problem document or the API's own error, a page for a browser, a gRPC status.

Whatever the form, it is final for the client (no Retry-After, no 429, no closed connection) and can be told from
upstream's own answer by `Proxy-Status`.
"""

import html
import json
import re
from urllib.parse import quote

from mitmproxy import http

from orgfence.core.catalogue import Explanation
from orgfence.core.decision import Decision
from orgfence.core.error_envelope import ErrorEnvelope, Said
from orgfence.core.oauth.exchange import Endpoint
from orgfence.core.reason import Reason
from orgfence.core.request import canonical_name
from orgfence.proxy.request_of import is_grpc
from orgfence.proxy.shown import Shown

PROBLEM_TYPE = "urn:orgfence:reason:"


def answer(request: http.Request, decision: Decision, shown: Shown) -> http.Response:
    """Return the response to a request that is blocked by this decision."""
    fields = _first_values(request)
    if _endpoint_of(decision) in {Endpoint.TOKEN, Endpoint.PAR}:
        return oauth_error(request, decision, shown)
    if is_grpc(request.headers.fields):
        response = _grpc(decision, shown.told)
    elif b"text/html" in fields.get(b"accept", b"").lower():
        response = _page(decision, shown.told, shown.id)
    elif shown.errors is not None:
        response = _error(decision, shown.told, shown.id, shown.errors)
    else:
        response = _problem(decision, shown)

    if _endpoint_of(decision) is None:
        _add_challenge(response, decision)
    _complete(response, decision, fields)
    if request.method == "HEAD":
        # Headers only, Content-Length among them: stock mitmproxy would send the body too.
        response.raw_content = b""
    return response


# https://www.rfc-editor.org/rfc/rfc6749#section-5.2. OAuth clients lose the error under another status or media type,
# and under a challenge; what else stands in the document, they leave alone.
def oauth_error(request: http.Request, decision: Decision, shown: Shown) -> http.Response:
    """Return what a client of a token endpoint gets in place of a token."""
    document = {
        "error": _OAUTH_ERRORS.get(decision.reason, "invalid_request"),
        "error_description": _described(shown.told),
        **_members(decision, shown),
    }
    body = json.dumps(document, indent=2) + "\n"
    response = http.Response.make(400, body.encode(), {"Content-Type": "application/json", "Pragma": "no-cache"})
    _complete(response, decision, _first_values(request))
    return response


_OAUTH_ERRORS = {
    Reason.GRANT_LACKS_ORG: "invalid_grant",
    Reason.ISSUED_ORG_MISSING: "invalid_grant",
    Reason.ISSUED_LIFETIME_WRONG: "invalid_grant",
    Reason.ORG_CLAIM_EMPTY: "invalid_grant",
    Reason.REFRESH_SCOPE_MISSING: "invalid_scope",
    Reason.ISSUED_SCOPE_REDUCED: "invalid_scope",
    Reason.SCOPE_FORM: "invalid_scope",
}


def _described(explanation: Explanation) -> str:
    """Return what was found and what to do first, in the characters that section 5.2 has: no quotes, no backslash."""
    text = " ".join((explanation.detail, *explanation.advice[:1]))
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "?" for character in text)


def _endpoint_of(decision: Decision) -> Endpoint | None:
    rule = decision.rule
    return None if rule is None or rule.exchange is None else rule.exchange.endpoint


def _complete(response: http.Response, decision: Decision, fields: dict[bytes, bytes]) -> None:
    """Add what every answer of ours has, whatever its form."""
    response.headers["Proxy-Status"] = f'orgfence; error=http_request_denied; details="{decision.reason}"'  # RFC 9209
    response.headers["Cache-Control"] = "no-store"
    _add_cors(response, fields)


def bare_answer() -> http.Response:
    """Return the answer when even making a proper one failed."""
    return http.Response.make(
        502,
        b'{"title": "orgfence failed while judging this request", "status": 502, "reason": "internal_error"}\n',
        {
            "Content-Type": "application/problem+json",
            "Proxy-Status": 'orgfence; error=proxy_internal_error; details="internal_error"',
            "Cache-Control": "no-store",
        },
    )


def _first_values(request: http.Request) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in request.headers.fields:
        found.setdefault(canonical_name(name), value)
    return found


def _problem(decision: Decision, shown: Shown) -> http.Response:
    """Return a problem document (RFC 9457), with members of ours beside the standard ones."""
    explanation = shown.told
    document = {
        "type": PROBLEM_TYPE + decision.reason,
        "title": explanation.title,
        "status": explanation.status,
        "detail": explanation.detail,
        **_members(decision, shown),
    }
    body = json.dumps(document, indent=2) + "\n"
    return http.Response.make(explanation.status, body.encode(), {"Content-Type": "application/problem+json"})


def _members(decision: Decision, shown: Shown) -> dict[str, object]:
    """Return what is ours in a document of whichever form."""
    orgs = {"requested_orgs": shown.told.requested_orgs, "granted_orgs": shown.told.granted_orgs}
    return {
        "instance": f"urn:uuid:{shown.id}",
        "reason": decision.reason,
        "rule": decision.rule.id if decision.rule is not None else None,
        **(orgs if shown.names_orgs else {}),
        "advice": shown.told.advice,
    }


def _error(decision: Decision, explanation: Explanation, inspection_id: str, errors: ErrorEnvelope) -> http.Response:
    """Return an error as the API itself words it, which its SDKs can read."""
    said = Said(
        title=explanation.title,
        detail=explanation.detail,
        reason=str(decision.reason),
        status=explanation.status,
        rule="" if decision.rule is None else decision.rule.id,
        id=inspection_id,
        advice=" ".join(explanation.advice),
    )
    return http.Response.make(explanation.status, errors.filled(said), {"Content-Type": errors.content_type})


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #1c1c1e }}
h1 {{ font-size: 1.5rem; border-left: .4rem solid #c62828; padding-left: .8rem }}
dt {{ font-weight: 600; margin-top: .6rem }} dd {{ margin: 0 }} dd, li {{ overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1c1c1e; color: #f2f2f7 }} }}
</style>
<h1>{title}</h1>
<p>{detail}</p>
<h2>What to do</h2>
<ul>{advice}</ul>
<dl>{facts}</dl>
<p><small>Stopped by orgfence before it reached the server.</small></p>
</html>
"""


def _page(decision: Decision, explanation: Explanation, inspection_id: str) -> http.Response:
    facts = {
        "Reason": str(decision.reason),
        "Rule": decision.rule.id if decision.rule is not None else "",
        "Orgs that the request is about": ", ".join(explanation.requested_orgs),
        "Orgs that the token is good for": ", ".join(explanation.granted_orgs),
        "Inspection": inspection_id,
    }
    page = _PAGE.format(
        title=html.escape(explanation.title),
        detail=html.escape(explanation.detail),
        advice="".join(f"<li>{_linked(step)}</li>" for step in explanation.advice),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items() if value
        ),
    )
    return http.Response.make(
        explanation.status,
        page.encode("utf-8", "replace"),
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _linked(step: str) -> str:
    """Return a step with its URLs ready to open."""
    parts = _URL.split(step)
    return "".join(
        f'<a href="{html.escape(part)}" rel="noreferrer">{html.escape(part)}</a>' if index % 2 else html.escape(part)
        for index, part in enumerate(parts)
    )


# Ours end with the step. Only a word is tried, and not each of its characters: that takes linear time.
_URL = re.compile(r"(?<!\S)(https?://\S+)\Z")


def _grpc(decision: Decision, explanation: Explanation) -> http.Response:
    """Return a trailers-only gRPC answer: PERMISSION_DENIED, which no client tries again."""
    # The message is percent-encoded UTF-8 by gRPC's protocol.
    message = quote(f"orgfence: {decision.reason}: {explanation.detail}", safe=" !#$&'()*+,/:;=?@[]`{}|~<>")
    return http.Response.make(
        200, b"", {"Content-Type": "application/grpc", "grpc-status": "7", "grpc-message": message}
    )


def _add_challenge(response: http.Response, decision: Decision) -> None:
    """Add the challenge of RFC 6750 section 3 where one belongs."""
    if decision.reason in _CHALLENGES:
        challenge = f'Bearer error="{_CHALLENGES[decision.reason]}"'
        if decision.reason is Reason.SCOPE_MISSING and decision.rule is not None:
            scopes = " ".join(sorted(scope.decode() for scope in decision.rule.scopes))
            challenge += f', scope="{scopes}"'
        response.headers["WWW-Authenticate"] = challenge


_CHALLENGES = {
    Reason.SCOPE_MISSING: "insufficient_scope",
    Reason.TOKEN_EXPIRED: "invalid_token",
    Reason.TOKEN_NOT_YET_VALID: "invalid_token",
}


def _add_cors(response: http.Response, fields: dict[bytes, bytes]) -> None:
    """Add what a browser app needs to read the answer; without it the app sees only "CORS error"."""
    origin = fields.get(b"origin", b"")
    if not _ORIGIN.fullmatch(origin):
        return
    response.headers.fields = (
        *response.headers.fields,
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Access-Control-Expose-Headers", b"Proxy-Status, WWW-Authenticate"),
        (b"Vary", b"Origin"),
    )


# https://www.rfc-editor.org/rfc/rfc6454#section-7.1, loosely: what is echoed holds no space and no control character.
_ORIGIN = re.compile(rb"[!-~]+")
