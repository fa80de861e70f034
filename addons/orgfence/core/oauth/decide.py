"""What is said of an OAuth exchange: of the request that is sent to an issuer, and of what the issuer answers.

An exchange is an allow unless something is wrong with it; whether a token is right for an API is for the rules of that
API to say.
"""

from dataclasses import replace

from orgfence.core.body import RequestBody
from orgfence.core.decision import Decision, NeedBody, Reason, Verdict
from orgfence.core.known import Known
from orgfence.core.matching import Match
from orgfence.core.oauth.answers import TokenError, token_answer
from orgfence.core.oauth.exchange import Endpoint, Exchange, Fault, Step, TokenRequest, TokenResponse
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.judge_authorize import authorize_faults
from orgfence.core.oauth.judge_token_request import token_request_faults
from orgfence.core.oauth.judge_token_response import Times, token_response_faults
from orgfence.core.oauth.parameters import Parameters, authorize_request, token_request
from orgfence.core.policy.readings import Reading
from orgfence.core.request import Fields, Request
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import Token
from orgfence.core.tokens.token import TokenError as UnreadableToken
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
    if not parameters.are_readable:
        unread = _undecided(match, Reason.BODY_UNREAD, Verdict.UNDETERMINED)
        # What is issued can be judged all the same, as far as that goes without knowing what it is for.
        return unread if endpoint is not Endpoint.TOKEN else unread._replace(exchange=_unread_request(issuer))

    if endpoint is Endpoint.TOKEN:
        asked = token_request(parameters, fields, issuer, ruleset.orgs)
        grant = None if known.grants is None else known.grants.grant_of(issuer.name, asked, now)
        faults = token_request_faults(asked, grant, issuer, ruleset.orgs)
        exchange = Exchange(step=Step.TOKEN_REQUEST, issuer=issuer, request=asked, faults=faults, grant=grant)
    else:
        wanted = authorize_request(parameters, issuer, ruleset.orgs)
        is_opened = not in_body or bool(query_values(reading.query, b"client_id"))
        url = _url(request, fields, reading) if is_opened else None
        faults = authorize_faults(wanted, parameters, issuer, url)
        is_form = in_body and is_opened
        exchange = Exchange(step=Step.AUTHORIZE, issuer=issuer, request=wanted, faults=faults, is_form=is_form)
    return _decision(rule, exchange, path_template=match.route.path.text)


def decide_answer(
    asked: Exchange, status: int, content_type: str, body: bytes | None, ruleset: Ruleset, known: Known, now: float
) -> tuple[Decision, TokenResponse | None] | None:
    """Judge what a token endpoint has answered to a request, and return the tokens that it issued as well.

    `body` is without its content codings, None where it could not be read. None: it issued nothing, so that there is
    nothing to judge.
    """
    rule = ruleset.answer_rules.get(asked.issuer.name)
    if rule is None or not 200 <= status < 300:
        return None
    try:
        return _decide_answer(rule, asked, content_type, body, ruleset, known, now)
    except Exception as error:  # noqa: BLE001 - a bug is a decision, here as where requests are judged
        exchange = replace(asked, step=Step.TOKEN_RESPONSE, faults=())
        failed = Decision(rule, Verdict.UNDETERMINED, Reason.INTERNAL_ERROR, error=error, exchange=exchange)
        return failed, None


def _decide_answer(
    rule: Rule, asked: Exchange, content_type: str, body: bytes | None, ruleset: Ruleset, known: Known, now: float
) -> tuple[Decision, TokenResponse | None] | None:
    assert isinstance(asked.request, TokenRequest)
    if body is None:
        unread = Fault(Reason.BODY_UNREAD, _UNREAD_ANSWER, (_RAISE_THE_LIMIT,))
        exchange = replace(asked, step=Step.TOKEN_RESPONSE, faults=(unread,))
        return Decision(rule, Verdict.UNDETERMINED, Reason.BODY_UNREAD, exchange=exchange), None
    issued = token_answer(body, content_type)
    if issued is None or isinstance(issued, TokenError):
        return None
    token, times = read_token(issued.access_token, asked.issuer.name, ruleset, known)
    faults = token_response_faults(asked.request, issued, token, asked.grant, asked.issuer, ruleset.orgs, times, now)
    exchange = replace(asked, step=Step.TOKEN_RESPONSE, faults=faults)
    return _decision(rule, exchange, token=token), issued


_UNREAD_ANSWER = "The issuer's answer is larger than `body_limit`, or coded in a way that is not undone here."
_UNREAD_REQUEST = "The request is larger than `body_limit`, or neither a form nor JSON that can be read for certain."
_RAISE_THE_LIMIT = "If these bodies are right, raise `body_limit` in the policy."


def _unread_request(issuer: OAuthIssuer) -> Exchange:
    return Exchange(
        step=Step.TOKEN_REQUEST,
        issuer=issuer,
        request=TokenRequest(grant_type="", client=None, orgs=(), scopes=None),
        faults=(Fault(Reason.BODY_UNREAD, _UNREAD_REQUEST, (_RAISE_THE_LIMIT,)),),
    )


def _decision(rule: Rule, exchange: Exchange, *, path_template: str = "", token: Token | None = None) -> Decision:
    if not exchange.faults:
        return Decision(
            rule, Verdict.ALLOW, Reason.EXCHANGE_SOUND, path_template=path_template, token=token, exchange=exchange
        )
    return Decision(
        rule,
        Verdict.MISMATCH,
        exchange.faults[0].reason,
        path_template=path_template,
        requested=tuple(org for org in exchange.request.orgs if org),
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
    return url.decode("utf-8", "backslashreplace")


def read_token(raw: str, issuer: str, ruleset: Ruleset, known: Known) -> tuple[Token | None, Times]:
    """Return what an access token says of its orgs and of its time, as far as it can be read here."""
    try:
        credential = raw.encode()
        token = ruleset.tokens.read(credential, issuer, known.tokens)
        decoded = read_json_web_token(credential)
    except (UnicodeEncodeError, UnreadableToken):
        return None, Times()
    if not isinstance(token, Token) or decoded is None:
        return None, Times()
    claims = decoded[1]
    return token, Times(*(float(claims[name]) if name in claims else None for name in ("exp", "iat")))
