"""What a change of the policy's files does to all who depend on the policy, from the file to the log line."""

import asyncio
import io
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from orgfence.core.reason import Enforcement
from orgfence.core.ruleset import Ruleset
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.log import configure_logging
from orgfence.observe.metrics import Metrics
from orgfence.policy_source.files import PolicyFiles, open_policy
from orgfence.policy_source.in_force import PolicyInForce

DEADLINE = 20.0
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.Zm9vYmFyc2VjcmV0"


def policy(*ids: str, top: str = "") -> str:
    """A policy of these rules."""
    issuers = "issuers: {corp: {iss: 'https://login.example', claims: {member: orgs}}}\n"
    each = [f"  - {{id: {name}, match: {{hosts: [x.example]}}, org: {{header: X-Org}}}}\n" for name in ids]
    return f"version: 1\nenforcement: block\n{top}{issuers}rules:\n{''.join(each)}"


def write(file: Path, text: str) -> None:
    """Have the file hold this."""
    file.write_text(text)


class Judge:
    """Stands for what judges requests by the policy."""

    def __init__(self) -> None:
        self.used: list[Ruleset] = []
        self.fails = False

    def use(self, ruleset: Ruleset) -> None:
        """Take a ruleset."""
        if self.fails:
            raise RuntimeError(JWT)
        self.used.append(ruleset)


class Watched:
    """A policy in force, and all that it tells."""

    def __init__(self, path: Path | None, *, console: bool, observe: bool) -> None:
        self.metrics, self.log, self.judge = Metrics(), InspectionLog(console=console), Judge()
        loaded = open_policy(path, observe=observe)
        self.policy = PolicyInForce(loaded, self.metrics, self.log, console=console, interval=0.01)

    def value(self, name: str, **labels: str) -> float | None:
        """One of the metrics."""
        return self.metrics.registry.get_sample_value(f"orgfence_{name}", labels)

    async def until(self, true: Callable[[], object]) -> None:
        """Let the loop turn until something is so."""
        until = time.monotonic() + DEADLINE
        while not true():
            assert time.monotonic() < until
            await asyncio.sleep(0.005)


@asynccontextmanager
async def watched(path: Path | None, *, console: bool = False, observe: bool = False) -> AsyncIterator[Watched]:
    """Watch for as long as the block runs."""
    watching = Watched(path, console=console, observe=observe)
    watching.policy.watch(watching.judge.use)
    try:
        yield watching
    finally:
        watching.policy.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy of one rule."""
    file = tmp_path / "policy.yaml"
    write(file, policy("a"))
    return file


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where log lines go."""
    stream = io.StringIO()
    output = configure_logging(stream, console=False, capture_foreign=False)
    yield stream
    output.close()
    structlog.reset_defaults()


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    """The log's lines so far."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_start_is_no_reload(file: Path, stream: io.StringIO) -> None:
    """What is shown of a policy that has not changed since; and that is what it stays."""

    async def run() -> None:
        before = time.time()
        async with watched(file) as it:
            await asyncio.sleep(0.05)
            assert it.value("policy_info", generation=it.policy.ruleset.generation) == 1
            assert it.value("policy_last_reload_successful") == 1
            assert before <= (it.value("policy_last_reload_success_timestamp_seconds") or 0) <= time.time()
            assert it.value("policy_reloads_total", result="success") == 0
            assert it.value("observe_override") == 0
            assert (it.policy.state.source, it.policy.state.last_reload) == (str(file), "none")
            assert it.judge.used == []

    asyncio.run(run())
    assert events(stream) == []


def test_a_change_comes_to_be_in_force(file: Path, stream: io.StringIO) -> None:
    """The judge has the new ruleset; metrics, log and `/readyz` say so."""

    async def run() -> None:
        async with watched(file) as it:
            first = it.policy.ruleset
            write(file, policy("b", "c", top="log_repeat: 5s\n"))
            await it.until(lambda: it.judge.used)
            (ruleset,) = it.judge.used
            assert [rule.id for rule in ruleset.rules] == ["b", "c"]
            assert it.policy.ruleset is ruleset
            assert it.value("policy_info", generation=ruleset.generation) == 1
            assert it.value("policy_info", generation=first.generation) is None
            assert it.value("policy_reloads_total", result="success") == 1
            assert it.value("policy_last_reload_successful") == 1
            assert (it.policy.state.last_reload, it.policy.state.problem) == ("ok", None)
            assert it.log.repeat == 5
            (event,) = events(stream)
            assert event.pop("seconds") >= 0
            assert event.pop("ts")
            assert event == {
                "level": "info",
                "event": "policy_reloaded",
                "generation": ruleset.generation,
                "rules": 2,
                "files": 1,
                "added": ["b", "c"],
                "added_count": 2,
                "removed": ["a"],
                "removed_count": 1,
            }

    asyncio.run(run())


def test_what_cannot_be_used_leaves_what_is_in_force(file: Path, stream: io.StringIO) -> None:
    """It is told in every way, with its place; and so is that it was mended."""

    async def run() -> None:
        async with watched(file) as it:
            first = it.policy.ruleset
            loaded_at = it.value("policy_last_reload_success_timestamp_seconds")
            write(file, "version: 1\nnonsense: 1\n")
            await it.until(lambda: it.policy.state.last_reload == "failed")
            assert it.judge.used == []
            assert it.policy.ruleset is first
            assert it.value("policy_info", generation=first.generation) == 1
            assert it.value("policy_reloads_total", result="failure") == 1
            assert it.value("policy_last_reload_successful") == 0
            assert it.value("policy_last_reload_success_timestamp_seconds") == loaded_at
            state = it.policy.state
            assert first.generation in str(state.problem)
            assert state.faults[0].startswith(f"{file}:2:1: unknown key `nonsense`")
            assert state.fault_count == len(state.faults)
            (event,) = events(stream)
            assert (event["level"], event["event"]) == ("error", "policy_reload_failed")
            assert (event["generation"], event["fault_count"]) == (first.generation, state.fault_count)
            assert event["faults"] == list(state.faults)
            assert event["advice"].startswith("This generation stays in force. Mend ")

            write(file, policy("a"))
            await it.until(lambda: it.policy.state.last_reload != "failed")
            assert it.judge.used == []
            assert (it.policy.state.last_reload, it.policy.state.faults) == ("none", ())
            assert it.value("policy_reloads_total", result="success") == 0
            assert it.value("policy_last_reload_successful") == 1
            assert [event["event"] for event in events(stream)] == ["policy_reload_failed", "policy_restored"]

            write(file, "nonsense")
            await it.until(lambda: it.policy.state.last_reload == "failed")
            write(file, policy("b"))
            await it.until(lambda: it.judge.used)
            assert it.policy.state.last_reload == "ok"
            assert it.value("policy_last_reload_successful") == 1
            assert it.value("policy_reloads_total", result="failure") == 2

    asyncio.run(run())


def test_no_more_faults_are_shown_than_somebody_mends_at_once(file: Path, stream: io.StringIO) -> None:
    """Ten, and how many there are; none shows a token that somebody has put into the policy."""

    async def run() -> None:
        async with watched(file) as it:
            nonsense = "".join(f"nonsense-{number}: 1\n" for number in range(11))
            write(file, policy("b") + f"{nonsense}{JWT}: 1\n")
            await it.until(lambda: it.policy.state.last_reload == "failed")
            assert len(it.policy.state.faults) == 10
            assert it.policy.state.fault_count == 12
            write(file, f"{JWT}: 1\nversion: 1\n")
            await it.until(lambda: it.policy.state.fault_count not in {0, 12})
            assert "eyJ" not in str(it.policy.state)

    asyncio.run(run())
    first, _ = events(stream)
    assert (len(first["faults"]), first["fault_count"]) == (10, 12)
    assert "eyJ" not in stream.getvalue()


def test_a_person_reads_each_fault_on_a_line_of_its_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, as at the start."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    output = configure_logging(stream, console=True, capture_foreign=False)

    async def run() -> None:
        async with watched(file, console=True) as it:
            write(file, policy("b") + "".join(f"nonsense-{number}: 1\n" for number in range(11)))
            await it.until(lambda: it.policy.state.last_reload == "failed")

    try:
        asyncio.run(run())
    finally:
        output.close()
        structlog.reset_defaults()
    first, *faults, more = stream.getvalue().splitlines()
    assert "policy_reload_failed" in first
    assert "Mend what is wrong" in first
    assert len(faults) == 10
    assert f"{file}:6:1: unknown key `nonsense-0`" in faults[0]
    assert more.rstrip().endswith("and 1 more")


def test_the_break_glass_holds_for_every_policy_to_come(file: Path) -> None:
    """`--observe` is about what is done, whatever the files say."""

    async def run() -> None:
        async with watched(file, observe=True) as it:
            assert it.value("observe_override") == 1
            write(file, policy("b", top="unmatched: block\n"))
            await it.until(lambda: it.judge.used)
            (ruleset,) = it.judge.used
            assert ruleset.cap is Enforcement.OBSERVE
            assert [rule.enforcement for rule in ruleset.rules] == [Enforcement.OBSERVE]

    asyncio.run(run())


def test_the_starter_is_not_watched() -> None:
    """It ships with the package."""

    before = set(_watching())

    async def run() -> None:
        async with watched(None) as it:
            assert set(_watching()) <= before
            assert it.policy.state.source == "starter policy"

    asyncio.run(run())


def test_it_ends_with_the_loop(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being loaded when the proxy ended is told to nobody, and nothing is said of that."""
    loading, go_on = threading.Event(), threading.Event()
    complaints: list[object] = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    load = PolicyFiles.load

    def slow(files: PolicyFiles) -> Any:
        loading.set()
        assert go_on.wait(DEADLINE)
        return load(files)

    async def run(*, stop: bool) -> Watched:
        before = set(_watching())
        it = Watched(file, console=False, observe=False)
        it.policy.watch(it.judge.use)
        it.policy.watch(it.judge.use)
        assert len(set(_watching()) - before) == 1
        monkeypatch.setattr(PolicyFiles, "load", slow)
        write(file, policy(f"stopped-{stop}"))
        await it.until(loading.is_set)
        if stop:
            it.policy.stop()
        return it

    for stop in (True, False):
        others = set(_watching())
        it = asyncio.run(run(stop=stop))
        (thread,) = set(_watching()) - others
        go_on.set()
        if not stop:
            # The loop is closed by now, and the thread does not know.
            time.sleep(0.05)
            it.policy.stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()
        assert it.judge.used == []
        loading.clear()
        go_on.clear()
        monkeypatch.setattr(PolicyFiles, "load", load)
    assert complaints == []


def test_what_was_told_and_not_yet_taken_is_dropped(file: Path) -> None:
    """Another policy may have been put in force since, and watched in the place of this one."""

    def stand_still(it: Watched) -> None:
        # The loop does not turn meanwhile; what the thread tells waits for it.
        write(file, policy("b"))
        time.sleep(0.2)
        it.policy.stop()

    async def run() -> None:
        async with watched(file) as it:
            await asyncio.sleep(0)
            stand_still(it)
            await asyncio.sleep(0.05)
            assert it.judge.used == []
            assert it.value("policy_reloads_total", result="success") == 0

    asyncio.run(run())


def _watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "orgfence-policy-watch"]


def test_a_fault_of_ours_is_counted_and_keeps_what_is_in_force(
    file: Path, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens: in loading, in looking, or in putting in force. Nothing that it quotes is shown."""

    def fail(*_: object) -> Any:
        raise RuntimeError(JWT)

    async def run() -> None:
        async with watched(file) as it:
            first = it.policy.ruleset
            with monkeypatch.context() as patch:
                patch.setattr(PolicyFiles, "load", fail)
                write(file, policy("b"))
                await it.until(lambda: it.policy.state.last_reload == "failed")
                assert it.policy.state.faults == (f"{file}: orgfence failed to load it. Report the error in its log",)
                assert it.value("internal_errors_total", where="reload") == 1

            with monkeypatch.context() as patch:
                patch.setattr(PolicyFiles, "read", fail)
                await it.until(lambda: it.value("internal_errors_total", where="reload") == 2)

            it.judge.fails = True
            write(file, policy("c"))
            await it.until(lambda: it.value("internal_errors_total", where="reload") == 3)
            assert it.policy.state.faults == (f"{file}: orgfence failed to use it. Report the error in its log",)
            assert it.policy.ruleset is first
            assert it.value("policy_last_reload_successful") == 0
            assert it.value("policy_reloads_total", result="failure") == 2

            it.judge.fails = False
            write(file, policy("d"))
            await it.until(lambda: it.judge.used)
            assert it.policy.ruleset is it.judge.used[0]

    asyncio.run(run())
    told = events(stream)
    assert [event["event"] for event in told] == [
        "internal_error",
        "policy_reload_failed",
        "internal_error",
        "internal_error",
        "policy_reload_failed",
        "policy_reloaded",
    ]
    assert told[0]["error"] == "RuntimeError"
    assert "eyJ" not in stream.getvalue()


def test_a_log_line_is_suppressed_for_as_long_as_the_policy_in_force_says(file: Path) -> None:
    """`log_repeat` holds from the start, and from each reload on."""
    write(file, policy("a", top="log_repeat: 90s\n"))

    async def run() -> None:
        async with watched(file) as it:
            assert it.log.repeat == 90
            write(file, policy("a"))
            await it.until(lambda: it.judge.used)
            assert it.log.repeat == 60

    asyncio.run(run())


def test_a_look_that_is_too_old_is_shown_as_a_failed_reload(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs: nobody knows what the files hold. Requests are judged on, and it mends itself."""
    hang = threading.Event()
    hang.set()
    read = PolicyFiles.read

    def hanging(path: Path, value_paths: frozenset[Path] = frozenset(), *, may_wait: bool = False) -> PolicyFiles:
        assert may_wait or hang.wait(DEADLINE)
        return read(path, value_paths)

    monkeypatch.setattr(PolicyFiles, "read", hanging)
    monkeypatch.setattr("orgfence.policy_source.in_force.MAX_LOOK_AGE", 0.5)

    async def run() -> None:
        hang.clear()
        async with watched(file) as it:
            await it.until(lambda: it.policy.state.last_reload == "failed")
            state = it.policy.state
            assert state.problem is not None
            assert re.match(r"The policy's files were last looked at \d+ seconds ago: the disk hangs, ", state.problem)
            assert it.value("policy_last_reload_successful") == 0
            looked = it.value("policy_last_look_timestamp_seconds")
            assert looked is not None
            assert abs(time.time() - looked) < DEADLINE
            hang.set()
            await it.until(lambda: it.policy.state.last_reload == "none")
            assert it.policy.state.problem is None
            assert it.value("policy_last_reload_successful") == 1
            assert (it.value("policy_last_look_timestamp_seconds") or 0) > looked

    asyncio.run(run())


def test_what_is_not_watched_has_no_look() -> None:
    """The starter does not change: nothing is too old, and there is no series to alert on."""

    async def run() -> None:
        async with watched(None) as it:
            assert it.value("policy_last_look_timestamp_seconds") is None
            assert it.value("policy_last_reload_successful") == 1

    asyncio.run(run())
