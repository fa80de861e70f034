"""What goes wrong around the process: it goes on judging, and is itself again afterwards."""

import json
import os
import pty
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.proxy.guarding import ISS, POLICY, authorized, free_port, wait_until
from tests.proxy.harness import DEADLINE, START_DEADLINE, Address, RawClient, Upstream, unsigned_token

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class Running(NamedTuple):
    """An `orgfence run` that nobody listens to."""

    process: subprocess.Popen[bytes]
    address: Address
    admin: Address

    def status(self, org: str, authorization: bytes | None = None) -> int:
        """Return what a request about this org is answered, on a connection of its own."""
        with RawClient(self.address) as client:
            field = (b"Authorization", authorization) if authorization else authorized("acme")
            rule = "strict" if authorization else "block"
            target = f"GET /api/{rule}/{org}/x HTTP/1.1\r\nHost: localhost\r\n".encode()
            client.send(target + b"%s: %s\r\n\r\n" % field)
            return client.read_answer().status

    def metrics(self) -> str:
        """Return what a scrape gets."""
        return httpx.get("http://%s:%d/metrics" % self.admin, trust_env=False, timeout=DEADLINE).text

    def assert_it_judges(self) -> None:
        """Wrong orgs are blocked, right ones get through."""
        assert [self.status(org) for org in ("acme", "globex") * 20] == [200, 403] * 20


@contextmanager
def running(
    upstream: Upstream,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
    **streams: Any,
) -> Iterator[Running]:
    """Run orgfence in front of upstream's plain port, with these standard streams."""
    policy = folder / "policy.yaml"
    policy.write_text(POLICY)
    address, admin = (("127.0.0.1", free_port()) for _ in range(2))
    arguments = ["--policy", str(policy), "--set", f"confdir={folder}/confdir", "--mode", f"reverse:{upstream.url}"]
    places = ["--listen", "%s:%d" % address, "--admin", "%s:%d" % admin, "--drain", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "orgfence", "run", *arguments, *places],
        env={**os.environ, **(environment or {})},
        preexec_fn=prepare,  # noqa: PLW1509 - it makes one system call, and takes no lock
        **streams,
    )
    try:
        until = time.monotonic() + START_DEADLINE
        while True:
            with suppress(OSError):
                socket.create_connection(address, 1).close()
                break
            assert process.poll() is None, f"it ended by {process.returncode}"
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.05)
        yield Running(process, address, admin)
        process.terminate()
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def _close_streams() -> None:
    for number in (0, 1, 2):
        os.close(number)


def test_closed_standard_streams(upstream: Upstream, tmp_path: Path) -> None:
    """As some supervisors start their programs; no socket of ours gets the number of one, to be written to."""
    with running(upstream, tmp_path, prepare=_close_streams) as proxy:
        proxy.assert_it_judges()


def test_a_full_disk(upstream: Upstream, tmp_path: Path) -> None:
    """The log goes to a file for which there is no space."""
    with Path("/dev/full").open("wb") as full, running(upstream, tmp_path, stdout=full, stderr=full) as proxy:
        proxy.assert_it_judges()


def test_a_dead_log_pipe(upstream: Upstream, tmp_path: Path) -> None:
    """Whoever read the log has gone; so has the log, and nothing else."""
    with running(upstream, tmp_path, stderr=subprocess.PIPE) as proxy:
        assert proxy.status("globex") == 403
        assert proxy.process.stderr is not None
        proxy.process.stderr.close()
        proxy.assert_it_judges()


def test_a_log_that_nobody_reads(upstream: Upstream, tmp_path: Path) -> None:
    """A full pipe takes no more lines: those that come are dropped, and requests do not wait for it."""
    with running(upstream, tmp_path, stderr=subprocess.PIPE) as proxy:
        assert proxy.process.stderr is not None
        with RawClient(proxy.address) as client:
            for number in range(1500):
                path = b"/api/block/globex-%d/x" % number
                client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % (path, *authorized("acme")))
                assert client.read_answer().status == 403
        proxy.assert_it_judges()
        proxy.process.stderr.close()


def test_a_terminal_that_nobody_reads(upstream: Upstream, tmp_path: Path) -> None:
    """It takes a few lines, and then not one byte more: requests and `/healthz` go on, and lost lines are counted."""
    reader, terminal = pty.openpty()
    with running(upstream, tmp_path, stdout=terminal, stderr=terminal) as proxy:
        os.close(terminal)
        with RawClient(proxy.address) as client:
            for number in range(1500):
                path = b"/api/block/globex-%d-%s/x" % (number, b"x" * 600)
                client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\n\r\n" % (path, *authorized("acme")))
                assert client.read_answer().status == 403
        assert httpx.get("http://%s:%d/healthz" % proxy.admin, trust_env=False, timeout=DEADLINE).text == "ok\n"
        proxy.assert_it_judges()
        assert re.search(r"^orgfence_log_lines_lost_total [1-9]", proxy.metrics(), re.MULTILINE)
    # It has ended although its last lines are still not read.
    os.close(reader)


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
def test_a_clock_that_jumps(upstream: Upstream, tmp_path: Path) -> None:
    """A token's lifetime goes by the clock on the wall, wherever it jumps; nothing else does."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    claims = {"iss": ISS, "org_ids": ["acme"], "scope": "write", "exp": int(time.time()) + 3600}
    hour = b"Bearer " + unsigned_token(**claims).encode()
    with running(upstream, tmp_path, environment=faked, stderr=subprocess.DEVNULL) as proxy:
        found = []
        for jump in ("+0", "+2h", "+0", "-10y", "+30y", "+0"):
            clock.write_text(jump)
            found.append(proxy.status("acme", hour))
            assert proxy.status("globex", hour) == 403
        assert found == [200, 401, 200, 200, 401, 200]


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _is_answered(proxy: Running) -> bool:
    with suppress(OSError):
        return proxy.status("acme") == 200
    return False


def test_out_of_file_descriptors(upstream: Upstream, tmp_path: Path) -> None:
    """More clients than it may have files: some wait, none gets through unjudged, and then it goes on."""
    log = tmp_path / "log"
    with log.open("wb") as stderr, running(upstream, tmp_path, prepare=_few_files, stderr=stderr) as proxy:
        with ExitStack() as clients:
            for _ in range(120):
                with suppress(OSError):
                    clients.enter_context(socket.create_connection(proxy.address, 1))
            wait_until(lambda: "file descriptors" in log.read_text())
        wait_until(lambda: _is_answered(proxy))
        proxy.assert_it_judges()
        assert 'action="blocked"' in proxy.metrics()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    said = [line for line in lines if "file descriptors" in json.dumps(line)]
    # Once, not for each client.
    assert 1 <= len(said) <= 3, "\n".join(json.dumps(line)[:400] for line in lines)
