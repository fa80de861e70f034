"""What the YAML parser's complaints mean to the person who wrote the file, and what mends them."""

from typing import NamedTuple

import yaml

from orgfence.core.policy.faults import Place, Source
from orgfence.core.policy.wording import shown


class _Meaning(NamedTuple):
    """What a complaint that holds some words means."""

    words: str
    message: str
    #: Whether the cause stands where the parser began (an opening quote), not where it gave up.
    at_beginning: bool = False


# By the parser's words: the first that fits.
_MEANINGS = (
    _Meaning("scanning an alias", 'a value cannot begin with `*`. Quote it, as in `"*.example.com"`', True),
    _Meaning("scanning an anchor", "a value cannot begin with `&`. Quote it", True),
    _Meaning("tag", "a value cannot begin with `!`. Quote it", True),
    _Meaning("mapping values", "`:` cannot stand here. Quote the value, or mend the indentation"),
    _Meaning("scanning a quoted scalar", "this quote is never closed. Close it", True),
    _Meaning("parsing a quoted scalar", "a `\\` that means nothing in double quotes. Use single quotes, or `\\\\`"),
    _Meaning("could not find expected ':'", "a key without a value. Write `: ` and a value behind it", True),
    _Meaning("block sequence entries", "a list item cannot begin here. Put it on a line of its own"),
    _Meaning("tab character", "tabs cannot indent. Use spaces"),
    _Meaning("node content", "expected a value here. Write one, or quote it if this is its beginning"),
)


def explain(error: yaml.MarkedYAMLError, source: Source) -> tuple[Place, str]:
    """Return where the file stops being YAML, and what is wrong there."""
    end = _place(error.problem_mark, source)
    beginning = _place(error.context_mark or error.problem_mark, source)
    words = f"{error.context} {error.problem}"

    for meaning in _MEANINGS:
        if meaning.words in words:
            return beginning if meaning.at_beginning else end, meaning.message
    if "cannot start any token" in words:
        return end, _bad_beginning(_character(end))
    if "expected ',' or" in words and beginning.line < end.line:
        return beginning, f"this {shown(_character(beginning))} is never closed. Close it"
    if "expected ',' or" in words:
        return end, "expected `,` or the end of this list. Quote values that hold `{`, `[`, `,` or a quote"
    if "did not find expected" in words and source.lines[end.line - 1][: end.column - 1].strip():
        return end, "the value has ended before this. Quote the whole of it"
    if "did not find expected" in words:
        return end, "this line does not fit what stands above. Mend the indentation of either"
    return end, f"this cannot be read as YAML: {error.problem}. Write it in another way"


def _place(mark: yaml.Mark | None, source: Source) -> Place:
    """Return a mark as a place, within the text: at its end, the parser counts a line more."""
    if mark is None:
        return Place(source, 1, 1)
    lines = source.lines
    line = min(mark.line, len(lines) - 1)
    column = mark.column if line == mark.line else len(lines[line])
    return Place(source, line + 1, min(column, len(lines[line])) + 1)


def _character(place: Place) -> str:
    return place.source.lines[place.line - 1][place.column - 1 : place.column]


def _bad_beginning(character: str) -> str:
    if character == "\t":
        return "tabs cannot indent. Use spaces"
    return f"a value cannot begin with {shown(character)}. Quote it"
