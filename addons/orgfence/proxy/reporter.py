"""What is seen from outside of an inspection: metrics, the log line, the mark on the flow.

Reporting never changes what was decided: whatever fails here is counted, and the request goes its way.
"""

import structlog
from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.decision import Inspection
from orgfence.core.reason import Verdict
from orgfence.core.ruleset import Ruleset
from orgfence.enforcement.redaction import redactor_of
from orgfence.enforcement.report import Report
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics, Refused, Stage
from orgfence.observe.notices import Notices
from orgfence.proxy.applying import call_of
from orgfence.proxy.interception.connection_reporter import ConnectionReporter
from orgfence.proxy.marks import mark, mark_outcome
from orgfence.proxy.records import inspection_record, outcome_record
from orgfence.proxy.request_of import listen_port_of


class Reporter:
    """Tells of every inspection once, to everybody who listens."""

    def __init__(self, metrics: Metrics, log: InspectionLog) -> None:
        """Report to these."""
        self._metrics = metrics
        self._log = log
        self.connections = ConnectionReporter(metrics, Notices(lambda: log.repeat))
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

    def refused_unread(self) -> None:
        """Tell of a request that was refused unread."""
        self._metrics.count_refused(Refused.BAD_REQUEST)

    def failed(self, stage: Stage, error: Exception) -> None:
        """Count and log a fault of our own; nothing that it quotes is shown."""
        self.connections.failed(stage, error)


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
