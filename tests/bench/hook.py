"""What the hook adds to a request, in this process, by number of rules; and what the first sight of a token costs."""

import time
import timeit
from statistics import median, quantiles

import jwt
from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.proxy.mode_specs import ProxyMode
from tests.bench.parts import Run
from tests.bench.policies import PATH, policy, token
from tests.bench.table import Row, at_most
from tests.guarding import load

from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics
from orgfence.proxy.addon import STREAM_ABOVE, Orgfence
from orgfence.proxy.reporter import Reporter

_ROUNDS = 7
_FLOWS = 3_000
_SIZES = (10, 100, 1_000, 10_000)


def rows(run: Run) -> list[Row]:
    """Return the hook's times, and that of a token's first sight."""
    rounds = 2 if run.quick else _ROUNDS
    return [*_hook_rows(rounds), _first_sight_row(rounds)]


def _hook_rows(rounds: int) -> list[Row]:
    """Time `requestheaders` on fresh flows that carry one token; the numbers of rules take turns."""
    bearer = token()
    alone: list[list[float]] = []
    guards = {size: _guard(load(policy(size), f"{size} rules")) for size in _SIZES}
    samples: dict[int, list[list[float]]] = {size: [] for size in _SIZES}
    for _ in range(rounds):
        for size, guard in guards.items():
            samples[size].append(_time(guard, bearer))
        alone.append(_time(guards[100], bearer, reconnecting=True))
    medians = {size: median(median(round_) for round_ in samples[size]) for size in _SIZES}
    p99 = {size: median(quantiles(round_, n=100)[98] for round_ in samples[size]) for size in _SIZES}
    found = [_row(size, medians[size], p99[size]) for size in _SIZES]
    found.append(Row("hook, 100 rules, a connection each", f"p50 {median(median(round_) for round_ in alone):.1f} µs"))
    return [*found, at_most("hook, 10,000 rules : 10 rules", medians[10_000] / medians[10], 1.5)]


def _first_sight_row(rounds: int) -> Row:
    """Compare the first read of a token with PyJWT's own, unverified."""
    ruleset = load(policy(10), "10 rules")
    raw = [token(f"subject-{number}").encode() for number in range(2_000)]
    ours, theirs = [], []
    for _ in range(rounds):
        cache = TokenCache()
        ours.append(timeit.timeit(lambda c=cache: [ruleset.tokens.read(each, "corp", c) for each in raw], number=1))  # type: ignore[misc]
        theirs.append(
            timeit.timeit(lambda: [jwt.decode(each, options={"verify_signature": False}) for each in raw], number=1)
        )
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    micros = median(ours) / len(raw) * 1e6
    return at_most("first sight of a JWT : PyJWT's decode", ratio, 1.5, f" ({micros:.1f} µs)")


def _row(rules: int, p50: float, p99: float) -> Row:
    what, measured = f"hook, {rules:,} rules", f"p50 {p50:.1f} µs, p99 {p99:.1f} µs"
    if rules == 100:
        return Row(what, measured, "p50 ≤ 20 µs, p99 ≤ 100 µs", p50 <= 20 and p99 <= 100)
    return Row(what, measured)


def _guard(ruleset: Ruleset) -> Orgfence:
    reporter = Reporter(Metrics(), InspectionLog(console=False))
    return Orgfence(ruleset, reporter, stream_above=STREAM_ABOVE)


def _time(guard: Orgfence, bearer: str, *, reconnecting: bool = False) -> list[float]:
    """Return the microseconds of each call."""
    kept = _client()
    flows = [_flow(_client() if reconnecting else kept, bearer) for _ in range(_FLOWS)]
    hook, clock = guard.requestheaders, time.perf_counter_ns
    times = []
    for flow in flows:
        start = clock()
        hook(flow)
        times.append((clock() - start) / 1000)
    assert all(flow.response is None for flow in flows)
    return times


def _client() -> Client:
    """Return the connection of a client in forward mode, which it keeps for many requests."""
    client = Client(peername=("127.0.0.1", 50_000), sockname=("127.0.0.1", 8080), proxy_mode=ProxyMode.parse("regular"))
    client.sni = "api.example.com"
    return client


def _flow(client: Client, bearer: str) -> http.HTTPFlow:
    """Return what mitmproxy makes of a request, with the headers of a common client."""
    flow = http.HTTPFlow(client, Server(address=("api.example.com", 443)), live=True)
    headers = http.Headers(
        [
            (b"Host", b"api.example.com"),
            (b"User-Agent", b"python-httpx/0.28.1"),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"gzip, deflate, br"),
            (b"Connection", b"keep-alive"),
            (b"Authorization", b"Bearer " + bearer.encode()),
            (b"Content-Type", b"application/json"),
            (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            (b"X-Request-Id", b"7b0f2a4e"),
        ]
    )
    flow.request = http.Request(
        "api.example.com", 443, b"GET", b"https", b"", PATH.encode(), b"HTTP/1.1", headers, b"", None, 0.0, 0.0
    )
    return flow
