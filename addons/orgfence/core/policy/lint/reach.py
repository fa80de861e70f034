"""Rules, paths and hosts that no request ever meets."""

from collections.abc import Iterable, Iterator

from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.samples import sample_authority
from orgfence.core.policy.lint.written import MAX_LABEL, MAX_NAME, WrittenRule, can_exist
from orgfence.core.policy.wording import shown
from orgfence.core.reason import Enforcement
from orgfence.core.routing.overlap import host_covers, paths_overlap
from orgfence.core.ruleset import Ruleset

# Every exception of a rule is held against every path of it: some 50 ms at most.
_MAX_PAIRS = 10_000


def find_unreached(rules: Iterable[WrittenRule], ruleset: Ruleset) -> Iterator[Finding]:
    """Find what no request meets."""
    rules = list(rules)
    for rule in rules:
        yield from _impossible_hosts(rule)
        yield from _excepted_paths(rule) if rule.can_match else _never_matching(rule)
        yield from _idle_exceptions(rule)
    if ruleset.unmatched is Enforcement.OBSERVE:
        yield from _unguarded_hosts(rules, ruleset)


def _impossible_hosts(rule: WrittenRule) -> Iterator[Finding]:
    for host in rule.hosts:
        if host.text is not None and not can_exist(host.template):
            limits = f"a label has {MAX_LABEL} characters at most, a name {MAX_NAME}"
            message = f"no host can be named {shown(host.text)}: {limits}. Write the name that clients call"
            yield Finding.at(host.text.place, "impossible_host", message)


def _never_matching(rule: WrittenRule) -> Iterator[Finding]:
    why = "its own `except` covers all of its paths" if rule.live_hosts else "none of its hosts can exist"
    fix = "Make `except` narrower, or remove the rule" if rule.live_hosts else "Correct `hosts`, or remove the rule"
    yield Finding.at(rule.place, "never_matches", f"{shown(rule.entry.id)} can never match: {why}. {fix}")


def _excepted_paths(rule: WrittenRule) -> Iterator[Finding]:
    for path in rule.paths:
        exception = rule.excepting(path.template) if path.text is not None else None
        if path.text is not None and exception is not None and exception.text is not None:
            covering = f"the exception {shown(exception.text)} (line {exception.text.line})"
            message = f"{shown(path.text)} is never judged by this rule: {covering} covers it. Remove one of the two"
            yield Finding.at(path.text.place, "excepted_path", message)


def _idle_exceptions(rule: WrittenRule) -> Iterator[Finding]:
    if len(rule.paths) * len(rule.exceptions) > _MAX_PAIRS:
        return
    for exception in rule.exceptions:
        met = any(paths_overlap(exception.template, path.template) for path in rule.paths)
        if exception.text is not None and not met:
            message = f"{shown(exception.text)} excepts nothing: none of the rule's paths meets it"
            yield Finding.at(exception.text.place, "idle_exception", f"{message}. Correct it, or remove it")


def _unguarded_hosts(rules: Iterable[WrittenRule], ruleset: Ruleset) -> Iterator[Finding]:
    """Find the hosts that only rules name which can never match."""
    live = {rule.rule: rule for rule in rules if rule.can_match}
    told: set[str] = set()
    for rule in rules:
        if rule.rule in live:
            continue
        for host in rule.hosts:
            if host.text is None or host.text in told or not can_exist(host.template):
                continue
            told.add(host.text)
            matches = ruleset.index.hosts(sample_authority(host.template))
            routes = (route for match in matches for route in match.paths.routes)
            if not any(route.rule in live and host_covers(route.host, host.template) for route in routes):
                message = f"only rules that can never match name {shown(host.text)}, so nothing there is judged"
                yield Finding.at(host.text.place, "unguarded_host", f"{message}. Let a rule that can match name it")
