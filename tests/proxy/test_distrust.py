"""Clients that do not trust the CA: each is named with its fix, whether or not it says what is wrong.

Each comes from an address of its own, for of one client and host one line is written in a while.
"""

import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import pytest
from tests.proxy.client_hellos import client_hello
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    REVERSE_H1,
    REVERSE_H2,
    WAYS,
    GuardingProxy,
    Way,
    authorized,
    bearer,
    json_line,
)
from tests.proxy.harness import DEADLINE, MAX_READ, Http2Client, RawClient, Upstream, client_context

COUNTED = "orgfence_tls_failed_clients_total"
SAYS_SO, MAY_BE_IT = "client_does_not_trust_the_ca", "client_may_not_trust_the_ca"

NODE = """
const [address, proxy, host, maxVersion] = process.argv.slice(1)
const connect = require("http").request({
  localAddress: address, host: "127.0.0.1", port: proxy, method: "CONNECT", path: host,
})
connect.on("connect", (_, socket) => {
  const call = require("https").request(`https://${host}/x`, { socket, agent: false, maxVersion })
  call.on("error", () => process.exit(1))
  call.end()
})
connect.end()
"""

type Command = Callable[[str, int, str], Sequence[str]]

PROGRAMS: dict[str, Command] = {
    "curl": lambda address, proxy, host: [
        *("curl", "-s", "--interface", address, "-x", f"http://127.0.0.1:{proxy}", f"https://{host}/x")
    ],
    "curl by TLS 1.2": lambda address, proxy, host: [
        *("curl", "-s", "--tls-max", "1.2", "--interface", address),
        *("-x", f"http://127.0.0.1:{proxy}", f"https://{host}/x"),
    ],
    "wget": lambda address, proxy, host: [
        *("wget", "-q", "-t", "1", "--no-config", f"--bind-address={address}"),
        *("-e", f"https_proxy=http://127.0.0.1:{proxy}", f"https://{host}/x"),
    ],
    "node": lambda address, proxy, host: ["node", "-e", NODE, address, str(proxy), host, "TLSv1.3"],
    "node by TLS 1.2": lambda address, proxy, host: ["node", "-e", NODE, address, str(proxy), host, "TLSv1.2"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_does_not_trust_the_ca_is_named(proxy: GuardingProxy, upstream: Upstream, name: str) -> None:
    """As it is installed, knowing of no CA of ours; nothing of what it asks for gets to upstream."""
    address = f"127.0.1.{1 + list(PROGRAMS).index(name)}"
    command = PROGRAMS[name](address, proxy.forward[1], f"localhost:{upstream.tls_address[1]}")
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs `{command[0]}`")
    ended = subprocess.run(command, check=False, capture_output=True, timeout=DEADLINE, env={"PATH": "/usr/bin:/bin"})
    assert ended.returncode != 0
    _is_named(proxy, address, SAYS_SO, MAY_BE_IT)
    assert not upstream.requests


def test_an_alert_says_so(proxy: GuardingProxy, upstream: Upstream) -> None:
    """By every version that is spoken."""
    for address, version in (("127.0.2.1", ssl.TLSVersion.TLSv1_2), ("127.0.2.2", ssl.TLSVersion.TLSv1_3)):
        untrusting = client_context(upstream.ca_file)
        untrusting.maximum_version = version
        with proxy.counting() as counted:
            with _tunnel(proxy, upstream, address) as client, pytest.raises(ssl.SSLCertVerificationError):
                client.start_tls(untrusting, "localhost")
            _is_named(proxy, address, SAYS_SO)
        assert counted[COUNTED] == 1
    assert not upstream.requests


def test_one_that_hangs_up_at_the_certificate_may_not_trust_it(proxy: GuardingProxy, upstream: Upstream) -> None:
    """It has broken the handshake off, and that is counted."""
    with proxy.counting() as counted:
        with _tunnel(proxy, upstream, "127.0.2.3") as client:
            client.send(client_hello())
            assert client.take_some()[:1] == b"\x16"
        _is_named(proxy, "127.0.2.3", MAY_BE_IT)
    assert counted[COUNTED] == 1


def test_one_that_hangs_up_after_the_handshake_may_not_trust_it(proxy: GuardingProxy, upstream: Upstream) -> None:
    """It broke nothing off, so it is named and not counted."""
    with proxy.counting() as counted:
        for address, version in (("127.0.2.4", ssl.TLSVersion.TLSv1_2), ("127.0.2.5", ssl.TLSVersion.TLSv1_3)):
            careless = client_context(proxy.ca_file)
            careless.maximum_version = version
            with _tunnel(proxy, upstream, address) as client:
                client.start_tls(careless, "localhost")
            _is_named(proxy, address, MAY_BE_IT)
    assert COUNTED not in counted


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H1, REVERSE_H2], ids=str)
def test_one_that_hangs_up_without_a_word_may_not_trust_it_whoever_speaks_first(
    proxy: GuardingProxy, upstream: Upstream, way: Way
) -> None:
    """Behind a reverse listener as well, and by HTTP/2, whose server has said something by then."""
    address = f"127.0.2.{20 + WAYS.index(way)}"
    with _connected(proxy, upstream, way, address) as (client, context):
        client.start_tls(context, "localhost")
    _is_named(proxy, address, MAY_BE_IT)


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_H1, REVERSE_H2], ids=str)
def test_one_that_asks_for_something_trusts_it(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """However it goes: with its answer, without reading that, by a reset, in the midst of its head; later too."""
    address = f"127.0.4.{1 + WAYS.index(way)}"
    with proxy.counting() as counted:
        for end in ("answered", "unread", "reset", "in the head", "no HTTP"):
            with _connected(proxy, upstream, way, address) as (client, context):
                client.start_tls(context, "localhost")
                _ask(proxy, way, client, end)
            # One that hangs up later is a spare connection, or was ended: what it would not trust it has trusted.
            with _connected(proxy, upstream, way, address) as (client, context):
                client.start_tls(context, "localhost")
            with _connected(proxy, upstream, way, address) as (client, _):
                client.send(client_hello())
                assert client.take_some()[:1] == b"\x16"
        _none_is_named(proxy, upstream, "127.0.4.")
    assert COUNTED not in counted


def _ask(proxy: GuardingProxy, way: Way, client: RawClient, end: str) -> None:
    """Say something by an open connection, and be done with it in some way."""
    path = b"/large?bytes=300000" if end == "unread" else b"/api/block/acme/x"
    if end == "no HTTP":
        client.send(b"\x00\x01 no HTTP\r\n\r\n")
        client.wait_for_close()
    elif way.http2:
        http2 = Http2Client(client.socket)
        stream_id = http2.request(proxy.pseudo(way, b"GET", path, authorized("acme")), end=end != "in the head")
        if end == "answered":
            assert http2.wait(stream_id).status == 200
        elif end == "unread":
            client.socket.recv(1)
    else:
        head = proxy.head(way, b"GET", path, authorized("acme"))
        client.send(head[:-4] if end == "in the head" else head)
        if end == "answered":
            assert client.read_answer().status == 200
        elif end == "unread":
            client.socket.recv(1)
    if end == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_probe_is_not_named(proxy: GuardingProxy, upstream: Upstream) -> None:
    """One that connects and goes, that shakes hands and says goodbye, or that goes on with a session of before."""
    with proxy.counting() as counted:
        for number, way in enumerate((FORWARD_H1, REVERSE_H1, REVERSE_H2)):
            address = f"127.0.5.{1 + number}"
            with _connected(proxy, upstream, way, address):
                pass
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with _connected(proxy, upstream, way, address) as (client, context):
                    context.maximum_version = version
                    client.start_tls(context, "localhost")
                    with suppress(OSError):
                        client.socket.unwrap()  # type: ignore[attr-defined] # it speaks TLS by now
        session, _ = _session(proxy, upstream, "127.0.5.8", None)
        _, was_resumed = _session(proxy, upstream, "127.0.5.9", session)
        assert was_resumed
        _none_is_named(proxy, upstream, "127.0.5.")
    assert COUNTED not in counted


def _session(
    proxy: GuardingProxy, upstream: Upstream, address: str, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool]:
    """Shake hands by TLS 1.2; say goodbye if the session is new, else hang up. Return it, and if it was resumed."""
    context = _session_context(proxy)
    with _tunnel(proxy, upstream, address) as client:
        wrapped = context.wrap_socket(client.socket, server_hostname="localhost", session=session)
        client.socket = wrapped
        if session is None:
            with suppress(OSError):
                wrapped.unwrap()
        return wrapped.session, bool(wrapped.session_reused)


@cache
def _session_context(proxy: GuardingProxy) -> ssl.SSLContext:
    context = client_context(proxy.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _none_is_named(proxy: GuardingProxy, upstream: Upstream, addresses: str) -> None:
    """Assert that no client of these addresses was named, once the same is known of one that came after them."""
    after = f"{addresses}200"
    with _tunnel(proxy, upstream, after) as client:
        client.start_tls(client_context(proxy.ca_file), "localhost")
    _is_named(proxy, after, MAY_BE_IT)
    named = {event["client"] for name in (SAYS_SO, MAY_BE_IT) for event in proxy.events(name)}
    assert not {client for client in named if client.startswith(addresses)} - {after}


def test_nobody_else_is_named(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Who asks for something does trust; who goes before there is a certificate, or speaks no TLS, may or may not."""
    fields = b"Host: localhost\r\nAuthorization: %s\r\n\r\n" % bearer("acme")
    with proxy.counting() as counted:
        with _tunnel(proxy, upstream, "127.0.3.1") as client:
            client.start_tls(client_context(proxy.ca_file), "localhost")
            client.send(b"GET /x HTTP/1.1\r\n" + fields)
            assert client.read_answer().status == 200
        for address, first in (
            ("127.0.3.2", b""),
            ("127.0.3.3", client_hello()[:60]),
            ("127.0.3.4", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"),
        ):
            with _tunnel(proxy, upstream, address) as client, suppress(ConnectionError):
                client.send(first)
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(MAX_READ):
                    pass
        # What came of them is known once the same is known of one that came after them.
        with _tunnel(proxy, upstream, "127.0.3.5") as client:
            client.start_tls(client_context(proxy.ca_file), "localhost")
        _is_named(proxy, "127.0.3.5", MAY_BE_IT)
    assert COUNTED not in counted
    assert not [
        event
        for name in (SAYS_SO, MAY_BE_IT)
        for event in proxy.events(name)
        if event["client"].startswith("127.0.3.") and event["client"] != "127.0.3.5"
    ]


def test_one_that_speaks_older_tls_is_told_apart(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Trust is not what it lacks."""
    # As of TLS 1.1, which offers no newer version: the last of the handshake's version, and no extension.
    body = b"\x03\x02" + bytes(range(32)) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    hello = b"\x16\x03\x01\x00%c\x01\x00\x00%c" % (len(body) + 4, len(body)) + body
    with proxy.counting() as counted, _tunnel(proxy, upstream, "127.0.2.6") as client:
        client.send(hello)
        client.wait_for_close()
        event = proxy.wait_for_event("client_speaks_other_tls", lambda event: event["client"] == "127.0.2.6")
    assert "tls_version_client_min" in event["advice"]
    assert COUNTED not in counted


@contextmanager
def _connected(
    proxy: GuardingProxy, upstream: Upstream, way: Way, source: str
) -> Iterator[tuple[RawClient, ssl.SSLContext]]:
    """Connect this way from an address of the machine's own, up to the TLS handshake, and give the context for it."""
    context = client_context(proxy.ca_file, http2=way.http2)
    with _tunnel(proxy, upstream, source) if way.forward else RawClient(proxy.reverse_tls, source=source) as client:
        yield client, context


def _tunnel(proxy: GuardingProxy, upstream: Upstream, source: str) -> RawClient:
    """Connect to upstream from this address of the machine's own, up to the TLS handshake."""
    client = RawClient(proxy.forward, source=source)
    assert client.tunnel("localhost", upstream.tls_address[1]).status == 200
    return client


def _is_named(proxy: GuardingProxy, client: str, *names: str) -> None:
    """Wait for the line in the log that names a client, by one of these events, and assert that it says what to do."""

    def named(line: str) -> dict[str, Any] | None:
        event = json_line(line)
        return event if event.get("event") in names and event["client"] == client else None

    event = proxy.wait_for_line(named)
    assert event is not None
    assert (event["host"], event["level"]) == ("localhost", "warning")
    assert str(proxy.ca_file) in event["advice"]
    for fix in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "pins"):
        assert fix in event["advice"]
