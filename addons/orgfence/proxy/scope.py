"""Which connections are decrypted: those to guarded hosts, and no others.

A TLS connection counts as guarded when the address dialled (the CONNECT host) or its SNI names a guarded host. The
SNI may be absent or forged; the address alone, or the SNI alone, would each be a way past.
"""

from collections.abc import Callable

from mitmproxy import tls
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.request import Authority
from orgfence.core.ruleset import Ruleset
from orgfence.observe.metrics import Stage
from orgfence.proxy.reporter import Reporter


class Scope:
    """Decides of each connection whether it is looked into, before any request of it is judged."""

    name = "orgfence_scope"

    def __init__(self, in_force: Callable[[], Ruleset], reporter: Reporter) -> None:
        """Go by the ruleset that is in force when a connection comes."""
        self._in_force = in_force
        self._reporter = reporter

    def tls_clienthello(self, hello: tls.ClientHelloData) -> None:
        """Leave connections to hosts that no rule guards as they are."""
        try:
            if not is_guarded(hello, self._in_force()):
                hello.ignore_connection = True
                self._reporter.passed_through()
        except Exception as error:  # noqa: BLE001 - mitmproxy decrypts, and the requests are judged
            self._reporter.failed(Stage.TLS, error)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Name the client that does not trust the CA, with its fix."""
        self._reporter.client_distrusts(data)


def is_guarded(hello: tls.ClientHelloData, ruleset: Ruleset) -> bool:
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
