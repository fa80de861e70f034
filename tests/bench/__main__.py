"""`uv run python -m tests.bench`: every figure in one table, from one run."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata

from tests.bench.hook import first_sight_row, hook_rows
from tests.bench.loading import loading_rows
from tests.bench.startup import startup_rows
from tests.bench.table import show
from tests.bench.throughput import throughput_rows


def main() -> None:
    """Measure, and print."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("orgfence", "mitmproxy", "pyjwt"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, {platform.system()}")
    print(f"Python {platform.python_version()}, {versions}\n")
    print(show([*hook_rows(), first_sight_row(), *loading_rows(), *throughput_rows(), *startup_rows()]))


if __name__ == "__main__":
    main()
