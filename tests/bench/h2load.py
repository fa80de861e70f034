"""The load: h2load, one thread in C, which speaks HTTP/1.1 and HTTP/2 and notes how long each request took."""

import subprocess
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tests.bench.machine import program

HOST = "api.example.com"
#: How many requests are in flight at a time.
CONCURRENCY = 16
MISSING = "h2load is not here. Install nghttp2-client (Debian) or nghttp2"


class Protocol(NamedTuple):
    """What is spoken with the proxy."""

    name: str
    tls: bool
    http2: bool


PLAIN = Protocol("HTTP/1.1, plain", tls=False, http2=False)
TLS = Protocol("HTTP/1.1, TLS", tls=True, http2=False)
HTTP2 = Protocol("HTTP/2, TLS", tls=True, http2=True)


class Load(NamedTuple):
    """What a load has seen."""

    #: Requests a second.
    rate: float
    #: In milliseconds.
    p50: float
    p99: float


def load(port: int, protocol: Protocol, path: str, token: str, requests: int) -> Load:
    """Send so many requests and wait for their answers; raises if any is not a 200."""
    command = program("h2load")
    if command is None:
        raise RuntimeError(MISSING)
    # Four connections of four streams each, as a client that knows HTTP/2 makes; one a request at a time otherwise.
    ways = ["-c", "4", "-m", "4"] if protocol.http2 else ["--h1", "-c", str(CONCURRENCY)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        said = subprocess.run(
            [
                *(command, *ways, "-t", "1", "-n", str(requests), f"--log-file={log}"),
                *("-H", f"Authorization: Bearer {token}", "-H", "User-Agent: bench", "-H", "Accept-Encoding: gzip"),
                f"--connect-to=127.0.0.1:{port}",
                f"{'https' if protocol.tls else 'http'}://{HOST}{path}",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        lines = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    if len(lines) != requests or any(status != "200" for _, status, _ in lines):
        totals = [line for line in said.stdout.splitlines() if line.startswith(("requests:", "status codes:"))]
        raise RuntimeError(f"not all of {requests} requests were answered by 200: {'; '.join(totals) or said.stderr}")
    # The log has when each began and how long it took, in microseconds.
    begins = [int(line[0]) for line in lines]
    times = [int(line[2]) for line in lines]
    seconds = (max(begin + time for begin, time in zip(begins, times, strict=True)) - min(begins)) / 1e6
    return Load(requests / seconds, median(times) / 1e3, quantiles(times, n=100)[98] / 1e3)
