"""Sign-ins of many users, step by step in any order, at issuers that answer whatever they are asked.

What really belongs together is known here, and not from anything that the ledger is told.
"""

import random
from dataclasses import dataclass, field

from tests.property import reference_ledger
from tests.property.reference_ledger import HOUR, Reference

from orgfence.core.oauth import ledger
from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Grant
from orgfence.core.oauth.ledger import GrantLedger

ISSUERS = ("corp", "keycloak")
CLIENTS = ("app", "spa")
ORGS = ((), (b"acme",), (b"globex", b"acme"), (b"globex", b""))
SCOPES = (None, ("read",), ("read", "write"))
CALLBACKS = ("https://SECRET.example/1", "https://SECRET.example/2")
START = 1_000_000.0
STEPS = (
    *("begin", "begin", "open", "answer", "answer", "answer", "exchange", "exchange", "refresh", "machine"),
    *("forge", "forge", "set_clock", "wait"),
)


@dataclass
class SignIn:
    """One user's way through one client's sign-in."""

    issuer: str
    request: AuthorizeRequest
    #: What the browser opens; the request itself unless it was pushed.
    opens: AuthorizeRequest
    lands: str
    implicit: bool
    #: No other sign-in can be taken for it.
    unique: bool
    #: When its authorize request was seen.
    seen: list[float] = field(default_factory=list)
    #: What each of the three that watch has of the last time.
    tight: ledger.Begun | None = None
    roomy: ledger.Begun | None = None
    reference: reference_ledger.Begun | None = None


@dataclass
class Bought:
    """A code or a token, and the sign-in that it really comes from; None: from none."""

    text: str
    issuer: str
    client: str
    sign_in: SignIn | None


class World:
    """Issuers, clients, users, and ledgers that watch: one with room for all, and one with hardly any."""

    def __init__(self, seed: int, room: int) -> None:
        self.choices = random.Random(seed)
        #: Never goes back.
        self.now = START
        #: What the machine's clock is ahead of that.
        self.ahead = 0.0
        self.made = 0
        self.roomy = GrantLedger(clock=lambda: self.now)
        self.room = room
        self.tight = GrantLedger(max_entries=room, max_age=HOUR, clock=lambda: self.now)
        self.reference = Reference()
        self.sign_ins: list[SignIn] = []
        self.codes: list[Bought] = []
        self.refresh_tokens: list[Bought] = []
        self.access_tokens: list[Bought] = []
        self.attributed = 0

    @property
    def wall(self) -> float:
        """What the machine's clock says."""
        return self.now + self.ahead

    def step(self, step: str) -> None:
        """Let something happen; no two things happen at the same time."""
        self.now += 0.25
        getattr(self, step)()
        assert self.tight.entries <= self.room

    def begin(self) -> None:
        """A user begins to sign in, with a state that may be another's; a state of one's own is the more common."""
        unique = self.chance(0.6)
        state = self.secret("state") if unique else self.choices.choice(["", "SECRET-shared"])
        lands = self.choices.choice(CALLBACKS)
        request = AuthorizeRequest(
            self.choices.choice(CLIENTS),
            self.choices.choice(ORGS),
            self.choices.choice(SCOPES),
            None if self.chance(0.15) else lands,
            state,
        )
        sign_in = SignIn(self.choices.choice(ISSUERS), request, request, lands, self.chance(0.2), unique)
        if self.chance(0.3):
            uri = self.secret("urn")
            sign_in.opens = AuthorizeRequest(request.client, (), None, None, request_uri=uri)
            # An unseen request with a seen one's state is what nobody could tell apart.
            if not unique or self.chance(0.8):
                self.tight.pushed(sign_in.issuer, request, uri, self.wall)
                self.roomy.pushed(sign_in.issuer, request, uri, self.wall)
                self.reference.pushed(sign_in.issuer, request, uri, self.now)
        self.sign_ins.append(sign_in)
        if not unique or self.chance(0.9):
            self.see_opened(sign_in, sign_in.opens)

    def open(self) -> None:
        """The authorize request is opened once more: reloaded, or stolen by another client if it was pushed."""
        if self.sign_ins:
            sign_in = self.recent(self.sign_ins)
            opens = sign_in.opens
            if opens.request_uri and self.chance(0.3):
                opens = opens._replace(client=self.choices.choice([*CLIENTS, None]))
            self.see_opened(sign_in, opens)

    def see_opened(self, sign_in: SignIn, opens: AuthorizeRequest) -> None:
        sign_in.seen.append(self.wall)
        sign_in.tight = self.tight.authorized(sign_in.issuer, opens, self.wall)
        sign_in.roomy = self.roomy.authorized(sign_in.issuer, opens, self.wall)
        sign_in.reference = self.reference.authorized(sign_in.issuer, opens, self.now, self.wall)

    def forge(self) -> None:
        """Somebody sends an authorize request with another's state, by whichever client, in one way or in several."""
        if not self.sign_ins:
            return
        meant = self.recent(self.sign_ins)
        if not meant.seen:
            # The answer to what was opened elsewhere nobody could tell from the answer to this.
            return
        client = self.choices.choice([*CLIENTS, None])
        orgs, state = self.choices.choice(ORGS), meant.request.state
        forged = AuthorizeRequest(client, orgs, None, meant.request.redirect_uri, state)
        if self.chance(0.3):
            forged = forged._replace(request_uri=self.choices.choice([meant.opens.request_uri or "urn:x", "urn:x"]))
        elif self.chance(0.3):
            other = forged._replace(client=None, state=self.secret("state"))
            forged = other._replace(rivals=(other, forged._replace(client=None)))
        self.tight.authorized(meant.issuer, forged, self.wall)
        self.roomy.authorized(meant.issuer, forged, self.wall)
        self.reference.authorized(meant.issuer, forged, self.now, self.wall)

    def set_clock(self) -> None:
        """The machine's clock is set: an hour back, a year ahead, or right again."""
        self.ahead = self.choices.choice([-HOUR, 365 * 24 * HOUR, 0.0])

    def answer(self) -> None:
        """The issuer answers a sign-in, perhaps not for the first time."""
        if not self.sign_ins:
            return
        sign_in = self.recent(self.sign_ins)
        assert sign_in.request.client is not None
        bought = Bought(self.secret("code"), sign_in.issuer, sign_in.request.client, sign_in)
        issued = self.tokens(sign_in.issuer, sign_in.request.client, sign_in) if sign_in.implicit else None
        code = None if sign_in.implicit or self.chance(0.1) else bought.text
        if code is not None:
            self.codes.append(bought)
        if self.chance(0.9):
            redirect = Redirect(sign_in.lands, sign_in.request.state, code, issued)
            # After login pages the answer is the response to another request.
            if self.chance(0.7):
                sign_in.tight = sign_in.roomy = sign_in.reference = None
            self.tight.redirected(sign_in.issuer, redirect, None, self.wall, sign_in.tight)
            self.roomy.redirected(sign_in.issuer, redirect, None, self.wall, sign_in.roomy)
            self.reference.redirected(sign_in.issuer, redirect, self.now, sign_in.reference)

    def exchange(self) -> None:
        """Somebody buys tokens by a code: its client or a thief, for the first time or not."""
        if self.codes:
            self.buy("authorization_code", self.recent(self.codes))

    def refresh(self) -> None:
        """Somebody buys tokens by a refresh token, spent or not."""
        if self.refresh_tokens:
            self.buy("refresh_token", self.recent(self.refresh_tokens))

    def machine(self) -> None:
        """A client signs in for itself."""
        self.buy("client_credentials", Bought("", self.choices.choice(ISSUERS), self.choices.choice(CLIENTS), None))

    def wait(self) -> None:
        """Time passes, but not a day: by then no issuer answers what was begun before."""
        passes = self.choices.choice([1, 60, HOUR / 6, HOUR / 2])
        if self.now + passes < START + 23 * HOUR:
            self.now += passes

    def buy(self, grant_type: str, bought: Bought) -> None:
        client = bought.client if self.chance(0.8) else self.choices.choice([*CLIENTS, None])
        issuer = bought.issuer if self.chance(0.9) else self.choices.choice(ISSUERS)
        request = TokenRequest(
            grant_type, client, self.choices.choice(ORGS), self.choices.choice(SCOPES), bought.text or None
        )
        own = client == bought.client and issuer == bought.issuer
        grant = self.roomy.grant_of(issuer, request, self.wall)
        assert grant == self.reference.grant_of(issuer, request)
        assert own or grant is None or grant.authorization is None
        self.is_true(grant, issuer, client, bought.sign_in)
        self.is_true(self.tight.grant_of(issuer, request, self.wall), issuer, client, bought.sign_in)

        response = self.tokens(issuer, client or "nobody", bought.sign_in if own else None)
        if self.chance(0.9):
            expected = self.reference.issued(issuer, request, response, self.now)
            assert self.roomy.issued(issuer, request, response, None, self.wall) == expected
            self.is_true(self.tight.issued(issuer, request, response, None, self.wall), issuer, client, bought.sign_in)

    def tokens(self, issuer: str, client: str, sign_in: SignIn | None) -> TokenResponse:
        access = Bought(self.secret("access"), issuer, client, sign_in)
        refresh = Bought(self.secret("refresh"), issuer, client, sign_in)
        self.access_tokens.append(access)
        rotated = self.chance(0.7) and not (sign_in is not None and sign_in.implicit)
        if rotated:
            self.refresh_tokens.append(refresh)
        return TokenResponse(
            access.text,
            refresh.text if rotated else None,
            self.choices.choice([None, 60.0, HOUR]),
            self.choice_of_scopes(),
        )

    def choice_of_scopes(self) -> tuple[str, ...] | None:
        return None if self.chance(0.6) else self.choices.choice(SCOPES)

    def check(self) -> None:
        """Hold all access tokens that there are against what is known of them."""
        for bought in self.access_tokens:
            raw = bought.text.encode()
            issued = self.roomy.issued_token(raw, self.wall)
            assert issued == self.reference.issued_token(bought.text, self.now, self.wall)
            assert self.roomy.grant_of_token(raw, self.wall) == (None if issued is None else issued.grant)
            for watching in (self.roomy, self.tight):
                grant = watching.grant_of_token(raw, self.wall)
                self.is_true(grant, bought.issuer, bought.client, bought.sign_in)
                self.attributed += grant is not None and grant.authorization is not None

    def is_true(self, grant: Grant | None, issuer: str, client: str | None, sign_in: SignIn | None) -> None:
        """Hold what is said against the truth; to say nothing is always true."""
        if grant is None:
            return
        assert (grant.issuer, grant.client) == (issuer, client)
        if grant.authorization is not None:
            assert sign_in is not None
            assert (sign_in.issuer, sign_in.request.client) == (issuer, client)
            assert grant.authorization.at in sign_in.seen
            assert grant.authorization.orgs == sign_in.request.orgs
            assert grant.authorization.scopes == sign_in.request.scopes

    def chance(self, share: float) -> bool:
        return self.choices.random() < share

    def recent[Item](self, items: list[Item]) -> Item:
        """Choose one of the last, so that most ways are gone to their end."""
        return self.choices.choice(items[-8:] if self.chance(0.8) else items)

    def secret(self, kind: str) -> str:
        self.made += 1
        return f"SECRET-{kind}-{self.made}"
