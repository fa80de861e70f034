"""What a ClientHello names, read loosely: a server may be looser than mitmproxy."""

import pytest
from mitmproxy.tls import ClientHello
from tests.proxy.client_hellos import ENCRYPTED_CLIENT_HELLO, Extension, client_hello, server_name

from orgfence.proxy.interception.client_hello import hides_its_host, names_of

HOST = server_name(b"api.test")


def parsed(*extensions: Extension) -> ClientHello:
    return ClientHello(client_hello(*extensions)[5 + 4 :])


@pytest.mark.parametrize(
    ("extensions", "names", "sni"),
    [
        ([], [], None),
        ([HOST], [b"api.test"], "api.test"),
        ([server_name(b"API.test.")], [b"API.test."], "API.test."),
        ([server_name(b"a.test", b"b.test", b"a.test")], [b"a.test", b"b.test"], None),
        ([HOST, server_name(b"b.test")], [b"api.test", b"b.test"], "api.test"),
        ([server_name(b"api.test", kind=1)], [b"api.test"], None),
        ([server_name(b"")], [], None),
        ([server_name(b"", b"api.test")], [b"api.test"], None),
        ([server_name()], [], None),
        ([server_name(b"api.test:443")], [b"api.test:443"], None),
        ([server_name(b"\xff\x00")], [b"\xff\x00"], None),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_every_name_counts(extensions: list[Extension], names: list[bytes], sni: str | None) -> None:
    """Each once, in their order, also where mitmproxy takes the SNI for malformed."""
    hello = parsed(*extensions)
    assert names_of(hello) == names
    assert hello.sni == sni


def test_an_encrypted_client_hello_hides_the_host() -> None:
    """Whether or not there is something in it."""
    assert hides_its_host(parsed(HOST, ENCRYPTED_CLIENT_HELLO))
    assert hides_its_host(parsed((0xFE0D, b"")))
    assert not hides_its_host(parsed(HOST))
    assert not hides_its_host(parsed())
