"""What is remembered of a grant: how it began, and what was issued by it. Nothing in it is secret."""

from typing import NamedTuple


class Authorization(NamedTuple):
    """The authorize request that a grant began with."""

    #: When it was seen, in seconds since the epoch.
    at: float
    #: What it named in the issuer's org parameter, normalised. Empty: no org.
    orgs: tuple[bytes, ...]
    #: None: it did not say.
    scopes: tuple[str, ...] | None


class Grant(NamedTuple):
    """One client's leave to get tokens, from its beginning through every refresh."""

    #: The policy's name for it.
    issuer: str
    client: str
    #: The grant type of the token request that was seen first: `authorization_code`, `client_credentials`, `implicit`…
    #: For a refresh token that was not seen issued it is `refresh_token`.
    grant_type: str
    #: None: it was not seen, or it cannot be told which one it was.
    authorization: Authorization | None = None
    #: The orgs that are known to be granted, normalised: those that tokens of it were seen to be good for, else those
    #: that its authorize request named. Of an access token, those that this one is for; where no beginning was seen,
    #: those that its own request named. Empty: not known.
    orgs: frozenset[bytes] = frozenset()
    #: The scopes of what was issued last; None: not known.
    scopes: frozenset[str] | None = None
    #: How many times it was refreshed until then, as far as that was seen.
    refreshes: int = 0


class IssuedToken(NamedTuple):
    """What is known of an access token that was seen issued."""

    #: As it stood when the token was issued: an older token keeps the orgs and scopes that it was issued for.
    grant: Grant
    #: From this moment (seconds since the epoch) it is expired; None: not known.
    expires: float | None
