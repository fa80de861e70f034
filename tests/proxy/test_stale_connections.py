"""An upstream that closes a connection just as it is used again costs no request, and gets none twice that counts."""

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


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(("method", "status", "received"), [(b"GET", 200, 3), (b"PUT", 200, 3), (b"POST", 502, 2)])
def test_what_may_have_been_done_is_repeated_only_if_that_changes_nothing(
    way: Way, method: bytes, status: int, received: int
) -> None:
    """RFC 9110 section 9.2.2: upstream has read the second request, and closes in place of an answer."""
    path = b"/close-on-second/x"
    with OddUpstream() as upstream, GuardingProxy(upstream, None) as proxy, proxy.raw(way) as client:
        for expected in (200, status):
            client.send(proxy.head(way, method, path, ACME, (b"content-length", b"4")) + b"body")
            assert client.read_answer().status == expected
        assert upstream.received[path.decode()] == received


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
