"""SIGTERM ends the proxy without cutting off what is in flight, within its limit, and exits 0."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
)
from tests.proxy.harness import DEADLINE, Upstream

ACME = authorized("acme")
CHUNKED = (b"transfer-encoding", b"chunked")
HTTP1 = [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1]


@contextmanager
def ending(upstream: Upstream, drain: str = "60") -> Iterator[GuardingProxy]:
    """Run a proxy that the test ends."""
    proxy = GuardingProxy(upstream, drain and None, "--drain", drain)
    proxy.__enter__()
    try:
        yield proxy
        assert proxy.wait() == 0
    finally:
        proxy._end()
        proxy._policy_folder.cleanup()


def terminate(proxy: GuardingProxy, number: signal.Signals = signal.SIGTERM) -> None:
    """Signal it, and wait until it says that it drains."""
    proxy.signal(number)
    proxy.wait_for_event("draining")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
def test_idle_connections_hold_nothing_up(upstream: Upstream, number: signal.Signals) -> None:
    """Clients that keep theirs open see them end; by Ctrl-C too."""
    with ending(upstream) as proxy, proxy.raw(REVERSE_PLAIN) as one, proxy.http2(FORWARD_H2) as two:
        one.send(proxy.head(REVERSE_PLAIN, b"GET", b"/x", ACME))
        assert one.read_answer().status == 200
        stream = two.request(proxy.pseudo(FORWARD_H2, b"GET", b"/x", ACME))
        assert two.wait(stream).status == 200
        proxy.signal(number)
        assert one.wait_for_close() == b""
        while not two.closed:
            two._receive()


@pytest.mark.parametrize("way", HTTP1, ids=str)
def test_an_upload_in_flight_is_finished(upstream: Upstream, way: Way) -> None:
    """And its answer says that it was the last; nobody new gets in meanwhile, and readiness says why."""
    with ending(upstream) as proxy, proxy.raw(way) as client:
        client.send(proxy.head(way, b"POST", b"/api/x", ACME, CHUNKED) + b"4\r\nsome\r\n")
        while not upstream.requests:
            pass
        terminate(proxy)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.forward, DEADLINE)
        ready = httpx.get("http://%s:%d/readyz" % proxy.admin, trust_env=False)
        assert ready.status_code == 503
        assert "stopping" in ready.text
        client.send(b"4\r\nmore\r\n0\r\n\r\n")
        answer = client.read_answer()
        assert answer.status == 200
        assert answer.values(b"connection") == [b"close"]
        assert client.wait_for_close() == b""
    assert upstream.requests[0].complete
    assert proxy.events("stopped")[0]["requests_cut"] == 0


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_http2_streams_in_flight_are_finished(upstream: Upstream, way: Way) -> None:
    """The client is told to send no more, and what it has begun comes to its end."""
    with ending(upstream) as proxy, proxy.http2(way) as client:
        streams = [
            client.request(proxy.pseudo(way, b"POST", b"/echo/x", ACME), end=False),
            client.request(proxy.pseudo(way, b"POST", b"/api/x", ACME), end=False),
        ]
        client.send_data(streams[0], b"first")
        client.wait(streams[0], lambda it: it.body)
        terminate(proxy)
        for stream in streams:
            client.send_data(stream, b"last", end=True)
        assert client.wait_for_any_end(streams[0]).body == b"firstlast"
        assert client.wait_for_any_end(streams[1]).status == 200


@pytest.mark.parametrize("way", HTTP1, ids=str)
def test_what_does_not_end_is_cut_at_the_limit(upstream: Upstream, way: Way) -> None:
    """And the log says how much that was."""
    with ending(upstream, "1") as proxy, proxy.raw(way) as client:
        client.send(proxy.head(way, b"GET", b"/sse/x", ACME))
        client.take_until(b"data: 1\n\n")
        terminate(proxy)
        client.wait_for_close()
    assert proxy.events("stopped")[0]["requests_cut"] == 1


def test_a_second_signal_ends_it_at_once(upstream: Upstream) -> None:
    """Whoever presses Ctrl-C again does not want to wait."""
    with ending(upstream, "600") as proxy, proxy.raw(REVERSE_PLAIN) as client:
        client.send(proxy.head(REVERSE_PLAIN, b"GET", b"/sse/x", ACME))
        client.take_until(b"data: 1\n\n")
        terminate(proxy)
        with pytest.raises(subprocess.TimeoutExpired):
            proxy.wait(1)
        proxy.signal(signal.SIGTERM)
        client.wait_for_close()
