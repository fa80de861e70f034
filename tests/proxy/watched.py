"""`orgfence` that says, on SIGUSR1, what it holds: a JSON line on stderr. Arguments: orgfence's own."""

import asyncio
import gc
import json
import os
import signal
from collections.abc import Callable
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.server import ConnectionHandler

from orgfence.cli import main


def _tell(*_: object) -> None:
    gc.collect()
    objects: list[Any] = gc.get_objects()
    kinds: dict[str, Callable[[Any], bool]] = {
        "flows": lambda it: isinstance(it, http.HTTPFlow),
        "streams": lambda it: isinstance(it, HttpStream),
        "clients": lambda it: isinstance(it, ConnectionHandler),
        "servers": lambda it: isinstance(it, Server),
    }
    counts = {name: sum(map(is_one, objects)) for name, is_one in kinds.items()}
    line = json.dumps({"event": "watched", "held": {**counts, "tasks": len(asyncio.all_tasks())}})
    os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell)
    main(prog_name="orgfence")
