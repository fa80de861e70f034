"""The proxies that are compared, each before the same upstream in reverse mode."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from tests.bench import policies
from tests.bench.processes import Running, free_port, running

RULES = 100


class Upstream(NamedTuple):
    """What stands behind the proxies."""

    url: str
    #: The CA of its certificate, where it has one.
    ca_file: Path | None = None

    @property
    def trusting(self) -> list[str]:
        """The options of mitmproxy by which it is trusted."""
        return ["--set", f"ssl_verify_upstream_trusted_ca={self.ca_file}"] if self.ca_file else []


class Orgfence(NamedTuple):
    """A running `orgfence run`."""

    process: Running
    admin: int

    def counted(self, action: str) -> int:
        """Return how many requests had this action."""
        text = httpx.get(f"http://127.0.0.1:{self.admin}/metrics", trust_env=False).text
        name = f'orgfence_requests_total{{action="{action}"}} '
        return round(sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)))


@contextmanager
def stock(upstream: Upstream, home: Path) -> Iterator[Running]:
    """Run `mitmdump` with no addon."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("mitmdump")), "-q", "--mode", f"reverse:{upstream.url}"]
    listening = ["--listen-host", "127.0.0.1", "-p", str(port)]
    with running([*command, *listening, *upstream.trusting], port, {"HOME": str(home)}) as process:
        yield process


@contextmanager
def lean(upstream: Upstream, home: Path, *, mended: bool = True) -> Iterator[Running]:
    """Run the lean proxy without a policy, with orgfence's own HTTP or with mitmproxy's."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tests.bench.lean_proxy",
        "mended" if mended else "bare",
        f"reverse:{upstream.url}",
        str(port),
    ]
    trusting = [str(upstream.ca_file)] if upstream.ca_file else []
    with running([*command, *trusting], port, {"HOME": str(home)}) as process:
        yield process


@contextmanager
def orgfence(
    upstream: Upstream, home: Path, arguments: Sequence[str] = (), *, policy: bytes | None = None
) -> Iterator[Orgfence]:
    """Run `orgfence run` by a policy, by default one of 100 rules, which the benchmarks' requests comply with."""
    file = home / "policy.yaml"
    file.write_bytes(policies.policy(RULES) if policy is None else policy)
    port, admin = free_port(), free_port()
    command = [sys.executable, "-m", "orgfence", "run", "--policy", str(file), "--mode", f"reverse:{upstream.url}"]
    listening = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    with running([*command, *listening, *upstream.trusting, *arguments], port, {"HOME": str(home)}) as process:
        yield Orgfence(process, admin)
