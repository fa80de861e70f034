"""The name that upstream's certificate is checked by, before OpenSSL gets it."""

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.tls import TlsData

from orgfence.proxy.interception.server_name import prepare


def prepared(host: str, client_sni: str | None = None, server_sni: str | None = None) -> tuple[str | None, bool]:
    """Return the name that mitmproxy is left with, and whether it is to make the connection."""
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    client.sni = client_sni
    server = Server(address=(host, 443))
    server.sni = server_sni
    start = TlsData(server, Context(client, Options()))
    start.context.server = server
    prepare(start)
    return server.sni, start.ssl_conn is None


@pytest.mark.parametrize(
    ("host", "client_sni", "server_sni", "left"),
    [
        ("api.test", None, None, None),
        ("api.test.", None, None, "api.test"),
        ("127.0.0.1", "api.test.", None, "api.test"),
        ("127.0.0.1", "api.test", "other.test.", "other.test"),
        ("127.0.0.1", None, None, None),
        ("::1", None, None, None),
        ("my_host.test", None, None, None),
        ("bücher.test", None, None, None),
    ],
)
def test_a_name_that_a_certificate_can_be_for(
    host: str, client_sni: str | None, server_sni: str | None, left: str | None
) -> None:
    """Stays as it is but for a dot at its end: that of the server, else the client's SNI, else the host dialled."""
    assert prepared(host, client_sni, server_sni) == (left, True)


@pytest.mark.parametrize(
    "host", ["", ".", "a b.test", "-a.test", "a..test", "a" * 64 + ".test", "a." * 127 + "test", "\udcff"]
)
def test_a_name_that_none_can_be_for(host: str) -> None:
    """Begins a handshake that must fail at the certificate, in place of mitmproxy's, which would never begin."""
    assert not prepared(host)[1]
