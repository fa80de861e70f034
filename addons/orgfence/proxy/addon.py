"""The addon: mitmproxy's hooks, each of which asks the core and does what it says.

mitmproxy logs an addon's exception and forwards the request (addonmanager.safecall), so every hook here ends in a
decision of ours: what cannot be judged is `internal_error`, handled as the policy's `undetermined` says.
"""

import time
import uuid
from collections.abc import Callable
from weakref import WeakKeyDictionary

from mitmproxy import ctx, exceptions, http, tls

from orgfence.core.catalogue import explain
from orgfence.core.decision import Action, Decision, Enforcement, Inspection, Reason, Verdict
from orgfence.core.guard import UNMATCHED, inspect
from orgfence.core.known import Known
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache
from orgfence.observe.metrics import Stage
from orgfence.proxy import annotation, options, scope
from orgfence.proxy.answer import answer, bare_answer
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.request_of import request_of
from orgfence.proxy.shown import Shown


class Orgfence:
    """Judges each request as soon as its headers are in, and enforces what was decided."""

    name = "orgfence"

    def __init__(
        self,
        ruleset: Ruleset,
        reporter: Reporter,
        *,
        stream_above: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Guard by this ruleset. Bodies of more bytes than `stream_above`, or of unknown length, pass as they come."""
        self.ruleset = ruleset
        self._known = Known(TokenCache())
        self._reporter = reporter
        self._stream_above = stream_above
        self._clock = clock
        # Weak, so that whatever way a flow ends nothing of it stays.
        self._inspections: WeakKeyDictionary[http.HTTPFlow, Inspection] = WeakKeyDictionary()
        self._shown: WeakKeyDictionary[http.HTTPFlow, Shown] = WeakKeyDictionary()

    def configure(self, _updated: set[str]) -> None:
        """Refuse options that would undo the guard, at start and whenever mitmweb changes one."""
        if refused := options.refusals(ctx.options):
            raise exceptions.OptionsError("\n".join(refused))

    def tls_clienthello(self, hello: tls.ClientHelloData) -> None:
        """Leave connections to hosts that no rule guards as they are."""
        try:
            if not scope.is_guarded(hello, self.ruleset):
                hello.ignore_connection = True
                self._reporter.passed_through()
        except Exception as error:  # noqa: BLE001 - mitmproxy decrypts, and the requests are judged
            self._reporter.failed(Stage.TLS, error)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Name the client that does not trust the CA, with its fix."""
        self._reporter.client_distrusts(data)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Judge a request, and enforce the decision."""
        # What mitmproxy itself refuses, or another addon has answered (a 407), goes nowhere.
        if flow.error is not None or flow.response is not None:
            return
        started = time.perf_counter()
        try:
            inspection = inspect(request_of(flow), self.ruleset, self._known, self._clock())
        except Exception as error:  # noqa: BLE001 - mitmproxy would log it and forward the request unjudged
            inspection = self._undecided(self.ruleset.strictest, error)
        self._inspections[flow] = inspection
        try:
            # First, so that it holds also where the rest fails and the request goes on.
            annotation.strip(flow.request.headers)
            self._enforce(flow, inspection)
        except Exception as error:  # noqa: BLE001 - as above
            inspection = self._refuse(flow, error)
        self._reporter.inspected(flow, inspection, self._shown.get(flow), time.perf_counter() - started)

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | None:
        """Return what the client is to be answered before its body is read; None lets the request go on."""
        try:
            # Our own hook failed, or another addon has kept it from being called.
            if flow not in self._inspections and flow.response is None:
                annotation.strip(flow.request.headers)
                inspection = self._refuse(flow, RuntimeError("the request was not judged"))
                self._reporter.inspected(flow, inspection, None, 0.0)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the request must not go on
            self._reporter.failed(Stage.ENFORCE, error)
            return bare_answer()
        return flow.response

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the body, annotate, and see what upstream made of a request that was let through."""
        inspection = self._inspections.get(flow)
        response = flow.response
        if response is None or inspection is None or inspection.action is Action.BLOCKED:
            return
        try:
            response.stream = response.stream or self._is_streamed(response)
            annotation.strip(response.headers)
            self._annotate_response(flow, response, inspection)
        except Exception as error:  # noqa: BLE001 - the request was judged; its answer must still reach the client
            self._reporter.failed(Stage.RESPONSE, error)

    def _undecided(self, imposed: Enforcement, error: Exception | None = None) -> Inspection:
        """Return the decision on a request that could not be judged, or whose judgement could not be carried out."""
        decision = Decision(None, Verdict.UNDETERMINED, Reason.INTERNAL_ERROR, error=error, imposed=imposed)
        return Inspection.of((decision,))

    def _refuse(self, flow: http.HTTPFlow, error: Exception) -> Inspection:
        """Handle a request for which enforcement itself failed, by what the rules that matched would do at worst."""
        self._reporter.failed(Stage.ENFORCE, error)
        # What it would say is no longer so.
        self._shown.pop(flow, None)
        inspection = self._inspections.get(flow, UNMATCHED)
        blocked = inspection.action is Action.BLOCKED
        undetermined = [decision.rule.undetermined for decision in inspection.decisions if decision.rule]
        worst = Enforcement.BLOCK if blocked else max(undetermined, default=self.ruleset.strictest)
        inspection = self._inspections[flow] = self._undecided(worst)
        if inspection.action is Action.BLOCKED:
            flow.response = bare_answer()
        return inspection

    def _enforce(self, flow: http.HTTPFlow, inspection: Inspection) -> None:
        deciding = inspection.deciding
        if deciding is not None and deciding.verdict is not Verdict.ALLOW:
            shown = self._shown[flow] = self._show(deciding)
            if inspection.action is Action.BLOCKED:
                flow.response = answer(flow.request, deciding, shown.explanation, shown.id)
                return
        if inspection.action is Action.ANNOTATED:
            annotation.annotate(flow.request.headers, self._shown[flow].header)
        flow.request.stream = self._is_streamed(flow.request)

    def _show(self, decision: Decision) -> Shown:
        inspection_id = str(uuid.uuid4())
        explanation = explain(decision, self.ruleset.orgs)
        return Shown(inspection_id, explanation, annotation.header_value(decision, explanation, inspection_id))

    def _is_streamed(self, message: http.Message) -> bool:
        for name, value in message.headers.fields:
            # The length first: a cheap test that nearly all names fail.
            if len(name) == 14 and name.lower() == b"content-length":
                # 18 digits are more than any length, and far from what Python refuses to read as a number.
                return not value.isdigit() or len(value) > 18 or int(value) > self._stream_above
        return True

    def _annotate_response(self, flow: http.HTTPFlow, response: http.Response, inspection: Inspection) -> None:
        shown = self._shown.get(flow)
        self._reporter.answered(flow, inspection, shown, response.status_code)
        deciding = inspection.deciding
        if deciding is None:
            return
        if inspection.action is Action.ANNOTATED and shown is not None:
            annotation.annotate(response.headers, shown.header)
        elif (
            deciding.verdict is Verdict.ALLOW
            and response.status_code in (401, 403)
            and deciding.rule is not None
            and deciding.rule.enforcement is not Enforcement.OBSERVE
        ):
            value = annotation.outcome_value(deciding.rule.id, response.status_code)
            annotation.annotate(response.headers, value)


#: Larger bodies are not worth holding. A small one that is complete costs the client one wake-up instead of two.
STREAM_ABOVE = 64 * 1024
#: With a view that shows bodies, those that fit this are kept for it, whole.
STREAM_ABOVE_WITH_VIEW = 1024 * 1024
