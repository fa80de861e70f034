"""The policy that requests are judged by, kept to what its files hold: what watches meets what judges and what tells.

All of it belongs to the event loop's thread, in which requests are judged; only looking and loading happen in another.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from orgfence.core.ruleset import Ruleset
from orgfence.observe.admin import LastReload, PolicyState
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics, Stage
from orgfence.observe.policy_log import MEND, first_faults, policy_reload_failed, policy_reloaded, policy_restored
from orgfence.observe.redaction import printable, redact_jwts
from orgfence.piecewise import free
from orgfence.policy_source.files import LoadedPolicy, PolicyFiles
from orgfence.policy_source.watch import INTERVAL, Broken, Change, PolicyWatch, Reloaded, Restored, WatchThread

#: Seconds after which a look is too old to say what the files hold. They are looked at twice a second, and the largest
#: policy takes some seconds to load.
MAX_LOOK_AGE = 10.0


class PolicyInForce:
    """One policy from the moment at which it was loaded, through all its changes."""

    def __init__(
        self,
        loaded: LoadedPolicy,
        metrics: Metrics,
        log: InspectionLog,
        *,
        console: bool = False,
        interval: float = INTERVAL,
    ) -> None:
        """Begin with what was loaded at the start. Its files are looked at every `interval` seconds, once watched."""
        #: The last that could be loaded.
        self.ruleset = loaded.ruleset
        self._loaded = loaded
        self._metrics = metrics
        self._log = log
        self._console = console
        self._interval = interval
        self._use: Callable[[Ruleset], None] = lambda _: None
        self._thread: WatchThread | None = None
        now = time.time()
        self._state = self._good = PolicyState(source=loaded.name, loaded_at=_written(now))
        metrics.set_policy(loaded.ruleset)
        metrics.policy_loaded(now)
        metrics.set_observe_override(loaded.observe)
        metrics.policy_last_look = self._last_look
        metrics.policy_is_seen = lambda: not self._is_unseen()
        log.repeat = loaded.ruleset.handling.log_repeat

    @property
    def state(self) -> PolicyState:
        """What `/readyz` says of it."""
        thread = self._thread
        if thread is None or not self._is_unseen():
            return self._state
        problem = (
            f"The policy's files were last looked at {thread.age:.0f} seconds ago: the disk hangs, or they cannot be "
            f"looked at. The policy of generation {self.ruleset.generation} stays in force. Mend the disk"
        )
        return replace(self._state, last_reload=LastReload.FAILED, problem=problem)

    def _is_unseen(self) -> bool:
        """Return whether nobody knows what the files hold now."""
        return self._thread is not None and self._thread.age > MAX_LOOK_AGE

    def _last_look(self) -> float | None:
        return None if self._thread is None else self._thread.last_look

    def watch(self, use: Callable[[Ruleset], None]) -> None:
        """Begin to watch, with the running event loop; hand `use` each ruleset that comes to be in force."""
        self._use = use
        if self._loaded.files is None or self._thread is not None:
            return
        loop = asyncio.get_running_loop()

        def tell(change: Change) -> None:
            # The loop may have ended a moment ago, and then there is nobody left to be told.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._take, change)

        self._thread = WatchThread(PolicyWatch(self._loaded.files, self._load), tell, self._interval)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def _load(self, files: PolicyFiles) -> Ruleset:
        """Load in the watching thread."""
        policy = files.load()
        ruleset = policy.ruleset.observing() if self._loaded.observe else policy.ruleset
        loaded: list[object] = [policy]
        del policy
        free(loaded)
        return ruleset

    def _take(self, change: Change) -> None:
        """Do in the event loop what has come of a look."""
        if self._thread is None:
            return
        try:
            if isinstance(change, Reloaded):
                self._take_over(change)
            elif isinstance(change, Broken):
                self._keep(change)
            elif isinstance(change, Restored):
                self._restore()
            else:
                self._failed(change.error)
        except Exception as error:  # noqa: BLE001 - requests must be judged on, by whatever is in force
            self._failed(error)
            if isinstance(change, Reloaded) and self.ruleset is not change.ruleset:
                self._keep(Broken((f"{self._loaded.name}: orgfence failed to use it. Report the error in its log",)))

    def _take_over(self, change: Reloaded) -> None:
        now = time.time()
        before, after = ({rule.id for rule in ruleset.rules} for ruleset in (self.ruleset, change.ruleset))
        self._use(change.ruleset)
        if self._thread is not None:
            self._thread.retire(self.ruleset)
        self.ruleset = change.ruleset
        self._state = self._good = replace(self._good, loaded_at=_written(now), last_reload=LastReload.OK)
        self._log.repeat = change.ruleset.handling.log_repeat
        self._metrics.set_policy(change.ruleset)
        self._metrics.count_reload(True, now)
        policy_reloaded(
            change.ruleset,
            files=change.files,
            seconds=change.seconds,
            added=sorted(after - before),
            removed=sorted(before - after),
        )

    def _keep(self, change: Broken) -> None:
        generation = self.ruleset.generation
        faults = [printable(redact_jwts(fault)) for fault in change.faults]
        self._state = replace(
            self._good,
            last_reload=LastReload.FAILED,
            problem=(
                "The policy's files have changed, and what they hold now cannot be used. "
                f"The policy of generation {generation} stays in force. {MEND}"
            ),
            faults=tuple(first_faults(faults)),
            fault_count=len(faults),
        )
        self._metrics.count_reload(False, time.time())
        if change.error is not None:
            self._failed(change.error)
        policy_reload_failed(generation, faults, console=self._console)

    def _restore(self) -> None:
        self._state = self._good
        self._metrics.policy_restored()
        policy_restored(self.ruleset.generation)

    def _failed(self, error: Exception) -> None:
        """Count and log a fault of our own; nothing that it quotes is shown."""
        self._metrics.count_internal_error(Stage.RELOAD)
        structlog.get_logger().error("internal_error", where=Stage.RELOAD.value, exc_info=error)


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
