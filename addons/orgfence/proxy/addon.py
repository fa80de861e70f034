"""The addon: mitmproxy's hooks, each of which asks the core and does what it says.

mitmproxy logs an addon's exception and forwards the request (addonmanager.safecall), so every hook here ends in a
decision of ours: what cannot be judged is `internal_error`, handled as the policy's `undetermined` says.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import time
from collections.abc import Callable, Coroutine

from mitmproxy import ctx, exceptions, http

from orgfence.core.decision import Decision, Inspection, NeedBody
from orgfence.core.guard import UNMATCHED, inspect
from orgfence.core.known import Known
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.reason import Action, Enforcement, Reason, Verdict
from orgfence.core.request import AWAITED, UNREAD
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache
from orgfence.enforcement.annotation import header_value, outcome_value
from orgfence.enforcement.denial import bare_denial, deny
from orgfence.enforcement.report import Report
from orgfence.observe.metrics import Stage
from orgfence.proxy import options
from orgfence.proxy.applying import annotate, call_of, response_of, strip, strip_named
from orgfence.proxy.case import Case
from orgfence.proxy.exchanges import Exchanges
from orgfence.proxy.held_bodies import HeldBodies
from orgfence.proxy.interception.own_addresses import REQUESTED, OwnAddresses
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.request_of import body_by_head, body_of, request_of
from orgfence.proxy.wire.gate import Hold


class Orgfence:
    """Judges each request as soon as what its rules read is in, and enforces what was decided.

    That is the headers for nearly all. A request whose body some rule reads waits until that has come.
    """

    name = "orgfence"

    def __init__(
        self,
        ruleset: Ruleset,
        reporter: Reporter,
        *,
        stream_above: int,
        clock: Callable[[], float] = time.time,
        own: OwnAddresses | None = None,
        keeps_bodies: bool = False,
    ) -> None:
        """Guard by this ruleset. Bodies of more bytes than `stream_above`, or of unknown length, pass as they come.

        `keeps_bodies`: a view shows the other ones after their requests have ended.
        """
        self._ruleset = ruleset
        self._known = Known(TokenCache(), GrantLedger(clock=time.monotonic))
        self._reporter = reporter
        self._stream_above = stream_above
        self._clock = clock
        self._own = own or OwnAddresses()
        #: The bodies that wait.
        self.held = HeldBodies(lambda: self._ruleset.handling.held_bodies_limit, keeps=keeps_bodies)
        self._exchanges = Exchanges(self._known, reporter, clock)

    @property
    def ruleset(self) -> Ruleset:
        """What requests that begin now are judged by."""
        return self._ruleset

    def use(self, ruleset: Ruleset) -> None:
        """Judge later requests by this ruleset. Those in flight keep the one that they began with."""
        self._ruleset = ruleset

    def configure(self, _updated: set[str]) -> None:
        """Refuse options that would undo the guard, at start and whenever mitmweb changes one."""
        if refused := options.refusals(ctx.options):
            raise exceptions.OptionsError("\n".join(refused))

    def requestheaders(self, flow: http.HTTPFlow) -> Coroutine[None, None, None] | None:
        """Judge a request by its head and enforce the decision, or have it wait for its body."""
        # What mitmproxy itself refuses, or another addon has answered (a 407), goes nowhere.
        if flow.error is not None or flow.response is not None:
            if flow.error is not None:
                self._reporter.refused_unread()
            self._reporter.unjudged()
            return None
        case = _begin(flow, self._ruleset)
        if flow.request.data.port in self._own.ports:
            return self._judge_unless_own(flow, case)
        self._judge(flow, case)
        return None

    def request(self, flow: http.HTTPFlow) -> None:
        """Judge a request that waited for its body, now that it is there."""
        case = _case_of(flow)
        if case is not None and case.is_held and flow.error is None and flow.response is None:
            self._judge(flow, case)

    def error(self, flow: http.HTTPFlow) -> None:
        """Count a request that has ended while it waited to be judged: its client has gone, or has reset it."""
        case = _case_of(flow)
        if case is not None and case.inspection is None:
            self._reporter.unjudged()

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | Hold | None:
        """Return what the client is to be answered before its body is read; None lets the request go on."""
        case = _case_of(flow)
        if case is not None and case.inspection is None and case.body_limit is not None and flow.response is None:
            return Hold(case.body_limit)
        return self._final_answer(flow, case)

    def answer_held(self, flow: http.HTTPFlow) -> http.Response | None:
        """Return the answer to a request whose body has come and was judged in `request`."""
        return self._final_answer(flow, _case_of(flow))

    def answer_unread(self, flow: http.HTTPFlow) -> http.Response | None:
        """Return the answer to a request of whose body more has come than is read."""
        case = _case_of(flow)
        if case is not None and case.is_held:
            self._judge(flow, case, unread=True)
        return self._final_answer(flow, case)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the body, annotate, and see what upstream made of a request that was let through."""
        case = _case_of(flow)
        response = flow.response
        if response is None or case is None or case.inspection is None or case.inspection.action is Action.BLOCKED:
            return
        try:
            response.stream = response.stream or self._is_streamed(response)
            strip(response.headers)
            self._annotate_response(flow, response, case, case.inspection)
            self._exchanges.answer_begun(flow, response, case)
        except Exception as error:  # noqa: BLE001 - the request was judged; its answer must still reach the client
            self._reporter.failed(Stage.RESPONSE, error)

    def response(self, flow: http.HTTPFlow) -> None:
        """Judge what an issuer has answered, now that it is whole."""
        case = _case_of(flow)
        if case is None or case.answer_limit is None:
            return
        try:
            self._exchanges.answer_came(flow, case)
        except Exception as error:  # noqa: BLE001 - as above
            self._reporter.failed(Stage.RESPONSE, error)

    def limit_of_answer(self, flow: http.HTTPFlow) -> int | None:
        """Return how much of an answer's body is held; None: it is none of those that are read."""
        case = _case_of(flow)
        return None if case is None else case.answer_limit

    def answer_too_long(self, flow: http.HTTPFlow) -> None:
        """Judge an answer of whose body more has come than is held."""
        case = _case_of(flow)
        if case is None:
            return
        try:
            self._exchanges.answer_is_too_long(flow, case)
        except Exception as error:  # noqa: BLE001 - as above
            self._reporter.failed(Stage.RESPONSE, error)

    def refused_unread(self, *, is_request: bool) -> None:
        """Count what mitmproxy refuses, and whether it was a request that ends unjudged."""
        self._reporter.refused_unread()
        if is_request:
            self._reporter.unjudged()

    async def _judge_unless_own(self, flow: http.HTTPFlow, case: Case) -> None:
        """Judge a request that is for one of the ports on which we listen, perhaps on another machine."""
        is_own = await self._own.is_own(flow.request.data.host, flow.request.data.port)
        self._judge(flow, case, decided=REQUESTED if is_own else None)

    def _judge(
        self, flow: http.HTTPFlow, case: Case, *, unread: bool = False, decided: Inspection | None = None
    ) -> None:
        """Inspect a request and settle its case, unless that takes a body which is still to come."""
        started = time.perf_counter()
        try:
            inspection = decided or self._inspect(flow, case, unread=unread)
        except Exception as error:  # noqa: BLE001 - mitmproxy would log it and forward the request unjudged
            inspection = _undecided(case.ruleset.strictest, error)
        if isinstance(inspection, NeedBody):
            case.body_limit = inspection.limit
            case.seconds = time.perf_counter() - started
            flow.request.stream = False
            return

        case.inspection = inspection
        try:
            # First, so that it holds also where the rest fails and the request goes on.
            strip(flow.request.headers)
            if case.ruleset.stripped_headers:
                self._strip(flow, case, inspection)
            self._enforce(flow, case, inspection)
            if inspection.action is not Action.BLOCKED:
                self._exchanges.forwarded(case, inspection)
        except Exception as error:  # noqa: BLE001 - as above
            inspection = self._refuse(flow, case, error)
        case.seconds += time.perf_counter() - started
        self._reporter.inspected(flow, inspection, case.ruleset, case.report, case.seconds)

    def _inspect(self, flow: http.HTTPFlow, case: Case, *, unread: bool) -> Inspection | NeedBody:
        """Ask the core: of what was held with its body, of all else with what its head says of it."""
        request = request_of(flow)
        if case.body_limit is not None:
            body = UNREAD if unread else body_of(flow.request, case.body_limit)
            return inspect(request._replace(body=body), case.ruleset, self._known, self._clock())

        inspection = inspect(request, case.ruleset, self._known, self._clock())
        if isinstance(inspection, NeedBody):
            told = body_by_head(flow.request, inspection.limit)
            if told is not AWAITED:
                return inspect(request._replace(body=told), case.ruleset, self._known, self._clock())
        return inspection

    def _final_answer(self, flow: http.HTTPFlow, case: Case | None) -> http.Response | None:
        """Return what was made of the request; one of which nothing was made is refused."""
        try:
            # Our own hook failed, or another addon has kept it from being called.
            if (case is None or case.inspection is None) and flow.response is None:
                case = case or _begin(flow, self._ruleset)
                strip(flow.request.headers)
                inspection = self._refuse(flow, case, RuntimeError("the request was not judged"))
                self._reporter.inspected(flow, inspection, case.ruleset, None, case.seconds)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the request must not go on
            self._reporter.failed(Stage.ENFORCE, error)
            return response_of(bare_denial())
        return flow.response

    def _refuse(self, flow: http.HTTPFlow, case: Case, error: Exception) -> Inspection:
        """Handle a request for which enforcement itself failed, by what the rules that matched would do at worst."""
        self._reporter.failed(Stage.ENFORCE, error)
        # What it would say is no longer so.
        case.report = None
        inspection = case.inspection or UNMATCHED
        blocked = inspection.action is Action.BLOCKED
        undetermined = [decision.rule.undetermined for decision in inspection.decisions if decision.rule]
        worst = Enforcement.BLOCK if blocked else max(undetermined, default=case.ruleset.strictest)
        inspection = case.inspection = _undecided(worst)
        if inspection.action is Action.BLOCKED:
            flow.response = response_of(bare_denial())
        return inspection

    def _strip(self, flow: http.HTTPFlow, case: Case, inspection: Inspection) -> None:
        """Remove the headers that are for us alone, by every rule that matched."""
        stripped = case.ruleset.stripped_headers
        # Of a request that could not be judged nobody knows which rules are for it.
        unknown = bool(inspection.decisions) and all(decision.rule is None for decision in inspection.decisions)
        for rule in stripped if unknown else [decision.rule for decision in inspection.decisions]:
            if rule is not None and rule in stripped:
                strip_named(flow.request.headers, stripped[rule])

    def _enforce(self, flow: http.HTTPFlow, case: Case, inspection: Inspection) -> None:
        deciding, handling = inspection.deciding, case.ruleset.handling
        if deciding is not None and deciding.verdict is not Verdict.ALLOW:
            report = case.report = Report.of(call_of(flow), inspection, case.ruleset)
            if inspection.action is Action.BLOCKED:
                flow.response = response_of(deny(report))
                return
            if inspection.action is Action.ANNOTATED and handling.annotate_request:
                annotate(flow.request.headers, header_value(report))
        # Of what was held nothing is left that could be streamed; or the stream that holds it sees to it.
        if case.body_limit is None:
            flow.request.stream = self._is_streamed(flow.request)

    def _is_streamed(self, message: http.Message) -> bool:
        for name, value in message.headers.fields:
            # The length first: a cheap test that nearly all names fail.
            if len(name) == 14 and name.lower() == b"content-length":
                # 18 digits are more than any length, and far from what Python refuses to read as a number.
                return not value.isdigit() or len(value) > 18 or int(value) > self._stream_above
        return True

    def _annotate_response(
        self, flow: http.HTTPFlow, response: http.Response, case: Case, inspection: Inspection
    ) -> None:
        self._reporter.answered(flow, inspection, case.ruleset, response.status_code)
        deciding = inspection.deciding
        if deciding is None:
            return
        refusals = _REFUSALS if case.exchange is None else _REFUSALS_OF_ISSUERS
        if inspection.action is Action.ANNOTATED and case.report is not None:
            annotate(response.headers, header_value(case.report))
        elif (
            deciding.verdict is Verdict.ALLOW
            and response.status_code in refusals
            and deciding.rule is not None
            and deciding.rule.enforcement is not Enforcement.OBSERVE
        ):
            annotate(response.headers, outcome_value(deciding.rule.id, response.status_code))


def _begin(flow: http.HTTPFlow, ruleset: Ruleset) -> Case:
    case = Case(ruleset)
    # On the flow itself, so that whatever way that ends nothing of it stays.
    flow.__dict__[_CASE] = case
    return case


def _case_of(flow: http.HTTPFlow) -> Case | None:
    return flow.__dict__.get(_CASE)


_CASE = "orgfence_case"
_REFUSALS = (401, 403)
# https://www.rfc-editor.org/rfc/rfc6749#section-5.2: 400 for all but a client that could not be authenticated.
_REFUSALS_OF_ISSUERS = (400, 401, 403)


def _undecided(imposed: Enforcement, error: Exception | None = None) -> Inspection:
    """Return the decision on a request that could not be judged, or whose judgement could not be carried out."""
    decision = Decision(None, Verdict.UNDETERMINED, Reason.INTERNAL_ERROR, error=error, imposed=imposed)
    return Inspection.of((decision,))


#: Larger bodies are not worth holding. A small one that is complete costs the client one wake-up instead of two.
STREAM_ABOVE = 64 * 1024
#: With a view that shows bodies, those that fit this are kept for it, whole.
STREAM_ABOVE_WITH_VIEW = 1024 * 1024
