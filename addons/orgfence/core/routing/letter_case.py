"""Text without regard to case, for upstreams whose paths do not regard it either.

A path that the upstream takes for a guarded one must not slip past its rule, so any two characters that some server
takes for one are one here: Java's `equalsIgnoreCase` takes the Kelvin sign and `k` for one, and a dotless `i` and `I`.
"""


def fold_case(raw: bytes) -> bytes:
    """Return bytes as they are compared where case is ignored; character for character, so that places stay the same.

    Also what is no UTF-8 keeps its bytes.
    """
    if raw.isascii():
        return raw.lower()
    folded = "".join([_fold(character) for character in to_text(raw)])
    return to_bytes(folded)


def has_case(text: str) -> bool:
    """Say whether there is another text that is the same where case is ignored."""
    return any(_has_case(character) for character in text)


def to_text(raw: bytes) -> str:
    """Return the characters of bytes that may be no UTF-8."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return what `to_text` was made of."""
    return text.encode("utf-8", "surrogateescape")


# What Java and Python's `re` take for one beyond what one step of Unicode's own folding makes one.
_ALIKE = {
    "\u0130": "i",  # with a dot
    "\u0131": "i",  # without one
    "\u1e9e": "\u00df",
    "\u1fd3": "\u0390",
    "\u1fe3": "\u03b0",
    "\ufb05": "\ufb06",
}


def _fold(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    folded = character.casefold()
    return folded if len(folded) == 1 else character.lower()


def _has_case(character: str) -> bool:
    folded = _fold(character)
    variants = {folded, folded.upper(), folded.lower(), folded.title()} - {character}
    return folded in _ALIKE.values() or any(len(variant) == 1 and _fold(variant) == folded for variant in variants)
