"""Starlette's requests, which FastAPI's are too, behind hypercorn's middleware for proxies."""

import asyncio
from typing import Any

import starlette
from hypercorn.middleware import ProxyFixMiddleware
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from tests.servers.server import Channel, PythonServer, Sent, Server, header_fields


def start() -> Server:
    """Return the server."""
    return PythonServer(
        "Starlette",
        starlette.__version__,
        {
            Channel.QUERY: {"query_params": _query},
            Channel.FORM: {"form": _form},
            Channel.COOKIE: {"cookies": _cookie},
            Channel.JSON: {"json": _json},
            Channel.HOST: {
                "URL": lambda sent, _: _host(_scope(header_fields(sent))),
                "URL, hypercorn legacy": lambda sent, _: _behind_hypercorn(sent, "legacy"),
                "URL, hypercorn modern": lambda sent, _: _behind_hypercorn(sent, "modern"),
            },
        },
    )


def _scope(headers: list[tuple[bytes, bytes]], query: bytes = b"") -> Scope:
    lowered = [(name.lower(), value) for name, value in headers]
    return {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/",
        "query_string": query,
        "headers": lowered,
        "server": ("internal", 80),
    }


def _query(sent: Sent, name: str) -> Any:
    return Request(_scope([], sent.data)).query_params.getlist(name)


def _cookie(sent: Sent, name: str) -> Any:
    return Request(_scope([(b"cookie", sent.data)])).cookies[name]


def _posted(sent: Sent) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": sent.data}

    return Request(_scope([(b"content-type", sent.content_type)]), receive)


def _form(sent: Sent, name: str) -> Any:
    async def read() -> Any:
        return (await _posted(sent).form()).getlist(name)

    return _run(read())


def _json(sent: Sent, name: str) -> Any:
    async def read() -> Any:
        return (await _posted(sent).json())[name]

    return _run(read())


def _host(scope: Scope) -> str | None:
    return Request(scope).url.hostname


def _behind_hypercorn(sent: Sent, mode: Any) -> Any:
    seen: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(_host(scope))

    async def call() -> None:
        proxied: Any = ProxyFixMiddleware(app, mode=mode)  # type: ignore[arg-type]  # its types are of its own
        await proxied(_scope(header_fields(sent)), None, None)

    _run(call())
    return seen


def _run(coroutine: Any) -> Any:
    """Run what awaits nothing but bytes that are there, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise asyncio.InvalidStateError
