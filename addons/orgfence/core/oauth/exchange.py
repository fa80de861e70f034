"""One OAuth exchange as it was seen: the step, what was asked, and what is wrong with it.

Codes, tokens, verifiers, secrets and assertions are in none of these records but where the ledger makes keys of them at
once: `TokenRequest.grant` and the tokens of a `TokenResponse`, neither of which is shown, logged or kept.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from orgfence.core.oauth.grant import Grant
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.reason import Reason


class Endpoint(StrEnum):
    """What an issuer's endpoint is for."""

    AUTHORIZE = "authorize"
    #: Takes an authorize request's parameters beforehand (RFC 9126).
    PAR = "par"
    TOKEN = "token"


class Step(StrEnum):
    """The part of an exchange that is judged: the values of `oauth_exchanges_total{step}`."""

    #: An authorize request, pushed or opened.
    AUTHORIZE = "authorize"
    TOKEN_REQUEST = "token_request"
    TOKEN_RESPONSE = "token_response"


class ExchangeRule(NamedTuple):
    """What a rule stands for that is made of an issuer's `oauth` and not of the policy's `rules`."""

    issuer: OAuthIssuer
    endpoint: Endpoint


class AuthorizeRequest(NamedTuple):
    """What an authorize request asks for: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1."""

    #: None: it names none.
    client: str | None
    #: Every value of the issuer's org parameter, normalised. An empty one: some server finds others, or none.
    orgs: tuple[bytes, ...]
    #: None: it does not say.
    scopes: tuple[str, ...] | None
    #: Where the answer goes, without query and fragment; None: it does not say.
    redirect_uri: str | None
    #: Comes back with the answer. For the ledger alone: who knows it can end somebody else's sign-in.
    state: str = ""
    #: `code`, `token` (the implicit grant), …
    response_type: str = ""
    #: Stands for what was pushed (RFC 9126). For the ledger alone.
    request_uri: str = ""
    #: Where it says so in two ways that differ: each redirect URI, state and `request_uri` that its answer may go by.
    rivals: "tuple[AuthorizeRequest, ...]" = ()

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"AuthorizeRequest(client={self.client!r}, orgs={self.orgs!r}, scopes={self.scopes!r})"


class TokenRequest(NamedTuple):
    """What a token request asks for: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3 and onwards."""

    #: `authorization_code`, `refresh_token`, `client_credentials`, an assertion's URN, …; empty: it does not say.
    grant_type: str
    #: Who asks, by `Authorization: Basic`, the body, or a client assertion's subject. None: it cannot be told, or it
    #: cannot be told by which grant.
    client: str | None
    #: The orgs that it names, normalised: by the issuer's parameter, or by one that issuers take here. An empty one
    #: beside others: some server finds others than these, or none.
    orgs: tuple[bytes, ...]
    #: None: it does not say.
    scopes: tuple[str, ...] | None
    #: The code or the refresh token, for the ledger. Secret.
    grant: str | None = None
    #: Whether some server finds no scope in it, where another does: one is empty, or its name is spelt otherwise.
    lacks_scope: bool = False

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"TokenRequest(grant_type={self.grant_type!r}, client={self.client!r}, scopes={self.scopes!r})"


class TokenResponse(NamedTuple):
    """What a token endpoint has issued: https://www.rfc-editor.org/rfc/rfc6749#section-5.1."""

    #: Secret.
    access_token: str
    #: Secret. None: none was issued, or the one that was used goes on being good.
    refresh_token: str | None
    #: Seconds. None: it does not say.
    expires_in: float | None
    #: None: it does not say, which by section 5.1 means all that were asked for.
    scopes: tuple[str, ...] | None

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"TokenResponse(expires_in={self.expires_in!r}, scopes={self.scopes!r})"


class Redirect(NamedTuple):
    """Where an issuer sends the browser with the answer to an authorize request (section 4.1.2, 4.2.2)."""

    #: Without query and fragment.
    redirect_uri: str
    state: str
    #: Secret. None: there is none, as in an error or under the implicit grant.
    code: str | None
    #: What the implicit grant issues, in the fragment. None: there is none, or it cannot be told which.
    issued: TokenResponse | None
    #: Where there are several access tokens, each; nobody knows which one the client has.
    unclear: tuple[TokenResponse, ...] = ()

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"Redirect(redirect_uri={self.redirect_uri!r})"


class Fault(NamedTuple):
    """One thing that is wrong with an exchange."""

    reason: Reason
    #: What was found, in a sentence.
    detail: str
    #: What mends it, most useful first.
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was seen of an exchange at one step."""

    step: Step
    issuer: OAuthIssuer
    request: AuthorizeRequest | TokenRequest
    #: What is wrong with it, in the catalogue's order; the first is the decision's reason.
    faults: tuple[Fault, ...] = ()
    #: The grant that a token request goes by, where its beginning was seen.
    grant: Grant | None = None
    #: Of a token request, each way to read it, with the grant that it goes by then.
    readings: tuple[tuple[TokenRequest, Grant | None], ...] = ()
    #: Whether an authorize request begins nothing of its own: it is a sign-in page's form, which is posted to the URL
    #: that the page was opened by, or it was not read.
    begins_nothing: bool = False
