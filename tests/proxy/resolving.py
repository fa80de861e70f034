"""`orgfence` where every name under `.test` is this machine; arguments as for `orgfence`.

`after-2.rebinding.test` is so only from the third time on that it is asked for; before that it is somewhere else.
"""

import re
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from orgfence.cli import main

#: Of TEST-NET-2 (RFC 5737): nobody has it.
ELSEWHERE = "198.51.100.9"

_REBINDING = re.compile(r"after-(\d+)\.rebinding\.test")
_asked: Counter[str] = Counter()
_getaddrinfo = socket.getaddrinfo


def resolving_command(confdir: Path) -> list[str]:
    """Return the command that runs this, for a proxy with this confdir."""
    arguments = ["run", "--set", f"confdir={confdir}", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    return [sys.executable, __file__, *arguments]


def _resolve(host: Any, *arguments: Any, **more: Any) -> Any:
    name = host.lower().rstrip(".") if isinstance(host, str) else ""
    if name.endswith(".test"):
        host = "127.0.0.1"
    if match := _REBINDING.fullmatch(name):
        _asked[name] += 1
        host = "127.0.0.1" if _asked[name] > int(match[1]) else ELSEWHERE
    return _getaddrinfo(host, *arguments, **more)


if __name__ == "__main__":
    socket.getaddrinfo = _resolve
    main(prog_name="orgfence")
