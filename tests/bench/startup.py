"""How long until `--help` is there and until a proxy listens, beside stock mitmdump; the two take turns."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench.parts import Run
from tests.bench.processes import free_port, running
from tests.bench.table import Row, at_most

_ROUNDS = 5


def rows(run: Run) -> list[Row]:
    """Return the medians."""
    rounds = 2 if run.quick else _ROUNDS
    orgfence, mitmdump = (str(Path(sys.executable).with_name(name)) for name in ("orgfence", "mitmdump"))
    with tempfile.TemporaryDirectory() as home:
        # Compiled once, as what is installed is, whatever is set here.
        environment = {"HOME": home, "PYTHONPYCACHEPREFIX": home, "PYTHONDONTWRITEBYTECODE": ""}
        helps = [_seconds([orgfence, "--help"], environment) for _ in range(rounds + 1)][1:]
        ours, stock = [], []
        for _ in range(rounds + 1):
            ours.append(_seconds_to_listen([orgfence, "run", "--admin", "127.0.0.1:0", "--listen"], environment))
            stock.append(_seconds_to_listen([mitmdump, "-q", "--set"], environment))
    # The first pair made the CA, and compiled what was never imported before.
    ratio = median(one / other for one, other in zip(ours[1:], stock[1:], strict=True))
    seconds = f" ({median(ours[1:]):.2f} s : {median(stock[1:]):.2f} s)"
    return [
        Row("`orgfence --help`", f"{median(helps):.2f} s", "≤ 0.3 s", median(helps) <= 0.3),
        at_most("`orgfence run` listening : stock mitmdump listening", ratio, 1, seconds),
    ]


def _seconds(arguments: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(arguments, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL, timeout=30)
    return time.perf_counter() - start


def _seconds_to_listen(arguments: Sequence[str], environment: dict[str, str]) -> float:
    port = free_port()
    listening = f"listen_port={port}" if arguments[-1] == "--set" else f"127.0.0.1:{port}"
    start = time.perf_counter()
    with running([*arguments, listening], port, environment):
        return time.perf_counter() - start
