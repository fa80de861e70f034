"""What a check found: records that each form of output is made from."""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from orgfence.core.policy.faults import Fault, Place

#: The code of a fault that keeps a policy from loading.
INVALID = "invalid_policy"
#: The code of a policy that cannot be read.
UNREADABLE = "unreadable_policy"
#: The code of an example of which the policy says something else.
FAILED = "example_failed"
#: The code of an example that passes without the rule that it stands in.
ELSEWHERE = "example_elsewhere"


class ExitCode(IntEnum):
    """What the command says to whoever started it."""

    FINE = 0
    #: An example failed, or there is a warning and `--strict`.
    FOUND = 1
    #: A policy cannot be loaded.
    UNUSABLE = 2


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    WARNING = "warning"


class Decided(NamedTuple):
    """What one rule said of an example, or what stood in the place of a rule's word."""

    #: None where no rule decided.
    rule: str | None
    verdict: str
    reason: str


class FailedExample(NamedTuple):
    """An example of which the policy says something else, in words."""

    #: The rule that it stands in.
    rule: str
    #: Method and URL.
    request: str
    expected_verdict: str
    expected_reason: str | None
    #: What decided; None: no rule matched.
    deciding: Decided | None
    #: Where the deciding rule stands.
    decided_at: str | None
    #: What was found, in a sentence.
    detail: str
    advice: tuple[str, ...]
    #: What the other rules that matched said.
    others: tuple[Decided, ...]


class Problem(NamedTuple):
    """One thing that is wrong, or odd."""

    severity: Severity
    #: A stable slug.
    code: str
    #: The file, as the operator knows it.
    file: str
    #: None where it is about the whole file.
    place: Place | None
    #: What is wrong, and what to do about it.
    message: str
    #: The line that it stands in, or empty.
    line: str = ""
    example: FailedExample | None = None

    @classmethod
    def of(cls, severity: Severity, code: str, fault: Fault) -> "Problem":
        """Take over a fault."""
        place = fault.place
        return cls(severity, code, place.source.name, place, fault.message, fault.line)


class PolicyReport(NamedTuple):
    """What was found about one policy, a file or a folder."""

    #: As it was named.
    path: str
    #: Its files, or those of them that have a fault.
    files: tuple[str, ...]
    #: The short hash that the log and the metrics know it by; None: it cannot be loaded.
    generation: str | None
    rules: int
    examples: int
    #: In the order of its lines.
    problems: tuple[Problem, ...]
    #: Whether there may be more faults than were looked for.
    is_cut: bool = False


class Report(NamedTuple):
    """All that was found."""

    policies: tuple[PolicyReport, ...]
    #: Whether warnings count.
    strict: bool

    @property
    def problems(self) -> list[Problem]:
        """All problems of all policies."""
        return [problem for policy in self.policies for problem in policy.problems]

    @property
    def failed(self) -> int:
        """How many examples failed."""
        return sum(problem.code == FAILED for problem in self.problems)

    @property
    def errors(self) -> int:
        """How many faults keep a policy from loading."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems) - self.failed

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(problem.severity is Severity.WARNING for problem in self.problems)

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        if any(policy.generation is None for policy in self.policies):
            return ExitCode.UNUSABLE
        return ExitCode.FOUND if self.failed or (self.strict and self.warnings) else ExitCode.FINE

    @property
    def summary(self) -> str:
        """One line: how much was checked and what came of it."""
        checked = [
            _counted(sum(len(policy.files) for policy in self.policies), "file"),
            _counted(sum(policy.rules for policy in self.policies), "rule"),
            _counted(sum(policy.examples for policy in self.policies), "example"),
        ]
        found = [_counted(self.errors, "error")] * bool(self.errors)
        found += [f"{self.failed} failed"] * bool(self.failed)
        found += [_counted(self.warnings, "warning")] * bool(self.warnings)
        return f"{', '.join(checked)}: {', '.join(found) or 'all fine'}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
