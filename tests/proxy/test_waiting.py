"""What waits for upstream is bounded, and costs no more for coming in small pieces."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.proxy.client_hellos import client_hello, server_name
from tests.proxy.guarding import MIB, REVERSE_H1, GuardingProxy, authorized
from tests.proxy.harness import RawClient
from tests.proxy.test_back_pressure import Http1Upstream
from tests.proxy.tunnelling import listening

LARGE = 32 * MIB
#: What may wait: in the proxy's layers, in its reader, and in the sockets of both sides.
BOUND = 16 * MIB
ACME = authorized("acme")


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Http1Upstream]:
    """An upstream that accepts connections and then says nothing, not even in a TLS handshake."""
    upstream = Http1Upstream(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        upstream.tls_address = listening.getsockname()
        yield upstream


def send_until_held_up(client: RawClient, limit: int = LARGE) -> int:
    """Return how much could be sent until nothing more was taken for a while."""
    client.socket.settimeout(0.5)
    sent = 0
    with suppress(TimeoutError, ConnectionError):
        while sent < limit:
            sent += client.socket.send(bytes(65536))
    return sent


@pytest.mark.parametrize("strategy", ["eager", "lazy"])
def test_what_waits_for_a_handshake_with_upstream(mute: Http1Upstream, strategy: str) -> None:
    """A client is read no further, whatever layer keeps what it sent: TLS behind a ClientHello, or a plain upload."""
    mode = f"reverse:{mute.tls_url}@127.0.0.1:0"
    with GuardingProxy(mute, None, "--set", f"connection_strategy={strategy}", "--drain", "1", modes=[mode]) as proxy:
        (address,) = listening(proxy)
        head = b"POST /sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LARGE
        for beginning in client_hello(server_name(b"localhost")), head:
            with RawClient(address) as client:
                client.send(beginning)
                # The connection to upstream is there now.
                client.socket.settimeout(0.2)
                with suppress(TimeoutError):
                    client.take_some()
                assert send_until_held_up(client) < BOUND


def test_what_comes_behind_a_request_that_is_not_answered(tmp_path: Path) -> None:
    """The next requests wait in the client's socket, not in the proxy's memory."""
    with (
        Http1Upstream(tmp_path) as upstream,
        GuardingProxy(upstream, None, "--drain", "1") as proxy,
        proxy.raw(REVERSE_H1) as client,
    ):
        client.send(proxy.head(REVERSE_H1, b"POST", b"/sink", ACME, (b"content-length", b"1")) + b"x")
        assert send_until_held_up(client) < BOUND
