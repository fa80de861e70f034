"""A server that answers each request at once: HAProxy in one thread, which has several times more room than is needed.

Where that is not installed it is an asyncio protocol in a process of its own, which speaks HTTP/1.1 only.
"""

import asyncio
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.contenders import Upstream
from tests.bench.h2load import HOST
from tests.bench.machine import program
from tests.bench.processes import free_port, running
from tests.proxy.harness import CertificateAuthority

_BODY = b'{"users": ["someone else"]}'
_CONFIGURATION = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 10m
  timeout server 10m
  timeout connect 5s
frontend answers
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{tls} ssl crt {certificate} alpn h2,http/1.1
  http-request return status 200 content-type application/json string '{body}'
"""


@contextmanager
def answering(folder: Path) -> Iterator[tuple[Upstream, Upstream]]:
    """Run the server; gives how it is reached without TLS and with it."""
    authority = CertificateAuthority(folder)
    leaf, key = authority.issue(["localhost", "127.0.0.1", HOST])
    certificate = folder / "both.pem"
    certificate.write_text(leaf.read_text() + key.read_text())
    plain, tls = free_port(), free_port()
    haproxy = program("haproxy")
    if haproxy is None:
        command = [sys.executable, "-m", "tests.bench.upstreams", str(plain), str(tls), str(certificate)]
    else:
        file = folder / "upstream.cfg"
        file.write_text(_CONFIGURATION.format(plain=plain, tls=tls, certificate=certificate, body=_BODY.decode()))
        command = [haproxy, "-db", "-f", str(file)]
    with running(command, plain):
        yield Upstream(f"http://127.0.0.1:{plain}"), Upstream(f"https://localhost:{tls}", authority.file)


@contextmanager
def taking() -> Iterator[tuple[Upstream, int]]:
    """Run the upstream for large bodies and many connections; gives it, and its port."""
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.body_upstream", str(port)], port):
        yield Upstream(f"http://127.0.0.1:{port}"), port


class _Answering(asyncio.Protocol):
    _answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            self._buffer = self._buffer.partition(b"\r\n\r\n")[2]
            self._transport.write(self._answer)


async def _serve(plain: int, tls: int, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["http/1.1"])
    loop = asyncio.get_running_loop()
    await loop.create_server(_Answering, "127.0.0.1", tls, ssl=context)
    server = await loop.create_server(_Answering, "127.0.0.1", plain)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
