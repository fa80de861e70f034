"""What the tests' issuer and its API have in common: a plain port and one with TLS, and a record of what came.

`GET /_received` returns that record, and `DELETE /_received` empties it. Arguments: the PEM files of a certificate and
of its key. It says where it listens as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from hypercorn.asyncio import serve as serve_by_hypercorn
from hypercorn.config import Config
from tests.proxy.harness import listening_socket


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What it is answered with."""

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    #: Whether the body is sent in two pieces, and nothing says how long it is.
    in_pieces: bool = False


def document(status: int, content: Mapping[str, object], **headers: str) -> Answer:
    """Return an answer in JSON."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/json", **fields}, json.dumps(content).encode())


class Received(NamedTuple):
    """One request as the server saw it."""

    method: str
    #: Without the query.
    path: str
    #: The values of its `Orgfence` headers.
    annotations: list[str]


def serve(answer: Callable[[Request], Answer]) -> None:
    """Serve until the process is ended."""
    asyncio.run(_serve(answer))


async def _serve(answer: Callable[[Request], Answer]) -> None:
    plain, tls = listening_socket(), listening_socket()
    ports = {"plain": plain.getsockname()[1], "tls": tls.getsockname()[1]}
    config = Config()
    config.insecure_bind, config.bind = [f"fd://{plain.detach()}"], [f"fd://{tls.detach()}"]
    config.certfile, config.keyfile = sys.argv[1:]
    config.alpn_protocols = ["h2", "http/1.1"]
    config.keep_alive_timeout = 60
    config.errorlog = None
    received: list[Received] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            sys.stdout.write(json.dumps(ports) + "\n")
            sys.stdout.flush()
            await receive()
            return
        request = await _request(scope, receive)
        if request.path == "/_received":
            given = document(200, {"received": received})
            if request.method == "DELETE":
                received.clear()
        else:
            annotations = [value.decode() for name, value in scope["headers"] if name == b"orgfence"]
            received.append(Received(request.method, request.path, annotations))
            given = answer(request)
        await _send(given, send)

    await serve_by_hypercorn(app, config, mode="asgi")


async def _request(scope: Any, receive: Any) -> Request:
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        headers={name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
        body=b"".join(pieces),
    )


async def _send(answer: Answer, send: Any) -> None:
    headers = answer.headers if answer.in_pieces else {**answer.headers, "content-length": str(len(answer.body))}
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": fields})
    for piece in _pieces(answer):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _pieces(answer: Answer) -> Iterable[bytes]:
    middle = len(answer.body) // 2
    return (answer.body[:middle], answer.body[middle:]) if answer.in_pieces else (answer.body,)
