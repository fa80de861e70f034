"""Hands mitmproxy's events to addons by a table, not by a walk.

Stock mitmproxy asks every addon for every event whether it has such a hook: for one request, some eight walks
over thirty addons. Here the answer is kept: event name to bound hooks.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Much of mitmproxy's addon manager has no annotations.

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from inspect import isawaitable
from types import ModuleType
from typing import Any

from mitmproxy import exceptions, flow, hooks
from mitmproxy.addonmanager import AddonManager, traverse
from mitmproxy.master import Master

logger = logging.getLogger(__name__)

#: The hooks of one top-level addon and of those below it: an exception in one passes over the rest.
type Group = tuple[Callable[..., Any], ...]


class HookTable(AddonManager):
    """An `AddonManager` with the same semantics that looks hooks up once.

    Three things differ. A hook that an addon itself gets or loses after it was added is not noticed; an addon
    that comes or goes is. An addon's error is logged without its message, which might hold a piece of a
    request. And an `OptionsError` about a flow is such an error, too.
    """

    def __init__(self, master: Master) -> None:
        super().__init__(master)
        self._table: dict[str, tuple[Group, ...]] = {}
        #: What `trigger_now` has left to `trigger_event`.
        self._begun: dict[hooks.Hook, _Calls] = {}

    # The table is forgotten after each change, not before it: an addon may trigger an event while it comes or goes, and
    # what is looked up then is what was there before.

    def add(self, *addons: Any) -> None:
        """Add addons, one after the other."""
        try:
            super().add(*addons)
        finally:
            self._table.clear()

    def register(self, addon: Any) -> Any:
        """Load an addon; `add` and addons that manage others come by here."""
        try:
            return super().register(addon)
        finally:
            self._table.clear()

    def remove(self, addon: Any) -> None:
        """Remove an addon and all below it."""
        try:
            super().remove(addon)
        finally:
            self._table.clear()

    def clear(self) -> None:
        """Remove all addons."""
        try:
            super().clear()
        finally:
            self._table.clear()

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Trigger an event of the proxy core, and `update` after it where it was about a flow."""
        if event in self._begun or self._groups(event.name):
            try:
                await self.trigger_event(event)
            except exceptions.OptionsError as error:
                # Nobody above sets options; mitmproxy would leave the client waiting for ever.
                _log(event.name, error)
        if self._groups(hooks.UpdateHook.name):
            message = event.args()[0]
            if isinstance(message, flow.Flow):
                await self.trigger_event(hooks.UpdateHook([message]))

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call all hooks for an event in order; what one returns is awaited only if it can be."""
        calls = self._begun.pop(event, None) or _Calls(event.name, event.args(), self._groups(event.name))
        while (waiting := calls.go_on()) is not None:
            try:
                await waiting
            except Exception as error:  # noqa: BLE001 - an addon's bug must not stop the others
                calls.fail(error)

    def trigger_now(self, event: hooks.Hook, about: flow.Flow) -> bool:
        """Call the hooks for an event that is about a flow and nothing else, and return whether that is all.

        If not, `handle_lifecycle` is to be given the event: there is something to wait for.
        """
        if self._groups(hooks.UpdateHook.name):
            return False
        groups = self._groups(event.name)
        if not groups:
            return not about.intercepted
        calls = _Calls(event.name, (about,), groups)
        try:
            waiting = calls.go_on()
        except exceptions.OptionsError as error:
            _log(event.name, error)
            waiting = None
        if waiting is None and not about.intercepted:
            return True
        # Also where all were called and only the flow is waited for: nobody is to call them again.
        self._begun[event] = calls
        calls.waiting = waiting
        return False

    def _groups(self, name: str) -> tuple[Group, ...]:
        groups = self._table.get(name)
        if groups is None:
            found = (_hooks_below(addon, name) for addon in self.chain)
            groups = self._table[name] = tuple(group for group in found if group)
        return groups


class _Calls:
    """One event on its way through its hooks."""

    __slots__ = ("_arguments", "_groups", "_hooks", "_name", "waiting")

    def __init__(self, name: str, arguments: Sequence[Any], groups: tuple[Group, ...]) -> None:
        self._name = name
        self._arguments = arguments
        self._groups = iter(groups)
        self._hooks: Iterator[Callable[..., Any]] = iter(())
        #: What the last hook that was called returned, if it is still to be waited for.
        self.waiting: Awaitable[Any] | None = None

    def go_on(self) -> Awaitable[Any] | None:
        """Call hooks up to one that returns something to wait for; None at the end."""
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            return waiting
        while True:
            try:
                for hook in self._hooks:
                    result = hook(*self._arguments)
                    if result is not None and isawaitable(result):
                        return result
            except Exception as error:  # noqa: BLE001 - as above
                self.fail(error)
            group = next(self._groups, None)
            if group is None:
                return None
            self._hooks = iter(group)

    def fail(self, error: Exception) -> None:
        """Pass over the rest of a group whose hook raised, or over all of them if it says so."""
        self._hooks = iter(())
        if isinstance(error, exceptions.AddonHalt):
            self._groups = iter(())
        elif isinstance(error, exceptions.OptionsError):
            raise error
        else:
            _log(self._name, error)


def _log(name: str, error: Exception) -> None:
    # Not `logger.exception`, whose last line is the exception's message.
    logger.error("Addon error in `%s`: %s", name, outline(error))


def outline(error: BaseException) -> str:
    """Return an exception's type and where it came from: source lines, never values."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__)).rstrip()}"


def _hooks_below(addon: Any, name: str) -> Group:
    found = []
    for each in traverse([addon]):
        hook = getattr(each, name, None)
        # `from mitmproxy import log` in an addon that is a module is no hook for the event `log`.
        if not hook or isinstance(hook, ModuleType):
            continue
        if callable(hook):
            found.append(hook)
        else:
            logger.error("Addon handler `%s` of `%s` is not callable", name, type(each).__name__)
    return tuple(found)
