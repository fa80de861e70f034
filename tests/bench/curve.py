"""A process's resident memory over time: the number, and the curve as a picture."""

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.bench.processes import status_bytes

MIB = 2**20
_INTERVAL = 0.1


class Curve:
    """What was sampled of one process, ten times a second."""

    def __init__(self, title: str, pid: int) -> None:
        self.title = title
        self.pid = pid
        self.seconds: list[float] = []
        #: In MiB.
        self.resident: list[float] = []
        #: The most that it has been, which samples may have missed.
        self.peak = 0.0
        #: When something began, by its name.
        self.marks: list[tuple[float, str]] = []
        self._began = time.monotonic()

    @property
    def start(self) -> float:
        """What it was before."""
        return self.resident[0]

    @property
    def end(self) -> float:
        """What it is afterwards."""
        return self.resident[-1]

    def at(self, part: float) -> float:
        """Return what it was at some part of the time, between 0 and 1."""
        return self.resident[int(part * (len(self.resident) - 1))]

    def mark(self, name: str) -> None:
        """Note that something begins now."""
        self.marks.append((time.monotonic() - self._began, name))

    def sample(self) -> None:
        """Note what it is now."""
        self.resident.append(status_bytes(self.pid, "VmRSS") / MIB)
        self.seconds.append(time.monotonic() - self._began)
        self.peak = max(self.peak, self.resident[-1], status_bytes(self.pid, "VmHWM") / MIB)

    def words(self) -> str:
        """Return start, peak and end."""
        return f"{self.start:.0f} MiB at the start, {self.peak:.0f} at the peak, {self.end:.0f} at the end"


@contextmanager
def sampling(title: str, pid: int) -> Iterator[Curve]:
    """Sample while the block runs."""
    curve = Curve(title, pid)
    with suppress(OSError):
        # So that the peak is not that of the start, which loads a policy.
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    curve.sample()
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_INTERVAL):
            # If it has ended, that is told elsewhere.
            with suppress(OSError, LookupError):
                curve.sample()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield curve
    finally:
        ended.set()
        thread.join()
    curve.sample()


def draw(curves: list[Curve], title: str, file: Path) -> str:
    """Write the curves to a PNG; return its name, or nothing if there is no matplotlib."""
    try:
        plots: Any = importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError:
        print("no curve: matplotlib is not here. Use `uv run --group bench …`")
        return ""
    figure = plots.Figure(figsize=(7, 3), dpi=80, layout="constrained")
    axes = figure.subplots()
    for curve in curves:
        every = max(1, len(curve.seconds) // 1000)
        axes.plot(curve.seconds[::every], curve.resident[::every], linewidth=1, label=curve.title)
        for when, name in curve.marks:
            axes.axvline(when, color="lightgrey", linewidth=0.8, zorder=0)
            axes.text(when, 0, f" {name}", fontsize=6, rotation=90, va="bottom", color="grey")
    axes.set(title=title, xlabel="seconds", ylabel="resident memory, MiB")
    axes.set_ylim(0, 1.1 * max(curve.peak for curve in curves))
    if len(curves) > 1:
        axes.legend(fontsize=7)
    figure.savefig(file, metadata={"Software": None})
    return file.name
