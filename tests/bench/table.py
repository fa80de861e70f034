"""The one table that the benchmarks print."""

from typing import NamedTuple


class Row(NamedTuple):
    """One figure beside what it is meant to be."""

    what: str
    measured: str
    budget: str = ""


def show(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [Row("what", "measured", "budget"), *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
