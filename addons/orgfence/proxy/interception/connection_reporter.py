"""What is seen from outside of a connection: what passes unread, what is refused, and clients that end TLS.

Like `reporter`, it never changes what was decided.
"""

from contextlib import suppress

import structlog
from mitmproxy import ctx, tls
from mitmproxy.connection import Client

from orgfence.core.catalogue import CATALOGUE
from orgfence.core.decision import Inspection
from orgfence.core.reason import Reason
from orgfence.core.ruleset import Ruleset
from orgfence.observe.metrics import Metrics, Refused, Stage, Unguarded
from orgfence.observe.notices import Notices
from orgfence.proxy.interception.tls_failures import TlsFailure, failure_of, trust_advice


class ConnectionReporter:
    """Tells of connections."""

    def __init__(self, metrics: Metrics, notices: Notices) -> None:
        """Report to these."""
        self._metrics = metrics
        self._notices = notices

    def passed_through(self, why: Unguarded) -> None:
        """Tell of a connection that passes unread."""
        self._metrics.count_unguarded(why)

    def refused(self, why: Refused) -> None:
        """Tell of a connection or request that was refused unread."""
        self._metrics.count_refused(why)

    def refused_own_address(self, client: Client, inspection: Inspection, ruleset: Ruleset) -> None:
        """Tell of a connection that was for ourselves and that no request names."""
        try:
            self._metrics.count_inspection(inspection, ruleset.orgs, 0.0)
            self._notices.write(
                "own_address", client=_address(client), advice=" ".join(CATALOGUE[Reason.OWN_ADDRESS].advice[1:])
            )
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(Stage.REPORT, error)

    def refused_tunnel(self, client: Client, host: str, why: Refused) -> None:
        """Tell of a tunnel that was closed, since what it carries cannot be judged and must not pass."""
        self._metrics.count_refused(why)
        advice = _ADVICE.get(why, "It opened with bytes by which a request could pass unjudged, and was closed.")
        self._notices.write("tunnel_refused", client=_address(client), host=host, advice=advice)

    def tls_failed(self, data: tls.TlsData, host: str, *, trusts: bool) -> None:
        """Tell why a client's handshake failed, and name the client that does not trust the CA with its fix.

        `trusts`: it did lately, so one that only hangs up did so for another reason.
        """
        client = data.context.client
        failure = failure_of(data.conn.error)
        if failure is TlsFailure.DISTRUST:
            self.refused_certificate(client, host)
        elif failure is TlsFailure.UNREADABLE:
            self.refused(Refused.CLIENT_HELLO)
        elif failure is TlsFailure.INCOMPATIBLE:
            advice = "Update the client, or allow older TLS by `--set tls_version_client_min=VERSION`."
            self._notices.write("client_speaks_other_tls", client=_address(client), host=host, advice=advice)
        elif failure is TlsFailure.WENT_AWAY and data.ssl_conn is not None and not trusts:
            self._metrics.count_tls_failed_client()
            self.left_silently(client, host)

    def refused_certificate(self, client: Client, host: str) -> None:
        """Name a client that has said that it does not trust the certificate."""
        self._metrics.count_tls_failed_client()
        advice = trust_advice(ctx.options.confdir)
        self._notices.write("client_does_not_trust_the_ca", client=_address(client), host=host, advice=advice)

    def left_silently(self, client: Client, host: str) -> None:
        """Name a client that has gone after it was sent the certificate, without a word, and what may be wrong."""
        advice = "It saw the certificate and hung up without a word. If it says that it does not trust the "
        advice += f"certificate: {trust_advice(ctx.options.confdir)}"
        self._notices.write("client_may_not_trust_the_ca", client=_address(client), host=host, advice=advice)

    def failed(self, stage: Stage, error: Exception) -> None:
        """Count and log a fault of our own; nothing that it quotes is shown."""
        self._metrics.count_internal_error(stage)
        # Should that fail there is nobody left to tell, and the request must go its way.
        with suppress(Exception):
            structlog.get_logger().error("internal_error", where=stage.value, exc_info=error)


_ADVICE = {
    Refused.NON_HTTP: "The policy guards this host, and what is no HTTP cannot be judged. To let other ports pass, "
    "name the port in the rule's `hosts`, as in `host:443`.",
    Refused.PROXY_HEADER: "Its PROXY protocol header is malformed or too long, or one of too many.",
    Refused.TLS_VERSION: "Its TLS record has a version that no client sends. If a client does, please report it.",
    Refused.SSL2: "It opened with the hello of SSL 2.0, which RFC 6176 forbids. Update the client.",
}


def _address(client: Client) -> str:
    return str(client.peername[0])
