"""SIGTERM cuts off nothing that is in flight: each connection lasts to its end, its next request or the limit."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.events import Event
from hyperframe.frame import Frame, GoAwayFrame
from tests.proxy import slowly_draining
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    MIB,
    POLICY,
    REVERSE_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    paths_of,
    wait_until,
)
from tests.proxy.harness import DEADLINE, Http2Client, RawClient, Upstream
from tests.proxy.odd_upstream import OddUpstream
from tests.proxy.tunnelling import RawServer, echo, tunnel

ACME = authorized("acme")
#: A body without a length goes upstream as it comes.
CHUNKED = (b"transfer-encoding", b"chunked")
HTTP1_WAYS = (FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1)
HTTP2_WAYS = (FORWARD_H2, REVERSE_H2)
#: Longer than a test may take: whoever waits for it fails.
FOR_EVER = "600"


class HearingClient(Http2Client):
    """An HTTP/2 client that goes on with what is in flight when it hears GOAWAY, as RFC 9113 has it."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(connected)
        #: Of each GOAWAY the last stream that is served.
        self.told: list[int] = []
        # h2 would neither send nor take anything after it.
        self._connection._frame_dispatch_table[GoAwayFrame] = self._hear

    def _hear(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        self.told.append(frame.last_stream_id)
        return [], []

    def wait_until_told(self, times: int) -> None:
        """Wait for so many GOAWAYs."""
        while len(self.told) < times and not self.closed:
            self._receive()

    def wait_for_close(self) -> None:
        """Wait for the end of the connection."""
        with suppress(ConnectionError):
            while not self.closed:
                self._receive()


@contextmanager
def draining_proxy(
    upstream: Upstream | OddUpstream,
    limit: str = FOR_EVER,
    *,
    launcher: Callable[[Path], Sequence[str]] | None = None,
) -> Iterator[GuardingProxy]:
    """Run a proxy that is asked to end in the test, and ends well."""
    with GuardingProxy(upstream, POLICY, "--drain", limit, launcher=launcher) as proxy:
        yield proxy
        assert proxy.wait() == 0
    assert not [line for line in proxy.stderr if '"level": "error"' in line or "Traceback" in line], proxy.output


def end(proxy: GuardingProxy) -> dict[str, Any]:
    """Send SIGTERM, and return what the proxy says when it has heard."""
    proxy.signal(signal.SIGTERM)
    return proxy.wait_for_event("draining")


def stopped(proxy: GuardingProxy) -> dict[str, Any]:
    """Wait for the end, and return what is said of it."""
    assert proxy.wait() == 0
    (event,) = proxy.events("stopped")
    return event


@contextmanager
def hearing(proxy: GuardingProxy, way: Way) -> Iterator[HearingClient]:
    """Connect by HTTP/2."""
    with proxy.connected(way) as (client, context):
        assert client.start_tls(context, "localhost") == "h2"
        yield HearingClient(client.socket)


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_an_upload_ends_well(shared_upstream: Upstream, upstream: Upstream, way: Way) -> None:
    """Its answer says that it was the last; nobody new gets in meanwhile, and readiness says why."""
    with draining_proxy(shared_upstream) as proxy, proxy.raw(way) as client:
        client.send(proxy.head(way, b"POST", b"/slow/block/acme/x", ACME, CHUNKED) + b"5\r\nbegun\r\n")
        wait_until(lambda: upstream.requests)
        end(proxy)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.forward, DEADLINE)
        ready = httpx.get("http://%s:%d/readyz" % proxy.admin, trust_env=False)
        assert (ready.status_code, "stopping" in ready.text) == (503, True)
        client.send(b"5\r\nended\r\n0\r\n\r\n")
        answer = client.read_answer()
        assert (answer.status, answer.values(b"connection")) == (200, [b"close"])
        assert client.wait_for_close() == b""
        assert stopped(proxy)["requests_cut"] == 0
    assert upstream.requests[0].complete


@pytest.mark.parametrize("way", HTTP2_WAYS, ids=str)
def test_streams_end_well(shared_upstream: Upstream, way: Way) -> None:
    """Told in two steps: until the second, requests are served that may have been under way; then they are refused."""
    with draining_proxy(shared_upstream, launcher=slowly_draining.launch) as proxy, hearing(proxy, way) as client:

        def post(*, end: bool = False) -> int:
            fields = proxy.pseudo(way, b"POST", b"/slow/block/acme/x", ACME)
            return client.request(fields, end=end)

        first = post()
        client.send_data(first, b"begun")
        end(proxy)
        client.wait_until_told(1)
        second = post(end=True)
        assert client.wait(second).status == 200
        client.wait_until_told(2)
        assert client.told == [2**31 - 1, second]
        third = post(end=True)
        # REFUSED_STREAM: it may be sent again elsewhere.
        assert client.wait_for_any_end(third).reset == 7
        client.send_data(first, b"ended", end=True)
        assert client.wait(first).status == 200
        client.wait_for_close()
        assert stopped(proxy)["requests_cut"] == 0


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_H1, REVERSE_H2], ids=str)
def test_a_slow_download_ends_well(shared_upstream: Upstream, way: Way) -> None:
    """Every byte arrives, though the client reads them long after the signal."""
    size = 24 * MIB
    path = b"/large/block/acme/x?bytes=%d" % size
    with draining_proxy(shared_upstream) as proxy:
        if way.http2:
            with hearing(proxy, way) as http2:
                stream = http2.request(proxy.pseudo(way, b"GET", path, ACME))
                http2.wait(stream, lambda it: it.body)
                end(proxy)
                http2.wait_until_told(2)
                assert len(http2.wait(stream).body) == size
        else:
            with proxy.raw(way) as client:
                client.send(proxy.head(way, b"GET", path, ACME))
                client.take_until(b"\r\n\r\n")
                end(proxy)
                assert client.drain(b"\r\n0\r\n\r\n") > size
                assert client.wait_for_close() == b""
        assert stopped(proxy)["requests_cut"] == 0


def test_requests_that_come_late_are_judged(shared_upstream: Upstream, upstream: Upstream) -> None:
    """A request of which only a part had come is served or blocked like any other."""
    with draining_proxy(shared_upstream) as proxy, proxy.raw(REVERSE_PLAIN) as ours, proxy.raw(REVERSE_PLAIN) as theirs:
        for client, org in ((ours, b"acme"), (theirs, b"globex")):
            client.send(proxy.head(REVERSE_PLAIN, b"GET", b"/late/block/%s/x" % org, ACME)[:-9])
        # By the time that one who comes later is served these have come.
        assert proxy.call(REVERSE_PLAIN, b"/before/block/acme/x", ACME).status == 200
        end(proxy)
        for client, org, status in ((ours, b"acme", 200), (theirs, b"globex", 403)):
            client.send(proxy.head(REVERSE_PLAIN, b"GET", b"/late/block/%s/x" % org, ACME)[-9:])
            answer = client.read_answer()
            assert (answer.status, answer.values(b"connection")) == (status, [b"close"])
    assert paths_of(upstream) == [b"/before/block/acme/x", b"/late/block/acme/x"]


def test_what_is_idle_holds_nothing_up(shared_upstream: Upstream) -> None:
    """Connections that were used or never were, tunnels before their TLS, idle WebSockets: all end by themselves."""
    with (
        draining_proxy(shared_upstream) as proxy,
        RawClient(proxy.forward) as silent,
        RawClient(proxy.reverse_tls) as before_tls,
        proxy.raw(FORWARD_PLAIN) as plain,
        proxy.raw(FORWARD_H1) as intercepted,
        hearing(proxy, REVERSE_H2) as http2,
        hearing(proxy, FORWARD_H2) as unused_http2,
        proxy.raw(REVERSE_PLAIN) as socket_client,
        RawClient(proxy.forward) as tunnelled,
    ):
        for client, way in ((plain, FORWARD_PLAIN), (intercepted, FORWARD_H1)):
            client.send(proxy.head(way, b"GET", b"/x/block/acme/x", ACME))
            assert client.read_answer().status == 200
        http2.wait(http2.request(proxy.pseudo(REVERSE_H2, b"GET", b"/x/block/acme/x", ACME)))
        open_socket(proxy, socket_client)
        assert tunnelled.tunnel("localhost", shared_upstream.tls_address[1]).status == 200
        assert end(proxy)["requests"] == 0
        for raw in (silent, before_tls, plain, intercepted, tunnelled):
            raw.wait_for_close()
        for one in (http2, unused_http2):
            one.wait_for_close()
            assert one.told
        event = stopped(proxy)
        assert (event["level"], event["requests_cut"], event["tunnels_cut"]) == ("info", 0, 0)


def test_what_never_ends_is_cut_at_the_limit(shared_upstream: Upstream, upstream: Upstream) -> None:
    """An endless answer, an upload, a tunnel and a WebSocket on which bytes move: cut, and none looks complete."""
    with (
        RawServer(echo) as server,
        draining_proxy(shared_upstream, "3") as proxy,
        proxy.raw(REVERSE_H1) as events,
        proxy.raw(REVERSE_PLAIN) as upload,
        proxy.raw(REVERSE_PLAIN) as socket_client,
        tunnel(proxy, server.address) as tunnelled,
    ):
        events.send(proxy.head(REVERSE_H1, b"GET", b"/sse/block/acme/x", ACME))
        events.take_until(b"data: 2")
        upload.send(proxy.head(REVERSE_PLAIN, b"POST", b"/slow/block/acme/x", ACME, CHUNKED) + b"5\r\nbegun\r\n")
        open_socket(proxy, socket_client)
        # An empty text message, masked.
        busy = [threading.Thread(target=keep_busy, args=(socket_client, b"\x81\x80\0\0\0\0"))]
        busy.append(threading.Thread(target=keep_busy, args=(tunnelled, b"\0")))
        for thread in busy:
            thread.start()
        wait_until(lambda: len(upstream.requests) == 3 and server.received)
        said = end(proxy)
        assert (said["requests"], said["tunnels"], said["limit"]) == (2, 2, 3)
        assert b"0\r\n\r\n" not in events.wait_for_close()
        assert upload.wait_for_close() == b""
        for thread in busy:
            thread.join(DEADLINE)
        event = stopped(proxy)
        assert (event["level"], event["requests_cut"], event["tunnels_cut"]) == ("warning", 2, 2)


def keep_busy(client: RawClient, some: bytes) -> None:
    """Send the same again and again, and take what comes back, until the other side closes."""
    with suppress(ConnectionError):
        while True:
            client.send(some)
            client.take_some()


def open_socket(proxy: GuardingProxy, client: RawClient) -> None:
    """Make a WebSocket of a connection to the plain reverse proxy."""
    fields = [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    client.send(proxy.head(REVERSE_PLAIN, b"GET", b"/api/block/acme/socket", ACME, *fields))
    assert client.read_answer().status == 101


@pytest.mark.parametrize("way", [REVERSE_PLAIN, REVERSE_H1], ids=str)
def test_a_body_that_ends_with_its_connection_is_cut_by_a_reset(way: Way) -> None:
    """What has no length would else look complete to its client."""
    with OddUpstream() as upstream, draining_proxy(upstream, "1") as proxy, proxy.raw(way) as client:
        client.send(proxy.head(way, b"GET", b"/hang-in-endless-body/block/acme/x", ACME))
        client.take_until(b"some")
        end(proxy)
        with pytest.raises(ConnectionResetError, match="peer"):
            client.take_some()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(shared_upstream: Upstream, upstream: Upstream, second: signal.Signals) -> None:
    """Whoever asks twice has waited enough."""
    with draining_proxy(shared_upstream) as proxy, proxy.raw(REVERSE_PLAIN) as client:
        client.send(proxy.head(REVERSE_PLAIN, b"POST", b"/slow/block/acme/x", ACME, CHUNKED) + b"5\r\nbegun\r\n")
        wait_until(lambda: upstream.requests)
        end(proxy)
        proxy.signal(second)
        assert client.wait_for_close() == b""
        assert stopped(proxy)["requests_cut"] == 1


@pytest.mark.parametrize(("number", "limit"), [(signal.SIGINT, FOR_EVER), (signal.SIGTERM, "0")])
def test_it_ends_at_once_when_asked_so(
    shared_upstream: Upstream, upstream: Upstream, number: signal.Signals, limit: str
) -> None:
    """Ctrl-C is for somebody who looks on, and a limit of nothing is none."""
    with draining_proxy(shared_upstream, limit) as proxy, proxy.raw(REVERSE_PLAIN) as client:
        client.send(proxy.head(REVERSE_PLAIN, b"POST", b"/slow/block/acme/x", ACME, CHUNKED) + b"5\r\nbegun\r\n")
        wait_until(lambda: upstream.requests)
        proxy.signal(number)
        assert client.wait_for_close() == b""
        assert stopped(proxy)["requests_cut"] == 1
        assert proxy.events("draining") == []
