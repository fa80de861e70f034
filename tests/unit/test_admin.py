"""The admin server, asked over a real socket by a real client."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.registry import Collector

from orgfence.observe.admin import AdminServer, LastReload, PolicyState, Readiness
from orgfence.observe.metrics import Metrics

POLICY = PolicyState(source="policy.yaml", loaded_at="2026-10-18T12:00:00Z")
READY = Readiness(generation="3fa9c1", rules=3, listening=("127.0.0.1:8080",), policy=POLICY)
LOOPBACK = "127.0.0.1"


def serve(
    ask: Callable[[httpx.AsyncClient], Awaitable[None]],
    readiness: Callable[[], Readiness] = lambda: READY,
    metrics: Metrics | None = None,
    host: str = LOOPBACK,
) -> None:
    """Run the server for as long as `ask` talks to it."""

    async def run() -> None:
        server = AdminServer(metrics or Metrics(), readiness)
        _, port = server.listen(host, 0)
        try:
            async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client:
                await ask(client)
        finally:
            await server.close()

    asyncio.run(run())


def test_metrics_are_served_as_text() -> None:
    """Without an `Accept` of its own a client gets the classic format."""
    metrics = Metrics()
    metrics.count_tls_failed_client()

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "content-encoding" not in response.headers
        assert "\norgfence_tls_failed_clients_total 1.0\n" in response.text

    serve(ask, metrics=metrics)


def test_metrics_are_negotiated() -> None:
    """Prometheus asks for OpenMetrics, and for gzip."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5"

    async def ask(client: httpx.AsyncClient) -> None:
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        async with client.stream("GET", "/metrics", headers=headers) as response:
            assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
            assert response.headers["content-encoding"] == "gzip"
            body = b"".join([chunk async for chunk in response.aiter_raw()])
        assert gzip.decompress(body).endswith(b"# EOF\n")

    serve(ask)


def test_health_is_a_word() -> None:
    """A live event loop answers; that is all a liveness probe may ask."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/healthz")
        assert (response.status_code, response.text) == (200, "ok\n")

    serve(ask, readiness=lambda: Readiness(generation="", rules=0, listening=(), policy=POLICY, reasons=("no policy",)))


@pytest.mark.parametrize(
    ("readiness", "status", "body"),
    [
        (READY, 200, {"ready": True, "rules": 3, "listening": ["127.0.0.1:8080"], "reasons": []}),
        (
            Readiness(generation="3fa9c1", rules=0, listening=(), policy=POLICY, reasons=("nothing listens",)),
            503,
            {"ready": False, "rules": 0, "listening": [], "reasons": ["nothing listens"]},
        ),
    ],
)
def test_readiness_says_why_not(readiness: Readiness, status: int, body: dict[str, object]) -> None:
    """200 or 503 for the probe, and the state in JSON for whoever wonders."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/readyz")
        assert response.status_code == status
        assert response.headers["content-type"] == "application/json"
        document = response.json()
        assert document.pop("policy")["source"] == "policy.yaml"
        assert document == body | {"generation": "3fa9c1"}

    serve(ask, lambda: readiness)


def test_a_policy_that_cannot_be_reloaded_is_told_and_no_reason_against() -> None:
    """Still ready, by the last good policy; what is wrong stands beside it, for whoever looks."""
    policy = replace(
        POLICY, last_reload=LastReload.FAILED, problem="It cannot be used.", faults=("a.yaml:1:2: x",), fault_count=1
    )

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/readyz")
        assert (response.status_code, response.json()["ready"]) == (200, True)
        assert response.json()["policy"] == {
            "source": "policy.yaml",
            "loaded_at": "2026-10-18T12:00:00Z",
            "last_reload": "failed",
            "problem": "It cannot be used.",
            "faults": ["a.yaml:1:2: x"],
            "fault_count": 1,
        }

    serve(ask, lambda: replace(READY, policy=policy))


def test_readiness_is_asked_for_each_time() -> None:
    """The answer is of now."""
    states = iter((READY, Readiness(generation="x", rules=0, listening=(), policy=POLICY, reasons=("stopping",))))

    async def ask(client: httpx.AsyncClient) -> None:
        assert [(await client.get("/readyz")).status_code for _ in range(2)] == [200, 503]

    serve(ask, lambda: next(states))


def test_a_failing_page_tells_nothing() -> None:
    """An exception is a plain 500; its text may be anything."""

    def fail() -> Readiness:
        raise RuntimeError("secret")

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/readyz")
        assert (response.status_code, response.text) == (500, "Internal Server Error\n")

    serve(ask, fail)


@pytest.mark.parametrize("path", ["/", "/metrics/", "/METRICS", "/nothing<b>", "//metrics", "/healthz/x"])
def test_everything_else_is_not_found(path: str) -> None:
    """Only the three pages exist; the answer repeats nothing of the question."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get(path)
        assert (response.status_code, response.text) == (404, "Not Found\n")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"

    serve(ask)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_nothing_can_be_changed(method: str, path: str) -> None:
    """Only GET and HEAD are methods here."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, HEAD"

    serve(ask)


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/x", 404)])
def test_head_is_get_without_body(path: str, status: int) -> None:
    """Load balancers probe with HEAD."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.head(path)
        assert (response.status_code, response.content) == (status, b"")
        assert int(response.headers["content-length"]) > 0

    serve(ask)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_answer_has_the_same_safe_headers(method: str, path: str) -> None:
    """Not kept by caches, not sniffed, and no hint at what serves it."""

    async def ask(client: httpx.AsyncClient) -> None:
        headers = (await client.request(method, path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        assert "etag" not in headers

    serve(ask)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9464", 200),
        ("10.1.2.3:9464", 200),
        ("[::1]:9464", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("evil.example", 403),
        ("localhost.evil.example:9464", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example:127", 403),
    ],
)
def test_on_loopback_only_names_of_this_machine_are_hosts(host: str, status: int) -> None:
    """A web page whose name was made to resolve to 127.0.0.1 reads nothing (DNS rebinding)."""

    async def ask(client: httpx.AsyncClient) -> None:
        for path in ("/metrics", "/readyz"):
            assert (await client.get(path, headers={"Host": host})).status_code == status

    serve(ask)


def test_on_other_addresses_any_host_is_served() -> None:
    """A sidecar is scraped by pod address or by service name."""

    async def ask(client: httpx.AsyncClient) -> None:
        response = await client.get("/healthz", headers={"Host": "orgfence.staging.svc.cluster.local:9464"})
        assert response.status_code == 200

    serve(ask, host="0.0.0.0")


def test_an_address_in_use_is_the_callers_to_tell() -> None:
    """Whoever starts the server says which address it could not have."""

    async def run() -> None:
        with socket.create_server((LOOPBACK, 0)) as taken:
            server = AdminServer(Metrics(), lambda: READY)
            with pytest.raises(OSError, match="in use"):
                server.listen(LOOPBACK, taken.getsockname()[1])
            await server.close()

    asyncio.run(run())


def test_close_hangs_up_and_frees_the_port() -> None:
    """After `close` nothing answers, on open connections neither."""

    async def run() -> None:
        server = AdminServer(Metrics(), lambda: READY)
        host, port = server.listen(LOOPBACK, 0)
        reader, writer = await asyncio.open_connection(host, port)
        await server.close()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        assert server.listen(host, port) == (host, port)
        await server.close()

    asyncio.run(run())


def test_metrics_and_readiness_are_json_and_text_to_the_last_byte() -> None:
    """What a shell pipes on ends with a line end."""

    async def ask(client: httpx.AsyncClient) -> None:
        assert (await client.get("/metrics")).text.endswith("\n")
        assert json.loads((await client.get("/readyz")).text.removesuffix("\n"))["ready"] is True

    serve(ask)


def test_a_long_scrape_holds_nothing_up() -> None:
    """The loop that proxies goes on while many series are written out."""
    finish = threading.Event()

    class Slow(Collector):
        def collect(self) -> Iterable[Metric]:
            assert finish.wait(10)
            return []

    metrics = Metrics()
    metrics.registry.register(Slow())

    async def ask(client: httpx.AsyncClient) -> None:
        scrape = asyncio.ensure_future(client.get("/metrics"))
        assert (await client.get("/healthz")).status_code == 200
        assert not scrape.done()
        finish.set()
        assert (await scrape).status_code == 200

    serve(ask, metrics=metrics)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_listens_where_it_is_told(host: str) -> None:
    """Names and both families; the address that is returned is the one that answers."""

    async def run() -> None:
        server = AdminServer(Metrics(), lambda: READY)
        bound = server.listen(host, 0)
        async with httpx.AsyncClient(trust_env=False) as client:
            address = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
            assert (await client.get(f"http://{address}:{bound[1]}/healthz")).status_code == 200
            rebound = await client.get(f"http://{address}:{bound[1]}/healthz", headers={"Host": "evil.example"})
            assert rebound.status_code == 403
        await server.close()

    asyncio.run(run())
