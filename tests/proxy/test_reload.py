"""Policies that change while traffic flows: nothing fails, nothing is lost, nothing goes unguarded.

A thousand changes of a real proxy under load take some minutes, so they run only when asked for:

    uv run pytest -n0 -m soak -s tests/proxy/test_reload.py
"""

import asyncio
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest
from tests.guarding import bearer, request_of, said
from tests.proxy import often_reloading
from tests.proxy.changing import (
    ALLOWED,
    BLOCKED,
    Clients,
    Volume,
    clients,
    texts,
    write_in_halves,
    write_over,
)
from tests.proxy.guarding import (
    FORWARD_H1,
    REVERSE_PLAIN,
    GuardingProxy,
    address_of,
    authorized,
    free_port,
    paths_of,
    wait_until,
)
from tests.proxy.harness import DEADLINE, Address, ProxyProcess, RawClient, Upstream

from orgfence.core.ruleset import Ruleset
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics
from orgfence.policy_source.files import open_policy, read_policy
from orgfence.policy_source.in_force import PolicyInForce

#: From the last write to the first request that is judged by it: two seconds, and as many as a busy machine may take.
LIVE_WITHIN = 10.0


def readiness(admin: Address) -> dict[str, Any]:
    """What `/readyz` says; it always says that requests may come."""
    response = httpx.get("http://%s:%d/readyz" % admin, trust_env=False, timeout=DEADLINE)
    assert response.status_code == 200
    document = response.json()
    assert isinstance(document, dict)
    return document


def seconds_until(admin: Address, true: Callable[[dict[str, Any]], object]) -> float:
    """Wait until `/readyz` says this; return how long that took."""
    started = time.monotonic()
    wait_until(lambda: true(readiness(admin)))
    return time.monotonic() - started


def seconds_until_live(admin: Address, policy: Path) -> float:
    """Wait until what the files hold is in force; return how long that took."""
    generation = read_policy(policy).ruleset.generation
    return seconds_until(admin, lambda it: it["generation"] == generation and it["policy"]["last_reload"] == "ok")


def seconds_until_failed(admin: Address) -> float:
    """Wait until it is known that what the files hold cannot be used; return how long that took."""
    return seconds_until(admin, lambda it: it["policy"]["last_reload"] == "failed")


@contextmanager
def folder_proxy(upstream: Upstream, folder: Path, interval: float | None = None) -> Iterator[GuardingProxy]:
    """Run by a folder, and look at it every `interval` seconds where that is not left to orgfence."""
    launcher = None if interval is None else partial(_often, interval)
    with GuardingProxy(upstream, None, "--policy", str(folder), launcher=launcher) as proxy:
        yield proxy


def _often(interval: float, confdir: Path) -> list[str]:
    run = [sys.executable, often_reloading.__file__, str(interval), "run", "--set", f"confdir={confdir}"]
    return [*run, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


def test_every_way_of_changing_a_policy_under_load(
    shared_upstream: Upstream, upstream: Upstream, tmp_path: Path
) -> None:
    """Each is live within moments of the last write, or leaves what is in force; no client notices any of them."""
    volume = Volume(tmp_path)
    with folder_proxy(shared_upstream, tmp_path) as proxy, clients(proxy) as asking:
        took = []
        # Kubernetes moves its link.
        volume.write(texts(1))
        took.append(seconds_until_live(proxy.admin, tmp_path))
        # A file is gone that the link leads to.
        volume.write({**texts(1), "b.yaml": None})
        took.append(seconds_until_failed(proxy.admin))
        # It is back as it was, which is no reload.
        volume.write(texts(1))
        took.append(seconds_until(proxy.admin, lambda it: it["policy"]["last_reload"] == "ok"))
        # There is one file less, as somebody wanted.
        volume.write({**texts(2), "c.yml": texts(1)["a.yaml"].replace("a-1", "c").replace("/block/", "/other/")})
        took.append(seconds_until_failed(proxy.admin))
        volume.write(texts(2))
        took.append(seconds_until_live(proxy.admin, tmp_path))
        # There is none left.
        volume.write({})
        took.append(seconds_until_failed(proxy.admin))
        volume.write(texts(3))
        took.append(seconds_until_live(proxy.admin, tmp_path))
        reloads = proxy.metrics()

        assert max(took) < LIVE_WITHIN, took
    _nothing_was_lost(proxy, asking, upstream)
    assert reloads['orgfence_policy_reloads_total{result="success"}'] == 3
    assert reloads['orgfence_policy_reloads_total{result="failure"}'] == 3
    assert [event["rules"] for event in proxy.events("policy_reloaded")] == [2, 2, 2]
    assert len(proxy.events("policy_restored")) == 1


def test_every_way_of_writing_a_file_under_load(shared_upstream: Upstream, upstream: Upstream, tmp_path: Path) -> None:
    """Nothing is loaded half: neither what could be loaded so, nor what could not."""
    file = tmp_path / "policy.yaml"
    both = [texts(number)["a.yaml"] for number in (1, 3)]
    more = "  - {id: more, match: {hosts: [localhost], paths: [/more]}, org: {value: globex}, enforcement: block}\n"
    file.write_text(both[0])
    with (
        GuardingProxy(shared_upstream, None, "--policy", str(file)) as proxy,
        clients(proxy) as asking,
    ):
        # In the place of the other.
        write_over(file, both[1])
        took = [seconds_until_live(proxy.admin, file)]
        # In two halves, of which the first is broken; then, of which it is a policy by itself.
        write_in_halves(file, both[0], len(both[0]) - 30, lambda: time.sleep(0.3))
        took.append(seconds_until_live(proxy.admin, file))
        write_in_halves(file, both[0] + more, len(both[0]), lambda: time.sleep(0.3))
        took.append(seconds_until_live(proxy.admin, file))
        failures = proxy.metrics()['orgfence_policy_reloads_total{result="failure"}']
        # Gone, emptied, and something that cannot be read. Root reads whatever its mode is.
        for spoil in (file.unlink, lambda: file.write_text(""), lambda: _make_folder(file), lambda: _dangle(file)):
            before = proxy.metrics()['orgfence_policy_reloads_total{result="failure"}']
            spoil()
            seconds = seconds_until(
                proxy.admin,
                lambda _, before=before: (  # type: ignore[misc] # of now, not of the last time round
                    proxy.metrics()['orgfence_policy_reloads_total{result="failure"}'] > before
                ),
            )
            took.append(seconds)
        file.unlink()
        file.write_text(both[1])
        took.append(seconds_until_live(proxy.admin, file))
        assert max(took) < LIVE_WITHIN, took
    _nothing_was_lost(proxy, asking, upstream)
    assert failures == 0
    assert [event["rules"] for event in proxy.events("policy_reloaded")] == [1, 1, 2, 1]


def _make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _dangle(file: Path) -> None:
    file.rmdir()
    file.symlink_to("nowhere")


def _nothing_was_lost(proxy: GuardingProxy, asking: Clients, upstream: Upstream) -> None:
    """Every request was answered, and upstream has received those that are allowed, once each, and no other."""
    assert min(asking.answered[ALLOWED], asking.answered[BLOCKED]) > 100, asking.answered
    received = paths_of(upstream)
    assert set(received) == {ALLOWED}
    assert len(received) == asking.answered[ALLOWED]
    assert not proxy.events("internal_error")


def worse(number: int) -> Mapping[str, str | None]:
    """A state that cannot be used: both files cut off, one of them gone, or both.

    There are always links to both: those are made and removed one by one, and whoever looks very often sees that.
    """
    files = texts(number)
    cut = {name: text[: 40 + number % 90] for name, text in files.items()}
    states: list[Mapping[str, str | None]] = [cut, files | {"b.yaml": None}, dict.fromkeys(files)]
    return states[number // 10 % 3]


def hard_times(volume: Volume, admin: Address, times: int) -> Iterator[float]:
    """Change a volume so many times, with something worse before every tenth; give how long each change took."""
    for number in range(1, times + 1):
        if number % 10 == 0:
            volume.write(worse(number))
            seconds_until_failed(admin)
        volume.write(texts(number))
        yield seconds_until_live(admin, volume.folder)


def test_twenty_changes_of_a_busy_proxy(shared_upstream: Upstream, upstream: Upstream, tmp_path: Path) -> None:
    """Each whole, in the order in which they came; every broken one told of once."""
    volume = Volume(tmp_path)
    with folder_proxy(shared_upstream, tmp_path, 0.05) as proxy, clients(proxy) as asking:
        assert len(list(hard_times(volume, proxy.admin, 20))) == 20
        metrics = proxy.metrics()
    _nothing_was_lost(proxy, asking, upstream)
    assert metrics['orgfence_policy_reloads_total{result="success"}'] == 20
    assert metrics['orgfence_policy_reloads_total{result="failure"}'] == 2
    assert {event["rules"] for event in proxy.events("policy_reloaded")} == {2}
    # Of the rules that came and went nothing is left but what the last two have.
    rules = {rule for name in metrics for rule in re.findall(r'rule="([^"]*)"', name)}
    assert rules <= {"a-20", "b-20"}


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_thousand_changes_of_a_busy_proxy(shared_upstream: Upstream, upstream: Upstream, tmp_path: Path) -> None:
    """As with twenty; and its memory is what it was."""
    volume = Volume(tmp_path)
    with folder_proxy(shared_upstream, tmp_path, 0.05) as proxy, clients(proxy) as asking:
        took, memory = [], []
        for number, seconds in enumerate(hard_times(volume, proxy.admin, 1000), 1):
            took.append(seconds)
            if number % 100 == 0:
                memory.append(proxy.memory() / 2**20)
        metrics = proxy.metrics()
    _nothing_was_lost(proxy, asking, upstream)
    assert metrics['orgfence_policy_reloads_total{result="success"}'] == 1000
    assert metrics['orgfence_policy_reloads_total{result="failure"}'] == 100
    sys.stdout.write(
        f"\n1000 changes under {sum(asking.answered.values())} requests: live after {median(took) * 1e3:.0f} ms, "
        f"{max(took) * 1e3:.0f} ms at most; MiB after each hundred: {', '.join(f'{mib:.0f}' for mib in memory)}\n"
    )
    assert memory[-1] < memory[1] + 16


class Judge:
    """What judges by the ruleset of now, in a thread that asks without a pause."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.used = 0
        self.asked = 0
        self.complaints: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def use(self, ruleset: Ruleset) -> None:
        """Judge by this one from now on."""
        self.ruleset = ruleset
        self.used += 1

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask for as long as the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()

    def _ask(self) -> None:
        token = bearer({"org_ids": ["acme"]})
        allowed, blocked = (request_of(path, token, hosts=(b"localhost",)) for path in (ALLOWED, BLOCKED))
        while not self._stopping.is_set() and not self.complaints:
            ruleset = self.ruleset
            ids = [rule.id for rule in ruleset.rules]
            got = said(ruleset, allowed), said(ruleset, blocked)
            if got != ("forwarded: org_granted", "blocked: org_not_granted"):
                self.complaints.append(f"{ids}: {got}")
            if len(ids) != 2 or ids[0][1:] != ids[1][1:]:
                self.complaints.append(f"of two moments: {ids}")
            self.asked += 1
            self._stopping.wait(0.0005)


def test_a_thousand_changes_are_each_loaded_whole(tmp_path: Path) -> None:
    """Real files, swapped as Kubernetes does, cut off, gone; what is in force is always one state of them."""
    volume = Volume(tmp_path)

    async def run() -> tuple[Judge, Metrics]:
        metrics = Metrics()
        loaded = open_policy(tmp_path)
        judge = Judge(loaded.ruleset)
        policy = PolicyInForce(loaded, metrics, InspectionLog(console=False), interval=0.001)
        policy.watch(judge.use)
        with judge.asking():
            for number in range(1, 1001):
                if number % 10 == 0:
                    volume.write(worse(number))
                    await _until(lambda: policy.state.last_reload == "failed")
                volume.write(texts(number))
                await _until(lambda number=number: judge.used == number)  # type: ignore[misc] # of this time round
        policy.stop()
        return judge, metrics

    judge, metrics = asyncio.run(run())
    assert judge.complaints == []
    assert judge.asked > 1000
    assert [rule.id for rule in judge.ruleset.rules] == ["a-1000", "b-1000"]
    counted = metrics.registry.get_sample_value
    assert counted("orgfence_policy_reloads_total", {"result": "success"}) == 1000
    assert counted("orgfence_policy_reloads_total", {"result": "failure"}) == 100


async def _until(true: Callable[[], object]) -> None:
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until
        await asyncio.sleep(0.001)


def test_what_is_in_flight_ends_by_the_policy_that_it_began_with(
    shared_upstream: Upstream, upstream: Upstream, tmp_path: Path
) -> None:
    """An upload goes on though the new policy would block it; what it counts late brings no rule back."""
    file = tmp_path / "policy.yaml"
    file.write_text(texts(1)["a.yaml"])
    with GuardingProxy(shared_upstream, None, "--policy", str(file)) as proxy:
        # Large enough to pass as it comes.
        length = (b"content-length", b"100000")
        with proxy.raw(REVERSE_PLAIN) as client:
            head = proxy.head(REVERSE_PLAIN, b"PUT", b"/echo/block/acme/x", authorized("acme"), length)
            client.send(head + b"begun ")
            wait_until(lambda: upstream.requests and upstream.requests[-1].body_bytes)
            write_over(file, texts(3)["a.yaml"].replace("{path: org}", "{value: globex}"))
            seconds_until_live(proxy.admin, file)
            client.send(b"x" * 99_994)
            answer = client.read_answer()
            assert (answer.status, len(answer.body)) == (200, 100_000)
        assert proxy.call(REVERSE_PLAIN, b"/echo/block/acme/x", authorized("acme")).status == 403
        rules = {rule for name in proxy.metrics() for rule in re.findall(r'rule="([^"]*)"', name)}
    assert rules == {"a-3"}


def test_what_a_person_reads_who_wonders(shared_upstream: Upstream, tmp_path: Path) -> None:
    """Of a broken change `/readyz` and the log say what is wrong, where, what holds meanwhile and what to do."""
    file = tmp_path / "policy.yaml"
    file.write_text(texts(1)["a.yaml"])
    with GuardingProxy(shared_upstream, None, "--policy", str(file)) as proxy:
        generation = proxy.ready_value["generation"]
        file.write_text(texts(1)["a.yaml"].replace("enforcement: block", "enforcment: block"))
        seconds_until_failed(proxy.admin)
        document = readiness(proxy.admin)
        event = proxy.wait_for_event("policy_reload_failed")
    assert (document["ready"], document["generation"], document["rules"]) == (True, generation, 1)
    policy = document["policy"]
    assert policy["source"] == str(file)
    assert f"The policy of generation {generation} stays in force." in policy["problem"]
    assert policy["fault_count"] == 1
    assert policy["faults"][0].startswith(f"{file}:4:")
    assert "Did you mean `enforcement`?" in policy["faults"][0]
    assert (event["level"], event["generation"], event["faults"]) == ("error", generation, policy["faults"])
    assert "Mend what is wrong" in event["advice"]


def test_the_break_glass_holds_through_a_reload(shared_upstream: Upstream, tmp_path: Path) -> None:
    """`--observe` caps every policy that comes."""
    file = tmp_path / "policy.yaml"
    file.write_text(texts(1)["a.yaml"])
    with GuardingProxy(shared_upstream, None, "--policy", str(file), "--observe") as proxy:
        file.write_text(texts(3)["a.yaml"].replace("version: 1", "version: 1\nunmatched: block"))
        seconds_until_live(proxy.admin, file)
        for path in (BLOCKED, b"/no/rule"):
            assert proxy.call(FORWARD_H1, path, authorized("acme")).status == 200


STOCK = [str(Path(sys.executable).with_name("mitmdump"))]
ADDON = str(Path(__file__).parents[2] / "addons" / "orgfence_addon.py")


def _mitmdump(confdir: Path) -> list[str]:
    free = ["--listen-host", "127.0.0.1", "--listen-port", "0", "--set", "orgfence_admin=127.0.0.1:0"]
    return [*STOCK, "-s", ADDON, "--set", f"confdir={confdir}", *free]


@contextmanager
def _stock_proxy(upstream: Upstream, file: Path) -> Iterator[tuple[ProxyProcess, Address, Address]]:
    trusted = f"ssl_verify_upstream_trusted_ca={upstream.ca_file}"
    arguments = ["--set", f"orgfence_policy={file}", "--set", trusted]
    listening = re.compile(r"proxy listening at (\S+)\.$").search
    with ProxyProcess(arguments, command=_mitmdump, ready=listening) as process:
        admin = process.wait_for_line(re.compile(r"metrics at http://([^/]+)/metrics").search)
        assert admin is not None
        yield process, address_of(process.ready_value[1]), address_of(admin[1])


@contextmanager
def _web_proxy(upstream: Upstream, file: Path) -> Iterator[tuple[ProxyProcess, Address, Address]]:
    page = ["--web", "--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
    with GuardingProxy(upstream, None, "--policy", str(file), *page) as proxy:
        yield proxy, proxy.forward, proxy.admin


@pytest.mark.parametrize("run", [_stock_proxy, _web_proxy], ids=["mitmdump -s", "orgfence run --web"])
def test_reloads_in_every_way_of_running(
    shared_upstream: Upstream, upstream: Upstream, tmp_path: Path, run: Any
) -> None:
    """A change is live within moments, a broken one is told of, and the process ends as ever."""
    file = tmp_path / "policy.yaml"
    file.write_text(texts(2)["a.yaml"])
    with run(shared_upstream, file) as (process, address, admin):
        assert _status(address, upstream, BLOCKED) == 200
        file.write_text(texts(1)["a.yaml"])
        assert seconds_until_live(admin, file) < LIVE_WITHIN
        assert _status(address, upstream, BLOCKED) == 403
        file.write_text("nonsense")
        assert seconds_until_failed(admin) < LIVE_WITHIN
        process.wait_for_line(lambda line: "policy_reload_failed" in line)
        assert _status(address, upstream, BLOCKED) == 403
        file.write_text(texts(3)["a.yaml"])
        seconds_until_live(admin, file)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert not re.search("Traceback|was destroyed|never awaited|Exception in", process.output)


def _status(address: Address, upstream: Upstream, path: bytes) -> int:
    with RawClient(address) as client:
        target = b"http://localhost:%d%s" % (upstream.address[1], path)
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (target, authorized("acme")[1]))
        return client.read_answer().status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_it_loads(shared_upstream: Upstream, tmp_path: Path, number: signal.Signals) -> None:
    """At once and without a word, though a large policy has only begun to load."""
    file = tmp_path / "policy.yaml"
    file.write_text(texts(1)["a.yaml"])
    rule = "  - {{id: more-{}, match: {{hosts: [localhost], paths: ['/more/{}/{{org}}']}}, org: {{path: org}}}}\n"
    large = texts(1)["a.yaml"] + "".join(rule.format(at, at) for at in range(20_000))
    with GuardingProxy(shared_upstream, None, "--policy", str(file)) as proxy:
        write_over(file, large)
        time.sleep(1.3)
        proxy.signal(number)
        assert proxy.wait() == 0
    assert all(line.startswith('{"ts": ') for line in proxy.stderr)
    assert not proxy.events("policy_reloaded")
