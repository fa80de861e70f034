"""The demo's two servers: an issuer of tokens, and an API that serves several orgs.

The API judges tokens itself, as every such API does, and its answer to a wrong one explains as little as usual.
"""

import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from orgfence.demo.certificates import SERVER_FILE

ISSUER = "https://issuer.example"
#: The orgs by name; the policy knows the same ones.
ORGS = {
    "acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01",
    "globex": "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02",
}
# Long enough for a day of playing with `--keep`.
_LIFETIME_SECONDS = 24 * 60 * 60


class Received(NamedTuple):
    """One request as the API saw it."""

    method: str
    path: str
    #: The values of its `Orgfence` headers.
    annotations: tuple[str, ...]


class Servers(NamedTuple):
    """Both of them, running."""

    #: Named by address, and the API by name, so that the policy can guard one of the two.
    issuer_url: str
    api_url: str
    #: What has reached the API, in order.
    received: list[Received]


@asynccontextmanager
async def running_servers(folder: Path) -> AsyncIterator[Servers]:
    """Serve on free ports of the loopback with the certificate in this folder, until the end of the block."""
    # What clients do wrong in a handshake is for them to read, not for the demo's page.
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    received: list[Received] = []
    issuer = HTTPServer(_application([(r"/oauth/token", _Token, {"key": key})]), ssl_options=_context(folder))
    settings = {"public_key": key.public_key(), "received": received}
    api = HTTPServer(
        _application(
            [
                (r"/api/v2/organizations/([^/]+)/users", _Users, settings),
                (r"/api/v2/reports/([^/]+)", _Reports, settings),
            ]
        ),
        ssl_options=_context(folder),
    )
    try:
        issuer_port, api_port = _listen(issuer), _listen(api)
        yield Servers(f"https://127.0.0.1:{issuer_port}", f"https://localhost:{api_port}", received)
    finally:
        for server in (issuer, api):
            server.stop()
            await server.close_all_connections()


class _Token(RequestHandler):
    """`POST /oauth/token`: the client credentials grant (RFC 6749 section 4.4), to whoever asks."""

    def initialize(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def post(self) -> None:
        self.set_header("Cache-Control", "no-store")
        if self.get_body_argument("grant_type", "") != "client_credentials":
            self._refuse("unsupported_grant_type", "Use `grant_type=client_credentials`.")
            return
        org = self.get_body_argument("org_id", "")
        org_id = ORGS.get(org, org)
        if org_id not in ORGS.values():
            self._refuse("invalid_request", f"`org_id` is one of: {', '.join(ORGS)}.")
            return
        scope = self.get_body_argument("scope", "")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": self.get_body_argument("client_id", "demo-app"),
            "org_ids": [org_id],
            "scope": scope,
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        self.write(
            {
                "access_token": jwt.encode(claims, self._key, algorithm="RS256"),
                "token_type": "Bearer",
                "expires_in": _LIFETIME_SECONDS,
                "scope": scope,
            }
        )

    def _refuse(self, error: str, description: str) -> None:
        self.set_status(400)
        self.write({"error": error, "error_description": description})


class _OfAnOrg(RequestHandler):
    """What every part of the API does: notes the request, and judges the token."""

    def initialize(self, public_key: rsa.RSAPublicKey, received: list[Received]) -> None:
        self._public_key = public_key
        self._received = received

    def prepare(self) -> None:
        request = self.request
        annotations = tuple(request.headers.get_list("Orgfence"))
        self._received.append(Received(request.method or "", request.path, annotations))

    def get(self, org: str) -> None:
        _, _, token = self.request.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, self._public_key, algorithms=["RS256"], issuer=ISSUER)
        except jwt.InvalidTokenError:
            self.set_status(401)
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"')
            self.write({"code": "bad.credentials", "message": "Invalid login credentials."})
            return
        if ORGS.get(org, org) not in claims["org_ids"]:
            self.set_status(403)
            self.write({"code": "not.authorized", "message": "You are not authorized to perform this action."})
            return
        self.write(self.content(org))

    def content(self, org: str) -> dict[str, object]:
        raise NotImplementedError


class _Users(_OfAnOrg):
    """`GET /api/v2/organizations/{org}/users`."""

    def content(self, org: str) -> dict[str, object]:
        return {"organization": org, "users": ["Ada", "Grace"]}


class _Reports(_OfAnOrg):
    """`GET /api/v2/reports/{org}`."""

    def content(self, org: str) -> dict[str, object]:
        return {"organization": org, "calls_answered": 1843}


def _application(handlers: list[tuple[str, type[RequestHandler], dict[str, object]]]) -> Application:
    # Without its own line a request; the demo prints what matters.
    return Application(handlers, log_function=lambda _: None)


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / SERVER_FILE)
    return context


def _listen(server: HTTPServer) -> int:
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    assert isinstance(port, int)
    return port
