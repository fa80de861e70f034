"""What is counted, as a Prometheus server reads it."""

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.exchanges import SignIns, token
from tests.guarding import load, request_of, ruleset_of

from orgfence.core.decision import Decision, Inspection, allowed_by
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Action, Enforcement, Reason, Verdict, verdict_of
from orgfence.core.request import UNREAD
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.token import Coverage, OrgClaim, Token, TokenKind
from orgfence.observe.metrics import Metrics, Refused, Stage, Unguarded

ORGS = OrgNames({"acme": "1", "globex": "2"})


def make_rule(
    rule_id: str = "org-in-path",
    enforcement: Enforcement = Enforcement.BLOCK,
    undetermined: Enforcement | None = None,
    unauthenticated: Enforcement = Enforcement.ANNOTATE,
) -> Rule:
    return Rule(
        id=rule_id,
        methods=None,
        listen=None,
        except_paths=(),
        org=(),
        issuer=None,
        places=(),
        scopes=frozenset(),
        coverage=Coverage.MEMBER,
        pass_without_token=False,
        pass_without_org=False,
        pass_without_claim=False,
        enforcement=enforcement,
        undetermined=enforcement if undetermined is None else undetermined,
        unauthenticated=unauthenticated,
    )


def make_token(*orgs: bytes) -> Token:
    missing = OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING)
    member = OrgClaim(frozenset(orgs), None) if orgs else missing
    return Token(
        TokenKind.JWT, "corp", None, missing, member, frozenset(), None, None, verified=False, salesforce_ids=False
    )


def failing(rule: Rule, reason: Reason, requested: tuple[bytes, ...] = (), token: Token | None = None) -> Decision:
    return Decision(rule, verdict_of(reason), reason, requested=requested, token=token)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a family by their label values, in the order of the label names."""
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_a_decision_is_counted_for_each_rule_and_a_request_once() -> None:
    """`decisions_total` has one for each rule that matched, `requests_total` one for the request."""
    metrics = Metrics()
    blocking, observing = make_rule("a"), make_rule("b", Enforcement.OBSERVE)
    inspection = Inspection.of(
        (
            failing(blocking, Reason.ORG_NOT_GRANTED),
            failing(observing, Reason.TOKEN_OPAQUE),
            Decision(make_rule("c"), Verdict.ALLOW, Reason.ORG_GRANTED),
        )
    )
    metrics.count_inspection(inspection, ORGS, 1e-5)
    metrics.count_inspection(allowed_by(blocking)[Reason.NOT_JUDGED], ORGS, 1e-5)
    metrics.count_inspection(allowed_by(blocking)[Reason.NOT_JUDGED], ORGS, 1e-5)
    assert series(metrics, "orgfence_decisions_total") == {
        # enforcement, reason, rule, verdict
        ("block", "org_not_granted", "a", "mismatch"): 1,
        ("observe", "token_opaque", "b", "undetermined"): 1,
        ("block", "org_granted", "c", "allow"): 1,
        ("block", "not_judged", "a", "allow"): 2,
    }
    assert value(metrics, "orgfence_requests_total", action="blocked") == 1
    assert value(metrics, "orgfence_requests_total", action="forwarded") == 2


def test_the_enforcement_is_the_one_that_the_reason_gets() -> None:
    """A missing token that a blocking rule merely annotates is counted as annotated."""
    metrics = Metrics()
    metrics.count_inspection(Inspection.of((failing(make_rule(), Reason.TOKEN_MISSING),)), ORGS, 1e-5)
    labels = {"rule": "org-in-path", "verdict": "mismatch", "reason": "token_missing", "enforcement": "annotate"}
    assert value(metrics, "orgfence_decisions_total", **labels) == 1


def test_a_decision_without_rule_is_counted() -> None:
    """`no_rule` and an `internal_error` before any rule was known have the rule `none`."""
    metrics = Metrics()
    decision = Decision(None, Verdict.MISMATCH, Reason.NO_RULE, imposed=Enforcement.BLOCK)
    inspection = Inspection.of((decision,))
    metrics.count_inspection(inspection, ORGS, 1e-5)
    metrics.count_outcome(inspection, 200)
    labels = {"rule": "none", "verdict": "mismatch", "reason": "no_rule", "enforcement": "block"}
    assert value(metrics, "orgfence_decisions_total", **labels) == 1
    assert series(metrics, "orgfence_outcomes_total") == {}


@pytest.mark.parametrize(
    ("reason", "granted", "counted"),
    [
        (Reason.ORG_NOT_GRANTED, (b"1",), {("globex", "org-in-path"): 1, ("other", "org-in-path"): 2}),
        (
            Reason.ORG_CLAIM_MISSING,
            (),
            {("acme", "org-in-path"): 1, ("globex", "org-in-path"): 1, ("other", "org-in-path"): 2},
        ),
        (Reason.SCOPE_MISSING, (b"1", b"2"), {}),
        (Reason.TOKEN_EXPIRED, (b"1", b"2"), {}),
    ],
)
def test_org_mismatches_name_the_orgs_that_the_token_lacks(
    reason: Reason, granted: tuple[bytes, ...], counted: dict[tuple[str, str], int]
) -> None:
    """Only requested orgs that were not granted count; what a request made up is `other`, never a label."""
    metrics = Metrics()
    requested = (b"1", b"2", b"made up", b"\xff")
    decision = failing(make_rule(), reason, requested, make_token(*granted))
    metrics.count_inspection(Inspection.of((decision,)), ORGS, 1e-5)
    assert series(metrics, "orgfence_org_mismatches_total") == counted


@pytest.mark.parametrize(
    ("status", "label"),
    [
        (101, "1xx"),
        (200, "2xx"),
        (304, "3xx"),
        (400, "4xx"),
        (401, "401"),
        (403, "403"),
        (404, "4xx"),
        (599, "5xx"),
        (0, "other"),
        (999, "other"),
    ],
)
def test_an_outcome_is_401_or_403_or_a_class(status: int, label: str) -> None:
    """Whatever number upstream sends, the label is one of eight."""
    metrics = Metrics()
    metrics.count_outcome(allowed_by(make_rule())[Reason.ORG_GRANTED], status)
    assert series(metrics, "orgfence_outcomes_total") == {("org-in-path", label, "allow"): 1}


OBSERVE, ANNOTATE, BLOCK = Enforcement


@pytest.mark.parametrize(
    ("rule", "reason", "counted"),
    [
        (make_rule(enforcement=OBSERVE), Reason.ORG_NOT_GRANTED, True),
        (make_rule(enforcement=OBSERVE), Reason.TOKEN_EXPIRED, False),
        (make_rule(enforcement=OBSERVE, unauthenticated=BLOCK), Reason.TOKEN_EXPIRED, True),
        (make_rule(enforcement=ANNOTATE), Reason.TOKEN_OPAQUE, True),
        (make_rule(enforcement=ANNOTATE, undetermined=OBSERVE), Reason.TOKEN_OPAQUE, False),
    ],
)
def test_an_outcome_counts_only_what_block_would_stop(rule: Rule, reason: Reason, counted: bool) -> None:
    """What a rule lets through on purpose says nothing about whether it is safe to block."""
    metrics = Metrics()
    metrics.count_outcome(Inspection.of((failing(rule, reason),)), 200)
    assert bool(series(metrics, "orgfence_outcomes_total")) is counted


def test_closed_families_start_at_zero() -> None:
    """An alert on `increase()` sees the first event only where there was a 0 before it."""
    metrics = Metrics()
    assert series(metrics, "orgfence_requests_total") == {(action,): 0 for action in (*Action, "unjudged")}
    assert series(metrics, "orgfence_unguarded_connections_total") == {(why,): 0 for why in Unguarded}
    assert series(metrics, "orgfence_refused_connections_total") == {(why,): 0 for why in Refused}
    assert series(metrics, "orgfence_internal_errors_total") == {(stage,): 0 for stage in Stage}
    assert series(metrics, "orgfence_tls_failed_clients_total") == {(): 0}


def test_events_of_the_proxy_are_counted() -> None:
    """Each counting method reaches its own family."""
    metrics = Metrics()
    metrics.count_unguarded(Unguarded.NON_HTTP)
    metrics.count_refused(Refused.SSL2)
    metrics.count_tls_failed_client()
    metrics.count_internal_error(Stage.RESPONSE)
    assert value(metrics, "orgfence_unguarded_connections_total", why="non_http") == 1
    assert value(metrics, "orgfence_refused_connections_total", why="ssl2") == 1
    assert value(metrics, "orgfence_tls_failed_clients_total") == 1
    assert value(metrics, "orgfence_internal_errors_total", where="response") == 1


def test_durations_fall_into_cumulative_buckets() -> None:
    """A bucket holds what is at most its bound, and all that smaller ones hold; the last holds everything."""
    metrics = Metrics()
    for seconds in (4e-6, 5e-6, 5.1e-6, 9e-3, 2.0):
        metrics.count_inspection(allowed_by(make_rule())[Reason.ORG_GRANTED], ORGS, seconds)
    buckets = series(metrics, "orgfence_inspection_duration_seconds_bucket")
    assert [buckets[bound,] for bound in ("5e-06", "1e-05", "0.005", "0.01", "+Inf")] == [2, 3, 3, 4, 5]
    assert value(metrics, "orgfence_inspection_duration_seconds_count") == 5
    assert value(metrics, "orgfence_inspection_duration_seconds_sum") == pytest.approx(2.0090141)


def test_the_policy_in_force_is_the_only_one_shown() -> None:
    """A new generation takes the place of the one before; before the first there is none."""
    metrics = Metrics()
    assert series(metrics, "orgfence_policy_info") == {}
    metrics.set_policy(ruleset_of("id: a"))
    second = ruleset_of("id: b")
    metrics.set_policy(second)
    assert series(metrics, "orgfence_policy_info") == {(second.generation,): 1}


def test_reloads_are_counted_and_their_state_shown() -> None:
    """Both results start at 0; the start is no reload, but the moment at which the policy was loaded."""
    metrics = Metrics()
    metrics.policy_loaded(100.0)
    assert series(metrics, "orgfence_policy_reloads_total") == {("success",): 0, ("failure",): 0}
    assert value(metrics, "orgfence_policy_last_reload_successful") == 1
    assert value(metrics, "orgfence_policy_last_reload_success_timestamp_seconds") == 100

    metrics.count_reload(False, 200.0)
    assert series(metrics, "orgfence_policy_reloads_total") == {("success",): 0, ("failure",): 1}
    assert value(metrics, "orgfence_policy_last_reload_successful") == 0
    assert value(metrics, "orgfence_policy_last_reload_success_timestamp_seconds") == 100

    metrics.policy_restored()
    assert series(metrics, "orgfence_policy_reloads_total") == {("success",): 0, ("failure",): 1}
    assert value(metrics, "orgfence_policy_last_reload_successful") == 1
    assert value(metrics, "orgfence_policy_last_reload_success_timestamp_seconds") == 100

    metrics.count_reload(False, 250.0)
    metrics.count_reload(True, 300.0)
    assert series(metrics, "orgfence_policy_reloads_total") == {("success",): 1, ("failure",): 2}
    assert value(metrics, "orgfence_policy_last_reload_successful") == 1
    assert value(metrics, "orgfence_policy_last_reload_success_timestamp_seconds") == 300


def named_orgs(*names: str) -> str:
    """A policy's `orgs`, each with its number among all of them as its id."""
    return "orgs: {" + ", ".join(f"{name}: {{id: '{number}'}}" for number, name in enumerate(names)) + "}"


def policy_of(rules: Iterable[str], orgs: str) -> Ruleset:
    """A ruleset of these rules, with these orgs."""
    issuers = "issuers: {corp: {iss: 'https://login.example.com', claims: {member: org_ids}}}"
    each = [f"  - {{id: {rule}, match: {{hosts: [x.example]}}, token: {{issuer: corp}}}}" for rule in rules]
    return load("\n".join(["version: 1", orgs, issuers, "rules:", *each]))


def count_a_mismatch(metrics: Metrics, rule: str, orgs: OrgNames) -> None:
    """Count one request by this rule: about an org that has a name, and one that has none."""
    decision = failing(make_rule(rule), Reason.ORG_NOT_GRANTED, (b"0", b"nobody's"), make_token(b"7"))
    inspection = Inspection.of((decision,))
    metrics.count_inspection(inspection, orgs, 1e-5)
    metrics.count_outcome(inspection, 200)


def rules_and_orgs(metrics: Metrics) -> tuple[set[str], set[str], set[tuple[str, str]]]:
    """The rules of decisions and of outcomes, and (rule, org) of mismatches, that a scrape sees."""
    decisions = {labels[2] for labels in series(metrics, "orgfence_decisions_total")}
    outcomes = {labels[0] for labels in series(metrics, "orgfence_outcomes_total")}
    mismatches = {(rule, org) for org, rule in series(metrics, "orgfence_org_mismatches_total")}
    return decisions, outcomes, mismatches


def test_what_a_new_policy_does_not_have_is_no_longer_shown() -> None:
    """Counters of rules and orgs that are gone go; those of rules that stay, and of no rule at all, go on."""
    metrics = Metrics()
    first = policy_of(["stays", "goes"], named_orgs("acme"))
    metrics.set_policy(first)
    for rule in ("stays", "goes"):
        count_a_mismatch(metrics, rule, first.orgs)
    metrics.count_inspection(
        Inspection.of((Decision(None, Verdict.MISMATCH, Reason.NO_RULE, imposed=Enforcement.BLOCK),)), first.orgs, 1e-5
    )
    assert rules_and_orgs(metrics) == (
        {"stays", "goes", "none"},
        {"stays", "goes"},
        {("stays", "acme"), ("stays", "other"), ("goes", "acme"), ("goes", "other")},
    )

    second = policy_of(["stays", "comes"], named_orgs("acme"))
    metrics.set_policy(second)
    assert rules_and_orgs(metrics) == ({"stays", "none"}, {"stays"}, {("stays", "acme"), ("stays", "other")})
    count_a_mismatch(metrics, "stays", second.orgs)
    assert value(metrics, "orgfence_org_mismatches_total", rule="stays", org="acme") == 2

    metrics.set_policy(policy_of(["stays"], named_orgs("acme-renamed")))
    assert rules_and_orgs(metrics) == ({"stays", "none"}, {"stays"}, {("stays", "other")})
    assert value(metrics, "orgfence_requests_total", action="blocked") == 4


def test_what_ends_late_does_not_bring_a_rule_back() -> None:
    """What was judged before the change and is counted after it is seen by nobody, also once the rule is back."""
    metrics = Metrics()
    first, second = policy_of(["goes"], named_orgs("acme")), policy_of(["comes"], named_orgs("globex"))
    metrics.set_policy(first)
    metrics.set_policy(second)
    count_a_mismatch(metrics, "goes", first.orgs)
    count_a_mismatch(metrics, "comes", first.orgs)
    assert rules_and_orgs(metrics) == ({"comes"}, {"comes"}, {("comes", "other")})

    metrics.set_policy(policy_of(["goes", "comes"], named_orgs("acme")))
    assert rules_and_orgs(metrics) == ({"comes"}, {"comes"}, {("comes", "other")})
    count_a_mismatch(metrics, "goes", first.orgs)
    assert value(metrics, "orgfence_org_mismatches_total", rule="goes", org="acme") == 1


def test_the_observe_override_is_shown() -> None:
    """The break-glass is a gauge that an alert can watch."""
    metrics = Metrics()
    assert value(metrics, "orgfence_observe_override") == 0
    metrics.set_observe_override(active=True)
    assert value(metrics, "orgfence_observe_override") == 1


def test_build_and_process_are_shown() -> None:
    """Whoever looks at memory or a version finds both."""
    metrics = Metrics()
    ((mitmproxy, python, version),) = series(metrics, "orgfence_build_info")
    assert mitmproxy.startswith("12.")
    assert python.startswith("3.")
    assert version
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 1_000_000


def test_two_instances_share_nothing() -> None:
    """No metric is global: an addon that is loaded twice must not fail for it, nor count for the other."""
    before = {family.name for family in REGISTRY.collect()}
    first, second = Metrics(), Metrics(CollectorRegistry())
    first.count_tls_failed_client()
    assert value(second, "orgfence_tls_failed_clients_total") == 0
    assert {family.name for family in REGISTRY.collect()} == before


def full_metrics() -> Metrics:
    """Metrics with something in every family, a name that has no encoding among it."""
    metrics = Metrics()
    decision = failing(make_rule('quo"ted\n\ud800'), Reason.ORG_NOT_GRANTED, (b"1",), make_token(b"2"))
    metrics.count_inspection(Inspection.of((decision,)), ORGS, 1e-5)
    metrics.count_outcome(Inspection.of((decision,)), 403)
    metrics.count_inspection(Inspection.of((SignIns().authorize("a=1"),)), ORGS, 1e-5)
    assert decision.rule is not None
    metrics.set_policy(replace(ruleset_of("id: a"), rules=(decision.rule,)))
    return metrics


def test_exchanges_are_counted_by_their_steps() -> None:
    """Once more in their own family, with a step also where nothing of them could be read."""
    metrics, sign_ins = Metrics(), SignIns()
    asked = sign_ins.ask(grant_type="client_credentials", org_id="acme")
    issued = sign_ins.answer(asked, {"access_token": token(org_ids=[])})
    assert issued is not None
    unread = request_of(b"/oauth/par", method=b"POST", hosts=(b"login.test",), body=UNREAD)
    ambiguous = request_of(b"/oauth/token" + b"/%2e" * 4000, method=b"POST", hosts=(b"login.test",), body=b"")
    for decision in (asked, sign_ins.authorize("a=1"), sign_ins.judge(unread), sign_ins.judge(ambiguous)):
        metrics.count_inspection(Inspection.of((decision,)), ORGS, 1e-5)
    metrics.count_answer(Inspection.of((issued,)), ORGS, 1e-5)
    for step, verdict, reason in (
        ("token_request", "allow", "exchange_sound"),
        ("authorize", "mismatch", "authorize_org_missing"),
        ("authorize", "undetermined", "body_unread"),
        ("token_request", "mismatch", "path_ambiguous"),
        ("token_response", "mismatch", "org_claim_empty"),
    ):
        labels = {"issuer": "corp", "step": step, "verdict": verdict, "reason": reason}
        assert value(metrics, "orgfence_oauth_exchanges_total", **labels) == 1
    rule = {"rule": "oauth/corp", "verdict": "mismatch", "reason": "org_claim_empty", "enforcement": "annotate"}
    assert value(metrics, "orgfence_decisions_total", **rule) == 1
    assert value(metrics, "orgfence_requests_total", action="forwarded") == 1
    assert value(metrics, "orgfence_org_mismatches_total", rule="oauth/corp", org="acme") is None


def test_the_exposition_is_read_by_prometheus_own_parser() -> None:
    """Both text formats parse; every family is documented and has the prefix, the process's own aside."""
    metrics = full_metrics()
    plain = list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    openmetrics = list(parse_openmetrics(generate_openmetrics(metrics.registry).decode()))
    assert {family.name for family in openmetrics} >= {"orgfence_decisions", "orgfence_policy_info"}
    for family in plain:
        assert family.name.startswith(("orgfence_", "process_"))
        assert len(family.documentation) > 15
        assert family.samples
    rules = {sample.labels.get("rule") for family in plain for sample in family.samples}
    assert 'quo"ted\n\\ud800' in rules


def test_a_scrape_in_another_thread_does_not_disturb_counting() -> None:
    """The admin server scrapes beside the event loop: new series appear while a scrape walks over the old."""
    metrics = Metrics()
    rules = [make_rule(f"rule-{number}") for number in range(20_000)]
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(max_workers=1) as executor:
            scrapes = [executor.submit(generate_latest, metrics.registry) for _ in range(5)]
            for rule in rules:
                metrics.count_inspection(allowed_by(rule)[Reason.ORG_GRANTED], ORGS, 1e-5)
            assert all(scrape.result() for scrape in scrapes)
    finally:
        sys.setswitchinterval(switch_interval)
    assert len(series(metrics, "orgfence_decisions_total")) == len(rules)
