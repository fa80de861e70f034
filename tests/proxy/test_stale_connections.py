"""An upstream that closes a connection just as it is used again costs no request, and gets none twice that counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.proxy.guarding import FORWARD_H1, FORWARD_H2, FORWARD_PLAIN, REVERSE_PLAIN, GuardingProxy, Way, authorized
from tests.proxy.harness import Address
from tests.proxy.odd_upstream import OddUpstream

ACME = authorized("acme")
WAYS = [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN]


@dataclass
class Http2Only:
    """The odd upstream's port for HTTP/2."""

    ca_file: Path
    address: Address
    tls_address: Address
    url: str
    tls_url: str


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("manner", ["close-late", "reset-late"])
def test_a_connection_that_ends_between_requests(way: Way, manner: str) -> None:
    """Whenever the end comes: before the next request, with it, or a moment after."""
    path = f"/{manner}/x".encode()
    with OddUpstream() as upstream, GuardingProxy(upstream, None) as proxy, proxy.raw(way) as client:
        statuses = []
        for _ in range(150):
            client.send(proxy.head(way, b"GET", path, ACME))
            statuses.append(client.read_answer().status)
        assert statuses == [200] * 150


#: Requests by what they are sent with: method, what follows the path, fields, body; and whether they only read.
REQUESTS = {
    "GET": (b"GET", b"", [], b"", True),
    "OPTIONS": (b"OPTIONS", b"?x=y", [], b"", True),
    "PUT": (b"PUT", b"", [], b"body", False),
    "DELETE": (b"DELETE", b"", [], b"", False),
    "POST": (b"POST", b"", [], b"body", False),
    "a body": (b"GET", b"", [], b"body", False),
    "an override": (b"GET", b"", [(b"X-HTTP-Method-Override", b"POST")], b"", False),
    "another override": (b"GET", b"", [(b"x-method-override", b"PUT")], b"", False),
    "an override as CGI spells it": (b"GET", b"", [(b"X_HTTP_METHOD", b"DELETE")], b"", False),
    "an override in the query": (b"GET", b"?a=b&_method=put", [], b"", False),
    "an escaped override": (b"GET", b"?%5Fm%65thod=put", [], b"", False),
    "a mutation": (b"GET", b"?query=mutation%7Bdrop%7D", [], b"", False),
}


@pytest.fixture(scope="module")
def odd() -> Iterator[tuple[OddUpstream, GuardingProxy]]:
    """The odd upstream, and a proxy before it."""
    with OddUpstream() as upstream, GuardingProxy(upstream, None) as proxy:
        yield upstream, proxy


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("what", REQUESTS)
def test_what_may_have_been_done_is_not_done_again(odd: tuple[OddUpstream, GuardingProxy], way: Way, what: str) -> None:
    """Upstream has read the second request, and closes in place of an answer: only what reads goes out again."""
    upstream, proxy = odd
    method, query, fields, body, only_reads = REQUESTS[what]
    path = f"/close-on-second/{way}/{what.replace(' ', '-')}".encode()
    if body:
        fields = [*fields, (b"content-length", b"%d" % len(body))]
    with proxy.raw(way) as client:
        for expected in (200, 200 if only_reads else 502):
            client.send(proxy.head(way, method, path + query, ACME, *fields) + body)
            assert client.read_answer(method).status == expected
    assert sum(count for seen, count in upstream.received.items() if path.decode() in seen) == 2 + only_reads


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_an_answer_that_has_begun_is_not_asked_for_again(way: Way) -> None:
    """A broken head is upstream's fault, told as such."""
    path = b"/half-answer-on-second/x"
    with OddUpstream() as upstream, GuardingProxy(upstream, None) as proxy, proxy.raw(way) as client:
        for expected in (200, 502):
            client.send(proxy.head(way, b"GET", path, ACME))
            assert client.read_answer().status == expected
        assert upstream.received[path.decode()] == 2


@pytest.mark.parametrize("manner", ["goaway-before", "goaway-after", "goaway-instead", "refuse"])
@pytest.mark.parametrize("method", [b"GET", b"POST"], ids=bytes.decode)
def test_goaway_and_refused_streams_cost_no_request(manner: str, method: bytes) -> None:
    """RFC 9113 section 8.7: what upstream says that it has not processed goes out again, a POST as well; once each."""
    path = f"/{manner}/x".encode()
    with OddUpstream() as odd:
        upstream = Http2Only(odd.ca_file, odd.address, odd.http2_address, odd.url, odd.http2_url)
        with GuardingProxy(upstream, None) as proxy, proxy.http2(FORWARD_H2) as client:
            for _ in range(10):
                stream = client.request(proxy.pseudo(FORWARD_H2, method, path, ACME))
                assert client.wait_for_any_end(stream).status == 200
        assert odd.received[path.decode()] == 10
