"""The name by which an upstream's certificate is checked.

mitmproxy raises where OpenSSL takes that for no DNS name, a handshake that never begins then, and the client waits for
ever. A trailing dot, as a client may write it, is enough.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re
from ipaddress import ip_address

from mitmproxy.connection import Server
from mitmproxy.tls import TlsData
from OpenSSL import SSL

# https://www.rfc-editor.org/rfc/rfc1123#section-2.1, and with the underscore that is in use.
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


def prepare(start: TlsData) -> None:
    """Have a TLS connection to upstream begin under a name that a certificate can be for, or fail."""
    server = start.conn
    if start.ssl_conn is not None or not isinstance(server, Server) or server.address is None:
        return
    # As mitmproxy chooses.
    name = server.sni or start.context.client.sni or server.address[0]
    if name.endswith("."):
        name = server.sni = name.rstrip(".")
    if not _is_certifiable(name):
        start.ssl_conn = _unverifiable()


def _is_certifiable(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        return True
    try:
        return len(name) < 254 and _DNS_NAME.fullmatch(name.encode("idna").decode()) is not None
    except UnicodeError:
        return False


def _unverifiable() -> SSL.Connection:
    """Return a connection whose handshake ends at the server's certificate, for none can be the right one."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: False)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    return connection
