"""aiohttp's requests."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import HttpVersion11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest
from multidict import CIMultiDict, CIMultiDictProxy
from tests.servers.server import Channel, PythonServer, Sent, Server, header_fields
from yarl import URL


class _AioHttp(PythonServer):
    """Its streams want a loop, though nobody waits."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        super().__init__(
            "aiohttp",
            aiohttp.__version__,
            {
                Channel.QUERY: {"query": _query},
                Channel.FORM: {"post": lambda sent, name: self._runner.run(_form(sent, name))},
                Channel.COOKIE: {"cookies": _cookie},
                Channel.JSON: {"json": lambda sent, name: self._runner.run(_json(sent, name))},
                Channel.HOST: {"host": _host},
            },
        )

    def close(self) -> None:
        self._runner.close()


def start() -> Server:
    """Return the server."""
    return _AioHttp()


def _query(sent: Sent, name: str) -> Any:
    return _request(query=_text(sent.data)).query.getall(name)


def _cookie(sent: Sent, name: str) -> Any:
    return _request({"Cookie": _text(sent.data)}).cookies[name]


def _host(sent: Sent, name: str) -> Any:
    return _request(CIMultiDict((_text(key), _text(value)) for key, value in header_fields(sent))).url.host


async def _form(sent: Sent, name: str) -> Any:
    return (await _posted(sent).post()).getall(name)


async def _json(sent: Sent, name: str) -> Any:
    return (await _posted(sent).json())[name]


def _posted(sent: Sent) -> BaseRequest:
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    payload.feed_data(sent.data)
    payload.feed_eof()
    return _request({"Content-Type": _text(sent.content_type)}, payload=payload)


def _text(data: bytes) -> str:
    """Decode as its parsers of a request's head do."""
    return data.decode("utf-8", "surrogateescape")


class _Nobody:
    """Stands for the connection, of which only what it is asked for is there."""

    transport = ssl_context = peername = sockname = None
    _task = None


def _request(
    headers: Mapping[str, str] | None = None, query: str = "", payload: StreamReader | None = None
) -> BaseRequest:
    fields = CIMultiDictProxy(CIMultiDict(headers or {}))
    # As its parser of a request line makes it.
    url = URL.build(path="/", query_string=query, encoded=True)
    message = RawRequestMessage("POST", "/", HttpVersion11, fields, (), False, None, False, False, url)
    nobody: Any = _Nobody()
    return BaseRequest(message, payload or nobody, nobody, nobody, nobody, nobody)
