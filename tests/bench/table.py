"""The one table that the benchmarks print."""

from typing import NamedTuple


class Row(NamedTuple):
    """One figure beside what it is meant to be."""

    what: str
    measured: str
    #: What it should be, where something was promised.
    target: str = ""
    #: Whether it is; None where there is no target, or nothing could be measured.
    met: bool | None = None
    #: The file name of a curve that goes with it.
    picture: str = ""


def at_least(what: str, ratio: float, least: float, more: str = "") -> Row:
    """Return the row of a ratio that should not be lower than this."""
    return Row(what, f"{ratio:.2f} ×{more}", f"≥ {least} ×", ratio >= least)


def at_most(what: str, ratio: float, most: float, more: str = "") -> Row:
    """Return the row of a ratio that should not be higher than this."""
    return Row(what, f"{ratio:.2f} ×{more}", f"≤ {most} ×", ratio <= most)


def show(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [
        ("what", "measured", "target", "met"),
        *((row.what, row.measured, row.target, _MET[row.met]) for row in rows),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


_MET = {None: "", True: "yes", False: "no"}
