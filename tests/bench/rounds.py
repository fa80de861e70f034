"""Contenders that take turns, so that what the machine does meanwhile meets them all alike."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

from tests.bench.h2load import Load
from tests.bench.processes import Running, processor_seconds


class Turn(NamedTuple):
    """What one contender did in one round."""

    load: Load
    #: Processor time of the proxy, in microseconds a request.
    processor: float


def take_turns(
    contenders: Mapping[str, Running],
    apply_load: Callable[[Running, int], Load],
    rounds: int,
    requests: Mapping[str, int],
) -> dict[str, list[Turn]]:
    """Give each contender its requests in each round, beginning with another one each time.

    A short round before the first is thrown away.
    """
    names = list(contenders)
    for name in names:
        apply_load(contenders[name], max(requests[name] // 4, 200))
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            contender, count = contenders[name], requests[name]
            before = processor_seconds(contender.pid)
            seen = apply_load(contender, count)
            turns[name].append(Turn(seen, (processor_seconds(contender.pid) - before) / count * 1e6))
    return turns


def ratio(ours: list[Turn], theirs: list[Turn], of: Callable[[Turn], float]) -> float:
    """Return the median of the rounds' ratios."""
    return median(of(one) / of(other) for one, other in zip(ours, theirs, strict=True))


def difference(ours: list[Turn], theirs: list[Turn]) -> float:
    """Return the median of the rounds' differences of processor time."""
    return median(one.processor - other.processor for one, other in zip(ours, theirs, strict=True))
