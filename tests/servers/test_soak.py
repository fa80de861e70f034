"""The theorem, tried for as long as is asked for: `ORGFENCE_SOAK_SECONDS=7200 pytest -n0 -m soak -s tests/servers`."""

import itertools
import os
import time

import pytest
from tests.servers.running import Running
from tests.servers.theorem import SUBJECTS, hold

_SECONDS = float(os.environ.get("ORGFENCE_SOAK_SECONDS", "600"))
# A seed stands for so many examples of each subject: what fails is found again in a minute.
_EXAMPLES_A_SEED = 1000


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_no_server_reads_what_is_not_granted_for_hours(servers: Running) -> None:
    """The theorem holds with one seed after the other; the first is `ORGFENCE_SOAK_SEED`, or the time."""
    first = int(os.environ.get("ORGFENCE_SOAK_SEED", str(int(time.time()))))
    deadline = time.monotonic() + _SECONDS
    for seed in itertools.count(first):
        for subject in SUBJECTS:
            print(f"ORGFENCE_SOAK_SEED={seed}: {subject}", flush=True)  # noqa: T201 - what fails is tried again by it
            hold(servers, subject, _EXAMPLES_A_SEED, seed)
            if time.monotonic() > deadline:
                return
