"""Ten minutes of everything at once: what is left is what was there before, and no request was lost or counted wrong.

    uv run pytest -m soak -s tests/system/test_soak.py

`ORGFENCE_SOAK_SECONDS` makes it longer or shorter.
"""

import logging
import os
import sys
from statistics import median

import pytest
from tests.proxy.guarding import GuardingProxy
from tests.proxy.harness import Upstream
from tests.proxy.holding import held, launch, settle
from tests.proxy.odd_upstream import OddUpstream
from tests.system.soaking import Clients, Samples, Seen, policy, run_for, sampling

SECONDS = float(os.environ.get("ORGFENCE_SOAK_SECONDS", "600"))


@pytest.mark.soak
def test_what_is_left_after_ten_minutes_of_mixed_traffic(caplog: pytest.LogCaptureFixture) -> None:
    """No fault, no complaint, counters that agree with the clients, memory and files as they were, nothing left."""
    # It tells of every write of upstream's to a client that has gone.
    caplog.set_level(logging.ERROR, "asyncio")
    with Upstream() as upstream, OddUpstream() as odd, GuardingProxy(upstream, policy(0), launcher=launch) as proxy:
        clients = Clients(proxy, odd)
        for act in clients.acts().values():
            act()
        before = held(proxy)
        with sampling(proxy, SECONDS / 400) as samples:
            run_for(SECONDS, clients)
        _tell(clients, samples)
        assert not clients.seen.complaints, "\n".join(clients.seen.complaints[:20])
        settle(proxy, before)
        _assert_counted(proxy, clients)
        assert "Traceback" not in proxy.output
    _assert_flat("MiB", samples.resident, 4.0)
    _assert_flat("open files", samples.files, 8.0)


def _assert_counted(proxy: GuardingProxy, clients: Clients) -> None:
    """What the proxy counted is exactly what the clients saw."""
    metrics, seen = proxy.metrics(), clients.seen
    assert not any(value for name, value in metrics.items() if name.startswith("orgfence_internal_errors_total"))
    for action in ("forwarded", "annotated", "blocked", "unmatched"):
        assert metrics[f'orgfence_requests_total{{action="{action}"}}'] == seen.total(action=action), action
    for result, count in clients.changes.items():
        assert metrics[f'orgfence_policy_reloads_total{{result="{result}"}}'] == count, result
    assert _outcomes_counted(dict(metrics)) == _outcomes_seen(seen)
    for rule in ("block", "annotate", "body"):
        counted = sum(
            value
            for name, value in metrics.items()
            if name.startswith("orgfence_decisions_total{") and f'rule="{rule}"' in name
        )
        assert counted == seen.total(rule=rule), rule


def _outcomes_counted(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name.startswith("orgfence_outcomes_total{") and value}


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


def _tell(clients: Clients, samples: Samples) -> None:
    quarter = max(1, len(samples.resident) // 4)

    def by_quarter(values: list[float]) -> str:
        return ", ".join(f"{median(values[start : start + quarter]):.0f}" for start in range(0, 4 * quarter, quarter))

    actions = ", ".join(
        f"{clients.seen.total(action=action):,} {action}"
        for action in ("forwarded", "annotated", "blocked", "unmatched")
    )
    sys.stdout.write(
        f"\n{SECONDS:.0f} s: {sum(clients.seen.requests.values()):,} requests ({actions}), changes {clients.changes}\n"
        f"by quarter: {by_quarter(samples.resident)} MiB, {by_quarter(samples.files)} open files\n"
    )
