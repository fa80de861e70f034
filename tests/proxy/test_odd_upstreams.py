"""An upstream that refuses, breaks off, says nothing or talks nonsense: a clear answer, right counters, nothing left.

What a client can take for an answer is what upstream has answered, to its end. All else is a 502, or is seen to be
broken off.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h11
import pytest
from tests.proxy import holding
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    MIB,
    POLICY,
    REVERSE_H1,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    address_of,
    authorized,
    free_port,
    wait_until,
)
from tests.proxy.harness import Address, Answer, CertificateAuthority, Http2Client, RawClient, client_context
from tests.proxy.odd_upstream import BEHAVIOURS, OddUpstream
from tests.proxy.tunnelling import RawServer

ACME = authorized("acme")
#: By HTTP/2 to an upstream that speaks plain HTTP/1.1: the client speaks TLS with the proxy alone.
HTTP2_TO_HTTP1 = Way(False, False, True)
HTTP1_WAYS = [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1]
WAYS = [*HTTP1_WAYS, HTTP2_TO_HTTP1]


class Seen(NamedTuple):
    """What a client makes of an answer."""

    status: int | None
    body: bytes
    #: Whether it takes the body for whole.
    is_whole: bool


#: The body of what arrives as if nothing were odd.
ANSWERED = {
    "ok": b"ok",
    "close-late": b"ok",
    "reset-late": b"ok",
    "close-on-second": b"ok",
    "half-answer-on-second": b"ok",
    "until-close": b"some",
    "hints": b"ok",
    "big-header": b"ok",
}
#: A 502: of an answer nothing has come that could be passed on.
REFUSED = {
    "close-at-once",
    "reset-at-once",
    "reset-in-head",
    "no-http",
    "binary",
    "endless-header",
    "too-big-header",
    "two-lengths",
    "length-and-chunks",
    "hints-for-ever",
}
#: A 502 as well, though a head has come, and counts: the small body that it announced has not.
REFUSED_AFTER_HEAD = {"reset-in-body", "close-in-body"}
#: The head is passed on when it comes, and what follows is seen to be broken off.
BROKEN = {
    "reset-in-large-body",
    "close-in-large-body",
    "reset-in-chunk",
    "reset-in-endless-body",
    "bad-chunk",
    "endless-chunk-size",
}
#: Nothing more comes until somebody gives up.
HANGING = {"hang", "hang-in-body", "hang-in-endless-body"}
#: What comes of them goes by the request; the tests below say how.
OTHERS = {
    "no-content",
    "not-modified",
    "not-modified-chunked",
    "head-sized",
    "head-chunked",
    "head-open",
    "trailers",
    "drops",
    "switch",
}
#: Whole where the end of the connection says so, which in TLS it does not.
AMBIGUOUS = {"no-notify"}


def test_every_behaviour_is_tried() -> None:
    """Those above are all that there are, each once."""
    kinds = [*ANSWERED, *REFUSED, *REFUSED_AFTER_HEAD, *BROKEN, *HANGING, *OTHERS, *AMBIGUOUS]
    assert sorted(kinds) == sorted(BEHAVIOURS)


@pytest.fixture(scope="module")
def odd() -> Iterator[OddUpstream]:
    with OddUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def proxy(odd: OddUpstream) -> Iterator[GuardingProxy]:
    """`orgfence run` in front of it, which tells what it holds; none of what upstream does is a fault of ours."""
    with GuardingProxy(odd, POLICY, launcher=holding.launch) as process:
        yield process
        assert "Traceback" not in process.output
        assert not any(value for name, value in process.metrics().items() if "internal_errors" in name)


class Client:
    """Asks by HTTP/1.1 or HTTP/2, on one connection for as long as that lasts."""

    def __init__(self, proxy: GuardingProxy, way: Way) -> None:
        self._proxy, self.way = proxy, way
        self._connected = ExitStack()
        self._http1: tuple[RawClient, h11.Connection] | None = None
        self._http2: Http2Client | None = None
        #: How many connections it has made.
        self.connected = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connected.close()

    def ask(self, path: bytes, method: bytes = b"GET") -> Seen:
        """Send a request without a body, and return what came of it."""
        return self._ask_http2(path, method) if self.way.http2 else self._ask_http1(path, method)

    def _ask_http1(self, path: bytes, method: bytes) -> Seen:
        if self._http1 is None:
            self._connected.close()
            self.connected += 1
            self._http1 = (
                self._connected.enter_context(self._proxy.raw(self.way)),
                h11.Connection(h11.CLIENT, max_incomplete_event_size=MIB),
            )
        client, connection = self._http1
        client.send(self._proxy.head(self.way, method, path, ACME))
        # It only has to know what is asked for.
        connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
        connection.send(h11.EndOfMessage())
        seen = _read(client, connection)
        _, is_closed = connection.trailing_data
        if connection.their_state is h11.DONE and not is_closed:
            connection.start_next_cycle()
        else:
            self._http1 = None
        return seen

    def _ask_http2(self, path: bytes, method: bytes) -> Seen:
        stream_id = self.begin_http2(path, method)
        assert self._http2 is not None
        stream = self._http2.wait_for_any_end(stream_id)
        return Seen(stream.status, stream.body, stream.ended and stream.reset is None)

    def begin_http2(self, path: bytes, method: bytes = b"GET") -> int:
        """Send a request and wait for nothing."""
        if self._http2 is None or self._http2.closed:
            self._connected.close()
            self.connected += 1
            self._http2 = self._connected.enter_context(http2(self._proxy, self.way))
        return self._http2.request(self._proxy.pseudo(self.way, method, path, ACME))

    def cancel_http2(self, stream_id: int) -> None:
        """Give a request up."""
        assert self._http2 is not None
        self._http2.reset(stream_id)


def _read(client: RawClient, connection: h11.Connection) -> Seen:
    """Return what a client that is strict about HTTP/1.1 has read."""
    status, body = None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return Seen(status, body, False)
        if event is h11.NEED_DATA:
            try:
                data = client.socket.recv(65536)
            except ConnectionError:
                return Seen(status, body, False)
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Seen(status, body, True)


@contextmanager
def http2(proxy: GuardingProxy, way: Way) -> Iterator[Http2Client]:
    """Connect by HTTP/2."""
    if way != HTTP2_TO_HTTP1:
        with proxy.http2(way) as client:
            yield client
        return
    with connected_http2(proxy, proxy.reverse) as client:
        yield client


@contextmanager
def connected_http2(proxy: GuardingProxy, address: Address) -> Iterator[Http2Client]:
    """Connect by HTTP/2 to one of the addresses at which it listens."""
    with RawClient(address) as raw:
        assert raw.start_tls(client_context(proxy.ca_file, http2=True), "localhost") == "h2"
        yield Http2Client(raw.socket)


GRANTED = 'orgfence_decisions_total{enforcement="block",reason="org_granted",rule="block",verdict="allow"}'
FORWARDED = 'orgfence_requests_total{action="forwarded"}'
OUTCOME = 'orgfence_outcomes_total{rule="block",status="2xx",verdict="allow"}'


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", sorted(BEHAVIOURS.keys() - HANGING - OTHERS))
def test_an_answer_or_none(proxy: GuardingProxy, odd: OddUpstream, way: Way, kind: str) -> None:
    """As the lists above say; upstream was asked once, all is counted once, and the next request is served."""
    path = f"/{kind}/block/acme/{way}"
    with Client(proxy, way) as client:
        with proxy.counting() as counted:
            seen = client.ask(path.encode())
        assert client.ask(b"/ok/block/acme/next") == (200, b"ok", True)
    if kind in REFUSED or kind in REFUSED_AFTER_HEAD:
        assert (seen.status, seen.is_whole) == (502, True)
        assert b"502 Bad Gateway" in seen.body
    elif kind in BROKEN or (kind in AMBIGUOUS and way.tls):
        assert seen == (200, b"some", False)
    else:
        assert seen == (200, ANSWERED.get(kind, b"some"), True)
    assert odd.received[path] == 1
    ours = {name: value for name, value in counted.items() if name.startswith(("orgfence_requests", "orgfence_dec"))}
    assert ours == {FORWARDED: 1, GRANTED: 1}
    outcomes = {name: value for name, value in counted.items() if name.startswith("orgfence_outcomes")}
    assert outcomes == ({} if kind in REFUSED else {OUTCOME: 1})


def at_rest(proxy: GuardingProxy, client: Client) -> dict[str, int]:
    """Return what a proxy holds for a client whose requests are over: twice, for HTTP/2 keeps the last connection."""
    for _ in range(2):
        assert client.ask(b"/ok/block/acme/first").is_whole
    # A CONNECT is a flow for as long as its tunnel lasts.
    wait_until(lambda: holding.held(proxy)["flows"] == (client.way.forward and client.way.tls))
    return holding.held(proxy)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", sorted(HANGING))
def test_a_client_that_gives_up_leaves_nothing(proxy: GuardingProxy, odd: OddUpstream, way: Way, kind: str) -> None:
    """What upstream does not answer waits as long as its client does, and then ends for upstream as well."""
    path = f"/{kind}/block/acme/{way}".encode()
    with Client(proxy, way) as client:
        before = at_rest(proxy, client)
        with proxy.counting() as counted:
            if way.http2:
                stream_id = client.begin_http2(path)
                wait_until(lambda: odd.received[path.decode()] == 1)
                client.cancel_http2(stream_id)
                assert client.ask(b"/ok/block/acme/beside") == (200, b"ok", True)
            else:
                with proxy.raw(way) as other:
                    other.send(proxy.head(way, b"GET", path, ACME))
                    wait_until(lambda: odd.received[path.decode()] == 1)
                assert client.ask(b"/ok/block/acme/beside") == (200, b"ok", True)
        assert (counted[FORWARDED], counted[GRANTED]) == (2, 2)
        holding.settle(proxy, before)
    wait_until(lambda: odd.open == 0)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nothing_is_left_behind(proxy: GuardingProxy, odd: OddUpstream, way: Way) -> None:
    """After every behaviour, twice: no flow, stream, connection, task or file, while their client stays."""
    kinds = sorted(BEHAVIOURS.keys() - HANGING - OTHERS)
    with Client(proxy, way) as client:
        before = at_rest(proxy, client)
        for kind in kinds * 2:
            client.ask(f"/{kind}/block/acme/left/{way}".encode())
        assert client.ask(b"/ok/block/acme/last") == (200, b"ok", True)
        holding.settle(proxy, before)
    wait_until(lambda: odd.open == 0)


#: By what it is answered so, and the status: none of these has a body.
BODILESS = {
    "no-content": (b"GET", 204),
    "not-modified": (b"GET", 304),
    "not-modified-chunked": (b"GET", 304),
    "head-sized": (b"HEAD", 200),
    "head-chunked": (b"HEAD", 200),
    "head-open": (b"HEAD", 200),
}


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", BODILESS)
@pytest.mark.parametrize("rule", ["block/acme", "annotate/globex"], ids=["allowed", "annotated"])
def test_no_body_is_invented(proxy: GuardingProxy, odd: OddUpstream, way: Way, kind: str, rule: str) -> None:
    """HEAD, 204 and 304: the next answer on the connection begins where this one ends."""
    method, status = BODILESS[kind]
    with Client(proxy, way) as client:
        for _ in range(2):
            assert client.ask(f"/{kind}/{rule}/x".encode(), method) == (status, b"", True)
            assert client.ask(b"/ok/block/acme/next") == (200, b"ok", True)
        assert client.connected == 1
    assert odd.received[f"/{kind}/{rule}/x"] >= 2


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_trailers_of_an_answer_are_dropped(proxy: GuardingProxy, odd: OddUpstream, way: Way) -> None:
    """From HTTP/1.1 to either: the body is whole, and so is what follows."""
    with Client(proxy, way) as client:
        for _ in range(2):
            assert client.ask(b"/trailers/annotate/globex/x") == (200, b"some", True)
        assert client.connected == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_one_byte_at_a_time(proxy: GuardingProxy, odd: OddUpstream, way: Way) -> None:
    """From the client, head and body, and back from upstream: all arrives whole."""
    body = bytes(range(97, 123))
    length = b"content-length", b"%d" % len(body)
    path = b"/drops/block/acme/x"
    if way.http2:
        with http2(proxy, way) as slow:
            stream_id = slow.request(proxy.pseudo(way, b"POST", path, ACME, length), end=False)
            for at in range(len(body)):
                slow.send_data(stream_id, body[at : at + 1], end=at + 1 == len(body))
            assert slow.wait(stream_id).body == body
        return
    with proxy.raw(way) as client:
        request = proxy.head(way, b"POST", path, ACME, length) + body
        for at in range(len(request)):
            client.send(request[at : at + 1])
        answer = client.read_answer()
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_an_unknown_protocol_is_not_passed_on(proxy: GuardingProxy, odd: OddUpstream, way: Way) -> None:
    """What is neither HTTP nor WebSocket cannot be judged: both connections end with the 101, and nothing stays."""
    with Client(proxy, way) as other:
        before = at_rest(proxy, other)
        with proxy.raw(way) as client:
            upgrade = (b"connection", b"Upgrade"), (b"upgrade", b"other/1")
            client.send(proxy.head(way, b"GET", b"/switch/block/acme/x", ACME, *upgrade))
            assert client.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
            assert client.wait_for_close() == b""
        holding.settle(proxy, before)


#: What an HTTP/2 upstream does, and what its client sees.
HTTP2_KINDS = {
    "ok": Seen(200, b"ok", True),
    "goaway-after": Seen(200, b"ok", True),
    "refuse": Seen(200, b"ok", True),
    "reset-at-once": Seen(502, b"", True),
    "close-at-once": Seen(502, b"", True),
    "no-http2": Seen(502, b"", True),
    "reset-in-body": Seen(200, b"some", False),
    "close-in-body": Seen(200, b"some", False),
}


@dataclass
class Http2Only:
    """The odd upstream's port for HTTP/2."""

    ca_file: Path
    address: Address
    tls_address: Address
    url: str
    tls_url: str


@pytest.fixture(scope="module")
def http2_proxy(odd: OddUpstream) -> Iterator[GuardingProxy]:
    """The same in front of the port for HTTP/2."""
    upstream = Http2Only(odd.ca_file, odd.address, odd.http2_address, odd.url, odd.http2_url)
    # mitmproxy remembers for so many seconds that it wanted to ping a connection, also when that has ended.
    pings = "--set", "http2_ping_keepalive=1"
    with GuardingProxy(upstream, POLICY, *pings, launcher=holding.launch) as process:
        yield process
        assert "Traceback" not in process.output


@pytest.mark.parametrize("kind", HTTP2_KINDS)
@pytest.mark.parametrize("is_reused", [False, True], ids=["fresh", "reused"])
def test_an_odd_http2_upstream(http2_proxy: GuardingProxy, odd: OddUpstream, kind: str, is_reused: bool) -> None:
    """One stream that fails is one answer that fails; a connection that does is replaced, by once more at most."""
    path = f"/{kind}/block/acme/{is_reused}"
    with Client(http2_proxy, FORWARD_H2) as client:
        if is_reused:
            assert client.ask(b"/ok/block/acme/first").is_whole
        with http2_proxy.counting() as counted:
            seen = client.ask(path.encode())
        expected = HTTP2_KINDS[kind]
        assert seen == (expected if expected.status == 200 else expected._replace(body=seen.body))
        assert b"502 Bad Gateway" in seen.body or seen.status == 200
        assert client.ask(b"/ok/block/acme/next") == (200, b"ok", True)
    is_repeated = is_reused and kind in ("close-at-once", "no-http2")
    assert odd.received[path] == 1 + is_repeated
    assert (counted[FORWARDED], counted[GRANTED]) == (1, 1)
    assert counted.get(OUTCOME, 0) == (seen.status == 200)


def test_an_odd_http2_upstream_leaves_nothing_behind(http2_proxy: GuardingProxy, odd: OddUpstream) -> None:
    """While the client stays, which has given up on some of its requests as well."""
    with Client(http2_proxy, FORWARD_H2) as client:
        # Its first connection is mitmproxy's for as long as the client stays; what comes after it is forgotten.
        client.ask(b"/goaway-after/block/acme/first")
        before = at_rest(http2_proxy, client)
        for kind in [*HTTP2_KINDS, "hang", "hang-in-body"] * 2:
            path = f"/{kind}/block/acme/left"
            if kind.startswith("hang"):
                odd.received[path] = 0
                stream_id = client.begin_http2(path.encode())
                wait_until(partial(odd.received.get, path))
                client.cancel_http2(stream_id)
            else:
                client.ask(path.encode())
        assert client.ask(b"/ok/block/acme/last") == (200, b"ok", True)
        holding.settle(http2_proxy, before)


type Listening = list[Address]


@pytest.fixture(scope="module")
def lost(odd: OddUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GuardingProxy, Listening]]:
    """A proxy, and its addresses: three before servers with TLS that is no good, one before nothing, one of no mode."""
    strange = CertificateAuthority(tmp_path_factory.mktemp("strange"))
    with (
        RawServer(_speaks_tls(strange.issue(["localhost"]))) as untrusted,
        RawServer(_speaks_tls(odd.authority.issue(["x.test"]))) as wrong,
        RawServer(lambda _, connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as plain,
    ):
        upstreams = [f"https://localhost:{server.address[1]}" for server in (untrusted, wrong, plain)]
        reverse = [f"reverse:{upstream}" for upstream in (*upstreams, f"http://localhost:{free_port()}")]
        # mitmproxy takes one address with port 0 twice for a conflict.
        modes = [f"{mode}@127.0.0.{number}:0" for number, mode in enumerate([*reverse, "regular"], 1)]
        with GuardingProxy(odd, POLICY.replace("hosts: [localhost]", 'hosts: ["*"]'), modes=modes) as process:
            yield process, [address_of(mode["addresses"][0]) for mode in process.ready_value["proxy"]]
            assert "Traceback" not in process.output


def _speaks_tls(certificate: tuple[Path, Path]) -> Callable[[RawServer, socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return lambda _, connection: context.wrap_socket(connection, server_side=True).close()


PATH = b"/api/block/acme/x"


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, b"Certificate verify failed"), (1, b"hostname mismatch"), (2, b"does not speak TLS")],
    ids=["untrusted", "another name", "no TLS"],
)
def test_an_upstream_that_is_not_who_it_should_be(
    lost: tuple[GuardingProxy, Listening], number: int, said: bytes
) -> None:
    """Each time a 502 that says why, by HTTP/1.1 and HTTP/2; it is counted as let through, and has no outcome."""
    process, listening = lost
    fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", PATH), (b":authority", b"localhost"), ACME]
    with process.counting() as counted:
        for _ in range(2):
            answer = _ask(listening[number], PATH, b"localhost")
            assert (answer.status, said in answer.body) == (502, True)
        with connected_http2(process, listening[number]) as client:
            for _ in range(2):
                stream = client.wait_for_any_end(client.request(fields))
                assert (stream.status, stream.ended, said in stream.body) == (502, True, True)
    assert (counted[FORWARDED], counted[GRANTED]) == (4, 4)
    assert not [name for name in counted if name.startswith("orgfence_outcomes")]


@pytest.mark.parametrize("host", ["refused", "unknown"])
def test_an_upstream_that_is_not_there(lost: tuple[GuardingProxy, Listening], host: str) -> None:
    """A 502 that says why, for a request, which is counted, and for a tunnel, which is none."""
    process, listening = lost
    name, port, said = {
        "refused": (b"localhost", free_port(), b"Connect call failed"),
        "unknown": (b"nowhere.invalid", 80, b"[Errno "),
    }[host]
    authority = b"%s:%d" % (name, port)
    with process.counting() as counted:
        answer = _ask(listening[-1], b"http://" + authority + PATH, authority)
        assert (answer.status, said in answer.body) == (502, True)
        with RawClient(listening[-1]) as client:
            answer = client.tunnel(name.decode(), port)
        assert (answer.status, said in answer.body) == (502, True)
    assert (counted[FORWARDED], counted[GRANTED]) == (1, 1)


def test_a_sidecar_whose_upstream_is_not_there(lost: tuple[GuardingProxy, Listening]) -> None:
    """Its client finds the connection closed, as it would without the sidecar; nothing was asked, nothing counted."""
    process, listening = lost
    with process.counting() as counted:
        for _ in range(2):
            with RawClient(listening[3]) as client:
                assert client.wait_for_close() == b""
    assert FORWARDED not in counted


def _ask(address: Address, target: bytes, host: bytes) -> Answer:
    with RawClient(address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n\r\n" % (target, host, *ACME))
        return client.read_answer()
