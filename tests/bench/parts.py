"""The parts of the benchmark: what each is called, what runs it, and how long it may take."""

import importlib
from pathlib import Path
from typing import NamedTuple

from tests.bench.table import Row


class Run(NamedTuple):
    """How the parts are run this time."""

    #: Whether to take small sizes, only to see that it works.
    quick: bool
    #: The folder that curves are written to.
    pictures: Path


class Part(NamedTuple):
    """One part, which runs in a process of its own, so that none can harm another."""

    #: The module, in this package, whose `rows(run)` measures.
    module: str
    title: str
    #: After so many seconds it is ended; several times what it takes on a small machine.
    limit: float


PARTS = {
    "throughput": Part("throughput", "Requests a second", 1200),
    "cost": Part("cost", "What a check adds to a request", 900),
    "hook": Part("hook", "The hook", 300),
    "worst-request": Part("worst_request", "The worst request", 600),
    "memory-bodies": Part("memory_bodies", "Memory: a body of 1 GiB", 600),
    "memory-reading": Part("memory_reading", "Memory: an HTTP/2 client that stops reading", 300),
    "memory-connections": Part("memory_connections", "Memory: 10,000 open connections", 300),
    "memory-tokens": Part("memory_tokens", "Memory: 1,000,000 requests with 200,000 tokens", 1500),
    "memory-held": Part("memory_held", "Memory: bodies that stall", 120),
    "rapid-reset": Part("rapid_reset", "An HTTP/2 client that resets every stream", 300),
    "loading": Part("loading", "Loading a policy", 300),
    "worst-change": Part("worst_change", "The worst change of a policy", 1800),
    "start": Part("startup", "Start", 300),
}


def chosen(words: list[str]) -> list[str]:
    """Return the names of the parts that these words mean; `memory` is all of memory. Raises `KeyError`."""
    names = []
    for word in words or PARTS:
        found = [name for name in PARTS if name == word or name.startswith(f"{word}-")]
        if not found:
            raise KeyError(word)
        names += found
    return list(dict.fromkeys(names))


def measure(name: str, run: Run) -> list[Row]:
    """Run a part in this process."""
    rows: list[Row] = importlib.import_module(f"tests.bench.{PARTS[name].module}").rows(run)
    return rows
