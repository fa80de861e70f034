"""A client that sends many requests with many tokens: `python -m tests.bench.many_tokens PORT REQUESTS TOKENS SEED`.

In no order, over connections that stay, each with one request at a time. No other tool here varies a header.
"""

import asyncio
import random
import socket
import sys
import time
from collections.abc import Callable

from tests.bench.h2load import CONCURRENCY, HOST
from tests.bench.policies import PATH, token


class _Connection(asyncio.Protocol):
    def __init__(self, next_request: Callable[[], bytes | None], ended: Callable[[str | None], None]) -> None:
        self._next = next_request
        self._ended = ended
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self._transport.abort()
            self._ended(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # What answers ends every answer so.
        if self._buffer.endswith(b"]}"):
            if not self._buffer.startswith(b"HTTP/1.1 200"):
                self._ended(f"answered by `{self._buffer[:60]!r}`")
            self._buffer = b""
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        self._ended("the proxy closed the connection")


async def _run(port: int, requests: int, tokens: list[str]) -> None:
    loop = asyncio.get_running_loop()
    head = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer "
    left = requests

    def next_request() -> bytes | None:
        nonlocal left
        if not left:
            return None
        left -= 1
        return f"{head}{random.choice(tokens)}\r\n\r\n".encode()

    ends = []
    for _ in range(CONCURRENCY):
        end: asyncio.Future[str | None] = loop.create_future()
        ends.append(end)

        def ended(why: str | None, end: asyncio.Future[str | None] = end) -> None:
            if not end.done():
                end.set_result(why)

        await loop.create_connection(lambda ended=ended: _Connection(next_request, ended), "127.0.0.1", port)  # type: ignore[misc] # a default argument
    for why in await asyncio.gather(*ends):
        if why is not None:
            sys.exit(why)


if __name__ == "__main__":
    _port, _requests, _count, _seed = map(int, sys.argv[1:])
    random.seed(_seed)
    _tokens = [token(f"subject-{number}") for number in range(_count)]
    _began = time.monotonic()
    asyncio.run(_run(_port, _requests, _tokens))
    print(f"{_requests / (time.monotonic() - _began):,.0f} requests/s")
