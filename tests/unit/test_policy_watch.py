"""Real files that change while they are looked at."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from orgfence.core.ruleset import Ruleset
from orgfence.policy_source.files import PolicyFiles
from orgfence.policy_source.watch import Broken, Change, PolicyWatch, Reloaded, Restored, Stumbled, WatchThread

DEADLINE = 20.0


def policy(*ids: str, org: str = "{path: org}") -> str:
    """A policy of these rules, with an issuer of its own."""
    issuers = f"issuers: {{of-{ids[0]}: {{iss: 'https://{ids[0]}.example', claims: {{member: orgs}}}}}}\n"
    each = [f"  - {{id: {name}, match: {{hosts: [x.example], paths: ['/{{org}}']}}, org: {org}}}\n" for name in ids]
    return f"version: 1\n{issuers}rules:\n{''.join(each)}"


def load(files: PolicyFiles) -> Ruleset:
    """What loads in these tests."""
    return files.load().ruleset


def watch_of(path: Path, load: Callable[[PolicyFiles], Ruleset] = load) -> PolicyWatch:
    """A watch of a policy that was loaded a moment ago."""
    files = PolicyFiles.read(path)
    files.load()
    return PolicyWatch(files, load)


def rules_of(change: Change | None) -> list[str]:
    """The rules that a change has put in force."""
    assert isinstance(change, Reloaded), change
    return [rule.id for rule in change.ruleset.rules]


def faults_of(change: Change | None) -> list[str]:
    """What is wrong with the files."""
    assert isinstance(change, Broken), change
    return list(change.faults)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy of two files."""
    (tmp_path / "a.yaml").write_text(policy("a"))
    (tmp_path / "b.yaml").write_text(policy("b"))
    return tmp_path


def test_nothing_is_told_of_what_stays(folder: Path) -> None:
    """Nor of a file that is written once more, or touched."""
    watch = watch_of(folder)
    assert watch.look() is None
    os.utime(folder / "a.yaml", (1, 1))
    assert [watch.look(), watch.look()] == [None, None]
    (folder / "a.yaml").write_text(policy("a"))
    (folder / "c.txt").write_text("no policy")
    assert [watch.look(), watch.look()] == [None, None]


def test_a_change_is_loaded_when_it_was_seen_twice(folder: Path) -> None:
    """The first look may have met a file that is still being written."""
    watch = watch_of(folder)
    text = policy("c", "d")
    (folder / "b.yaml").write_text(text[: text.index("  - {id: d")])
    assert watch.look() is None
    (folder / "b.yaml").write_text(text)
    assert watch.look() is None
    change = watch.look()
    assert rules_of(change) == ["a", "c", "d"]
    assert isinstance(change, Reloaded)
    assert change.files == 2
    assert 0 < change.seconds < DEADLINE
    assert [watch.look(), watch.look()] == [None, None]


def test_what_goes_on_changing_is_not_loaded(folder: Path) -> None:
    """Until it stands still."""
    watch = watch_of(folder)
    for number in range(20):
        (folder / "b.yaml").write_text(policy(f"b{number}"))
        assert watch.look() is None
    assert rules_of(watch.look()) == ["a", "b19"]


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (lambda folder: (folder / "a.yaml").unlink(), ["b"]),
        (lambda folder: (folder / "c.yml").write_text(policy("c")), ["a", "b", "c"]),
        (lambda folder: (folder / "a.yaml").rename(folder / "z.yaml"), ["b", "a"]),
        (lambda folder: (folder / "a.yaml").rename(folder / "a.yaml.off"), ["b"]),
    ],
    ids=["removed", "added", "renamed", "put aside"],
)
def test_which_files_there_are_is_a_change(folder: Path, change: Callable[[Path], object], rules: list[str]) -> None:
    """Like any other."""
    watch = watch_of(folder)
    change(folder)
    assert watch.look() is None
    assert rules_of(watch.look()) == rules


def _dangle(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def _make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.write_text("version: 1\nnonsense: 1\n"), "{file}:2:1: unknown key `nonsense`"),
        (lambda file: file.write_text(""), "{file}:1:1: "),
        (lambda file: file.write_bytes(b"\xff\xfe\x00"), "{file}:1:1: "),
        (_dangle, "{file}: there is no such file"),
        (_make_folder, "{file}: is a folder"),
        (lambda file: (file.unlink(), file.symlink_to(file.name)), "{file}: cannot be read: too many levels"),
    ],
    ids=["unknown key", "emptied", "binary", "dangling", "a folder", "circular"],
)
def test_what_cannot_be_used_is_told_once(folder: Path, spoil: Callable[[Path], object], said: str) -> None:
    """And again only when it is something else; the way back is told of, and is no reload."""
    watch = watch_of(folder)
    spoil(folder / "b.yaml")
    assert watch.look() is None
    (fault,) = faults_of(watch.look())
    assert fault.startswith(said.format(file=folder / "b.yaml"))
    assert [watch.look(), watch.look(), watch.look()] == [None, None, None]

    (folder / "a.yaml").write_text("version: 3\n")
    assert watch.look() is None
    assert faults_of(watch.look())

    (folder / "a.yaml").write_text(policy("a"))
    _put_back(folder / "b.yaml", policy("b"))
    assert watch.look() is None
    assert watch.look() == Restored()
    assert [watch.look(), watch.look()] == [None, None]


def _put_back(file: Path, text: str) -> None:
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink()
    file.write_text(text)


def test_a_single_file_that_is_gone_is_broken(tmp_path: Path) -> None:
    """Unlike one of several in a folder: nobody meant to have no policy."""
    file = tmp_path / "policy.yaml"
    file.write_text(policy("a"))
    watch = watch_of(file)
    file.unlink()
    assert watch.look() is None
    assert faults_of(watch.look()) == [f"{file}: there is no such file. Write a policy there, or name another"]
    file.write_text(policy("b"))
    assert watch.look() is None
    assert rules_of(watch.look()) == ["b"]


def test_a_folder_without_policies_is_broken(folder: Path) -> None:
    """Also one that is gone altogether."""
    watch = watch_of(folder)
    for name in ("a.yaml", "b.yaml"):
        (folder / name).unlink()
    assert watch.look() is None
    (fault,) = faults_of(watch.look())
    assert fault.startswith(f"{folder}: there is no policy in this folder")
    folder.rmdir()
    assert watch.look() is None
    (fault,) = faults_of(watch.look())
    assert fault.startswith(f"{folder}: there is no such file")
    folder.mkdir()
    (folder / "c.yaml").write_text(policy("c"))
    assert watch.look() is None
    assert rules_of(watch.look()) == ["c"]


def test_what_could_not_be_read_for_a_moment_is_nothing(folder: Path) -> None:
    """An editor that removes a file and writes it anew is not reported."""
    watch = watch_of(folder)
    (folder / "a.yaml").unlink()
    assert watch.look() is None
    (folder / "a.yaml").write_text(policy("a"))
    assert [watch.look(), watch.look()] == [None, None]


def test_a_broken_change_and_its_fix(folder: Path) -> None:
    """What was in force meanwhile is not in question."""
    watch = watch_of(folder)
    (folder / "b.yaml").write_text("version: 1\nrules: [\n")
    assert watch.look() is None
    assert faults_of(watch.look())
    (folder / "b.yaml").write_text(policy("c"))
    assert watch.look() is None
    assert rules_of(watch.look()) == ["a", "c"]
    (folder / "b.yaml").write_text(policy("b"))
    assert watch.look() is None
    assert rules_of(watch.look()) == ["a", "b"]


PINNED = policy("b", org="{value: {file: org}}")


def pinned(change: Change | None) -> bytes:
    """The org that the policy pins."""
    assert isinstance(change, Reloaded), change
    (source,) = change.ruleset.rules[-1].org
    return source.name


def test_the_file_of_a_value_is_watched_too(folder: Path) -> None:
    """From the moment at which the policy names it, and no longer than that."""
    (folder / "b.yaml").write_text(PINNED)
    (folder / "org").write_text("acme")
    watch = watch_of(folder)
    (folder / "org").write_text("globex")
    assert watch.look() is None
    assert pinned(watch.look()) == b"globex"
    (folder / "org").unlink()
    assert watch.look() is None
    (fault,) = faults_of(watch.look())
    assert "`org` cannot be read: no such file" in fault
    (folder / "org").write_text("globex")
    assert watch.look() is None
    assert watch.look() == Restored()

    (folder / "b.yaml").write_text(policy("b"))
    assert watch.look() is None
    assert rules_of(watch.look()) == ["a", "b"]
    (folder / "org").write_text("initech")
    assert [watch.look(), watch.look()] == [None, None]


def test_the_file_of_a_value_is_watched_while_the_policy_is_broken(folder: Path) -> None:
    """So that it is known whether the files hold again what is in force."""
    (folder / "b.yaml").write_text(PINNED)
    (folder / "org").write_text("acme")
    watch = watch_of(folder)
    for org, came in (("acme", Restored), ("globex", Reloaded)):
        (folder / "b.yaml").write_text("nonsense")
        assert watch.look() is None
        assert faults_of(watch.look())
        (folder / "org").write_text(org)
        (folder / "b.yaml").write_text(PINNED)
        assert watch.look() is None
        assert isinstance(watch.look(), came)


def test_the_file_of_a_new_value_belongs_to_what_was_seen_twice(folder: Path) -> None:
    """It was read when the policy was first loaded; a third look confirms it."""
    watch = watch_of(folder)
    (folder / "org").write_text("ac")
    (folder / "b.yaml").write_text(PINNED)
    assert [watch.look(), watch.look()] == [None, None]
    (folder / "org").write_text("acme")
    assert watch.look() is None
    assert pinned(watch.look()) == b"acme"

    (folder / "more").write_text("globex")
    (folder / "b.yaml").write_text(PINNED.replace("file: org", "file: more"))
    assert [watch.look(), watch.look()] == [None, None]
    assert pinned(watch.look()) == b"globex"


def test_a_value_that_is_not_there_yet_is_a_failure_until_it_is(folder: Path) -> None:
    """The policy and its secret may come in any order."""
    watch = watch_of(folder)
    (folder / "b.yaml").write_text(PINNED)
    assert [watch.look(), watch.look()] == [None, None]
    assert faults_of(watch.look())
    (folder / "org").write_text("acme")
    assert watch.look() is None
    assert pinned(watch.look()) == b"acme"


def test_a_fault_of_ours_in_loading_is_told_once(folder: Path) -> None:
    """For the log there is the exception; a policy's author learns no more than where to look."""
    loads = count()

    def fail(_files: PolicyFiles) -> Ruleset:
        next(loads)
        raise RecursionError("what it quotes")

    watch = watch_of(folder, fail)
    (folder / "a.yaml").write_text(policy("c"))
    assert watch.look() is None
    change = watch.look()
    assert isinstance(change, Broken)
    assert isinstance(change.error, RecursionError)
    assert faults_of(change) == [f"{folder}: orgfence failed to load it. Report the error in its log"]
    assert [watch.look(), watch.look()] == [None, None]
    assert next(loads) == 1


class Told(list[Change]):
    """Changes as they are told, in the order in which they come."""

    def __init__(self) -> None:
        super().__init__()
        self._came = threading.Condition()

    def __call__(self, change: Change) -> None:
        with self._came:
            self.append(change)
            self._came.notify_all()

    def wait_for(self, number: int) -> None:
        """Wait until so many were told."""
        with self._came:
            assert self._came.wait_for(lambda: len(self) >= number, DEADLINE), self


@contextmanager
def running(watch: PolicyWatch, interval: float = 0.01) -> Iterator[Told]:
    """A thread that watches, and what it tells."""
    told = Told()
    thread = WatchThread(watch, told, interval)
    thread.start()
    try:
        yield told
    finally:
        thread.stop()


def test_the_thread_tells_of_changes_as_they_come(folder: Path) -> None:
    """Each once; after it was stopped it tells of none."""
    with running(watch_of(folder)) as told:
        for number, rule in enumerate(("c", "d", "e"), 1):
            (folder / "b.yaml").write_text(policy(rule))
            told.wait_for(number)
            assert rules_of(told[-1]) == ["a", rule]
        threads = [thread for thread in threading.enumerate() if thread.name == "orgfence-policy-watch"]
        assert all(thread.daemon for thread in threads)
    for thread in threads:
        thread.join(DEADLINE)
    (folder / "b.yaml").write_text(policy("f"))
    time.sleep(0.05)
    assert len(told) == 3


def test_a_pipe_in_the_place_of_the_policy_is_told_of_and_left(folder: Path) -> None:
    """For as long as it is there, the watch goes on; afterwards all is as before."""
    file = folder / "a.yaml"
    with running(watch_of(file)) as told:
        for row in (1, 3):
            file.unlink()
            os.mkfifo(file)
            told.wait_for(row)
            assert faults_of(told[-1]) == [
                f"{file}: is no file, and cannot be read as one. Remove it, or name it otherwise"
            ]
            file.unlink()
            file.write_text(policy("a"))
            told.wait_for(row + 1)
            assert told[-1] == Restored()


def test_the_age_of_a_look_is_seen_from_outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a look hangs, and while looks fail, it grows; a clock on the wall that jumps is nothing to it."""
    hang, fails = threading.Event(), threading.Event()
    looks = threading.Semaphore(0)
    read = PolicyFiles.read

    def hanging(path: Path, value_paths: frozenset[Path]) -> PolicyFiles:
        looks.release()
        if fails.is_set():
            raise MemoryError
        assert hang.wait(DEADLINE)
        return read(path, value_paths)

    watch = watch_of(folder)
    monkeypatch.setattr(PolicyFiles, "read", hanging)
    thread = WatchThread(watch, lambda _: None, 0.001)
    began, on_the_wall = time.monotonic(), thread.last_look
    thread.start()
    try:
        assert looks.acquire(timeout=DEADLINE)
        monkeypatch.setattr(time, "time", lambda: 12.0)
        before = thread.age
        assert 0 < before <= time.monotonic() - began + 1
        assert thread.last_look == on_the_wall
        hang.set()
        while thread.last_look != 12.0:
            assert thread.age < DEADLINE
            time.sleep(0.001)
        assert thread.age < time.monotonic() - began
        fails.set()
        for _ in range(20):
            assert looks.acquire(timeout=DEADLINE)
        looked = thread.age
        for _ in range(20):
            assert looks.acquire(timeout=DEADLINE)
        assert thread.age > looked
    finally:
        hang.set()
        thread.stop()


def test_a_look_that_fails_is_told_and_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was, once a row of failures; and what changed meanwhile is found."""
    failing = threading.Event()
    tries: list[Path] = []
    read = PolicyFiles.read

    def sometimes(path: Path, value_paths: frozenset[Path]) -> PolicyFiles:
        if failing.is_set():
            tries.append(path)
            raise MemoryError
        return read(path, value_paths)

    monkeypatch.setattr(PolicyFiles, "read", sometimes)
    watch = watch_of_read(read(folder))
    with running(watch) as told:
        for row in (1, 3):
            failing.set()
            told.wait_for(row)
            (folder / "b.yaml").write_text(policy(f"row-{row}"))
            before = len(tries)
            while len(tries) < before + 3:
                time.sleep(0.005)
            failing.clear()
            told.wait_for(row + 1)
    assert [type(change) for change in told] == [Stumbled, Reloaded, Stumbled, Reloaded]
    assert rules_of(told[-1]) == ["a", "row-3"]


def watch_of_read(files: PolicyFiles) -> PolicyWatch:
    """A watch of files that were read."""
    files.load()
    return PolicyWatch(files, load)
