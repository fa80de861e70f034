"""What the proxy's memory does while a body of 1 GiB goes through it, or is refused."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.bench import contenders
from tests.bench.contenders import Orgfence
from tests.bench.curve import MIB, draw, sampling
from tests.bench.h2load import HOST
from tests.bench.parts import Run
from tests.bench.policies import SERVICE, token
from tests.bench.table import Row
from tests.bench.upstreams import taking

_BLOCK = bytes(256 * 1024)
#: What may be on its way in buffers; a body kept whole would be far beyond.
_ALLOWANCE = 32.0
_TIMEOUT = 120.0


def rows(run: Run) -> list[Row]:
    """Return the memory while each body goes through."""
    size = 64 * MIB if run.quick else 1024 * MIB
    cases: dict[str, Callable[[Orgfence], str]] = {
        "upload, allowed": lambda proxy: _upload(proxy, "acme", size, 200),
        "upload, blocked": lambda proxy: _upload(proxy, "initech", size, 403),
        "download, allowed": lambda proxy: _download(proxy, "acme", size, 200),
        "download, blocked": lambda proxy: _download(proxy, "initech", size, 403),
    }
    if shutil.which("curl"):
        cases["upload by HTTP/2, allowed"] = lambda proxy: _curl(proxy, size, upload=True)
        cases["download by HTTP/2, allowed"] = lambda proxy: _curl(proxy, size, upload=False)
    found = []
    with (
        tempfile.TemporaryDirectory() as name,
        taking() as (upstream, _),
        contenders.orgfence(upstream, Path(name)) as proxy,
    ):
        with sampling("all", proxy.process.pid) as whole:
            for what, transfer in cases.items():
                whole.mark(what)
                found.append(_row(f"{size // MIB:,} MiB {what}", transfer, proxy))
        picture = draw([whole], f"{size // MIB:,} MiB in one body", run.pictures / "memory-bodies.png")
    return [*found[:-1], found[-1]._replace(picture=picture)]


def _row(what: str, transfer: Callable[[Orgfence], str], proxy: Orgfence) -> Row:
    """Do one transfer; if it fails, that is its figure, and the others go on."""
    try:
        with sampling(what, proxy.process.pid) as curve:
            said = transfer(proxy)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return Row(what, f"failed: {error}")
    return Row(what, f"{curve.words()}; {said}", f"+ ≤ {_ALLOWANCE:.0f} MiB", curve.peak - curve.start <= _ALLOWANCE)


def _upload(proxy: Orgfence, org: str, size: int, expected: int) -> str:
    """Send all of a body, as a client does that does not look at the answer before its end."""
    started = time.monotonic()
    sent = 0
    with _connected(proxy) as client:
        client.sendall(_head("POST", f"{SERVICE}/{org}/upload", f"Content-Length: {size}\r\n"))
        with suppress(ConnectionError):
            while sent < size:
                client.sendall(_BLOCK)
                sent += len(_BLOCK)
        _expect(client, expected)
    took = f"{time.monotonic() - started:.1f} s"
    return took if sent == size else f"closed after {sent / MIB:.0f} MiB and {took}"


def _download(proxy: Orgfence, org: str, size: int, expected: int) -> str:
    started = time.monotonic()
    with _connected(proxy) as client:
        client.sendall(_head("GET", f"{SERVICE}/{org}/download?bytes={size}"))
        read = _expect(client, expected)
        while expected == 200 and read < size:
            data = client.recv(len(_BLOCK))
            if not data:
                raise RuntimeError(f"the answer ended after {read} of {size} bytes")
            read += len(data)
    return f"{time.monotonic() - started:.1f} s"


def _curl(proxy: Orgfence, size: int, *, upload: bool) -> str:
    started = time.monotonic()
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(size)
        how = ["-T", file.name] if upload else []
        path = f"{SERVICE}/acme/upload" if upload else f"{SERVICE}/acme/download?bytes={size}"
        said = subprocess.run(
            [
                *("curl", "-sk", "--http2", "--noproxy", "*", "-o", "/dev/null", *how),
                *("-w", "%{http_version} %{http_code} %{size_download}", "-H", f"Authorization: Bearer {token()}"),
                *("--connect-to", f"::127.0.0.1:{proxy.process.port}", f"https://{HOST}{path}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        ).stdout
    if said.split()[:2] != ["2", "200"] or not (upload or said.endswith(f" {size}")):
        raise RuntimeError(f"curl has seen `{said}`")
    return f"{time.monotonic() - started:.1f} s"


def _connected(proxy: Orgfence) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.process.port), _TIMEOUT)


def _head(method: str, path: str, more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token()}\r\n{more}\r\n".encode()


def _expect(client: socket.socket, status: int) -> int:
    """Read up to the end of the answer's head, and return how many bytes of its body have come with it."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = client.recv(65536)
        if not data:
            raise RuntimeError("no answer")
        answer += data
    if not answer.startswith(b"HTTP/1.1 %d" % status):
        raise RuntimeError(f"answered by `{answer.partition(b'\r\n')[0].decode()}` in place of {status}")
    return len(answer.partition(b"\r\n\r\n")[2])
