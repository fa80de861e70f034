"""The report for a person: what a compiler would say, with the line that it is about."""

from collections.abc import Iterator

import click

from orgfence.checking.report import FailedExample, Problem, Report, Severity
from orgfence.core.policy.faults import MAX_FAULTS, Fault

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def as_text(report: Report) -> str:
    """Return the report as lines, coloured; whoever prints it where colours are out of place takes them out."""
    lines: list[str] = []
    for problem in report.problems:
        lines += _shown(problem)
    if any(policy.is_cut for policy in report.policies):
        lines.append(f"There may be more: of a policy, the first {MAX_FAULTS} faults are shown")
    return "\n".join([*lines, report.summary]) + "\n"


def _shown(problem: Problem) -> Iterator[str]:
    severity = click.style(f"{problem.severity}:", fg=_COLOURS[problem.severity], bold=True)
    where = problem.file if problem.place is None else str(problem.place)
    code = click.style(f"[{problem.code}]", dim=True)
    yield f"{click.style(f'{where}:', bold=True)} {severity} {problem.message} {code}"
    if problem.place is not None and problem.line:
        # The line and the caret, as all faults show them.
        yield from str(Fault(problem.place, "", problem.line)).split("\n")[1:]
    if problem.example is not None:
        yield from _lines_of(problem.example)


def _lines_of(failed: FailedExample) -> Iterator[str]:
    yield _line("request", failed.request)
    if failed.deciding is not None and failed.deciding.rule is not None:
        yield _line("decided by", f"`{failed.deciding.rule}` ({failed.decided_at})")
    yield _line("because", failed.detail)
    for other in failed.others:
        yield _line("others", f"{_called(other.rule)} says `{other.verdict}` (`{other.reason}`)")
    for step in failed.advice:
        yield _line("advice", step)


def _called(rule: str | None) -> str:
    return "`unmatched: block`" if rule is None else f"`{rule}`"


_WIDTH = len("decided by")


def _line(name: str, text: str) -> str:
    return f"    {click.style(f'{name:<{_WIDTH}}', dim=True)}  {text}"
