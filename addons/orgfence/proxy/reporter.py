"""What is seen from outside of an inspection: metrics, the log line, the mark on the flow.

Reporting never changes what was decided: whatever fails here is counted, and the request goes its way.
"""

from contextlib import suppress

import structlog
from mitmproxy import ctx, http, tls
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.catalogue import CATALOGUE
from orgfence.core.decision import Inspection
from orgfence.core.reason import Reason, Verdict
from orgfence.core.ruleset import Ruleset
from orgfence.enforcement.redaction import redactor_of
from orgfence.enforcement.report import Report
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics, Refused, Stage, Unguarded
from orgfence.observe.notices import Notices
from orgfence.proxy.applying import call_of
from orgfence.proxy.interception.tls_failures import TlsFailure, failure_of, trust_advice
from orgfence.proxy.marks import mark, mark_outcome
from orgfence.proxy.records import inspection_record, outcome_record
from orgfence.proxy.request_of import listen_port_of


class Reporter:
    """Tells of every inspection once, to everybody who listens."""

    def __init__(self, metrics: Metrics, log: InspectionLog) -> None:
        """Report to these."""
        self._metrics = metrics
        self._log = log
        self._notices = Notices(lambda: log.repeat)
        self._reverse = _ReverseListeners()

    def inspected(
        self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, report: Report | None, seconds: float
    ) -> None:
        """Tell of an inspection by this ruleset, which held the request up for this long."""
        try:
            self._metrics.count_inspection(inspection, ruleset.orgs, seconds)
            # By name: for abstract classes `isinstance` is slow.
            if flow.client_conn.proxy_mode.type_name == ReverseMode.type_name:
                self._reverse.count(listen_port_of(flow), matched=bool(inspection.decisions))
            deciding = inspection.deciding
            if deciding is None or deciding.verdict is Verdict.ALLOW:
                return
            for decision in inspection.decisions:
                if decision.error is not None:
                    self.failed(Stage.INSPECT, decision.error)
            if report is not None:
                mark(flow, report)
                self._log.write(inspection_record(report))
        except Exception as error:  # noqa: BLE001 - what fails to be told was still decided
            self.failed(Stage.REPORT, error)

    def unjudged(self) -> None:
        """Tell of a request that has ended before it was judged."""
        self._metrics.count_unjudged()

    def answered(self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, status: int) -> None:
        """Tell what upstream answered to a request that was let through."""
        try:
            self._metrics.count_outcome(inspection, status)
            deciding = inspection.deciding
            # What an issuer has refused is told when the error is there to be read.
            if deciding is None or status not in (401, 403) or deciding.exchange is not None:
                return
            if deciding.verdict is Verdict.ALLOW and deciding.rule is not None:
                mark_outcome(flow, deciding.rule.id, status)
                self._log.write(outcome_record(call_of(flow), inspection, deciding, ruleset.generation, status))
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(Stage.REPORT, error)

    def issued(
        self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, report: Report | None, seconds: float
    ) -> None:
        """Tell of what an issuer has issued, by a decision on its answer."""
        try:
            self._metrics.count_answer(inspection, ruleset.orgs, seconds)
            deciding = inspection.deciding
            if deciding is not None and deciding.error is not None:
                self.failed(Stage.RESPONSE, deciding.error)
            if report is not None:
                mark(flow, report)
                self._log.write(inspection_record(report))
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(Stage.REPORT, error)

    def refused_by_issuer(
        self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, status: int, why: str
    ) -> None:
        """Tell why an issuer may have refused a token request."""
        try:
            deciding = inspection.deciding
            if deciding is not None:
                call = call_of(flow)
                flow.comment = f"outcome={status}. {redactor_of(call, deciding.rule).sentence(why)}"
                self._log.write(outcome_record(call, inspection, deciding, ruleset.generation, status, why))
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(Stage.REPORT, error)

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


class _ReverseListeners:
    """Notices a reverse listener in front of which the policy seems to be about another host."""

    def __init__(self) -> None:
        #: Unmatched requests so far by port; None once one matched, or it was said.
        self._unmatched: dict[int, int | None] = {}

    def count(self, port: int, *, matched: bool) -> None:
        """Count one request, and say so where the first hundred match no rule."""
        count = self._unmatched.get(port, 0)
        if count is None:
            return
        self._unmatched[port] = None if matched or count + 1 == _FIRST_REQUESTS else count + 1
        if not matched and count + 1 == _FIRST_REQUESTS:
            structlog.get_logger().warning(
                "reverse_listener_matches_no_rule",
                port=port,
                requests=_FIRST_REQUESTS,
                advice="In reverse mode rules match the host that clients name, or the one dialled: compare `hosts`.",
            )


_FIRST_REQUESTS = 100
