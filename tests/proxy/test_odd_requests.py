"""Requests and answers in the odd forms that HTTP/1 allows, or does not: each gets its answer, and nobody waits."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    problem,
)
from tests.proxy.harness import Http2Client, RawClient, Upstream, client_context
from tests.proxy.raw_upstream import RawUpstream

from orgfence.proxy.wire.heads import MAX_LINES

HTTP1_WAYS = [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1]
ACME = authorized("acme")
BAD = 'orgfence_refused_connections_total{why="bad_request"}'


@contextmanager
def in_a_tunnel(proxy: GuardingProxy, upstream: Upstream, way: Way) -> Iterator[RawClient]:
    """Connect this way, and where it is plain, by a tunnel: to a name that no rule guards."""
    if way is not FORWARD_PLAIN:
        with proxy.raw(way) as client:
            yield client
        return
    with RawClient(proxy.forward) as client:
        assert client.tunnel("127.0.0.1", upstream.address[1]).status == 200
        yield client


EMPTY = {"CR LF": b"\r\n", "LF": b"\n", "several": b"\r\n\n\r\n\r\n", "as many as may be": b"\r\n" * 100}


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
@pytest.mark.parametrize("empty", EMPTY)
def test_empty_lines_before_a_request_are_read_past(
    proxy: GuardingProxy, upstream: Upstream, way: Way, empty: str
) -> None:
    """RFC 9112 section 2.2: before the first one, and before the next, in the same segment or in one of their own."""
    lines = EMPTY[empty]
    post = proxy.head(way, b"POST", b"/echo/block/acme/1", ACME, (b"content-length", b"4"))
    wrong = proxy.head(way, b"GET", b"/api/block/globex/2", ACME)
    with proxy.raw(way) as client:
        client.send(lines + post + b"body" + lines + wrong)
        assert client.read_answer().body == b"body"
        assert problem(client.read_answer())["reason"] == "org_not_granted"
        client.send(lines)
        client.send(wrong)
        assert client.read_answer().status == 403
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_empty_lines_are_read_past_in_a_tunnel(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Whether it is for a guarded host or not, and whether TLS was taken off."""
    request = b"GET /api/block/globex/1 HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % ACME
    with in_a_tunnel(proxy, upstream, way) as client:
        client.send(b"\r\n\r\n" + request + b"\r\n" + request)
        assert [client.read_answer().status for _ in range(2)] == [403, 403]
    assert not upstream.requests


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_empty_lines_without_end_are_refused(proxy: GuardingProxy, way: Way, together: bool) -> None:
    """Past a bound the answer is 400, and the connection ends."""
    with proxy.counting() as counted, proxy.raw(way) as client:
        if together:
            client.send(b"\r\n" * 101)
        else:
            client.send_until_refused(b"\n", 100_000)
        assert client.wait_for_close()[9:12] in ((b"400",) if together else (b"400", b""))
    assert counted[BAD] == 1


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
#: What upstream answers by target, and what the client gets.
ANSWERS = {
    b"/an-empty-line": (b"\r\n" + ANSWER, 200),
    b"/empty-lines-around-a-hint": (b"\n\r\n" + HINT + b"\r\n" + ANSWER, 200),
    b"/too-many-empty-lines": (b"\r\n" * 101 + ANSWER, 502),
    b"/many-lines": (ANSWER.replace(b"\r\n", b"\r\n" + b"a:\r\n" * (MAX_LINES - 2), 1), 200),
    b"/too-many-lines": (ANSWER.replace(b"\r\n", b"\r\n" + b"a:\r\n" * MAX_LINES, 1), 502),
    b"/no-hint": (b"HTTP/1.1 1000 Odd\r\nContent-Length: 2\r\n\r\nok", 1000),
    b"/no-http": (b"220 mail.test ESMTP\r\n", 502),
    **{
        b"/length-%d" % number: (b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nhello" % length, 502)
        for number, length in enumerate([b"9223372036854775808", b"1" * 4000, b"+5", b"0x10", b"5, 5"])
    },
}


@pytest.fixture(scope="module")
def oddly_answered() -> Iterator[GuardingProxy]:
    """A proxy before an upstream that answers so, and guards nothing."""
    replies = {target: reply for target, (reply, _) in ANSWERS.items()}
    with RawUpstream(replies) as upstream, GuardingProxy(upstream, None) as proxy:
        yield proxy


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
@pytest.mark.parametrize("target", ANSWERS)
def test_an_odd_answer_is_read_or_a_502(oddly_answered: GuardingProxy, way: Way, target: bytes) -> None:
    """Empty lines before it, and behind hints, are read past; a length that is none is a broken answer at once."""
    assert oddly_answered.call(way, target).status == ANSWERS[target][1]


def test_a_switch_of_protocols_is_no_answer_by_http2() -> None:
    """It is a broken one, and the client's other requests go on."""
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: odd\r\nConnection: upgrade\r\n\r\nodd"
    with RawUpstream({b"/odd": switching}) as upstream, GuardingProxy(upstream, None) as proxy:
        with RawClient(proxy.reverse) as client:
            assert client.start_tls(client_context(proxy.ca_file, http2=True), "localhost") == "h2"
            http2 = Http2Client(client.socket)
            for target, status in ((b"/odd", 502), (b"/even", 200), (b"/odd", 502)):
                stream = http2.request(proxy.pseudo(REVERSE_H2, b"GET", target))
                assert http2.wait(stream).status == status
        assert "crashed" not in proxy.output


def _refused(counted: dict[str, float]) -> dict[str, float]:
    """Return what was counted of requests, but for the proxy's own state, and for heads that nobody could judge."""
    unjudged = 'orgfence_requests_total{action="unjudged"}'
    counts = {name: number for name, number in counted.items() if name.startswith("orgfence_") and "{" in name}
    assert counts.pop(unjudged, 0) <= counts.get(BAD, 0)
    return counts


LENGTHS = [
    b"9223372036854775808",
    b"18446744073709551616",
    b"1" * 4000,
    b"1" * 5000,
    b"0" * 30 + b"5",
    b"+5",
    b"-5",
    b"0x10",
    b"5, 5",
    b"5;",
    b"5 5",
    b"",
    b"\xb2",
    b"1_0",
]


@pytest.mark.parametrize("way", [*HTTP1_WAYS, FORWARD_H2, REVERSE_H2], ids=str)
def test_a_length_that_is_none_is_refused(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """With 400 (HTTP/2 may end the connection in its place), and nothing of the request goes upstream."""
    with proxy.counting() as counted:
        for length in LENGTHS:
            fields = ACME, (b"content-length", length)
            if way.http2:
                with proxy.http2(way) as http2:
                    stream = http2.request(proxy.pseudo(way, b"POST", b"/echo/block/acme/1", *fields), end=False)
                    assert http2.wait_for_any_end(stream).status in (400, None), length
                continue
            with proxy.raw(way) as client:
                client.send(proxy.head(way, b"POST", b"/echo/block/acme/1", *fields))
                assert client.read_answer().status == 400, length
                assert client.wait_for_close() == b""
    assert not upstream.requests
    assert way.http2 or _refused(counted) == {BAD: len(LENGTHS)}


def test_the_largest_length_is_one(raw_proxy: GuardingProxy, raw_upstream: RawUpstream) -> None:
    """It goes upstream as it is; how long a client takes to send that much is between the two."""
    raw_upstream.received.clear()
    with raw_proxy.raw(REVERSE_PLAIN) as client:
        fields = ACME, (b"content-length", b"9223372036854775807"), (b"expect", b"100-continue")
        client.send(raw_proxy.head(REVERSE_PLAIN, b"POST", b"/echo/block/acme/1", *fields))
        assert client.read_answer().status == 100


CHUNKS = {
    "past 63 bits": b"8000000000000000\r\n",
    "past 64 bits": b"10000000000000000\r\n",
    "twenty digits": b"f" * 20 + b"\r\n",
    "more digits": b"f" * 100 + b"\r\n",
    "zeros without end": b"0" * 20_000,
    "a plus": b"+5\r\nhello\r\n",
    "a minus": b"-5\r\nhello\r\n",
    "hexadecimal twice": b"0x5\r\nhello\r\n",
    "an underscore": b"1_0\r\n",
    "no digit": b"\r\nhello\r\n",
    "a word": b"hello\r\n",
    "a list": b"5,5\r\nhello\r\n",
    "extensions without end": b"5;" + b"x" * 20_000,
    "a long extension": b"5;" + b"x" * 20_000 + b"\r\nhello\r\n",
    "a line feed in an extension": b"5;" + b" " * 10_000 + b"\n\r\nhello\r\n",
    "a line feed alone": b"5\nhello\n0\n\n",
    "no line end behind it": b"5\r\nhelloworld\r\n",
    "the second": b"5\r\nhello\r\n8000000000000000\r\n",
}


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "later"])
def test_a_chunk_that_cannot_be_read_is_refused(
    proxy: GuardingProxy, upstream: Upstream, way: Way, together: bool
) -> None:
    """With 400. What came with the head is seen before that goes upstream; else upstream gets no whole request."""
    with proxy.counting() as counted:
        for name, chunk in CHUNKS.items():
            upstream.requests.clear()
            head = proxy.head(way, b"POST", b"/api/block/acme/1", ACME, (b"transfer-encoding", b"chunked"))
            with proxy.raw(way) as client:
                for piece in [head + chunk] if together else [head, chunk]:
                    client.send(piece)
                assert client.wait_for_close()[9:12] == b"400", name
            # A TLS record has 16 KiB at most: what is longer comes in two, and may be read in two pieces.
            is_seen_ahead = together and (not way.tls or len(head + chunk) <= 16 * 1024)
            assert not [request for request in upstream.requests if is_seen_ahead or request.complete], name
    assert counted[BAD] == len(CHUNKS)
    # Each head was read, so each was a request.
    requests = [number for name, number in counted.items() if name.startswith("orgfence_requests_total")]
    assert sum(requests) == len(CHUNKS)


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_H1], ids=str)
def test_chunks_with_extensions_and_trailers_pass(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """As RFC 9112 section 7.1 has them; a trailer's line is not read, however hard it would be to."""
    body = b'5;name="va;lue"\r\nhello\r\n005 \r\nworld\r\n0;last\r\nname:%s\x00\r\n\r\n' % (b" " * 60_000)
    with proxy.raw(way) as client:
        head = proxy.head(way, b"POST", b"/echo/block/acme/1", ACME, (b"transfer-encoding", b"chunked"))
        for _ in range(2):
            client.send(head + body)
            assert client.read_answer().body == b"helloworld"
    assert [request.body_bytes for request in upstream.requests] == [10, 10]


def test_trailers_without_end_are_refused(proxy: GuardingProxy, upstream: Upstream) -> None:
    """At a bound, as heads are."""
    head = proxy.head(REVERSE_PLAIN, b"POST", b"/echo/block/acme/1", ACME, (b"transfer-encoding", b"chunked"))
    with proxy.raw(REVERSE_PLAIN) as client:
        client.send(head)
        assert client.send_until_refused(b"0\r\n" + b"name: value\r\n" * 5000, 64 * 1024 * 1024) < 64 * 1024 * 1024
    assert not [request for request in upstream.requests if request.complete]


@pytest.mark.parametrize("scheme", [b"ws", b"WS", b"wss"])
@pytest.mark.parametrize("org", [b"acme", b"globex"])
def test_a_websocket_target_is_http(proxy: GuardingProxy, upstream: Upstream, scheme: bytes, org: bytes) -> None:
    """A handshake in absolute form is judged and forwarded like any request; `wss` is `https`."""
    port = upstream.tls_address[1] if scheme == b"wss" else upstream.address[1]
    lines = [
        b"GET %s://localhost:%d/api/block/%s/socket HTTP/1.1" % (scheme, port, org),
        b"Host: localhost:%d" % port,
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"%s: %s" % ACME,
    ]
    with proxy.counting() as counted, RawClient(proxy.forward) as client:
        client.send(b"\r\n".join([*lines, b"", b""]))
        assert client.read_answer().status == (101 if org == b"acme" else 403)
    action = "forwarded" if org == b"acme" else "blocked"
    assert counted[f'orgfence_requests_total{{action="{action}"}}'] == 1
    assert BAD not in counted
    assert len(upstream.requests) == (org == b"acme")


REFUSED = {
    "no request": b"this is no request\r\n\r\n",
    "one word": b"hello\r\n",
    "no port": b"GET ftp://localhost/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another scheme": b"GET ftp://localhost:21/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "another version": b"GET /x HTTP/11\r\nHost: localhost\r\n\r\n",
    "a name with a space": b"GET http://localhost/x HTTP/1.1\r\nHost: localhost\r\na b: c\r\n\r\n",
    "too many lines": b"GET http://localhost/x HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * (MAX_LINES - 1) + b"\r\n",
    "lines without end": b"GET http://localhost/x HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * MAX_LINES,
    "two lengths": b"GET http://localhost/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "TLS of a version to come": b"\x16\x03\x04\x00\x05hello",
    "SSL 2.0": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
    "bytes": b"\xff\x00\x01",
    "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_request_is_answered_and_counted(proxy: GuardingProxy, what: str) -> None:
    """At once, with 400 and a close, also where the empty line that would end a head never comes."""
    with proxy.counting() as counted, RawClient(proxy.forward) as client:
        client.send(REFUSED[what])
        assert client.wait_for_close()[9:12] == b"400"
    assert _refused(counted) == {BAD: 1}


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_request_for_no_host_is_one(proxy: GuardingProxy, version: bytes) -> None:
    """It is answered with 400, and counted among the requests."""
    with proxy.counting() as counted, RawClient(proxy.forward) as client:
        client.send(b"GET /x HTTP/%s\r\n\r\n" % version)
        assert client.wait_for_close()[9:12] == b"400"
    assert counted[BAD] == counted['orgfence_requests_total{action="unjudged"}'] == 1


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H1, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize("what", ["one word", "TLS of a version to come", "SSL 2.0", "bytes", "PROXY protocol"])
def test_no_first_bytes_are_waited_with_for_ever(proxy: GuardingProxy, way: Way, what: str) -> None:
    """Within TLS and in reverse mode as well."""
    with proxy.counting() as counted, proxy.raw(way) as client:
        client.send(REFUSED[what])
        assert client.wait_for_close()[9:12] == b"400"
    assert _refused(counted) == {BAD: 1}


@pytest.mark.parametrize("in_a_tunnel", [True, False])
@pytest.mark.parametrize(
    ("first", "why_in_a_tunnel"),
    [
        (b"\x16\x03\x01\x40\x00\x02", "no_client_hello"),
        (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff", "client_hello"),
        (b"\x16\x03\x01\x00\x00\x01", "no_client_hello"),
    ],
    ids=["another message", "one of 16 MiB", "an empty record"],
)
def test_what_is_no_client_hello_is_not_waited_for(
    proxy: GuardingProxy, first: bytes, why_in_a_tunnel: str, in_a_tunnel: bool
) -> None:
    """The connection ends at once, though its client sends nothing more, and is counted by why."""
    with (
        proxy.counting() as counted,
        proxy.connected(FORWARD_H1 if in_a_tunnel else REVERSE_H1) as (client, _),
    ):
        client.send(first)
        assert client.wait_for_close() == b""
    # In a tunnel the first six bytes are looked at before mitmproxy reads TLS.
    why = why_in_a_tunnel if in_a_tunnel else "client_hello"
    assert _refused(counted) == {f'orgfence_refused_connections_total{{why="{why}"}}': 1}


def test_http2_that_is_no_request_is_counted(proxy: GuardingProxy, upstream: Upstream) -> None:
    """mitmproxy answers it with 400; the connection goes on."""
    with proxy.counting() as counted, proxy.http2(FORWARD_H2) as client:
        fields = [
            (name, b"ftp" if name == b":scheme" else value) for name, value in proxy.pseudo(FORWARD_H2, b"GET", b"/x")
        ]
        assert client.wait(client.request(fields)).status == 400
        assert client.wait(client.request(proxy.pseudo(FORWARD_H2, b"GET", b"/api/block/acme/1", ACME))).status == 200
    assert counted[BAD] == 1
    assert len(upstream.requests) == 1
