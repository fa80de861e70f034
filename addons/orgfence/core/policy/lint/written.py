"""A rule beside its author's words: each of its hosts and paths with the place where it was written."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from orgfence.core.policy.compile_rules import CompiledRule
from orgfence.core.policy.faults import Place
from orgfence.core.policy.model import RuleEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.routing.overlap import path_covers
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import Rule


class Written[Template](NamedTuple):
    """One template of a rule."""

    template: Template
    #: None: every path, which a rule without `paths` is for.
    text: Scalar | None


@dataclass(frozen=True, slots=True, eq=False)
class WrittenRule:
    """One rule."""

    rule: Rule
    entry: RuleEntry
    #: Each once; what is listed again is among `repeated`.
    hosts: tuple[Written[HostTemplate], ...]
    paths: tuple[Written[PathTemplate], ...]
    #: The texts of hosts and paths that are listed before.
    repeated: tuple[Scalar, ...]
    #: Paths at which the rule is as if it were not there, whatever the token says.
    exceptions: tuple[Written[PathTemplate], ...]
    #: The hosts that can exist, and the paths that are not excepted: where the rule can match.
    live_hosts: tuple[HostTemplate, ...] = field(init=False)
    live_paths: tuple[PathTemplate, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Find out where it can match."""
        hosts = tuple(host.template for host in self.hosts if can_exist(host.template))
        paths = tuple(path.template for path in self.paths if self.excepting(path.template) is None)
        object.__setattr__(self, "live_hosts", hosts)
        object.__setattr__(self, "live_paths", paths)

    @classmethod
    def of(cls, compiled: CompiledRule) -> Self:
        """Put a rule's records and words together again."""
        rule, routes, entry, _ = compiled
        hosts, repeated_hosts = _paired(entry.match.hosts, {route.host.text: route.host for route in routes})
        paths, repeated_paths = _paired(entry.match.paths or (), {route.path.text: route.path for route in routes})
        if not paths:
            paths = (Written(routes[0].path, None),)
        texts = [text for each in entry.exceptions if each.claims is None for text in each.paths or ()]
        exceptions = tuple(Written(path, text) for path, text in zip(rule.except_paths, texts, strict=True))
        return cls(rule, entry, hosts, paths, repeated_hosts + repeated_paths, exceptions)

    @property
    def place(self) -> Place:
        """Where it is spoken of."""
        return self.entry.id.place

    @property
    def can_match(self) -> bool:
        """Whether there is any request that it is for."""
        return bool(self.live_hosts and self.live_paths)

    def excepting(self, path: PathTemplate) -> Written[PathTemplate] | None:
        """Return the exception that leaves nothing of a path, among the first few hundred."""
        exceptions = self.exceptions[: max(1, _MAX_PAIRS // len(self.paths))]
        return next((each for each in exceptions if path_covers(each.template, path)), None)


# Of the paths and exceptions of one rule so many pairs are compared.
_MAX_PAIRS = 100_000


def _paired[Template](
    texts: Iterable[Scalar], templates: dict[str, Template]
) -> tuple[tuple[Written[Template], ...], tuple[Scalar, ...]]:
    found: dict[str, Written[Template]] = {}
    repeated: list[Scalar] = []
    for text in texts:
        if text in found:
            repeated.append(text)
        else:
            found[str(text)] = Written(templates[text], text)
    return tuple(found.values()), tuple(repeated)


# https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
#   labels          63 octets or less
#   names           255 octets or less
# A name's octets are its labels, each with its length before it, and a zero: 253 characters with the dots between.
MAX_LABEL = 63
MAX_NAME = 253


def can_exist(host: HostTemplate) -> bool:
    """Return whether some name in the DNS, or some address, is this host."""
    lengths = [
        len(label.literal) if label.literal is not None else _least(label.prefix, label.suffix) for label in host.labels
    ]
    least = sum(lengths) + len(lengths) - 1 + 2 * host.wildcard
    return max(lengths, default=1) <= MAX_LABEL and least <= MAX_NAME


def _least(prefix: bytes, suffix: bytes) -> int:
    return len(prefix) + 1 + len(suffix)
