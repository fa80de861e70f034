"""What the check of one org adds to a request, in processor time, beside what it adds to peers.

Each proxy is compared with itself without the check. The peers verify the signature, which orgfence does not do yet;
orgfence compares with 100 rules and in every reading of the path, where the peers have one rule and read it once.
"""

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import httpx
from tests.bench import contenders
from tests.bench import envoy as envoy_peer
from tests.bench import haproxy as haproxy_peer
from tests.bench.contenders import Upstream
from tests.bench.h2load import HOST, MISSING, PLAIN, Load, load
from tests.bench.machine import program
from tests.bench.parts import Run
from tests.bench.policies import FOREIGN_PATH, PATH, signed_token
from tests.bench.processes import Running
from tests.bench.rounds import Turn, difference, take_turns
from tests.bench.table import Row
from tests.bench.upstreams import answering

_OURS = "orgfence, cached token"
_ENVOY, _ENVOY_CACHING = "Envoy, jwt_authn + Lua", "Envoy, the same with its cache of tokens"
_HAPROXY = "HAProxy, jwt_verify + jwt_payload_query"
_ENVOYS, _HAPROXYS = (_ENVOY, _ENVOY_CACHING), (_HAPROXY,)


def rows(run: Run) -> list[Row]:
    """Return what each adds, and whether ours is the least."""
    if program("h2load") is None:
        return [Row("a check adds", f"skipped: {MISSING}")]
    bearer = signed_token()
    with tempfile.TemporaryDirectory() as name, answering(Path(name)) as (upstream, _), ExitStack() as stack:
        home = Path(name)
        lean = stack.enter_context(contenders.lean(upstream, home))
        guarded = stack.enter_context(contenders.orgfence(upstream, home)).process
        _assert_checks(guarded, bearer)
        pairs = {_OURS: (lean, guarded)}
        notes = []
        for names, start in ((_ENVOYS, _envoys), (_HAPROXYS, _haproxys)):
            try:
                plain, *checking = start(stack, upstream, home)
                for process in checking:
                    _assert_checks(process, bearer)
            except (RuntimeError, httpx.HTTPError) as error:
                notes.append(Row(f"added by a check: {names[0]}", f"skipped: {error}"))
            else:
                pairs.update((name, (plain, process)) for name, process in zip(names, checking, strict=True))
        return [*_rows(pairs, bearer, run), *notes]


def _envoys(stack: ExitStack, upstream: Upstream, home: Path) -> list[Running]:
    if not envoy_peer.is_here():
        raise RuntimeError(envoy_peer.MISSING)
    kinds: tuple[dict[str, bool], ...] = ({"checking": False}, {"checking": True}, {"checking": True, "caching": True})
    return [stack.enter_context(envoy_peer.envoy(upstream, home, **kind)) for kind in kinds]


def _haproxys(stack: ExitStack, upstream: Upstream, home: Path) -> list[Running]:
    if not haproxy_peer.is_here():
        raise RuntimeError(haproxy_peer.MISSING)
    return [stack.enter_context(haproxy_peer.haproxy(upstream, home, checking=checking)) for checking in (False, True)]


def _rows(pairs: dict[str, tuple[Running, Running]], bearer: str, run: Run) -> list[Row]:
    proxies: dict[str, Running] = {}
    requests: dict[str, int] = {}
    # Peers in C answer ten times the requests, and need as many for a figure as sharp.
    ours, theirs = (500, 4_000) if run.quick else (8_000, 60_000)
    for name, pair in pairs.items():
        for proxy in pair:
            proxies[str(proxy.port)] = proxy
            requests[str(proxy.port)] = ours if name == _OURS else theirs
    turns = take_turns(proxies, partial(_apply_load, bearer), 2 if run.quick else 11, requests)
    by_pair = {name: (turns[str(without.port)], turns[str(with_.port)]) for name, (without, with_) in pairs.items()}
    added = {name: difference(with_, without) for name, (without, with_) in by_pair.items()}
    # Envoy does not keep tokens unless it is told to: what it can be brought to is shown, and no target.
    least = min((added[name] for name in (_ENVOY, _HAPROXY) if name in added), default=None)
    return [
        Row(
            f"added by a check: {name}",
            f"{added[name]:.1f} µs of processor a request ({_micros(with_)} with it, {_micros(without)} without)",
            f"< {least:.1f} µs" if name == _OURS and least is not None else "",
            added[name] < least if name == _OURS and least is not None else None,
        )
        for name, (without, with_) in by_pair.items()
    ]


def _apply_load(bearer: str, proxy: Running, requests: int) -> Load:
    return load(proxy.port, PLAIN, PATH, bearer, requests)


def _assert_checks(proxy: Running, bearer: str) -> None:
    """See that a proxy lets the right org through and no other."""
    for path, expected in ((PATH, 200), (FOREIGN_PATH, 403)):
        fields = {"Host": HOST, "Authorization": f"Bearer {bearer}"}
        got = httpx.get(f"http://127.0.0.1:{proxy.port}{path}", headers=fields, trust_env=False).status_code
        if got != expected:
            raise RuntimeError(f"it answers {got} where {expected} is right: it does not check")


def _micros(turns: list[Turn]) -> str:
    return f"{median(turn.processor for turn in turns):.1f}"
