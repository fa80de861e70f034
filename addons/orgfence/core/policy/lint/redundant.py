"""Rules that another rule makes redundant.

Every rule that matches decides, so a rule adds nothing where another matches all that it matches, makes the same checks
and is in nothing less strict.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orgfence.core.policy.lint.candidates import Candidates
from orgfence.core.policy.lint.captured import spots
from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.policy.wording import shown
from orgfence.core.routing.overlap import host_covers, path_covers, paths_overlap
from orgfence.core.routing.readings import EncodedSlash
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset

# Of the hosts and paths of two rules so many pairs are compared.
_MAX_PAIRS = 2_500


def find_redundant_rules(rules: Iterable[WrittenRule], ruleset: Ruleset) -> Iterator[Finding]:
    """Find rules that add nothing to another one, which is named."""
    live = {rule.rule: rule for rule in rules if rule.can_match}
    order = {rule: number for number, rule in enumerate(live)}
    enough: dict[Rule, WrittenRule] = {}
    candidates = Candidates(ruleset, live)
    for rule in live.values():
        for other in candidates.beside(rule):
            # Of two that are alike, the later one is redundant.
            is_first = order[other.rule] < order[rule.rule]
            # Whoever follows all warnings must be left with a rule that suffices.
            if (
                _suffices(other, rule)
                and (is_first or not _suffices(rule, other))
                and _staying(other, enough) is not rule
            ):
                enough[rule.rule] = other
                break
    for redundant, other in enough.items():
        rule, staying = live[redundant], _staying(other, enough)
        where = f"{shown(staying.entry.id)} ({staying.place.seen_from(rule.place)})"
        message = f"{shown(rule.entry.id)} adds nothing: {where} matches all that it matches and is as strict"
        yield Finding.at(rule.place, "redundant_rule", f"{message}. Remove it, or let it ask for more")


def _staying(rule: WrittenRule, enough: Mapping[Rule, WrittenRule]) -> WrittenRule:
    """Return a rule that is not redundant itself: what makes this one redundant suffices in its place."""
    while rule.rule in enough:
        rule = enough[rule.rule]
    return rule


def _suffices(other: WrittenRule, rule: WrittenRule) -> bool:
    """Return whether whatever the rule stops is stopped by the other one, as strictly."""
    return _is_as_strict(other.rule, rule.rule) and _matches_all_of(other, rule)


def _is_as_strict(other: Rule, rule: Rule) -> bool:
    """Compare all that two rules with the same checks may differ in, but for their hosts and paths."""
    return (
        other.scopes >= rule.scopes
        and other.agree >= rule.agree
        and other.pass_without_token <= rule.pass_without_token
        and other.pass_without_org <= rule.pass_without_org
        and other.pass_without_claim <= rule.pass_without_claim
        and other.enforcement >= rule.enforcement
        and other.undetermined >= rule.undetermined
        and other.unauthenticated >= rule.unauthenticated
        and set(other.except_claims) <= set(rule.except_claims)
        and (other.methods is None or (rule.methods is not None and _with_get(other.methods) >= rule.methods))
        and (other.listen is None or (rule.listen is not None and other.listen >= rule.listen))
        and _reads_slashes_alike(other.encoded_slash, rule.encoded_slash)
    )


def _reads_slashes_alike(other: EncodedSlash, own: EncodedSlash) -> bool:
    """Return whether a rule reads all that another one does, and the same of it as the path as it stands.

    Only that counts as a match under `unmatched: block`, and `both` has an encoded slash there for data.
    """
    return other is own or (other is EncodedSlash.BOTH and own is EncodedSlash.DATA)


def _with_get(methods: frozenset[bytes]) -> frozenset[bytes]:
    # What is HEAD counts as GET.
    return methods | {b"HEAD"} if b"GET" in methods else methods


def _matches_all_of(other: WrittenRule, rule: WrittenRule) -> bool:
    """Return whether the other rule matches all that this one does, and captures the same there."""
    pairs = len(other.live_hosts) * len(rule.live_hosts) + len(other.live_paths) * len(rule.live_paths)
    return (
        pairs <= _MAX_PAIRS
        and _contains(other.live_hosts, other.rule, rule.live_hosts, rule.rule)
        and _contains(other.live_paths, other.rule, rule.live_paths, rule.rule)
        and all(_stays(exception.template, rule) for exception in other.exceptions)
    )


def _contains[Template: (HostTemplate, PathTemplate)](
    general: Sequence[Template], general_rule: Rule, special: Sequence[Template], special_rule: Rule
) -> bool:
    """Return whether each special template is covered by a general one that captures the same."""
    for template in special:
        wanted = set(spots(template, special_rule.org))
        # Where one of the paths lacks what another one captures, it is up to both together which orgs are named.
        if None in wanted:
            return False
        covering = (each for each in general if covers(each, template))
        if not any(set(spots(each, general_rule.org)) == wanted for each in covering):
            return False
    return True


def covers(general: HostTemplate | PathTemplate, special: HostTemplate | PathTemplate) -> bool:
    """Return whether one template matches all that another of its kind matches."""
    if isinstance(general, PathTemplate):
        return isinstance(special, PathTemplate) and path_covers(general, special)
    return isinstance(special, HostTemplate) and host_covers(general, special)


def _stays(exception: PathTemplate, rule: WrittenRule) -> bool:
    """Return whether nothing that the rule matches is lost by the other one's exception."""
    if any(path_covers(each.template, exception) for each in rule.exceptions):
        return True
    return not any(paths_overlap(exception, path) for path in rule.live_paths)
