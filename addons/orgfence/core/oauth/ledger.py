"""The grant ledger: which token came of which request, from the authorize request through every refresh.

A step that was not seen is unseen, and so is one that could be either of two: nothing is guessed. The ledger does
nothing by itself; it is told what was seen, in the order in which it was. `now` is in seconds since the epoch and may
jump where somebody sets the clock; how old an entry is, is measured by a clock that nobody sets.

Codes, tokens, states and request URIs are in here as keyed hashes only. A code or a refresh token is hashed together
with its issuer and its client, so that no lineage crosses either of them.
"""

from collections.abc import Callable, Hashable
from math import inf, isfinite
from typing import NamedTuple

from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Authorization, Grant, IssuedToken
from orgfence.core.oauth.keys import Keys
from orgfence.core.oauth.sightings import Sightings
from orgfence.core.oauth.table import BoundedTable
from orgfence.core.tokens.token import Token

# A sign-in takes three entries and each refresh two: room for the last 10,000 sign-ins. Measured when full: 14 MiB of
# sign-ins at a few clients, 33 MiB of the worst that a client can send.
MAX_ENTRIES = 32_768
# A refresh token that lies unused for a month is dead at most issuers (Keycloak's offline sessions: 30 days; Auth0: 30
# at most by default). Each use begins a new month.
MAX_AGE = 30 * 24 * 3600.0

# Issuers give up on a login page before that (Keycloak after 30 minutes), and on a request URI long before: 5 to 600
# seconds by https://www.rfc-editor.org/rfc/rfc9126#section-2.2.
_PENDING = 3600.0
# Who sends an expired token is to be told that it is expired, not that it was never seen.
_GRACE = 3600.0

_CODE = "authorization_code"
_REFRESH = "refresh_token"


class Begun(NamedTuple):
    """An authorize request that was pushed, or that waits for its answer. Nothing in it is secret."""

    client: str
    authorization: Authorization
    #: The key that it waits under.
    pending: bytes
    #: Whether it was pushed, which only its client can do.
    is_pushed: bool = False

    def texts(self) -> list[Hashable]:
        return [text for text in (self.client, self.authorization.orgs, self.authorization.scopes) if text]


class _Held(NamedTuple):
    """What a code, a refresh token or an access token belongs to."""

    #: Tells lineages apart whose grants look alike.
    lineage: int
    #: As it stood when this was issued or last used.
    grant: Grant
    #: The scopes of what was issued first, as far as that is known.
    granted: frozenset[str] | None = None
    #: Of an access token, by the ledger's own clock; None: not known.
    expires: float | None = None
    #: Whether a token of it was read, so that the grant's orgs are those of its tokens, and not what it began with.
    is_read: bool = False

    def texts(self) -> list[Hashable]:
        grant = self.grant
        begun = grant.authorization
        asked = () if begun is None else (begun.orgs, begun.scopes)
        return [
            text for text in (grant.client, grant.grant_type, grant.orgs, grant.scopes, self.granted, *asked) if text
        ]


class _Contested:
    """Stands for a code or token that more than one lineage was given: it cannot be told whose it is."""

    __slots__ = ()

    def texts(self) -> list[Hashable]:
        return []


class GrantLedger:
    """What is known of the grants that were seen; the oldest goes first."""

    __slots__ = ("_clock", "_keys", "_lineages", "_max_age", "_sightings", "_table")

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_age: float = MAX_AGE, clock: Callable[[], float] | None = None
    ) -> None:
        """Make an empty ledger that has room for so many entries, each good for so many seconds at most.

        `clock` is in seconds and never goes back; without one ages are measured by `now`.
        """
        self._clock = clock
        self._keys = Keys()
        self._table: BoundedTable[Begun | _Held | _Contested] = BoundedTable(max_entries)
        self._sightings = Sightings()
        self._max_age = max_age
        self._lineages = 0

    @property
    def entries(self) -> int:
        """How many there are, also those that are too old to be found."""
        return len(self._table)

    def pushed(self, issuer: str, request: AuthorizeRequest, request_uri: str, now: float) -> None:
        """Take note that an authorize request was pushed, and is to be opened by this URI."""
        begun = self._begun(issuer, request, now)
        begun = None if begun is None else begun._replace(is_pushed=True)
        self._begin(self._keys.pushed(issuer, request_uri), begun, self._age(now))

    def authorized(self, issuer: str, request: AuthorizeRequest, now: float) -> Begun | None:
        """Take note of an authorize request; one with a `request_uri` stands for what was pushed.

        What is returned can be handed in with the answer, where that is seen to be the answer to this very request.
        """
        for rival in request.rivals:
            # Whichever of them is answered, it is not the answer to another request of its state.
            self.authorized(issuer, rival, now)
        if request.rivals:
            return None
        age = self._age(now)
        plain = self._keys.pending(issuer, request.redirect_uri, request.state)
        if not request.request_uri:
            begun = self._begun(issuer, request, now)
            self._begin(plain, begun, age)
            return begun

        key = self._keys.pushed(issuer, request.request_uri)
        pushed = self._table.get(key, age)
        says_more = request.redirect_uri is not None or bool(request.state)
        if says_more and not (isinstance(pushed, Begun) and pushed.pending == plain):
            # An issuer that knows nothing of `request_uri` goes by these.
            self._begin(plain, None, age)
        if not isinstance(pushed, Begun):
            # Its state may be that of any request that the client is seen to send, or somebody in its name.
            for client in (request.client, None):
                self._sightings.first(self._keys.unseen(issuer, client), age)
            return None
        opened = pushed._replace(authorization=pushed.authorization._replace(at=now))
        is_one = request.client == pushed.client and request.orgs in {(), pushed.authorization.orgs}
        begun = opened if is_one else None
        self._begin(pushed.pending, begun, age)
        # It has to outlast what is pending: opened once more, it makes that ambiguous.
        self._put(key, opened, age, _PENDING)
        return begun

    def redirected(
        self, issuer: str, redirect: Redirect, token: Token | None, now: float, begun: Begun | None = None
    ) -> Begun | None:
        """Take note of the answer to an authorize request, and return the request, if that was seen.

        `token` is what was read of the access token in the answer. `begun` is the request that it is the HTTP response
        to. Otherwise, after login pages, it is known by its state.
        """
        age = self._age(now)
        begun = self._answered(issuer, redirect, age, begun)
        if begun is None:
            return None
        client, authorization = begun.client, begun.authorization
        if redirect.code:
            orgs = self._table.shared(_named(authorization.orgs))
            held = self._new_lineage(Grant(issuer, client, _CODE, authorization, orgs))
            self._keep(self._keys.grant(_CODE, issuer, client, redirect.code), held, age)
        if redirect.issued is not None:
            held = self._new_lineage(Grant(issuer, client, "implicit", authorization))
            self._keep_access(self._grown(held, None, redirect.issued, token), (), redirect.issued, token, now)
        return begun

    def grant_of(self, issuer: str, request: TokenRequest, now: float) -> Grant | None:
        """Return the grant that a token request's code or refresh token belongs to, if it is this client's."""
        held = self._held(self._used(issuer, request), self._age(now))
        return None if held is None else held.grant

    def issued(
        self, issuer: str, request: TokenRequest, response: TokenResponse, token: Token | None, now: float
    ) -> Grant | None:
        """Take note of what a token request was answered with, and return the grant, for the orgs that this token has.

        `token` is what was read of the access token. Of an unknown client nothing is kept.
        """
        if request.client is None:
            return None
        age = self._age(now)
        used = self._used(issuer, request)
        held = self._held(used, age)
        if held is None:
            client, grant_type = self._table.shared(request.client), self._table.shared(request.grant_type)
            held = self._new_lineage(Grant(issuer, client, grant_type))
        held = self._grown(held, request.scopes, response, token)
        if request.grant_type == _REFRESH:
            held = held._replace(grant=held.grant._replace(refreshes=held.grant.refreshes + 1))

        # It stays although it may be spent, so that a replay is known for what it is.
        if used is not None:
            self._keep(used, held, age)
        if response.refresh_token:
            self._keep(self._keys.grant(_REFRESH, issuer, request.client, response.refresh_token), held, age)
        return self._keep_access(held, request.orgs, response, token, now)

    def issued_token(self, raw: bytes, now: float) -> IssuedToken | None:
        """Return what is known of an access token, given as it stands in a request."""
        age = self._age(now)
        held = self._held(self._keys.access(raw), age)
        if held is None:
            return None
        return IssuedToken(held.grant, None if held.expires is None else now + (held.expires - age))

    def grant_of_token(self, raw: bytes, now: float) -> Grant | None:
        """Return the grant that an access token descends from."""
        held = self._held(self._keys.access(raw), self._age(now))
        return None if held is None else held.grant

    def _age(self, now: float) -> float:
        """Return the time by which ages are measured."""
        return now if self._clock is None else self._clock()

    def _begun(self, issuer: str, request: AuthorizeRequest, now: float) -> Begun | None:
        """Return what is remembered of an authorize request; None: without a client no grant can come of it."""
        if request.client is None:
            return None
        shared = self._table.shared
        authorization = Authorization(now, shared(request.orgs), shared(request.scopes))
        pending = self._keys.pending(issuer, request.redirect_uri, request.state)
        return Begun(shared(request.client), authorization, pending)

    def _begin(self, key: bytes, begun: Begun | None, age: float) -> None:
        """Put what has begun under its key, unless that was used before: then neither can be told from the other."""
        if self._sightings.first(key, age) and begun is not None:
            self._put(key, begun, age, _PENDING)
        else:
            self._table.drop(key)

    def _answered(self, issuer: str, redirect: Redirect, age: float, begun: Begun | None) -> Begun | None:
        """Return the one authorize request that this can be the answer to, which is used up by it."""
        exact = self._keys.pending(issuer, redirect.redirect_uri, redirect.state)
        # An authorize request may leave the redirect URI to what the client has registered.
        registered = self._keys.pending(issuer, None, redirect.state)
        # Some issuers have the browser open the same URL again after the login, so that its state is seen twice.
        if begun is not None and begun.pending in {exact, registered}:
            self._table.drop(begun.pending)
            return begun
        if self._sightings.seen(exact, age) and self._sightings.seen(registered, age):
            return None
        for key in (exact, registered):
            pending = self._table.get(key, age)
            if isinstance(pending, Begun):
                self._table.drop(key)
                # A code is of use to its client alone, and a token in the redirect may be any client's.
                unseen = self._keys.unseen(issuer, pending.client if redirect.issued is None else None)
                return pending if pending.is_pushed or not self._sightings.seen(unseen, age) else None
        return None

    def _used(self, issuer: str, request: TokenRequest) -> bytes | None:
        """Return the key of the code or the refresh token that a request comes with."""
        if request.client is None or not request.grant or request.grant_type not in {_CODE, _REFRESH}:
            return None
        return self._keys.grant(request.grant_type, issuer, request.client, request.grant)

    def _held(self, key: bytes | None, age: float) -> _Held | None:
        held = None if key is None else self._table.get(key, age)
        return held if isinstance(held, _Held) else None

    def _new_lineage(self, grant: Grant) -> _Held:
        self._lineages += 1
        return _Held(self._lineages, grant)

    def _grown(
        self,
        held: _Held,
        scopes: tuple[str, ...] | None,
        response: TokenResponse,
        token: Token | None,
    ) -> _Held:
        """Return a lineage as it stands after tokens were issued for these scopes."""
        begun = held.grant.authorization
        if token is None:
            orgs = held.grant.orgs or _named(() if begun is None else begun.orgs)
        else:
            # A token that is for one org of several takes the others from no later one.
            orgs = token.claim_for(None).orgs | (held.grant.orgs if held.is_read else frozenset())

        # Where neither side says, it is what was granted at first, also after a narrower refresh:
        # https://www.rfc-editor.org/rfc/rfc6749#section-6.
        said = next((said for said in (response.scopes, scopes) if said is not None), None)
        if said is None and held.granted is None and begun is not None:
            said = begun.scopes
        issued = held.granted if said is None else self._table.shared(frozenset(said))
        grant = held.grant._replace(orgs=self._table.shared(orgs), scopes=issued)
        return held._replace(
            grant=grant,
            granted=issued if held.granted is None else held.granted,
            is_read=held.is_read or token is not None,
        )

    def _keep_access(
        self, held: _Held, orgs: tuple[bytes, ...], response: TokenResponse, token: Token | None, now: float
    ) -> Grant:
        """Keep an access token of a lineage, asked for with these orgs, until some time after it expires."""
        named, granted = _named(orgs), held.grant.orgs
        if token is not None:
            good_for = token.claim_for(None).orgs
        elif len(orgs) > 1:
            # For whichever of them the issuer has read.
            good_for = frozenset()
        elif granted or held.grant.authorization is not None:
            # Nobody has seen that the issuer gives more than the grant has, whatever it was asked for.
            good_for = named & granted or granted
        else:
            good_for = named
        held = held._replace(grant=held.grant._replace(orgs=self._table.shared(good_for)))
        lasts = response.expires_in if token is None or token.expires is None else token.expires - now
        if lasts is None or not isfinite(lasts):
            lasts = inf
        age = self._age(now)
        expires = age + lasts if isfinite(lasts) else None
        # JSON can hold half of a surrogate pair.
        raw = response.access_token.encode("utf-8", "surrogatepass")
        self._keep(self._keys.access(raw), held._replace(expires=expires), age, lasts + _GRACE)
        return held.grant

    def _keep(self, key: bytes, held: _Held, age: float, good_for: float = inf) -> None:
        """Keep what a code or token belongs to, unless another lineage has it as well."""
        other = self._table.get(key, age)
        known = isinstance(other, _Held) and (other.lineage == held.lineage or other.grant == held.grant)
        self._put(key, held if other is None or known else _Contested(), age, good_for)

    def _put(self, key: bytes, entry: Begun | _Held | _Contested, age: float, good_for: float) -> None:
        self._table.put(key, entry, age, age + min(good_for, self._max_age))


def _named(orgs: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the org that a request names. Of several nobody knows which one the issuer has read; so of none."""
    return frozenset(filter(None, orgs)) if len(orgs) == 1 else frozenset()
