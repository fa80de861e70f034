"""Apps that sign in by client libraries which are not ours, sent through the proxy."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from requests import Response, Session
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as RequestsSession
from tests.oauth.issuer import secret_of
from tests.oauth.stage import REDIRECT_URI, SCOPE, Stage

type Token = Mapping[str, Any]


class App(Protocol):
    """What an app does, whichever its library."""

    def authorize_url(self, **more: str) -> str:
        """Return where the browser is to be sent."""

    def fetch(self, callback: str) -> Token:
        """Exchange the code that the app was called back with."""

    def refresh(self, **more: str) -> Token:
        """Get the next token."""

    def call(self, url: str) -> Response:
        """Call the API."""


class WithAuthlib:
    """An app on Authlib."""

    def __init__(
        self,
        stage: Stage,
        client: str,
        scope: str | None = SCOPE,
        token: Token | None = None,
        *,
        method: str = "client_secret_basic",
        pkce: bool = True,
    ) -> None:
        """Begin without a token, or go on with one that was stored."""
        self._stage = stage
        self._session = AuthlibSession(
            client,
            secret_of(client),
            token_endpoint_auth_method=method,
            scope=scope,
            redirect_uri=REDIRECT_URI,
            token=token,
            code_challenge_method="S256" if pkce else None,
        )
        _through(self._session, stage)
        self._verifier = "a-verifier-of-at-least-forty-three-characters" if pkce else None

    def authorize_url(self, **more: str) -> str:
        """See `App`."""
        url, self._state = self._session.create_authorization_url(
            self._stage.authorize_url, code_verifier=self._verifier, **more
        )
        return str(url)

    def fetch(self, callback: str) -> Token:
        """See `App`."""
        token: Token = self._session.fetch_token(
            self._stage.token_url, authorization_response=callback, code_verifier=self._verifier, state=self._state
        )
        return token

    def refresh(self, **more: str) -> Token:
        """See `App`."""
        token: Token = self._session.refresh_token(self._stage.token_url, **more)
        return token

    def call(self, url: str) -> Response:
        """See `App`."""
        return self._session.get(url)


class WithRequestsOAuthlib:
    """An app on requests-oauthlib, which sends Basic unless it is told that the id belongs into the body."""

    def __init__(
        self,
        stage: Stage,
        client: str,
        scope: str | None = SCOPE,
        token: Token | None = None,
        *,
        method: str = "client_secret_basic",
        pkce: bool = False,
    ) -> None:
        """Begin without a token, or go on with one that was stored."""
        self._stage = stage
        scopes = None if scope is None else scope.split()
        self._session = RequestsSession(
            client, scope=scopes, redirect_uri=REDIRECT_URI, token=token, pkce="S256" if pkce else None
        )
        _through(self._session, stage)
        secret = secret_of(client)
        in_body = method == "client_secret_post"
        self._auth: dict[str, Any] = (
            {"client_id": client, "client_secret": secret} if in_body else {"auth": HTTPBasicAuth(client, secret)}
        )
        self._fetching = {"include_client_id": True, "client_secret": secret} if in_body else self._auth

    def authorize_url(self, **more: str) -> str:
        """See `App`."""
        url, _ = self._session.authorization_url(self._stage.authorize_url, **more)
        return str(url)

    def fetch(self, callback: str) -> Token:
        """See `App`."""
        token: Token = self._session.fetch_token(
            self._stage.token_url, authorization_response=callback, **self._fetching
        )
        return token

    def refresh(self, **more: str) -> Token:
        """See `App`."""
        given: dict[str, Any] = {**self._auth, **more}
        token: Token = self._session.refresh_token(self._stage.token_url, **given)
        return token

    def call(self, url: str) -> Response:
        """See `App`."""
        return self._session.get(url)


LIBRARIES: Sequence[type[WithAuthlib] | type[WithRequestsOAuthlib]] = (WithAuthlib, WithRequestsOAuthlib)


def _through(session: Session, stage: Stage) -> None:
    session.trust_env = False
    session.proxies = stage.proxies
    session.verify = stage.ca
