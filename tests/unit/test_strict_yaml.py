"""Strict YAML: what is read knows where it stands, and nothing is read as what it does not look like."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from orgfence.core.policy import strict_yaml
from orgfence.core.policy.faults import Faults, Place, PolicyError, Source
from orgfence.core.policy.outside import Outside, OutsideValues
from orgfence.core.policy.scalars import Text
from orgfence.core.policy.strict_yaml import MAX_BYTES, MAX_DEPTH, Mapping, Scalar, Sequence, read_yaml
from orgfence.core.policy.yaml_syntax import explain


def read(data: bytes) -> tuple[Mapping, Faults]:
    """Return the tree of a file, and its faults."""
    faults = Faults()
    return read_yaml(data, "p", 0, faults), faults


def at(place: Place) -> tuple[int, int]:
    return place.line, place.column


def faults_of(data: bytes) -> list[tuple[tuple[int, int], str]]:
    with pytest.raises(PolicyError) as caught:
        read(data)[1].raise_any()
    return [(at(fault.place), fault.message) for fault in caught.value.faults]


def test_everything_knows_where_it_stands() -> None:
    """Columns are counted in characters, so that they are those that an editor shows."""
    tree, faults = read('a: é\nü: [x, "😀", {b: c}]\n'.encode())
    faults.raise_any()
    assert at(tree.place) == (1, 1)
    assert [at(tree.key(key).place) for key in tree] == [(1, 1), (2, 1)]

    single, items = tree["a"], tree["ü"]
    assert isinstance(single, Scalar)
    assert (single, at(single.place), single.quoted) == ("é", (1, 4), False)
    assert isinstance(items, Sequence)
    assert at(items.place) == (2, 4)
    assert [at(item.place) for item in items] == [(2, 5), (2, 8), (2, 13)]
    assert isinstance(items[1], Scalar)
    assert items[1].quoted
    assert isinstance(items[2], Mapping)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfa: b\nc: d\n",
        b"a: b\r\nc: d\r\n",
        b"a: b\rc: d",
        b"%YAML 1.2\n---\na: b\nc: d\n...\n",
        b"# a comment\n{a: b,\n c: d}",
    ],
)
def test_what_editors_and_tools_put_around_it_is_taken(data: bytes) -> None:
    """A byte order mark, other line ends, a document's marks and comments say nothing."""
    tree, faults = read(data)
    faults.raise_any()
    assert tree == {"a": "b", "c": "d"}


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# nothing\n", b"---\n", b"---\n...\n", b"\xef\xbb\xbf", b'""'])
def test_an_empty_policy_is_a_fault(data: bytes) -> None:
    """A policy that guards nothing is a mistake, not a policy."""
    assert faults_of(data) == [((1, 1), "this policy is empty. Begin with `version: 1`")]


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"a: b\r\nc: \xe9\n", (2, 4), "byte 9 (`0xe9`) is no UTF-8. Save the file as UTF-8"),
        (b"\xef\xbb\xbfa: \xc3\xa9\xff", (1, 5), "byte 8 (`0xff`) is no UTF-8. Save the file as UTF-8"),
        ("a: b".encode("utf-16"), (1, 1), "byte 0 (`0xff`) is no UTF-8. Save the file as UTF-8"),
        (b"a: \xed\xa0\x80", (1, 4), "byte 3 (`0xed`) is no UTF-8. Save the file as UTF-8"),
        (b"a: b\0", (1, 5), "a character that cannot be seen (U+0000). Remove it"),
        ("# \u2028a: b".encode(), (1, 3), "a character that cannot be seen (U+2028). Remove it"),
        ("a: \ufeffb".encode(), (1, 4), "a character that cannot be seen (U+FEFF). Remove it"),
        (
            b"a: " + b" " * MAX_BYTES,
            (1, 1),
            "this file is larger than 8 MiB. Make several files of it",
        ),
    ],
)
def test_bytes_that_are_no_text_are_a_fault_with_a_place(data: bytes, place: tuple[int, int], message: str) -> None:
    """What an editor shows is what is judged: no other encoding, nothing that cannot be seen, no end of text."""
    assert faults_of(data) == [(place, message)]


def test_characters_that_cannot_be_seen_are_told_at_once() -> None:
    """Somebody who pasted one has pasted several."""
    assert [place for place, _ in faults_of(b"a: \x01\nb: \x02\x03")] == [(1, 4), (2, 4), (2, 5)]


@pytest.mark.parametrize("text", ["[" * (MAX_DEPTH + 1), "- " * (MAX_DEPTH + 1), "{a: " * (MAX_DEPTH + 1)])
def test_depth_has_a_limit(text: str) -> None:
    """No nesting exhausts the stack, of this reader or of what works on its tree."""
    ((_, message),) = faults_of(text.encode())
    assert message == "nested more than 32 levels deep. A policy needs ten at most"


def test_size_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the wrong kind is refused before it takes the memory of the machine."""
    monkeypatch.setattr(strict_yaml, "MAX_VALUES", 10)
    ((place, message),) = faults_of(b"[" + b"a," * 10 + b"]")
    assert (place, message) == ((1, 20), "more than 10 values. No policy needs so many")


def test_references_are_refused_before_they_multiply() -> None:
    """A billion laughs are nine faults."""
    text = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abc", "bcd", strict=True)
    )
    messages = [message for _, message in faults_of(text.encode())]
    assert len(messages) == 10
    assert all("are not taken" in message for message in messages)


def test_a_key_given_twice_keeps_its_first_value() -> None:
    """The rest of the file is judged by it, and the second is told."""
    tree, faults = read(b"a: 1\na: 2\n'a': 3\n")
    assert tree == {"a": "1"}
    assert {at(place) for place in faults.places} == {(2, 1), (3, 1)}


def test_what_cannot_be_a_key_is_left_out() -> None:
    """Merge keys and collections as keys are told, and the others are read."""
    tree, faults = read(b'<<: {b: c}\n[x]: y\n{z: 1}: y\n"<<": 1\na: b\n')
    assert tree == {"<<": "1", "a": "b"}
    assert {at(place) for place in faults.places} == {(1, 1), (2, 1), (3, 1)}


@pytest.mark.parametrize(
    "text",
    [
        *("acme", "nope", "yes!", "org_ids", "é", "/orgs/{org}/**", "urn:a:b", "$x", "<", "api.example.com:8080"),
        *("0", "42", "-5", "99999999999999999999", "1.2.3", "10.0.0.1", "1:80", "12:60", "2001-1"),
        *("8b1f0c1e-2d5e-4a58", "e3", "1e", "0x", "08f"),
    ],
)
def test_text_needs_no_quotes(text: str) -> None:
    """What every reader of YAML takes for text, and a plain number, is taken as it stands."""
    assert _text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "NO", "yes", "on", "Off", "y", "N", "true", "False", "~", "null", "Null", "=", "<<"),
        *("010", "00", "0o17", "0x1F", "0b11", "1_000", "+5", "-0x1f", "12:30:45", "1:30", "-12:30", "1:30.5"),
        *("1.5", "-1.5", ".5", "1.", "1e3", "1E-3", "1.5e+3", ".inf", "-.Inf", ".NaN", "1_0.5"),
        *("2001-12-14", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43 Z"),
    ],
)
def test_what_yaml_takes_for_something_else_has_to_be_quoted(text: str) -> None:
    """The country Norway, an id with a leading zero, a time: quotes say that they are text."""
    assert _text(f'"{text}"') == text
    with pytest.raises(ValidationError, match=f'Quote it: `"{"." * len(text)}"`'):
        _text(text)


def _text(written: str) -> str:
    tree, faults = read(b"a: " + written.encode())
    faults.raise_any()
    outside: Any = OutsideValues(Outside())
    text: str = TypeAdapter(Text).validate_python(tree["a"], context=outside)
    return text


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: &\n", (1, 4), "a value cannot begin with `&`. Quote it"),
        ("a: !<x y\n", (1, 4), "a value cannot begin with `!`. Quote it"),
        ("a: !x!y z\n", (1, 4), "a value cannot begin with `!`. Quote it"),
        ("\ta: b\n", (1, 1), "tabs cannot indent. Use spaces"),
        ("a: [\n", (2, 1), "expected a value here. Write one, or quote it if this is its beginning"),
        ("a: }\n", (1, 4), "expected a value here. Write one, or quote it if this is its beginning"),
        ("a: 'it's'\n", (1, 8), "the value has ended before this. Quote the whole of it"),
        ("a: b\n- c\n", (2, 1), "this line does not fit what stands above. Mend the indentation of either"),
        ("a: 'b", (1, 4), "this quote is never closed. Close it"),
        (
            "%YAML 9.0\n---\na: b\n",
            (1, 1),
            "this cannot be read as YAML: found incompatible YAML document. Write it in another way",
        ),
    ],
)
def test_the_parsers_complaints_are_put_in_the_authors_words(text: str, place: tuple[int, int], message: str) -> None:
    """The place is that of the cause, not the one where the parser gave up, and the message says what mends it."""
    assert faults_of(text.encode()) == [(place, message)]


def test_a_complaint_without_a_place_stands_at_the_beginning() -> None:
    """Whatever the parser leaves out, the author gets a place in the text."""
    source = Source("p", [""])
    assert explain(yaml.MarkedYAMLError(problem="it broke"), source) == (
        Place(source, 1, 1),
        "this cannot be read as YAML: it broke. Write it in another way",
    )


def test_one_entry_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is validated in one piece; a list of many small entries is not."""
    monkeypatch.setattr(strict_yaml, "MAX_ENTRY_VALUES", 10)
    read(b"rules:\n" + b"- {a: [b, c, d]}\n" * 100)[1].raise_any()
    ((_, message),) = faults_of(b"rules:\n- {a: [" + b"b, " * 20 + b"]}\n")
    assert message == "more than 10 values in one entry. Make several of it"


def test_the_number_of_lines_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an object, whatever it holds."""
    monkeypatch.setattr(strict_yaml, "MAX_LINES", 10)
    assert faults_of(b"a: b\n" + b"\n" * 30) == [((1, 1), "this file has more than 10 lines. Make several files of it")]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A text is split and parsed in pieces, which may end anywhere, within CR LF as well."""
    monkeypatch.setattr(strict_yaml, "_PIECE", size)
    tree, faults = read("a: é\r\nü: [x, y]\r\n\r\nb: z\rc: w\n".encode())
    faults.raise_any()
    assert {str(key): at(tree.key(key).place) for key in tree} == {"a": (1, 1), "ü": (2, 1), "b": (4, 1), "c": (5, 1)}
    assert tree.place.source.lines == ["a: é", "ü: [x, y]", "", "b: z", "c: w", ""]
