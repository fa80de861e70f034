"""An issuer that behaves like the one of the user story, a program of its own.

It mints tokens for one org: the one that the authorize request names in `org_id` with `multi_org=true` beside it; else,
without a word, the user's first. It strips the scopes that a refresh does not repeat. A refresh that names another org
than its grant's is answered by 200 and a token for the grant's own. Refresh tokens rotate, and a spent one revokes its
grant. Everybody is signed in at once, by way of a page of its own, and every client's secret is `secret_of` it.

What it does otherwise for a client stands in the client's id, behind dots (`app.opaque.gzip`):

* `refuses`: a refresh for another org is answered by 403;
* `first`: what the client gets for itself is for the first org, whatever it asks for;
* `lenient`: a refresh keeps its scopes;
* `opaque`: access tokens are no JWTs;
* `gzip`, `chunked`: so its token answers come;
* `huge`: they have 20 MiB.
"""

import base64
import gzip
import hashlib
import json
import secrets
from urllib.parse import parse_qsl, unquote_plus, urlencode

from tests.oauth.serving import Answer, Request, document, serve
from tests.oauth.tokens import LIFETIME, ORGS, access_token, in_tokens

HUGE = 20 * 1024 * 1024
SAML2 = "urn:ietf:params:oauth:grant-type:saml2-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def secret_of(client: str) -> str:
    """Return a client's secret."""
    return f"s3cret-{client}-value"


class OAuthError(Exception):
    """An answer by RFC 6749 section 5.2."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.error, self.status = error, status


class Grant:
    """What a client was granted."""

    def __init__(self, client: str, org: str, scopes: list[str]) -> None:
        self.client, self.org, self.scopes = client, org, scopes
        self.is_revoked = False


class Issuer:
    """All its endpoints, and what it remembers."""

    def __init__(self) -> None:
        #: The parameters of what was pushed, by `request_uri`.
        self._pushed: dict[str, dict[str, str]] = {}
        #: The parameters of sign-ins that have begun, by their ids.
        self._interactions: dict[str, dict[str, str]] = {}
        self._codes: dict[str, tuple[Grant, dict[str, str]]] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        self._spent: dict[str, Grant] = {}

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        endpoints = {
            ("GET", "/oauth/authorize"): self._authorize,
            ("GET", "/login"): self._log_in,
            ("POST", "/oauth/par"): self._push,
            ("POST", "/oauth/token"): self._token,
            # RFC 7009: 200 whatever the token.
            ("POST", "/oauth/token/revocation"): lambda _: Answer(200),
        }
        endpoint = endpoints.get((request.method, request.path))
        try:
            if endpoint is not None:
                return endpoint(request)
            if request.path.startswith("/oauth/authorize/"):
                return self._end_sign_in(request.path.rpartition("/")[2])
        except OAuthError as error:
            challenge = {"www_authenticate": 'Basic realm="issuer"'} if error.status == 401 else {}
            said = {"error": error.error, "error_description": "The request could not be processed."}
            return document(error.status, said, **challenge)
        return Answer(404)

    def _authorize(self, request: Request) -> Answer:
        """Begin a sign-in: off to the sign-in page, from which the browser comes back without any parameter."""
        wanted = self._pushed.pop(request.query.get("request_uri", ""), request.query)
        if "redirect_uri" not in wanted:
            raise OAuthError("invalid_request")
        interaction = secrets.token_urlsafe(8)
        self._interactions[interaction] = wanted
        return _redirect("/login", {"uid": interaction})

    def _log_in(self, request: Request) -> Answer:
        return Answer(302, {"location": f"/oauth/authorize/{request.query['uid']}"})

    def _end_sign_in(self, interaction: str) -> Answer:
        """Send the browser off to the client."""
        wanted = self._interactions.pop(interaction, None)
        if wanted is None:
            raise OAuthError("invalid_request")
        asked = wanted.get("org_id", "")
        org = asked if wanted.get("multi_org") == "true" and asked in ORGS.values() else ORGS["acme"]
        grant = Grant(wanted["client_id"], org, wanted.get("scope", "").split())
        state = {"state": wanted["state"]} if "state" in wanted else {}
        code = f"code-{secrets.token_urlsafe(16)}"
        self._codes[code] = grant, wanted
        return _redirect(wanted["redirect_uri"], {"code": code, **state})

    def _push(self, request: Request) -> Answer:
        wanted = _parameters(request)
        client = _client_of(request, wanted)
        request_uri = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(16)}"
        self._pushed[request_uri] = {**wanted, "client_id": client}
        return document(201, {"request_uri": request_uri, "expires_in": 60})

    def _token(self, request: Request) -> Answer:
        asked = _parameters(request)
        client = _client_of(request, asked)
        grant_type = asked.get("grant_type")
        scopes = asked.get("scope", "").split()
        if grant_type == "authorization_code":
            return self._issue(self._grant_of_code(client, asked), None)
        if grant_type == "refresh_token":
            grant = self._grant_of_refresh_token(client, asked)
            return self._issue(grant, grant.scopes if "lenient" in words_of(client) else scopes)
        if grant_type in {"client_credentials", SAML2, TOKEN_EXCHANGE}:
            org = asked.get("org_id") or asked.get("orgName") or "acme"
            org = "acme" if "first" in words_of(client) else org
            return self._issue(Grant(client, ORGS.get(org, org), scopes), None, refreshable=False)
        raise OAuthError("unsupported_grant_type")

    def _grant_of_code(self, client: str, asked: dict[str, str]) -> Grant:
        grant, wanted = self._codes.pop(asked.get("code", ""), (None, {}))
        if grant is None or grant.client != client or asked.get("redirect_uri") != wanted["redirect_uri"]:
            raise OAuthError("invalid_grant")
        challenge = wanted.get("code_challenge")
        if challenge is not None:
            digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
            if challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                raise OAuthError("invalid_grant")
        return grant

    def _grant_of_refresh_token(self, client: str, asked: dict[str, str]) -> Grant:
        token = asked.get("refresh_token", "")
        if token in self._spent:
            self._spent[token].is_revoked = True
        grant = self._refresh_tokens.get(token)
        if grant is None or grant.client != client or grant.is_revoked:
            raise OAuthError("invalid_grant")
        if "refuses" in words_of(client) and asked.get("org_id", grant.org) != grant.org:
            raise OAuthError("access_denied", 403)
        self._spent[token] = self._refresh_tokens.pop(token)
        return grant

    def _issue(self, grant: Grant, scopes: list[str] | None, *, refreshable: bool = True) -> Answer:
        words = words_of(grant.client)
        scopes = in_tokens(grant.scopes if scopes is None else scopes)
        issued: dict[str, object] = {
            "access_token": access_token(grant.client, grant.org, scopes, opaque="opaque" in words),
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": " ".join(scopes),
        }
        if refreshable:
            token = f"rt-{secrets.token_urlsafe(16)}"
            self._refresh_tokens[token] = grant
            issued["refresh_token"] = token
        if "huge" in words:
            issued["padding"] = "x" * HUGE
        answer = document(200, issued, cache_control="no-store")
        if "gzip" in words:
            answer = Answer(200, {**answer.headers, "content-encoding": "gzip"}, gzip.compress(answer.body))
        return answer._replace(in_pieces="chunked" in words)


def words_of(client: str) -> frozenset[str]:
    """Return what a client's id says of how it is to be treated."""
    return frozenset(client.split(".")[1:])


def _redirect(location: str, parameters: dict[str, str]) -> Answer:
    return Answer(302, {"location": f"{location}?{urlencode(parameters)}"})


def _parameters(request: Request) -> dict[str, str]:
    """Return what a body says, a form's or JSON's."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return dict(json.loads(request.body))
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except ValueError:
        raise OAuthError("invalid_request") from None


def _client_of(request: Request, parameters: dict[str, str]) -> str:
    """Return who asks, by `Authorization: Basic` or by the body."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client, _, secret = map(unquote_plus, base64.b64decode(credentials).decode().partition(":"))
    else:
        client, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
    if secret != secret_of(client):
        raise OAuthError("invalid_client", 401)
    return client


if __name__ == "__main__":
    serve(Issuer().answer)
