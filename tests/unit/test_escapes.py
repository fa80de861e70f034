"""Percent escapes are undone as everybody undoes them."""

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from orgfence.core.escapes import text_of, unescaped


@given(
    st.lists(st.sampled_from([b"%", b"%4", b"%41", b"%2f", b"%2F", b"%zz", b"%%", b"a", b"\xff", b"1"])).map(b"".join)
)
def test_escapes_are_undone_once(text: bytes) -> None:
    """What is no escape stays, and nothing is decoded twice."""
    assert unescaped(text) == unquote_to_bytes(text)


@given(st.binary(max_size=200))
def test_bytes_as_text_lose_nothing(value: bytes) -> None:
    """What is UTF-8 is that text, and what is not can be seen, whatever its length."""
    text = text_of(value)
    text.encode()
    try:
        assert text == value.decode()
    except UnicodeDecodeError:
        assert "\\x" in text


@given(st.binary(min_size=1, max_size=20), st.integers(0, 100))
def test_bytes_are_shown_alike_in_any_text(value: bytes, beside: int) -> None:
    """Else a secret that is no UTF-8 would not be found in a longer text."""
    assert text_of(b" " * beside + value) == " " * beside + text_of(value)
