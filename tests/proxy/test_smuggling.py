"""What upstream takes for a request is what was judged: no body becomes one, no head hides one."""

import pytest
from tests.proxy.guarding import FORWARD_H1, GuardingProxy, authorized, wait_until
from tests.proxy.harness import Http2Client, RawClient, Upstream, client_context

_SMUGGLED = (
    b"0\r\n\r\nGET /echo/block/globex/smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer other\r\n\r\n"
)


@pytest.mark.parametrize("body", [_SMUGGLED, b"a few bytes", b"x" * 100_000], ids=["hostile", "small", "large"])
def test_a_body_without_a_length_stays_a_body(proxy: GuardingProxy, upstream: Upstream, body: bytes) -> None:
    """HTTP/2 needs no length; an upstream that speaks HTTP/1 gets the bytes framed, not as its next request."""
    with RawClient(proxy.reverse) as client:
        assert client.start_tls(client_context(proxy.ca_file, http2=True), "localhost") == "h2"
        http2 = Http2Client(client.socket)
        pseudo = [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":path", b"/echo/block/acme/1"),
            (b":authority", b"localhost"),
        ]
        stream = http2.request([*pseudo, authorized("acme")], end=False)
        http2.send_data(stream, body, end=True)

        assert http2.wait(stream).status == 200

    wait_until(lambda: upstream.requests[0].complete and upstream.requests[0].body_bytes == len(body))
    assert [received.target for received in upstream.requests] == [b"/echo/block/acme/1"]


def test_a_bare_carriage_return_hides_no_credential(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Some servers end a line at it, and would find another token there than the one that was judged."""
    _, right = authorized("acme")
    _, wrong = authorized("globex")
    with proxy.connected(FORWARD_H1) as (client, _):
        client.send(
            b"GET /echo/block/acme/1 HTTP/1.1\r\nHost: localhost\r\nX-Note: x\rAuthorization: " + wrong + b"\r\n"
            b"Authorization: " + right + b"\r\n\r\n"
        )
        answer = client.read_answer()

    assert answer.status == 400
    assert b"credential_ambiguous" in answer.body
    assert not upstream.requests
