"""Blocks are answered before the body, by a real process over real sockets."""

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.harness import (
    DEADLINE,
    Address,
    Http2Client,
    ProxyProcess,
    RawClient,
    Upstream,
    client_context,
)
from tests.proxy.toy_proxy import BLOCK_BODY

TOY_PROXY = Path(__file__).with_name("toy_proxy.py")
MIB = 1024 * 1024
BLOCK = b"X-Toy: block\r\n"
HOLD = b"X-Toy: hold\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def running_upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(running_upstream: Upstream) -> Upstream:
    running_upstream.requests.clear()
    return running_upstream


@pytest.fixture(scope="module", params=[False, True], ids=["inline", "paused"])
def proxy(running_upstream: Upstream, request: pytest.FixtureRequest) -> Iterator[ProxyProcess]:
    """A proxy with the bounds that it has by default, with its own way to call hooks and with mitmproxy's."""
    with toy_proxy(running_upstream, paused=request.param) as process:
        yield process


@pytest.fixture(scope="module")
def hasty(running_upstream: Upstream) -> Iterator[ProxyProcess]:
    """A proxy that waits three seconds for the rest of a body."""
    with toy_proxy(running_upstream, bounds={"seconds": 3.0}) as process:
        yield process


@contextmanager
def toy_proxy(upstream: Upstream, options: dict[str, Any] | None = None, **settings: Any) -> Iterator[ProxyProcess]:
    def command(confdir: Path) -> list[str]:
        needed = {
            "confdir": str(confdir),
            "listen_host": "127.0.0.1",
            "listen_port": 0,
            "ssl_verify_upstream_trusted_ca": str(upstream.ca_file),
        }
        settings["options"] = {**needed, **(options or {})}
        return [sys.executable, str(TOY_PROXY), json.dumps(settings)]

    with ProxyProcess(command=command, ready=listening) as process:
        yield process


def listening(line: str) -> Any:
    return line.startswith('{"listening"') and json.loads(line)


def test_answers_an_upload_before_its_body(proxy: ProxyProcess, upstream: Upstream) -> None:
    """The whole answer comes while no byte of the body was sent, and the connection stays good."""
    body = bytes(10 * MIB)
    chunked_body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for framing, encoded in ((b"Content-Length: %d\r\n" % len(body), body), (CHUNKED, chunked_body)):
        with RawClient(address(proxy)) as client:
            client.send(head(upstream, b"POST", b"/upload", BLOCK + framing))

            answer = client.read_answer()
            assert (answer.status, answer.body) == (403, BLOCK_BODY)
            assert not upstream.requests
            client.send(encoded)
            client.send(head(upstream, b"GET", b"/next"))
            assert client.read_answer().status == 200
        assert [request.target for request in upstream.requests] == [b"/next"]
        upstream.requests.clear()


def test_serves_requests_that_were_sent_behind_a_blocked_one(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Pipelined requests are told apart from the body that is thrown away, and answered in their order."""
    blocked = head(upstream, b"POST", b"/blocked", BLOCK + b"Content-Length: 5\r\n") + b"GET /"
    allowed = head(upstream, b"GET", b"/allowed")
    with RawClient(address(proxy)) as client:
        client.send(blocked + allowed + blocked + allowed)
        assert [client.read_answer().status for _ in range(4)] == [403, 200, 403, 200]
    assert [request.target for request in upstream.requests] == [b"/allowed", b"/allowed"]


def test_a_blocked_head_has_headers_only(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Content-Length says what a GET would have got, no body follows, and the next answer is whole."""
    with RawClient(address(proxy)) as client:
        client.send(head(upstream, b"HEAD", b"/blocked", BLOCK))
        answer = client.read_answer(b"HEAD")
        assert answer.status == 403
        assert answer.values(b"content-length") == [b"%d" % len(BLOCK_BODY)]
        client.send(head(upstream, b"GET", b"/next"))
        assert client.read_answer().status == 200


def test_never_asks_a_blocked_client_to_continue(proxy: ProxyProcess, upstream: Upstream) -> None:
    """With `Expect: 100-continue` the 403 comes first and announces the close, and the close comes."""
    expecting = head(upstream, b"PUT", b"/blocked", BLOCK + b"Expect: 100-continue\r\nContent-Length: 9\r\n")
    with RawClient(address(proxy)) as client:
        client.send(expecting)
        answer = client.read_answer()
        assert (answer.status, answer.body) == (403, BLOCK_BODY)
        assert answer.values(b"connection") == [b"close"]
        client.send(b"body body")
        assert client.wait_for_close() == b""
    with RawClient(address(proxy)) as client:
        client.send(expecting.replace(BLOCK, b""))
        assert client.read_answer().status == 100
    assert not upstream.requests


def test_says_at_once_when_a_body_is_too_long_to_keep_the_connection(proxy: ProxyProcess, upstream: Upstream) -> None:
    """A declared length over the bound gets `Connection: close`, so that clients stop sending."""
    for length, connection in ((64 * MIB, []), (64 * MIB + 1, [b"close"])):
        with RawClient(address(proxy)) as client:
            client.send(head(upstream, b"PUT", b"/blocked", BLOCK + b"Content-Length: %d\r\n" % length))
            assert client.read_answer().values(b"connection") == connection


def test_a_flood_is_cut_off_at_flat_memory(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Of a 1 GiB upload little more than the bound is read, by Content-Length and chunked."""
    for framing, chunk in ((b"Content-Length: %d\r\n" % 1024**3, bytes(MIB)), (CHUNKED, one_chunk(MIB))):
        proxy.reset_peak()
        before = proxy.memory()
        with RawClient(address(proxy)) as client:
            client.send(head(upstream, b"POST", b"/upload", BLOCK + framing))
            assert client.read_answer().status == 403
            sent = client.send_until_refused(chunk, 1024 * MIB)
            # The rest is what sockets hold on loopback.
            assert 63 * MIB < sent < 128 * MIB
            assert client.wait_for_close() == b""
        assert proxy.memory("VmHWM") - before <= 32 * MIB
    assert not upstream.requests


def test_a_gibibyte_is_thrown_away_at_flat_memory(running_upstream: Upstream) -> None:
    """Whatever the bound, what is thrown away is stored nowhere."""
    with toy_proxy(running_upstream, bounds={"max_bytes": 2 * 1024**3, "seconds": DEADLINE}) as patient:
        patient.reset_peak()
        before = patient.memory()
        with RawClient(address(patient)) as client:
            client.send(head(running_upstream, b"POST", b"/upload", BLOCK + CHUNKED))
            assert client.read_answer().status == 403
            assert client.send_until_refused(one_chunk(MIB), 1024 * MIB) >= 1024 * MIB
            client.send(b"0\r\n\r\n" + head(running_upstream, b"GET", b"/blocked", BLOCK))
            assert client.read_answer().status == 403
        assert patient.memory("VmHWM") - before <= 32 * MIB


def test_does_not_wait_for_a_slow_body(hasty: ProxyProcess, upstream: Upstream) -> None:
    """Past its own time, not that of one before it, a body ends its connection."""
    slow = head(upstream, b"POST", b"/slow", BLOCK + b"Content-Length: 3\r\n")
    with RawClient(address(hasty)) as client:
        client.send(slow)
        assert client.read_answer().status == 403
        time.sleep(1.6)
        client.send(b"end" + slow)
        assert client.read_answer().status == 403
        # By now the timer that was set for the first one has run out.
        time.sleep(1.6)
        client.send(b"end" + slow)
        assert client.read_answer().status == 403
        assert client.wait_for_close() == b""
    assert not upstream.requests


def test_answers_a_half_open_http2_stream(proxy: ProxyProcess, upstream: Upstream) -> None:
    """As with bidirectional gRPC: the answer is whole and ended, and other streams go on beside it."""
    with http2_client(proxy, upstream) as client:
        half_open = client.request(pseudo(upstream, b"POST", b"/rpc", (b"x-toy", b"trailers")), end=False)
        answer = client.wait(half_open)
        assert (answer.status, answer.body, answer.trailers) == (403, BLOCK_BODY, [(b"status", b"7")])
        assert answer.reset is None

        client.send_data(half_open, bytes(MIB))
        allowed = client.request(pseudo(upstream, b"GET", b"/allowed"))
        assert client.wait(allowed).status == 200
        client.send_data(half_open, b"", end=True)
        blocked = client.request(pseudo(upstream, b"HEAD", b"/blocked", (b"x-toy", b"block")))
        assert client.wait(blocked).body == b""
    assert [request.target for request in upstream.requests] == [b"/allowed"]


def test_ends_a_half_open_http2_stream_without_an_error(hasty: ProxyProcess, upstream: Upstream) -> None:
    """Past its time the stream is reset by NO_ERROR, and the connection stays."""
    with http2_client(hasty, upstream) as client:
        blocked = pseudo(upstream, b"POST", b"/rpc", (b"x-toy", b"block"))
        first = client.request(blocked, end=False)
        assert client.wait(first).status == 403
        time.sleep(0.5)
        second = client.request(blocked, end=False)
        for stream in (first, second):
            assert client.wait(stream, lambda it: it.reset is not None).reset == 0
        assert client.wait(client.request(pseudo(upstream, b"GET", b"/allowed"))).status == 200


def test_an_http2_client_may_end_its_body_early(proxy: ProxyProcess, upstream: Upstream) -> None:
    """As curl 7 does at a 403, short of its Content-Length: no error for the streams beside it."""
    with http2_client(proxy, upstream) as client:
        length = (b"content-length", b"1000")
        blocked = client.request(pseudo(upstream, b"POST", b"/x", (b"x-toy", b"block"), length), end=False)
        assert client.wait(blocked).status == 403
        client.send_data(blocked, b"short", end=True)
        assert client.wait(client.request(pseudo(upstream, b"GET", b"/allowed"))).status == 200


def test_an_http2_flood_is_cut_off(running_upstream: Upstream) -> None:
    """Past the bound the stream is reset, what still comes for it is ignored, and the connection stays."""
    with toy_proxy(running_upstream, bounds={"max_bytes": MIB}) as strict:
        with http2_client(strict, running_upstream) as client:
            flood = client.request(pseudo(running_upstream, b"POST", b"/upload", (b"x-toy", b"block")), end=False)
            assert client.wait(flood).status == 403
            client.send_data(flood, bytes(MIB + MIB // 2))
            assert client.wait(flood, lambda it: it.reset is not None).reset == 0
            assert client.wait(client.request(pseudo(running_upstream, b"GET", b"/allowed"))).status == 200
        assert strict.stderr == []


def test_a_gate_that_raises_refuses(proxy: ProxyProcess, upstream: Upstream) -> None:
    """A bug in the gate is a bare 502, never a forward, and its message stays out of the log."""
    with RawClient(address(proxy)) as client:
        client.send(head(upstream, b"POST", b"/x", b"X-Toy: raise\r\nX-Secret: hunter2\r\n" + CHUNKED))
        answer = client.read_answer()
        assert (answer.status, answer.body) == (502, b"")
    assert not upstream.requests
    proxy.wait_for_line(lambda line: "The gate failed" in line and "ValueError" in line)
    assert "hunter2" not in proxy.output


def test_what_the_gate_was_not_asked_about_goes_nowhere(running_upstream: Upstream) -> None:
    """Should a later mitmproxy no longer call us where it does today, everything is refused."""
    running_upstream.requests.clear()
    with toy_proxy(running_upstream, sabotage=True) as blind, RawClient(address(blind)) as client:
        client.send(head(running_upstream, b"GET", b"/x"))
        assert client.read_answer().status == 502
    assert not running_upstream.requests


def test_views_and_loggers_see_a_block_as_they_expect_it(proxy: ProxyProcess, upstream: Upstream) -> None:
    """A blocked request has the hooks of any other but `request`: its body never came."""
    with RawClient(address(proxy)) as client:
        for path, wish in ((b"/seen/blocked", BLOCK), (b"/seen/allowed", b"")):
            client.send(head(upstream, b"GET", path, wish))
            client.read_answer()
    assert ask(proxy, upstream, b"/toy/calls/seen/blocked") == [
        "requestheaders",
        "responseheaders",
        "response",
    ]
    assert ask(proxy, upstream, b"/toy/calls/seen/allowed") == [
        "requestheaders",
        "request",
        "responseheaders",
        "response",
    ]


def test_a_flow_that_a_view_keeps_is_over(running_upstream: Upstream) -> None:
    """Whatever way the request ends: not live, no error, all times set; the content of no body is empty."""
    blocked = head(running_upstream, b"POST", b"/kept", BLOCK + b"Content-Length: 4\r\n")
    with toy_proxy(running_upstream, bounds={"seconds": 0.5}) as proxy:
        with RawClient(address(proxy)) as client:
            client.send(head(running_upstream, b"GET", b"/kept", BLOCK))
            client.read_answer()
            client.send(blocked + b"body")
            client.read_answer()
            client.send(blocked)
            client.read_answer()
            client.wait_for_close()
        with RawClient(address(proxy)) as client:
            client.send(blocked)
            client.read_answer()
        over = {"live": False, "error": None, "content": None, "times": True}
        expected = [{**over, "content": ""}, over, over, over]
        wait_until(lambda: ask(proxy, running_upstream, b"/toy/kept") == expected)


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_what_is_held_waits_for_its_body(proxy: ProxyProcess, upstream: Upstream, chunked: bool) -> None:
    """It goes on or is answered when the body is there, streamed by nobody; and the connection stays good."""
    with RawClient(address(proxy)) as client:
        for path, body, status in (
            (b"/held/passes", b"pass", 200),
            (b"/held/blocked", b"block", 403),
            (b"/held/again", b"pass", 200),
        ):
            upstream.requests.clear()
            framing = CHUNKED if chunked else b"Content-Length: %d\r\n" % len(body)
            client.send(head(upstream, b"POST", path, HOLD + framing))
            client.send(one_chunk_of(body[:2]) if chunked else body[:2])
            assert not upstream.requests
            client.send(one_chunk_of(body[2:]) + b"0\r\n\r\n" if chunked else body[2:])
            assert client.read_answer().status == status
            assert len(upstream.requests) == (status == 200)
            called = ask_by(client, upstream, b"/toy/calls" + path)
            hooks = ["requestheaders", "request", "answer_held", "responseheaders", "response"]
            assert called[-5:] == hooks


def test_what_is_held_is_held_up_to_its_limit(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Past it the request is answered in the midst of its body, or goes on with all of it."""
    with RawClient(address(proxy)) as client:
        client.send(head(upstream, b"POST", b"/over/blocked", HOLD + CHUNKED) + one_chunk(10))
        client.send(one_chunk(1))
        assert client.read_answer().status == 403
        client.send(one_chunk(5) + b"0\r\n\r\n")
        assert not upstream.requests

        passing = b"X-Toy: hold-pass\r\n"
        client.send(head(upstream, b"POST", b"/echo/passes", passing + CHUNKED))
        for piece in (b"01234567", b"89", b"and", b" the rest"):
            client.send(one_chunk_of(piece))
        wait_until(lambda: sum(request.body_bytes for request in upstream.requests) >= 13)
        assert not upstream.requests[0].complete
        client.send(b"0\r\n\r\n")
        client.take_until(b"0\r\n\r\n")
        assert upstream.requests[0].body_bytes == 22
        assert ask_by(client, upstream, b"/toy/calls/over/blocked") == [
            "requestheaders",
            "answer_unread",
            "responseheaders",
            "response",
        ]


@pytest.mark.parametrize("size", [4, 40], ids=["within the limit", "over it"])
def test_a_gate_that_raises_about_a_body_refuses(proxy: ProxyProcess, upstream: Upstream, size: int) -> None:
    """As it does about headers."""
    logged = len(complaints(proxy))
    with RawClient(address(proxy)) as client:
        wish = b"X-Toy: hold-raise\r\nX-Secret: hunter3\r\n"
        client.send(head(upstream, b"POST", b"/x", wish + CHUNKED) + one_chunk(size) + b"0\r\n\r\n")
        answer = client.read_answer()
        assert (answer.status, answer.body) == (502, b"")
    assert not upstream.requests
    # The tests after this one look for complaints of their own.
    wait_until(lambda: len(complaints(proxy)) > logged)
    assert "hunter3" not in proxy.output


def test_what_was_held_goes_nowhere_unless_the_gate_is_asked_again(running_upstream: Upstream) -> None:
    """Should a later mitmproxy no longer call us when the body is there, all that was held is refused."""
    running_upstream.requests.clear()
    with toy_proxy(running_upstream, deaf_to_bodies=True) as deaf:
        with RawClient(address(deaf)) as client:
            client.send(head(running_upstream, b"POST", b"/x", HOLD + b"Content-Length: 4\r\n") + b"pass")
            assert client.read_answer().status == 502
        assert not running_upstream.requests
        with RawClient(address(deaf)) as client:
            client.send(head(running_upstream, b"GET", b"/x"))
            assert client.read_answer().status == 200


def test_held_requests_leave_nothing_behind(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Neither those that were judged, nor those whose clients went away while they waited; and nobody logs it."""
    logged = complaints(proxy)
    with RawClient(address(proxy)) as client:
        for number in range(1_000):
            body = b"block" if number % 2 else b"pass!"
            client.send(head(upstream, b"POST", b"/held", HOLD + b"Content-Length: 5\r\n") + body)
            assert client.read_answer().status == (403 if number % 2 else 200)
            client.send(head(upstream, b"POST", b"/held", HOLD + CHUNKED) + one_chunk(11) + b"0\r\n\r\n")
            assert client.read_answer().status == 403
        left = ask_by(client, upstream, b"/toy/objects")
        assert (left["streams"], left["flows"], left["live"]) == (1, 1, 1)
    for framing in (b"Content-Length: 10\r\n", CHUNKED):
        for sent in (b"", b"5\r\nbo", one_chunk(10)[:-2]):
            with RawClient(address(proxy)) as client:
                client.send(head(upstream, b"POST", b"/held", HOLD + framing) + sent)
    with http2_client(proxy, upstream) as http2:
        held = pseudo(upstream, b"POST", b"/held", (b"x-toy", b"hold"))
        cancelled = http2.request(held, end=False)
        http2.send_data(cancelled, b"part")
        http2.reset(cancelled)
        http2.send_data(http2.request(held, end=False), b"part")
        assert http2.wait(http2.request(pseudo(upstream, b"GET", b"/beside"))).status == 200
    wait_until(lambda: ask(proxy, upstream, b"/toy/objects") == {"streams": 1, "flows": 1, "live": 1, "timers": 0})
    assert complaints(proxy) == logged


def test_leaves_trailers_out_where_they_cannot_be_sent(proxy: ProxyProcess, upstream: Upstream) -> None:
    """An HTTP/1.1 client gets the rest of such an answer, and its next one."""
    with RawClient(address(proxy)) as client:
        for _ in range(2):
            client.send(head(upstream, b"GET", b"/x", b"X-Toy: trailers\r\n"))
            assert client.read_answer().body == BLOCK_BODY
        client.send(head(upstream, b"GET", b"/x", b"X-Toy: trailers\r\n").replace(b"HTTP/1.1", b"HTTP/2.0"))
        assert client.read_answer().body == BLOCK_BODY


def test_trailers_of_chunked_bodies_are_dropped(proxy: ProxyProcess, upstream: Upstream) -> None:
    """In requests, blocked or not, and in responses: mitmproxy would crash, and both sides would wait."""
    chunks = b"4\r\nbody\r\n0\r\nX-Org-Id: acme\r\n\r\n"
    with RawClient(address(proxy)) as client:
        for wish, status in ((b"", 200), (BLOCK, 403), (b"X-Toy: stream\r\n", 200), (BLOCK, 403)):
            client.send(head(upstream, b"POST", b"/x", wish + CHUNKED) + chunks)
            assert client.read_answer().status == status
    assert [(request.body_bytes, request.complete) for request in upstream.requests] == [(4, True)] * 2

    with socket.create_server(("127.0.0.1", 0)) as server, RawClient(address(proxy)) as client:
        server.settimeout(DEADLINE)
        client.send(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % server.getsockname()[1])
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n" + chunks)
            assert client.read_answer().body == b"body"


def test_answers_early_for_other_addons_too(running_upstream: Upstream) -> None:
    """A client without the proxy's own credential gets its 407 before its body."""
    running_upstream.requests.clear()
    options = {"proxyauth": "user:password"}
    with toy_proxy(running_upstream, options=options) as proxy, RawClient(address(proxy)) as client:
        client.send(head(running_upstream, b"POST", b"/upload", CHUNKED))
        assert client.read_answer().status == 407
    assert not running_upstream.requests


def test_a_request_that_comes_while_an_answer_is_waited_for(proxy: ProxyProcess, upstream: Upstream) -> None:
    """An addon takes its time over the whole answer; the next request has its turn after it, and hooks of its own."""
    slow = head(upstream, b"GET", b"/api/slow", b"X-Toy: slow\r\n")
    expected = ["requestheaders", "request", "responseheaders", "response"]

    def is_waited_for(times: int) -> bool:
        return bool(ask(proxy, upstream, b"/toy/calls/api/slow") == times * expected)

    with RawClient(address(proxy)) as client:
        for times in (1, 2):
            client.send(slow)
            wait_until(partial(is_waited_for, times))
            client.send(head(upstream, b"GET", b"/api/next") + head(upstream, b"POST", b"/api/last", BLOCK))
            assert [client.read_answer().status for _ in range(3)] == [200, 200, 403]
    assert ask(proxy, upstream, b"/toy/calls/api/slow") == 2 * expected
    assert ask(proxy, upstream, b"/toy/calls/api/next") == 2 * expected
    assert [request.target for request in upstream.requests] == 2 * [b"/api/slow", b"/api/next"]


def test_blocked_requests_leave_nothing_behind(proxy: ProxyProcess, upstream: Upstream) -> None:
    """After 5,000 whose bodies ended soon after the answer, neither stream nor flow nor timer is left."""
    with RawClient(address(proxy)) as client:
        for _ in range(5_000):
            client.send(head(upstream, b"POST", b"/blocked", BLOCK + b"Content-Length: 4\r\n"))
            assert client.read_answer().status == 403
            client.send(b"body")
        left = ask_by(client, upstream, b"/toy/objects")
        # The one that asks; and a timer for each connection that still has one.
        assert (left["streams"], left["flows"], left["live"]) == (1, 1, 1)
        assert left["timers"] <= 1
    wait_until(lambda: ask(proxy, upstream, b"/toy/objects")["timers"] == 0)


def test_a_client_that_goes_away_leaves_nothing_behind(proxy: ProxyProcess, upstream: Upstream) -> None:
    """Neither in the middle of a discarded body nor with its answer unread; and nobody logs it."""
    logged = complaints(proxy)
    for framing in (b"Content-Length: 1000\r\n", CHUNKED):
        for answer_is_read in (True, False):
            with RawClient(address(proxy)) as client:
                client.send(head(upstream, b"POST", b"/blocked", BLOCK + framing) + b"5\r\nbo")
                if answer_is_read:
                    client.read_answer()
    with http2_client(proxy, upstream) as client:
        blocked = pseudo(upstream, b"POST", b"/blocked", (b"x-toy", b"block"))
        cancelled = client.request(blocked, end=False)
        client.wait(cancelled)
        client.reset(cancelled)
        client.wait(client.request(blocked, end=False))
    wait_until(lambda: ask(proxy, upstream, b"/toy/objects") == {"streams": 1, "flows": 1, "live": 1, "timers": 0})
    assert complaints(proxy) == logged


def complaints(proxy: ProxyProcess) -> list[str]:
    return [line for line in proxy.stderr if line.startswith(("ERROR", "WARNING"))]


def address(proxy: ProxyProcess) -> Address:
    host, port = proxy.ready_value["listening"][0][:2]
    return host, port


def head(upstream: Upstream, method: bytes, path: bytes, more: bytes = b"") -> bytes:
    host = b"127.0.0.1:%d" % upstream.address[1]
    return b"%s http://%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (method, host, path, host, more)


def one_chunk(size: int) -> bytes:
    return one_chunk_of(bytes(size))


def one_chunk_of(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def pseudo(upstream: Upstream, method: bytes, path: bytes, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    authority = b"localhost:%d" % upstream.tls_address[1]
    return [(b":method", method), (b":scheme", b"https"), (b":path", path), (b":authority", authority), *more]


@contextmanager
def http2_client(proxy: ProxyProcess, upstream: Upstream) -> Iterator[Http2Client]:
    with RawClient(address(proxy)) as raw:
        assert raw.tunnel("localhost", upstream.tls_address[1]).status == 200
        context: ssl.SSLContext = client_context(proxy.confdir / "mitmproxy-ca-cert.pem", http2=True)
        assert raw.start_tls(context, "localhost") == "h2"
        yield Http2Client(raw.socket)


def ask(proxy: ProxyProcess, upstream: Upstream, path: bytes) -> Any:
    with RawClient(address(proxy)) as client:
        return ask_by(client, upstream, path)


def ask_by(client: RawClient, upstream: Upstream, path: bytes) -> Any:
    client.send(head(upstream, b"GET", path))
    return json.loads(client.read_answer().body)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
