"""JSON as any server may read it: strict in what is taken, and every candidate for a name counts."""

import json

import pytest

from orgfence.core.json_document import MAX_VALUES, NoDocument, parse_json, resembles_json, values_at


def values_in(text: str | bytes, *pointer: str) -> list[bytes] | None:
    document = parse_json(text.encode() if isinstance(text, str) else text, b"")
    assert not isinstance(document, NoDocument)
    return values_at(document, pointer)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"org": "acme"}', [b"acme"]),
        ('{"org": "acm\u00e9 \\u00e9\\ud83d\\ude00"}', ["acmé é😀".encode()]),
        ('{"org": ""}', [b""]),
        ('{"org": 42}', [b"42"]),
        ('{"org": -0}', [b"0"]),
        ('{"org": 12345678901234567890123}', [b"12345678901234567890123"]),
        ('{"org": ["acme", 7, "acme", ""]}', [b"acme", b"7", b"acme", b""]),
        # Nothing there.
        ("{}", []),
        ("[]", []),
        ('"acme"', []),
        ("null", []),
        ('{"org": []}', []),
        ('{"x": {"org": "acme"}}', []),
        ('[{"org": "acme"}]', []),
        ('{"org_id": "acme", "organisation": "acme"}', []),
        # Something there, and no org.
        ('{"org": null}', None),
        ('{"org": true}', None),
        ('{"org": 1.0}', None),
        ('{"org": 1e2}', None),
        ('{"org": {}}', None),
        ('{"org": [[]]}', None),
        ('{"org": ["acme", false]}', None),
        ('{"org": ["acme", null]}', None),
        ('{"org": "\\ud800"}', None),
        ('{"org": "acme", "other": "\\ud800", "\\ud800": 1.5}', [b"acme"]),
        # Every candidate for the name, in the order of the document.
        ('{"org": "acme", "org": "globex"}', [b"acme", b"globex"]),
        ('{"ORG": "globex", "org": "acme", "Org": ["initech"]}', [b"globex", b"acme", b"initech"]),
        ('{"org": "acme", "org": null}', None),
        ('{"org": "acme", "ORG": []}', [b"acme"]),
        ('{"o\\u0072g": "acme", "org\\u0000x": "globex"}', [b"acme", b"globex"]),
    ],
)
def test_what_stands_at_a_name(text: str, values: list[bytes] | None) -> None:
    """Strings, integers and lists of them are orgs; all else that stands there is unread."""
    assert values_in(text, "org") == values


DOCUMENT = """{
    "orgs": [{"id": "a"}, {"ID": "b", "id": "c"}, {"no": "d"}, "text", ["x"]],
    "map": {"one": {"id": "e"}, "two": {"id": ["f", 6]}, "one": {"id": "g"}},
    "0": "zero", "": {"": "empty"}, "*": "star", "a/b": "slash", "none": [], "nothing": {}
}"""


@pytest.mark.parametrize(
    ("pointer", "values"),
    [
        (("orgs", "0", "id"), [b"a"]),
        (("orgs", "1", "id"), [b"b", b"c"]),
        (("orgs", "*", "id"), [b"a", b"b", b"c"]),
        (("ORGS", "*", "Id"), [b"a", b"b", b"c"]),
        (("orgs", "3"), [b"text"]),
        (("orgs", "4"), [b"x"]),
        (("orgs", "5"), []),
        (("orgs", "01"), []),
        (("orgs", "-"), []),
        (("orgs", "-1"), []),
        (("orgs", "1" * 30), []),
        (("orgs", "\u0661"), []),
        (("orgs", "id"), []),
        (("orgs", "3", "0"), []),
        (("orgs",), None),
        (("orgs", "*"), None),
        (("map", "*", "id"), [b"e", b"f", b"6", b"g"]),
        (("map", "one", "id"), [b"e", b"g"]),
        (("map", "two", "id", "1"), [b"6"]),
        (("*", "*", "id"), [b"a", b"b", b"c", b"e", b"f", b"6", b"g"]),
        (("0",), [b"zero"]),
        (("", ""), [b"empty"]),
        (("a/b",), [b"slash"]),
        (("none", "*"), []),
        (("nothing", "*"), []),
        ((), None),
    ],
)
def test_where_a_pointer_leads(pointer: tuple[str, ...], values: list[bytes] | None) -> None:
    """A number indexes a list and names a member, `*` is every item or member."""
    assert values_in(DOCUMENT, *pointer) == values


@pytest.mark.parametrize(
    "name", ["ORG_KIND", "org_kind\0", "org_\u212aind", "org_k\u0131nd", "ORG_K\u0130ND", "Org_Kind\0.x"]
)
def test_a_name_is_all_that_some_server_takes_for_it(name: str) -> None:
    """In any case: the Kelvin sign is a k, and the Turkish letters are an i."""
    document = json.dumps({"org_kind": "acme", name: "globex"})
    assert values_in(document, "org_kind") == [b"acme", b"globex"]
    assert values_in(document, name) == [b"acme", b"globex"]


def test_the_long_s_is_an_s_and_other_letters_are_themselves() -> None:
    """Names that nothing makes the same are two."""
    assert values_in('{"pa\u017f\u017f": "acme", "pa\u00df": "globex"}', "pass") == [b"acme", b"globex"]
    assert values_in('{"\u00d6rg": "acme", "org": "globex", "0rg": "x", "\u043erg": "y"}', "\u00f6rg") == [b"acme"]


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "acme",
        '{"org": "acme"',
        '{"org": "acme"} x',
        '{"org": "acme"}{"org": "globex"}',
        '{"org": "acme",}',
        "{'org': 'acme'}",
        "{org: 1}",
        '{"org": 01}',
        '{"org": +1}',
        '{"org": .5}',
        '{"org": 0x1}',
        '{"org": "a\tb"}',
        '{"org": "a\0b"}',
        '{"org": "\\x41"}',
        '{"org": 1} // comment',
        '\u00a0{"org": 1}',
        '\ufeff\ufeff{"org": 1}',
        '{"org": \u0661}',
        b'{"org": "\xff"}',
        b'{"org": "\xed\xa0\x80"}',
        b'{"org": "\xc0\xae"}',
        '{"org": "acme"}'.encode("utf-16-le") + b"\0",
        '{"org": "\ud800"}'.encode("utf-16-le", "surrogatepass"),
        '{"org": "\ud800"}'.encode("utf-32", "surrogatepass"),
    ],
)
def test_what_is_no_json_by_its_grammar(text: str | bytes) -> None:
    """Some readers take it all the same, each in a way of its own."""
    data = text.encode() if isinstance(text, str) else text
    assert parse_json(data, b"") is NoDocument.NO_JSON


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" * 5000, "-" + "1" * 5000])
def test_numbers_that_not_everybody_reads_are_uncertain(number: str) -> None:
    """Wherever they stand."""
    assert parse_json(b'{"x": %b}' % number.encode(), b"") is NoDocument.UNCERTAIN


@pytest.mark.parametrize(
    ("opening", "closing", "times"),
    [("[", "]", 128), ('{"a": ', "}", 128), ('[{"a": ', "}]", 64), ('{"]}": [1, "\\"]", ', "]}", 64)],
)
def test_depth_is_bounded_for_lists_and_objects(opening: str, closing: str, times: int) -> None:
    """Deterministically: by what the text says, not by what the interpreter can bear. Strings have no depth."""
    deepest = opening * times + "1" + closing * times
    assert not isinstance(parse_json(deepest.encode(), b""), NoDocument)
    assert parse_json(f"[{deepest}]".encode(), b"") is NoDocument.UNCERTAIN


def test_a_wide_body_is_not_deep() -> None:
    """However many brackets it has, in strings or outside of them."""
    assert values_in("[" + ", ".join(['{"org": ["acme"]}'] * 200) + "]", "*", "org") == [b"acme"] * 200
    assert values_in('{"x": "%s", "org": "acme"}' % ('[{\\"' * 200), "org") == [b"acme"]


@pytest.mark.parametrize(
    ("piece", "times", "end"),
    [
        ("[", 1_000_000, ""),
        ('{"a":', 200_000, ""),
        ("[", 300, '"'),
        ("[", 300, '"\\'),
        ('["]', 1, "[" * 300),
        ('\\"', 300_000, ""),
    ],
)
def test_depth_that_nothing_closes_is_no_harm(piece: str, times: int, end: str) -> None:
    """Nor is a string that nothing ends: to look for its end from each of its quotes would take minutes."""
    start = "[" * 300 + '"' if piece == '\\"' else ""
    assert isinstance(parse_json((start + piece * times + end).encode(), b""), NoDocument)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("text", ['{"org": "acm\u00e9"}', "17"])
def test_encodings_are_detected(encoding: str, text: str) -> None:
    """With a byte order mark or by the zeros."""
    data = text.encode(encoding)
    assert values_in(data, *(("org",) if text[0] == "{" else ())) == ["acmé".encode() if text[0] == "{" else b"17"]
    family = encoding[:6].rstrip("-").encode()
    assert not isinstance(parse_json(data, family), NoDocument)
    for other in {b"utf-8", b"utf-16", b"utf-32"} - {family}:
        assert parse_json(data, other) is NoDocument.UNCERTAIN


@pytest.mark.parametrize(
    ("label", "encoding", "agrees"),
    [
        (b"utf8", "utf-8", True),
        (b"utf-16le", "utf-16", True),
        (b"utf-16be", "utf-16-be", True),
        (b"utf-32le", "utf-32-le", True),
        (b"us-ascii", "utf-8", True),
        (b"iso-8859-1", "utf-8", True),
        (b"iso-8859-1", "utf-16-le", False),
        (b"us-ascii", "utf-8-sig", False),
        (b"utf-7", "utf-8", False),
        (b"cp037", "utf-8", False),
        (b"windows-1252", "utf-8", False),
        (b"utf-8,utf-16", "utf-8", False),
    ],
)
def test_a_label_has_to_agree_with_what_was_detected(label: bytes, encoding: str, agrees: bool) -> None:
    """One for ASCII or Latin-1 agrees with what is ASCII."""
    parsed = parse_json('{"org": "acme"}'.encode(encoding), label)
    assert isinstance(parsed, NoDocument) is not agrees


@pytest.mark.parametrize("label", [b"us-ascii", b"iso-8859-1"])
def test_beyond_ascii_a_label_for_it_disagrees(label: bytes) -> None:
    """A server that goes by the label reads other letters."""
    assert parse_json('{"org": "acm\u00e9"}'.encode(), label) is NoDocument.UNCERTAIN
    assert parse_json(b"org", label) is NoDocument.NO_JSON


def test_nothing_is_nothing_to_every_pointer() -> None:
    """No bytes are no error: nothing was sent."""
    for pointer in ((), ("org",), ("*",), ("0", "1")):
        document = parse_json(b"", b"utf-7")
        assert not isinstance(document, NoDocument)
        assert values_at(document, pointer) == []


def test_values_are_bounded_in_number() -> None:
    """In one list, and in all to which a pointer leads."""
    assert values_in("[" + "1," * (MAX_VALUES - 1) + "1]") == [b"1"] * MAX_VALUES
    assert values_in("[" + "1," * MAX_VALUES + "1]") is None
    assert values_in("[" + "1," * MAX_VALUES + "1]", "*") is None
    assert values_in("[" + "[1,1]," * MAX_VALUES + "1]", "0") == [b"1", b"1"]
    assert values_in("[" + "[1,1]," * (MAX_VALUES // 2) + "1]", "*") is None
    assert values_in("[" + "[]," * MAX_VALUES + "[]]", "*") is None


@pytest.mark.parametrize(
    ("data", "resembles"),
    [
        (b"{org:1}", True),
        (b" \r\n\t[", True),
        (b"\xef\xbb\xbf{", True),
        (b"\xff\xfe{\0", True),
        (b"\0\0\0{", True),
        (b"org={}", False),
        (b"", False),
        (b"\xef\xbb\xbf", False),
    ],
)
def test_what_a_lenient_reader_may_take_for_json(data: bytes, resembles: bool) -> None:
    """It begins as JSON does, in some encoding."""
    assert resembles_json(data) is resembles
