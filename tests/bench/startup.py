"""How long until `--help` is there and until a proxy listens, beside stock mitmdump; the two take turns."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench.peers import fail
from tests.bench.table import Row

_ROUNDS = 5


def startup_rows() -> list[Row]:
    """Return the medians."""
    orgfence, mitmdump = (str(Path(sys.executable).with_name(name)) for name in ("orgfence", "mitmdump"))
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"HOME": home}
        helps = [_seconds([orgfence, "--help"], environment) for _ in range(_ROUNDS)]
        ours, stock = [], []
        for _ in range(_ROUNDS):
            ours.append(
                _seconds_to_listen([orgfence, "run", "--admin", "127.0.0.1:0", "--listen"], "127.0.0.1:{}", environment)
            )
            stock.append(_seconds_to_listen([mitmdump, "-q", "--listen-host", "127.0.0.1", "-p"], "{}", environment))
    ratio = median(one / other for one, other in zip(ours, stock, strict=True))
    return [
        Row("`orgfence --help`", f"{median(helps):.2f} s", "≤ 0.3 s"),
        Row(
            "`orgfence run` listening : stock mitmdump listening",
            f"{ratio:.2f} × ({median(ours):.2f} s : {median(stock):.2f} s)",
            "≤ 1 ×",
        ),
    ]


def _seconds(arguments: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(arguments, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _seconds_to_listen(arguments: Sequence[str], address: str, environment: dict[str, str]) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*arguments, address.format(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - start < 20:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return time.perf_counter() - start
        return fail(f"`{' '.join(arguments)}` does not listen")
    finally:
        process.terminate()
        process.wait(10)
