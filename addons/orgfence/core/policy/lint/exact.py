"""Rules that read names exactly, where some servers read more names as the same."""

from collections.abc import Iterable, Iterator

from orgfence.core.policy.lint.finding import Finding
from orgfence.core.policy.lint.written import WrittenRule
from orgfence.core.policy.wording import shown
from orgfence.core.rule import BY_NAME

_CODE = "exact_names"


def find_exact_names(rules: Iterable[WrittenRule]) -> Iterator[Finding]:
    """Find `names: exact`: right for an API that takes two such names for two things, and a way past it for others."""
    for rule in rules:
        written = rule.entry.match.names
        if written is None:
            continue
        read = [(source.kind, source.name) for source in rule.rule.org]
        read += [(place.kind, place.name) for place in rule.rule.places]
        names = [name.decode() for kind, name in read if kind in BY_NAME]
        if names:
            others = f"other spellings of {shown(names[0])} pass {shown(rule.entry.id)} unjudged"
            fix = "Keep it only where the API takes them for other things"
            yield Finding.at(written.place, _CODE, f"`names: exact`: {others}. {fix}")
        else:
            what = "reads no query parameter, form field, cookie or JSON member"
            yield Finding.at(written.place, _CODE, f"`names: exact`: {shown(rule.entry.id)} {what}. Remove it")
