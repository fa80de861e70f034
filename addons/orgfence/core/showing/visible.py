"""Makes every character of a text visible, so that no text can steer a terminal or mislead the person who reads it."""

import re

# Python calls these printable, though nothing of them is seen: fillers, blanks and variation selectors
# (https://www.unicode.org/reports/tr36/#Recommendations_General, Default_Ignorable_Code_Point).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """Return the text with each character escaped that is not seen as itself.

    These are control characters (C0, C1, DEL), line and paragraph separators, characters that turn the reading
    direction, zero-width characters, odd blanks, and lone surrogates, which have no encoding.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if _is_visible(character) else character.encode("unicode_escape").decode() for character in text
    )


def _is_visible(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character)
