"""How long a large policy takes to load, and how long requests wait meanwhile: a reload happens beside them."""

import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from tests.bench.parts import Run
from tests.bench.policies import policy
from tests.bench.table import Row

from orgfence.policy_source.files import PolicyFiles, read_policy
from orgfence.policy_source.watch import PolicyWatch

_RULES, _FILES = 10_000, 50
_ROUNDS = 3


def rows(run: Run) -> list[Row]:
    """Return how long a load takes, and for how long a reload keeps another thread from running."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_policy(folder)
        seconds = [_seconds_to_load(folder) for _ in range(1 if run.quick else _ROUNDS)]
        waits = _waits_while_reloading(folder)
    return [
        Row(f"loading {_RULES:,} rules in {_FILES} files", f"{median(seconds):.2f} s", "≤ 3 s", median(seconds) <= 3),
        Row(
            "waking up beside a reload of it: median, longest",
            f"{median(waits) * 1e3:.1f} ms, {max(waits) * 1e3:.0f} ms",
        ),
    ]


def write_policy(folder: Path) -> None:
    """Write as many rules as the budget is for, spread over files, the first of which names the issuer."""
    head, *rules = policy(_RULES).decode().partition("rules:\n")[::2]
    lines = "".join(rules).splitlines(keepends=True)
    size = _RULES // _FILES
    for number in range(_FILES):
        top = head if number == 0 else "version: 1\nenforcement: block\n"
        text = "".join([top, "rules:\n", *lines[number * size : (number + 1) * size]])
        (folder / f"team-{number:02}.yaml").write_text(text)


def _seconds_to_load(folder: Path) -> float:
    started = time.perf_counter()
    loaded = read_policy(folder)
    seconds = time.perf_counter() - started
    assert len(loaded.ruleset.rules) == _RULES
    return seconds


def _waits_while_reloading(folder: Path) -> list[float]:
    """Return by how much a thread that sleeps for moments, as the event loop does, overslept during a reload."""
    files = PolicyFiles.read(folder)
    watch = PolicyWatch(files, lambda files: files.load().ruleset)
    with (folder / "team-07.yaml").open("a") as file:
        file.write("# changed\n")
    watch.look()
    loading = threading.Thread(target=watch.look)
    waits = []
    loading.start()
    while loading.is_alive():
        started = time.perf_counter()
        time.sleep(0.001)
        waits.append(time.perf_counter() - started - 0.001)
    return waits
