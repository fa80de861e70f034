"""Processes that are started, measured and stopped; no port and no folder outlives its block."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_DEADLINE = 30.0


class Running(NamedTuple):
    """A process that listens."""

    pid: int
    port: int


@contextmanager
def running(command: Sequence[str], port: int, environment: dict[str, str] | None = None) -> Iterator[Running]:
    """Run a command until the block ends, once it listens on this port of loopback."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            if not _listens(process, port):
                said.seek(0)
                last = said.read().strip().splitlines()[-1:] or ["it said nothing"]
                raise RuntimeError(f"`{' '.join(command)[:200]}` does not listen: {last[0]}")
            yield Running(process.pid, port)
            # By 0 it ends where it was asked to.
            if process.poll():
                raise RuntimeError(f"`{' '.join(command)[:200]}` has ended by itself: {process.returncode}")
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force if it takes its time."""
    # What is still in flight, such as a client that does not read, would be waited for.
    process.send_signal(signal.SIGINT if process.poll() is None else 0)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_DEADLINE)


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far, in all its threads."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except FileNotFoundError:
        # This kernel does not keep it to the nanosecond.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def status_bytes(pid: int, field: str) -> int:
    """Return a size from the process's status: `VmRSS`, or `VmHWM` for the most that it has been."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"no {field} in /proc/{pid}/status")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return True
    return False
