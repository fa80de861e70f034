"""Names that lead nowhere: orgs that the policy does not know, issuers and captures that nothing uses."""

from collections.abc import Iterable, Iterator, Mapping

from orgfence.core.orgs import OrgNames, salesforce_id
from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.policy.model import OrgEntry
from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import did_you_mean, shown
from orgfence.core.rule import PlaceKind


def find_unknown_orgs(
    rules: Iterable[WrittenRule],
    issuers: Mapping[Scalar, IssuerEntry],
    orgs: OrgNames,
    named: Mapping[Scalar, OrgEntry],
) -> Iterator[Finding]:
    """Find orgs that a rule is pinned to, or a client is for, and that are none of those that the policy names."""
    if not named:
        return
    pinned = [source.value for rule in rules for source in rule.entry.org if source.value is not None]
    clients = [org for issuer in issuers.values() if issuer.oauth is not None for org in issuer.oauth.clients.values()]
    for word in pinned + clients:
        org = orgs.normalise(word.encode())
        if orgs.name_of(org) is None and orgs.name_of(salesforce_id(org)) is None:
            # What comes from a file or the environment may be secret.
            spelt = (known for name, entry in named.items() for known in (name, *entry.aliases, entry.id))
            words = [str(known) for known in spelt if not known.stands_for]
            hint = did_you_mean(word, words) or " Name one of them, or add it there"
            message = f"{shown(word)} is none of this policy's `orgs`, by name, alias or id.{hint}"
            yield Finding.at(word.place, "unknown_org", message)


def find_unused_issuers(rules: Iterable[WrittenRule], issuers: Mapping[Scalar, IssuerEntry]) -> Iterator[Finding]:
    """Find issuers whose tokens no rule takes, because each names another, and whose exchanges are not judged."""
    named = [rule.rule.issuer for rule in rules]
    if not named or None in named:
        return
    used = set(named)
    # Beside an issuer without `iss`, which reads what no other claims, another one keeps its own tokens from it.
    if any(name in used and not issuer.iss for name, issuer in issuers.items()):
        return
    for name, issuer in issuers.items():
        if name not in used and issuer.oauth is None:
            message = f"no rule takes tokens of the issuer {shown(name)}: each names another in `token.issuer`"
            yield Finding.at(name.place, "unused_issuer", f"{message}. Remove it, or name it in a rule")


def find_unused_captures(rule: WrittenRule) -> Iterator[Finding]:
    """Find captures in the paths of a rule that reads nothing from its paths.

    A host's capture is no oddity: nothing else stands for one label. Nor is a capture that is part of a segment, or
    one beside another that is read: it says what stands there.
    """
    if any(source.kind is PlaceKind.PATH for source in rule.rule.org):
        return
    told: set[bytes] = set()
    for path in rule.paths:
        for segment in path.template.segments:
            name = segment.name
            if path.text is None or name is None or name in told or segment.prefix or segment.suffix:
                continue
            told.add(name)
            capture = f"{{{name.decode()}}}"
            message = f"nothing reads the capture `{capture}` of {shown(path.text)}"
            fix = f"Write `*` there, or read the org from it: `org: {{path: {name.decode()}}}`"
            yield Finding.at(path.text.place, "unused_capture", f"{message}. {fix}")
