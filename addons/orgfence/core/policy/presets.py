"""Presets: what is known of real issuers, in files of which a policy overrides any key.

A preset is laid under what the policy says before any of it is judged, so that an issuer by a preset is one like any
other. To messages, what comes from a preset stands where the policy names it: there it can be mended.
"""

from collections.abc import Iterable, Iterator
from typing import cast

from orgfence.core.policy.faults import Faults, Place
from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.strict_yaml import Mapping, Node, Scalar, Sequence, read_yaml
from orgfence.core.policy.wording import did_you_mean, listed, shown

#: Begins what stands, among a rule's hosts, for all hosts of a provider's API: `preset:genesys-cloud`.
PREFIX = "preset:"
# The keys of an issuer of which a policy overrides single keys; all others it replaces.
_IN_PARTS = frozenset({"claims", "oauth", "errors"})


def lay_under(trees: Iterable[Mapping], values: OutsideValues, faults: Faults) -> None:
    """Lay presets under the issuers that name them, and write the hosts out that rules have of them.

    What names a preset that there is none of is left as it is: the models say so.
    """
    trees = list(trees)
    hosts: dict[str, list[Node]] = {}
    for issuers in (tree.get("issuers") for tree in trees):
        if not isinstance(issuers, Mapping):
            continue
        for key, issuer in list(issuers.items()):
            if not isinstance(issuer, Mapping) or "preset" not in issuer:
                continue
            preset = issuer["preset"]
            name = _named(preset, values)
            if name is not None:
                issuers[key] = merged = _merged(issuer, _read(name, values, faults), preset.place, _IN_PARTS)
                hosts.setdefault(name, []).extend(_hosts_of(merged))
    for tree in trees:
        for match in _matches(tree):
            given = match.get("hosts")
            if isinstance(given, Sequence):
                match["hosts"] = _written_out(given, hosts, values, faults)


def unknown_preset(name: Scalar, presets: Iterable[str]) -> str:
    """Return what to say of a name that no preset has."""
    known = sorted(presets)
    there = f"There are {listed(known, 'and')}" if known else "There are none here"
    return f"unknown preset {shown(name)}.{did_you_mean(name, known)} {there}"


def _named(node: Node, values: OutsideValues, prefix: str = "") -> str | None:
    """Return the preset that a value names behind a prefix; None: it names none that there is."""
    try:
        text = values.substitute(node) if isinstance(node, Scalar) else ""
    except ValueError:
        return None
    name = text.removeprefix(prefix)
    return name if text.startswith(prefix) and name in values.presets else None


def _read(name: str, values: OutsideValues, faults: Faults) -> Mapping:
    return read_yaml(values.preset(name), f"preset {name}", 0, faults)


def _merged(given: Mapping, preset: Mapping, place: Place, in_parts: frozenset[str]) -> Mapping:
    """Return what a policy says, and of the preset what it does not."""
    merged = Mapping(given.place)
    merged.update(given)
    for key, node in preset.items():
        own = given.get(key)
        if own is None:
            merged[_scalar_at(cast("Scalar", key), place)] = _moved(node, place)
        elif key in in_parts and isinstance(own, Mapping) and isinstance(node, Mapping):
            merged[key] = _merged(own, node, place, frozenset())
    return merged


def _moved(node: Node, place: Place, stands_for: str = "") -> Node:
    """Return the same at another place."""
    if isinstance(node, Scalar):
        return _scalar_at(node, place, stands_for)
    if isinstance(node, Sequence):
        sequence = Sequence(place)
        sequence.extend(_moved(item, place) for item in node)
        return sequence
    mapping = Mapping(place)
    mapping.update((_scalar_at(cast("Scalar", key), place), _moved(item, place)) for key, item in node.items())
    return mapping


def _scalar_at(scalar: Scalar, place: Place, stands_for: str = "") -> Scalar:
    moved = Scalar(str(scalar), (place.source, place.line, place.column), quoted=scalar.quoted)
    return moved.replaced(str(scalar), stands_for)


def _matches(tree: Mapping) -> Iterator[Mapping]:
    """Return what each rule of a file says of the requests that it is for."""
    rules = tree.get("rules")
    for rule in rules if isinstance(rules, Sequence) else ():
        match = rule.get("match") if isinstance(rule, Mapping) else None
        if isinstance(match, Mapping):
            yield match


def _written_out(given: Sequence, hosts: dict[str, list[Node]], values: OutsideValues, faults: Faults) -> Sequence:
    """Return a rule's hosts with those of a preset in its place: its issuers', or its own where it has no issuer."""
    if not any(isinstance(node, Scalar) and (PREFIX in node or "${" in node) for node in given):
        return given
    written = Sequence(given.place)
    for node in given:
        name = _named(node, values, PREFIX)
        if name is not None and not hosts.get(name):
            hosts[name] = _hosts_of(_read(name, values, faults))
        found = [] if name is None else hosts[name]
        written += [_moved(host, node.place, f"{PREFIX}{name}") for host in found] or [node]
    return written


def _hosts_of(issuer: Mapping) -> list[Node]:
    hosts = issuer.get("hosts")
    return list(hosts) if isinstance(hosts, Sequence) else []
