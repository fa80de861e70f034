"""The report for GitHub Actions: workflow commands that show each problem beside its line in a pull request.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from orgfence.checking.report import FailedExample, Problem, Report


def as_annotations(report: Report) -> str:
    """Return one workflow command for each problem, and the closing line."""
    return "\n".join([*map(_command, report.problems), report.summary]) + "\n"


def _command(problem: Problem) -> str:
    properties = {"file": problem.file}
    if problem.place is not None:
        properties |= {"line": str(problem.place.line), "col": str(problem.place.column)}
    properties["title"] = f"orgfence: {problem.code}"
    message = problem.message if problem.example is None else f"{problem.message}\n{_told(problem.example)}"
    written = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items())
    return f"::{problem.severity} {written}::{_escaped(message)}"


def _told(failed: FailedExample) -> str:
    decided = (
        "" if failed.deciding is None or failed.deciding.rule is None else f"Decided by `{failed.deciding.rule}`. "
    )
    return "\n".join([f"{failed.request}: {decided}{failed.detail}", *failed.advice])


# https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
#   escapeData, escapeProperty
def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
