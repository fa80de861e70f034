"""Paths that servers read in different ways, as they come over the wire: each reading is judged."""

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    paths_of,
)
from tests.proxy.harness import Upstream
from tests.proxy.raw_upstream import RawUpstream

# With a token for `acme`: some server behind the proxy would read each of these as `/api/block/globex/…`.
HOSTILE = [
    b"/api/block/globex",
    b"/api/block/globex/",
    b"/api/block/globex?org=acme",
    b"/api/block/%67lobex/x",
    b"/api/%62lock/globex/x",
    b"/%61pi/block/globex/x",
    b"/api/block/acme/../globex/x",
    b"/api/block/acme/x/../../globex",
    b"/api/block/acme/%2e%2e/globex/x",
    b"/api/block/acme/%2E%2e/globex/x",
    b"/api/block/acme/.%2e/globex/x",
    b"/api/block/acme/..%2fglobex/x",
    b"/api/block/acme%2f..%2fglobex/x",
    b"/api/block/acme%2F%2e%2e%2Fglobex/x",
    b"/api/block/acme/..%5cglobex/x",
    b"/api/block/acme/..\\globex/x",
    b"/api/block/acme\\..\\globex\\x",
    b"/api/block/acme/%252e%252e/globex/x",
    b"/api/block/acme/..%252fglobex/x",
    b"/api/block/acme/..;/globex/x",
    b"/api/block/acme/..;a=b/globex/x",
    b"/api/block/acme/./../globex/x",
    b"/api/block/acme//../../globex/x",
    b"/x/../api/block/globex/x",
    b"/../api/block/globex/x",
    b"/./api/block/globex/x",
    b"/api/./block/globex/x",
    b"/api/x/../block/globex/x",
    b"//api/block/globex/x",
    b"/api//block/globex/x",
    b"/api///block//globex//x",
    b"/api/block//globex/x",
    b"/%2fapi/block/globex/x",
    b"/api%2fblock%2fglobex%2fx",
    b"/api%2Fblock/globex/x",
    b"/api%252fblock%252fglobex",
    b"/api\\block\\globex\\x",
    b"\\api\\block\\globex\\x",
    b"/api%5cblock%5Cglobex",
    b"/api;x=1/block;y/globex;z/x",
    b"/api/block/globex;acme/x",
    b"/api/block/globex%3bacme/x",
    b"/api/%2562lock/globex/x",
    b"/api/block/%2567lobex/x",
    b"/api/block/globex%00/x",
    b"/api/block/globex%00acme/x",
    b"/api/block/globex%3Facme/x",
    b"/api/block/globex%23acme/x",
    b"/api/block/globex#acme/x",
    b"/api/block/globex#/../acme",
    b"//x/api/block/globex/x",
    b"//localhost/api/block/globex/x",
    b"/api/block/acme/%2e%2e%2fglobex%2f%2e%2e%2fglobex",
]
# HTTP/2 carries a target as a field of its own, so that it may be what no request line can hold.
HOSTILE_IN_HTTP2 = [
    b"http://localhost/api/block/globex/x",
    b"https://127.0.0.1/api/block/globex/x",
    b"api/block/globex/x",
    b"/api/block/globex /x",
    b" /api/block/globex/x",
    b"/api/block/globex\t/x",
    b"/api/block/globex\x00/x",
    b"/api/block/globex\xff/../x",
]
ORDINARY = [
    b"/api/block/acme",
    b"/api/block/acme/",
    b"/api/block/acme/a/b/c.json",
    b"/api/block/acme/~user/-._!$&'()*+,=:@",
    b"/api/block/acme/a%20b/%C3%A9/100%25",
    b"/api/block/acme/...hidden/..x/x..",
    b"/api/block/acme/a%2Fb/group%2Fproject",
    b"/api/block/acme/file;version=1",
    b"/api/block/acme/x/../y",
    b"/api/block/acme//x",
    b"/api/block/acme/q?path=/api/block/globex/x&next=../../globex",
    b"/api/block/acme/q?a=1#fragment",
    b"/api/block/acme-inc/@scope%2fname",
    b"/api/block/%61cme/x",
    b"/api/other/globex/x",
]


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, FORWARD_H2, REVERSE_H2], ids=str)
def test_no_reading_leads_past_the_rule(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """However a path spells the wrong org, the request is answered here, and upstream never sees it."""
    for path in HOSTILE + (HOSTILE_IN_HTTP2 if way.http2 else []):
        if not way.http2:
            answer = proxy.call(way, path, authorized("acme"))
            assert answer.status in (400, 403), path
        else:
            with proxy.http2(way) as client:
                stream_id = client.request(proxy.pseudo(way, b"GET", path, authorized("acme")))
                assert client.wait_for_any_end(stream_id).status in (400, 403, None), path
        assert not upstream.requests, path
    assert proxy.call(way, b"/api/block/acme/x", authorized("acme")).status == 200


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_ordinary_paths_pass_as_they_are(raw_proxy: GuardingProxy, raw_upstream: RawUpstream, way: Way) -> None:
    """A path all of whose readings are right arrives byte for byte as it was sent."""
    for path in ORDINARY:
        raw_upstream.received.clear()
        assert raw_proxy.call(way, path, authorized("acme")).status == 200, path
        (received,) = raw_upstream.received
        assert received.partition(b"\r\n")[0] == b"GET %s HTTP/1.1" % path


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_ordinary_paths_pass_by_http2(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The same on a connection that carries them all."""
    with proxy.http2(way) as client:
        for path in ORDINARY:
            stream_id = client.request(proxy.pseudo(way, b"GET", path, authorized("acme")))
            assert client.wait(stream_id).status == 200, path
    assert paths_of(upstream) == ORDINARY


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_what_a_framework_may_take_for_the_path_is_judged(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """`X-Original-URL` and its like are readings of the path, whatever the path itself says."""
    for name in (b"x-original-url", b"x-rewrite-url", b"x_original_url"):
        for path in (b"/api/block/acme/x", b"/api/other"):
            override = (name, b"/api/block/globex/x")
            assert proxy.call(way, path, authorized("acme"), override).status == 400
            assert not upstream.requests
            harmless = (name, b"/api/block/acme/y")
            assert proxy.call(way, path, authorized("acme"), harmless).status == 200
            upstream.requests.clear()


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN, FORWARD_H2], ids=str)
def test_too_many_readings_are_ambiguous(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A path made to have more readings than anybody tries is refused, within moments and without a crash."""
    for path in (
        b"/api/block/acme/" + b"%252f..%5c;x/" * 200,
        b"/api/block/acme/" + b"a%2fb" * 4000,
        b"/api/block/acme/" + b"../" * 3000,
        b"/" + b"%25" * 9000,
    ):
        answer = proxy.call(way, path, authorized("acme"))
        assert (answer.status, upstream.requests) == (400, []), path[:50]
