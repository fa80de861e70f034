"""The two ends of a load: a server that answers at once, and a client that keeps so many requests in flight.

Plain asyncio protocols, each in a process of its own, so that the proxy between them is what is measured.
"""

import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NoReturn

_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + b'{"users": ["someone else"]}'
)
_CONNECTIONS = 16


class _Server(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            self._buffer = self._buffer.partition(b"\r\n\r\n")[2]
            self._transport.write(_RESPONSE)


@contextmanager
def upstream() -> Iterator[int]:
    """Run the server in a process; gives its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class _Client(asyncio.Protocol):
    """One connection that sends the next request when it has the answer to the last."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.endswith(b'{"users": ["someone else"]}'):
            assert self._buffer.startswith(b"HTTP/1.1 200"), self._buffer[:200]
            self._buffer = b""
            self._latencies.append(time.perf_counter() - self._sent)
            self._send()


def load(port: int, request: bytes, seconds: float) -> list[float]:
    """Send this request over and over in a process of its own; return the latency of each, in seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_load, args=(theirs, port, request, seconds), daemon=True)
    process.start()
    theirs.close()
    try:
        latencies: list[float] = ours.recv()
    except EOFError:
        fail("the client died; its traceback stands above")
    process.join()
    return latencies


def _load(parent: Connection, port: int, request: bytes, seconds: float) -> None:
    latencies: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        connections = [
            await loop.create_connection(lambda: _Client(request, latencies), "127.0.0.1", port)
            for _ in range(_CONNECTIONS)
        ]
        await asyncio.sleep(seconds)
        for transport, _ in connections:
            transport.abort()

    asyncio.run(run())
    parent.send(latencies)


def fail(message: str) -> NoReturn:
    """End the benchmark with a line that says why."""
    sys.exit(f"benchmark: {message}")
