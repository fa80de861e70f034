"""WebSocket messages pass both ways, and none is kept."""

import socket
from typing import Self

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    MIB,
    POLICY,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    free_port,
    wait_until,
)
from tests.proxy.harness import RawClient, Upstream
from tests.proxy.raw_upstream import RawUpstream
from tests.proxy.tunnelling import RawServer
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from orgfence.proxy.wire.websockets import MAX_FRAMES, MAX_MESSAGE

PIECE = bytes(65536)


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_messages_are_not_kept(upstream: Upstream, way: Way) -> None:
    """After 100 MB of messages the proxy is as large as before, but for what it takes to pass one on."""
    with GuardingProxy(upstream) as proxy, proxy.raw(way) as client:
        socket_ = _opened(proxy, client, way)
        _echo(client, socket_, 20)
        before = proxy.memory()
        _echo(client, socket_, 800)
        assert proxy.memory() - before < 20 * MIB


def test_many_small_messages_pass(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Also when hundreds of them come in one segment: each arrives once, in its order."""
    with proxy.raw(REVERSE_PLAIN) as client:
        socket_ = _opened(proxy, client, REVERSE_PLAIN)
        sent = [str(number) for number in range(5000)]
        received: list[str] = []
        for start in range(0, len(sent), 500):
            client.send(b"".join(socket_.send(TextMessage(text)) for text in sent[start : start + 500]))
        while len(received) < len(sent):
            socket_.receive_data(client.take_some())
            received += [event.data for event in socket_.events() if isinstance(event, TextMessage)]
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


def _echo(client: RawClient, socket_: Connection, count: int) -> None:
    """Send messages one by one, and take each that comes back."""
    for _ in range(count):
        client.send(socket_.send(BytesMessage(PIECE)))
        back = 0
        while back < len(PIECE):
            socket_.receive_data(client.take_some())
            back += sum(len(event.data) for event in socket_.events() if isinstance(event, BytesMessage))


def _swallow(server: RawServer, connection: socket.socket) -> None:
    """Agree to a WebSocket with compression, and then only count."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    begun = len(head.partition(b"\r\n\r\n")[2])
    while data := connection.recv(MIB):
        begun += len(data)
        server.received = b"%d" % begun


class SwallowingUpstream(RawUpstream):
    """An upstream whose plain port is that of another server."""

    def __init__(self, server: RawServer) -> None:
        super().__init__()
        self._server = server

    def __enter__(self) -> Self:
        super().__enter__()
        self.address = self._server.address
        return self


MASK = bytes(4)
#: One frame that never ends; a message that does not, in frames; one in frames of one byte; one that unpacks to 1 GiB.
ENDLESS = {
    "a frame": (b"\x82\xff" + (2**40).to_bytes(8) + MASK, bytes(MIB), 100),
    "frames": (b"\x02\x80" + MASK, (b"\x00\xff" + MIB.to_bytes(8) + MASK + bytes(MIB)), 100),
    "small frames": (
        b"\x01\x80" + MASK,
        (b"\x00\x81" + MASK + b"x" + b"\x89\x80" + MASK + b"\x00\x80" + MASK) * 5_000,
        10,
    ),
    "compressed": (b"\x42\x80" + MASK, b"\x00\xff" + (65_536).to_bytes(8) + MASK + b"\0" * 65_536, 20),
}


def test_what_never_ends_is_not_held() -> None:
    """It goes upstream as it comes, and the proxy is as large as before; others are served meanwhile."""
    with (
        RawServer(_swallow) as server,
        SwallowingUpstream(server) as upstream,
        GuardingProxy(upstream) as proxy,
    ):
        for way in ("warm-up", *ENDLESS):
            first, piece, times = ENDLESS[way] if way in ENDLESS else ENDLESS["a frame"]
            server.received = b""
            with proxy.raw(REVERSE_PLAIN) as client:
                _opened(proxy, client, REVERSE_PLAIN)
                before = proxy.memory()
                proxy.reset_peak()
                client.send(first)
                for _ in range(times):
                    client.send(piece)
                wait_until(lambda: server.received == b"%d" % (len(first) + times * len(piece)))  # noqa: B023 - at once
                assert way == "warm-up" or proxy.memory("VmHWM") - before < 16 * MIB, way


def test_with_a_page_what_never_ends_is_too_big() -> None:
    """mitmweb shows messages, so they are held, up to a bound: then both sides end with 1009."""
    page = ["--web", "--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
    with (
        RawServer(_swallow) as server,
        SwallowingUpstream(server) as upstream,
        GuardingProxy(upstream, POLICY, *page) as proxy,
    ):
        small_frames = b"\x01\x80" + MASK, (b"\x00\x81" + MASK + b"x") * (MAX_FRAMES + 1), 64
        for first, piece, _ in small_frames, ENDLESS["compressed"]:
            with proxy.raw(REVERSE_PLAIN) as client:
                _opened(proxy, client, REVERSE_PLAIN)
                client.send(first)
                assert client.send_until_refused(piece, 64 * MIB) < 64 * MIB
        with proxy.raw(REVERSE_PLAIN) as client:
            _opened(proxy, client, REVERSE_PLAIN)
            client.send(ENDLESS["a frame"][0] + bytes(MAX_MESSAGE + 1))
            assert client.wait_for_close() == b"\x88\x02" + (1009).to_bytes(2)


def test_what_is_no_frame_ends_both_sides(proxy: GuardingProxy, upstream: Upstream) -> None:
    """HTTP after the 101 does not pass: the client hears of a protocol error, and upstream's connection ends."""
    with proxy.raw(REVERSE_PLAIN) as client:
        _opened(proxy, client, REVERSE_PLAIN)
        client.send(proxy.head(REVERSE_PLAIN, b"GET", b"/api/block/globex/x", authorized("acme")))
        assert client.wait_for_close() == b"\x88\x02" + (1002).to_bytes(2)
    wait_until(lambda: upstream.requests[-1].ended)
    assert [request.target for request in upstream.requests] == [b"/api/block/acme/socket"]


def test_both_sides_close_in_order(proxy: GuardingProxy, upstream: Upstream) -> None:
    """A Close and its answer pass, with code and reason, and then both connections end."""
    with proxy.raw(REVERSE_PLAIN) as client:
        socket_ = _opened(proxy, client, REVERSE_PLAIN)
        client.send(socket_.send(CloseConnection(4_000, "done")))
        socket_.receive_data(client.wait_for_close())
        (closed,) = socket_.events()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 4_000
    wait_until(lambda: upstream.requests[-1].ended)
