"""The demo's issuer: it knows an app that is for two orgs, and signs its user in without asking anything.

A token is for one org. For which, the authorize request says by `org_id`; one that does not say gets the user's first,
and whoever asks a refresh token for another org than its own gets one more token for its own. Neither is an error, nor
is either mentioned in the answer.
"""

import secrets
import time
from typing import NamedTuple
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado.web import RequestHandler

ISSUER = "https://issuer.example"
#: The orgs by name, the user's first one first; the policy knows the same ones.
ORGS = {
    "acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01",
    "globex": "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02",
}
# Long enough for a day of playing with `--keep`.
_LIFETIME_SECONDS = 24 * 60 * 60


class _Grant(NamedTuple):
    client: str
    org_id: str
    scope: str


class Grants:
    """What the issuer remembers, and how it makes tokens of it."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        """Sign by this key."""
        self._key = key
        #: By code or refresh token, each of which is good once.
        self._grants: dict[str, _Grant] = {}

    def grant(self, client: str, org: str, scope: str) -> str:
        """Return a code that is good for a token of this org, by name or id; without one, of the first."""
        org_id = ORGS.get(org, org)
        first = next(iter(ORGS.values()))
        return self._note(_Grant(client, org_id if org_id in ORGS.values() else first, scope))

    def issue(self, code: str) -> dict[str, object] | None:
        """Return the answer to who has this code or refresh token; None where it is not good."""
        grant = self._grants.pop(code, None)
        if grant is None:
            return None
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "ada@example.com",
            "client_id": grant.client,
            "org_ids": [grant.org_id],
            "scope": grant.scope,
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        return {
            "access_token": jwt.encode(claims, self._key, algorithm="RS256"),
            "token_type": "Bearer",
            "expires_in": _LIFETIME_SECONDS,
            "scope": grant.scope,
            "refresh_token": self._note(grant),
        }

    def _note(self, grant: _Grant) -> str:
        code = secrets.token_urlsafe()
        self._grants[code] = grant
        return code


class Authorize(RequestHandler):
    """`GET /oauth/authorize` (RFC 6749 section 4.1.1)."""

    def initialize(self, grants: Grants) -> None:
        """Take what the issuer remembers."""
        self._grants = grants

    def get(self) -> None:
        """Send the browser back to the app, with a code."""
        code = self._grants.grant(*(self.get_query_argument(name, "") for name in ("client_id", "org_id", "scope")))
        answer = {"code": code, "state": self.get_query_argument("state", "")}
        self.redirect(f"{self.get_query_argument('redirect_uri')}?{urlencode(answer)}")


class Token(RequestHandler):
    """`POST /oauth/token`: codes and refresh tokens for tokens (sections 4.1.3 and 6)."""

    def initialize(self, grants: Grants) -> None:
        """Take what the issuer remembers."""
        self._grants = grants

    def post(self) -> None:
        """Issue tokens, whichever org the request may name."""
        self.set_header("Cache-Control", "no-store")
        is_refresh = self.get_body_argument("grant_type", "") == "refresh_token"
        issued = self._grants.issue(self.get_body_argument("refresh_token" if is_refresh else "code", ""))
        if issued is None:
            self.set_status(400)
            issued = {"error": "invalid_grant"}
        self.write(issued)
