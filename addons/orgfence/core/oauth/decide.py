"""What is said of an OAuth request that is sent to an issuer.

An exchange is an allow unless something is wrong with it; whether a token is right for an API is for the rules of that
API to say.
"""

from orgfence.core.body import RequestBody
from orgfence.core.decision import Decision, NeedBody
from orgfence.core.escapes import text_of
from orgfence.core.known import Known
from orgfence.core.oauth.exchange import AuthorizeRequest, Endpoint, Exchange, Fault, Step, TokenRequest
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.judge_authorize import authorize_faults
from orgfence.core.oauth.judge_token_request import token_request_faults
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.oauth.requests import add_request_objects, authorize_request, token_request
from orgfence.core.oauth.words import form_faults, most_severe_first, too_long, two_clients
from orgfence.core.reason import Reason, Verdict, verdict_of
from orgfence.core.request import Fields, Request
from orgfence.core.routing.matching import Match
from orgfence.core.routing.readings import Reading
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.token import Token
from orgfence.core.values import query_values


def decide_exchange(
    request: Request,
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    known: Known,
    now: float,
    body: RequestBody | None,
) -> Decision | NeedBody:
    """Judge a request to an issuer's endpoint; `now` is in seconds since the epoch.

    `NeedBody` where its parameters are in the body and that is still awaited: None.
    """
    rule, reading = match.route.rule, match.reading
    assert rule.exchange is not None
    if reading is None:
        return _undecided(match, Reason.PATH_AMBIGUOUS, Verdict.MISMATCH)
    issuer, endpoint = rule.exchange
    # A POST may have its parameters in the body at the authorize endpoint too (OpenID Connect Core, section 3.1.2.1).
    in_body = request.method not in {b"GET", b"HEAD"}
    if in_body and body is None:
        return NeedBody(ruleset.handling.body_limit)
    parameters = Parameters(reading.query, body if in_body else None)
    template = match.route.path.text
    if parameters.is_query_too_long:
        return exchange_decision(rule, _unread(endpoint, issuer, too_long()), path_template=template)
    if not parameters.are_readable:
        unread = _unread(endpoint, issuer, Fault(Reason.BODY_UNREAD, _UNREAD_REQUEST, (RAISE_THE_LIMIT,)))
        return exchange_decision(rule, unread, path_template=template)

    if endpoint is Endpoint.TOKEN:
        exchange = _token_exchange(parameters, fields, issuer, ruleset, known, now)
        return exchange_decision(rule, exchange, path_template=template)
    is_pushed = endpoint is Endpoint.PAR
    is_sealed = add_request_objects(parameters)
    wanted = authorize_request(parameters, issuer, ruleset.orgs, is_pushed=is_pushed)
    is_opened = not in_body or bool(query_values(reading.query, b"client_id"))
    url = _url(request, fields, reading) if is_opened else None
    is_partial = is_sealed or bool(wanted.request_uri)
    faults = authorize_faults(wanted, parameters, issuer, ruleset.orgs, url, is_partial=is_partial)
    is_form = in_body and is_opened
    exchange = Exchange(step=Step.AUTHORIZE, issuer=issuer, request=wanted, faults=faults, begins_nothing=is_form)
    return exchange_decision(rule, exchange, path_template=template)


def _token_exchange(
    parameters: Parameters, fields: Fields, issuer: OAuthIssuer, ruleset: Ruleset, known: Known, now: float
) -> Exchange:
    """Judge a token request in each way to read it."""
    asked = token_request(parameters, fields, issuer, ruleset.orgs)
    faults = [two_clients()] if asked.is_contradictory else []
    faults += form_faults(asked.request.scopes, issuer.scopes, {})
    readings = []
    for request in asked.readings:
        grant = None if known.grants is None else known.grants.grant_of(issuer.name, request, now)
        readings.append((request, grant))
        faults += token_request_faults(request, grant, issuer, ruleset.orgs)
    return Exchange(
        step=Step.TOKEN_REQUEST,
        issuer=issuer,
        request=asked.request,
        faults=most_severe_first(faults),
        grant=readings[0][1] if asked.request.client is not None else None,
        readings=tuple(readings),
    )


_UNREAD_REQUEST = "The request is larger than `body_limit`, or neither a form nor JSON that can be read for certain."
RAISE_THE_LIMIT = "If these bodies are right, raise `body_limit` in the policy."


def _unread(endpoint: Endpoint, issuer: OAuthIssuer, fault: Fault) -> Exchange:
    """Return the exchange of a request that is not read; what is issued is judged as far as that goes without it."""
    if endpoint is Endpoint.TOKEN:
        nothing = TokenRequest(grant_type="", client=None, orgs=(), scopes=None)
        readings = ((nothing, None),)
        return Exchange(step=Step.TOKEN_REQUEST, issuer=issuer, request=nothing, faults=(fault,), readings=readings)
    unread = AuthorizeRequest(client=None, orgs=(), scopes=None, redirect_uri=None)
    return Exchange(step=Step.AUTHORIZE, issuer=issuer, request=unread, faults=(fault,), begins_nothing=True)


def exchange_decision(
    rule: Rule, exchange: Exchange, *, path_template: str = "", token: Token | None = None
) -> Decision:
    """Return what is said of an exchange; the first of its faults is the reason."""
    reason = exchange.faults[0].reason if exchange.faults else Reason.EXCHANGE_SOUND
    return Decision(
        rule,
        verdict_of(reason),
        reason,
        path_template=path_template,
        requested=tuple(org for org in exchange.request.orgs if org) if exchange.faults else (),
        token=token,
        exchange=exchange,
    )


def _undecided(match: Match, reason: Reason, verdict: Verdict) -> Decision:
    return Decision(match.route.rule, verdict, reason, path_template=match.route.path.text)


def _url(request: Request, fields: Fields, reading: Reading) -> str:
    """Return the URL that was opened, by the name that the client has for the host."""
    # In HTTP/2 `:authority` is that; it stands last among the names, and has the port if one was given.
    names = fields.get(b"host") or [request.authorities[-1].name]
    path = request.target.partition(b"?")[0]
    url = b"%s://%s%s?%s" % (request.scheme, names[0], path, reading.query)
    return text_of(url)
