"""An upstream that keeps every byte: for what may not change on its way, and what no server library would show."""

import socketserver
import ssl
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, override

from tests.proxy.harness import DEADLINE, Address, CertificateAuthority

#: What it answers to each request.
ANSWER = b"HTTP/1.1 200 OK\r\nX-Odd-CASE: value\r\nX-odd-case: \xff\r\nContent-Length: 2\r\n\r\nok"


class RawUpstream:
    """Takes one request after the other on each connection, plain and by TLS; it keeps chunks as they came."""

    def __init__(self, replies: Mapping[bytes, bytes] | None = None) -> None:
        """Answer each of these targets by its bytes, and all others as usual."""
        self.received: list[bytes] = []
        self.replies = replies or {}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="orgfence-raw-upstream-")
        authority = CertificateAuthority(Path(self._folder.name))
        self.ca_file = authority.file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue(["localhost", "127.0.0.1"]))
        self._plain, self._tls = _Server(self, None), _Server(self, context)
        self.address: Address = self._plain.socket.getsockname()
        self.tls_address: Address = self._tls.socket.getsockname()
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (self._plain, self._tls)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._plain, self._tls):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(DEADLINE)
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """The plain address."""
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return f"https://localhost:{self.tls_address[1]}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: RawUpstream, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.context = context


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    @override
    def handle(self) -> None:
        with suppress(OSError):
            context = self.server.context
            connection = self.request if context is None else context.wrap_socket(self.request, server_side=True)
            with connection:
                self._serve(connection)

    def _serve(self, connection: Any) -> None:
        unread = b""
        while True:
            while b"\r\n\r\n" not in unread:
                data = connection.recv(65536)
                if not data:
                    return
                unread += data
            head, _, unread = unread.partition(b"\r\n\r\n")
            length = sum(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            while len(unread) < length:
                unread += connection.recv(65536)
            if b"transfer-encoding: chunked" in head.lower():
                while b"0\r\n\r\n" not in unread:
                    unread += connection.recv(65536)
                length = unread.index(b"0\r\n\r\n") + 5
            self.server.upstream.received.append(head + b"\r\n\r\n" + unread[:length])
            unread = unread[length:]
            connection.sendall(self.server.upstream.replies.get(head.split(b" ")[1], ANSWER))
