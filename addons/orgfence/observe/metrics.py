"""Everything that is counted, in one private registry.

Labels are bounded: rule ids and named orgs come from the policy, everything else from closed sets of ours.
Nothing from a request becomes a label.
"""

import platform
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from importlib import metadata

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from orgfence.core.decision import Decision, Inspection
from orgfence.core.oauth.exchange import Endpoint, ExchangeRule, Step
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import UNAUTHENTICATED, Action, Enforcement, Reason, Verdict
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.observe.counting import Counts, Durations, KeptElsewhere

#: The `rule` of a decision that no rule made.
NO_RULE = "none"
#: The `org` of a requested org that the policy does not name.
OTHER_ORG = "other"
#: The `action` of a request that ended before it was judged.
UNJUDGED = "unjudged"


class Unguarded(StrEnum):
    """Why a connection passed without being looked at: the values of `unguarded_connections_total{why}`."""

    #: TLS, and neither the address dialled nor the SNI names a guarded host.
    HOST_NOT_GUARDED = "host_not_guarded"
    #: TLS that was dialled by an IP address and without SNI: nothing names the host.
    NO_SNI = "no_sni"
    #: TLS whose SNI is another host than the one dialled; a rule guards neither.
    SNI_DIFFERS = "sni_differs"
    #: TLS that may be for another host than its SNI says, for another SNI can stand in its encrypted ClientHello.
    #: Browsers pretend to have one (GREASE). Not counted here where the name that was dialled is the SNI's.
    ECH = "ech"
    #: Neither TLS nor HTTP: SSH, mail, databases.
    NON_HTTP = "non_http"
    #: Datagrams that are no QUIC, in a mode that takes any.
    UDP = "udp"


class Refused(StrEnum):
    """Why something was refused unread, by a close or a 400: the values of `refused_connections_total{why}`."""

    #: A tunnel to a guarded host that carries neither TLS nor HTTP.
    NON_HTTP = "non_http"
    #: A TLS record of a version that no client sends: later than TLS 1.2's, which TLS 1.3 sends too.
    TLS_VERSION = "tls_version"
    #: TLS that begins with something other than a ClientHello: an alert, application data.
    NO_CLIENT_HELLO = "no_client_hello"
    #: A ClientHello that cannot be read; in reverse mode also what comes in its place.
    CLIENT_HELLO = "client_hello"
    #: The hello of SSL 2.0 (RFC 6176), which names no host.
    SSL2 = "ssl2"
    #: A PROXY protocol header that is malformed or too long, or one of too many.
    PROXY_HEADER = "proxy_header"
    #: A request, or a PROXY protocol header, of which the first bytes had passed as another protocol.
    HIDDEN_REQUEST = "hidden_request"
    #: A request whose head or framing cannot be read, for which mitmproxy has no host, or which it forbids.
    BAD_REQUEST = "bad_request"


class Stage(StrEnum):
    """Where something of ours failed: the values of `internal_errors_total{where}`."""

    #: The connection's host was compared with the policy.
    TLS = "tls"
    #: The request was read or judged.
    INSPECT = "inspect"
    #: The decision was carried out on the request.
    ENFORCE = "enforce"
    #: Upstream's answer was annotated.
    RESPONSE = "response"
    #: What had happened was counted, marked or logged.
    REPORT = "report"
    #: The policy's files were looked at, or what they hold was loaded or put in force.
    RELOAD = "reload"


class Metrics:
    """The metrics of one running orgfence. Methods that count belong to the event loop's thread."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all families in this registry, by default a new one of its own."""
        self.registry = registry = CollectorRegistry() if registry is None else registry
        self._decisions = Counts(
            registry,
            "orgfence_decisions_total",
            "Decisions, one for each rule that matched a request, with what the rule does with such a one: "
            "mismatches under observe or annotate were let through, and block would have stopped them.",
            ("rule", "verdict", "reason", "enforcement"),
        )
        self._requests = Counts(
            registry,
            "orgfence_requests_total",
            "Requests by what became of them; `unmatched` ones were forwarded because no rule matched them, `unjudged` "
            "ones ended before they were judged.",
            ("action",),
            [*((action,) for action in Action), (UNJUDGED,)],
        )
        self._org_mismatches = Counts(
            registry,
            "orgfence_org_mismatches_total",
            "Orgs that requests asked for with a token that does not grant them, by the name that the policy "
            "gives the org, or `other` where it gives none.",
            ("rule", "org"),
        )
        self._outcomes = Counts(
            registry,
            "orgfence_outcomes_total",
            "What upstream answered to requests that were let through, by the verdict on them. An allow that "
            "is answered 403 hints at a rule that sees too little, a mismatch that is answered 2xx at one "
            "that would block too much.",
            ("rule", "verdict", "status"),
        )
        self._exchanges = Counts(
            registry,
            "orgfence_oauth_exchanges_total",
            "OAuth exchanges by what is said of each step: of authorize requests, of token requests, and of the tokens "
            "that were issued.",
            ("issuer", "step", "verdict", "reason"),
        )
        self._unguarded = Counts(
            registry,
            "orgfence_unguarded_connections_total",
            "Connections that passed without being looked at, by the reason why.",
            ("why",),
            [(why,) for why in Unguarded],
        )
        self._refused = Counts(
            registry,
            "orgfence_refused_connections_total",
            "Connections, and requests, that were refused before there was a request to judge, by the reason why.",
            ("why",),
            [(why,) for why in Refused],
        )
        self._tls_failed_clients = Counts(
            registry,
            "orgfence_tls_failed_clients_total",
            "TLS handshakes that a client broke off, as one does that does not trust the proxy's CA.",
            (),
            [()],
        )
        self._internal_errors = Counts(
            registry,
            "orgfence_internal_errors_total",
            "Faults of orgfence itself, by where they happened. Any at all is worth a bug report.",
            ("where",),
            [(stage,) for stage in Stage],
        )
        self._held_bodies = Gauge(
            "orgfence_held_body_bytes",
            "Bytes of bodies that wait to be read by a rule or to be passed on whole; `held_bodies_limit` bounds them.",
            registry=registry,
        )
        self._durations = Durations(
            registry,
            "orgfence_inspection_duration_seconds",
            "Time that a request was held up to be read, judged and marked.",
            _DURATION_BOUNDS,
        )
        self._policy = Gauge(
            "orgfence_policy_info",
            "1 for the policy in force, by its generation.",
            ("generation",),
            registry=registry,
        )
        self._reloads = Counts(
            registry,
            "orgfence_policy_reloads_total",
            "Changes of the policy's files, by whether they could be loaded; the start is none.",
            ("result",),
            [("success",), ("failure",)],
        )
        self._last_reload = True
        #: Whether the policy's files were looked at a moment ago, or are not watched.
        self.policy_is_seen: Callable[[], bool] = lambda: True
        KeptElsewhere(
            registry,
            GaugeMetricFamily,
            "orgfence_policy_last_reload_successful",
            "1 while the policy in force is what its files hold; 0 while they hold something that cannot be used, or "
            "cannot be looked at.",
            lambda: float(self._last_reload and self.policy_is_seen()),
        )
        self._last_success = Gauge(
            "orgfence_policy_last_reload_success_timestamp_seconds",
            "When the policy in force was loaded, at the start or since.",
            registry=registry,
        )
        self._override = Gauge(
            "orgfence_observe_override",
            "1 while everything is capped at `observe`, whatever the policy says; else 0.",
            registry=registry,
        )
        #: How many log lines were lost, by whoever writes them.
        self.log_lines_lost: Callable[[], int] = lambda: 0
        KeptElsewhere(
            registry,
            CounterMetricFamily,
            "orgfence_log_lines_lost_total",
            "Log lines that were dropped because nobody read those before, or that could not be written.",
            lambda: self.log_lines_lost(),  # noqa: PLW0108 - it is set later
        )
        #: When the policy's files were last looked at, in seconds since the epoch; None: they are not watched.
        self.policy_last_look: Callable[[], float | None] = lambda: None
        KeptElsewhere(
            registry,
            GaugeMetricFamily,
            "orgfence_policy_last_look_timestamp_seconds",
            "When the policy's files were last looked at. They are looked at twice a second.",
            lambda: self.policy_last_look(),  # noqa: PLW0108 - it is set later
        )
        build = Info("orgfence_build", "The versions that are running.", registry=registry)
        build.info(
            {
                "version": _version("orgfence"),
                "mitmproxy": _version("mitmproxy"),
                "python": platform.python_version(),
            }
        )
        ProcessCollector(registry=registry)

    def count_inspection(self, inspection: Inspection, orgs: OrgNames, seconds: float) -> None:
        """Count a request that was inspected, every decision on it, and how long that took."""
        self._requests.numbers[inspection.action,] += 1
        self._durations.observe(seconds)
        self._count_decisions(inspection, orgs)

    def count_unjudged(self) -> None:
        """Count a request that ended before it was judged."""
        self._requests.numbers[UNJUDGED,] += 1

    def show_held_bodies(self, held: Callable[[], int]) -> None:
        """Show at each scrape how many bytes of bodies are held then."""
        self._held_bodies.set_function(held)

    def count_answer(self, inspection: Inspection, orgs: OrgNames, seconds: float) -> None:
        """Count what was said of an issuer's answer, whose request was counted before."""
        self._durations.observe(seconds)
        self._count_decisions(inspection, orgs)

    def _count_decisions(self, inspection: Inspection, orgs: OrgNames) -> None:
        # Hundreds of rules may have found the same thousand orgs.
        named: dict[tuple[int, int], Counter[str]] = {}
        for decision in inspection.decisions:
            rule, verdict, reason = decision.rule, decision.verdict, decision.reason
            rule_id = NO_RULE if rule is None else rule.id
            self._decisions.numbers[rule_id, verdict, reason, _WORDS[decision.enforcement]] += 1
            if rule is not None and rule.exchange is not None:
                self._exchanges.numbers[
                    rule.exchange.issuer.name, _step_of(decision, rule.exchange), verdict, reason
                ] += 1
            elif reason in _ABOUT_ORGS:
                granted = _granted(decision)
                key = id(decision.requested), id(granted)
                if key not in named:
                    missing = [org for org in decision.requested if org not in granted]
                    named[key] = Counter(orgs.name_of(org) or OTHER_ORG for org in missing)
                for org, count in named[key].items():
                    self._org_mismatches.numbers[rule_id, org] += count

    def count_outcome(self, inspection: Inspection, status: int) -> None:
        """Count what upstream answered to a request that was let through, once for each rule that matched."""
        for decision in inspection.decisions:
            rule = decision.rule
            if rule is not None and _is_telling(decision, rule):
                self._outcomes.numbers[rule.id, decision.verdict, _status_label(status)] += 1

    def count_unguarded(self, why: Unguarded) -> None:
        """Count a connection that of which nothing is seen."""
        self._unguarded.numbers[why,] += 1

    def count_refused(self, why: Refused) -> None:
        """Count a connection or request that was refused unread."""
        self._refused.numbers[why,] += 1

    def count_tls_failed_client(self) -> None:
        """Count a client that broke the TLS handshake off."""
        self._tls_failed_clients.numbers[()] += 1

    def count_internal_error(self, where: Stage) -> None:
        """Count a fault of our own."""
        self._internal_errors.numbers[where,] += 1

    def set_policy(self, ruleset: Ruleset) -> None:
        """Say which policy is in force now. The counters of rules and orgs that it does not have go."""
        self._policy.clear()
        self._policy.labels(ruleset.generation).set(1)
        rules = {NO_RULE, *(rule.id for rule in (*ruleset.rules, *ruleset.exchange_rules))}
        orgs = ruleset.orgs
        # A request that was judged before is counted when it ends, by a rule that may be gone by then.
        self._decisions.show_only(lambda labels: labels[0] in rules)
        self._outcomes.show_only(lambda labels: labels[0] in rules)
        issuers = frozenset(ruleset.issuers)
        self._exchanges.show_only(lambda labels: labels[0] in issuers)
        self._org_mismatches.show_only(lambda labels: labels[0] in rules and _is_named(labels[1], orgs))

    def policy_loaded(self, at: float) -> None:
        """Say that the files hold what is in force, which was loaded at this time."""
        self._last_reload = True
        self._last_success.set(at)

    def policy_restored(self) -> None:
        """Say that the files hold again what is in force."""
        self._last_reload = True

    def count_reload(self, success: bool, at: float) -> None:
        """Count a change of the policy's files that was loaded, or could not be."""
        self._reloads.numbers["success" if success else "failure",] += 1
        if success:
            self.policy_loaded(at)
        else:
            self._last_reload = False

    def set_observe_override(self, active: bool) -> None:
        """Say whether everything is capped at observe."""
        self._override.set(active)


# Around the 20 µs that a check is meant to take and the 100 µs that one in a hundred may, and well beyond.
_DURATION_BOUNDS = (5e-6, 1e-5, 2e-5, 3e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2)
_WORDS = {enforcement: enforcement.word for enforcement in Enforcement}

# A token without the scope, or expired, may well be for the right org: those are no mismatches of orgs.
_ABOUT_ORGS = frozenset(
    {
        Reason.ORG_NOT_GRANTED,
        Reason.ORG_CLAIM_MISSING,
        Reason.ORG_CLAIM_EMPTY,
        Reason.ORG_CLAIM_MALFORMED,
    }
)


def _step_of(decision: Decision, rule: ExchangeRule) -> Step:
    """Return the step that a decision is about; one that was made of none of its parameters is about the request."""
    if decision.exchange is not None:
        return decision.exchange.step
    return Step.TOKEN_REQUEST if rule.endpoint is Endpoint.TOKEN else Step.AUTHORIZE


def _granted(decision: Decision) -> frozenset[bytes]:
    """Return the orgs that the token grants, none where none was read."""
    if decision.rule is None or decision.token is None:
        return _NONE
    return decision.token.claim_for(decision.rule.coverage).orgs


_NONE: frozenset[bytes] = frozenset()


def _is_named(org: str, orgs: OrgNames) -> bool:
    """Return whether a counter's org is one that the policy names."""
    return org == OTHER_ORG or orgs.name_of(orgs.normalise(org.encode())) == org


def _is_telling(decision: Decision, rule: Rule) -> bool:
    """Return whether upstream's answer tells how right the rule is: whether `block` goes by the verdict."""
    if decision.reason in UNAUTHENTICATED:
        return rule.unauthenticated is Enforcement.BLOCK
    if decision.verdict is Verdict.UNDETERMINED:
        return rule.undetermined >= rule.enforcement
    return True


def _status_label(status: int) -> str:
    """Return 401 and 403 as they are, anything else as its class."""
    return _STATUS_LABELS.get(status, "other")


_STATUS_LABELS = {status: f"{status // 100}xx" for status in range(100, 600)} | {401: "401", 403: "403"}


def _version(distribution: str) -> str:
    # Run from a checkout with `mitmdump -s`, there may be no distribution.
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
