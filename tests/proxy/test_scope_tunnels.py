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
from tests.proxy.harness import DEADLINE, RawClient, Upstream, client_context
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
    "PROXY protocol": [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /api/block/globex/x HTTP/1.1\r\n"],
    "PROXY protocol as a method": [b"PROXY http://localhost/api/block/globex/x HTTP/1.1\r\n"],
    "PROXY protocol, unknown": [b"PROXY UNKNOWN\r\n", b"GET /api/block/globex/x HTTP/1.1\r\n"],
    "PROXY protocol 2": [b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", b"GET /api/block/globex/x HTTP/1.1\r\n"],
    "half a TLS record": [b"\x16", b"\x03"],
}


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
#: Headers of the PROXY protocol.
HEADERS = {
    "version 1": [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"],
    "unknown": [b"PROXY UNKNOWN\r\n"],
    "unknown, 107 bytes": [b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"],
    "version 1 in pieces": [b"PRO", b"XY TCP6 ::1 ::1 1 ", b"2\r", b"\n"],
    "local": [V2 + b"\x20\x00\x00\x00"],
    "version 2": [V2 + b"\x21\x11\x00\x0c" + bytes(12)],
    "version 2 with TLVs": [V2 + b"\x21\x11\x00\x14" + bytes(12) + b"\x04\x00\x05tlvs!"],
    "version 2 in pieces": [V2[:3], V2[3:7], V2[7:] + b"\x21", b"\x11\x00\x0c" + bytes(11), b"\x00"],
    "one on the other": [b"PROXY UNKNOWN\r\n" * 2 + V2 + b"\x20\x00\x00\x00", b"PROXY UNKNOWN\r\n"],
}


@pytest.mark.parametrize("host", [UNGUARDED, "localhost"])
@pytest.mark.parametrize("header", HEADERS)
def test_a_request_behind_a_proxy_header_is_judged(proxy: GuardingProxy, header: str, host: str) -> None:
    """As if the tunnel began there: it is blocked, or goes upstream behind the header, which arrives as it was sent."""
    whole = b"".join(HEADERS[header])
    request = b"GET /api/block/%s/x HTTP/1.1\r\n" + REQUEST
    with RawServer(lambda server, connection: server.read_all(connection)) as server, proxy.counting() as counted:
        with tunnel(proxy, server.address, host) as client:
            for piece in HEADERS[header]:
                client.send(piece)
                time.sleep(0.002)
            client.send(request % b"globex")
            assert client.read_answer().status == 403
        wait_until(lambda: server.received == whole)
    assert counted['orgfence_requests_total{action="blocked"}'] == 1

    def answer(server: RawServer, connection: socket.socket) -> None:
        server.read_until(connection, b"Authorization")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        server.read_all(connection)

    with RawServer(answer) as server, proxy.counting() as counted, tunnel(proxy, server.address, host) as client:
        client.send(whole + request % b"acme")
        assert client.read_answer().body == b"ok"
    assert server.received.startswith(whole + b"GET /api/block/acme/x ")
    assert counted['orgfence_requests_total{action="forwarded"}'] == 1
    assert not passed_unread(counted)


@pytest.mark.parametrize("header", ["version 1", "local", "one on the other"])
def test_tls_behind_a_proxy_header_goes_by_its_name(proxy: GuardingProxy, upstream: Upstream, header: str) -> None:
    """One to a guarded host is opened up, also where the address that was dialled is not guarded."""
    with tunnel(proxy, upstream.tls_address) as client:
        client.send(b"".join(HEADERS[header]))
        # Upstream takes no such header, which ends its own part of the connection.
        with suppress(OSError):
            client.start_tls(client_context(proxy.ca_file), "localhost")
            client.send(b"GET /api/block/globex/x HTTP/1.1\r\n" + REQUEST)
            assert client.read_answer().status in (403, 502)
    assert not upstream.requests


@pytest.mark.parametrize("header", HEADERS)
def test_other_protocols_pass_behind_a_proxy_header(proxy: GuardingProxy, header: str) -> None:
    """To an unguarded host, with the header as it was sent; the server may greet once it has that."""
    whole = b"".join(HEADERS[header])

    def greet(server: RawServer, connection: socket.socket) -> None:
        server.read_until(connection, whole)
        connection.sendall(b"220 mail.test ESMTP\r\n")
        server.read_until(connection, b"EHLO me\r\n")
        connection.sendall(b"250 mail.test\r\n")

    with RawServer(greet) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        client.send(whole)
        assert client.take_until(b"\n") == b"220 mail.test ESMTP\r\n"
        client.send(b"EHLO me\r\n")
        assert client.wait_for_close() == b"250 mail.test\r\n"
    assert server.received == whole + b"EHLO me\r\n"
    assert passed_unread(counted) == {"non_http": 1}


#: What must not pass, by why; and by what is counted where the host is guarded.
REFUSED = {
    "TLS of a version to come": (b"\x16\x03\x04\x00\x05\x01\x00\x00\x01\x00", "tls_version"),
    "TLS of a far version": (b"\x16\x7f\x1c\x00\x05\x01\x00\x00\x01\x00", "tls_version"),
    "an alert": (b"\x15\x03\x01\x00\x02\x01\x00", "no_client_hello"),
    "application data": (b"\x17\x03\x03\x00\x05hello", "no_client_hello"),
    "a change of ciphers": (b"\x14\x03\x03\x00\x01\x01", "no_client_hello"),
    "a ServerHello": (b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00", "no_client_hello"),
    "an empty record": (b"\x16\x03\x03\x00\x00\x01", "no_client_hello"),
    "a ClientHello that cannot be read": (
        b"\x16\x03\x01\x00\x2a\x01\x00\x00\x26\x03\x03" + b"\xff" * 36,
        "client_hello",
    ),
    "SSL 2.0": (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37), "ssl2"),
    "SSL 2.0 for TLS": (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(37), "ssl2"),
    "a PROXY line too long": (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "proxy_header"),
    "a PROXY line without end": (b"PROXY UNKNOWN " + b"x" * 200, "proxy_header"),
    "a PROXY line of another kind": (b"PROXY TCP5 1 2 3 4\r\n", "proxy_header"),
    "too many PROXY headers": (b"PROXY UNKNOWN\r\n" * 9, "proxy_header"),
    "a PROXY header too long": (V2 + b"\x21\x11\xff\xff", "proxy_header"),
    "a PROXY header of no version": (V2 + b"\x31\x11\x00\x00", "proxy_header"),
    "an alert behind a PROXY header": (b"PROXY UNKNOWN\r\n\x15\x03\x01\x00\x02\x01\x00", "no_client_hello"),
}


@pytest.mark.parametrize("host", [UNGUARDED, "localhost"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_must_not_pass_is_closed(proxy: GuardingProxy, what: str, host: str) -> None:
    """Nobody waits for an answer: the tunnel ends, is counted by why, and nothing of what was refused goes upstream."""
    data, why = REFUSED[what]
    server = RawServer(lambda server, connection: server.read_all(connection))
    with server, proxy.counting() as counted, tunnel(proxy, server.address, host) as client:
        client.send(data)
        assert client.wait_for_close() == b""
    assert not server.received.replace(b"PROXY UNKNOWN\r\n", b"")
    assert counted[f'orgfence_refused_connections_total{{why="{why}"}}'] == 1
    assert not passed_unread(counted)


def test_a_hello_of_ssl2_does_not_pass_in_pieces(proxy: GuardingProxy) -> None:
    """Its first bytes may pass to a host that no rule guards, and the whole of it does not."""
    hello, _ = REFUSED["SSL 2.0 for TLS"]
    with RawServer(echo) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        client.send(hello[:4])
        assert client.take_exactly(4) == hello[:4]
        client.send(hello[4:])
        assert client.wait_for_close() == b""
    assert server.received == hello[:4]
    assert counted['orgfence_refused_connections_total{why="hidden_request"}'] == 1


@pytest.mark.parametrize("first", [SSH, b"AMQP\x00\x00\x09\x01", b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"get key\r\n"])
def test_a_guarded_host_takes_no_other_protocol(proxy: GuardingProxy, first: bytes) -> None:
    """A client that speaks first is not left to wait either."""
    with RawServer(echo) as server, proxy.counting() as counted, tunnel(proxy, server.address, "localhost") as client:
        client.send(first)
        assert client.wait_for_close() == b""
    assert counted['orgfence_refused_connections_total{why="non_http"}'] == 1


def test_a_proxy_header_that_stops_is_closed(proxy: GuardingProxy) -> None:
    """After the time that a lost segment takes to be sent again, and not as another protocol."""
    with RawServer(echo) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        client.send(b"PROXY TCP4 192.0")
        assert client.wait_for_close() == b""
    assert server.received == b""
    assert counted['orgfence_refused_connections_total{why="proxy_header"}'] == 1


@pytest.mark.parametrize("late", [[b"P", b"ROXY UNKNOWN\r\n"], [V2[:4], V2[4:] + b"\x20\x00\x00\x00"]], ids=["1", "2"])
def test_a_proxy_header_that_comes_late_is_closed(proxy: GuardingProxy, upstream: Upstream, late: list[bytes]) -> None:
    """Its first bytes had passed as another protocol's, and what stands behind it would not be judged."""
    with RawServer(echo) as server, proxy.counting() as counted, tunnel(proxy, server.address) as client:
        client.send(late[0])
        assert client.take_exactly(len(late[0])) == late[0]
        client.send(late[1] + b"GET /api/block/globex/x HTTP/1.1\r\n" + REQUEST)
        assert client.wait_for_close() == b""
    assert server.received == late[0]
    assert counted['orgfence_refused_connections_total{why="hidden_request"}'] == 1


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
