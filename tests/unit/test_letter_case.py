"""Text whose case is ignored: what is one, and what stays apart."""

import pytest

from orgfence.core.routing.letter_case import fold_case, has_case, to_bytes, to_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Orgs", "oRGS"),
        ("É", "é"),
        ("ПУТЬ", "путь"),
        ("ΣΑΣ", "σας"),
        ("\u212a", "k"),  # the Kelvin sign
        ("\u017f", "S"),  # the long s
        ("\u0130", "i"),  # with a dot
        ("\u0131", "I"),  # without one
        ("ẞ", "ß"),
        ("ᾼ", "ᾳ"),
        ("\ufb05", "\ufb06"),
        ("ᏸ", "Ᏸ"),
        ("ǅ", "ǆ"),
    ],
)
def test_what_some_server_takes_for_one_is_one(one: str, other: str) -> None:
    """Whether it compares in upper case, in lower case, or as Unicode folds."""
    assert fold_case(one.encode()) == fold_case(other.encode())


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("é", "e"), ("ß", "ss"), ("\uff41", "a"), ("å", "ä")])
def test_what_no_letter_case_makes_one_stays_apart(one: str, other: str) -> None:
    """Neither accents nor width nor spelling are case."""
    assert fold_case(one.encode()) != fold_case(other.encode())


def test_folding_goes_by_characters() -> None:
    """Each stays one character, so what follows a prefix is found by its place; and folding twice changes nothing."""
    for number in range(0x20000):
        character = to_bytes(chr(number)) if not 0xD800 <= number <= 0xDFFF else b"\xff"
        folded = fold_case(character)
        assert len(to_text(folded)) == 1
        assert fold_case(folded) == folded


@pytest.mark.parametrize("raw", [b"\xff\xc3", b"\xc3A", b"\xed\xa0\x80", "é".encode("latin-1")])
def test_what_is_no_text_keeps_its_bytes(raw: bytes) -> None:
    """But for the letters that stand among them."""
    assert fold_case(raw) == raw.lower()
    assert to_bytes(to_text(raw)) == raw


def test_has_case_says_whether_another_text_is_the_same() -> None:
    """For every character, as folding all of them shows."""
    same: dict[bytes, list[str]] = {}
    characters = [chr(number) for number in range(0x20000) if not 0xD800 <= number <= 0xDFFF]
    for character in characters:
        same.setdefault(fold_case(character.encode()), []).append(character)
    for alike in same.values():
        assert {has_case(character) for character in alike} == {len(alike) > 1}
    assert has_case("1-a")
    assert not has_case("1-%漢")
