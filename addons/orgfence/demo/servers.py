"""The demo's two servers: an issuer of tokens, and an API that serves several orgs.

The API judges tokens itself, as every such API does, and its answer to a wrong one explains as little as usual.
"""

import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from orgfence.demo.certificates import SERVER_FILE
from orgfence.demo.issuer import ISSUER, ORGS, Authorize, Grants, Token


class Received(NamedTuple):
    """One request as the API saw it."""

    method: str
    path: str
    #: The values of its `Orgfence` headers.
    annotations: tuple[str, ...]


class Servers(NamedTuple):
    """Both of them, running."""

    #: Named by address, and the API by name, so that the policy can tell the two apart.
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
    grants = {"grants": Grants(key)}
    endpoints = [(r"/oauth/authorize", Authorize, grants), (r"/oauth/token", Token, grants)]
    issuer = HTTPServer(_application(endpoints), ssl_options=_context(folder))
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


def _application(handlers: Sequence[tuple[str, type[RequestHandler], dict[str, Any]]]) -> Application:
    # Without its own line a request; the demo prints what matters.
    return Application([*handlers], log_function=lambda _: None)


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
