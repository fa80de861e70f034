"""Finding the rules that may make another redundant, without comparing each with each."""

from collections.abc import Mapping
from itertools import islice

from orgfence.core.policy.lint.samples import sample_authority, sample_segments
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.request import Authority
from orgfence.core.rule import CredentialPlace, OrgSource, PlaceKind, Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.token import Coverage

# Of the routes that match one request so many are looked at, and of the rules among them that check alike: thousands of
# rules that all match the same stay a matter of seconds.
_MAX_ROUTES, _MAX_CANDIDATES = 500, 100

type _Sample = tuple[Authority, tuple[bytes, ...]]
#: Issuer, coverage, places of the credential, sources of the org.
type _Checks = tuple[str | None, Coverage | None, frozenset[CredentialPlace], frozenset[OrgSource]]


class Candidates:
    """Looks up the rules that check what a rule checks, and match one of the requests that it is for."""

    def __init__(self, ruleset: Ruleset, live: Mapping[Rule, WrittenRule]) -> None:
        """Look among these rules, all of which can match."""
        self._index = ruleset.index
        self._live = live
        self._checks = {rule: _checks_of(rule) for rule in live}
        # Many rules for one host and every path have one and the same sample.
        self._found: dict[_Sample, dict[_Checks, list[WrittenRule]]] = {}

    def beside(self, rule: WrittenRule) -> list[WrittenRule]:
        """Return the other rules that may match all that this one matches."""
        sample = sample_authority(rule.live_hosts[0]), sample_segments(rule.live_paths[0])
        if sample not in self._found:
            self._found[sample] = self._matching(sample)
        return [other for other in self._found[sample].get(self._checks[rule.rule], ()) if other is not rule]

    def _matching(self, sample: _Sample) -> dict[_Checks, list[WrittenRule]]:
        authority, segments = sample
        found: dict[_Checks, list[WrittenRule]] = {}
        routes = (route for host in self._index.hosts(authority) for route in host.paths.find(segments))
        for rule in dict.fromkeys(route.rule for route in islice(routes, _MAX_ROUTES) if route.rule in self._live):
            alike = found.setdefault(self._checks[rule], [])
            if len(alike) < _MAX_CANDIDATES:
                alike.append(self._live[rule])
        return found


def _checks_of(rule: Rule) -> _Checks:
    """Return what two rules check in the same way or not at all; what a capture holds is up to the template."""
    sources = (source for source in rule.org if source.kind not in {PlaceKind.PATH, PlaceKind.HOST})
    return rule.issuer, rule.coverage, frozenset(rule.places), frozenset(sources)
