"""Runs `orgfence` by many lists of arguments, each in a fork of a process that has already imported everything.

Reads a JSON list of lists of arguments, and writes a JSON list of exit codes, each with stdout and stderr. What most of
a start takes, importing mitmproxy, is so done once.
"""

import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from itertools import batched
from typing import IO

from orgfence.cli import main

_AT_ONCE = 4

type Started = tuple[int, IO[bytes], IO[bytes]]


def run_all(starts: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """Run them, a few at once, and return how each ended."""
    ended = []
    for some in batched(starts, _AT_ONCE):
        for pid, stdout, stderr in [_start(arguments) for arguments in some]:
            _, status = os.waitpid(pid, 0)
            ended.append((os.waitstatus_to_exitcode(status), _text(stdout), _text(stderr)))
    return ended


def _start(arguments: Sequence[str]) -> Started:
    stdout, stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - read when it has ended
    if pid := os.fork():
        return pid, stdout, stderr
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    os._exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    code = 70
    try:
        main(list(arguments), prog_name="orgfence")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:  # noqa: BLE001 - Python would show it at the end of a process; that is what must not be
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _text(written: IO[bytes]) -> str:
    with written:
        written.seek(0)
        return written.read().decode()


if __name__ == "__main__":
    for module in ("orgfence.cli.run", "mitmproxy.tools.web.master", "orgfence.proxy.content_view"):
        importlib.import_module(module)
    sys.stdout.write(json.dumps(run_all(json.load(sys.stdin))))
