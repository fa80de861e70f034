"""Hands mitmproxy's events to addons by a table, not by a walk.

Stock mitmproxy asks every addon for every event whether it has such a hook: for one request, some eight walks
over thirty addons. Here the answer is kept: event name to bound hooks.

Relies, in mitmproxy 12.2, on:

* `AddonManager.chain` changing in `add`, `remove` and `clear` only;
* `trigger_event` and `handle_lifecycle` being all that the proxy core calls;
* `traverse` giving an addon and those below it, in the order in which they are called.
"""

# mypy: allow-untyped-calls
# Much of mitmproxy's addon manager has no annotations.

import logging
import traceback
from collections.abc import Callable
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

    def register(self, addon: Any) -> Any:
        """Load an addon; `add` and addons that manage others come by here."""
        self._table.clear()
        return super().register(addon)

    def remove(self, addon: Any) -> None:
        """Remove an addon and all below it."""
        self._table.clear()
        super().remove(addon)

    def clear(self) -> None:
        """Remove all addons."""
        self._table.clear()
        super().clear()

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Trigger an event of the proxy core, and `update` after it where it was about a flow."""
        if self._groups(event.name):
            try:
                await self.trigger_event(event)
            except exceptions.OptionsError as error:
                # Nobody above sets options; mitmproxy would leave the client waiting for ever.
                logger.error("Addon error in `%s`: %s", event.name, outline(error))  # noqa: TRY400
        if self._groups(hooks.UpdateHook.name):
            message = event.args()[0]
            if isinstance(message, flow.Flow):
                await self.trigger_event(hooks.UpdateHook([message]))

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call all hooks for an event in order; what one returns is awaited only if it can be."""
        arguments = event.args()
        for group in self._groups(event.name):
            try:
                for hook in group:
                    result = hook(*arguments)
                    if result is not None and isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except exceptions.OptionsError:
                raise
            except Exception as error:  # noqa: BLE001 - an addon's bug must not stop the others
                # Not `logger.exception`, whose last line is the exception's message.
                logger.error("Addon error in `%s`: %s", event.name, outline(error))  # noqa: TRY400

    def _groups(self, name: str) -> tuple[Group, ...]:
        groups = self._table.get(name)
        if groups is None:
            found = (_hooks_below(addon, name) for addon in self.chain)
            groups = self._table[name] = tuple(group for group in found if group)
        return groups


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
