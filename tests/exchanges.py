"""OAuth exchanges with one issuer, held against a policy of one."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from tests.guarding import NOW, load, request_of
from tests.tokens import jwt_of

from orgfence.core.body import RequestBody
from orgfence.core.decision import Decision, Inspection, NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.oauth.answers import redirect_of
from orgfence.core.oauth.decide_answer import decide_answer
from orgfence.core.oauth.exchange import AuthorizeRequest, Exchange, TokenRequest
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.request import AWAITED, Request
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache

ACME, GLOBEX = "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02"
ISS = "https://login.test"
REDIRECT_URI = "https://app.test/cb"
#: The usual issuer of the tests.
OAUTH = "org_parameter: org_id"
ORGS = f"orgs: {{acme: {{id: {ACME}}}, globex: {{id: {GLOBEX}}}}}"
MIB = 1024 * 1024
_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


def ruleset_of(oauth: str = OAUTH, top: str = ORGS, rules: str = "", name: str = "corp", more: str = "") -> Ruleset:
    """Return the ruleset of a policy that has one issuer, of this name."""
    issuer = f"iss: {ISS}, claims: {{member: org_ids, scopes: scope}}, oauth: {{hosts: [login.test], {oauth}}}{more}"
    return load(f"version: 1\nenforcement: block\n{top}\nissuers: {{{name}: {{{issuer}}}}}\nrules: [{rules}]")


class SignIns:
    """One issuer's exchanges one after the other, with what is known of those before."""

    def __init__(
        self, oauth: str = OAUTH, *, top: str = ORGS, rules: str = "", more: str = "", remembers: bool = True
    ) -> None:
        """Judge by a policy with this `oauth`, and more that is said of the issuer."""
        self.ruleset = ruleset_of(oauth, top, rules, more=more)
        self.known = Known(TokenCache(), GrantLedger() if remembers else None)

    def authorize(self, query: str) -> Decision:
        """Open an authorize URL, which is let through whatever is said of it."""
        decision = self.judge(request_of(f"/oauth/authorize?{query}".encode(), hosts=(b"login.test",)))
        if self.known.grants is not None and decision.exchange is not None:
            assert isinstance(decision.exchange.request, AuthorizeRequest)
            self.known.grants.authorized("corp", decision.exchange.request, NOW)
        return decision

    def ask(self, path: bytes = b"/oauth/token", /, **form: str) -> Decision:
        """Send a form: a token request of the one client, if it does not say whose."""
        body = urlencode({"client_id": "app", **form}).encode()
        return self.judge(request_of(path, _FORM, method=b"POST", hosts=(b"login.test",), body=body))

    def answer(
        self, asked: Decision, content: Mapping[str, object] | bytes, status: int = 200, *fields: tuple[bytes, bytes]
    ) -> Decision | None:
        """Answer a token request, and return what is said of it; by default the answer is JSON."""
        exchange = exchange_of(asked)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        answered = decide_answer(exchange, status, answer_body(body, *fields), self.ruleset, self.known, NOW)
        if answered is None:
            return None
        decision, issued = answered
        if issued is not None and self.known.grants is not None:
            assert isinstance(exchange.request, TokenRequest)
            self.known.grants.issued("corp", exchange.request, issued, decision.token, NOW)
        return decision

    def sign_in(self, query: str, **claims: object) -> Decision | None:
        """Go from an authorize request to the first tokens, whose refresh token is `rt`."""
        self.authorize(f"client_id=app&redirect_uri={REDIRECT_URI}&state={query}&{query}")
        redirect = redirect_of(f"{REDIRECT_URI}?{urlencode({'code': query, 'state': query.partition('&')[0]})}")
        assert redirect is not None
        assert self.known.grants is not None
        self.known.grants.redirected("corp", redirect, None, NOW)
        asked = self.ask(grant_type="authorization_code", code=query)
        return self.answer(asked, {"access_token": token(**claims), "refresh_token": "rt"})

    def call(self, raw: str, target: bytes) -> Decision:
        """Call the API."""
        return self.judge(request_of(target, (b"Authorization", b"Bearer " + raw.encode())))

    def unread(self, asked: Decision) -> tuple[Decision, object] | None:
        """Answer a token request by what cannot be read."""
        return decide_answer(exchange_of(asked), 200, answer_body(None), self.ruleset, self.known, NOW)

    def judge(self, request: Request) -> Decision:
        """Return what decides on a request."""
        inspection = inspect(request, self.ruleset, self.known, NOW)
        assert isinstance(inspection, Inspection)
        assert inspection.deciding is not None
        return inspection.deciding


def token(**claims: object) -> str:
    """Return an access token of the issuer."""
    return jwt_of({"iss": ISS, **claims}).decode()


def told(decision: Decision | None) -> list[str]:
    """Return the reasons of all that is wrong with an exchange."""
    assert decision is not None
    return [fault.reason.value for fault in decision.faults]


def details(decision: Decision | None) -> str:
    """Return what was found, in one text."""
    assert decision is not None
    return " ".join(fault.detail for fault in decision.faults)


def advice(decision: Decision | None) -> list[str]:
    """Return all advice."""
    assert decision is not None
    return [step for fault in decision.faults for step in fault.advice]


def needs_body(ruleset: Ruleset, path: bytes, method: bytes) -> bool:
    """Return whether a request to the issuer waits for its body."""
    request = request_of(path, _FORM, method=method, hosts=(b"login.test",), body=AWAITED)
    return isinstance(inspect(request, ruleset, Known(TokenCache()), NOW), NeedBody)


def answer_body(body: bytes | None, *fields: tuple[bytes, bytes]) -> RequestBody:
    """Return the body of an issuer's answer; by default it is JSON."""
    return RequestBody(body, {name: [value] for name, value in fields or [(b"content-type", b"application/json")]}, MIB)


def exchange_of(decision: Decision) -> Exchange:
    """Return the exchange that a decision is about."""
    assert decision.exchange is not None
    return decision.exchange
