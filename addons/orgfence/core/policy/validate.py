"""From the tree of a policy file to its model, with every error worded for the policy's author.

What has a fault (a rule, an issuer, an org, a key at the top) is set aside and the rest is read again, so that the
checks that follow still find what is wrong elsewhere.
"""

from collections.abc import Sequence as Steps
from itertools import islice
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orgfence.core.policy.faults import MAX_FAULTS, Faults, Place
from orgfence.core.policy.model import VERSION, OrgEntry, PolicyFile, RuleEntry
from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.scalars import FAULT, NOT_YET, NOTHING, Name
from orgfence.core.policy.section import Section
from orgfence.core.policy.strict_yaml import Mapping, Node, Scalar, Sequence
from orgfence.core.policy.wording import did_you_mean, listed, shown

# What fits into a message as an example.
_SHORT = 60

#: Where an error is: keys and indices from the top.
type _Location = Steps[int | str]


class Validated(NamedTuple):
    """A policy as far as its shape is right."""

    policy: PolicyFile
    #: The parts of which something was set aside: nothing can be said of a name that is missing there.
    incomplete: frozenset[str]


def validate(tree: Mapping, outside: OutsideValues, faults: Faults) -> Validated:
    """Return what is right of a file, and add what is wrong with the rest to the faults."""
    entries, errors = _read_entries(tree, outside)
    head = {key: node for key, node in tree.items() if key not in entries}
    try:
        policy = PolicyFile.model_validate(_few(head), context=outside)
    except ValidationError as error:
        errors = [*_errors_of(error), *errors]
        aside = {details["loc"][:2] for details in errors}
        policy = PolicyFile.model_validate(_without(aside, tree, head), context=outside)
    policy = policy.model_copy(update=entries)

    misread = faults.places
    for details in errors:
        place, message = _explain(details, tree)
        # Where the YAML reader found a fault, the tree holds a stand-in.
        if place not in misread:
            faults.add(place, message)
    return Validated(policy, frozenset(str(details["loc"][0]) for details in errors))


_RULE = TypeAdapter(RuleEntry)
_ORG: TypeAdapter[dict[Scalar, OrgEntry]] = TypeAdapter(dict[Name, OrgEntry])
_ISSUER: TypeAdapter[dict[Scalar, IssuerEntry]] = TypeAdapter(dict[Name, IssuerEntry])


def _read_entries(tree: Mapping, outside: OutsideValues) -> tuple[dict[str, Any], list[ErrorDetails]]:
    """Return the entries that are right, by the top key that they stand below, and what is wrong with the others.

    One by one, and no more once there are too many errors to be shown: pydantic is written in C, and would keep other
    threads from running until it has read all of a large file.
    """
    entries: dict[str, Any] = {}
    errors: list[ErrorDetails] = []
    rules = tree.get("rules")
    if isinstance(rules, Sequence):
        entries["rules"] = []
        for index, node in enumerate(rules):
            try:
                entries["rules"].append(_RULE.validate_python(node, context=cast("Any", outside)))
            except ValidationError as error:
                errors += _errors_of(error, "rules", index)
                if len(errors) >= MAX_FAULTS:
                    break
    for part, adapter in (("orgs", _ORG), ("issuers", _ISSUER)):
        named = tree.get(part)
        if not isinstance(named, Mapping):
            continue
        entries[part] = {}
        for name, node in named.items():
            if len(errors) >= MAX_FAULTS:
                break
            try:
                entries[part] |= adapter.validate_python({name: node}, context=cast("Any", outside))
            except ValidationError as error:
                errors += _errors_of(error, part)
    return entries, errors


def _errors_of(error: ValidationError, *above: int | str) -> list[ErrorDetails]:
    found = error.errors(include_url=False, include_input=False)
    return [{**details, "loc": (*above, *details["loc"])} for details in found]


def _few(head: dict[str, Node]) -> dict[str, Node]:
    """Return a file's top without the unknown keys of which nobody will be told."""
    known = PolicyFile.keys()
    unknown = islice((key for key in head if key not in known), MAX_FAULTS)
    return {key: head[key] for key in [*filter(known.__contains__, head), *unknown]}


def _without(aside: set[tuple[int | str, ...]], tree: Mapping, head: dict[str, Node]) -> dict[str, object]:
    """Return the tree without what is set aside. A version is needed to go on."""
    source, line, column = tree.place
    version: dict[str, object] = {"version": Scalar(str(VERSION), (source, line, column), quoted=False)}
    known, faulty = PolicyFile.keys(), {top for top, *_ in aside}
    return version | {key: node for key, node in head.items() if key in known and key not in faulty}


def _explain(details: ErrorDetails, tree: Mapping) -> tuple[Place, str]:
    """Return the place of an error and its words; pydantic's own are about Python."""
    location = details["loc"]
    *outer, last = location
    kind = details["type"]
    if kind == "extra_forbidden":
        return _key_place(tree, location), _unknown_key(str(last), _type_at(outer))
    if kind == NOT_YET:
        return _key_place(tree, location), f"`{last}` is not supported yet. Remove it"
    if kind == FAULT and last == "[key]":
        return _key_place(tree, outer), details["ctx"]["message"]

    place = _node_at(tree, location).place
    if kind == FAULT:
        return place, details["ctx"]["message"]
    if kind == "missing":
        fix = f"Begin with `version: {VERSION}`" if last == "version" else "Add it"
        return place, f"{_type_at(outer).called} without `{last}`. {fix}"
    if kind == "too_short":
        section = _type_at(outer)
        # In a mapping whose names the author chose, a name is there because something is to be said of it.
        optional = get_origin(section) is None and not section.keys()[last].is_required()
        return place, "an empty list. Write at least one item" + (f", or leave out `{last}`" if optional else "")
    if kind == "list_type":
        return place, _no_list(_node_at(tree, location))
    return place, _no_mapping(_node_at(tree, location), _type_at(location))


def _unknown_key(key: str, section: type[Section]) -> str:
    return f"unknown key {shown(key)}.{did_you_mean(key, section.keys()) or f' {_takes(section)}'}"


def _no_list(node: Node) -> str:
    if node == "":
        return NOTHING
    if not isinstance(node, Scalar) or len(node) > _SHORT or not node.isprintable():
        return "a list belongs here. Write `[…]`, or each item after a `-`"
    return f"a list belongs here. Write `[{node}]`" if node.isalnum() else f'a list belongs here. Write `["{node}"]`'


def _no_mapping(node: Node, expected: Any) -> str:
    if node == "":
        return NOTHING
    if get_origin(expected) is dict:
        if isinstance(get_args(expected)[-1], type):
            return "names belong here, each with keys and values of its own. Write `name: {…}` for each"
        return "names belong here, each with a value or several. Write `name: value` or `name: [value, …]` for each"
    return f"keys and values belong here. {_takes(expected)}"


def _takes(section: type[Section]) -> str:
    return f"{section.called.capitalize()} takes {listed(section.keys(), 'and')}"


def _node_at(tree: Mapping, location: _Location) -> Node:
    """Return what stands at a location, or the last that does on the way there."""
    node: Node = tree
    for step in location:
        if isinstance(node, Sequence):
            node = node[cast("int", step)]
        elif isinstance(node, Mapping) and step in node:
            node = node[cast("str", step)]
        # Else one value stands for a list of one, or a text for a mapping; or the key is missing.
    return node


def _key_place(tree: Mapping, location: _Location) -> Place:
    parent = cast("Mapping", _node_at(tree, location[:-1]))
    return parent.key(str(location[-1])).place


def _type_at(location: _Location) -> Any:
    """Return the type that the model has at a location: a section, a list or a mapping of them."""
    found: Any = PolicyFile
    for step in location:
        found = get_args(found)[-1] if get_origin(found) in {list, dict} else found.keys()[step].annotation
        # What may be left out is `… | None`, and a list with its bounds `Annotated[…]`.
        while get_origin(found) in {Annotated, Union, UnionType}:
            found = get_args(found)[0]
    return found
