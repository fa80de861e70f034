"""Rules that nobody has tried."""

from collections.abc import Iterable, Iterator

from orgfence.core.policy.faults import Source
from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.samples import sample_url
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.policy.wording import shown

_CODE = "no_examples"


def find_untried_rules(rules: Iterable[WrittenRule]) -> Iterator[Finding]:
    """Find rules without examples; in a file that has none at all, they are one finding."""
    files: dict[Source, list[WrittenRule]] = {}
    for rule in rules:
        files.setdefault(rule.place.source, []).append(rule)
    for written in files.values():
        untried = [rule for rule in written if not rule.entry.examples]
        if len(untried) == len(written) > 1:
            which = f"none of this file's {len(written)} rules has examples"
            yield Finding.at(untried[0].place, _CODE, f"{which}. {_fix(untried[0])}")
            continue
        for rule in untried:
            yield Finding.at(rule.place, _CODE, f"{shown(rule.entry.id)} has no examples. {_fix(rule)}")


def _fix(rule: WrittenRule) -> str:
    """Return an example to go on from."""
    method = min(rule.rule.methods or {b"GET"}).decode()
    url = sample_url(rule.hosts[0].template, rule.paths[0].template)
    verdict = "allow" if rule.rule.pass_without_token else "mismatch"
    return f"Begin with `examples: [{{request: {method} {url}, verdict: {verdict}}}]`"
