"""How long this machine keeps a process waiting that is ready to run, which no program on it can help."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Until its input ends it wakes up two hundred times a second, and looks by how much too late.
_SCRIPT = """
import select, sys, time
longest = 0.0
while True:
    due = time.monotonic() + 0.005
    if select.select([sys.stdin], [], [], 0.005)[0]:
        break
    longest = max(longest, time.monotonic() - due)
print(longest)
"""


class Stalls:
    """What was measured."""

    #: Seconds, of the longest one; 0 until the measuring has ended.
    longest = 0.0


@contextmanager
def measuring_stalls() -> Iterator[Stalls]:
    """Measure beside what goes on meanwhile, in a process of its own."""
    stalls = Stalls()
    with subprocess.Popen([sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield stalls
        finally:
            stalls.longest = float(process.communicate(timeout=30)[0])
