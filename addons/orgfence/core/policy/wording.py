"""How messages to the policy's author are put together, so that all of them read alike."""

import difflib
from collections.abc import Iterable

# A terminal line holds some eighty characters; what is longer is recognised by its beginning.
_MAX_SHOWN = 60


def shown(value: str) -> str:
    """Return a value from the policy in backticks: as written there, cut where it is long, harmless to a terminal."""
    # What came from a file or the environment may be a secret.
    value = getattr(value, "stands_for", "") or value
    cut = value if len(value) <= _MAX_SHOWN else value[: _MAX_SHOWN - 1] + "…"
    return f"`{visible(cut).replace('\t', ' ')}`"


def refusal(value: str, error: ValueError) -> str:
    """Return why a value is none of its kind; what a file holds may be a secret, so it is not quoted."""
    if getattr(value, "stands_for", "").startswith("{file"):
        return f"what {shown(value)} holds cannot stand here. Compare it with a value that is written out"
    return str(error)


def visible(text: str) -> str:
    """Return text with `?` for each character that cannot be seen or would steer the terminal; tabs stay."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def listed(words: Iterable[str], joint: str = "or") -> str:
    """Return `a`, `b` or `c`."""
    *others, last = [f"`{word}`" for word in words]
    return f"{', '.join(others)} {joint} {last}" if others else last


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest of the known words, or nothing."""
    if len(word) > _MAX_SHOWN:
        return ""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {shown(nearest[0])}?" if nearest else ""
