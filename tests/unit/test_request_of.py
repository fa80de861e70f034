"""What is kept on a client's connection, so that it is worked out once, says nothing of a request that differs."""

from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.mode_specs import ProxyMode

from orgfence.core.request import Authority
from orgfence.proxy.request_of import request_of


def authorities_of(client: Client, host: str, port: int, authority: bytes = b"") -> tuple[Authority, ...]:
    flow = http.HTTPFlow(client, Server(address=(host, port)))
    flow.request = http.Request(
        host, port, b"GET", b"http", authority, b"/", b"HTTP/1.1", http.Headers(), b"", None, 0.0, None
    )
    request = request_of(flow)
    assert request.listen_port == 8080
    return request.authorities


def test_each_request_is_for_its_own_host() -> None:
    """A forward proxy's client asks for many on one connection, and may learn another name for itself by TLS."""
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 8080), proxy_mode=ProxyMode.parse("regular"))
    for _ in range(2):
        assert authorities_of(client, "a.test", 80) == ((b"a.test", 80),)
        assert authorities_of(client, "a.test", 80) == ((b"a.test", 80),)
        assert authorities_of(client, "b.test", 80) == ((b"b.test", 80),)
        assert authorities_of(client, "b.test", 81) == ((b"b.test", 81),)
        assert authorities_of(client, "b.test", 81, b"c.test") == ((b"b.test", 81), (b"c.test", 81))
    client.sni = "d.test"
    assert authorities_of(client, "b.test", 81, b"c.test") == ((b"b.test", 81), (b"d.test", 81), (b"c.test", 81))
    assert authorities_of(client, "d.test", 81, b"d.test") == ((b"d.test", 81),)
