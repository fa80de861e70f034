"""What is seen from outside of an inspection: metrics, the log line, the mark on the flow.

Reporting never changes what was decided: whatever fails here is counted, and the request goes its way.
"""

from contextlib import suppress

import structlog
from mitmproxy import http, tls
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.decision import Inspection, Verdict
from orgfence.core.ruleset import Ruleset
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics, Stage, Unguarded
from orgfence.proxy.marks import mark, mark_outcome
from orgfence.proxy.records import inspection_record, outcome_record
from orgfence.proxy.request_of import listen_port_of
from orgfence.proxy.shown import Shown


class Reporter:
    """Tells of every inspection once, to everybody who listens."""

    def __init__(self, metrics: Metrics, log: InspectionLog) -> None:
        """Report to these."""
        self._metrics = metrics
        self._log = log
        self._reverse = _ReverseListeners()

    def inspected(
        self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, shown: Shown | None, seconds: float
    ) -> None:
        """Tell of an inspection by this ruleset, which held the request up for this long."""
        try:
            self._metrics.count_inspection(inspection, ruleset.orgs, seconds)
            if isinstance(flow.client_conn.proxy_mode, ReverseMode):
                self._reverse.count(listen_port_of(flow), matched=bool(inspection.decisions))
            deciding = inspection.deciding
            if deciding is None or deciding.verdict is Verdict.ALLOW:
                return
            for decision in inspection.decisions:
                if decision.error is not None:
                    self.failed(Stage.INSPECT, decision.error)
            if shown is not None:
                mark(flow, inspection.action, deciding, shown)
                self._log.write(inspection_record(flow, inspection, deciding, shown, ruleset.generation))
        except Exception as error:  # noqa: BLE001 - what fails to be told was still decided
            self.failed(Stage.REPORT, error)

    def answered(self, flow: http.HTTPFlow, inspection: Inspection, ruleset: Ruleset, status: int) -> None:
        """Tell what upstream answered to a request that was let through."""
        try:
            self._metrics.count_outcome(inspection, status)
            deciding = inspection.deciding
            if deciding is None or status not in (401, 403):
                return
            if deciding.verdict is Verdict.ALLOW and deciding.rule is not None:
                mark_outcome(flow, deciding.rule.id, status)
                self._log.write(outcome_record(flow, inspection, deciding, ruleset.generation, status))
        except Exception as error:  # noqa: BLE001 - as above
            self.failed(Stage.REPORT, error)

    def passed_through(self) -> None:
        """Tell of a connection to a host that no rule guards."""
        self._metrics.count_unguarded(Unguarded.HOST_NOT_GUARDED)

    def client_distrusts(self, data: tls.TlsData) -> None:
        """Name a client that broke the handshake off, as one does that does not trust the CA."""
        self._metrics.count_tls_failed_client()
        client = data.context.client
        structlog.get_logger().warning(
            "client_does_not_trust_the_ca",
            client=str(client.peername[0]),
            host=client.sni or "",
            advice="Add the proxy's CA to what this client trusts; `orgfence run` names the file when it starts.",
        )

    def failed(self, stage: Stage, error: Exception) -> None:
        """Count and log a fault of our own; nothing that it quotes is shown."""
        self._metrics.count_internal_error(stage)
        # Should that fail there is nobody left to tell, and the request must go its way.
        with suppress(Exception):
            structlog.get_logger().error("internal_error", where=stage.value, exc_info=error)


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
