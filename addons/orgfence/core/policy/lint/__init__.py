"""Lint: what a policy says that loads without a fault and most likely is not what its author meant."""

from collections.abc import Iterator, Sequence

from orgfence.core.policy.lint.covered import find_covered_entries
from orgfence.core.policy.lint.exact import find_exact_names
from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.names import find_unknown_orgs, find_unused_captures, find_unused_issuers
from orgfence.core.policy.lint.reach import find_unreached
from orgfence.core.policy.lint.redundant import find_redundant_rules
from orgfence.core.policy.lint.untried import find_untried_rules
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.policy.load import Policy

__all__ = ["Finding", "lint"]


def lint(policy: Policy) -> list[Finding]:
    """Return everything that is odd about a policy, in the order of its lines."""
    rules = [WrittenRule.of(compiled) for compiled in policy.rules]
    return sorted(_findings(policy, rules), key=lambda finding: (finding.fault.place, finding.code))


def _findings(policy: Policy, rules: Sequence[WrittenRule]) -> Iterator[Finding]:
    ruleset, merged = policy.ruleset, policy.merged
    yield from find_unreached(rules, ruleset)
    yield from find_redundant_rules(rules, ruleset)
    for rule in rules:
        yield from find_covered_entries(rule)
        yield from find_unused_captures(rule)
    yield from find_exact_names(rules)
    yield from find_unknown_orgs(rules, merged.issuers, ruleset.orgs, merged.orgs)
    yield from find_unused_issuers(rules, merged.issuers)
    yield from find_untried_rules([rule for rule in rules if rule.can_match])
