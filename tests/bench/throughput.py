"""Requests a second through stock mitmdump, the lean proxy without a policy, and with checks, taking turns."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from tests.bench.peers import fail, load, upstream
from tests.bench.policies import PATH, policy, token
from tests.bench.table import Row

_ROUNDS = 5
_SECONDS = 4.0
_RULES = 100
_STOCK, _LEAN, _GUARDED = "stock mitmdump", "lean proxy, no policy", "orgfence run, 100 rules"


def throughput_rows() -> list[Row]:
    """Return requests a second of each, and their ratios, from one run; reverse mode, HTTP/1.1 keep-alive."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mode = f"reverse:http://127.0.0.1:{stack.enter_context(upstream())}"
        file = folder / "policy.yaml"
        file.write_bytes(policy(_RULES))
        commands = {
            _STOCK: lambda port: [_script("mitmdump"), "-q", "--mode", mode, "--listen-host", "127.0.0.1", "-p", port],
            _LEAN: lambda port: [sys.executable, "-m", "tests.bench.lean_proxy", mode, port],
            _GUARDED: lambda port: [
                *(sys.executable, "-m", "orgfence", "run", "--policy", str(file), "--mode", mode),
                *("--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"),
            ],
        }
        environment = os.environ | {"HOME": str(folder)}
        ports = {name: stack.enter_context(_proxy(command, environment)) for name, command in commands.items()}
        request = (
            f"GET {PATH} HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n"
            f"Accept-Encoding: gzip\r\nAuthorization: Bearer {token()}\r\n\r\n"
        ).encode()
        for port in ports.values():
            load(port, request, 1.0)
        rounds = [{name: load(port, request, _SECONDS) for name, port in ports.items()} for _ in range(_ROUNDS)]
    return _rows(rounds)


def _rows(rounds: list[dict[str, list[float]]]) -> list[Row]:
    rows = []
    for name in (_STOCK, _LEAN, _GUARDED):
        rate = median(len(each[name]) / _SECONDS for each in rounds)
        p50 = median(median(each[name]) for each in rounds) * 1000
        p99 = median(quantiles(each[name], n=100)[98] for each in rounds) * 1000
        rows.append(Row(name, f"{rate:,.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms"))
    for other, budget in ((_STOCK, "≥ 1.8 ×"), (_LEAN, "≥ 0.92 ×")):
        ratio = median(len(each[_GUARDED]) / len(each[other]) for each in rounds)
        rows.append(Row(f"{_GUARDED} : {other}", f"{ratio:.2f} ×", budget))
    return rows


@contextmanager
def _proxy(command: object, environment: dict[str, str]) -> Iterator[int]:
    """Run a proxy on a free port, its output thrown away."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert callable(command)
    arguments: list[str] = command(str(port))
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(process, port, arguments)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _await_port(process: subprocess.Popen[bytes], port: int, arguments: list[str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    fail(f"`{' '.join(arguments)}` does not listen")


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
