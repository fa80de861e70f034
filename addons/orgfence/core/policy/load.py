"""From the bytes of a policy file to a ruleset, or to everything that is wrong with it.

One way: YAML to a tree, the tree to a model, the model to records. Each stage adds its faults and hands on what is
right, so that an author sees all of them at once.
"""

import hashlib

from orgfence.core.decision import Enforcement
from orgfence.core.policy.compile_issuers import compile_issuers
from orgfence.core.policy.compile_orgs import compile_orgs
from orgfence.core.policy.compile_rules import compile_rules
from orgfence.core.policy.strict_yaml import read_yaml
from orgfence.core.policy.validate import validate
from orgfence.core.ruleset import Ruleset


def load_policy(text: bytes, name: str) -> Ruleset:
    """Return the ruleset of a policy file. `PolicyError` tells all faults; `name` is what it calls the file."""
    tree, faults = read_yaml(text, name)
    policy, incomplete = validate(tree, faults)
    orgs = compile_orgs(policy.orgs, faults)
    issuers = compile_issuers(policy.issuers, faults)
    routes = compile_rules(policy, orgs, faults, all_issuers="issuers" not in incomplete)
    faults.raise_any()
    return Ruleset.build(
        routes=routes,
        issuers=issuers,
        orgs=orgs,
        unmatched=Enforcement[(policy.unmatched or "observe").upper()],
        generation=hashlib.blake2b(text).hexdigest()[:12],
    )
