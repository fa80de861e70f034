"""What a proxy holds: for tests about what is left behind."""

import signal
import sys
import time
from pathlib import Path

from tests.proxy import watched
from tests.proxy.guarding import GuardingProxy, json_line
from tests.proxy.harness import DEADLINE


def launch(confdir: Path) -> list[str]:
    """Return the command that stands in for `orgfence run`, on free ports."""
    return [
        sys.executable,
        watched.__file__,
        "run",
        f"--set=confdir={confdir}",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
    ]


def held(proxy: GuardingProxy) -> dict[str, int]:
    """Return what a proxy that was launched so holds: objects, tasks, open files."""
    seen = len(proxy.lines)
    proxy.signal(signal.SIGUSR1)
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        for line in proxy.lines[seen:]:
            if (event := json_line(line)).get("event") == "watched":
                files = len(list(Path(f"/proc/{proxy.pid}/fd").iterdir()))
                return {"files": files, **event["held"]}
        time.sleep(0.02)
    raise AssertionError("it said nothing")


def settle(proxy: GuardingProxy, before: dict[str, int]) -> None:
    """Wait until a proxy holds nothing that it did not hold before."""
    until = time.monotonic() + DEADLINE
    while True:
        left = held(proxy)
        if all(now <= before[name] for name, now in left.items()):
            return
        assert time.monotonic() < until, f"left behind: {left}, before: {before}"
        time.sleep(0.1)
