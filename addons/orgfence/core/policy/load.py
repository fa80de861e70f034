"""From the bytes of a policy's files to a ruleset, or to everything that is wrong with them.

One way: YAML to a tree, presets laid under it, the tree to a model, the models to records. Each stage adds its faults
and hands on what is right, so that an author sees all of them at once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orgfence.core.policy.compile_handling import compile_handling
from orgfence.core.policy.compile_issuers import compile_issuers
from orgfence.core.policy.compile_oauth import compile_exchanges
from orgfence.core.policy.compile_orgs import compile_orgs
from orgfence.core.policy.compile_rules import CompiledRule, compile_rules
from orgfence.core.policy.faults import Faults, PolicyError
from orgfence.core.policy.merged import File, Merged
from orgfence.core.policy.model import PolicyFile
from orgfence.core.policy.outside import NOTHING_OUTSIDE, Outside, OutsideValues
from orgfence.core.policy.presets import lay_under
from orgfence.core.policy.strict_yaml import Mapping as Tree
from orgfence.core.policy.strict_yaml import read_yaml
from orgfence.core.policy.validate import validate
from orgfence.core.ruleset import Ruleset


class PolicyText(NamedTuple):
    """One file of a policy."""

    #: What messages call it.
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that can be used."""

    ruleset: Ruleset
    #: As written, for whoever has something to say about its words.
    merged: Merged
    rules: tuple[CompiledRule, ...]


def load_policy(texts: Sequence[PolicyText], outside: Outside = NOTHING_OUTSIDE) -> Policy:
    """Load the files of one policy. `PolicyError` tells all faults. Their order makes no difference to any decision."""
    faults = Faults()
    values = OutsideValues(outside)
    merged = _read(texts, values, faults)
    faults.hide(values.secrets)
    orgs = compile_orgs(merged.orgs, faults)
    issuers = compile_issuers(merged.issuers, orgs, faults)
    rules = compile_rules(merged, issuers, orgs, faults)
    oauth = {name: issuer.oauth for name, issuer in issuers.items() if issuer.oauth is not None}
    exchanges = compile_exchanges(merged, oauth, faults)
    handling = compile_handling(merged.files, faults)
    faults.raise_any()
    ruleset = Ruleset.build(
        routes=[*(route for rule in rules for route in rule.routes), *exchanges.routes],
        answer_rules=exchanges.answer_rules,
        issuers=issuers,
        orgs=orgs,
        unmatched=merged.unmatched,
        generation=_generation(texts, values.used),
        handling=handling,
    )
    return Policy(ruleset, merged, tuple(rules))


def _read(texts: Iterable[PolicyText], values: OutsideValues, faults: Faults) -> Merged:
    """Read each file as far as it can be read."""
    trees: list[Tree] = []
    incomplete: set[str] = set()
    for order, (name, data) in enumerate(texts):
        try:
            trees.append(read_yaml(data, name, order, faults))
        except PolicyError:
            if faults.are_many:
                raise
            # Nobody knows what stood in it.
            incomplete |= PolicyFile.keys().keys()
    lay_under(trees, values, faults)
    files: list[File] = []
    for tree in trees:
        file, missing = validate(tree, values, faults)
        files.append(File(file, tree))
        incomplete |= missing
    return Merged.of(files, frozenset(incomplete), faults)


def _generation(texts: Iterable[PolicyText], used: Mapping[str, str]) -> str:
    """Return a short hash of all that the policy says, wherever it says so."""
    digest = hashlib.blake2b()
    values = (f"{name}={used[name]}".encode("utf-8", "surrogateescape") for name in sorted(used))
    for part in [*(data for _, data in texts), *values]:
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()[:12]
