"""`orgfence` with a fault in one of its functions, chosen while it runs.

Arguments: a file, then orgfence's own. The file holds the name of a stage and of an exception, or nothing; each call of
that stage raises it. The stages `before`, `before_body` and `before_tls` are an addon that stands in front of ours.
"""

# mypy: allow-untyped-calls
# mitmproxy's exceptions have no annotations.

import functools
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from mitmproxy import exceptions

from orgfence.cli import main
from orgfence.proxy.lean.lean_master import LeanMaster

#: Each stage of a request's way: the module and the name there under which its caller finds it.
STAGES = {
    "passes_because": "orgfence.proxy.interception.scope.passes_because",
    "requestheaders": "orgfence.proxy.addon.Orgfence.requestheaders",
    "request_of": "orgfence.proxy.addon.request_of",
    "inspect": "orgfence.proxy.addon.inspect",
    "scan_headers": "orgfence.core.guard.scan_headers",
    "hosts_of": "orgfence.core.ruleset.Ruleset.hosts_of",
    "matching": "orgfence.core.ruleset.Ruleset.matching",
    "decide": "orgfence.core.guard.decide",
    "find_credential": "orgfence.core.decide.find_credential",
    "read_token": "orgfence.core.tokens.reader.TokenReader.read",
    "weigh": "orgfence.core.guard._inspection_of",
    "enforce": "orgfence.proxy.addon.Orgfence._enforce",
    "explain": "orgfence.enforcement.report.explain",
    "header_value": "orgfence.proxy.addon.header_value",
    "answer": "orgfence.proxy.addon.deny",
    "strip": "orgfence.proxy.addon.strip",
    "annotate": "orgfence.proxy.addon.annotate",
    "is_streamed": "orgfence.proxy.addon.Orgfence._is_streamed",
    "count_inspection": "orgfence.observe.metrics.Metrics.count_inspection",
    "mark": "orgfence.proxy.reporter.mark",
    "record": "orgfence.proxy.reporter.inspection_record",
    "log": "orgfence.observe.inspection_log.InspectionLog.write",
    "inspected": "orgfence.proxy.reporter.Reporter.inspected",
    "answer_early": "orgfence.proxy.addon.Orgfence.answer_early",
    "body_by_head": "orgfence.proxy.addon.body_by_head",
    "request": "orgfence.proxy.addon.Orgfence.request",
    "body_of": "orgfence.proxy.addon.body_of",
    "read_body": "orgfence.core.body.RequestBody.find_members",
    "answer_held": "orgfence.proxy.addon.Orgfence.answer_held",
    "answer_unread": "orgfence.proxy.addon.Orgfence.answer_unread",
    "strip_named": "orgfence.proxy.addon.strip_named",
    "without_orgs": "orgfence.enforcement.report.without_orgs",
    "responseheaders": "orgfence.proxy.addon.Orgfence.responseheaders",
    "count_outcome": "orgfence.observe.metrics.Metrics.count_outcome",
    "mark_outcome": "orgfence.proxy.reporter.mark_outcome",
    "outcome_record": "orgfence.proxy.reporter.outcome_record",
    "outcome_value": "orgfence.proxy.addon.outcome_value",
    "answered": "orgfence.proxy.reporter.Reporter.answered",
}
#: What every message says; nobody may ever read it.
SECRET = "Bearer the-secret-in-the-exception"
EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "RuntimeError": lambda: RuntimeError(SECRET),
    "RecursionError": lambda: RecursionError(SECRET),
    "MemoryError": lambda: MemoryError(SECRET),
    "KeyError": lambda: KeyError(SECRET),
    "OSError": lambda: OSError(5, SECRET),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET),
    "AssertionError": lambda: AssertionError(SECRET),
    "StopIteration": lambda: StopIteration(SECRET),
    "TimeoutError": lambda: TimeoutError(SECRET),
    "AddonHalt": lambda: exceptions.AddonHalt(SECRET),
    "OptionsError": lambda: exceptions.OptionsError(SECRET),
}


class Sabotage:
    """Raises where the file says so."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def strike(self, stage: str) -> None:
        """Raise if this is the stage."""
        wanted, _, exception = self._file.read_text().partition(" ")
        if wanted == stage:
            raise EXCEPTIONS[exception]()

    def lay(self, stage: str, place: str) -> None:
        """Replace a function by one that may raise instead."""
        module, *path = _split(place)
        holder: Any = import_module(module)
        for name in path[:-1]:
            holder = getattr(holder, name)
        found = holder.__dict__[path[-1]]
        function = found.__func__ if isinstance(found, classmethod) else found

        @functools.wraps(function)
        def striking(*arguments: Any, **more: Any) -> Any:
            self.strike(stage)
            return function(*arguments, **more)

        setattr(holder, path[-1], classmethod(striking) if isinstance(found, classmethod) else striking)

    def stand_before(self) -> None:
        """Put an addon before ours that may raise."""
        make = LeanMaster.__init__

        def with_troublemaker(master: LeanMaster, options: Any, guards: Iterable[object] = ()) -> None:
            make(master, options, [Troublemaker(self), *guards])

        LeanMaster.__init__ = with_troublemaker  # type: ignore[method-assign,assignment] # that is what sabotage is


class Troublemaker:
    """Another addon."""

    def __init__(self, sabotage: Sabotage) -> None:
        self._sabotage = sabotage

    def requestheaders(self, _flow: object) -> None:
        self._sabotage.strike("before")

    def request(self, _flow: object) -> None:
        self._sabotage.strike("before_body")

    def tls_clienthello(self, _hello: object) -> None:
        self._sabotage.strike("before_tls")


def _split(place: str) -> list[str]:
    """Return the module, and the names to go by from there."""
    parts = place.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            import_module(module)
        except ModuleNotFoundError:
            continue
        return [module, *parts[end:]]
    raise ModuleNotFoundError(place)


if __name__ == "__main__":
    sabotage = Sabotage(Path(sys.argv.pop(1)))
    for each, at in STAGES.items():
        sabotage.lay(each, at)
    sabotage.stand_before()
    main(prog_name="orgfence")
