"""`orgfence run` between the tests' clients and their upstream: every way through it, its counters, its log.

One policy serves most tests. Its rules stand side by side in the path: `/{kind}/{rule}/{org}/…`, where the kind is
what upstream goes by (`/echo/block/acme/1`), so that a test chooses what is enforced by the path alone.
"""

import json
import os
import random
import socket
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import httpx
from tests.proxy.harness import (
    DEADLINE,
    Address,
    Answer,
    Headers,
    Http2Client,
    ProxyProcess,
    RawClient,
    Upstream,
    client_context,
    unsigned_token,
)

MIB = 1024 * 1024
ISS = "https://login.example.com"

POLICY = f"""
version: 1
orgs:
  acme: {{id: acme, aliases: [acme-inc]}}
  globex: {{id: globex}}
issuers:
  corp:
    iss: {ISS}
    claims: {{member: org_ids, scopes: scope}}
rules:
  - id: block
    match: {{hosts: [localhost], paths: ["/*/block/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
  - id: annotate
    match: {{hosts: [localhost], paths: ["/*/annotate/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: annotate
  - id: observe
    match: {{hosts: [localhost], paths: ["/*/observe/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: observe
  - id: strict
    match: {{hosts: [localhost], paths: ["/*/strict/{{org}}/**"]}}
    org: {{path: org}}
    token: {{scopes: [write], unauthenticated: block}}
    enforcement: block
  - id: places
    match: {{hosts: [localhost], paths: ["/*/places/{{org}}/**"]}}
    org: {{path: org}}
    token:
      from:
        - {{header: Authorization, scheme: Bearer}}
        - {{query: access_token}}
        - {{header: X-Api-Token}}
        - {{cookie: sid}}
      unauthenticated: block
    enforcement: block
"""


class AnyUpstream(Protocol):
    """What a proxy needs to know of an upstream."""

    ca_file: Path
    address: Address
    tls_address: Address

    @property
    def url(self) -> str:
        """The plain address."""

    @property
    def tls_url(self) -> str:
        """The same with TLS."""


class Way(NamedTuple):
    """One way through the proxy."""

    forward: bool
    tls: bool
    http2: bool

    def __str__(self) -> str:
        mode, scheme = "forward" if self.forward else "reverse", "https" if self.tls else "http"
        return f"{mode}-{scheme}-{'h2' if self.http2 else 'h1'}"


FORWARD_PLAIN = Way(True, False, False)
FORWARD_H1 = Way(True, True, False)
FORWARD_H2 = Way(True, True, True)
REVERSE_PLAIN = Way(False, False, False)
REVERSE_H1 = Way(False, True, False)
REVERSE_H2 = Way(False, True, True)
WAYS = (FORWARD_PLAIN, FORWARD_H1, FORWARD_H2, REVERSE_PLAIN, REVERSE_H1, REVERSE_H2)


def bearer(*orgs: str, **claims: Any) -> bytes:
    """Return an `Authorization` value: a token of the policy's issuer for these orgs."""
    return b"Bearer " + token(*orgs, **claims).encode()


def token(*orgs: str, **claims: Any) -> str:
    """Return a token of the policy's issuer for these orgs."""
    return unsigned_token(**{"iss": ISS, "org_ids": list(orgs), **claims})


def authorized(*orgs: str, **claims: Any) -> tuple[bytes, bytes]:
    """Return the `authorization` field of a token for these orgs."""
    return b"authorization", bearer(*orgs, **claims)


class GuardingProxy(ProxyProcess):
    """`orgfence run` by a policy: a forward proxy, a reverse proxy before upstream's plain port and one before TLS."""

    def __init__(
        self,
        upstream: AnyUpstream,
        policy: str | None = POLICY,
        *arguments: str,
        modes: Sequence[str] = (),
        launcher: Callable[[Path], Sequence[str]] | None = None,
    ) -> None:
        """Run by this policy's text, None for the starter; `launcher` stands in for `python -m orgfence run`.

        With `modes` of one's own there are other addresses than these three, and `url` and the clients are of no use.
        """
        self._upstream = upstream
        self._policy_folder = tempfile.TemporaryDirectory(prefix="orgfence-policy-")
        self.policy_file = Path(self._policy_folder.name) / "policy.yaml"
        named: list[str] = []
        if policy is not None:
            self.policy_file.write_text(policy)
            named = ["--policy", str(self.policy_file)]
        # Three spellings of one address, because mitmproxy takes the same with port 0 twice for a conflict. The
        # plainest is for the one that listens on UDP as well.
        ours = ["regular@127.1:0", f"reverse:{upstream.url}@127.0.1:0", f"reverse:{upstream.tls_url}@127.0.0.1:0"]
        trusted = f"ssl_verify_upstream_trusted_ca={upstream.ca_file}"
        super().__init__(
            [*named, *(word for mode in modes or ours for word in ("--mode", mode)), "--set", trusted, *arguments],
            command=launcher,
            ready=announced,
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self.admin = address_of(self.ready_value["admin"])
        listening = [address_of(mode["addresses"][0]) for mode in self.ready_value["proxy"]]
        if len(listening) == 3:
            self.forward, self.reverse, self.reverse_tls = listening
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        super().__exit__(kind, error, at)
        self._policy_folder.cleanup()

    @property
    def ca_file(self) -> Path:
        """What clients trust."""
        return self.confdir / "mitmproxy-ca-cert.pem"

    def url(self, way: Way) -> str:
        """Return what stands before the path in this way's URLs."""
        if way.forward:
            return self._upstream.tls_url if way.tls else f"http://localhost:{self._upstream.address[1]}"
        _, port = self.reverse_tls if way.tls else self.reverse
        return f"{'https' if way.tls else 'http'}://localhost:{port}"

    def client(self, way: Way, **settings: Any) -> httpx.Client:
        """Return an httpx client that goes this way."""
        return httpx.Client(
            base_url=self.url(way),
            proxy="http://%s:%d" % self.forward if way.forward else None,
            verify=client_context(self.ca_file),
            http1=not way.http2,
            http2=way.http2,
            trust_env=False,
            timeout=DEADLINE,
            **settings,
        )

    @contextmanager
    def raw(self, way: Way) -> Iterator[RawClient]:
        """Connect by HTTP/1.1 this way: up to the moment at which a request is sent."""
        address = self.forward if way.forward else self.reverse_tls if way.tls else self.reverse
        with RawClient(address) as client:
            if way.forward and way.tls:
                assert client.tunnel("localhost", self._upstream.tls_address[1]).status == 200
            if way.tls:
                client.start_tls(client_context(self.ca_file), "localhost")
            yield client

    @contextmanager
    def http2(self, way: Way = FORWARD_H2) -> Iterator[Http2Client]:
        """Connect by HTTP/2 this way."""
        with self.connected(way) as (client, context):
            assert client.start_tls(context, "localhost") == "h2"
            yield Http2Client(client.socket)

    @contextmanager
    def connected(self, way: Way) -> Iterator[tuple[RawClient, ssl.SSLContext]]:
        """Connect this way up to the TLS handshake, and give the context for it."""
        with RawClient(self.forward if way.forward else self.reverse_tls) as client:
            if way.forward:
                assert client.tunnel("localhost", self._upstream.tls_address[1]).status == 200
            yield client, client_context(self.ca_file, http2=way.http2)

    def head(self, way: Way, method: bytes, path: bytes, *fields: tuple[bytes, bytes]) -> bytes:
        """Return the head of an HTTP/1.1 request this way."""
        base = self.url(way).encode()
        target = base + path if way.forward and not way.tls else path
        lines = [b"%s %s HTTP/1.1" % (method, target), b"Host: " + base.partition(b"://")[2]]
        return b"\r\n".join([*lines, *(b"%s: %s" % field for field in fields), b"", b""])

    def pseudo(self, way: Way, method: bytes, path: bytes, *fields: tuple[bytes, bytes]) -> Headers:
        """Return the header fields of an HTTP/2 request this way."""
        authority = self.url(way).encode().partition(b"://")[2]
        return [(b":method", method), (b":scheme", b"https"), (b":path", path), (b":authority", authority), *fields]

    def call(
        self, way: Way, path: bytes, *fields: tuple[bytes, bytes], method: bytes = b"GET", body: bytes = b""
    ) -> Answer:
        """Send one request on a connection of its own, with exactly these fields, and return the answer."""
        if body:
            fields = (*fields, (b"content-length", b"%d" % len(body)))
        if not way.http2:
            with self.raw(way) as client:
                client.send(self.head(way, method, path, *fields) + body)
                return client.read_answer(method)
        with self.http2(way) as http2:
            stream_id = http2.request(self.pseudo(way, method, path, *fields), end=not body)
            if body:
                http2.send_data(stream_id, body, end=True)
            stream = http2.wait(stream_id)
            return Answer(stream.status or 0, [*stream.headers, *stream.trailers], stream.body)

    def metrics(self) -> Counter[str]:
        """Return every sample by its name and labels as Prometheus reads them; what is not there is 0."""
        text = httpx.get("http://%s:%d/metrics" % self.admin, trust_env=False, timeout=DEADLINE).text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return Counter({name: float(value) for name, _, value in lines})

    @contextmanager
    def counting(self) -> Iterator[dict[str, float]]:
        """Give a mapping that holds, afterwards, by how much each sample has grown meanwhile."""
        before = self.metrics()
        grown: dict[str, float] = {}
        yield grown
        for name, value in self.metrics().items():
            if value != before[name]:
                grown[name] = value - before[name]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of this event so far."""
        return [event for line in self.output.splitlines() if (event := json_line(line)).get("event") == name]

    def wait_for_event(self, name: str, true: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        """Return the first log line of this event of which something is true, of those to come too."""

        def wanted(line: str) -> dict[str, Any] | None:
            event = json_line(line)
            return event if event.get("event") == name and true(event) else None

        found = self.wait_for_line(wanted)
        assert found is not None
        return found


def announced(line: str) -> dict[str, Any] | None:
    """Return what `orgfence run` says once it is up."""
    event = json_line(line)
    return event if event.get("event") == "listening" else None


def json_line(line: str) -> dict[str, Any]:
    """Return a line's JSON object; an empty one for any other line."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def address_of(text: str) -> Address:
    """Return host and port."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def problem(answer: Answer) -> dict[str, Any]:
    """Return the problem document that a blocked request was answered with."""
    assert answer.values(b"content-type") == [b"application/problem+json"]
    document = json.loads(answer.body)
    assert isinstance(document, dict)
    return document


#: Out of the range that the kernel gives to outgoing connections. Tests that run in several processes at once share it.
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = range(20_000 + _PROCESS, 32_000, _PROCESSES)
_PORTS = iter(random.sample(_SHARE, len(_SHARE)))


def free_port() -> int:
    """Return a port on which nobody listens, and that nobody was given before."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_until(true: Callable[[], object]) -> None:
    """Wait for something to be so."""
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def paths_of(upstream: Upstream) -> list[bytes]:
    """Return the targets of all requests that reached upstream."""
    return [request.target for request in upstream.requests]


def ids(values: Iterable[object]) -> list[str]:
    """Return what pytest calls these parameters."""
    return [str(value) for value in values]
