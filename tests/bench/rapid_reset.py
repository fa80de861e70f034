"""What one HTTP/2 client does to the others that begins 20,000 streams and resets each at once."""

import os
import select
import signal
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
from tests.bench import contenders
from tests.bench.contenders import Orgfence
from tests.bench.curve import sampling
from tests.bench.h2load import HOST
from tests.bench.parts import Run
from tests.bench.policies import PATH, token
from tests.bench.table import Row
from tests.bench.upstreams import taking
from tests.proxy.flooding import BEGINNING, Flood, reset

#: In MiB and seconds. A stream that is reset leaves nothing; the proxy waits up to 20 s for what is in flight.
_ALLOWANCE, _LONGEST_WAIT, _DRAIN = 16.0, 1.0, 20.0


def rows(run: Run) -> list[Row]:
    """Return how long others waited, how much memory it took, and how long the end takes afterwards."""
    count = 3_000 if run.quick else 20_000
    with (
        tempfile.TemporaryDirectory() as name,
        taking() as (upstream, _),
        contenders.orgfence(upstream, Path(name)) as proxy,
    ):
        with sampling("resident memory", proxy.process.pid) as curve, _Asking(proxy) as waits:
            _flood(proxy, count)
            time.sleep(2)
        judged = proxy.counted("forwarded") - len(waits.seconds)
        ended = _end(proxy.process.pid)
    what = f"{count:,} HTTP/2 requests that are reset at once"
    grown = curve.peak - curve.start
    longest = max(waits.seconds, default=0.0)
    wait = f"{longest:.2f} s in {len(waits.seconds)} requests"
    return [
        Row(f"{what}: longest wait of others", wait, f"≤ {_LONGEST_WAIT:g} s", longest <= _LONGEST_WAIT),
        Row(
            f"{what}: memory",
            f"{curve.words()}; {judged:,} were judged",
            f"+ ≤ {_ALLOWANCE:.0f} MiB",
            grown <= _ALLOWANCE,
        ),
        Row(f"{what}: SIGTERM to the end", f"{ended:.1f} s", f"≤ {_DRAIN:.0f} s", ended <= _DRAIN),
    ]


def _end(pid: int) -> float:
    """Send SIGTERM, and return after how many seconds the process has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        started = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        select.select([descriptor], [], [], 10 * _DRAIN)
        return time.monotonic() - started
    finally:
        os.close(descriptor)


class _Asking:
    """Has another client send a request every 20 ms, and notes how long each takes."""

    def __init__(self, proxy: Orgfence) -> None:
        self._url = f"http://127.0.0.1:{proxy.process.port}{PATH}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.seconds: list[float] = []

    def __enter__(self) -> "_Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        headers = {"Host": HOST, "Authorization": f"Bearer {token()}"}
        with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
            while not self._ended.wait(0.02):
                started = time.monotonic()
                client.get(self._url).raise_for_status()
                self.seconds.append(time.monotonic() - started)


def _flood(proxy: Orgfence, count: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    head = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", PATH.encode()), (b":authority", HOST.encode())]
    flood = Flood([*head, (b"authorization", f"Bearer {token()}".encode())])
    with (
        socket.create_connection(("127.0.0.1", proxy.process.port), 60) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as client,
        suppress(OSError),
    ):
        client.sendall(BEGINNING + flood.requests(count, reset))
        while client.recv(65_536):
            pass
