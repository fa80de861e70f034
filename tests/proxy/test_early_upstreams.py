"""An upstream that ends a connection, or says something on it, before its client has asked for anything.

A proxy dials ahead, so a connection may be over by then; the client must not hear of it.
"""

import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.proxy.client_hellos import client_hello, server_name
from tests.proxy.guarding import MIB, POLICY, GuardingProxy, address_of, authorized, wait_until
from tests.proxy.harness import DEADLINE, Address, CertificateAuthority, Http2Client, RawClient, client_context
from tests.proxy.odd_upstream import OddUpstream
from tests.proxy.tunnelling import RawServer

ACME = authorized("acme")
PATH = b"/api/block/acme/x"
#: Seconds in which the proxy hears what upstream has said.
HEARD = 0.2
GREETING = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


def gone(_: socket.socket) -> None:
    """End it without a word."""


def reset(connection: socket.socket) -> None:
    """End it by a reset, when the proxy knows that it is connected."""
    time.sleep(HEARD)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def greeting(connection: socket.socket) -> None:
    """Say something that is no TLS, and end it."""
    connection.sendall(GREETING)


def waiting(connection: socket.socket) -> None:
    """Say something that is no TLS, and wait for an answer."""
    connection.sendall(GREETING)


type Early = Callable[[socket.socket], None]


class OnceBitten:
    """Treats its first connection since it was told in some way, and serves each later one by TLS."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(["localhost"]))
        self._first: Early | None = None
        self._is_treated = threading.Event()

    def treat(self, first: Early | None) -> None:
        """Treat the next connection in this way; None: serve that, too."""
        self._first = first
        self._is_treated.clear()

    def wait(self) -> None:
        """Wait until there was such a connection and the proxy has heard what was said there."""
        if self._first is not None:
            assert self._is_treated.wait(DEADLINE)
        time.sleep(HEARD)

    def __call__(self, _: RawServer, connection: socket.socket) -> None:
        first = self._first
        if first is not None and not self._is_treated.is_set():
            first(connection)
            if first is not waiting:
                connection.close()
            self._is_treated.set()
            if first is waiting:
                connection.recv(65536)
            return
        with self._context.wrap_socket(connection, server_side=True) as secure:
            while secure.recv(65536):
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture(scope="module")
def odd() -> Iterator[OddUpstream]:
    with OddUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def bitten(odd: OddUpstream) -> OnceBitten:
    return OnceBitten(odd.authority)


@pytest.fixture(scope="module")
def upstream(bitten: OnceBitten) -> Iterator[RawServer]:
    with RawServer(bitten) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(odd: OddUpstream, upstream: RawServer) -> Iterator[GuardingProxy]:
    modes = ["regular@127.1:0", f"reverse:https://localhost:{upstream.address[1]}@127.0.0.1:0"]
    with GuardingProxy(odd, POLICY, modes=modes) as process:
        yield process
        assert "Traceback" not in process.output


@contextmanager
def connected(proxy: GuardingProxy, upstream: RawServer, mode: str, host: str = "localhost") -> Iterator[RawClient]:
    """Connect to upstream: by a tunnel, or to the proxy in its place."""
    forward, reverse = (address_of(mode["addresses"][0]) for mode in proxy.ready_value["proxy"])
    address: Address = forward if mode == "forward" else reverse
    with RawClient(address) as client:
        if mode == "forward":
            assert client.tunnel(host, upstream.address[1]).status == 200
        yield client


def ask(client: RawClient, ca_file: Path, spoken: str | None) -> tuple[int | None, bytes]:
    """Ask for what is granted, in plain HTTP (None) or by TLS in this protocol."""
    if spoken is not None:
        chosen = client.start_tls(client_context(ca_file, http2=spoken == "h2"), "localhost")
        # Where upstream is connected to, it is offered the same, and this one knows of no choice.
        assert (chosen or "http/1.1") == spoken
    if spoken == "h2":
        multiplexed = Http2Client(client.socket)
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", PATH), (b":authority", b"localhost")]
        stream = multiplexed.wait_for_any_end(multiplexed.request([*fields, ACME]))
        return stream.status, stream.body
    client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % (PATH, *ACME))
    answer = client.read_answer()
    return answer.status, answer.body


@pytest.mark.parametrize("spoken", ["http/1.1", "h2"])
# What is greeted in a tunnel is refused: `test_scope_tunnels`.
@pytest.mark.parametrize(
    ("first", "mode"),
    [
        (gone, "forward"),
        (reset, "forward"),
        (gone, "reverse"),
        (reset, "reverse"),
        (greeting, "reverse"),
        (waiting, "reverse"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_connection_that_is_lost_before_it_is_used_costs_no_request(
    proxy: GuardingProxy, upstream: RawServer, bitten: OnceBitten, first: Early, mode: str, spoken: str
) -> None:
    """The request goes by a connection of its own."""
    bitten.treat(first)
    with connected(proxy, upstream, mode) as client:
        bitten.wait()
        assert ask(client, proxy.ca_file, spoken) == (200, b"ok")


@pytest.mark.parametrize("first", [gone, reset], ids=lambda first: first.__name__)
def test_nor_does_it_where_the_client_speaks_no_tls(
    proxy: GuardingProxy, upstream: RawServer, bitten: OnceBitten, first: Early
) -> None:
    """As an app does to its sidecar, by a connection that it has made ahead."""
    bitten.treat(first)
    with connected(proxy, upstream, "reverse") as client:
        bitten.wait()
        for _ in range(2):
            assert ask(client, proxy.ca_file, None) == (200, b"ok")


#: In a process of its own, or the reset would seldom be in time.
RESETTING = """
import socket, struct
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
"""


@contextmanager
def resetting() -> Iterator[int]:
    """Run a server that resets each connection at once; its port."""
    with subprocess.Popen([sys.executable, "-c", RESETTING], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def test_an_upstream_that_resets_what_was_just_connected(odd: OddUpstream) -> None:
    """Each request gets a 502, whether the proxy hears of the reset before or after it takes itself for connected."""
    with resetting() as port, GuardingProxy(odd, POLICY, modes=["regular@127.0.0.1:0"]) as process:
        address = address_of(process.ready_value["proxy"][0]["addresses"][0])
        authority = b"localhost:%d" % port
        for _ in range(100):
            with RawClient(address) as client:
                head = b"GET http://%s%s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n"
                client.send(head % (authority, PATH, authority, *ACME))
                assert client.read_answer().status == 502
            with RawClient(address) as client:
                # Where the tunnel is there before the reset is, it ends with it.
                assert client.tunnel("localhost", port).status in (200, 502)
        assert "Traceback" not in process.output


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01"], ids=["silent client", "slow client"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_who_talks_without_end_is_not_listened_to(
    proxy: GuardingProxy, upstream: RawServer, bitten: OnceBitten, mode: str, hello: bytes
) -> None:
    """A server that goes on and on before its client has said what it wants fills no memory."""
    sent, ended = 0, threading.Event()

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        try:
            while sent < 64 * MIB:
                sent += connection.send(b"x" * 65536)
        except ConnectionError:
            ended.set()

    bitten.treat(talk)
    # By its address it is guarded by nobody: the client's own bytes pass there, and so may upstream's at once.
    with connected(proxy, upstream, mode, "localhost" if hello else "127.0.0.1") as client:
        client.send(hello)
        if mode == "forward" and not hello:
            client.socket.close()
        bitten.wait()
    assert ended.is_set()
    assert sent < 32 * MIB


@pytest.mark.parametrize("first", [gone, greeting, waiting], ids=lambda first: first.__name__)
def test_what_passes_unread_passes_from_its_beginning(
    proxy: GuardingProxy, upstream: RawServer, bitten: OnceBitten, first: Early
) -> None:
    """Its client, which speaks TLS with upstream itself, hears what that has said, and that it has ended."""
    bitten.treat(first)
    with connected(proxy, upstream, "forward", "127.0.0.1") as client:
        bitten.wait()
        client.send(client_hello(server_name(b"elsewhere.test")))
        assert client.wait_for_close() == (b"" if first is gone else GREETING)


def test_a_client_that_takes_its_time_and_names_a_guarded_host_then(
    odd: OddUpstream, upstream: RawServer, bitten: OnceBitten
) -> None:
    """Where nobody dials ahead, upstream is connected to for a silent client of a host that nobody guards."""
    bitten.treat(None)
    with (
        GuardingProxy(odd, POLICY, "--set", "connection_strategy=lazy", modes=["regular@127.0.0.1:0"]) as lazy,
        RawClient(address_of(lazy.ready_value["proxy"][0]["addresses"][0])) as client,
    ):
        before = upstream.accepted
        assert client.tunnel("127.0.0.1", upstream.address[1]).status == 200
        wait_until(lambda: upstream.accepted > before)
        assert ask(client, lazy.ca_file, "http/1.1") == (200, b"ok")
