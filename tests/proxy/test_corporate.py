"""Between a company's own things: its proxy behind ours, its private CA, its client certificates, its users."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import certifi
import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_PLAIN,
    POLICY,
    REVERSE_H1,
    GuardingProxy,
    Way,
    address_of,
    authorized,
    paths_of,
    problem,
)
from tests.proxy.harness import Address, Answer, CertificateAuthority, RawClient, Upstream, client_context
from tests.proxy.tunnelling import RawServer

ACME = authorized("acme")
#: Ours with the company's proxy, and the client's with ours.
CREDENTIAL, SECRET = "our-user:our-secret", b"Basic " + base64.b64encode(b"our-user:our-secret")
WAYS = [FORWARD_PLAIN, FORWARD_H1]


class CorporateProxy(RawServer):
    """A proxy by absolute-form requests and CONNECT, which keeps every head that it gets and may ask who it is."""

    def __init__(self, credential: bytes | None = None) -> None:
        super().__init__(lambda _server, connection: self._converse_with(connection))
        self._credential = credential
        self.heads: list[bytes] = []
        #: What went through its tunnels, from either side.
        self.tunnelled = 0

    def _converse_with(self, client: Any) -> None:
        head = _read_head(client)
        self.heads.append(head)
        if self._credential is not None and b"\r\nProxy-Authorization: " + self._credential not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        host, _, port = target.removeprefix(b"http://").partition(b"/")[0].partition(b":")
        with RawClient((host.decode(), int(port))) as upstream:
            if method == b"CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = b"/" + target.removeprefix(b"http://").partition(b"/")[2]
                upstream.send(head.replace(target, path, 1))
            back = threading.Thread(target=self._copy, args=(upstream.socket, client))
            back.start()
            self._copy(client, upstream.socket)
            back.join()

    def _copy(self, source: Any, sink: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.tunnelled += len(data)
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(2)


def _read_head(connection: Any) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionResetError
        head += byte
    return head


class Through(NamedTuple):
    """A way through our proxy and theirs."""

    proxy: GuardingProxy
    corporate: CorporateProxy
    #: Where ours listens.
    address: Address

    def call(self, way: Way, path: bytes, *fields: tuple[bytes, bytes]) -> Answer:
        """Send one request, with a token for `acme`."""
        return call(self.proxy, self.address, way, path, ACME, *fields)


def call(proxy: GuardingProxy, address: Address, way: Way, path: bytes, *fields: tuple[bytes, bytes]) -> Answer:
    """Send one request by a proxy that listens there."""
    with RawClient(address) as client:
        if way.tls:
            assert client.tunnel("localhost", proxy._upstream.tls_address[1]).status == 200
            client.start_tls(client_context(proxy.ca_file), "localhost")
        client.send(proxy.head(way, b"GET", path, *fields))
        return client.read_answer()


def listening(proxy: GuardingProxy, number: int = 0) -> Address:
    """Return where a proxy with modes of its own listens."""
    return address_of(proxy.ready_value["proxy"][number]["addresses"][0])


@pytest.fixture(scope="module")
def through(shared_upstream: Upstream) -> Iterator[Through]:
    """Ours in front of theirs, which asks for a credential."""
    with CorporateProxy(SECRET) as corporate:
        mode = "upstream:http://127.0.0.1:%d@127.0.0.1:0" % corporate.address[1]
        credential = "--set", f"upstream_auth={CREDENTIAL}"
        with GuardingProxy(shared_upstream, POLICY, *credential, modes=[mode]) as proxy:
            yield Through(proxy, corporate, listening(proxy))
            proxy.stop()
        assert "our-secret" not in proxy.output
        assert SECRET.decode() not in proxy.output


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_requests_go_by_the_corporate_proxy(through: Through, upstream: Upstream, way: Way) -> None:
    """A right one reaches upstream by it, the next one as well; the credential is theirs, and goes no further."""
    through.corporate.heads.clear()
    for _ in range(2):
        answer = through.call(way, b"/api/block/acme/x")
        assert (answer.status, answer.values(b"content-type")) == (200, [b"application/json"])
    assert paths_of(upstream) == [b"/api/block/acme/x"] * 2
    assert {head.split(b" ")[0] for head in through.corporate.heads} == {b"CONNECT" if way.tls else b"GET"}
    for head in through.corporate.heads:
        assert head.count(b"Proxy-Authorization: " + SECRET) == 1
        # The token is the API's.
        assert (ACME[1] in head) == (not way.tls)
    if way.tls:
        assert [request.values(b"proxy-authorization") for request in upstream.requests] == [[], []]
    assert all(request.values(b"authorization") == [ACME[1]] for request in upstream.requests)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_is_blocked_does_not_reach_the_corporate_proxy(through: Through, upstream: Upstream, way: Way) -> None:
    """Nothing of a plain request does; of one in TLS there may be the tunnel for it, in which it is not said."""
    through.corporate.heads.clear()
    with through.proxy.counting() as counted:
        answer = through.call(way, b"/api/block/globex/x")
    assert (answer.status, problem(answer)["reason"]) == (403, "org_not_granted")
    assert not upstream.requests
    assert all(head.startswith(b"CONNECT ") for head in through.corporate.heads)
    assert bool(through.corporate.heads) <= way.tls
    assert counted['orgfence_requests_total{action="blocked"}'] == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_an_annotation_passes_both(through: Through, upstream: Upstream, way: Way) -> None:
    """On the way up and on the way down."""
    answer = through.call(way, b"/api/annotate/globex/x")
    assert answer.status == 200
    assert upstream.requests[0].values(b"orgfence") == answer.values(b"orgfence") != []


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_corporate_proxy_that_refuses(shared_upstream: Upstream, upstream: Upstream, way: Way) -> None:
    """Its own 407 is what a plain request gets; a tunnel that it refuses is a 502 that says so."""
    with CorporateProxy(SECRET) as corporate:
        mode = "upstream:http://127.0.0.1:%d@127.0.0.1:0" % corporate.address[1]
        with GuardingProxy(shared_upstream, POLICY, modes=[mode]) as proxy:
            if way.tls:
                with RawClient(listening(proxy)) as client:
                    answer = client.tunnel("localhost", shared_upstream.tls_address[1])
                    if answer.status == 200:
                        client.start_tls(client_context(proxy.ca_file), "localhost")
                        client.send(proxy.head(way, b"GET", b"/api/block/acme/x", ACME))
                        answer = client.read_answer()
                assert answer.status == 502
                assert b"407 Proxy Authentication Required" in answer.body
            else:
                assert call(proxy, listening(proxy), way, b"/api/block/acme/x", ACME).status == 407
    assert not upstream.requests


class MutualTls:
    """An API by TLS whose clients have to show a certificate of its own CA, and are told whose they have shown."""

    address: Address = ("127.0.0.1", 1)
    url = "http://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder)
        self.ca_file = authority.file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(["localhost", "127.0.0.1"]))
        self._context.load_verify_locations(authority.file)
        self._context.verify_mode = ssl.CERT_REQUIRED
        #: What a client shows, its key with it.
        self.client_certificate = folder / "client.pem"
        self.client_certificate.write_text("".join(file.read_text() for file in authority.issue(["our-client"])))
        self._server = RawServer(self._answer)
        #: How many requests have come.
        self.requests = 0

    def __enter__(self) -> Self:
        self.tls_address: Address = self._server.__enter__().address
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def tls_url(self) -> str:
        """The address."""
        return f"https://localhost:{self.tls_address[1]}"

    def _answer(self, _server: RawServer, connection: Any) -> None:
        with self._context.wrap_socket(connection, server_side=True) as client:
            while True:
                _read_head(client)
                self.requests += 1
                shown: Any = client.getpeercert()
                names = dict(pair for (pair,) in shown["subject"])
                body = names["commonName"].encode()
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H1], ids=str)
def test_ours_shows_the_client_certificate(tmp_path: Path, way: Way) -> None:
    """`client_certs` is for upstream, by both ways; what is blocked never gets there. Without it there is a 502."""
    with MutualTls(tmp_path) as api:
        with GuardingProxy(api, POLICY, "--set", f"client_certs={api.client_certificate}") as proxy:
            answer = proxy.call(way, b"/api/block/acme/x", ACME)
            assert (answer.status, answer.body) == (200, b"our-client")
            assert proxy.call(way, b"/api/block/globex/x", ACME).status == 403
        assert api.requests == 1
        with GuardingProxy(api, POLICY) as proxy:
            # Upstream says so when the handshake is over, which is before, with or after the request.
            for _ in range(20):
                assert proxy.call(way, b"/api/block/acme/x", ACME).status == 502
        assert api.requests == 1


@dataclass
class Distrusted:
    """An upstream of whose private CA a proxy is not told."""

    ca_file: Path
    address: Address
    tls_address: Address
    url: str
    tls_url: str


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H1], ids=str)
def test_a_private_ca_has_to_be_named(
    shared_upstream: Upstream, upstream: Upstream, way: Way, proxy: GuardingProxy
) -> None:
    """By `ssl_verify_upstream_trusted_ca`; where only what mitmproxy trusts by itself is, a 502 says what is wrong."""
    assert proxy.call(way, b"/api/block/acme/x", ACME).status == 200
    seen = len(upstream.requests)
    it = shared_upstream
    with GuardingProxy(
        Distrusted(Path(certifi.where()), it.address, it.tls_address, it.url, it.tls_url), POLICY
    ) as untold:
        answer = untold.call(way, b"/api/block/acme/x", ACME)
        assert answer.status == 502
        assert b"Certificate verify failed: unable to get local issuer certificate" in answer.body
        assert untold.call(way, b"/api/block/globex/x", ACME).status == 403
    assert len(upstream.requests) == seen


@pytest.fixture(scope="module")
def asking(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """Ours, for known users alone."""
    with GuardingProxy(
        shared_upstream, POLICY, "--set", f"proxyauth={CREDENTIAL}", modes=["regular@127.0.0.1:0"]
    ) as proxy:
        yield proxy
        proxy.stop()
    assert "our-secret" not in proxy.output
    assert SECRET.decode() not in proxy.output


OTHER = b"Basic " + base64.b64encode(b"our-user:another")


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("shown", [None, OTHER, ACME[1]], ids=["nothing", "another", "the token"])
def test_who_is_unknown_gets_a_407(asking: GuardingProxy, upstream: Upstream, way: Way, shown: bytes | None) -> None:
    """Before anything is judged, and nothing reaches upstream; the API's token opens no proxy."""
    fields = [] if shown is None else [(b"Proxy-Authorization", shown)]
    with asking.counting() as counted:
        answer = _opened(asking, *fields) if way.tls else _ask(asking, way, b"/api/block/acme/x", *fields)
        assert not isinstance(answer, RawClient)
    assert (answer.status, answer.values(b"proxy-authenticate")) == (407, [b'Basic realm="mitmproxy"'])
    assert not upstream.requests
    counts = {
        name: count for name, count in counted.items() if name.startswith(("orgfence_requests", "orgfence_decis"))
    }
    # A CONNECT is no request to judge.
    assert counts == ({} if way.tls else {'orgfence_requests_total{action="unjudged"}': 1})


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_who_is_known_is_judged_by_the_token(asking: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The proxy's credential is for the proxy: upstream gets the token alone, and a wrong org is blocked as ever."""
    known = b"Proxy-Authorization", SECRET
    for path, status in ((b"/api/block/acme/x", 200), (b"/api/block/globex/x", 403)):
        if way.tls:
            client = _opened(asking, known)
            assert isinstance(client, RawClient)
            with client:
                client.send(asking.head(way, b"GET", path, ACME))
                answer = client.read_answer()
        else:
            answer = _ask(asking, way, path, known)
        assert answer.status == status
    assert paths_of(upstream) == [b"/api/block/acme/x"]
    assert upstream.requests[0].values(b"authorization") == [ACME[1]]
    assert upstream.requests[0].values(b"proxy-authorization") == []


def _ask(proxy: GuardingProxy, way: Way, path: bytes, *fields: tuple[bytes, bytes]) -> Answer:
    return call(proxy, listening(proxy), way, path, ACME, *fields)


def _opened(proxy: GuardingProxy, *fields: tuple[bytes, bytes]) -> RawClient | Answer:
    """Ask for a tunnel, and return the answer if there is none."""
    client = RawClient(listening(proxy))
    host = b"localhost:%d" % proxy._upstream.tls_address[1]
    client.send(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (host, host))
    client.send(b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n")
    answer = client.read_answer(b"CONNECT")
    if answer.status != 200:
        client.socket.close()
        return answer
    client.start_tls(client_context(proxy.ca_file), "localhost")
    return client
