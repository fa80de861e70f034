"""What the proxy's memory does with 10,000 open connections that have each had a request, and with as many again."""

import asyncio
import resource
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench import contenders
from tests.bench.curve import draw, sampling
from tests.bench.h2load import HOST
from tests.bench.parts import Run
from tests.bench.policies import SERVICE, token
from tests.bench.processes import open_files, status_bytes
from tests.bench.table import Row
from tests.bench.upstreams import taking

_AT_A_TIME = 50
# A port is free again for another pair of addresses.
_CLIENT_ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
#: What files other than connections the proxy has open, generously.
_OTHERS = 100
_KIB = 2**10
# A client's and upstream's connection: two sockets with their buffers in Python, and mitmproxy's layers.
_ALLOWANCE = 100
#: By how much more the second time may take.
_GROWTH = 1.05


class _Wave(NamedTuple):
    """The connections while they are open."""

    resident: float
    files: int
    seconds: float


def rows(run: Run) -> list[Row]:
    """Return the memory of that many connections, and what is left when they are closed."""
    count = 500 if run.quick else 10_000
    # Each takes two files of the proxy, as long as upstream keeps its side.
    lasting = min(count, _raise_limit(2 * count + _OTHERS) - count - _OTHERS)
    with (
        tempfile.TemporaryDirectory() as name,
        taking() as (upstream, _),
        contenders.orgfence(upstream, Path(name)) as proxy,
    ):
        pid = proxy.process.pid
        with sampling("resident memory", pid) as curve:
            files = open_files(pid)
            waves = []
            for number in ("first", "second"):
                curve.mark(number)
                waves.append(asyncio.run(_hold(proxy.process.port, count, lasting, pid)))
                _await_closed(pid, files)
            left = open_files(pid) - files
        answered = proxy.counted("forwarded")
    first, second = waves
    each = (first.resident - curve.start) / count * _KIB
    picture = draw([curve], f"{count:,} open connections, twice", run.pictures / "memory-connections.png")
    measured = (
        f"{curve.words()}; {each:.0f} KiB a connection, second time : first {second.resident / first.resident:.2f} ×; "
        f"{first.files - files:,} files while they are open, {left} more than before when they are closed; "
        f"opened in {first.seconds:.0f} s"
    )
    met = (
        answered == 2 * count and each <= _ALLOWANCE and left <= _OTHERS and second.resident <= _GROWTH * first.resident
    )
    what = f"{count:,} open connections, {lasting:,} of them with upstream's, twice"
    return [Row(what, measured, f"≤ {_ALLOWANCE} KiB each, second ≤ {_GROWTH} × first, and closed", met, picture)]


async def _hold(port: int, count: int, lasting: int, pid: int) -> _Wave:
    """Open so many connections, and see what the proxy takes for them; they are closed when this is over."""
    places = asyncio.Semaphore(_AT_A_TIME)

    async def open_one(number: int) -> asyncio.StreamWriter:
        async with places, asyncio.timeout(60):
            source = _CLIENT_ADDRESSES[number % len(_CLIENT_ADDRESSES)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), limit=4096)
            writer.write(_request("stay" if number < lasting else "leave"))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"answered by `{head.partition(b'\r\n')[0].decode()}`")
            await reader.readexactly(len(b"ok"))
            return writer

    began = time.monotonic()
    # Those that upstream leaves come first, so that there is room for the others.
    writers = await asyncio.gather(*(open_one(number) for number in reversed(range(count))))
    took = time.monotonic() - began
    await asyncio.sleep(5 if count > 1000 else 1)
    wave = _Wave(status_bytes(pid, "VmRSS") / 2**20, open_files(pid), took)
    for writer in writers:
        writer.close()
    return wave


def _request(query: str) -> bytes:
    target = f"{SERVICE}/acme/users?{query}"
    return f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()


def _await_closed(pid: int, files: int) -> None:
    deadline = time.monotonic() + 60
    while open_files(pid) > files and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)


def _raise_limit(files: int) -> int:
    """Let this process, and those that it starts, open so many files; return how many they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(files, hard), hard):
        # Only who is privileged may go above the hard limit.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return most
    return soft
