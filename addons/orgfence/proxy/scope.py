"""Which connections are decrypted: those to guarded hosts, and no others.

A TLS connection counts as guarded when the address dialled (the CONNECT host) or its SNI names a guarded host. The
SNI may be absent or forged; the address alone, or the SNI alone, would each be a way past.
"""

from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.tls import ClientHelloData

from orgfence.core.request import Authority
from orgfence.core.ruleset import Ruleset


def is_guarded(hello: ClientHelloData, ruleset: Ruleset) -> bool:
    """Return whether this client's TLS connection is to be decrypted."""
    if isinstance(hello.context.client.proxy_mode, ReverseMode):
        # The client means us: there is nobody behind us to whom its bytes could be passed on unread.
        return True
    address = hello.context.server.address
    sni = hello.client_hello.sni
    if address is None:
        return True
    host, port = address[0], address[1]
    names = {host} if sni is None else {host, sni}
    return any(ruleset.guards(Authority(name.encode("utf-8", "surrogateescape"), port)) for name in names)
