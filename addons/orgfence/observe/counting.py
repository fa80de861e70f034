"""Counters and a histogram that cost a request next to nothing.

prometheus_client's own take a lock and go through checks at each step: a tenth of the time that the whole
judgement of a request may take. Here they are plain numbers, which a collector shows when a scrape asks. So
all counting belongs to one thread, the event loop's; scraping may happen in any.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Counts(Collector):
    """A family of counters. Whoever counts adds to `numbers`, by label values in the order of the labels."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        documentation: str,
        labels: tuple[str, ...],
        known: Iterable[tuple[str, ...]] = (),
    ) -> None:
        """Start those label values at 0 that are known beforehand, so that a first increase is seen."""
        self._name, self._documentation, self._labels = name, documentation, labels
        self.numbers: defaultdict[tuple[str, ...], int] = defaultdict(int, dict.fromkeys(known, 0))
        self._shown: Callable[[tuple[str, ...]], bool] = lambda _: True
        registry.register(self)

    def show_only(self, shown: Callable[[tuple[str, ...]], bool]) -> None:
        """Forget the counters for whose label values this is false, and show none such that is counted later.

        One that is counted nevertheless, by what began before, is forgotten at the next call.
        """
        for values in [values for values in self.numbers if not (self._shown(values) and shown(values))]:
            del self.numbers[values]
        self._shown = shown

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Give the registry the name."""
        return [CounterMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Show the numbers to a scrape."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        # A copy, because the event loop goes on counting while another thread scrapes.
        for values, number in self.numbers.copy().items():
            if self._shown(values):
                family.add_metric([_encodable(value) for value in values], number)
        return [family]


class KeptElsewhere(Collector):
    """A number that something else keeps, asked for at each scrape; None: there is none, and none is shown."""

    def __init__(
        self,
        registry: CollectorRegistry,
        family: type[CounterMetricFamily | GaugeMetricFamily],
        name: str,
        documentation: str,
        read: Callable[[], float | None],
    ) -> None:
        """Show what `read` returns; it is called in the thread that scrapes."""
        self._family, self._name, self._documentation, self._read = family, name, documentation, read
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Give the registry the name."""
        return [self._family(self._name, self._documentation, labels=())]

    def collect(self) -> Iterable[Metric]:
        """Show the number to a scrape."""
        number = self._read()
        if number is None:
            return []
        family = self._family(self._name, self._documentation, labels=())
        family.add_metric([], number)
        return [family]


def _encodable(value: str) -> str:
    # One name with half a surrogate pair in it would otherwise fail every scrape.
    return value.encode("utf-8", "backslashreplace").decode()


class Durations(Collector):
    """A histogram without labels."""

    def __init__(self, registry: CollectorRegistry, name: str, documentation: str, bounds: Sequence[float]) -> None:
        """Take the buckets' upper bounds in seconds, rising."""
        self._name, self._documentation, self._bounds = name, documentation, bounds
        self._numbers = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, seconds: float) -> None:
        """Count one duration in the first bucket whose upper bound it does not exceed."""
        self._numbers[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Give the registry the name."""
        return [HistogramMetricFamily(self._name, self._documentation)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Show the buckets to a scrape, each with all that the smaller ones hold."""
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._numbers.copy()), strict=True))
        return [HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)]
