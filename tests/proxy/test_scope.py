"""Which connections are opened up, and by which of its names a request is judged."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.proxy.guarding import (
    FORWARD_H2,
    REVERSE_H2,
    GuardingProxy,
    Way,
    authorized,
    bearer,
    problem,
)
from tests.proxy.harness import Http2Client, RawClient, Upstream, client_context
from tests.proxy.tunnelling import passed_unread


@contextmanager
def connected(proxy: GuardingProxy, upstream: Upstream, host: str) -> Iterator[RawClient]:
    """Open a tunnel to upstream by this name; `localhost` is guarded, `127.0.0.1` is not."""
    with RawClient(proxy.forward) as client:
        assert client.tunnel(host, upstream.tls_address[1]).status == 200
        yield client


@pytest.mark.parametrize(
    ("sni", "why"), [("api.test", "host_not_guarded"), ("127.0.0.1", "no_sni"), (None, "no_sni")], ids=str
)
@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_what_no_rule_guards_is_not_decrypted(
    proxy: GuardingProxy, upstream: Upstream, sni: str | None, why: str, http2: bool
) -> None:
    """The client sees upstream's own certificate, upstream the client's own bytes; only the connection is counted."""
    # Trusts upstream's CA alone, so the proxy's certificate would end this.
    context = client_context(upstream.ca_file, http2=http2)
    context.check_hostname = sni is not None
    ours = (b"orgfence", b"the client's own")
    with proxy.counting() as counted, connected(proxy, upstream, "127.0.0.1") as client:
        assert client.start_tls(context, sni) == ("h2" if http2 else "http/1.1")
        path = b"/api/block/globex/x"
        if http2:
            stream = Http2Client(client.socket)
            assert (
                stream.wait(stream.request(proxy.pseudo(FORWARD_H2, b"GET", path, authorized("acme"), ours))).status
                == 200
            )
        else:
            client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\nOrgfence: the client's own\r\n\r\n" % path)
            assert client.read_answer().status == 200
    assert upstream.requests[0].values(b"orgfence") == [b"the client's own"]
    assert passed_unread(counted) == {why: 1}
    assert not [name for name in counted if "requests" in name or "tls_failed" in name]


@pytest.mark.parametrize(
    ("connect", "sni"),
    [
        ("localhost", "localhost"),
        ("localhost", None),
        ("localhost", "api.test"),
        ("localhost", "127.0.0.1"),
        ("LOCALHOST", "api.test"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "LocalHost"),
        ("127.1", "localhost"),
    ],
    ids=str,
)
@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_the_dialled_name_or_the_sni_is_enough(
    proxy: GuardingProxy, upstream: Upstream, connect: str, sni: str | None, http2: bool
) -> None:
    """Where either names a guarded host the connection is opened up, and its rule applies whatever the request says."""
    context = client_context(proxy.ca_file, http2=http2)
    context.check_hostname = sni is not None
    with proxy.counting() as counted, connected(proxy, upstream, connect) as client:
        client.start_tls(context, sni)
        if http2:
            stream = Http2Client(client.socket)
            for authority in (b"localhost", b"api.test", b"evil.test:443"):
                fields = [(b":authority", authority), authorized("acme")]
                fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/api/block/globex/x"), *fields]
                assert stream.wait(stream.request(fields)).status == 403
        else:
            for host in (b"localhost", b"api.test", b"evil.test"):
                client.send(b"GET /api/block/globex/x HTTP/1.1\r\nHost: " + host)
                client.send(b"\r\nAuthorization: " + bearer("acme") + b"\r\n\r\n")
                assert problem(client.read_answer())["reason"] == "org_not_granted"
    assert not upstream.requests
    assert counted['orgfence_requests_total{action="blocked"}'] == 3
    assert not passed_unread(counted)


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_every_authority_of_an_http2_request_counts(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """`:authority` and Host together, each of them guarded or not: the guarded one brings its rule."""
    for authority, host in ((b"evil.test", b"localhost"), (b"localhost", b"evil.test"), (b"", b"localhost")):
        fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/api/block/globex/x")]
        fields += [(b":authority", authority)] * bool(authority) + [(b"host", host), authorized("acme")]
        with proxy.http2(way) as client:
            assert client.wait_for_any_end(client.request(fields)).status in (400, 403, None)
        assert not upstream.requests


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"/api/block/globex/x", b"localhost"),
        (b"http://localhost/api/block/globex/x", b"evil.test"),
        (b"http://localhost:1/api/block/globex/x", b"evil.test"),
        (b"http://LOCALHOST/api/block/globex/x", b"evil.test"),
        (b"https://localhost/api/block/globex/x", b"evil.test"),
        (b"http://user@localhost/api/block/globex/x", b"evil.test"),
        (b"http://evil.test/api/block/globex/x", b"localhost"),
        (b"HTTP://localhost/api/block/globex/x", b"evil.test"),
    ],
    ids=lambda value: value.decode(),
)
def test_an_absolute_target_cannot_hide_the_host(
    proxy: GuardingProxy, upstream: Upstream, target: bytes, host: bytes
) -> None:
    """In reverse mode mitmproxy hands an absolute target on as it stands, so its host counts as well."""
    with RawClient(proxy.reverse) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: %s\r\n" % (target, host))
        client.send(b"Authorization: %s\r\n\r\n" % bearer("acme"))
        assert client.read_answer().status in (400, 403)
    assert not upstream.requests


def test_requests_to_other_hosts_pass_unjudged(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Plain HTTP to a host that no rule guards goes through and counts as unmatched."""
    with proxy.counting() as counted, RawClient(proxy.forward) as client:
        client.send(b"GET %s/api/block/globex/x HTTP/1.1\r\n" % upstream.url.encode())
        client.send(b"Host: 127.0.0.1\r\nAuthorization: %s\r\n\r\n" % bearer("acme"))
        assert client.read_answer().status == 200
    assert counted['orgfence_requests_total{action="unmatched"}'] == 1
    assert not [name for name in counted if "decisions" in name or "outcomes" in name]


STRANGE = {
    "another method": b"M-SEARCH /api/block/globex/x HTTP/1.1\r\n",
    "a digit in the method": b"G3T /api/block/globex/x HTTP/1.1\r\n",
    "looks like SSH": b"SSH /api/block/globex/x HTTP/1.1\r\n",
    "bytes": b"\x00\x01\x02GET /api/block/globex/x HTTP/1.1\r\n",
    "lower case": b"get /api/block/globex/x HTTP/1.1\r\n",
    "HTTP/1.0": b"GET /api/block/globex/x HTTP/1.0\r\n",
    "HTTP/9.9": b"GET /api/block/globex/x HTTP/9.9\r\n",
    "absolute": b"GET http://127.0.0.1/api/block/globex/x HTTP/1.1\r\n",
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("first", STRANGE)
def test_odd_bytes_in_a_tunnel_are_no_way_past(proxy: GuardingProxy, upstream: Upstream, first: str, tls: bool) -> None:
    """What mitmproxy would take for no HTTP and forward unseen is judged like any request."""
    with RawClient(proxy.forward) as client:
        assert client.tunnel("localhost", upstream.tls_address[1] if tls else upstream.address[1]).status == 200
        if tls:
            context = client_context(proxy.ca_file)
            # Without ALPN mitmproxy guesses by the first bytes.
            context.set_alpn_protocols([])
            client.start_tls(context, "localhost")
        # The first bytes on their own are fewer than it takes to guess.
        client.send(STRANGE[first][:2])
        client.send(STRANGE[first][2:] + b"Host: x\r\nAuthorization: " + bearer("acme") + b"\r\n\r\n")
        if first == "bytes" and not tls:
            # Another protocol, by its first byte.
            assert client.wait_for_close() == b""
        else:
            assert client.read_answer().status in (400, 403)
    assert not upstream.requests


def test_what_is_no_http_goes_nowhere(proxy: GuardingProxy, upstream: Upstream) -> None:
    """In a tunnel to a guarded host that is neither TLS nor HTTP nothing is forwarded; the proxy ends it."""
    for first in (b"SSH-2.0-OpenSSH_9.9\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n"):
        with RawClient(proxy.forward) as client:
            assert client.tunnel("localhost", upstream.address[1]).status == 200
            client.send(first)
            client.socket.shutdown(socket.SHUT_WR)
            client.wait_for_close()
    assert not upstream.requests
