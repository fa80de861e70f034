"""JSON as any server may read it: strict in what is taken."""

import pytest

from orgfence.core.json_document import NoDocument, parse_json, resembles_json


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
    [
        ("[", "]", 128),
        ('{"a": ', "}", 128),
        ('[{"a": ', "}]", 64),
        ('{"]}": [1, "\\"]", ', "]}", 64),
        ('{"\\\\": ["", "[\\"", ', "]}", 64),
    ],
)
def test_depth_is_bounded_for_lists_and_objects(opening: str, closing: str, times: int) -> None:
    """Deterministically: by what the text says, not by what the interpreter can bear. Strings have no depth."""
    deepest = opening * times + "1" + closing * times
    assert not isinstance(parse_json(deepest.encode(), b""), NoDocument)
    assert parse_json(f"[{deepest}]".encode(), b"") is NoDocument.UNCERTAIN


def test_a_wide_body_is_not_deep() -> None:
    """However many brackets it has, in strings or outside of them."""
    wide = "[" + ", ".join(['{"org": ["acme"]}'] * 200) + "]"
    assert parse_json(wide.encode(), b"") == [(("org", ["acme"]),)] * 200
    assert isinstance(parse_json(b'{"x": "%b"}' % (b'[{\\"' * 200), b""), tuple)


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
    assert parse_json(data, b"") == ((("org", "acmé"),) if text[0] == "{" else 17)
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
