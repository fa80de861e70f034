"""The ports on which orgfence itself listens, asked for through it: by any name or address, by any way, no answer."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from tests.proxy.guarding import POLICY, GuardingProxy, free_port, problem
from tests.proxy.harness import Answer, RawClient, Upstream, client_context
from tests.proxy.resolving import resolving_command
from tests.proxy.tunnelling import listening, socks_connect

#: What the admin's page of metrics holds, and nothing else does.
METRICS = b"orgfence_requests_total"
COUNTED = 'orgfence_decisions_total{enforcement="block",reason="own_address",rule="none",verdict="mismatch"}'


class Listeners(GuardingProxy):
    """Every mode, on every address of the machine where that can be chosen; one reverse listener leads to the admin."""

    def __init__(self, upstream: Upstream, family: socket.AddressFamily) -> None:
        every = "0.0.0.0" if family == socket.AF_INET else "[::]"
        self.admin_port, loop_port = free_port(), free_port()
        super().__init__(
            upstream,
            POLICY,
            *("--admin", f"{every}:{self.admin_port}"),
            modes=[
                "regular@0.0.0.0:0",
                "socks5@127.0.0.1:0",
                f"reverse:{upstream.url}@127.0.1:0",
                f"reverse:http://localhost:{self.admin_port}@127.1:0",
                f"upstream:http://127.0.0.1:{upstream.address[1]}@127.0.0.1:{free_port()}",
                f"upstream:http://127.0.0.1:{loop_port}@127.0.0.1:{loop_port}",
            ],
            launcher=resolving_command,
        )

    def __enter__(self) -> "Listeners":
        super().__enter__()
        self.admin = ("127.0.0.1", self.admin_port)
        found = listening(self)
        self.forward = ("127.0.0.1", found[0][1])
        self.socks, self.reverse, self.to_admin, self.by_upstream, self.to_itself = found[1:]
        return self


@pytest.fixture(scope="module")
def listeners(shared_upstream: Upstream) -> Iterator[Listeners]:
    """One process for all of these tests."""
    family = socket.AF_INET6 if _has_ipv6() else socket.AF_INET
    with Listeners(shared_upstream, family) as process:
        yield process


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return socket.has_dualstack_ipv6()
    return False


def _machines_own() -> list[str]:
    """Return the addresses of this machine's interfaces: those from which it would speak to the world."""
    found = []
    for family, there in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            # A datagram socket says by which address it would send, and sends nothing.
            probe.connect((there, 9))
            address = probe.getsockname()[0]
            found.append(f"[{address}]" if ":" in address else address)
    return [*found, *_link_local()]


def _link_local() -> list[str]:
    """Return those of IPv6 that are good for one interface, whose name has to stand with them."""
    file = Path("/proc/net/if_inet6")
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [f"[{IPv6Address(int(address, 16))}%{name}]" for address, *_, scope, _, name in lines if scope == "20"]


#: Names of this machine. Not all of them lead to a listener on 127.0.0.1, but all to one on every address.
IPV4 = [
    "localhost",
    "LocalHost",
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "127.0.0.2",
    "127.255.255.254",
    "a-name-of-this-machine.test",
    "a-name-of-this-machine.test.",
]
IPV6 = ["[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0.0.0.0]"]
NAMES = [*IPV4, *(IPV6 if _has_ipv6() else []), *_machines_own()]


@contextmanager
def refused(proxy: GuardingProxy, times: int) -> Iterator[None]:
    """Assert that so many connections and requests meanwhile were for ourselves, and that nothing else was judged."""
    with proxy.counting() as counted:
        yield
    assert counted[COUNTED] == times
    assert [(name, value) for name, value in counted.items() if name.startswith("orgfence_requests_total")] == [
        ('orgfence_requests_total{action="blocked"}', times)
    ]


def is_refused(answer: Answer) -> bool:
    """Return whether an answer says that this is orgfence's own address."""
    return answer.status == 403 and problem(answer)["reason"] == "own_address"


@pytest.mark.parametrize("port", ["admin", "proxy"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_to_ourselves(listeners: Listeners, name: str, port: str) -> None:
    """By CONNECT, by an absolute target of either scheme, by SOCKS5 and behind another proxy: each is refused."""
    number = listeners.admin_port if port == "admin" else listeners.forward[1]
    with refused(listeners, 5):
        for proxy in (listeners.forward, listeners.by_upstream):
            with RawClient(proxy) as client:
                assert is_refused(client.tunnel(name, number))
        for scheme in ("http", "https"):
            with RawClient(listeners.forward) as client:
                target = f"{scheme}://{name}:{number}/metrics"
                client.send(b"GET %s HTTP/1.1\r\nHost: api.test\r\n\r\n" % target.encode())
                assert is_refused(client.read_answer())
        with RawClient(listeners.socks) as client:
            assert socks_connect(client, name.strip("[]"), number) != 0
            assert client.wait_for_close() == b""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "2130706433"])
def test_listeners_on_one_address_are_known_too(proxy: GuardingProxy, name: str) -> None:
    """Those of each mode, and the admin, where nothing listens on every address."""
    ports = [address[1] for address in (proxy.admin, proxy.forward, proxy.reverse, proxy.reverse_tls)]
    with refused(proxy, len(ports)):
        for port in ports:
            with RawClient(proxy.forward) as client:
                assert is_refused(client.tunnel(name, port))


def test_the_same_port_of_another_machine_is_nobody_of_ours(proxy: GuardingProxy) -> None:
    """Only where it is an address of ours: 127.0.0.9 is this machine, but nobody listens there."""
    with socket.create_server(("127.0.0.9", proxy.admin[1])) as other, RawClient(proxy.forward) as client:
        assert client.tunnel("127.0.0.9", proxy.admin[1]).status == 200
        other.accept()[0].close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /metrics HTTP/1.1\r\nHost: %s",
        b"GET http://%s/metrics HTTP/1.1\r\nHost: %s",
        b"GET http://%s/metrics HTTP/1.1\r\nHost: api.test",
        b"GET https://%s/metrics HTTP/1.1\r\nHost: api.test",
        b"CONNECT %s HTTP/1.1\r\nHost: %s",
        b"GET /metrics HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-Host: %s\r\nForwarded: host=%s",
    ],
    ids=lambda head: head.decode().replace("\r\n", " "),
)
@pytest.mark.parametrize("inside", ["reverse", "tunnel", "tls"])
def test_where_the_host_is_given_no_other_is_dialled(
    proxy: GuardingProxy, upstream: Upstream, head: bytes, inside: str
) -> None:
    """In reverse mode and inside a tunnel a request may name the admin as it likes: it goes to upstream, or nowhere."""
    admin = b"127.0.0.1:%d" % proxy.admin[1]
    with RawClient(proxy.reverse if inside == "reverse" else proxy.forward) as client:
        if inside != "reverse":
            tls = inside == "tls"
            assert client.tunnel("localhost", upstream.tls_address[1] if tls else upstream.address[1]).status == 200
            if tls:
                client.start_tls(client_context(proxy.ca_file), "localhost")
        client.send(head.replace(b"%s", admin) + b"\r\n\r\n")
        answer = client.read_answer()
    assert METRICS not in answer.body
    # Upstream's own, or it was refused.
    assert (answer.status, bool(upstream.requests)) in ((200, True), (400, False), (403, False))


def test_an_origin_form_request_to_the_proxy_is_none_of_the_admins(proxy: GuardingProxy) -> None:
    """Whom it is for, only its Host says; the forward proxy takes no such request."""
    for host in (b"127.0.0.1:%d" % proxy.admin[1], b"127.0.0.1:%d" % proxy.forward[1]):
        with RawClient(proxy.forward) as client:
            client.send(b"GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            assert client.read_answer().status in (400, 403)


def test_a_mode_that_leads_to_ourselves_leads_nowhere(listeners: Listeners) -> None:
    """`reverse:` before the admin and `upstream:` through oneself are dialled by nobody."""
    with refused(listeners, 1), RawClient(listeners.to_admin) as client, suppress(ConnectionError):
        client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert METRICS not in client.wait_for_close()
    with listeners.counting() as counted, RawClient(listeners.to_itself) as client:
        client.send(b"GET http://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n")
        assert client.read_answer().status == 502
    assert counted[COUNTED] == 1


@pytest.mark.parametrize("way", ["connect", "absolute", "socks"])
def test_a_name_that_leads_to_us_only_when_it_is_dialled(listeners: Listeners, way: str) -> None:
    """Whom a connection has reached is looked at once more, and nothing is said on it (DNS rebinding)."""
    # It is asked for by each check that comes before, and then by the dial.
    name, port = {"connect": "after-2", "absolute": "after-02", "socks": "after-1"}[way], listeners.admin_port
    name += ".rebinding.test"
    request = b"GET %s/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with listeners.counting() as counted, RawClient(listeners.socks if way == "socks" else listeners.forward) as client:
        if way == "absolute":
            client.send(request % (b"http://%s:%d" % (name.encode(), port)))
        else:
            # What was dialled is closed by then, though mitmproxy says yes.
            client.tunnel(name, port) if way == "connect" else socks_connect(client, name, port)
            with suppress(ConnectionError):
                client.send(request % b"")
        with suppress(ConnectionError):
            answer = client.read_answer()
            assert answer.status in (403, 502)
            assert METRICS not in answer.body
    assert counted[COUNTED] in (1, 2)


def test_whoever_asked_is_logged(listeners: Listeners) -> None:
    """A request as an inspection, what names no request by its client; each says where the admin can be had."""
    with RawClient(listeners.forward) as client:
        client.tunnel("localhost", listeners.admin_port)
    with RawClient(listeners.socks) as client:
        socks_connect(client, "localhost", listeners.admin_port)
    assert listeners.wait_for_event("own_address")["client"] == "127.0.0.1"
    inspection = listeners.wait_for_event("inspection", lambda event: event["reason"] == "own_address")
    assert inspection["action"] == "blocked"
