"""`orgfence` that leaves its HTTP/2 clients three seconds for each step of the drain; arguments as for `orgfence`.

So a test that has to say something within a step comes in time on a machine that stands still for a moment.
"""

import sys
from pathlib import Path

from orgfence.cli import main
from orgfence.proxy.lifetime import draining


def launch(confdir: Path) -> list[str]:
    """Return the command that stands in for `orgfence run`, on free ports."""
    arguments = ["run", f"--set=confdir={confdir}", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"]
    return [sys.executable, __file__, *arguments]


if __name__ == "__main__":
    draining._NOTICE_SECONDS = 3.0
    main(prog_name="orgfence")
