"""What holds for every body: it is read as a server would, or not at all, and nothing that it holds is a surprise."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orgfence.core.body import RequestBody
from orgfence.core.content_coding import undo_codings
from orgfence.core.form import Form
from orgfence.core.json_document import Json, NoDocument, parse_json
from orgfence.core.json_members import JsonMembers
from orgfence.core.values import query_values

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

LIMIT = 4096
CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"identity": bytes,
}

NAMES = st.sampled_from(["org", "id", "*", "0", "1", "a/b", ""]) | st.text(max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(codec=None), max_size=4),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(NAMES, values, max_size=4),
    max_leaves=12,
)
POINTERS = st.lists(NAMES, max_size=4).map(tuple)

FORMS = st.text("&;=+% orgacme2567xF0\u00e9", max_size=40).map(str.encode)
BODIES = (
    st.binary(max_size=64)
    | FORMS
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.text('{}[]":,\\ \n01e.-\u00e9utrnasl', max_size=24).map(str.encode)
)
CODINGS = st.lists(st.sampled_from([*CODERS, b"x-gzip", b"zstd", b"", b"GZIP, br"]), max_size=5)
TYPES = st.lists(
    st.sampled_from(
        [
            b"application/json",
            b"application/x-www-form-urlencoded",
            b"application/json; charset=utf-16",
            b"application/x-www-form-urlencoded;charset=iso-8859-1",
            b"text/plain; charset=\xff",
        ]
    )
    | st.binary(max_size=8),
    max_size=2,
)
CONNECTIONS = st.lists(st.sampled_from([b"close", b"content-type, close", b"Content-Encoding"]), max_size=1)


@st.composite
def coded_bodies(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw a body with the codings that its header names, or nearly."""
    body = draw(BODIES)
    codings = draw(CODINGS)
    for coding in codings:
        body = CODERS.get(coding, bytes)(body)
    if draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))] + draw(st.binary(max_size=4))
    return body, codings


@given(coded_bodies(), TYPES, CONNECTIONS, POINTERS, NAMES, st.booleans(), st.integers(0, LIMIT))
def test_no_body_raises(
    coded: tuple[bytes, list[bytes]],
    types: list[bytes],
    connection: list[bytes],
    pointer: tuple[str, ...],
    name: str,
    either: bool,
    limit: int,
) -> None:
    """Whatever is sent, under whatever header fields: a list of bytes, or unread, and the same when asked again."""
    raw, codings = coded
    fields = {b"content-type": types, b"content-encoding": codings, b"connection": connection}
    body = RequestBody(raw, fields, limit)
    in_json = body.json_values(pointer, or_form=either)
    in_form = body.form_values(name.encode(), or_json=either)
    for values in (in_json, in_form):
        assert values is None or all(isinstance(value, bytes) for value in values)
    assert body.json_values(pointer, or_form=either) == in_json
    assert body.form_values(name.encode(), or_json=either) == in_form


@given(BODIES, st.lists(st.sampled_from([*CODERS]), max_size=4))
def test_what_was_coded_is_undone(plain: bytes, codings: list[bytes]) -> None:
    """Whatever it is and however often: the body comes first, and it is what a server reads."""
    coded = plain
    for coding in codings:
        coded = CODERS[coding](coded)
    undone = undo_codings(coded, codings, LIMIT)
    assert undone is not None
    assert undone[0] == plain
    assert undone[-1] == coded


@given(VALUES, POINTERS, st.sampled_from([*CODERS]), st.booleans())
def test_a_coded_body_reads_as_the_plain_one(
    value: object, pointer: tuple[str, ...], coding: bytes, either: bool
) -> None:
    """For JSON; what is added are bytes of the coding, which are no JSON."""
    plain = json.dumps(value).encode()
    coded = RequestBody(CODERS[coding](plain), {b"content-encoding": [coding]}, LIMIT)
    expected = RequestBody(plain, {}, LIMIT).json_values(pointer, or_form=either)
    assert coded.json_values(pointer, or_form=either) == expected


@given(FORMS, st.sampled_from([*CODERS]))
def test_a_coded_form_has_all_that_the_plain_one_has(plain: bytes, coding: bytes) -> None:
    """In the same order, before what the coded bytes themselves may look like."""
    assume(plain)
    coded = RequestBody(CODERS[coding](plain), {b"content-encoding": [coding]}, LIMIT)
    expected = RequestBody(plain, {}, LIMIT).form_values(b"org", or_json=False)
    found = coded.form_values(b"org", or_json=False)
    assert expected is not None
    assert found is not None
    assert found[: len(expected)] == expected


@given(
    st.binary(max_size=64), st.integers(1, 64), st.lists(st.sampled_from([*CODERS]), max_size=3), st.integers(0, 200)
)
def test_nothing_that_comes_out_is_larger_than_the_limit(
    piece: bytes, times: int, codings: list[bytes], limit: int
) -> None:
    """At no layer; and what fits at every layer comes out."""
    layers = [piece * times]
    for coding in codings:
        layers.append(CODERS[coding](layers[-1]))
    undone = undo_codings(layers[-1], codings, limit)
    fits = all(len(layer) <= limit for layer in layers)
    assert (undone is not None) == fits
    assert undone is None or all(len(body) <= limit for body in undone)


@given(st.sampled_from([b"gzip", b"deflate", b"br"]), BODIES, st.data())
def test_a_cut_body_is_unread(coding: bytes, plain: bytes, data: st.DataObject) -> None:
    """Wherever it is cut."""
    coded = CODERS[coding](plain)
    assert undo_codings(coded[: data.draw(st.integers(0, len(coded) - 1))], [coding], LIMIT) is None
    assert undo_codings(coded + data.draw(st.binary(min_size=1, max_size=4)), [coding], LIMIT) is None


@given(VALUES, POINTERS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"]), st.booleans())
def test_json_reads_as_it_is_spelt(value: object, pointer: tuple[str, ...], encoding: str, escaped: bool) -> None:
    """A document whose names nobody takes for one another holds what a naive walk finds in it."""
    assume(not _has_alike_names([value, dict.fromkeys(map(str.lower, pointer))]))
    text = json.dumps(value, ensure_ascii=escaped)
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    document = parse_json(data, b"")
    assert not isinstance(document, NoDocument)
    assert values_at(document, pointer) == _naive_orgs(_naive_walk(json.loads(text), pointer))


@given(VALUES, POINTERS, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_a_name_in_another_case_is_the_same_name(
    value: object, pointer: tuple[str, ...], change: Callable[[str], str]
) -> None:
    """In the policy, so in the body as well: what the pointer finds, it finds however it is written."""
    assume("".join(pointer).isascii())
    document = parse_json(json.dumps(value).encode(), b"")
    assert not isinstance(document, NoDocument)
    both = values_at(document, pointer), values_at(document, tuple(map(change, pointer)))
    assert (None in both) or sorted(both[0] or ()) == sorted(both[1] or ())


@given(st.lists(st.tuples(st.sampled_from(["org", "ORG", "Org", "o\u0000g"]), st.sampled_from(["acme", "globex"]))))
def test_every_member_of_the_name_counts(members: list[tuple[str, str]]) -> None:
    """However often it stands there, in whatever case."""
    text = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(org)}" for name, org in members) + "}"
    document = parse_json(text.encode(), b"")
    assert not isinstance(document, NoDocument)
    found = JsonMembers(document).find(("org",))
    assert found is not None
    assert found.values == [org.encode() for name, org in members if name == "org"]
    assert [(other.sent.decode(), other.value.decode()) for other in found.others] == sorted(
        [(name, org) for name, org in members if name != "org" and name.lower() == "org"],
        key=lambda other: [name for name, _ in members].index(other[0]),
    )


def test_whatever_character_is_a_letter_in_another_case_is_that_letter() -> None:
    """By upper case, lower case or case folding: to some server it is the same name."""
    for code in range(128, 0x110000):
        character = chr(code)
        for other in {character.upper(), character.lower(), character.casefold(), character.lower()[:1]}:
            if other.isascii() and other.isalpha():
                document = parse_json(json.dumps({character: "acme"}).encode(), b"")
                assert not isinstance(document, NoDocument)
                assert values_at(document, (other,)) == [b"acme"], hex(code)


@given(FORMS | st.binary(max_size=40), st.sampled_from([b"org", b"o", b"g r", b"o+r", b"%6f", b"=", b";", b""]) | FORMS)
def test_a_form_reads_as_a_query(data: bytes, name: bytes) -> None:
    """Field by field, in the same order."""
    assume(not data.startswith(b"\xef\xbb\xbf"))
    found = Form(data).find(name)
    assert found is not None
    assert found.values == query_values(data, name)


@pytest.mark.parametrize("label", [b"", b"; charset=utf-8"])
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4))))
def test_a_form_that_a_browser_sent_reads_as_it_was_filled_in(label: bytes, filled: list[tuple[str, str]]) -> None:
    """Every field under its own name."""
    raw = b"&".join(b"%b=%b" % (_escaped(name), _escaped(value)) for name, value in filled)
    body = RequestBody(raw, {b"content-type": [b"application/x-www-form-urlencoded" + label]}, LIMIT)
    for name, _ in filled:
        expected = [value.encode() for other, value in filled if other == name]
        assert body.form_values(name.encode(), or_json=False) == expected


def values_at(document: Json, pointer: tuple[str, ...]) -> list[bytes] | None:
    """Return all that is found in any reading of the names."""
    found = JsonMembers(document).find(pointer)
    return (
        None
        if found is None or not found.others_are_read
        else [
            *found.values,
            *(other.value for other in found.others),
        ]
    )


def _escaped(text: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in text.encode()).encode()


def _has_alike_names(value: object) -> bool:
    """Tell whether some name in a document may be taken for another one, or for a step that is spelt otherwise."""
    if isinstance(value, list):
        return any(map(_has_alike_names, value))
    if isinstance(value, dict):
        return any(not name.isalnum() or not name.isascii() or name != name.lower() for name in value) or any(
            map(_has_alike_names, value.values())
        )
    return False


def _naive_walk(document: Any, pointer: tuple[str, ...]) -> list[Any]:
    if not pointer:
        return [document]
    step, rest = pointer[0], pointer[1:]
    children: list[Any] = []
    if isinstance(document, dict):
        children = list(document.values()) if step == "*" else [v for k, v in document.items() if k == step.lower()]
    elif isinstance(document, list):
        indexes = {str(index): item for index, item in enumerate(document)}
        children = document if step == "*" else [indexes[step]] if step in indexes else []
    return [found for child in children for found in _naive_walk(child, rest)]


def _naive_orgs(values: list[Any]) -> list[bytes] | None:
    orgs: list[bytes] = []
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool) or not isinstance(item, str | int):
                return None
            try:
                orgs.append(str(item).encode())
            except UnicodeEncodeError:
                return None
    return orgs
