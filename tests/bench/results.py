"""RESULTS.md: the figures of each part, with their machine and date, until that part is measured again."""

import re
from pathlib import Path

from tests.bench.parts import PARTS
from tests.bench.table import Row, show

FOLDER = Path(__file__).parent
FILE = FOLDER / "RESULTS.md"

_HEAD = """# Results

Written by `uv run --group bench python -m tests.bench`; [README.md](README.md) says what is measured. Each part keeps
the figures of its last run. Ratios are medians of rounds in which the candidates took turns.
"""


def write(file: Path, title: str, machine: str, rows: list[Row], *, quick: bool) -> None:
    """Replace one part's section, and leave the others as they are."""
    sections = _sections(file.read_text()) if file.exists() else {}
    size = "\nSmall sizes, to see that it works: no figures to quote.\n" if quick else ""
    stamp = "  \n".join(machine.splitlines())
    pictures = "".join(f"\n![{row.what}]({row.picture})\n" for row in rows if row.picture)
    sections[title] = f"{stamp}\n{size}\n{show(rows)}\n{pictures}"
    order = [part.title for part in PARTS.values() if part.title in sections]
    file.write_text(_HEAD + "".join(f"\n## {title}\n\n{sections[title].strip()}\n" for title in order))


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))
