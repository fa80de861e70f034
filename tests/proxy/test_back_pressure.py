"""Who does not read holds up who sends: the proxy holds little of a body, whoever stops and whatever its size."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from tests.proxy.guarding import FORWARD_H2, MIB, REVERSE_H1, REVERSE_H2, GuardingProxy, Way, authorized
from tests.proxy.harness import DEADLINE, Address, CertificateAuthority, Upstream

LARGE = 192 * MIB
#: What the proxy may grow by while somebody does not read: windows, sockets, and some room for Python.
BOUND = 24 * MIB
ACME = authorized("acme")


class Http1Upstream:
    """Speaks HTTP/1.1 by TLS: sends a large body for GET, and reads no body at all."""

    address: Address = ("127.0.0.1", 1)
    url = "http://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder)
        self.ca_file = authority.file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(["localhost", "127.0.0.1"]))
        self._context.set_alpn_protocols(["http/1.1"])

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="http1-upstream")
        self._thread.start()
        assert started.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(DEADLINE)

    @property
    def tls_url(self) -> str:
        """The address."""
        return f"https://localhost:{self.tls_address[1]}"

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._context, limit=65536)
        self.tls_address: Address = server.sockets[0].getsockname()
        started.set()
        await self._ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await self._ended.wait()
                size = LARGE if b"/large" in head else 2
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                for _ in range(0, size, 65536):
                    writer.write(bytes(min(size, 65536)))
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()


class Lazy:
    """An HTTP/2 client that gives room for a stream only when it is told to."""

    def __init__(self, proxy: GuardingProxy, way: Way) -> None:
        self._connected = proxy.connected(way)
        self._proxy, self._way = proxy, way

    def __enter__(self) -> Self:
        client, context = self._connected.__enter__()
        assert client.start_tls(context, "localhost") == "h2"
        self._socket = client.socket
        self._h2 = H2Connection(H2Configuration(header_encoding=None))
        self._h2.initiate_connection()
        self._flush()
        self.status: dict[int, bytes] = {}
        self.received: dict[int, int] = {}
        self.ended: set[int] = set()
        #: The streams for which no room is given.
        self.stalled: set[int] = set()
        self._unread: dict[int, int] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._connected.__exit__(None, None, None)

    def request(self, path: bytes, method: bytes = b"GET", *, stalled: bool = False) -> int:
        """Send the head of a request."""
        stream_id = self._h2.get_next_available_stream_id()
        fields = self._proxy.pseudo(self._way, method, path, ACME)
        self._h2.send_headers(stream_id, list(fields), end_stream=method == b"GET")
        if stalled:
            self.stalled.add(stream_id)
        self._flush()
        return stream_id

    def send_as_far_as_it_goes(self, stream_id: int, limit: int) -> int:
        """Send so much of a body, or until there has been no room for a second."""
        sent = 0
        while sent < limit:
            room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size, limit - sent)
            if room:
                self._h2.send_data(stream_id, bytes(room))
                sent += room
                self._flush()
            elif not self.take(1.0):
                break
        return sent

    def take(self, seconds: float) -> bool:
        """Take what comes; return whether anything came within so many seconds."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return False
        assert data, "the connection ended"
        for event in self._h2.receive_data(data):
            stream_id = getattr(event, "stream_id", 0) or 0
            if isinstance(event, ResponseReceived):
                self.status[stream_id] = dict(event.headers or ())[b":status"]
            elif isinstance(event, DataReceived):
                size = event.flow_controlled_length or 0
                self.received[stream_id] = self.received.get(stream_id, 0) + len(event.data or b"")
                if stream_id in self.stalled:
                    self._unread[stream_id] = self._unread.get(stream_id, 0) + size
                    self._h2.increment_flow_control_window(size)
                else:
                    self._h2.acknowledge_received_data(size, stream_id)
            elif isinstance(event, StreamEnded):
                self.ended.add(stream_id)
        self._flush()
        return True

    def wait(self, stream_id: int) -> int:
        """Return how much has come of a response that has ended."""
        while stream_id not in self.ended:
            assert self.take(DEADLINE)
        return self.received[stream_id]

    def resume(self, stream_id: int) -> None:
        """Give room again."""
        self.stalled.remove(stream_id)
        self._h2.increment_flow_control_window(self._unread.pop(stream_id), stream_id)
        self._flush()

    def _flush(self) -> None:
        self._socket.settimeout(DEADLINE)
        self._socket.sendall(self._h2.data_to_send())


@pytest.fixture
def http1_upstream(tmp_path: Path) -> Iterator[Http1Upstream]:
    with Http1Upstream(tmp_path) as upstream:
        yield upstream


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_a_download_that_nobody_reads(upstream: Upstream, way: Way) -> None:
    """From an HTTP/2 upstream: little is held, the other streams go on, and once it is read all of it arrives."""
    with GuardingProxy(upstream) as proxy, Lazy(proxy, way) as client:
        _download(proxy, client, b"/large/block/acme/x?bytes=%d" % LARGE, b"/api/block/acme/x")


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_a_download_from_http1_that_nobody_reads(http1_upstream: Http1Upstream, way: Way) -> None:
    """The same where upstream speaks HTTP/1."""
    with (
        GuardingProxy(http1_upstream, None, "--set", "connection_strategy=lazy") as proxy,
        Lazy(proxy, way) as client,
    ):
        _download(proxy, client, b"/large", b"/other")


def _download(proxy: GuardingProxy, client: Lazy, large: bytes, small: bytes) -> None:
    client.wait(client.request(small))
    before = proxy.memory()
    stalled = client.request(large, stalled=True)
    while client.take(1.0):
        pass
    assert client.status[stalled] == b"200"
    for _ in range(20):
        client.wait(client.request(small))
    assert proxy.memory() - before < BOUND
    client.resume(stalled)
    assert client.wait(stalled) == LARGE
    assert proxy.memory() - before < BOUND


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_an_upload_that_nobody_takes(http1_upstream: Http1Upstream, way: Way) -> None:
    """From an HTTP/2 client: it runs out of room, and its other streams go on."""
    with (
        GuardingProxy(http1_upstream, None, "--set", "connection_strategy=lazy") as proxy,
        Lazy(proxy, way) as client,
    ):
        client.wait(client.request(b"/other"))
        before = proxy.memory()
        stalled = client.request(b"/sink", b"POST")
        assert client.send_as_far_as_it_goes(stalled, LARGE) < BOUND
        for _ in range(20):
            assert client.wait(client.request(b"/other")) == 2
        assert proxy.memory() - before < BOUND


def test_an_upload_by_http1_that_nobody_takes(http1_upstream: Http1Upstream) -> None:
    """The client's socket fills up."""
    with GuardingProxy(http1_upstream, None, "--drain", "1") as proxy, proxy.raw(REVERSE_H1) as client:
        before = proxy.memory()
        client.send(proxy.head(REVERSE_H1, b"POST", b"/sink", ACME, (b"content-length", b"%d" % LARGE)))
        client.socket.settimeout(1.0)
        sent = 0
        with suppress(TimeoutError):
            while sent < LARGE:
                client.socket.sendall(bytes(65536))
                sent += 65536
        assert sent < BOUND
        assert proxy.memory() - before < BOUND


def test_an_upload_that_waits_for_its_connection(tmp_path: Path) -> None:
    """While upstream takes its time for the handshake, what comes is not piled up."""
    upstream = Http1Upstream(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        upstream.tls_address = mute.getsockname()
        with (
            GuardingProxy(upstream, None, "--set", "connection_strategy=lazy") as proxy,
            Lazy(proxy, REVERSE_H2) as client,
        ):
            before = proxy.memory()
            stalled = client.request(b"/sink", b"POST")
            assert client.send_as_far_as_it_goes(stalled, LARGE) < BOUND
            assert proxy.memory() - before < BOUND


def test_an_echo_flows_on(upstream: Upstream) -> None:
    """Both directions of one stream at once, far more than what is held of either: neither waits for the other."""
    with GuardingProxy(upstream) as proxy, proxy.http2(REVERSE_H2) as client:
        stream = client.request(proxy.pseudo(REVERSE_H2, b"POST", b"/echo/block/acme/x", ACME), end=False)
        for _ in range(12):
            client.send_data(stream, bytes(MIB))
        client.send_data(stream, b"end", end=True)
        assert len(client.wait(stream).body) == 12 * MIB + 3
