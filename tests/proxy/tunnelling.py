"""Servers that speak what they like, and tunnels to them."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Self

from tests.proxy.guarding import GuardingProxy, address_of
from tests.proxy.harness import DEADLINE, Address, RawClient

#: Guarded by no rule; what the policy guards is `localhost`.
UNGUARDED = "127.0.0.1"

type Conversation = Callable[[socket.socket], None]


class RawServer:
    """Serves each connection by a function, which has it to itself; `received` is for what that gets."""

    def __init__(self, converse: Callable[["RawServer", socket.socket], None]) -> None:
        self._converse = converse
        self.received = b""
        self.accepted = 0
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve, name="raw server")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the thread that waits for a connection.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        conversations = []
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(DEADLINE)
                self.accepted += 1
                self._open.append(connection)
                conversations.append(threading.Thread(target=self._run, args=(connection,)))
                conversations[-1].start()
        for conversation in conversations:
            conversation.join(DEADLINE)

    def _run(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._converse(self, connection)

    def read_until(self, connection: socket.socket, end: bytes) -> None:
        """Receive up to these bytes."""
        while end not in self.received and (data := connection.recv(65536)):
            self.received += data

    def read_all(self, connection: socket.socket) -> None:
        """Receive until the other side has said all."""
        while data := connection.recv(65536):
            self.received += data


def echo(server: RawServer, connection: socket.socket) -> None:
    """Say back what comes, until it ends."""
    while data := connection.recv(65536):
        server.received += data
        connection.sendall(data)


@contextmanager
def tunnel(proxy: GuardingProxy, server: Address, host: str = UNGUARDED) -> Iterator[RawClient]:
    """Open a tunnel by CONNECT."""
    with RawClient(proxy.forward) as client:
        assert client.tunnel(host, server[1]).status == 200
        yield client


def socks_connect(client: RawClient, host: str, port: int) -> int:
    """Ask a SOCKS5 proxy for a connection; return its reply code, 0 for a yes."""
    client.send(b"\x05\x01\x00")
    assert client.take_exactly(2) == b"\x05\x00"
    name = host.encode()
    client.send(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", port))
    return client.take_exactly(10)[1]


def listening(proxy: GuardingProxy) -> list[Address]:
    """Return where each of a proxy's modes listens."""
    return [address_of(mode["addresses"][0]) for mode in proxy.ready_value["proxy"]]


def passed_unread(counted: Mapping[str, float]) -> dict[str, float]:
    """Return how many connections passed unread, by why."""
    before, after = 'orgfence_unguarded_connections_total{why="', '"}'
    return {
        name.removeprefix(before).removesuffix(after): value
        for name, value in counted.items()
        if name.startswith(before)
    }
