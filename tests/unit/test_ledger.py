"""The grant ledger: which token came of which request, and when it says that it cannot tell."""

import gc
import tracemalloc

import pytest

from orgfence.core.oauth import ledger as ledger_module
from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Authorization, Grant, IssuedToken
from orgfence.core.oauth.keys import Keys
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.oauth.sightings import REMEMBERED, Sightings
from orgfence.core.reason import Reason
from orgfence.core.tokens.token import OrgClaim, Token, TokenKind

HOUR = 3600.0
DAY = 24 * HOUR
CALLBACK = "https://app.example/callback"


def asked(
    client: str | None = "app",
    orgs: tuple[bytes, ...] = (b"acme",),
    scopes: tuple[str, ...] | None = ("read", "write"),
    redirect_uri: str | None = CALLBACK,
    state: str = "state",
    request_uri: str = "",
) -> AuthorizeRequest:
    return AuthorizeRequest(client, orgs, scopes, redirect_uri, state, "code", request_uri)


def by_code(code: str | None = "code", client: str | None = "app", orgs: tuple[bytes, ...] = ()) -> TokenRequest:
    return TokenRequest("authorization_code", client, orgs, None, code)


def by_refresh(
    token: str, client: str | None = "app", orgs: tuple[bytes, ...] = (), scopes: tuple[str, ...] | None = None
) -> TokenRequest:
    return TokenRequest("refresh_token", client, orgs, scopes, token)


def by_client(client: str = "app", orgs: tuple[bytes, ...] = ()) -> TokenRequest:
    return TokenRequest("client_credentials", client, orgs, None)


def tokens(
    access: str = "access",
    refresh: str | None = None,
    expires_in: float | None = None,
    scopes: tuple[str, ...] | None = None,
) -> TokenResponse:
    return TokenResponse(access, refresh, expires_in, scopes)


def answer(
    code: str | None = "code", state: str = "state", redirect_uri: str = CALLBACK, issued: TokenResponse | None = None
) -> Redirect:
    return Redirect(redirect_uri, state, code, issued)


def token_for(*orgs: bytes, expires: float | None = None) -> Token:
    """Make what is read of a JWT that is good for these orgs."""
    return Token(
        kind=TokenKind.JWT,
        issuer="corp",
        subject="user",
        active=OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING),
        member=OrgClaim(frozenset(orgs), None if orgs else Reason.ORG_CLAIM_EMPTY),
        scopes=frozenset(),
        expires=expires,
        not_before=None,
        verified=False,
        salesforce_ids=False,
    )


def signed_in(
    ledger: GrantLedger, request: AuthorizeRequest | None = None, code: str = "code", state: str = "state"
) -> None:
    """Have one sign-in seen from its authorize request to its code."""
    ledger.authorized("corp", request or asked(state=state), 100)
    ledger.redirected("corp", answer(code, state), None, 110)


def beginning(ledger: GrantLedger, code: str = "code", client: str = "app", now: float = 120) -> Authorization | None:
    """Return the beginning that the ledger knows of a code."""
    grant = ledger.grant_of("corp", by_code(code, client), now)
    return None if grant is None else grant.authorization


def test_a_sign_in_is_followed_from_its_authorize_request_to_its_tokens() -> None:
    """What was asked for, by whom and when is known of the code, the access token and the refresh token."""
    ledger = GrantLedger()
    begun = Authorization(100, (b"acme",), ("read", "write"))

    signed_in(ledger)
    assert ledger.grant_of("corp", by_code(), 120) == Grant(
        "corp", "app", "authorization_code", begun, frozenset({b"acme"}), None, 0
    )

    grant = ledger.issued("corp", by_code(), tokens("access", "refresh", 600), None, 120)
    assert grant == Grant(
        "corp", "app", "authorization_code", begun, frozenset({b"acme"}), frozenset({"read", "write"}), 0
    )
    assert ledger.issued_token(b"access", 130) == IssuedToken(grant, 720)
    assert ledger.grant_of_token(b"access", 130) == grant
    assert ledger.grant_of("corp", by_refresh("refresh"), 130) == grant


def test_a_refresh_goes_on_with_the_grant() -> None:
    """Rotated or not, used once or twice: all of it is the one grant, and each refresh is counted."""
    ledger = GrantLedger()
    signed_in(ledger)
    first = ledger.issued("corp", by_code(), tokens("access-0", "refresh-0"), None, 120)
    rotated = ledger.issued("corp", by_refresh("refresh-0"), tokens("access-1", "refresh-1"), None, 130)
    kept = ledger.issued("corp", by_refresh("refresh-1"), tokens("access-2"), None, 140)
    again = ledger.issued("corp", by_refresh("refresh-1"), tokens("access-3"), None, 150)

    assert first is not None
    assert [grant and grant.refreshes for grant in (first, rotated, kept, again)] == [0, 1, 2, 3]
    assert [ledger.grant_of_token(b"access-%d" % number, 160) for number in range(4)] == [first, rotated, kept, again]
    assert ledger.grant_of("corp", by_refresh("refresh-1"), 160) == first._replace(refreshes=3)


def test_a_replay_belongs_to_the_grant_that_it_was_part_of() -> None:
    """A spent code and a spent refresh token are still known for what they are, and so is what they may yet buy."""
    ledger = GrantLedger()
    signed_in(ledger)
    grant = ledger.issued("corp", by_code(), tokens("access", "refresh-0"), None, 120)
    ledger.issued("corp", by_refresh("refresh-0"), tokens("access-1", "refresh-1"), None, 130)
    assert grant is not None

    assert ledger.grant_of("corp", by_code(), 140) == grant
    assert ledger.issued("corp", by_code(), tokens("replayed"), None, 140) == grant
    replayed = ledger.grant_of("corp", by_refresh("refresh-0"), 140)
    assert replayed is not None
    assert replayed.authorization == grant.authorization


def test_what_was_pushed_is_what_its_request_uri_stands_for() -> None:
    """State, redirect URI, orgs and scopes are the pushed ones; another org beside the URI may be what is read."""
    for orgs in ((), (b"acme",), (b"globex",)):
        ledger = GrantLedger()
        ledger.pushed("corp", asked(orgs=(b"acme",)), "urn:1", 90)
        beside = asked(orgs=orgs, scopes=None, redirect_uri=None, state="other", request_uri="urn:1")
        ledger.authorized("corp", beside, 100)
        ledger.redirected("corp", answer("wrong", state="other"), None, 105)
        ledger.redirected("corp", answer(), None, 110)
        assert beginning(ledger, "wrong") is None
        begun = None if orgs == (b"globex",) else Authorization(100, (b"acme",), ("read", "write"))
        assert beginning(ledger) == begun


@pytest.mark.parametrize("opened_by", ["other", None])
def test_a_request_uri_is_its_clients_alone(opened_by: str | None) -> None:
    """Another client that opens it begins nothing, and what it is answered is not taken for the first client's."""
    for opened_before in (False, True):
        ledger = GrantLedger()
        ledger.pushed("corp", asked(), "urn:1", 90)
        if opened_before:
            ledger.authorized("corp", asked("app", request_uri="urn:1"), 100)
        ledger.authorized("corp", asked(opened_by, request_uri="urn:1"), 101)
        ledger.redirected("corp", answer(), None, 110)
        assert beginning(ledger) is None
        assert beginning(ledger, client="other") is None


def test_a_request_uri_that_is_opened_twice_is_ambiguous() -> None:
    """Also when it was pushed more than an hour ago, or has lost its place: what it began is forgotten no later."""
    ledger = GrantLedger(max_entries=2)
    ledger.pushed("corp", asked(), "urn:1", 0)
    ledger.authorized("corp", asked(request_uri="urn:1"), HOUR - 60)
    ledger.authorized("corp", asked(request_uri="urn:1"), HOUR + 60)
    ledger.redirected("corp", answer(), None, HOUR + 120)
    assert beginning(ledger, now=HOUR + 120) is None

    ledger.pushed("corp", asked(state="2"), "urn:2", 2 * HOUR)
    ledger.authorized("corp", asked(request_uri="urn:2"), 2 * HOUR)
    ledger.authorized("corp", asked(state="another"), 2 * HOUR)
    ledger.authorized("corp", asked(request_uri="urn:2"), 2 * HOUR)
    ledger.redirected("corp", answer("code-2", "2"), None, 2 * HOUR)
    assert beginning(ledger, "code-2", now=2 * HOUR) is None


def test_a_request_uri_that_was_not_seen_pushed_says_nothing() -> None:
    """Neither of another issuer, nor after its hour, nor pushed twice, nor without a client."""
    ledger = GrantLedger()
    ledger.pushed("elsewhere", asked(state="1"), "urn:1", 90)
    ledger.pushed("corp", asked(state="2"), "urn:2", 90)
    ledger.pushed("corp", asked(state="3"), "urn:3", 90)
    ledger.pushed("corp", asked(state="3"), "urn:3", 91)
    ledger.pushed("corp", asked(None, state="4"), "urn:4", 90)
    for number, now in (("1", 100), ("2", 90 + HOUR), ("3", 100), ("4", 100)):
        ledger.authorized("corp", asked(request_uri=f"urn:{number}"), now)
        ledger.redirected("corp", answer(f"code-{number}", number), None, now)
        assert beginning(ledger, f"code-{number}", now=now) is None


def test_of_two_sign_ins_with_one_state_neither_is_known() -> None:
    """Whether the first is still pending or has been answered: its answer may come twice."""
    for answered_between in (False, True):
        ledger = GrantLedger()
        ledger.authorized("corp", asked(), 100)
        if answered_between:
            ledger.redirected("corp", answer("first"), None, 105)
        ledger.authorized("corp", asked(orgs=(b"globex",)), 110)
        ledger.redirected("corp", answer("second"), None, 115)
        ledger.redirected("corp", answer("third"), None, 116)
        assert (beginning(ledger, "first") is not None) == answered_between
        assert beginning(ledger, "second") is None
        assert beginning(ledger, "third") is None


def test_the_response_to_an_authorize_request_needs_no_state_to_be_known_by() -> None:
    """After a login the same URL is opened again, and answered at once: that is no guess."""
    for request in (asked(), asked(redirect_uri=None), asked(request_uri="urn:1")):
        ledger = GrantLedger()
        ledger.pushed("corp", asked(), "urn:1", 90)
        ledger.authorized("corp", request, 100)
        begun = ledger.authorized("corp", request, 105)
        assert begun is not None
        ledger.redirected("corp", answer(), None, 110, begun)
        assert beginning(ledger) == Authorization(105, (b"acme",), ("read", "write"))
        ledger.redirected("corp", answer("later"), None, 111)
        assert beginning(ledger, "later") is None


def test_a_response_that_does_not_fit_its_request_is_not_its_answer() -> None:
    """Of another issuer, with another state, or to another place: it is no answer to what was asked."""
    ledger = GrantLedger()
    begun = ledger.authorized("corp", asked(), 100)
    assert begun is not None
    ledger.redirected("corp", answer("state", "other"), None, 110, begun)
    ledger.redirected("corp", answer("place", redirect_uri="https://elsewhere.example/"), None, 110, begun)
    ledger.redirected("elsewhere", answer("issuer"), None, 110, begun)
    assert [beginning(ledger, code) for code in ("state", "place")] == [None, None]
    assert ledger.grant_of("elsewhere", by_code("issuer"), 120) is None
    ledger.redirected("corp", answer(), None, 110, begun)
    assert beginning(ledger) is not None


def test_a_state_is_not_forgotten_for_lack_of_room() -> None:
    """A sign-in that has lost its place to others is still a second one of the same state."""
    ledger = GrantLedger(max_entries=2)
    ledger.authorized("corp", asked(), 100)
    for number in range(10):
        ledger.authorized("corp", asked(state=f"other-{number}"), 101)
    ledger.authorized("corp", asked(), 102)
    ledger.redirected("corp", answer(), None, 103)
    assert beginning(ledger) is None


def test_sign_ins_are_told_apart_by_issuer_redirect_uri_and_state() -> None:
    """An empty state serves as well, as long as it is not shared."""
    ledger = GrantLedger()
    sign_ins = [("corp", "/1", ""), ("corp", "/1", "s"), ("corp", "/2", ""), ("else", "/1", "")]
    for number, (issuer, redirect_uri, state) in enumerate(sign_ins):
        ledger.authorized(issuer, asked(redirect_uri=redirect_uri, state=state), number)
    for number, (issuer, redirect_uri, state) in reversed(list(enumerate(sign_ins))):
        ledger.redirected(issuer, answer(f"code-{number}", state, redirect_uri), None, 10)
        grant = ledger.grant_of(issuer, by_code(f"code-{number}"), 10)
        assert grant is not None
        assert grant.authorization is not None
        assert grant.authorization.at == number


def test_an_authorize_request_without_redirect_uri_may_be_answered_anywhere() -> None:
    """It is known by its state, unless another request with that state could be meant."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(redirect_uri=None, state="1"), 100)
    ledger.redirected("corp", answer("code-1", "1"), None, 110)
    assert beginning(ledger, "code-1") is not None

    ledger.authorized("corp", asked(redirect_uri=None, state="2"), 100)
    ledger.authorized("corp", asked(state="2"), 100)
    ledger.redirected("corp", answer("code-2", "2"), None, 110)
    assert beginning(ledger, "code-2") is None
    ledger.redirected("corp", answer("code-3", "2", "https://app.example/elsewhere"), None, 111)
    assert beginning(ledger, "code-3") is not None


def test_an_answer_uses_up_its_request() -> None:
    """A second answer, also after an error, began with nothing that was seen."""
    ledger = GrantLedger()
    signed_in(ledger, state="1", code="code-1")
    ledger.redirected("corp", answer("again", "1"), None, 111)
    assert beginning(ledger, "again") is None

    ledger.authorized("corp", asked(state="2"), 100)
    ledger.redirected("corp", answer(None, "2"), None, 110)
    ledger.redirected("corp", answer("late", "2"), None, 111)
    assert beginning(ledger, "late") is None


def test_a_request_that_names_no_client_begins_nothing() -> None:
    """But another request with its state can no longer be told from it."""
    ledger = GrantLedger()
    signed_in(ledger, asked(None))
    assert beginning(ledger) is None
    ledger.authorized("corp", asked(), 120)
    ledger.redirected("corp", answer(), None, 130)
    assert beginning(ledger, now=130) is None


def test_an_authorize_request_waits_an_hour() -> None:
    """What is answered later is not known any more."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(), 0)
    ledger.redirected("corp", answer(), None, HOUR)
    assert beginning(ledger, now=HOUR) is None


def test_the_implicit_grant_issues_at_once() -> None:
    """There is no token request; what the token says of its orgs goes before what was asked for."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(state="1"), 100)
    ledger.redirected("corp", answer(None, "1", issued=tokens("opaque", None, 60)), None, 110)
    issued = ledger.issued_token(b"opaque", 110)
    begun = Authorization(100, (b"acme",), ("read", "write"))
    assert issued == IssuedToken(
        Grant("corp", "app", "implicit", begun, frozenset({b"acme"}), frozenset({"read", "write"})), 170
    )

    ledger.authorized("corp", asked(state="2"), 100)
    response = tokens("jwt", None, 60, ("read",))
    ledger.redirected("corp", answer("hybrid", "2", issued=response), token_for(b"globex", expires=500), 110)
    issued = ledger.issued_token(b"jwt", 110)
    assert issued == IssuedToken(
        Grant("corp", "app", "implicit", begun, frozenset({b"globex"}), frozenset({"read"})), 500
    )
    assert beginning(ledger, "hybrid") == begun

    ledger.redirected("corp", answer(None, "unseen", issued=tokens("unseen")), None, 110)
    assert ledger.grant_of_token(b"unseen", 110) is None


@pytest.mark.parametrize("client", ["other", None])
def test_no_lineage_crosses_clients(client: str | None) -> None:
    """A stolen code or refresh token begins a grant of its own, and spoils nothing of its owner's."""
    ledger = GrantLedger()
    signed_in(ledger)
    own = ledger.issued("corp", by_code(), tokens("own", "own-refresh"), None, 120)

    for number, request in enumerate([by_code("code", client), by_refresh("own-refresh", client)]):
        assert ledger.grant_of("corp", request, 130) is None
        stolen = ledger.issued("corp", request, tokens(f"stolen-{number}", f"stolen-refresh-{number}"), None, 130)
        assert stolen == ledger.grant_of_token(b"stolen-%d" % number, 130)
        assert stolen is None or (stolen.client, stolen.authorization, stolen.orgs) == (client, None, frozenset())
    assert ledger.grant_of("corp", by_code(), 140) == own
    assert ledger.grant_of("corp", by_refresh("own-refresh"), 140) == own


def test_no_lineage_crosses_issuers() -> None:
    """The same code elsewhere is another code."""
    ledger = GrantLedger()
    signed_in(ledger)
    assert ledger.grant_of("elsewhere", by_code(), 120) is None


def test_a_code_is_no_refresh_token_and_other_grants_have_neither() -> None:
    """Each is known in its own place alone."""
    ledger = GrantLedger()
    signed_in(ledger)
    assert ledger.grant_of("corp", by_refresh("code"), 120) is None
    for nothing in (by_code(None), by_code(""), TokenRequest("client_credentials", "app", (), None, "code")):
        assert ledger.grant_of("corp", nothing, 120) is None
    assert ledger.grant_of_token(b"code", 120) is None


def test_a_grant_whose_beginning_was_not_seen_has_none() -> None:
    """From then on it is followed like any other."""
    ledger = GrantLedger()
    grant = ledger.issued("corp", by_client(orgs=(b"acme",)), tokens("machine"), None, 100)
    assert grant == Grant("corp", "app", "client_credentials", None, frozenset({b"acme"}))
    assert ledger.grant_of_token(b"machine", 100) == grant

    grant = ledger.issued("corp", by_refresh("old", scopes=("read",)), tokens("access", "new"), None, 100)
    assert grant == Grant("corp", "app", "refresh_token", None, frozenset(), frozenset({"read"}), 1)
    assert ledger.grant_of("corp", by_refresh("old"), 100) == grant
    assert ledger.grant_of("corp", by_refresh("new"), 100) == grant


def test_the_orgs_of_a_token_are_its_own_or_else_those_of_the_grant_that_were_named() -> None:
    """A token that was read goes before all; what a request names makes no grant good for more than it was."""
    ledger = GrantLedger()

    def orgs_of(request: TokenRequest, token: Token | None) -> frozenset[bytes]:
        grant = ledger.issued("corp", request, tokens(), token, 120)
        assert grant is not None
        return grant.orgs

    signed_in(ledger)
    assert orgs_of(by_code(orgs=(b"initech",)), token_for(b"globex", b"acme")) == {b"globex", b"acme"}
    assert orgs_of(by_code(orgs=(b"initech",)), token_for()) == frozenset()
    assert orgs_of(by_code(orgs=(b"initech",)), None) == {b"globex", b"acme"}
    assert orgs_of(by_code(orgs=(b"acme",)), None) == {b"acme"}
    assert orgs_of(by_refresh("unseen", orgs=(b"initech",)), None) == {b"initech"}
    # Of several, nobody knows which one the issuer has read.
    for orgs in ((b"acme", b""), (b"acme", b"globex")):
        assert orgs_of(by_code(orgs=orgs), None) == orgs_of(by_refresh("unseen", orgs=orgs), None) == frozenset()
    assert orgs_of(by_refresh("unseen"), None) == frozenset()
    ledger.authorized("corp", asked(state="other"), 100)
    ledger.redirected("corp", answer("other", "other"), None, 110)
    assert orgs_of(by_code("other", orgs=(b"",)), None) == {b"acme"}


def test_a_token_for_one_org_leaves_its_grant_the_others() -> None:
    """A refresh may ask for less than was granted, as with scopes; nor is a grant good for what was only asked for."""
    ledger = GrantLedger()
    signed_in(ledger)
    ledger.issued("corp", by_code(), tokens(refresh="refresh"), token_for(b"acme", b"globex"), 120)
    ledger.issued("corp", by_refresh("refresh", orgs=(b"acme",)), tokens("narrow"), token_for(b"acme"), 130)
    grant, narrow = ledger.grant_of("corp", by_refresh("refresh"), 140), ledger.grant_of_token(b"narrow", 140)
    assert grant is not None
    assert narrow is not None
    assert grant.orgs == {b"acme", b"globex"}
    assert narrow.orgs == {b"acme"}
    ledger.issued("corp", by_refresh("refresh", orgs=(b"initech",)), tokens("opaque"), None, 150)
    assert ledger.grant_of("corp", by_refresh("refresh"), 160) == grant._replace(refreshes=2)

    signed_in(ledger, asked(orgs=(), state="none"), "none", "none")
    opaque = ledger.issued("corp", by_code("none", orgs=(b"acme",)), tokens("other"), None, 120)
    assert opaque is not None
    assert opaque.orgs == frozenset()


def test_the_scopes_are_the_answers_or_else_those_that_were_asked_for() -> None:
    """A refresh that names none asks for those that were granted at first, also after a narrower one."""
    ledger = GrantLedger()

    def scopes_of(request: TokenRequest, scopes: tuple[str, ...] | None) -> set[str] | None:
        grant = ledger.issued("corp", request, tokens("access", "refresh", scopes=scopes), None, 120)
        assert grant is not None
        return None if grant.scopes is None else set(grant.scopes)

    signed_in(ledger)
    assert scopes_of(by_code(), ("read", "openid")) == {"read", "openid"}
    assert scopes_of(by_refresh("refresh", scopes=("openid",)), None) == {"openid"}
    assert scopes_of(by_refresh("refresh", scopes=("openid",)), ()) == set()
    assert scopes_of(by_refresh("refresh"), None) == {"read", "openid"}
    assert scopes_of(by_refresh("unseen"), None) is None


def test_an_older_token_keeps_what_it_was_issued_for() -> None:
    """A refresh for another org makes no other token of one that is out already."""
    ledger = GrantLedger()
    ledger.issued("corp", by_refresh("refresh", orgs=(b"acme",)), tokens("first"), None, 100)
    ledger.issued("corp", by_refresh("refresh", orgs=(b"globex",)), tokens("second"), None, 110)
    for raw, org in ((b"first", b"acme"), (b"second", b"globex")):
        grant = ledger.grant_of_token(raw, 120)
        assert grant is not None
        assert grant.orgs == {org}


def test_a_token_that_two_lineages_were_given_belongs_to_neither() -> None:
    """Whoever gives it out a third time; where both look alike, there is nothing to tell apart."""
    ledger = GrantLedger()
    for number in (1, 2, 3):
        ledger.authorized("corp", asked(state=f"{number}"), number)
        ledger.redirected("corp", answer(f"code-{number}", f"{number}"), None, 110)
        ledger.issued("corp", by_code(f"code-{number}"), tokens("same", "same-refresh"), None, 120)
        assert (ledger.grant_of_token(b"same", 120) is not None) == (number == 1)
        assert (ledger.grant_of("corp", by_refresh("same-refresh"), 120) is not None) == (number == 1)

    for client in ("app", "app", "other"):
        ledger.issued("corp", by_client(client), tokens("cached"), None, 120)
        assert (ledger.grant_of_token(b"cached", 120) is not None) == (client == "app")

    signed_in(ledger, state="4", code="again")
    ledger.authorized("corp", asked(state="5"), 105)
    ledger.redirected("corp", answer("again", "5"), None, 110)
    assert beginning(ledger, "again") is None


def test_a_token_that_its_own_lineage_is_given_again_is_the_newer_one() -> None:
    """As of an issuer that answers a repeated refresh by what it answered before."""
    ledger = GrantLedger()
    for refreshes in (1, 2):
        grant = ledger.issued("corp", by_refresh("refresh"), tokens("same", "refresh"), None, 100)
        assert grant is not None
        assert grant.refreshes == refreshes
        assert ledger.grant_of_token(b"same", 100) == grant


@pytest.mark.parametrize(
    ("expires_in", "in_token", "expires"),
    [
        (600, None, 700),
        (600, 650, 650),
        (None, 650, 650),
        (None, None, None),
        (float("nan"), None, None),
        (1e999, None, None),
    ],
)
def test_when_a_token_expires_is_known(expires_in: float | None, in_token: float | None, expires: float | None) -> None:
    """By itself, or by the answer that it came in; what is no time is not known."""
    ledger = GrantLedger()
    ledger.issued("corp", by_client(), tokens(expires_in=expires_in), token_for(expires=in_token), 100)
    issued = ledger.issued_token(b"access", 100)
    assert issued is not None
    assert issued.expires == expires


def test_an_expired_token_is_known_for_another_hour() -> None:
    """So that it is said to be expired; after that it is forgotten."""
    ledger = GrantLedger()
    ledger.issued("corp", by_client(), tokens(expires_in=600), None, 100)
    assert ledger.grant_of_token(b"access", 100 + 600 + HOUR - 1) is not None
    assert ledger.grant_of_token(b"access", 100 + 600 + HOUR) is None

    ledger.issued("corp", by_client(), tokens(expires_in=-2 * HOUR), None, 100)
    assert ledger.grant_of_token(b"access", 100) is None


def test_nothing_is_known_for_longer_than_the_ledger_remembers() -> None:
    """A refresh token that is in use is known from one use to the next."""
    ledger = GrantLedger(max_age=10 * DAY)
    ledger.issued("corp", by_refresh("refresh"), tokens("day-0", expires_in=900 * DAY), None, 0)
    assert ledger.grant_of_token(b"day-0", 10 * DAY - 1) is not None
    ledger.issued("corp", by_refresh("refresh"), tokens("day-9"), None, 9 * DAY)
    assert ledger.grant_of_token(b"day-0", 10 * DAY) is None
    assert ledger.grant_of("corp", by_refresh("refresh"), 18 * DAY) is not None
    assert ledger.grant_of("corp", by_refresh("refresh"), 19 * DAY) is None
    assert ledger.grant_of_token(b"day-9", 19 * DAY) is None


def test_the_default_is_a_month() -> None:
    """What lies unused for longer is forgotten."""
    ledger = GrantLedger()
    ledger.issued("corp", by_client(), tokens(), None, 0)
    assert ledger.grant_of_token(b"access", 30 * DAY - 1) is not None
    assert ledger.grant_of_token(b"access", 30 * DAY) is None


def test_a_ledger_may_remember_for_longer() -> None:
    """As long as it is told to."""
    ledger = GrantLedger(max_age=90 * DAY)
    ledger.issued("corp", by_refresh("refresh"), tokens(), None, 0)
    assert ledger.grant_of_token(b"access", 90 * DAY - 1) is not None
    assert ledger.grant_of("corp", by_refresh("refresh"), 90 * DAY - 1) is not None
    assert ledger.grant_of("corp", by_refresh("refresh"), 90 * DAY) is None


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    """What was seen at a later time was seen."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(), 100 * DAY)
    ledger.redirected("corp", answer(), None, 99 * DAY)
    assert beginning(ledger, now=98 * DAY) is not None


@pytest.mark.parametrize("max_entries", [0, 1, 3])
def test_the_oldest_goes_first(max_entries: int) -> None:
    """There are never more entries than there is room for."""
    ledger = GrantLedger(max_entries)
    for number in range(10):
        ledger.issued("corp", by_client(), tokens(f"{number}"), None, 100)
        assert ledger.entries <= max_entries
    known = [number for number in range(10) if ledger.grant_of_token(b"%d" % number, 100) is not None]
    assert known == list(range(10 - max_entries, 10))


def test_what_is_too_old_makes_room() -> None:
    """Once it is the oldest, it does not wait for others to need its place."""
    ledger = GrantLedger()
    for number in range(10):
        ledger.issued("corp", by_client(), tokens(f"{number}", expires_in=60), None, 0)
    ledger.issued("corp", by_client(), tokens("new"), None, DAY)
    assert ledger.entries == 1


def test_long_texts_take_the_room_of_many_entries() -> None:
    """Who sends them crowds out others and does not fill the memory; what is longer than all the room is not kept."""
    ledger = GrantLedger(max_entries=100)
    for number in range(100):
        ledger.issued("corp", by_client(), tokens(f"{number}"), None, 100)
    ledger.issued("corp", by_client("x" * 60_000), tokens("long"), None, 100)
    assert ledger.grant_of_token(b"long", 100) is not None
    assert 20 < ledger.entries < 100

    before = ledger.entries
    ledger.issued("corp", by_client("x" * 70_000), tokens("longer"), None, 100)
    many = tokens("many", scopes=tuple(f"{number}" for number in range(2000)))
    ledger.issued("corp", by_client(), many, None, 100)
    assert ledger.grant_of_token(b"longer", 100) is None
    assert ledger.grant_of_token(b"many", 100) is None
    assert ledger.entries == before


def test_long_texts_leave_their_room_to_those_who_come_after() -> None:
    """Once they are gone, there is room for as many entries as before."""
    ledger = GrantLedger(max_entries=100)
    for number in range(50):
        ledger.issued("corp", by_client(f"{number}" * 5000), tokens(f"long-{number}"), None, 100)
    for number in range(200):
        ledger.issued("corp", by_client(), tokens(f"{number}"), None, 100)
    assert ledger.entries == 100


def test_a_token_whose_grant_grows_too_long_is_forgotten() -> None:
    """What was known of it before is not true any more."""
    ledger = GrantLedger()
    ledger.issued("corp", by_refresh("refresh"), tokens("first"), None, 100)
    ledger.issued("corp", by_refresh("refresh", scopes=("x" * 70_000,)), tokens("second"), None, 100)
    assert ledger.grant_of("corp", by_refresh("refresh"), 100) is None


def test_equal_orgs_and_scopes_are_one_object() -> None:
    """Thousands of sign-ins ask for the same few; what nobody has any more is not held."""
    ledger = GrantLedger(max_entries=4)
    for number in range(4):
        scopes = ("read", "".join(["wri", "te"]))
        ledger.issued("corp", by_client(orgs=(b"acme",)), tokens(f"{number}", scopes=scopes), None, 100)
    first, last = ledger.grant_of_token(b"0", 100), ledger.grant_of_token(b"3", 100)
    assert first is not None
    assert last is not None
    assert first.orgs is last.orgs
    assert first.scopes is last.scopes

    for number in range(4):
        ledger.issued("corp", by_client("other"), tokens(f"other-{number}"), None, 100)
    assert set(ledger._table._texts) == {"other", "client_credentials"}


def test_the_memory_of_a_full_ledger_is_bounded() -> None:
    """However many sign-ins pass, each with a client, orgs and scopes of its own."""
    ledger = GrantLedger(max_entries=300)
    peak = 0
    tracemalloc.start()
    try:
        for number in range(1500):
            orgs = tuple(b"org-%d-%d" % (number, index) for index in range(number % 30))
            scopes = tuple(f"scope-{number}-{index}" for index in range(number % 20))
            ledger.authorized("corp", asked(f"app-{number}", orgs, scopes, state=f"{number}"), number)
            if number % 3:
                ledger.redirected("corp", answer(f"code-{number}", f"{number}"), None, number)
                ledger.issued(
                    "corp", by_code(f"code-{number}", f"app-{number}"), tokens(f"{number}", f"{number}"), None, number
                )
            if number % 250 == 249:
                gc.collect()
                peak = max(peak, tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # Two generations of half a MiB of what was seen, and a KiB an entry.
    assert peak < 1.1 * (2**20 + 300 * 1024)


def test_a_token_of_any_text_has_a_key() -> None:
    """JSON can hold what no header can."""
    ledger = GrantLedger()
    grant = ledger.issued("corp", by_refresh("\ud800"), tokens("\udfff", "\ud800"), None, 100)
    assert ledger.grant_of("corp", by_refresh("\ud800"), 100) == grant
    assert ledger.grant_of_token(b"\xed\xbf\xbf", 100) == grant


def test_a_key_is_of_all_that_it_is_made_of() -> None:
    """However the texts are cut; an access token cannot be written so that it has another thing's key."""
    keys = Keys()
    made = [
        keys.pushed("corp", "x"),
        keys.pushed("corpx", ""),
        keys.pending("corp", "x", ""),
        keys.pending("corp", None, ""),
        keys.pending("corp", "None", ""),
        keys.pending("corp', 'x", "", ""),
        keys.grant("refresh_token", "corp", "app", "x"),
        keys.grant("authorization_code", "corp", "app", "x"),
        keys.grant("authorization_code", "corp", "appx", ""),
        keys.access(b"x"),
        keys.access(repr(("pushed", "corp", "x")).encode()),
    ]
    assert len(set(made)) == len(made)
    assert keys.pushed("corp", "x") == made[0]
    assert Keys().access(b"x") != keys.access(b"x")


def test_what_was_seen_is_never_denied_within_a_day() -> None:
    """Nor is a thing that was never seen affirmed, short of a flood."""
    sightings = Sightings()
    keys = Keys()
    for number in range(2000):
        now = number * 60.0
        assert sightings.first(keys.access(b"%d" % number), now)
        oldest = max(0, number - int(REMEMBERED // 60) + 1)
        assert sightings.seen(keys.access(b"%d" % oldest), now)
        assert not sightings.first(keys.access(b"%d" % oldest), now)
    assert not sightings.seen(keys.access(b"never"), now)


def test_the_ledger_does_not_show_what_it_holds() -> None:
    """Nor do its records."""
    ledger = GrantLedger()
    signed_in(ledger)
    assert "state" not in repr(ledger)
    assert "app" not in repr(ledger)
    assert ledger_module.MAX_ENTRIES == 32_768


def test_a_request_that_may_be_any_of_several_makes_all_of_them_ambiguous() -> None:
    """A forged one that names its own state and another's is taken for neither."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(state="of somebody"), 100)
    forged = asked(client=None, state="own")
    assert ledger.authorized("corp", forged._replace(rivals=(forged, asked(None, state="of somebody"))), 101) is None
    for state in ("own", "of somebody"):
        ledger.redirected("corp", answer(state, state), None, 110)
        assert beginning(ledger, state) is None


def test_what_stands_beside_a_request_uri_may_be_what_is_answered() -> None:
    """An issuer that does not know `request_uri` goes by the state beside it, which may be another sign-in's."""
    for beside in (asked(request_uri="urn:unseen"), asked(request_uri="urn:1")):
        ledger = GrantLedger()
        ledger.authorized("corp", asked(), 100)
        ledger.pushed("corp", asked(state="pushed"), "urn:1", 100)
        ledger.authorized("corp", beside, 101)
        ledger.redirected("corp", answer(), None, 110)
        assert beginning(ledger) is None
    ledger = GrantLedger()
    ledger.pushed("corp", asked(), "urn:1", 100)
    ledger.authorized("corp", asked(request_uri="urn:1"), 101)
    ledger.redirected("corp", answer(), None, 110)
    assert beginning(ledger) is not None


def test_who_knows_the_state_of_what_was_pushed_unseen_begins_nothing_in_its_place() -> None:
    """Nobody here knows that state, so a plain request of the same client may carry it; another client's may not."""
    ledger = GrantLedger()
    ledger.authorized("corp", asked(redirect_uri=None, state="", request_uri="urn:unseen", orgs=()), 100)
    for client, is_known in (("app", False), ("other", True)):
        ledger.authorized("corp", asked(client, state=client), 101)
        ledger.redirected("corp", answer(client, client), None, 110)
        assert (beginning(ledger, client, client) is not None) == is_known
    ledger.authorized("corp", asked("other", state="implicit"), 101)
    ledger.redirected("corp", answer(None, "implicit", issued=tokens("of whoever")), None, 110)
    assert ledger.grant_of_token(b"of whoever", 110) is None
    ledger.pushed("corp", asked(state="pushed"), "urn:1", 120)
    ledger.authorized("corp", asked(redirect_uri=None, state="", request_uri="urn:1", orgs=()), 121)
    ledger.redirected("corp", answer("pushed", "pushed"), None, 122)
    assert beginning(ledger, "pushed") is not None


class Clock:
    """A clock that never goes back, as the machine has one beside that which people set."""

    def __init__(self) -> None:
        self.age = 0.0

    def __call__(self) -> float:
        return self.age


@pytest.mark.parametrize("jump", [-HOUR, -365 * DAY, HOUR, 365 * DAY])
def test_a_clock_that_is_set_makes_nothing_older_or_younger(jump: float) -> None:
    """What was seen is known for as long as it would have been, neither longer nor shorter."""
    clock = Clock()
    ledger = GrantLedger(max_age=10 * DAY, clock=clock)
    start = 1000 * DAY
    ledger.authorized("corp", asked(), start)
    ledger.authorized("corp", asked(state="late"), start)
    clock.age = 60
    ledger.redirected("corp", answer(), None, start + jump + 60)
    assert beginning(ledger, now=start + jump) is not None
    ledger.issued("corp", by_code(), tokens("access", "refresh", 600), None, start + jump + 60)
    for number in range(3):
        ledger.issued("corp", by_client(), tokens(f"{number}"), None, start + jump)
    clock.age = 120
    # The clock is set right again: it expires ten minutes after it was issued.
    issued = ledger.issued_token(b"access", start + 120)
    assert issued is not None
    assert issued.expires == start + 660
    clock.age = 60 + 600 + HOUR
    assert ledger.issued_token(b"access", start) is None
    ledger.redirected("corp", answer("late", "late"), None, start + 10)
    assert beginning(ledger, "late", now=start) is None
    clock.age = 10 * DAY + 59
    assert ledger.grant_of("corp", by_refresh("refresh"), start + jump) is not None
    clock.age = 10 * DAY + 60
    assert ledger.grant_of("corp", by_refresh("refresh"), start + jump) is None


def test_a_state_is_seen_twice_whatever_the_clock_says() -> None:
    """A clock that is set a year ahead and back forgets no state."""
    clock = Clock()
    ledger = GrantLedger(clock=clock)
    ledger.authorized("corp", asked(), 100)
    for jump in (400 * DAY, 800 * DAY, -DAY):
        ledger.authorized("corp", asked(state=f"{jump}"), 100 + jump)
    ledger.authorized("corp", asked(), 101)
    ledger.redirected("corp", answer(), None, 110)
    assert beginning(ledger) is None


def test_two_refreshes_at_once_are_one_grant() -> None:
    """Whichever is answered first, whether its token was seen issued, and however often it is tried again."""
    for is_seen in (True, False):
        ledger = GrantLedger()
        if is_seen:
            signed_in(ledger)
            ledger.issued("corp", by_code(), tokens("access", "refresh"), None, 120)
        asked_at_once = [by_refresh("refresh"), by_refresh("refresh")]
        before = [ledger.grant_of("corp", request, 130) for request in asked_at_once]
        assert before[0] == before[1]
        for number in (1, 0, 2):
            ledger.issued("corp", by_refresh("refresh"), tokens(f"access-{number}", f"refresh-{number}"), None, 131)
        begun = None if before[0] is None else before[0].authorization
        assert (begun is not None) == is_seen
        for number in (0, 1, 2):
            grant, next_grant = (
                ledger.grant_of_token(b"access-%d" % number, 140),
                ledger.grant_of("corp", by_refresh(f"refresh-{number}"), 140),
            )
            assert grant is not None
            assert next_grant is not None
            assert grant.authorization == next_grant.authorization == begun
        # Each of both goes on.
        for number in (0, 1):
            ledger.issued("corp", by_refresh(f"refresh-{number}"), tokens(f"next-{number}", "joined"), None, 150)
        assert ledger.grant_of("corp", by_refresh("joined"), 160) is not None


def test_an_answer_that_names_anothers_tokens_takes_nothing_from_them() -> None:
    """Neither the first nor the last to be given a token has it then; and it is not believed a third time."""
    ledger = GrantLedger()
    signed_in(ledger)
    ledger.issued("corp", by_code(), tokens("access", "refresh"), None, 120)
    ledger.issued("corp", by_client(orgs=(b"globex",)), tokens("access", "refresh"), None, 121)
    for _ in range(2):
        assert ledger.grant_of_token(b"access", 122) is None
        assert ledger.grant_of("corp", by_refresh("refresh"), 122) is None
        ledger.issued("corp", by_code(), tokens("access", "refresh"), None, 123)
    assert beginning(ledger) is not None
