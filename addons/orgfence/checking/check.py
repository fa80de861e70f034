"""Checks policies: whether each loads, whether its examples pass, and what lint has to say."""

from collections.abc import Iterable
from pathlib import Path

from orgfence.checking.report import (
    ELSEWHERE,
    FAILED,
    INVALID,
    UNREADABLE,
    Decided,
    FailedExample,
    PolicyReport,
    Problem,
    Report,
    Severity,
)
from orgfence.checking.trial import Trial, try_example
from orgfence.checking.unmatched import why_unmatched
from orgfence.core.catalogue import explain
from orgfence.core.decision import Decision
from orgfence.core.policy.compile_rules import CompiledRule
from orgfence.core.policy.faults import MAX_FAULTS, Fault, PolicyError
from orgfence.core.policy.lint import lint
from orgfence.core.policy.load import Policy
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import shown
from orgfence.core.reason import Reason
from orgfence.core.rule import Rule
from orgfence.errors import StartError
from orgfence.observe.redaction import printable, redact, redact_jwts
from orgfence.policy_source.files import read_policy


def check_policies(paths: Iterable[Path], now: float, *, strict: bool) -> Report:
    """Check each path as a policy of its own. `now` is in seconds since the epoch."""
    return Report(tuple(_check(path, now) for path in paths), strict)


def _check(path: Path, now: float) -> PolicyReport:
    try:
        policy = read_policy(path)
    except PolicyError as error:
        problems = [Problem.of(Severity.ERROR, INVALID, fault) for fault in error.faults]
        return _unusable(path, problems, is_cut=len(problems) >= MAX_FAULTS)
    except StartError as error:
        return _unusable(path, [_unreadable(line, path) for line in str(error).splitlines()])

    trials = [try_example(rule, example, policy.ruleset, now) for rule in policy.rules for example in rule.examples]
    rules = {rule.rule: rule for rule in policy.rules}
    problems = [_failed(trial, policy, rules) for trial in trials if not trial.has_passed]
    problems += [_elsewhere(trial, policy) for trial in trials if trial.has_passed and trial.is_elsewhere]
    problems += [Problem.of(Severity.WARNING, finding.code, finding.fault) for finding in lint(policy)]
    problems.sort(key=lambda problem: problem.place)  # type: ignore[arg-type,return-value] # both kinds have one
    return PolicyReport(
        path=str(path),
        files=tuple(file.tree.place.source.name for file in policy.merged.files),
        generation=policy.ruleset.generation,
        rules=len(policy.rules),
        examples=len(trials),
        problems=tuple(problems),
    )


def _unusable(path: Path, problems: list[Problem], *, is_cut: bool = False) -> PolicyReport:
    files = tuple(dict.fromkeys(problem.file for problem in problems))
    return PolicyReport(str(path), files, None, 0, 0, tuple(problems), is_cut)


def _unreadable(line: str, path: Path) -> Problem:
    """Take a line of an error, which begins with the file that it is about."""
    file, colon, message = line.partition(": ")
    return Problem(Severity.ERROR, UNREADABLE, file if colon else str(path), None, message if colon else line)


def _failed(trial: Trial, policy: Policy, rules: dict[Rule, CompiledRule]) -> Problem:
    example, deciding = trial.example, trial.deciding
    request = redact(_as_written(example.written))
    detail, advice = _explained(trial, policy)
    decided_by = None if deciding is None or deciding.rule is None else _written(deciding.rule, policy, rules)
    failed = FailedExample(
        rule=trial.holder.rule.id,
        request=request,
        expected_verdict=example.verdict.value,
        expected_reason=example.reason and example.reason.value,
        deciding=None if deciding is None else _decided(deciding),
        decided_at=None if decided_by is None else decided_by.place.seen_from(example.place),
        detail=detail,
        advice=advice,
        others=tuple(_decided(other) for other in trial.inspection.decisions if other is not deciding),
    )
    message = f"this example expects {_said(failed.expected_verdict, failed.expected_reason)}"
    came = "no rule matches it" if deciding is None else f"the policy says {_said(deciding.verdict, deciding.reason)}"
    fix = "Correct the policy, or the example"
    return Problem(
        Severity.ERROR, FAILED, example.place.source.name, example.place, f"{message}, but {came}. {fix}", "", failed
    )


def _written(rule: Rule, policy: Policy, rules: dict[Rule, CompiledRule]) -> Scalar:
    """Return what a rule goes by in the policy: its id, or the name of the issuer for whose exchanges it stands."""
    if rule.exchange is None:
        return rules[rule].entry.id
    return next(name for name in policy.merged.issuers if name == rule.exchange.issuer.name)


def _elsewhere(trial: Trial, policy: Policy) -> Problem:
    """Warn of an example that passes without its rule, which has perhaps a mistake in `match`."""
    why = why_unmatched(trial.request, trial.holder, policy.ruleset)
    message = f"{shown(trial.holder.entry.id)} does not match this example, which other rules decide"
    fix = "Correct `match`, or move the example to the rule that it tries"
    place = trial.example.place
    text = f"{message}{f': {why}' if why else '.'} {fix}"
    return Problem.of(Severity.WARNING, ELSEWHERE, Fault(place, text, place.source.shown(place.line)))


def _as_written(written: Scalar) -> str:
    return written.stands_for or str(written)


def _explained(trial: Trial, policy: Policy) -> tuple[str, tuple[str, ...]]:
    """Return what was found, and what mends it."""
    deciding = trial.deciding
    if deciding is None or (deciding.reason is Reason.NO_RULE and len(trial.inspection.decisions) == 1):
        why = why_unmatched(trial.request, trial.holder, policy.ruleset)
        return (f"No rule matches this request{f': {why}' if why else '.'}", ())
    explanation = explain(deciding, policy.ruleset.orgs)
    # The orgs in it may be any bytes that the example sent.
    return printable(redact_jwts(explanation.detail), _MAX_DETAIL), explanation.advice


_MAX_DETAIL = 1000


def _decided(decision: Decision) -> Decided:
    return Decided(None if decision.rule is None else decision.rule.id, decision.verdict.value, decision.reason.value)


def _said(verdict: str, reason: str | None) -> str:
    return f"`{verdict}`" if reason is None else f"`{verdict}` (`{reason}`)"
