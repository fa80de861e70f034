"""Clients that finish the TLS handshake and then go without having asked for anything.

So do those that look at the certificate only when the handshake is over (GnuTLS, .NET, Node.js by TLS 1.2): they may
not trust the CA. Some of them send an alert that says so, which mitmproxy logs and forgets. So do also clients that
trust it: health probes, and connections that are made in advance. Whoever has sent a single byte of data trusts.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from mitmproxy import tls
from mitmproxy.connection import Client
from OpenSSL import SSL

from orgfence.proxy.interception.connection_reporter import ConnectionReporter
from orgfence.proxy.interception.tls_failures import TlsFailure, failure_of
from orgfence.proxy.wire.tls_ends import was_ended_in_order

# Who does not trust goes at once. A browser may make connections in advance, and lets them wait for longer than this.
_AT_ONCE = 5.0
# A program that trusts the CA goes on doing so; it may be another one at the same address that comes later.
_LATELY = 600.0
# More clients than talk to one sidecar; forgetting one costs a line in the log at most.
_MAX_TRUSTING = 4096
# A host is whatever the client named.
_MAX_HOST = 255


class SilentClients:
    """Sees handshakes end, first bytes come, and clients go."""

    name = "orgfence_silent_clients"

    def __init__(self, reporter: ConnectionReporter, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell this reporter of them. The clock is in seconds."""
        self._reporter = reporter
        self._clock = clock
        #: By the client's id: those that have shaken hands, and have said nothing so far.
        self._silent: dict[str, _FirstWord] = {}
        #: Client address and host name to when such a client last sent data; who did so lately stands last.
        self._trusting: OrderedDict[tuple[str, str], float] = OrderedDict()

    def trusts(self, client: Client, host: str) -> bool:
        """Return whether a client of this address lately sent data to this host, and so trusts the CA."""
        at = self._trusting.get(_kind(client, host))
        return at is not None and self._clock() < at + _LATELY

    def tls_established_client(self, data: tls.TlsData) -> None:
        """Wait for the first word."""
        client = data.context.client
        # QUIC has no such connection.
        if data.ssl_conn is not None:
            host = client.sni or (data.context.server.address or ("",))[0]
            self._silent[client.id] = _FirstWord(data.ssl_conn, host, lambda: self._spoke(client, host))

    def client_disconnected(self, client: Client) -> None:
        """Name the client that has gone without one."""
        silent = self._silent.pop(client.id, None)
        if silent is None or client.timestamp_tls_setup is None or client.timestamp_end is None:
            return
        silent.stop()
        if silent.refused:
            self._reporter.refused_certificate(client, silent.host)
        elif (
            client.timestamp_end - client.timestamp_tls_setup < _AT_ONCE
            # A program that looks at the certificate too late hangs up; a probe, which wanted no more, says goodbye.
            and not was_ended_in_order(silent.tls)
            and not _was_resumed(silent.tls)
            and not self.trusts(client, silent.host)
        ):
            self._reporter.left_silently(client, silent.host)

    def _spoke(self, client: Client, host: str) -> None:
        self._silent.pop(client.id, None)
        kind = _kind(client, host)
        self._trusting[kind] = self._clock()
        self._trusting.move_to_end(kind)
        if len(self._trusting) > _MAX_TRUSTING:
            self._trusting.popitem(last=False)


def _kind(client: Client, host: str) -> tuple[str, str]:
    return str(client.peername[0]), host[:_MAX_HOST].lower()


class _FirstWord:
    """Hears the first data on a TLS connection, or the alert in its place, and costs nothing from then on.

    In the place of the connection's `recv`, because no hook tells of data: a reverse listener, and HTTP/2, whose server
    speaks first, know what reads the connection before its client has said anything.
    """

    def __init__(self, ssl_conn: SSL.Connection, host: str, heard: Callable[[], None]) -> None:
        """Listen on this connection to the host; `heard` is called once."""
        self.tls = ssl_conn
        self.host = host
        #: Whether the client has said that it does not trust the certificate.
        self.refused = False
        self._heard = heard
        self._receive = ssl_conn.recv
        # mypy lets nobody assign to a method; this is one of this connection alone.
        ssl_conn.recv = self._listen  # type: ignore[method-assign]

    def stop(self) -> None:
        """Let the connection be as it was."""
        self.tls.__dict__.pop("recv", None)

    def _listen(self, bufsiz: int, flags: int | None = None) -> bytes:
        try:
            data = self._receive(bufsiz, flags)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            raise
        except SSL.Error as error:
            self.refused = self.refused or failure_of(str(error)) is TlsFailure.DISTRUST
            raise
        self.stop()
        self._heard()
        return data


def _was_resumed(ssl_conn: SSL.Connection) -> bool:
    """Return whether the client goes on with a session, for which it looked at the certificate before."""
    # pyOpenSSL has no name for it.
    return bool(SSL._lib.SSL_session_reused(ssl_conn._ssl))  # type: ignore[attr-defined]
