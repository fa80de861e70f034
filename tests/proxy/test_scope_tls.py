"""Whom a TLS connection is for, by what it says and by what it does not: opened up, counted by why it is not, or ended.

The policy guards `api.test`, and upstream by its address; all names under `.test` are this machine.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.proxy.client_hellos import ENCRYPTED_CLIENT_HELLO, Extension, client_hello, random_of, server_name
from tests.proxy.guarding import ISS, GuardingProxy, bearer, problem, wait_until
from tests.proxy.harness import RawClient, Upstream, client_context
from tests.proxy.resolving import resolving_command
from tests.proxy.tunnelling import RawServer, listening, passed_unread, socks_connect

POLICY = f"""
version: 1
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
rules:
  - id: by-name
    match: {{hosts: [api.test], paths: ["/*/block/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
  - id: by-address
    match: {{hosts: ["127.0.0.1:%d", "127.0.0.1:%d"], paths: ["/*/block/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
"""


H2C = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def shared_switching() -> Iterator[RawServer]:
    """A server that takes every offer to go on in another protocol, and speaks HTTP/2 from then on."""

    def switch(server: RawServer, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            server.received += data
            if server.received.endswith(b"\r\n\r\n"):
                switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                connection.sendall(switched + SETTINGS)

    with RawServer(switch) as server:
        yield server


@pytest.fixture
def switching(shared_switching: RawServer) -> RawServer:
    """The same, which has received nothing yet."""
    shared_switching.received = b""
    return shared_switching


@pytest.fixture(scope="module")
def resolving(shared_upstream: Upstream, shared_switching: RawServer) -> Iterator[GuardingProxy]:
    """A forward proxy, one for SOCKS5, and a reverse proxy, that all go by this policy."""
    policy = POLICY % (shared_upstream.address[1], shared_upstream.tls_address[1])
    reverse = f"reverse:http://127.0.0.1:{shared_switching.address[1]}@127.1:0"
    modes = ["regular@127.0.0.1:0", "socks5@127.0.1:0", reverse]
    with GuardingProxy(shared_upstream, policy, modes=modes, launcher=resolving_command) as process:
        yield process


@contextmanager
def connected(proxy: GuardingProxy, host: str, port: int, way: str = "connect") -> Iterator[RawClient]:
    """Have the proxy connect to a host."""
    forward, socks, _ = listening(proxy)
    with RawClient(socks if way == "socks" else forward) as client:
        if way == "socks":
            assert socks_connect(client, host.strip("[]"), port) == 0
        else:
            assert client.tunnel(host, port).status == 200
        yield client


#: No TLS: who tries a handshake gives up.
ANSWER = b"I have got something"


def answer(server: RawServer, connection: socket.socket) -> None:
    """Take what comes, and say so."""
    while data := connection.recv(65536):
        server.received += data
        connection.sendall(ANSWER)


ECH = ENCRYPTED_CLIENT_HELLO
OTHER, NOWHERE, GUARDED = (server_name(name) for name in (b"other.test", b"nowhere.test", b"api.test"))


def _shown(value: str | list[Extension]) -> str:
    if isinstance(value, str):
        return value
    return " and ".join("ECH" if each is ECH else ascii(each[1][5:].decode("latin-1")) for each in value) or "none"


@pytest.mark.parametrize(
    ("dialled", "extensions", "why"),
    [
        ("other.test", [OTHER], "host_not_guarded"),
        ("other.test", [], "host_not_guarded"),
        ("Other.Test", [server_name(b"oTHER.test.")], "host_not_guarded"),
        ("other.test.", [OTHER], "host_not_guarded"),
        ("127.0.0.1", [OTHER], "host_not_guarded"),
        ("127.0.0.1", [server_name(b"\xff\x00\xfe")], "host_not_guarded"),
        ("127.1", [server_name(b"127.0.0.1")], "host_not_guarded"),
        ("127.0.0.1", [], "no_sni"),
        ("2130706433", [], "no_sni"),
        ("127.0.0.1", [server_name()], "no_sni"),
        ("127.0.0.1", [server_name(b"")], "no_sni"),
        ("other.test", [NOWHERE], "sni_differs"),
        ("other.test", [server_name(b"127.0.0.1")], "sni_differs"),
        ("other.test", [server_name(b"\xff\x00\xfe")], "sni_differs"),
        ("other.test", [server_name(b"other.test", b"nowhere.test")], "sni_differs"),
        ("other.test", [server_name(b"api.test.nowhere.test")], "sni_differs"),
        ("127.0.0.1", [OTHER, ECH], "ech"),
        ("127.0.0.1", [ECH], "ech"),
        ("other.test", [NOWHERE, ECH], "ech"),
        ("other.test", [ECH], "ech"),
        ("other.test", [OTHER, ECH], "host_not_guarded"),
    ],
    ids=_shown,
)
@pytest.mark.parametrize("way", ["connect", "socks"])
def test_what_passes_is_counted_by_why(
    resolving: GuardingProxy, dialled: str, extensions: list[Extension], why: str, way: str
) -> None:
    """What no name that was given guards passes as it is, to the byte, and exactly one reason is counted."""
    hello = client_hello(*extensions)
    with (
        resolving.counting() as counted,
        RawServer(answer) as server,
        connected(resolving, dialled, server.address[1], way) as client,
    ):
        client.send(hello)
        assert client.take_exactly(len(ANSWER)) == ANSWER
        wait_until(lambda: len(server.received) >= len(hello))
    assert server.received == hello
    assert passed_unread(counted) == {why: 1}
    assert not [name for name in counted if "orgfence_requests" in name or "failed" in name or "errors" in name]


#: A server that is less strict than others may go by any of these.
NAMING_THE_GUARDED = {
    "plain": [GUARDED],
    "upper case": [server_name(b"API.TEST")],
    "a trailing dot": [server_name(b"api.test.")],
    "with a port": [server_name(b"api.test:443")],
    "first of two": [server_name(b"api.test", b"nowhere.test")],
    "second of two": [server_name(b"nowhere.test", b"api.test")],
    "behind an empty one": [server_name(b"", b"api.test")],
    "of another type": [server_name(b"api.test", kind=1)],
    "in a second extension": [NOWHERE, GUARDED],
    "cut short": [(0, GUARDED[1][:2] + b"\x00\x00\x40api.test")],
    "a wrong length of the list": [(0, b"\xff\xff" + GUARDED[1][2:])],
    "with ECH": [GUARDED, ECH],
    "behind ECH": [ECH, GUARDED],
}


@pytest.mark.parametrize("dialled", ["other.test", "127.0.0.1"])
@pytest.mark.parametrize("named", NAMING_THE_GUARDED)
def test_whatever_names_a_guarded_host_is_opened_up(resolving: GuardingProxy, named: str, dialled: str) -> None:
    """However the SNI is written, the client's own handshake does not get to the server."""
    _is_kept(resolving, dialled, client_hello(*NAMING_THE_GUARDED[named]))


@pytest.mark.parametrize("dialled", ["api.test", "API.test.", "api.test."])
@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [NOWHERE],
        [server_name(b"\xff\x00\xfe")],
        [server_name()],
        [ECH],
        [NOWHERE, ECH],
        [server_name(b"127.0.0.1")],
    ],
    ids=["absent", "another", "malformed", "empty", "ECH alone", "another with ECH", "an address"],
)
def test_no_sni_leads_past_a_guarded_name_that_was_dialled(
    resolving: GuardingProxy, dialled: str, extensions: list[Extension]
) -> None:
    """Absent, forged, malformed or hidden: the host dialled is enough."""
    _is_kept(resolving, dialled, client_hello(*extensions))


@pytest.mark.parametrize("record", [1, 7, 200])
def test_a_handshake_in_pieces_is_put_together(resolving: GuardingProxy, record: int) -> None:
    """In records of a few bytes, each a segment of its own, a guarded SNI is seen; a foreign one passes as it came."""
    _is_kept(resolving, "other.test", client_hello(GUARDED, record=record), piece=5 + record)
    hello = client_hello(OTHER, record=record)
    with (
        resolving.counting() as counted,
        RawServer(answer) as server,
        connected(resolving, "other.test", server.address[1]) as client,
    ):
        for start in range(0, len(hello), 40):
            client.send(hello[start : start + 40])
        assert client.take_exactly(len(ANSWER)) == ANSWER
        wait_until(lambda: len(server.received) >= len(hello))
    assert server.received == hello
    assert passed_unread(counted) == {"host_not_guarded": 1}


def _is_kept(proxy: GuardingProxy, dialled: str, hello: bytes, piece: int = 1 << 14) -> None:
    """Assert that a client's handshake is answered by the proxy, or ended, and that nothing of it is passed on."""
    with (
        proxy.counting() as counted,
        RawServer(answer) as server,
        connected(proxy, dialled, server.address[1]) as client,
        suppress(ConnectionError),
    ):
        for start in range(0, len(hello), piece):
            client.send(hello[start : start + piece])
        # A handshake message or an alert.
        assert client.take_some()[:1] in (b"\x16", b"\x15")
    assert random_of(hello) not in server.received
    assert not passed_unread(counted)


@pytest.mark.parametrize(
    "first",
    [
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
        b"\x16\x03\x03\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c" + b"\xff" * 12,
        b"\x17\x03\x03\x00\x05hello",
        b"\x14\x03\x03\x00\x01\x01",
    ],
    ids=["another message", "empty", "garbage", "data before a handshake", "a change of ciphers"],
)
@pytest.mark.parametrize("dialled", ["api.test", "other.test"])
def test_tls_that_does_not_begin_as_such_goes_nowhere(resolving: GuardingProxy, dialled: str, first: bytes) -> None:
    """What cannot be read names no host, so it passes to none."""
    with (
        resolving.counting() as counted,
        RawServer(answer) as server,
        connected(resolving, dialled, server.address[1]) as client,
    ):
        client.send(first + bytes(64))
        with suppress(ConnectionError):
            client.socket.shutdown(socket.SHUT_WR)
        assert ANSWER not in client.wait_for_close()
    assert first not in server.received
    assert not passed_unread(counted)


@pytest.mark.parametrize(
    ("dialled", "sni"),
    [
        ("api.test", "api.test"),
        ("api.test.", "api.test."),
        ("127.0.0.1", "api.test."),
        ("api.test.", None),
        ("other.test", "API.TEST."),
        ("other.test", "api.test"),
    ],
    ids=str,
)
def test_a_trailing_dot_changes_nothing(
    resolving: GuardingProxy, upstream: Upstream, dialled: str, sni: str | None
) -> None:
    """In the name dialled or in the SNI: the handshake comes to its end, and each request is judged."""
    context = client_context(resolving.ca_file)
    context.check_hostname = False
    with connected(resolving, dialled, upstream.tls_address[1]) as client:
        client.start_tls(context, sni)
        for org, status in (("acme", 200), ("globex", 403)):
            client.send(
                b"GET /api/block/acme/x HTTP/1.1\r\nHost: nowhere.test\r\nAuthorization: %s\r\n\r\n" % bearer(org)
            )
            assert client.read_answer().status == status
    assert [request.target for request in upstream.requests] == [b"/api/block/acme/x"]


ADDRESSES = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_given_by_address_is_judged(
    resolving: GuardingProxy, upstream: Upstream, address: str, scheme: str
) -> None:
    """However it is written, in CONNECT, in an absolute target, by SOCKS5 or in a Host: an address is one host."""
    port = upstream.tls_address[1] if scheme == "https" else upstream.address[1]
    fields = b"Authorization: %s\r\n\r\n" % bearer("acme")
    by_name = b"GET /api/block/globex/x HTTP/1.1\r\nHost: nowhere.test\r\n" + fields
    by_host = b"GET /api/block/globex/x HTTP/1.1\r\nHost: %s:%d\r\n" % (address.encode(), port) + fields
    for way in ("connect", "socks"):
        with connected(resolving, address, port, way) as client:
            if scheme == "https":
                context = client_context(resolving.ca_file)
                context.check_hostname = False
                client.start_tls(context, None)
            client.send(by_name)
            assert problem(client.read_answer())["rule"] == "by-address"
    with RawClient(listening(resolving)[0]) as client:
        target = b"%s://%s:%d/api/block/globex/x" % (scheme.encode(), address.encode(), port)
        client.send(b"GET %s HTTP/1.1\r\nHost: nowhere.test\r\n" % target + fields)
        assert problem(client.read_answer())["rule"] == "by-address"
    if scheme == "http":
        with connected(resolving, "other.test", port) as client:
            client.send(by_host)
            assert problem(client.read_answer())["rule"] == "by-address"
    assert not upstream.requests


def test_a_guarded_host_that_greets_is_refused(resolving: GuardingProxy) -> None:
    """Mail or SSH there would wait for each other for ever: the tunnel ends, and the log says why and what to do."""

    def greet(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(b"220 mail.test ESMTP\r\n")
        server.read_all(connection)

    with resolving.counting() as counted, RawServer(greet) as server:
        with connected(resolving, "api.test", server.address[1]) as client:
            assert client.wait_for_close() == b""
        with connected(resolving, "api.test.", server.address[1], "socks") as client:
            assert client.wait_for_close() == b""
    assert server.received == b""
    assert not passed_unread(counted)
    assert counted['orgfence_refused_connections_total{why="non_http"}'] == 2
    event = resolving.wait_for_event("tunnel_refused", lambda event: "`hosts`" in event["advice"])
    assert (event["client"], event["host"]) == ("127.0.0.1", "api.test")


OFFERS = {
    "as it should be": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "in upper case": b"Connection: upgrade\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n",
    "among others": b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "twice": b"Connection: Upgrade\r\nUpgrade: foo\r\nUpgrade: h2c\r\n",
    "another protocol": b"Connection: Upgrade\r\nUpgrade: TLS/1.3\r\n",
}


@pytest.mark.parametrize("together", [False, True], ids=["after the answer", "at once"])
@pytest.mark.parametrize("way", ["absolute", "other.test", "api.test", "reverse"])
@pytest.mark.parametrize("offer", OFFERS)
def test_an_upgrade_is_no_way_out_of_being_judged(
    resolving: GuardingProxy, switching: RawServer, offer: str, way: str, together: bool
) -> None:
    """Where a server takes an offer the connection ends: of what the client says in HTTP/2 then it hears nothing."""
    forward, _, reverse = listening(resolving)
    port = switching.address[1]
    with resolving.counting() as counted, RawClient(reverse if way == "reverse" else forward) as client:
        if way.endswith(".test"):
            assert client.tunnel(way, port).status == 200
        target = b"http://other.test:%d/x" % port if way == "absolute" else b"/x"
        head = b"GET %s HTTP/1.1\r\nHost: other.test:%d\r\n%s\r\n" % (target, port, OFFERS[offer])
        with suppress(ConnectionError):
            client.send(head + (H2C + SETTINGS) * together)
            client.take_until(b"\r\n\r\n")
            client.send(H2C + SETTINGS)
        assert SETTINGS not in client.wait_for_close()
    assert switching.received.startswith(b"GET /x HTTP/1.1\r\n")
    assert b"PRI" not in switching.received
    assert SETTINGS not in switching.received
    assert not passed_unread(counted)


@pytest.mark.parametrize("way", ["proxy", "reverse", "other.test", "api.test", "tls", "socks"])
def test_http2_without_tls_is_refused(
    resolving: GuardingProxy, switching: RawServer, upstream: Upstream, way: str
) -> None:
    """By prior knowledge, wherever a connection may begin: nothing of it gets to a server."""
    forward, _, reverse = listening(resolving)
    with resolving.counting() as counted:
        if way in ("proxy", "reverse"):
            with RawClient(forward if way == "proxy" else reverse) as client:
                _speak_http2(client)
        elif way == "tls":
            with connected(resolving, "api.test", upstream.tls_address[1]) as client:
                # By ALPN it is HTTP/1.1.
                client.start_tls(client_context(resolving.ca_file), "api.test")
                _speak_http2(client)
        else:
            host, by = ("api.test", "socks") if way == "socks" else (way, "connect")
            with connected(resolving, host, switching.address[1], by) as client:
                _speak_http2(client)
    assert switching.received == b""
    assert not upstream.requests
    assert not passed_unread(counted)


def _speak_http2(client: RawClient) -> None:
    client.send(H2C + SETTINGS)
    answer = client.wait_for_close()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/2.0 4")), answer
