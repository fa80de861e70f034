"""Ends the proxy without cutting off what is in flight: it takes nothing new, and waits for the rest for a while.

Whoever sends requests here is told at once, each in its own way: `/readyz` says no, the ports are closed, idle
connections end, HTTP/1 answers say `Connection: close`, HTTP/2 clients get GOAWAY.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import asyncio
import logging
import time
from asyncio import StreamWriter
from collections.abc import Callable
from contextlib import suppress

import structlog
from mitmproxy.master import Master
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler

from orgfence.proxy.lifetime import in_flight
from orgfence.proxy.lifetime.in_flight import ANY_STREAM, Doing
from orgfence.proxy.listening import proxyserver_of

#: How long to wait for what is in flight. Kubernetes kills after 30 s.
DRAIN_SECONDS = 20.0
# How long to wait for what nobody can tell the end of, such as a tunnel, from the last byte on that it moved.
_QUIET_SECONDS = 2.0
# How long an HTTP/2 client gets to hear that it is to send no more; and, before it is told, to come to its end. Several
# client libraries give up what is in flight when they hear of it.
_NOTICE_SECONDS = 1.0
_LOOK_SECONDS = 0.05


class Draining:
    """Ends a running master: in order, or at once."""

    def __init__(self, master: Master, limit: float, begun: Callable[[], None]) -> None:
        """Wait for no more than `limit` seconds; `begun` is called at the beginning."""
        self._master = master
        self._limit = limit
        self._begun = begun
        self._clients: dict[int, _Client] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def begin(self) -> None:
        """End it when nothing is in flight any more; when called again, at once."""
        if not proxyserver_of(self._master).is_running:
            self._master.shutdown()
            return
        if self._task is not None or not self._limit:
            self._hurry.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="draining")

    def stop(self) -> None:
        """End it at once."""
        self._hurry.set()
        self.begin()

    async def _run(self) -> None:
        try:
            await self._drain()
        finally:
            # Whatever went wrong here, it was told to end.
            self._master.shutdown()

    async def _drain(self) -> None:
        started = time.monotonic()
        self._begun()
        await self._stop_listening()
        if not self._hurry.is_set():
            requests, tunnels = _counts(self._look())
            structlog.get_logger().info(
                "draining", connections=len(self._clients), requests=requests, tunnels=tunnels, limit=self._limit
            )
        # Also where a client has so much to say that it takes long to be told.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limit):
                await self._urge_all(started)

        cut = self._look()
        for client, doing in cut:
            in_flight.cut(client.handler, doing)
        requests, tunnels = _counts(cut)
        structlog.get_logger().log(
            logging.WARNING if requests or tunnels else logging.INFO,
            "stopped",
            requests_cut=requests,
            tunnels_cut=tunnels,
            seconds=round(time.monotonic() - started, 1),
        )

    async def _urge_all(self, started: float) -> None:
        while not self._hurry.is_set():
            looked = time.monotonic()
            for client, doing in self._look():
                await client.urge(doing, started)
            if not self._clients:
                break
            # To look at thousands of connections must leave the time to serve them.
            pause = max(_LOOK_SECONDS, 4 * (time.monotonic() - looked))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)

    async def _stop_listening(self) -> None:
        # Twice round the loop, for connections that the system has taken for us: closing the port would reset them.
        for _ in range(2):
            await asyncio.sleep(0)
        for server in proxyserver_of(self._master).servers:
            if server.is_running:
                await server.stop()

    def _look(self) -> list[tuple["_Client", Doing]]:
        """Return each client whose connection is open, those that came a moment ago too, and what it is doing."""
        handlers = {id(handler): handler for handler in proxyserver_of(self._master).connections.values()}
        for number in self._clients.keys() - handlers.keys():
            # mitmproxy is done with it, but what it wrote may not be out yet.
            if not self._clients[number].is_written_to:
                del self._clients[number]
        for number, handler in handlers.items():
            if number not in self._clients:
                self._clients[number] = _Client(handler)
        return [(self._clients[number], in_flight.look_at(handler)) for number, handler in handlers.items()]


def _counts(clients: list[tuple["_Client", Doing]]) -> tuple[int, int]:
    """Return how many requests are in flight, and how many tunnels have moved a byte a moment ago."""
    requests = sum(doing.requests for _, doing in clients)
    return requests, sum(doing.is_opaque and not client.is_quiet for client, doing in clients)


class _Client:
    """One client, and what it was told."""

    def __init__(self, handler: ConnectionHandler) -> None:
        self.handler = handler
        transport = handler.transports.get(handler.client)
        self._writer = transport and transport.writer
        # mitmproxy's own note of when a byte last moved; by which clock does not matter.
        self._activity = handler.timeout_watchdog.last_activity
        self._moved = time.monotonic()
        #: The HTTP connection that was told, because a tunnel may have another one later; when; and whether for good.
        self._told: Layer | None = None
        self._told_at = 0.0
        self._told_all = False

    @property
    def is_quiet(self) -> bool:
        """Whether no byte has moved for a while."""
        if self._activity != self.handler.timeout_watchdog.last_activity:
            self._activity = self.handler.timeout_watchdog.last_activity
            self._moved = time.monotonic()
        return time.monotonic() - self._moved >= _QUIET_SECONDS

    @property
    def is_written_to(self) -> bool:
        """Whether something that was written to it is not out yet."""
        return isinstance(self._writer, StreamWriter) and self._writer.transport.get_write_buffer_size() > 0

    async def urge(self, doing: Doing, started: float) -> None:
        """Bring this connection closer to its end, where that loses nothing."""
        if isinstance(doing.server, Http1Server) and self._told is not doing.server:
            # Also where no request is in flight yet: one whose head is under way may be answered before the next look.
            self._told = doing.server
            in_flight.close_after_answer(doing.server)
        if doing.is_opaque:
            if self.is_quiet:
                in_flight.close(self.handler)
        elif isinstance(doing.server, Http2Server):
            await self._urge_http2(doing, started)
        elif not doing.requests and not in_flight.has_unread_bytes(self.handler):
            in_flight.close(self.handler)

    async def _urge_http2(self, doing: Doing, started: float) -> None:
        # RFC 9113 section 6.8: told in two steps, nothing is refused that was sent before the first one came.
        now = time.monotonic()
        if self._told is not doing.server:
            if not doing.requests or now - started >= _NOTICE_SECONDS:
                self._told, self._told_at = doing.server, now
                await in_flight.go_away(self.handler, doing, ANY_STREAM)
        elif not self._told_all and now - self._told_at >= _NOTICE_SECONDS:
            self._told_all = True
            await in_flight.go_away(self.handler, doing)
        elif self._told_all and not doing.requests:
            in_flight.close(self.handler)
