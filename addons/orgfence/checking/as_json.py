"""The report for a program: one JSON object. What has a key keeps it; new keys may come.

* `version`: 1, the version of this format.
* `exit_code`, `strict`; `summary`: `files`, `rules`, `examples`, `errors`, `failed` (examples), `warnings`, as numbers.
* `policies`, one for each that was named: `path`, `loaded`, `generation` (null where it cannot be loaded), `files`,
  `rules`, `examples`, `is_cut` (whether there may be more faults than are listed), `problems`.
* A problem: `severity` (`error` or `warning`), `code`, `file`, `line` and `column` (from 1, in characters; null where
  it is about the whole file), `message`, `source` (the line's text, or null) and `example` (null but for an example
  that failed).
* An example: `rule` that it stands in, `request`, `expected` (`verdict`, `reason`), `actual` (`rule`, `verdict`,
  `reason`; null where no rule matched), `detail`, `advice`, `others` (what the other rules that matched said).
"""

import json
from typing import Any

from orgfence.checking.report import FailedExample, PolicyReport, Problem, Report

_VERSION = 1


def as_json(report: Report) -> str:
    """Return the report as one JSON object."""
    document = {
        "version": _VERSION,
        "exit_code": int(report.exit_code),
        "strict": report.strict,
        "summary": {
            "files": sum(len(policy.files) for policy in report.policies),
            "rules": sum(policy.rules for policy in report.policies),
            "examples": sum(policy.examples for policy in report.policies),
            "errors": report.errors,
            "failed": report.failed,
            "warnings": report.warnings,
        },
        "policies": [_policy(policy) for policy in report.policies],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _policy(policy: PolicyReport) -> dict[str, Any]:
    return {
        "path": policy.path,
        "loaded": policy.generation is not None,
        "generation": policy.generation,
        "files": policy.files,
        "rules": policy.rules,
        "examples": policy.examples,
        "is_cut": policy.is_cut,
        "problems": [_problem(problem) for problem in policy.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "severity": problem.severity,
        "code": problem.code,
        "file": problem.file,
        "line": problem.place and problem.place.line,
        "column": problem.place and problem.place.column,
        "message": problem.message,
        "source": problem.line or None,
        "example": problem.example and _example(problem.example),
    }


def _example(failed: FailedExample) -> dict[str, Any]:
    return {
        "rule": failed.rule,
        "request": failed.request,
        "expected": {"verdict": failed.expected_verdict, "reason": failed.expected_reason},
        "actual": failed.deciding and failed.deciding._asdict(),
        "detail": failed.detail,
        "advice": failed.advice,
        "others": [other._asdict() for other in failed.others],
    }
