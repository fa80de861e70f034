"""OAuth exchanges on their way: what a request was for is kept until its answer comes, and that is judged as well.

A token endpoint's answer is held until it is whole, within the limit for bodies, so that what is wrong with it can
stand in its head, or in its place. Where an authorize request leads to is read from the redirect that answers it.
"""

import time
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.body import NEEDED_HEADERS, RequestBody
from orgfence.core.decision import Decision, Inspection
from orgfence.core.known import Known
from orgfence.core.oauth.answers import ErrorResponse, pushed_answer, redirect_of, repeats, token_answer
from orgfence.core.oauth.decide_answer import decide_answer, decide_redirect, implicit, read_token
from orgfence.core.oauth.exchange import AuthorizeRequest, Endpoint, Exchange, TokenRequest, TokenResponse
from orgfence.core.oauth.ledger import Begun, GrantLedger
from orgfence.core.oauth.refusal import explain_refusal
from orgfence.core.reason import Action, Verdict
from orgfence.core.request import Authority, canonical_name
from orgfence.core.ruleset import Ruleset
from orgfence.enforcement.annotation import header_value
from orgfence.enforcement.denial import deny_token
from orgfence.enforcement.report import Report
from orgfence.proxy.applying import annotate, call_of, response_of, strip
from orgfence.proxy.case import Case
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.request_of import request_of


class Exchanges:
    """Sees requests to issuers' endpoints go and their answers come."""

    def __init__(self, known: Known, reporter: Reporter, clock: Callable[[], float]) -> None:
        """Learn into `known`, by a clock in seconds since the epoch."""
        self._known = known
        self._reporter = reporter
        self._clock = clock

    def forwarded(self, case: Case, inspection: Inspection) -> None:
        """Note which exchange a request begins that goes upstream."""
        if not case.ruleset.exchange_rules:
            return
        decision = next((each for each in inspection.decisions if each.exchange is not None), None)
        if decision is None or decision.exchange is None or decision.rule is None or decision.rule.exchange is None:
            return
        exchange = case.exchange = decision.exchange
        case.endpoint = decision.rule.exchange.endpoint
        if case.endpoint is Endpoint.AUTHORIZE and not exchange.begins_nothing and self._known.grants is not None:
            assert isinstance(exchange.request, AuthorizeRequest)
            case.begun = self._known.grants.authorized(exchange.issuer.name, exchange.request, self._clock())

    def answer_begun(self, flow: http.HTTPFlow, response: http.Response, case: Case) -> None:
        """Have an answer held that is to be read, and read the redirect in a head."""
        if not case.ruleset.exchange_rules:
            return
        if 300 <= response.status_code < 400:
            self._follow(flow, response, case)
        elif case.exchange is not None and case.endpoint is not Endpoint.AUTHORIZE:
            # What is known to be too long is not waited for.
            limit = case.ruleset.handling.body_limit
            length = response.headers.get("content-length", "")
            if length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > limit):
                self._judge(flow, response, case, _body_of(response, None, limit))
            else:
                case.answer_limit = limit
                response.stream = False

    def answer_came(self, flow: http.HTTPFlow, case: Case) -> None:
        """Read an answer that was held, now that it is whole."""
        response = flow.response
        if response is None or case.exchange is None or case.answer_limit is None:
            return
        body = _body_of(response, response.raw_content, case.answer_limit)
        case.answer_limit = None
        if case.endpoint is Endpoint.PAR:
            self._note_pushed(flow, case, case.exchange, response, body)
        else:
            self._judge(flow, response, case, body)

    def answer_is_too_long(self, flow: http.HTTPFlow, case: Case) -> None:
        """Judge an answer of which more has come than is held, before what came goes on."""
        limit, case.answer_limit = case.answer_limit or 0, None
        if flow.response is not None and case.endpoint is Endpoint.TOKEN:
            self._judge(flow, flow.response, case, _body_of(flow.response, None, limit))

    def _judge(self, flow: http.HTTPFlow, response: http.Response, case: Case, body: RequestBody) -> None:
        exchange, now = case.exchange, self._clock()
        if exchange is None or not isinstance(exchange.request, TokenRequest):
            return
        started = time.perf_counter()
        answered = decide_answer(exchange, response.status_code, body, case.ruleset, self._known, now)
        if answered is None:
            self._explain_refusal(flow, response, case, exchange, body)
            return
        decision, issued = answered
        inspection = self._tell(flow, response, case, decision, started)
        grants = self._grants_of(exchange.issuer.name, flow, case.ruleset)
        if inspection.action is not Action.BLOCKED and issued is not None and grants is not None:
            grants.issued(exchange.issuer.name, exchange.request, issued, decision.token, now)

    def _tell(
        self, flow: http.HTTPFlow, response: http.Response, case: Case, decision: Decision, started: float
    ) -> Inspection:
        """Carry out what was decided on an answer, and report it."""
        inspection, report = Inspection.of((decision,)), None
        if decision.verdict is not Verdict.ALLOW:
            report = Report.of(call_of(flow), inspection, case.ruleset)
            self._enforce(flow, response, report)
        seconds = time.perf_counter() - started
        self._reporter.issued(flow, inspection, case.ruleset, report, seconds)
        return inspection

    def _enforce(self, flow: http.HTTPFlow, response: http.Response, report: Report) -> None:
        if report.action is Action.BLOCKED:
            error = response_of(deny_token(report))
            flow.response = error if response.raw_content is not None else _in_place_of_what_comes(error)
        elif report.action is Action.ANNOTATED:
            # What the request was annotated with says less.
            strip(response.headers)
            annotate(response.headers, header_value(report))

    def _explain_refusal(
        self,
        flow: http.HTTPFlow,
        response: http.Response,
        case: Case,
        exchange: Exchange,
        body: RequestBody,
    ) -> None:
        """Say why an issuer may have refused: what the request lacked, and where its grant comes from."""
        if not 400 <= response.status_code < 500 or case.inspection is None:
            return
        answer = token_answer(body)
        error = answer.error if isinstance(answer, ErrorResponse) else ""
        if error in _NOT_YET:
            return
        why = explain_refusal(exchange, error, case.ruleset.orgs)
        self._reporter.refused_by_issuer(flow, case.inspection, case.ruleset, response.status_code, why)

    def _note_pushed(
        self, flow: http.HTTPFlow, case: Case, exchange: Exchange, response: http.Response, body: RequestBody
    ) -> None:
        grants = self._grants_of(exchange.issuer.name, flow, case.ruleset)
        if grants is None or not 200 <= response.status_code < 300:
            return
        request_uri = pushed_answer(body)
        if request_uri is not None and isinstance(exchange.request, AuthorizeRequest):
            grants.pushed(exchange.issuer.name, exchange.request, request_uri, self._clock())

    def _follow(self, flow: http.HTTPFlow, response: http.Response, case: Case) -> None:
        """Read where an issuer sends the browser: from its endpoint at once, or from its sign-in pages later."""
        redirect = redirect_of(response.headers.get("location", ""))
        if redirect is None or repeats(redirect, flow.request.data.path):
            return
        issued = redirect.unclear if redirect.issued is None else (redirect.issued,)
        if case.endpoint is Endpoint.TOKEN and case.exchange is not None and issued:
            self._judge_redirect(flow, response, case, case.exchange, issued)
        asked = case.exchange.issuer.name if case.exchange is not None and case.endpoint is Endpoint.AUTHORIZE else None
        for issuer in case.ruleset.issuers_of(request_of(flow)):
            grants = self._grants_of(issuer, flow, case.ruleset)
            if grants is None:
                continue
            token = None
            if redirect.issued is not None:
                token, _ = read_token(redirect.issued.access_token, issuer, case.ruleset, self._known)
            begun = case.begun if issuer == asked else None
            if not redirect.unclear:
                begun = grants.redirected(issuer, redirect, token, self._clock(), begun)
            exchange = _implicit(issuer, case, begun, is_asked=issuer == asked)
            if issued and exchange is not None:
                self._judge_redirect(flow, response, case, exchange, issued)

    def _judge_redirect(
        self,
        flow: http.HTTPFlow,
        response: http.Response,
        case: Case,
        exchange: Exchange,
        issued: tuple[TokenResponse, ...],
    ) -> None:
        """Judge the tokens in a redirect."""
        started = time.perf_counter()
        decision = decide_redirect(exchange, issued, case.ruleset, self._known, self._clock())
        if decision is not None:
            self._tell(flow, response, case, decision, started)

    def _grants_of(self, issuer: str, flow: http.HTTPFlow, ruleset: Ruleset) -> GrantLedger | None:
        """Return what learns from an answer; None: nobody does, or it may be another server's than the issuer's.

        A client may give any server the issuer's name in `Host`, and have it say whose a token is. So it is to be the
        one that was dialled, or whose certificate was checked. In reverse mode the operator says where all goes.
        """
        if isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return self._known.grants
        data, server = flow.request.data, flow.server_conn
        names = [data.host, server.sni] if server.tls_established else [data.host]
        authorities = [Authority(name.encode("utf-8", "surrogateescape"), data.port) for name in names if name]
        found = [host for authority in authorities for host in ruleset.index.hosts(authority)]
        return self._known.grants if any(issuer in host.paths.issuers for host in found) else None


def _implicit(issuer: str, case: Case, begun: Begun | None, *, is_asked: bool) -> Exchange | None:
    """Return the exchange whose tokens come with a redirect; None: it cannot be told which one it is."""
    oauth = case.ruleset.issuers[issuer].oauth if issuer in case.ruleset.issuers else None
    if oauth is None:
        return None
    if begun is not None:
        return implicit(oauth, begun.authorization, begun.client)
    request = None if case.exchange is None or not is_asked else case.exchange.request
    return implicit(oauth, request, request.client) if isinstance(request, AuthorizeRequest) else None


def _in_place_of_what_comes(error: http.Response) -> http.Response:
    """Have an answer of ours sent in place of one whose body is still coming, and will not be held."""
    body = error.raw_content or b""
    # mitmproxy gives a streamed body piece by piece, and an empty piece at its end.
    error.stream = lambda piece: b"" if piece else body
    return error


# https://www.rfc-editor.org/rfc/rfc8628#section-3.5: a device asks every few seconds until its user has signed in.
_NOT_YET = frozenset({"authorization_pending", "slow_down"})
# More digits than any length has, and fewer than Python refuses to read.
_MAX_DIGITS = 18


def _body_of(response: http.Response, raw: bytes | None, limit: int) -> RequestBody:
    """Return an answer's body, read as a request's is; `raw` is None where it could not be had."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in response.headers.fields:
        canonical = canonical_name(name)
        if canonical in _NEEDED_HEADERS:
            fields.setdefault(canonical, []).append(value)
    return RequestBody(raw, fields, limit)


_NEEDED_HEADERS = NEEDED_HEADERS | {b"connection"}
