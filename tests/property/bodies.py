"""Bodies: most of them what a rule reads, well-formed or nearly, as such or under content codings."""

import json
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st
from tests.property import oddities
from tests.property.policies import POINTERS, chance
from tests.property.reference_token import Policy, listed

from orgfence.core.request import UNREAD, Body

type Fields = list[tuple[bytes, bytes]]


@st.composite
def sent_bodies(draw: st.DrawFn, rule: Policy, org: str, pairs: list[str]) -> tuple[bytes | Body, Fields]:
    """Draw a body that most likely is what a rule reads, with the header fields that say what it is.

    `pairs` are fields that its form has to have.
    """
    sources = listed(rule.get("org", []))
    pointers = [source["body"] for source in sources if "body" in source]
    names = [source["form"] for source in sources if "form" in source]
    if draw(chance(8)):
        pointers, names = [draw(st.sampled_from(POINTERS))], ["org"]
    is_json = not pairs and bool(pointers) and (not names or draw(st.booleans()))
    if not (pointers or names or pairs):
        return b"", []
    data = draw(documents(pointers, org) if is_json else forms(pairs, names, org))
    types = draw(mostly_first(oddities.JSON_TYPES if is_json else oddities.FORM_TYPES))
    if draw(chance(15)):
        types = draw(st.sampled_from(oddities.ODD_TYPES))
    codings: list[bytes] = []
    if draw(chance(5)):
        data, codings = draw(coded_bodies(data))
    fields = [(b"Content-Type", value) for value in types] + [(b"content_encoding", value) for value in codings]
    return (UNREAD if draw(chance(25)) else data), fields


def mostly_first[T](items: list[T]) -> st.SearchStrategy[T]:
    """Draw the first most of the time."""
    return st.sampled_from([items[0]] * 2 * len(items) + items)


@st.composite
def documents(draw: st.DrawFn, pointers: list[str], org: str) -> bytes:
    """Draw a JSON document that most likely names an org wherever the pointers lead."""
    root: Any = {"name": "x"}
    for pointer in pointers:
        if not draw(chance(6)):
            value = draw(mostly_first(oddities.org_values(org)))
            root = oddities.nested(root, pointer.split("/")[1:], value, draw(st.booleans()))
    text = json.dumps(root, ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        text = draw(st.sampled_from(oddities.edited(text, org)))
    text = draw(mostly_first(oddities.finished(text, org)))
    return text.encode(draw(mostly_first(oddities.ENCODINGS)), "replace")


@st.composite
def forms(draw: st.DrawFn, pairs: list[str], names: list[str], org: str) -> bytes:
    """Draw a form that most likely has such fields."""
    written = list(pairs)
    for name in names:
        values = [org, org, org, *oddities.FORM_VALUES]
        chosen = draw(st.lists(st.sampled_from(values), min_size=0 if draw(chance(6)) else 1, max_size=2))
        written += [f"{name}={quote_plus(value)}" for value in chosen]
    if draw(chance(2)):
        written.append(draw(st.sampled_from(oddities.FIELDS)))
    form = draw(st.sampled_from(["&", "&", "&", ";"])).join(draw(st.permutations(written))).encode()
    return draw(mostly_first(oddities.framed(form)))


@st.composite
def coded_bodies(draw: st.DrawFn, data: bytes) -> tuple[bytes, list[bytes]]:
    """Draw a body under content codings, and what says so; now and then either is wrong."""
    names = draw(st.lists(st.sampled_from(oddities.CODINGS), min_size=1, max_size=3))
    for name in names:
        data = draw(mostly_first(oddities.coded(data, name)))
    if draw(chance(4)):
        data = draw(st.sampled_from(oddities.damaged(data)))
    if draw(chance(6)):
        names = draw(st.sampled_from([["zstd"], names[1:], [*names, "br"], ["identity"] * 5, [""], names[::-1]]))
    fields = draw(st.sampled_from([[", ".join(names)], [", ".join(names).upper() + " ,"], names]))
    return data, [field.encode() for field in fields]
