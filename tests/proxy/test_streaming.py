"""Allowed bodies flow both ways as they come, whatever their size, and none is kept."""

import hashlib

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    MIB,
    REVERSE_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    WAYS,
    GuardingProxy,
    Way,
    authorized,
    wait_until,
)
from tests.proxy.harness import RawClient, Upstream

CHUNKED = (b"transfer-encoding", b"chunked")
RULES = ["block", "annotate", "observe"]


def one_chunk(data: bytes) -> bytes:
    """Return one piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3 * MIB], ids=str)
def test_a_body_arrives_whole(proxy: GuardingProxy, upstream: Upstream, way: Way, rule: str, size: int) -> None:
    """Sized bodies of every size go up and come down unchanged."""
    body = (hashlib.sha256(way.__str__().encode()).digest() * (size // 32 + 1))[:size]
    with proxy.client(way) as client:
        answer = client.post(f"/echo/{rule}/acme/x", headers=[authorized("acme")], content=body)
    assert answer.content == body
    assert [(request.body_bytes, request.complete) for request in upstream.requests] == [(size, True)]


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
@pytest.mark.parametrize("org", ["acme", "globex"])
def test_an_unsized_upload_flows(proxy: GuardingProxy, upstream: Upstream, way: Way, org: str) -> None:
    """What has been sent of a chunked body comes back while the body is still open, annotated or not."""
    with proxy.raw(way) as client:
        path = f"/echo/annotate/{org}/x".encode()
        client.send(proxy.head(way, b"POST", path, authorized("acme"), CHUNKED))
        client.send(one_chunk(b"first"))
        assert client.take_until(b"first").startswith(b"HTTP/1.1 200 ")
        assert not upstream.requests[0].complete
        client.send(one_chunk(b"second"))
        client.take_until(b"second")
        client.send(b"0\r\n\r\n")
        client.take_until(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/octet-stream"])
def test_a_bidirectional_stream_flows(proxy: GuardingProxy, upstream: Upstream, way: Way, content_type: bytes) -> None:
    """An allowed gRPC call gets each answer while it is still half open."""
    fields = authorized("acme"), (b"content-type", content_type), (b"te", b"trailers")
    with proxy.http2(way) as client:
        stream_id = client.request(proxy.pseudo(way, b"POST", b"/echo/block/acme/Call", *fields), end=False)
        for message in (b"one", b"two", b"three"):
            client.send_data(stream_id, message)
            client.wait(stream_id, lambda stream: stream.body.endswith(message))  # noqa: B023 - called at once
        assert not upstream.requests[0].complete
        client.send_data(stream_id, b"", end=True)
        assert client.wait(stream_id).body == b"onetwothree"


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("org", ["acme", "globex"])
def test_server_sent_events_flow(proxy: GuardingProxy, upstream: Upstream, way: Way, org: str) -> None:
    """Events of an endless answer come one by one, under an annotation too; the client's end is upstream's."""
    path = f"/sse/annotate/{org}/events"
    with proxy.client(way) as client, client.stream("GET", path, headers=[authorized("acme")]) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(5)] == ["data: 1", "", "data: 2", "", "data: 3"]
        assert ("orgfence" in answer.headers) == (org == "globex")
    wait_until(lambda: upstream.requests[0].ended)


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_a_large_download_costs_no_memory(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """512 MiB pass and nothing of them stays."""
    size = 512 * MIB
    proxy.reset_peak()
    before = proxy.memory()
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"GET", b"/large/block/acme/x?bytes=%d" % size, authorized("acme")))
        assert client.drain(b"0\r\n\r\n") >= size
    assert proxy.memory("VmHWM") - before <= 32 * MIB
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("way", "chunked"),
    [(FORWARD_H1, False), (REVERSE_PLAIN, True)],
    ids=["forward-https-h1-sized", "reverse-http-h1-chunked"],
)
def test_a_large_upload_costs_no_memory(proxy: GuardingProxy, upstream: Upstream, way: Way, chunked: bool) -> None:
    """256 MiB pass as they come and nothing of them stays."""
    block, count = bytes(MIB), 256
    proxy.reset_peak()
    before = proxy.memory()
    framing = CHUNKED if chunked else (b"content-length", b"%d" % (count * MIB))
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"PUT", b"/api/block/acme/file", authorized("acme"), framing))
        for _ in range(count):
            client.send(one_chunk(block) if chunked else block)
        client.send(b"0\r\n\r\n" if chunked else b"")
        assert client.read_answer().status == 200
    assert proxy.memory("VmHWM") - before <= 32 * MIB
    assert [(request.body_bytes, request.complete) for request in upstream.requests] == [(count * MIB, True)]


def test_a_client_that_does_not_read_holds_its_upstream_up(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Over HTTP/1 a download that nobody reads is not taken in."""
    proxy.reset_peak()
    before = proxy.memory()
    with RawClient(proxy.reverse) as client:
        client.send(
            proxy.head(REVERSE_PLAIN, b"GET", b"/large/block/acme/x?bytes=%d" % (256 * MIB), authorized("acme"))
        )
        client.take_some()
        # Others are served meanwhile, and it takes some time in which the download could have come in.
        for _ in range(20):
            assert proxy.call(REVERSE_PLAIN, b"/large/block/acme/x?bytes=1000000", authorized("acme")).status == 200
        assert proxy.memory("VmHWM") - before <= 32 * MIB
