"""WebSocket messages pass both ways, and none is kept."""

import pytest
from tests.proxy.guarding import FORWARD_H1, MIB, REVERSE_PLAIN, GuardingProxy, Way, authorized
from tests.proxy.harness import RawClient, Upstream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

PIECE = bytes(65536)


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_messages_are_not_kept(upstream: Upstream, way: Way) -> None:
    """After 200 MB of messages the proxy is as large as before, but for what it takes to pass one on."""
    with GuardingProxy(upstream) as proxy, proxy.raw(way) as client:
        socket = _opened(proxy, client, way)
        _echo(client, socket, 20)
        before = proxy.memory()
        _echo(client, socket, 1600)
        assert proxy.memory() - before < 40 * MIB


def test_many_small_messages_pass(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Also when hundreds of them come in one segment: each arrives once, in its order."""
    with proxy.raw(REVERSE_PLAIN) as client:
        socket = _opened(proxy, client, REVERSE_PLAIN)
        sent = [str(number) for number in range(5000)]
        received: list[str] = []
        for start in range(0, len(sent), 500):
            client.send(b"".join(socket.send(TextMessage(text)) for text in sent[start : start + 500]))
        while len(received) < len(sent):
            socket.receive_data(client.take_some())
            received += [event.data for event in socket.events() if isinstance(event, TextMessage)]
    assert received == sent


def _opened(proxy: GuardingProxy, client: RawClient, way: Way) -> Connection:
    upgrade = [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    client.send(proxy.head(way, b"GET", b"/api/block/acme/socket", authorized("acme"), *upgrade))
    assert client.read_answer().status == 101
    return Connection(ConnectionType.CLIENT)


def _echo(client: RawClient, socket: Connection, count: int) -> None:
    """Send messages one by one, and take each that comes back."""
    for _ in range(count):
        client.send(socket.send(BytesMessage(PIECE)))
        back = 0
        while back < len(PIECE):
            socket.receive_data(client.take_some())
            back += sum(len(event.data) for event in socket.events() if isinstance(event, BytesMessage))
