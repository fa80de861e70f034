"""Requests a second through stock mitmdump, the lean proxy without policy, and orgfence with its checks on."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench import contenders
from tests.bench.contenders import RULES, Upstream
from tests.bench.h2load import HTTP2, MISSING, PLAIN, TLS, Load, Protocol, load
from tests.bench.machine import program
from tests.bench.parts import Run
from tests.bench.policies import PATH, token
from tests.bench.processes import Running
from tests.bench.rounds import Turn, ratio, take_turns
from tests.bench.table import Row, at_least
from tests.bench.upstreams import answering

_STOCK = "stock mitmdump"
#: The hook table, and all else of mitmproxy as it is: what that alone is good for.
_HOOK_TABLE = "hook table alone, no policy"
#: With all that orgfence changes in mitmproxy, too: nothing but the checks is missing.
_UNGUARDED = "the same proxy, no policy"
_GUARDED = f"orgfence run, {RULES} rules"


def rows(run: Run) -> list[Row]:
    """Return requests a second of each, and their ratios, by each protocol."""
    if program("h2load") is None:
        return [Row("requests/s", f"skipped: {MISSING}")]
    found = []
    for protocol in (PLAIN, TLS, HTTP2):
        with tempfile.TemporaryDirectory() as name, answering(Path(name)) as (plain, tls):
            turns = _turns(protocol, tls if protocol.tls else plain, Path(name), run)
        found += _rows(protocol.name, turns)
    return found


def _turns(protocol: Protocol, upstream: Upstream, home: Path, run: Run) -> dict[str, list[Turn]]:
    bearer = token()
    sent = 0

    def apply_load(proxy: Running, requests: int) -> Load:
        nonlocal sent
        sent += requests if proxy == guarded.process else 0
        return load(proxy.port, protocol, PATH, bearer, requests)

    with ExitStack() as stack:
        guarded = stack.enter_context(contenders.orgfence(upstream, home))
        proxies = {
            _STOCK: stack.enter_context(contenders.stock(upstream, home)),
            _HOOK_TABLE: stack.enter_context(contenders.lean(upstream, home, mended=False)),
            _UNGUARDED: stack.enter_context(contenders.lean(upstream, home)),
            _GUARDED: guarded.process,
        }
        rounds, requests = (2, 500) if run.quick else (7, 6_000)
        turns = take_turns(proxies, apply_load, rounds, dict.fromkeys(proxies, requests))
        if (judged := guarded.counted("forwarded")) != sent:
            raise RuntimeError(f"orgfence allowed {judged} of {sent} requests: what was measured was not its checks")
    return turns


def _rows(protocol: str, turns: dict[str, list[Turn]]) -> list[Row]:
    found = []
    for name, each in turns.items():
        rate = median(turn.load.rate for turn in each)
        p50 = median(turn.load.p50 for turn in each)
        p99 = median(turn.load.p99 for turn in each)
        processor = median(turn.processor for turn in each)
        measured = f"{rate:,.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {processor:.0f} µs of processor"
        found.append(Row(f"{protocol}: {name}", measured))
    targets = {_STOCK: 1.8, _UNGUARDED: 0.92}
    for other in (_STOCK, _HOOK_TABLE, _UNGUARDED):
        by_rate = ratio(turns[_GUARDED], turns[other], lambda turn: turn.load.rate)
        by_processor = ratio(turns[other], turns[_GUARDED], lambda turn: turn.processor)
        what, more = f"{protocol}: {_GUARDED} : {other}", f" ({by_processor:.2f} × by processor time)"
        least = targets.get(other)
        found.append(Row(what, f"{by_rate:.2f} ×{more}") if least is None else at_least(what, by_rate, least, more))
    return found
