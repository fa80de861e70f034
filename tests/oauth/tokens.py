"""Access tokens of the tests' issuer: JWTs, and such as nobody but the issuer and its API can read."""

import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import jwt

ISS = "https://issuer.test"
#: What the user may act in, the first org first.
ORGS = {
    "acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01",
    "globex": "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02",
}
LIFETIME = 3600
# What issuers leave out of their tokens, whatever was asked for.
_NOT_IN_TOKENS = {"openid", "offline_access"}
_KEY = "a key for nothing but these tests"
_OPAQUE = "at_"


def access_token(client: str, org: str, scopes: Iterable[str], *, opaque: bool) -> str:
    """Return a token that is good for one org."""
    now = int(time.time())
    claims = {
        "iss": ISS,
        "sub": "ada@example.com",
        "client_id": client,
        "org_ids": [org],
        "scope": " ".join(in_tokens(scopes)),
        "jti": secrets.token_urlsafe(8),
        "iat": now,
        "exp": now + LIFETIME,
    }
    token = jwt.encode(claims, _KEY, algorithm="HS256")
    return _OPAQUE + urlsafe_b64encode(token.encode()).decode().rstrip("=") if opaque else token


def in_tokens(scopes: Iterable[str]) -> list[str]:
    """Return the scopes that come back."""
    return [scope for scope in scopes if scope not in _NOT_IN_TOKENS]


def claims_of(token: str) -> dict[str, Any] | None:
    """Return what a token says; None where it is not one of ours."""
    try:
        if token.startswith(_OPAQUE):
            encoded = token.removeprefix(_OPAQUE)
            token = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        claims: dict[str, Any] = jwt.decode(token, _KEY, algorithms=["HS256"], issuer=ISS)
    except (jwt.InvalidTokenError, ValueError):
        return None
    return claims
