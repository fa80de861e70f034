"""An upstream that ends a connection, or says something on it, before the client has begun TLS.

A proxy dials before it is asked for anything, so a connection may be over by then; the client must not hear of it.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.proxy.client_hellos import client_hello, server_name
from tests.proxy.guarding import POLICY, GuardingProxy, address_of, authorized
from tests.proxy.harness import Address, CertificateAuthority, Http2Client, RawClient, client_context
from tests.proxy.odd_upstream import OddUpstream
from tests.proxy.tunnelling import RawServer

ACME = authorized("acme")
PATH = b"/api/block/acme/x"
#: Seconds after which the proxy has surely heard what upstream said as it was connected to.
HEARD = 0.3
GREETING = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


def gone(_: socket.socket) -> None:
    """End it without a word."""


def greeting(connection: socket.socket) -> None:
    """Say something that is no TLS, and end it."""
    connection.sendall(GREETING)


def greeting_and_waiting(connection: socket.socket) -> None:
    """Say something that is no TLS, and wait for an answer."""
    greeting(connection)
    connection.recv(65536)


#: What is greeted in a tunnel is refused: `test_scope_tunnels`.
EARLY: list[tuple[Callable[[socket.socket], None], str]] = [
    (gone, "forward"),
    (gone, "reverse"),
    (greeting, "reverse"),
    (greeting_and_waiting, "reverse"),
]


class OnceBitten:
    """Treats its first connection since it was told in some way, and serves each later one by TLS."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(["localhost"]))
        self.first: Callable[[socket.socket], None] | None = None

    def __call__(self, _: RawServer, connection: socket.socket) -> None:
        first, self.first = self.first, None
        if first is not None:
            first(connection)
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
def dialled(proxy: GuardingProxy, upstream: RawServer, mode: str, host: str = "localhost") -> Iterator[RawClient]:
    """Connect, and let the proxy hear what upstream says to that."""
    forward, reverse = (address_of(mode["addresses"][0]) for mode in proxy.ready_value["proxy"])
    address: Address = forward if mode == "forward" else reverse
    with RawClient(address) as client:
        if mode == "forward":
            assert client.tunnel(host, upstream.address[1]).status == 200
        time.sleep(HEARD)
        yield client


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "h2"])
@pytest.mark.parametrize(("first", "mode"), EARLY, ids=lambda value: getattr(value, "__name__", value))
def test_a_connection_that_is_lost_before_it_is_used_costs_no_request(
    proxy: GuardingProxy,
    upstream: RawServer,
    bitten: OnceBitten,
    first: Callable[[socket.socket], None],
    mode: str,
    http2: bool,
) -> None:
    """The request goes by a connection of its own."""
    bitten.first = first
    with dialled(proxy, upstream, mode) as client:
        spoken = client.start_tls(client_context(proxy.ca_file, http2=http2), "localhost")
        if http2:
            assert spoken == "h2"
            fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", PATH), (b":authority", b"localhost")]
            multiplexed = Http2Client(client.socket)
            stream = multiplexed.wait_for_any_end(multiplexed.request([*fields, ACME]))
            assert (stream.status, stream.body, stream.ended) == (200, b"ok", True)
        else:
            client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % (PATH, *ACME))
            answer = client.read_answer()
            assert (answer.status, answer.body) == (200, b"ok")
    assert bitten.first is None


@pytest.mark.parametrize(
    ("first", "said"),
    [(gone, b""), (greeting, GREETING), (greeting_and_waiting, GREETING)],
    ids=["gone", "greeting", "waiting"],
)
def test_what_passes_unread_passes_from_its_beginning(
    proxy: GuardingProxy,
    upstream: RawServer,
    bitten: OnceBitten,
    first: Callable[[socket.socket], None],
    said: bytes,
) -> None:
    """Its client, which speaks TLS with upstream itself, hears what that has said, and that it has ended."""
    bitten.first = first
    with dialled(proxy, upstream, "forward", host="127.0.0.1") as client:
        client.send(client_hello(server_name(b"elsewhere.test")))
        assert client.wait_for_close() == said
