"""How the demo prints: plain words in 80 columns, and colours where there is a terminal that has them."""

import textwrap
from collections.abc import Sequence

import httpx
from rich.console import Console
from rich.text import Text

_WIDTH = 80


class Page:
    """What the person who runs the demo reads, from top to bottom."""

    def __init__(self, console: Console) -> None:
        """Print here."""
        self._console = console
        self._width = min(_WIDTH, console.width)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._gap()
        self._print(Text(text, "bold"))
        self._gap()

    def say(self, text: str) -> None:
        """Print a paragraph."""
        self._print(Text(textwrap.fill(text, self._width, initial_indent="  ", subsequent_indent="  ")))
        self._gap()

    def facts(self, facts: dict[str, str]) -> None:
        """Print names with their values, whole, to be copied."""
        longest = max(map(len, facts))
        for name, value in facts.items():
            self._print(Text.assemble("  ", (f"{name:<{longest}}", "dim"), f"  {value}"))
        self._gap()

    def sent(self, *lines: str) -> None:
        """Print the lines of a request."""
        self._marked("> ", lines, "cyan")
        self._gap()

    def received(self, status_line: str, *lines: str, style: str) -> None:
        """Print the lines of a response, the first in this style."""
        self._marked("< ", [status_line], f"bold {style}")
        self._marked("< ", lines, "")
        self._gap()

    def quote(self, lines: Sequence[str], style: str = "") -> None:
        """Print lines further in, those too long folded."""
        self._marked("  ", lines, style)
        self._gap()

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows in columns, the first row as their names."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            cells = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self._print(Text(f"    {cells}".rstrip(), "" if number else "dim"))
        self._gap()

    def verbatim(self, text: str) -> None:
        """Print text to be copied: never folded."""
        self._print(Text(textwrap.indent(text, "    "), "cyan"))
        self._gap()

    def log_line(self, line: str) -> None:
        """Print a line of the proxy's log as it is."""
        self._print(Text(line))

    def _marked(self, mark: str, lines: Sequence[str], style: str) -> None:
        for line in lines:
            for folded in _fold(line, self._width - len(mark) - 2):
                self._print(Text.assemble(("  " + mark, "dim"), (folded, style)))

    def _gap(self) -> None:
        self._console.print()

    def _print(self, text: Text) -> None:
        text.rstrip()
        # Folding is done above, where it is wanted.
        self._console.print(text, soft_wrap=True, highlight=False)


def status_line(response: httpx.Response) -> str:
    """Return the first line of a response."""
    return f"{response.http_version} {response.status_code} {response.reason_phrase}"


def url_lines(text: str) -> list[str]:
    """Return a text in lines: of a URL at its end, the parameters stand on lines of their own."""
    base, mark, query = text.partition("?")
    if not mark:
        return [text]
    lines = [base]
    for mark, pair in zip("?" + "&" * query.count("&"), query.split("&"), strict=True):
        if len(lines) > 1 and len(lines[-1]) + len(pair) < _URL_WIDTH:
            lines[-1] += mark + pair
        else:
            lines.append(f"    {mark}{pair}")
    return lines


# What stands before it on the page takes some ten columns.
_URL_WIDTH = _WIDTH - 10


def _fold(line: str, width: int) -> list[str]:
    """Fold at spaces, and indent what follows a little more than the line itself."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    folded = textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return folded or [""]
