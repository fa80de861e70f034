"""Hosts and paths of a rule that another entry of the same rule covers."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from orgfence.core.policy.lint.captured import Spot, spots
from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.redundant import covers
from orgfence.core.policy.lint.samples import sample_authority, sample_segments
from orgfence.core.policy.lint.written import Written, WrittenRule
from orgfence.core.policy.presets import PREFIX
from orgfence.core.policy.wording import shown
from orgfence.core.routing.index import PathIndex, Route, RouteIndex
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import PlaceKind, Rule

# Of the entries that match the same request so many are looked at.
_MAX_CANDIDATES = 20


def find_covered_entries(rule: WrittenRule) -> Iterator[Finding]:
    """Find entries that could be left out: what they match, and capture there, another one does."""
    # What is written as `preset:NAME` cannot be left out in part.
    for text in (text for text in rule.repeated if not text.stands_for.startswith(PREFIX)):
        code = "covered_path" if text.startswith("/") else "covered_host"
        yield Finding.at(text.place, code, f"{shown(text)} is listed twice. Remove one of them")
    yield from _covered_paths(rule)
    yield from _covered_hosts(rule)


def _covered_paths(rule: WrittenRule) -> Iterator[Finding]:
    if len(rule.paths) == 1:
        return
    index = PathIndex(Route(rule.rule, rule.hosts[0].template, path.template) for path in rule.paths)
    entries = _Entries(rule.paths, rule.rule)
    for path in rule.paths:
        found = (route.path for route in index.find(sample_segments(path.template)))
        if (covering := entries.covering(path, found)) is not None:
            yield _finding(path, covering, "path")


def _covered_hosts(rule: WrittenRule) -> Iterator[Finding]:
    if len(rule.hosts) == 1:
        return
    index = RouteIndex(Route(rule.rule, host.template, rule.paths[0].template) for host in rule.hosts)
    entries = _Entries(rule.hosts, rule.rule)
    for host in rule.hosts:
        if host.text is not None and host.text.stands_for.startswith(PREFIX):
            continue
        matches = index.hosts(sample_authority(host.template))
        found = (route.host for match in matches for route in match.paths.routes)
        if (covering := entries.covering(host, found)) is not None:
            yield _finding(host, covering, "host")


class _Entries[Template: (HostTemplate, PathTemplate)]:
    """The hosts, or the paths, of one rule."""

    def __init__(self, entries: Sequence[Written[Template]], rule: Rule) -> None:
        self._rule = rule
        self._order: dict[Template, int] = {entry.template: number for number, entry in enumerate(entries)}
        self._entries: Sequence[Written[Template]] = entries

    def covering(self, entry: Written[Template], found: Iterable[Template]) -> Written[Template] | None:
        """Return one of the templates that were found, all for the same request, that makes an entry needless."""
        own = self._order[entry.template]
        wanted = self._captured(entry.template)
        for other in islice(dict.fromkeys(found), _MAX_CANDIDATES):
            number = self._order[other]
            if number == own or not covers(other, entry.template) or not self._captured(other) >= wanted:
                continue
            # Of two that are alike, the later one is needless.
            if number > own and covers(entry.template, other) and wanted >= self._captured(other):
                continue
            return self._entries[number]
        return None

    def _captured(self, template: Template) -> set[tuple[bytes, Spot]]:
        """Return what is read of a template, by name: a source whose name no template has would be a fault."""
        kind = PlaceKind.PATH if isinstance(template, PathTemplate) else PlaceKind.HOST
        sources = [source for source in self._rule.org if source.kind is kind]
        found = zip(sources, spots(template, sources), strict=True)
        return {(source.name, spot) for source, spot in found if spot is not None}


def _finding(entry: Written[Any], covering: Written[Any], what: str) -> Finding:
    assert entry.text is not None, "the one path of a rule without `paths` has no other beside it"
    assert covering.text is not None, "as above"
    message = f"{shown(entry.text)} adds nothing: {shown(covering.text)} of the same rule covers it. Remove it"
    return Finding.at(entry.text.place, f"covered_{what}", message)
