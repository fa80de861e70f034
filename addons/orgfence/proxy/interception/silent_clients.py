"""Clients that finish the TLS handshake and then go without having asked for anything.

So do those that look at the certificate only when the handshake is over (GnuTLS, .NET, Node.js by TLS 1.2): they may
not trust the CA. mitmproxy hears no word of that, or at most an alert that it logs and forgets.
"""

from mitmproxy import tls
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer

from orgfence.proxy.reporter import Reporter

# Who does not trust goes at once. A browser may make connections in advance, and lets them wait for longer than this.
_AT_ONCE = 5.0


class SilentClients:
    """Sees handshakes end, first bytes come, and clients go."""

    name = "orgfence_silent_clients"

    def __init__(self, reporter: Reporter) -> None:
        """Tell this reporter of them."""
        self._reporter = reporter
        #: By the client's id: the host that it has shaken hands for, and has said nothing to so far.
        self._silent: dict[str, str] = {}

    def tls_established_client(self, data: tls.TlsData) -> None:
        """Wait for the first word."""
        client = data.context.client
        self._silent[client.id] = client.sni or (data.context.server.address or ("",))[0]

    def next_layer(self, next_layer: NextLayer) -> None:
        """Hear the first word: now somebody is to read it.

        An HTTP/2 server may have spoken first. Whether its client then says anything nobody is asked, so that is taken
        for a word too.
        """
        self._silent.pop(next_layer.context.client.id, None)

    def client_disconnected(self, client: Client) -> None:
        """Name the client that has gone without one."""
        host = self._silent.pop(client.id, None)
        if host is None or client.timestamp_tls_setup is None or client.timestamp_end is None:
            return
        if client.timestamp_end - client.timestamp_tls_setup < _AT_ONCE:
            self._reporter.left_silently(client, host)
