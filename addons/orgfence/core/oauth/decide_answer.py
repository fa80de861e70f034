"""What is said of what an issuer answers to a token request, or issues with a redirect."""

from dataclasses import replace
from typing import NamedTuple

from orgfence.core.body import RequestBody
from orgfence.core.decision import Decision
from orgfence.core.known import Known
from orgfence.core.oauth.answers import ErrorResponse, Issued, token_answer
from orgfence.core.oauth.decide import RAISE_THE_LIMIT, exchange_decision
from orgfence.core.oauth.exchange import AuthorizeRequest, Exchange, Fault, Step, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Authorization
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.judge_token_response import Times, org_faults, token_response_faults
from orgfence.core.oauth.words import most_severe_first
from orgfence.core.reason import Enforcement, Reason, Verdict
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import Token, TokenError


class Answered(NamedTuple):
    """What is said of an answer."""

    decision: Decision
    #: What it has issued. None: nothing, or it cannot be told which of two.
    issued: TokenResponse | None


def decide_answer(
    asked: Exchange, status: int, body: RequestBody, ruleset: Ruleset, known: Known, now: float
) -> Answered | None:
    """Judge what a token endpoint has answered to a request. None: it has refused, so that there is nothing to judge.

    `now` is in seconds since the epoch.
    """
    rule = ruleset.answer_rules.get(asked.issuer.name)
    if rule is None or not 200 <= status < 300:
        return None
    try:
        answer = token_answer(body)
        if isinstance(answer, ErrorResponse):
            return None
        return _judged(rule, asked, answer, ruleset, known, now)
    except Exception as error:  # noqa: BLE001 - a bug is a decision, here as where requests are judged
        return _failed(rule, asked, error)


def implicit(issuer: OAuthIssuer, begun: Authorization | AuthorizeRequest, client: str | None) -> Exchange:
    """Return the exchange that an authorize request is, where a token comes with its answer (the implicit grant)."""
    asked = TokenRequest("implicit", client, begun.orgs, begun.scopes)
    return Exchange(step=Step.TOKEN_RESPONSE, issuer=issuer, request=asked, readings=((asked, None),))


def decide_redirect(
    asked: Exchange, issued: tuple[TokenResponse, ...], ruleset: Ruleset, known: Known, now: float
) -> Decision | None:
    """Judge the tokens that came with a redirect. None: nobody judges this issuer any more.

    What is in a redirect is never blocked: a browser follows it.
    """
    rule = ruleset.answer_rules.get(asked.issuer.name)
    if rule is None:
        return None
    most = Enforcement.ANNOTATE
    rule = replace(rule, enforcement=min(rule.enforcement, most), undetermined=min(rule.undetermined, most))
    try:
        return _judged(rule, asked, Issued(issued), ruleset, known, now).decision
    except Exception as error:  # noqa: BLE001 - as above
        return _failed(rule, asked, error).decision


def _failed(rule: Rule, asked: Exchange, error: Exception) -> Answered:
    exchange = replace(asked, step=Step.TOKEN_RESPONSE, faults=())
    return Answered(Decision(rule, Verdict.UNDETERMINED, Reason.INTERNAL_ERROR, error=error, exchange=exchange), None)


def _judged(rule: Rule, asked: Exchange, answer: Issued | None, ruleset: Ruleset, known: Known, now: float) -> Answered:
    if answer is None:
        unread = Fault(Reason.BODY_UNREAD, _UNREAD_ANSWER, (_SEND_JSON, RAISE_THE_LIMIT))
        return Answered(exchange_decision(rule, replace(asked, step=Step.TOKEN_RESPONSE, faults=(unread,))), None)
    assert isinstance(asked.request, TokenRequest)
    issuer, orgs = asked.issuer, ruleset.orgs
    faults: list[Fault] = []
    blamed: Token | None = None
    for response in answer.responses:
        token, times = read_token(response.access_token, issuer.name, ruleset, known)
        found = [
            fault
            for request, grant in asked.readings
            for fault in token_response_faults(request, response, token, grant, issuer, orgs, times, now)
        ]
        if blamed is None or (found and not faults):
            blamed = token
        faults += found
    for raw in answer.others:
        # What else the answer says is said of the first token.
        token, _ = read_token(raw, issuer.name, ruleset, known)
        faults += [
            fault for request, grant in asked.readings for fault in org_faults(request, token, grant, issuer, orgs)
        ]

    exchange = replace(asked, step=Step.TOKEN_RESPONSE, faults=most_severe_first(faults))
    issued = answer.responses[0] if len(answer.responses) == 1 else None
    return Answered(exchange_decision(rule, exchange, token=blamed), issued)


_UNREAD_ANSWER = (
    "The issuer's answer is larger than `body_limit`, coded in a way that is not undone here, or neither tokens nor an "
    "error in a form that every client reads alike."
)
_SEND_JSON = "Have the issuer answer as RFC 6749 section 5 says: JSON, in UTF-8, each member once."


def read_token(raw: str, issuer: str, ruleset: Ruleset, known: Known) -> tuple[Token | None, Times]:
    """Return what an access token says of its orgs and of its time, as far as it can be read here."""
    try:
        credential = raw.encode()
        token = ruleset.tokens.read(credential, issuer, known.tokens)
        decoded = read_json_web_token(credential)
    except (UnicodeEncodeError, TokenError):
        return None, Times()
    if not isinstance(token, Token) or decoded is None:
        return None, Times()
    claims = decoded[1]
    return token, Times(*(float(claims[name]) if name in claims else None for name in ("exp", "iat")))
