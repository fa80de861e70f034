"""Notices that a policy's files have changed, and loads what they hold now.

By looking at their bytes, again and again: file events go deaf on network disks and when a Kubernetes volume swaps its
links, and times and sizes stay what they were when a file is restored. A change is loaded only when two looks in a row
have seen the same, so neither a file that is being written nor a folder in the midst of a swap is loaded half.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from orgfence.core.policy.faults import PolicyError
from orgfence.core.ruleset import Ruleset
from orgfence.errors import StartError
from orgfence.piecewise import free_frames, free_unused
from orgfence.policy_source.files import PolicyFiles

#: Between two looks. A change is seen by the next, loaded by the one after it, and waits for a third where it names
#: files of values that were not known before: live within two seconds.
INTERVAL = 0.5


class Reloaded(NamedTuple):
    """The files hold another policy, which can be used."""

    ruleset: Ruleset
    #: How many files it has.
    files: int
    #: How long it took to load.
    seconds: float


class Broken(NamedTuple):
    """The files hold something that cannot be used."""

    #: What is wrong, each with its file and, within one, line and column; for whoever can mend it.
    faults: tuple[str, ...]
    #: A fault of ours, where that is what is wrong.
    error: Exception | None = None


class Restored(NamedTuple):
    """After something that could not be used, the files hold again what is in force."""


class Stumbled(NamedTuple):
    """Looking itself has failed; it will be tried again."""

    error: Exception


type Change = Reloaded | Broken | Restored | Stumbled


class PolicyWatch:
    """Looks at a policy's files; each look returns what has come to be so since the one before."""

    def __init__(self, in_force: PolicyFiles, load: Callable[[PolicyFiles], Ruleset]) -> None:
        """Start from the files that are in force; `load` makes a ruleset of others."""
        self._in_force = in_force
        self._load = load
        #: What was last told of.
        self._told = in_force
        #: What the last look saw, if that is to be told of when the next one sees it too.
        self._seen: PolicyFiles | None = None
        #: What was loaded and waits for that.
        self._loaded: tuple[PolicyFiles, Change] | None = None

    def look(self) -> Change | None:
        """Look once."""
        files = PolicyFiles.read(self._in_force.path, self._value_paths())
        if files.holds(self._told):
            self._seen = self._loaded = None
            return None
        seen, self._seen = self._seen, files
        if seen is None or not files.holds(seen):
            return None
        if files.holds(self._in_force):
            return self._tell(self._in_force, Restored())
        if self._loaded is None or not files.holds(self._loaded[0]):
            self._loaded = files, self._change_to(files)
            if not seen.holds(files):
                # It names files of values that the look before did not know of.
                return None
        return self._tell(*self._loaded)

    def _value_paths(self) -> Set[Path]:
        known = [self._in_force, self._told, *([self._loaded[0]] if self._loaded else [])]
        return frozenset().union(*(files.value_paths for files in known))

    def _change_to(self, files: PolicyFiles) -> Change:
        started = time.perf_counter()
        try:
            with _giving_way():
                ruleset = self._load(files)
        except PolicyError as error:
            with _giving_way():
                free_frames(error)
            return Broken(tuple(f"{fault.place}: {fault.message}" for fault in error.faults))
        except StartError:
            return Broken(files.faults)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the watch, nor be met at each look
            return Broken((f"{files.path}: orgfence failed to load it. Report the error in its log",), error)
        return Reloaded(ruleset, len(files.texts), time.perf_counter() - started)

    def _tell(self, files: PolicyFiles, change: Change) -> Change:
        self._told = files
        if isinstance(change, Reloaded):
            self._in_force = files
        self._seen = self._loaded = None
        return change


@contextmanager
def _giving_way() -> Iterator[None]:
    """Let the other threads have the interpreter as soon as they want it.

    A request wakes the event loop some ten times, and each time that waits for the interpreter's lock: five
    milliseconds, by default, while another thread computes.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


# While 10,000 rules load a request takes 3 ms so, and 27 by default; loading them takes a tenth longer.
_SWITCH_INTERVAL = 0.0005


class WatchThread:
    """Looks in a thread of its own: a disk may hang, and requests must not wait for it."""

    def __init__(self, watch: PolicyWatch, tell: Callable[[Change], None], interval: float = INTERVAL) -> None:
        """Have `tell` called in the thread, with each change."""
        self._watch = watch
        self._tell = tell
        self._interval = interval
        # When the last look ended, by the monotonic clock and by the one on the wall. What is in force now was read a
        # moment ago.
        self._looked = time.monotonic(), time.time()
        self._retired: list[object] = []
        self._stopped = threading.Event()
        # Of those the process does not wait for the end, which a hanging disk may put off for ever.
        self._thread = threading.Thread(target=self._run, name="orgfence-policy-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is being loaded is no longer told of."""
        self._stopped.set()

    def retire(self, ruleset: Ruleset) -> None:
        """Free, in this thread and in pieces, a ruleset that was in force, once no request needs it any more."""
        self._retired.append(ruleset)

    @property
    def age(self) -> float:
        """How many seconds ago the files were last looked at. A look that has not ended, or has failed, is none."""
        return time.monotonic() - self._looked[0]

    @property
    def last_look(self) -> float:
        """When they were, in seconds since the epoch."""
        return self._looked[1]

    def _run(self) -> None:
        stumbled = False
        while not self._stopped.wait(self._interval):
            try:
                change = self._watch.look()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look may go well
                # Once, for it may go on like this twice a second.
                change = None if stumbled else Stumbled(error)
                stumbled = True
            else:
                self._looked = time.monotonic(), time.time()
                stumbled = False
            if change is not None and not self._stopped.is_set():
                self._tell(change)
            # Else what is in force by then would be held, too.
            change = None
            with _giving_way():
                free_unused(self._retired)
