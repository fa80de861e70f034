"""Ten minutes of everything at once, attacks too: nothing is left, and no request was lost, late or counted wrong.

    uv run pytest -n0 -m soak -s tests/system/test_soak.py

`ORGFENCE_SOAK_SECONDS` makes it longer or shorter.
"""

import logging
import os
import sys
from collections.abc import Mapping
from statistics import median

import pytest
from tests.proxy.guarding import GuardingProxy
from tests.proxy.harness import Upstream
from tests.proxy.holding import held, launch, settle
from tests.proxy.odd_upstream import OddUpstream
from tests.proxy.tunnelling import RawServer, echo
from tests.system.hostile_soaking import Attackers
from tests.system.soaking import Clients, Samples, Seen, policy, run_for, sampling
from tests.system.stalls import Stalls, measuring_stalls

SECONDS = float(os.environ.get("ORGFENCE_SOAK_SECONDS", "600"))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_what_is_left_after_ten_minutes_of_mixed_traffic(caplog: pytest.LogCaptureFixture) -> None:
    """No fault, no complaint, counters that agree with the clients, memory and files as they were, nothing left."""
    # It tells of every write of upstream's to a client that has gone.
    caplog.set_level(logging.ERROR, "asyncio")
    with (
        Upstream() as upstream,
        OddUpstream() as odd,
        RawServer(echo) as unguarded,
        GuardingProxy(upstream, policy(0), launcher=launch) as proxy,
    ):
        clients = Clients(proxy, odd)
        attackers = Attackers(proxy, unguarded, clients.seen)
        acts = clients.acts() | attackers.acts()
        for act in acts.values():
            act()
        before = held(proxy)
        clients.seen.slowest = 0.0
        with measuring_stalls() as stalls, sampling(proxy, SECONDS / 400) as samples:
            run_for(SECONDS, acts, clients.seen)
        _tell(clients, samples, stalls)
        assert not clients.seen.complaints, "\n".join(clients.seen.complaints[:20])
        settle(proxy, before)
        _assert_counted(proxy, clients, attackers)
        assert "Traceback" not in proxy.output
    # What the machine itself keeps waiting is not for the proxy to answer.
    assert clients.seen.slowest <= 1.0 + stalls.longest
    _assert_flat("MiB", samples.resident, 4.0)
    _assert_flat("open files", samples.files, 8.0)


def _assert_counted(proxy: GuardingProxy, clients: Clients, attackers: Attackers) -> None:
    """What the proxy counted is exactly what the clients saw; of a stream that they reset at once they see nothing."""
    metrics, seen = proxy.metrics(), clients.seen
    assert not any(value for name, value in metrics.items() if name.startswith("orgfence_internal_errors_total"))
    unseen = _decisions(metrics, "reset")
    assert unseen <= attackers.resets
    for action in ("forwarded", "annotated", "blocked", "unmatched"):
        counted = metrics[f'orgfence_requests_total{{action="{action}"}}'] - unseen * (action == "forwarded")
        assert counted == seen.total(action=action), action
    unjudged = metrics['orgfence_requests_total{action="unjudged"}'] - seen.total(action="unjudged")
    assert 0 <= unjudged <= attackers.resets - unseen
    for result, count in clients.changes.items():
        assert metrics[f'orgfence_policy_reloads_total{{result="{result}"}}'] == count, result
    assert _outcomes_counted(dict(metrics)) == _outcomes_seen(seen)
    for rule in ("block", "annotate", "body", "cookie", "query"):
        assert _decisions(metrics, rule) == seen.total(rule=rule), rule
    assert metrics["orgfence_held_body_bytes"] == 0


def _decisions(metrics: Mapping[str, float], rule: str) -> float:
    return sum(
        value
        for name, value in metrics.items()
        if name.startswith("orgfence_decisions_total{") and f'rule="{rule}"' in name
    )


def _outcomes_counted(metrics: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if name.startswith("orgfence_outcomes_total{") and value and 'rule="reset"' not in name
    }


def _outcomes_seen(seen: Seen) -> dict[str, float]:
    outcomes: dict[str, float] = {}
    for judged, count in seen.requests.items():
        if judged.rule is not None and judged.status is not None:
            verdict = "mismatch" if judged.action == "annotated" else "allow"
            name = f'orgfence_outcomes_total{{rule="{judged.rule}",status="{judged.status}",verdict="{verdict}"}}'
            outcomes[name] = outcomes.get(name, 0) + count
    return outcomes


def _assert_flat(what: str, values: list[float], allowance: float) -> None:
    """In the second half the last of it is no more than the first of it."""
    quarter = len(values) // 4
    third, fourth = median(values[2 * quarter : 3 * quarter]), median(values[3 * quarter :])
    assert fourth <= third + allowance, f"{what} grew from {third:.1f} to {fourth:.1f} in the second half"


def _tell(clients: Clients, samples: Samples, stalls: Stalls) -> None:
    quarter = max(1, len(samples.resident) // 4)

    def by_quarter(values: list[float]) -> str:
        return ", ".join(f"{median(values[start : start + quarter]):.0f}" for start in range(0, 4 * quarter, quarter))

    actions = ", ".join(
        f"{clients.seen.total(action=action):,} {action}"
        for action in ("forwarded", "annotated", "blocked", "unmatched", "unjudged")
    )
    sys.stdout.write(
        f"\n{SECONDS:.0f} s: {sum(clients.seen.requests.values()):,} requests ({actions}), changes {clients.changes}\n"
        f"the slowest ordinary request took {clients.seen.slowest:.2f} s; "
        f"the machine kept another process waiting for {stalls.longest:.2f} s\n"
        f"by quarter: {by_quarter(samples.resident)} MiB, {by_quarter(samples.files)} open files\n"
    )
