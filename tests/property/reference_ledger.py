"""The grant ledger as anyone would write it who has all the memory in the world and no secrets to keep."""

from dataclasses import dataclass, field

from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Authorization, Grant, IssuedToken

HOUR = 3600.0
KINDS = ("authorization_code", "refresh_token")


@dataclass
class Begun:
    """An authorize request as it was seen to be opened."""

    issuer: str
    request: AuthorizeRequest
    at: float
    answered: bool = False


@dataclass
class Known:
    """A grant as it stood when a code or token of it was last seen, and the scopes that it began with."""

    grant: Grant
    granted: frozenset[str] | None = None
    expires: float | None = None


@dataclass
class Reference:
    """Every authorize request and every code and token that was ever seen, as they are."""

    pushed_requests: dict[tuple[str, str], tuple[AuthorizeRequest, float]] = field(default_factory=dict)
    opened: list[Begun] = field(default_factory=list)
    known: dict[tuple[str, str, str, str], Known] = field(default_factory=dict)
    access: dict[str, Known] = field(default_factory=dict)

    def pushed(self, issuer: str, request: AuthorizeRequest, request_uri: str, now: float) -> None:
        self.pushed_requests[issuer, request_uri] = request, now

    def authorized(self, issuer: str, request: AuthorizeRequest, now: float) -> Begun | None:
        stands_for = request
        if request.request_uri:
            stands_for, last = self.pushed_requests.get((issuer, request.request_uri), (request, 0.0))
            if now - last >= HOUR:
                return None
            self.pushed_requests[issuer, request.request_uri] = stands_for, now
        begun = Begun(issuer, stands_for, now)
        self.opened.append(begun)
        if stands_for.client == request.client:
            return begun
        # It cannot end well, but its answer must not be taken for another's.
        self.opened.append(begun)
        return None

    def redirected(self, issuer: str, redirect: Redirect, now: float, answered: Begun | None) -> None:
        meant = [
            begun
            for begun in self.opened
            if begun.issuer == issuer
            and begun.request.state == redirect.state
            and begun.request.redirect_uri in {None, redirect.redirect_uri}
        ]
        begun = answered
        if begun is None:
            if len(meant) != 1 or meant[0].answered or now - meant[0].at >= HOUR:
                return
            begun = meant[0]
        begun.answered = True
        request, client = begun.request, begun.request.client
        assert client is not None
        authorization = Authorization(begun.at, request.orgs, request.scopes)
        if redirect.code is not None:
            grant = Grant(issuer, client, "authorization_code", authorization, frozenset(request.orgs))
            self.known[issuer, client, "authorization_code", redirect.code] = Known(grant)
        if redirect.issued is not None:
            known = Known(Grant(issuer, client, "implicit", authorization))
            asked = TokenRequest("implicit", client, (), None)
            self._issue(known, asked, redirect.issued, now)

    def grant_of(self, issuer: str, request: TokenRequest) -> Grant | None:
        if request.client is None:
            return None
        known = self.known.get((issuer, request.client, request.grant_type, request.grant or ""))
        return None if known is None else known.grant

    def issued(self, issuer: str, request: TokenRequest, response: TokenResponse, now: float) -> Grant | None:
        if request.client is None:
            return None
        place = (issuer, request.client, request.grant_type, request.grant or "")
        known = self.known.get(place) or Known(Grant(issuer, request.client, request.grant_type))
        known = self._issue(known, request, response, now)
        if request.grant_type in KINDS:
            self.known[place] = known
        if response.refresh_token is not None:
            self.known[issuer, request.client, "refresh_token", response.refresh_token] = known
        return self.access[response.access_token].grant

    def issued_token(self, token: str, now: float) -> IssuedToken | None:
        known = self.access.get(token)
        if known is None or (known.expires is not None and now >= known.expires + HOUR):
            return None
        return IssuedToken(known.grant, known.expires)

    def _issue(self, known: Known, request: TokenRequest, response: TokenResponse, now: float) -> Known:
        grant = known.grant
        begun = grant.authorization
        granted = grant.orgs or frozenset(() if begun is None else begun.orgs)
        choices = [response.scopes, request.scopes, known.granted, None if begun is None else begun.scopes]
        said = [frozenset(scopes) for scopes in choices if scopes is not None]
        scopes = said[0] if said else None
        refreshes = grant.refreshes + (request.grant_type == "refresh_token")
        grant = grant._replace(orgs=granted, scopes=scopes, refreshes=refreshes)
        expires = None if response.expires_in is None else now + response.expires_in
        known = Known(grant, scopes if known.granted is None else known.granted, expires)
        unseen = frozenset(request.orgs) if begun is None else frozenset[bytes]()
        orgs = granted.intersection(request.orgs) or granted or unseen
        self.access[response.access_token] = Known(grant._replace(orgs=orgs), None, expires)
        return known
