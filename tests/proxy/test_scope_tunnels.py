"""Tunnels that carry no TLS: what is no HTTP passes to hosts that no rule guards, and no request passes unjudged."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.proxy.guarding import MIB, GuardingProxy, bearer, wait_until
from tests.proxy.harness import DEADLINE, RawClient, Upstream
from tests.proxy.tunnelling import UNGUARDED, RawServer, echo, listening, passed_unread, socks_connect, tunnel


@pytest.fixture(scope="module")
def socks_proxy(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """The same proxy for clients that speak SOCKS5."""
    with GuardingProxy(shared_upstream, modes=["socks5@127.0.0.1:0"]) as process:
        yield process


SSH = b"SSH-2.0-OpenSSH_9.9p1 Debian-3\r\n"


@pytest.mark.parametrize(
    "first",
    [
        SSH,
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"AMQP\x00\x00\x09\x01",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test",
        b"0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00",
        b'CONNECT {"verbose":false}\r\nPING\r\n',
        b"CONNECT\naccept-version:1.2\nhost:mq\n\n\x00",
        b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
        b"get key\r\n",
        b"EHLO client.test\r\n",
        b"a1 CAPABILITY\r\n",
        b"\x16abc"[1:],
        b"0032git-upload-pack /x.git\x00host=a.test\x00",
    ],
    ids=lambda first: first[:12].decode("latin-1").encode("unicode_escape").decode(),
)
def test_other_protocols_pass_to_unguarded_hosts(proxy: GuardingProxy, first: bytes) -> None:
    """A client that speaks first is understood by its first bytes; both ways everything arrives as it was sent."""
    rest = bytes(range(256)) * 1000
    with RawServer(echo) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        client.send(first)
        assert client.take_exactly(len(first)) == first
        client.send(rest)
        assert client.take_exactly(len(rest)) == rest
    assert server.received == first + rest
    assert passed_unread(counted) == {"non_http": 1}
    assert not [name for name in counted if "requests" in name or "decisions" in name]


def test_a_server_that_speaks_first_is_heard(proxy: GuardingProxy) -> None:
    """Its greeting comes while the client still waits for it, and what the client says then arrives."""

    def greet(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(b"220 mail.test ESMTP\r\n")
        server.read_until(connection, b"\r\n")
        connection.sendall(b"250 mail.test\r\n")

    with RawServer(greet) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        assert client.take_until(b"\n") == b"220 mail.test ESMTP\r\n"
        client.send(b"EHLO me\r\n")
        assert client.wait_for_close() == b"250 mail.test\r\n"
    assert server.received == b"EHLO me\r\n"
    assert passed_unread(counted) == {"non_http": 1}


def test_what_could_still_become_a_request_is_waited_for(proxy: GuardingProxy) -> None:
    """But not for long, for it may be all that the client says for now."""
    with RawServer(echo) as server, tunnel(proxy, server.address) as client:
        client.send(b"ru")
        client.send(b"ok")
        assert client.take_exactly(4) == b"ruok"


def test_a_client_that_says_nothing_hears_everything(proxy: GuardingProxy) -> None:
    """Neither its silence nor its having nothing to say ends the tunnel."""

    def tell_the_time(server: RawServer, connection: socket.socket) -> None:
        server.read_all(connection)
        connection.sendall(b"noon")

    with RawServer(tell_the_time) as server, tunnel(proxy, server.address) as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert client.wait_for_close() == b"noon"
    with RawServer(lambda _, connection: time.sleep(0.2)) as server, tunnel(proxy, server.address) as client:
        assert client.wait_for_close() == b""


def test_either_side_may_end_first(proxy: GuardingProxy) -> None:
    """An end of file goes through like any byte, and the other direction goes on."""
    size = 3 * MIB

    def answer_at_the_end(server: RawServer, connection: socket.socket) -> None:
        server.read_all(connection)
        connection.sendall(b"\x01" * len(server.received))

    with RawServer(answer_at_the_end) as server, tunnel(proxy, server.address) as client:
        client.send(b"\x00" * size)
        client.socket.shutdown(socket.SHUT_WR)
        assert len(client.wait_for_close()) == size

    def hear_after_the_end(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(b"\x01" * size)
        connection.shutdown(socket.SHUT_WR)
        server.read_all(connection)

    with RawServer(hear_after_the_end) as server, tunnel(proxy, server.address) as client:
        client.send(b"\x00")
        assert len(client.wait_for_close()) == size
        client.send(b"\x00" * size)
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(server.received) == size + 1)


def test_a_large_tunnel_takes_no_memory(proxy: GuardingProxy) -> None:
    """A quarter of a GiB each way, to a server that is slower than its client."""
    total, block = 256 * MIB, b"\x00" * MIB
    with RawServer(echo) as server, tunnel(proxy, server.address) as client:
        client.send(b"\x00")
        assert client.take_exactly(1) == b"\x00"
        server.received = b""
        before = proxy.memory()
        proxy.reset_peak()
        received = 0
        for _ in range(total // len(block)):
            client.send(block)
            received += len(client.take_exactly(len(block)))
            server.received = b""
        assert received == total
        assert proxy.memory("VmHWM") < before + 32 * MIB


def test_ssh_comes_through(proxy: GuardingProxy, tmp_path: Path) -> None:
    """OpenSSH with a `ProxyCommand`, as `git` over SSH uses it behind a proxy."""
    if shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's `ssh`")

    def begin(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(SSH)
        server.read_until(connection, b"curve25519")

    script = tmp_path / "connect.py"
    script.write_text(CONNECT)
    with RawServer(begin) as server, proxy.counting() as counted:
        command = f"{sys.executable} {script} {proxy.forward[1]} %h %p"
        options = ["-o", f"ProxyCommand={command}", "-o", "BatchMode=yes", "-F", "none", "-p", str(server.address[1])]
        subprocess.run(["ssh", *options, UNGUARDED, "true"], check=False, capture_output=True, timeout=DEADLINE)
        assert server.received.startswith(b"SSH-2.0-")
        assert b"curve25519" in server.received
    assert passed_unread(counted) == {"non_http": 1}


#: What `nc -X connect` does, where there is no `nc`.
CONNECT = """
import os, socket, sys, threading
proxy = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
proxy.sendall(f"CONNECT {sys.argv[2]}:{sys.argv[3]} HTTP/1.1\\r\\n\\r\\n".encode())
answer = b""
while b"\\r\\n\\r\\n" not in answer:
    answer += proxy.recv(1)
assert b" 200 " in answer, answer
def up():
    while data := os.read(0, 65536):
        proxy.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := proxy.recv(65536):
    os.write(1, data)
"""


REQUEST = b"Host: localhost\r\nAuthorization: " + bearer("acme") + b"\r\n\r\n"
#: Requests to upstream by a name that no rule guards, whose Host names one that is guarded.
DRESSED = {
    "plain": [b"GET /api/block/globex/x HTTP/1.1\r\n"],
    "first one byte": [b"G", b"ET /api/block/globex/x HTTP/1.1\r\n"],
    "first two bytes": [b"GE", b"T /api/block/globex/x HTTP/1.1\r\n"],
    "byte by byte": [bytes([byte]) for byte in b"GET /api/block/globex/x HTTP/1.1\r\n"],
    "blank lines": [b"\r\n\r\nGET /api/block/globex/x HTTP/1.1\r\n"],
    "blank lines apart": [b"\r\n", b"\n", b"\r\n", b"GET /api/block/globex/x HTTP/1.1\r\n"],
    "another method": [b"M-SEARCH /api/block/globex/x HTTP/1.1\r\n"],
    "another method in pieces": [b"M", b"-SEARCH", b" ", b"/", b"api/block/globex/x HTTP/1.1\r\n"],
    "a digit in the method": [b"G3T /api/block/globex/x HTTP/1.1\r\n"],
    "every character of a method": [b"!#$%&'*+-.^_`|~ /api/block/globex/x HTTP/1.1\r\n"],
    "looks like SSH": [b"SSH-2.0-x /api/block/globex/x HTTP/1.1\r\n"],
    "lower-case method": [b"get /api/block/globex/x HTTP/1.1\r\n"],
    "lower-case version": [b"GET /api/block/globex/x http/1.1\r\n"],
    "tabs": [b"GET\t/api/block/globex/x\tHTTP/1.1\r\n"],
    "HTTP/1.0": [b"GET /api/block/globex/x HTTP/1.0\r\n"],
    "no version": [b"FOO /api/block/globex/x\r\n"],
    "another protocol's version": [b"SETUP /api/block/globex/x RTSP/1.0\r\n"],
    "absolute": [b"GET http://localhost/api/block/globex/x HTTP/1.1\r\n"],
    "absolute by another method": [b"FOO http://localhost/api/block/globex/x HTTP/1.1\r\n"],
    "no slash": [b"FOO api/block/globex/x HTTP/1.1\r\n"],
    "a target in pieces": [b"OPTIONS ", b"http", b"://localhost/api/block/globex/x HTTP/1.1\r\n"],
    "proxy protocol": [b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /api/block/globex/x HTTP/1.1\r\n"],
    "proxy protocol 2": [b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00GET /api/block/globex/x HTTP/1.1\r\n"],
    "h2c by prior knowledge": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"],
    "h2c in pieces": [b"PR", b"I * HTTP/2.0\r\n", b"\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"],
    "h2c by upgrade": [
        b"POST /api/block/globex/x HTTP/1.1\r\nContent-Length: 3\r\nConnection: Upgrade, HTTP2-Settings\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    ],
    "no method": [b"\x00\x01\x02GET /api/block/globex/x HTTP/1.1\r\n"],
    "no method, in pieces": [b"\x00\x01\x02", b"GET /api/block", b"/globex/x HTTP/1.1\r\n"],
    "a control character": [b"FOO /api/block/globex/x\x00 HTTP/1.1\r\n"],
    "TLS of a version to come": [b"\x16\x03\x09\x00\x05hello\r\n"],
    "an alert before": [b"\x15\x03\x01\x00\x02\x01\x00"],
    "half a TLS record": [b"\x16", b"\x03"],
}


@pytest.mark.parametrize("way", ["connect", "socks"])
@pytest.mark.parametrize("dress", DRESSED)
def test_no_request_passes_unjudged(
    proxy: GuardingProxy, socks_proxy: GuardingProxy, upstream: Upstream, dress: str, way: str
) -> None:
    """However it is dressed, and whether or not a server would take it for one: it is answered, or goes nowhere."""
    way_in = proxy.forward if way == "connect" else listening(socks_proxy)[0]
    with RawClient(way_in) as client:
        if way == "connect":
            assert client.tunnel(UNGUARDED, upstream.address[1]).status == 200
        else:
            assert socks_connect(client, UNGUARDED, upstream.address[1]) == 0
        # The proxy may have closed already.
        with suppress(OSError):
            for piece in [*DRESSED[dress], REQUEST]:
                client.send(piece)
                time.sleep(0.002)
            client.socket.shutdown(socket.SHUT_WR)
        answer = client.wait_for_close()
    assert answer[9:12] in (b"", b"400", b"403")
    assert not upstream.requests
