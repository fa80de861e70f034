"""The admin server: metrics for Prometheus, health and readiness for whoever runs the process.

It runs on the event loop that proxies, so that `/healthz` answers only while requests are answered, too.
"""

import asyncio
import gzip
import ipaddress
import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, override

from prometheus_client.exposition import choose_encoder, gzip_accepted
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application, HTTPError, RequestHandler, url

from orgfence.observe.metrics import Metrics


class LastReload(StrEnum):
    """What came of the last change of the policy's files."""

    #: They have not changed since the start.
    NONE = "none"
    OK = "ok"
    #: They hold something that cannot be used, or cannot be looked at.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyState:
    """Where the policy in force comes from, and whether it still is what stands there."""

    #: As the operator knows it.
    source: str
    #: When it was loaded.
    loaded_at: str
    last_reload: LastReload = LastReload.NONE
    #: What a failure means, and what to do about it.
    problem: str | None = None
    #: The first things that are wrong, each with its place.
    faults: tuple[str, ...] = ()
    #: How many there are.
    fault_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether requests may be sent here, and what somebody who wonders why not wants to know."""

    #: That of the ruleset in force.
    generation: str
    #: How many rules it has.
    rules: int
    #: The addresses that the proxy listens on, `host:port`.
    listening: tuple[str, ...]
    #: A policy that cannot be loaded any more is no reason to send no requests: the last good one judges them.
    policy: PolicyState
    #: What stands in the way, each in a sentence; nothing: ready.
    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.reasons


class AdminServer:
    """Serves `/metrics`, `/healthz` and `/readyz`."""

    def __init__(self, metrics: Metrics, readiness: Callable[[], Readiness]) -> None:
        """Show these metrics; ask for the readiness at each request for it."""
        self._pages = [
            url("/metrics", _Metrics, {"metrics": metrics}),
            url("/healthz", _Health),
            url("/readyz", _Ready, {"readiness": readiness}),
        ]
        self._server: HTTPServer | None = None
        self._door: _Door | None = None

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Listen, with the running event loop, and return the address; port 0 picks a free one.

        Raises OSError where the address cannot be had.
        """
        listener = _bind(host, port)
        bound_host, bound_port, *_ = listener.getsockname()
        application = Application(
            self._pages,
            default_handler_class=_Page,
            log_function=lambda _handler: None,
            serve_traceback=False,
            loopback_only=ipaddress.ip_address(bound_host).is_loopback,
        )
        self._server = HTTPServer(
            application,
            max_header_size=_MAX_HEADER,
            # No page reads a body.
            max_body_size=_MAX_HEADER,
            idle_connection_timeout=_IDLE_SECONDS,
        )
        self._door = _Door(listener, self._server)
        return bound_host, bound_port

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._door is not None:
            self._door.close()
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None


_MAX_HEADER = 16 * 1024
# Prometheus scrapes once a minute or more often, over a connection that it keeps.
_IDLE_SECONDS = 90.0


class _Door:
    """Takes connections for a server, and waits for a moment where none can be had.

    tornado would try again at once, and for ever, when the process is out of file descriptors.
    """

    def __init__(self, listener: socket.socket, server: HTTPServer) -> None:
        self._listener = listener
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._reopening: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Take no more, and give the port back."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _open(self) -> None:
        self._reopening = None
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._loop.remove_reader(self._listener)
            self._reopening = self._loop.call_later(_REOPEN_SECONDS, self._open)
            return
        self._server.handle_stream(IOStream(connection), address)


_REOPEN_SECONDS = 1.0


def _bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; of a name with several addresses, IPv4 comes first."""
    addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = min(addresses)
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    # Not tornado's bind_sockets: that leaves the socket open where bind fails.
    listener = socket.create_server(address, family=family, dualstack_ipv6=both)
    listener.setblocking(False)
    return listener


class _Page(RequestHandler):
    """What all pages have in common; by itself it is the page that is not there."""

    SUPPORTED_METHODS = ("GET", "HEAD")

    @override
    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    @override
    def prepare(self) -> None:
        # DNS rebinding: a page on the web may have its own name resolve to 127.0.0.1 and read what is served
        # here, but it cannot change the Host that its browser sends. A sidecar is asked by pod address or
        # service name, and of those there is no list.
        if self.settings["loopback_only"] and not _names_this_machine(self.request.host_name):
            raise HTTPError(HTTPStatus.FORBIDDEN)

    async def get(self) -> None:
        """Answer; here with 404."""
        raise HTTPError(HTTPStatus.NOT_FOUND)

    async def head(self) -> None:
        """Answer like GET; tornado leaves out the body."""
        await self.get()

    @override
    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.SUPPORTED_METHODS))
        self.finish(f"{HTTPStatus(status_code).phrase}\n")

    @override
    def compute_etag(self) -> None:
        """Nothing here is to be kept by anyone."""


class _Metrics(_Page):
    """What Prometheus scrapes."""

    def initialize(self, metrics: Metrics) -> None:
        """Take the metrics."""
        self._registry = metrics.registry

    @override
    async def get(self) -> None:
        encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        # Ten thousand series take a twentieth of a second; requests go on meanwhile.
        body = await asyncio.to_thread(encode, self._registry)
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept, Accept-Encoding")
        if gzip_accepted(self.request.headers.get("Accept-Encoding", "")):
            self.set_header("Content-Encoding", "gzip")
            body = await asyncio.to_thread(gzip.compress, body)
        self.finish(body)


class _Health(_Page):
    """Whether the event loop still turns."""

    @override
    async def get(self) -> None:
        self.finish("ok\n")


class _Ready(_Page):
    """Whether requests may be sent here."""

    def initialize(self, readiness: Callable[[], Readiness]) -> None:
        """Take what knows."""
        self._readiness = readiness

    @override
    async def get(self) -> None:
        readiness = self._readiness()
        self.set_status(HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"ready": readiness.ready, **asdict(readiness)}) + "\n")


def _names_this_machine(host: str) -> bool:
    """Return whether this Host, lower-case and without port, is no name that somebody else may have pointed here."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
