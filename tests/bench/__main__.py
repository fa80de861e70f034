"""`uv run --group bench python -m tests.bench`: every figure in one table, from one run, and in RESULTS.md."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import results
from tests.bench.machine import described
from tests.bench.parts import PARTS, chosen
from tests.bench.table import Row, show


def main() -> None:
    """Measure what was asked for, write it down, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"all by default; or of: {', '.join(PARTS)}, memory")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works; not for figures")
    parser.add_argument("--results", type=Path, help="the file to write; by default RESULTS.md, and none with --quick")
    arguments = parser.parse_args()
    try:
        names = chosen(arguments.parts)
    except KeyError as unknown:
        parser.error(f"there is no part `{unknown.args[0]}`. Choose of: {', '.join(PARTS)}, memory")
    file = arguments.results or (None if arguments.quick else results.FILE)

    machine = described()
    print(f"{machine}\n", flush=True)
    table: list[Row] = []
    for name in names:
        started = time.monotonic()
        print(f"{datetime.now(UTC):%H:%M:%S} {name} …", end=" ", file=sys.stderr, flush=True)
        rows = _measure(name, quick=arguments.quick, pictures=file.parent if file else None)
        print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        table += rows
        if file is not None:
            # At once, so that what was measured is not lost with what comes after it.
            results.write(file, PARTS[name].title, machine, rows, quick=arguments.quick)
    print(f"\n{show(table)}")
    if any(row.what.startswith(_FAILED) for row in table):
        sys.exit(1)


_FAILED = "failed: "


def _measure(name: str, *, quick: bool, pictures: Path | None) -> list[Row]:
    """Run a part in a process group of its own; whatever happens to it becomes a row."""
    with tempfile.TemporaryDirectory(prefix="orgfence-bench-") as folder:
        file = Path(folder) / "rows.json"
        words = [name, str(file), str((pictures or Path(folder)).resolve()), *(["--quick"] if quick else [])]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.part", *words],
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"TMPDIR": folder},
        )
        try:
            _, said = process.communicate(timeout=PARTS[name].limit)
        except subprocess.TimeoutExpired:
            said = f"it took longer than {PARTS[name].limit:.0f} s"
        finally:
            # What the part started and did not stop.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            return [Row(*row) for row in json.loads(file.read_text())]
    sys.stderr.write(f"\n{said}\n")
    return [Row(f"{_FAILED}{name}", (said.strip().splitlines() or ["it said nothing"])[-1].replace("|", "¦"))]


if __name__ == "__main__":
    main()
