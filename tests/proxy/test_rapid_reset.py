"""A client that begins and resets streams without end is told to calm down, and holds up nobody."""

import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest
from h2.events import Event as Http2Event
from h2.events import RequestReceived
from hyperframe.frame import Frame
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from tests.proxy.flooding import (
    BEGINNING,
    ENHANCE_YOUR_CALM,
    Flood,
    empty,
    frames_until_close,
    goodbyes,
    overflow,
    reset,
)
from tests.proxy.guarding import (
    FORWARD_H2,
    POLICY,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    paths_of,
    wait_until,
)
from tests.proxy.harness import Http2Client, RawClient, Upstream, client_context
from tests.proxy.raw_upstream import RawUpstream

from orgfence.proxy.relied_on.driven import Driven, context
from orgfence.proxy.wire import back_pressure, http2_reading, http2_server
from orgfence.proxy.wire.http2_reading import ReadOn
from orgfence.proxy.wire.http2_server import RESET_BURST, CalmHttp2Server

ACME = authorized("acme")
PATH = b"/api/block/acme/x"


@contextmanager
def http2_to_http1(proxy: GuardingProxy) -> Iterator[RawClient]:
    """Connect by HTTP/2 to the listener whose upstream speaks HTTP/1 alone."""
    with RawClient(proxy.reverse) as client:
        assert client.start_tls(client_context(proxy.ca_file, http2=True), "localhost") == "h2"
        yield client


@contextmanager
def connected(proxy: GuardingProxy, way: Way) -> Iterator[RawClient]:
    """Connect by HTTP/2 this way; `REVERSE_PLAIN` is the listener whose upstream speaks HTTP/1."""
    if way is REVERSE_PLAIN:
        with http2_to_http1(proxy) as client:
            yield client
        return
    with proxy.connected(way) as (client, tls):
        assert client.start_tls(tls, "localhost") == "h2"
        yield client


@pytest.mark.parametrize("way", [REVERSE_H2, FORWARD_H2, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize("then", [reset, overflow])
def test_a_flood_of_resets_ends_the_connection(
    proxy: GuardingProxy, upstream: Upstream, way: Way, then: Callable[[int], Iterable[Frame]]
) -> None:
    """GOAWAY says ENHANCE_YOUR_CALM, whether the client resets its streams or has us reset them; few were judged."""
    flood = Flood(proxy.pseudo(way, b"GET", PATH, ACME))
    with proxy.counting() as counted, connected(proxy, way) as client:
        client.send(BEGINNING)
        with suppress(ConnectionError):
            client.send(flood.requests(3 * RESET_BURST, then))
        assert goodbyes(frames_until_close(client)) == [ENHANCE_YOUR_CALM]
    judged = counted['orgfence_requests_total{action="forwarded"}']
    assert RESET_BURST < judged < 2 * RESET_BURST


@pytest.mark.parametrize("way", [REVERSE_H2, REVERSE_PLAIN], ids=str)
def test_a_client_may_cancel_much(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Five times all that may be open at once, as a gRPC client does whose deadlines pass: it is served on."""
    with connected(proxy, way) as raw:
        client = Http2Client(raw.socket)
        for _ in range(5):
            streams = [client.request(proxy.pseudo(way, b"GET", b"/sse/block/acme/x", ACME)) for _ in range(100)]
            for stream in streams:
                client.reset(stream)
        assert client.wait(client.request(proxy.pseudo(way, b"GET", PATH, ACME))).status == 200


@pytest.fixture
def unanswering() -> Iterator[RawUpstream]:
    """An upstream that answers nobody, and to which no second connection comes about: its queue is full."""
    with RawUpstream() as upstream, socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        upstream.address = listening.getsockname()
        yield upstream


def test_reset_streams_are_forgotten(unanswering: RawUpstream) -> None:
    """Also those that wait for a connection to upstream, or that mitmproxy has reset: the end waits for none."""
    with GuardingProxy(unanswering, POLICY, "--drain", "600") as proxy:
        with http2_to_http1(proxy) as raw:
            client = Http2Client(raw.socket)
            preface = [(b":method", b"PRI"), (b":scheme", b"https"), (b":path", b"*"), (b":authority", b"localhost")]
            for _ in range(20):
                assert client.wait_for_any_end(client.request(preface)).reset is not None
            for _ in range(300):
                client.reset(client.request(proxy.pseudo(REVERSE_PLAIN, b"GET", PATH, ACME)))
            wait_until(lambda: proxy.metrics()['orgfence_requests_total{action="forwarded"}'] == 300)
            proxy.signal(signal.SIGTERM)
            assert proxy.wait_for_event("draining")["requests"] == 0
            assert goodbyes(frames_until_close(raw)) == [0, 0]
        assert proxy.wait() == 0


def test_the_end_comes_whatever_a_client_does(upstream: Upstream) -> None:
    """Clients that go on sending requests which are blocked at once do not put the drain's limit off."""
    with GuardingProxy(upstream, POLICY, "--drain", "1") as proxy:
        threads = [threading.Thread(target=_flood_with_blocks, args=(proxy,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: proxy.metrics()['orgfence_requests_total{action="blocked"}'] > 100)
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0
        for thread in threads:
            thread.join()


def _flood_with_blocks(proxy: GuardingProxy) -> None:
    flood = Flood(proxy.pseudo(REVERSE_H2, b"GET", b"/api/block/globex/x", ACME))
    with suppress(OSError), proxy.connected(REVERSE_H2) as (client, tls):
        client.start_tls(tls, "localhost")
        client.send(BEGINNING)
        reader = threading.Thread(target=_read_all, args=(client,))
        reader.start()
        with suppress(OSError):
            while True:
                client.send(flood.requests(50))
        reader.join()


def _read_all(client: RawClient) -> None:
    # Of two threads that use one TLS socket at once, one may be told to try again.
    while True:
        try:
            client.wait_for_close()
        except BlockingIOError:
            continue
        except OSError:
            pass
        return


@pytest.mark.parametrize("with_length", [False, True], ids=["chunked", "sized"])
def test_a_piece_without_bytes_does_not_end_a_body(
    raw_proxy: GuardingProxy, raw_upstream: RawUpstream, with_length: bool
) -> None:
    """As a chunk it would: what came after it was, for an HTTP/1 upstream, a request that nobody had judged."""
    raw_upstream.received.clear()
    fields = (ACME, (b"content-length", b"4")) if with_length else (ACME,)
    with http2_to_http1(raw_proxy) as raw:
        client = Http2Client(raw.socket)
        stream = client.request(raw_proxy.pseudo(REVERSE_PLAIN, b"POST", PATH, *fields), end=False)
        client.send_data(stream, b"bo")
        raw.send(b"".join(frame.serialize() for frame in empty(stream) * 3))
        client.send_data(stream, b"dy", end=True)
        assert client.wait(stream).status == 200
    (received,) = raw_upstream.received
    body = received.partition(b"\r\n\r\n")[2]
    assert body == (b"body" if with_length else b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")


def test_a_segment_is_read_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of one slice others are served before the rest is read, to the last frame and in its order."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(http2_reading, "_clock", lambda: next(ticks) * http2_reading.SLICE_SECONDS / 10)
    begun: list[int] = []

    class Noting(CalmHttp2Server):
        def handle_h2_event(self, event: Http2Event) -> CommandGenerator[bool]:
            if isinstance(event, RequestReceived):
                begun.append(event.stream_id or 0)
            return (yield from super().handle_h2_event(event))

    monkeypatch.setattr("mitmproxy.proxy.layers.http._http2.BufferedH2Connection", back_pressure.BoundedH2Connection)
    monkeypatch.setattr(Noting, "handle_event", back_pressure._handle_or_repay, raising=False)
    driven = Driven(Noting(context()))
    flood = Flood([(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"localhost")])
    driven.tell(events.DataReceived(driven.layer.conn, BEGINNING + flood.requests(200, reset)))
    driven.tell(events.DataReceived(driven.layer.conn, flood.requests(100, reset)))
    slices = 0
    while waiting := driven.of(ReadOn):
        assert len(waiting) == 1
        slices += 1
        assert len(begun) <= 11 * slices
        driven.commands.clear()
        driven.tell(events.Wakeup(waiting[0]))
    assert begun == [*range(1, 600, 2)]
    assert slices >= 25


def test_streams_of_a_connection_that_lasts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands that were answered hardly more is kept than of those that are open."""
    monkeypatch.setattr("mitmproxy.proxy.layers.http._http2.BufferedH2Connection", back_pressure.BoundedH2Connection)
    monkeypatch.setattr(http2_server, "RESET_BURST", 10_000)
    driven = Driven(CalmHttp2Server(context()))
    flood = Flood([(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"localhost")])
    driven.tell(events.DataReceived(driven.layer.conn, BEGINNING))
    for _ in range(50):
        driven.commands.clear()
        driven.tell(events.DataReceived(driven.layer.conn, flood.requests(100, end=False)))
        for stream in range(flood.last - 198, flood.last + 2, 2):
            driven.layer.h2_conn.reset_stream(stream)
    assert len(driven.layer.streams) < 1000
    assert len(driven.layer.h2_conn._closed_streams) <= 1000


def test_nothing_of_a_reset_request_reaches_an_upstream_that_serves_few(
    proxy: GuardingProxy, upstream: Upstream
) -> None:
    """What waits for its turn at an HTTP/2 upstream and is reset is never sent there."""
    before = len(paths_of(upstream))
    with proxy.http2(REVERSE_H2) as client:
        head = proxy.pseudo(REVERSE_H2, b"GET", b"/sse/block/acme/x", ACME)
        streams = [client.request(head) for _ in range(90)]
        for stream in streams:
            client.reset(stream)
        assert client.wait(client.request(proxy.pseudo(REVERSE_H2, b"GET", PATH, ACME))).status == 200
    assert len(paths_of(upstream)) - before <= 91
