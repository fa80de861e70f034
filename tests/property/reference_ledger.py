"""The grant ledger as anyone would write it who has all the memory in the world and no secrets to keep.

`now` never goes back; `wall` is what the machine's clock says, which somebody may set.
"""

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
    wall: float
    is_pushed: bool = False
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
    #: Clients that have opened what was pushed unseen: nobody knows which state that has.
    unseen: set[tuple[str, str | None]] = field(default_factory=set)

    def pushed(self, issuer: str, request: AuthorizeRequest, request_uri: str, now: float) -> None:
        self.pushed_requests[issuer, request_uri] = request, now

    def authorized(self, issuer: str, request: AuthorizeRequest, now: float, wall: float) -> Begun | None:
        if request.rivals:
            # It may be any of them, and so it is none.
            for rival in request.rivals:
                self.authorized(issuer, rival, now, wall)
            return None
        stands_for = request
        if request.request_uri:
            stands_for, last = self.pushed_requests.get((issuer, request.request_uri), (request, -HOUR))
            is_known = now - last < HOUR
            places = [(each.redirect_uri, each.state) for each in (request, stands_for)]
            if places[0] != (None, "") and not (is_known and places[0] == places[1]):
                # An issuer that does not know `request_uri` goes by what stands beside it.
                self.opened += [Begun(issuer, request._replace(request_uri=""), now, wall)] * 2
            if not is_known:
                self.unseen |= {(issuer, request.client), (issuer, None)}
                return None
            self.pushed_requests[issuer, request.request_uri] = stands_for, now
        begun = Begun(issuer, stands_for, now, wall, is_pushed=bool(request.request_uri))
        self.opened.append(begun)
        if (
            stands_for.client is not None
            and stands_for.client == request.client
            and request.orgs in {(), stands_for.orgs}
        ):
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
            # A code is of use to its client alone, a token to anybody.
            whose = begun.request.client if redirect.issued is None else None
            if not begun.is_pushed and (issuer, whose) in self.unseen:
                begun.answered = True
                return
        begun.answered = True
        request, client = begun.request, begun.request.client
        assert client is not None
        authorization = Authorization(begun.wall, request.orgs, request.scopes)
        if redirect.code is not None:
            grant = Grant(issuer, client, "authorization_code", authorization, the_one(request.orgs))
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

    def issued_token(self, token: str, now: float, wall: float) -> IssuedToken | None:
        known = self.access.get(token)
        if known is None or (known.expires is not None and now >= known.expires + HOUR):
            return None
        return IssuedToken(known.grant, None if known.expires is None else wall + (known.expires - now))

    def _issue(self, known: Known, request: TokenRequest, response: TokenResponse, now: float) -> Known:
        grant = known.grant
        begun = grant.authorization
        granted = grant.orgs or the_one(() if begun is None else begun.orgs)
        choices = [response.scopes, request.scopes, known.granted, None if begun is None else begun.scopes]
        said = [frozenset(scopes) for scopes in choices if scopes is not None]
        scopes = said[0] if said else None
        refreshes = grant.refreshes + (request.grant_type == "refresh_token")
        grant = grant._replace(orgs=granted, scopes=scopes, refreshes=refreshes)
        expires = None if response.expires_in is None else now + response.expires_in
        known = Known(grant, scopes if known.granted is None else known.granted, expires)
        unseen = the_one(request.orgs) if begun is None else frozenset[bytes]()
        # Of several that are named, nobody knows which one the issuer has read.
        orgs = frozenset[bytes]() if len(request.orgs) > 1 else granted.intersection(request.orgs) or granted or unseen
        self.access[response.access_token] = Known(grant._replace(orgs=orgs), None, expires)
        return known


def the_one(orgs: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the only org that is named, if it is the only one."""
    return frozenset(orgs) if len(orgs) == 1 and orgs[0] else frozenset()
