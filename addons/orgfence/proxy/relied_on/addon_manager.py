"""How it is found out what mitmproxy's `AddonManager` and `Master` do."""

# mypy: allow-untyped-calls

import asyncio
import logging
from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any

from mitmproxy import hooks, http
from mitmproxy.addonmanager import AddonManager, traverse
from mitmproxy.addons import default_addons, disable_h2c, errorcheck
from mitmproxy.log import AddLogHook
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook

from orgfence.proxy.options import REFUSABLE
from orgfence.proxy.relied_on.driven import context, differs, first_difference, server

# Far longer than anything here takes.
_SECONDS = 20


class Addon:
    """An addon by this name, with others below it."""

    def __init__(self, name: str, *below: "Addon") -> None:
        self.name = name
        self.addons = list(below)


def _with_master(drive: Callable[[Master], Coroutine[None, None, str | None]]) -> str | None:
    async def run() -> str | None:
        master = Master(Options())
        try:
            async with asyncio.timeout(_SECONDS):
                return await drive(master)
        finally:
            await master.done()

    return asyncio.run(run())


def chain_changes() -> str | None:
    class Watched(AddonManager):
        registered: list[object]

        def register(self, addon: Any) -> Any:
            self.registered.append(addon)
            return super().register(addon)

    async def drive(master: Master) -> str | None:
        manager = Watched(master)
        manager.registered = []
        first, second = Addon("first", Addon("below")), Addon("second")
        manager.add(first, second)
        added = list(manager.chain)
        manager.remove(first)
        removed = list(manager.chain)
        manager.clear()
        users = {name for name, function in vars(AddonManager).items() if "chain" in _names(function)}
        return first_difference(
            (manager.registered, [first, second]),
            ((added, removed, manager.chain), ([first, second], [second], [])),
            (users - {"__init__", "__len__", "__str__"}, {"add", "remove", "clear", "trigger", "trigger_event"}),
        )

    return _with_master(drive)


def _names(function: object) -> tuple[str, ...]:
    return getattr(getattr(function, "__code__", None), "co_names", ())


def traversal() -> str | None:
    deeper = Addon("deeper")
    below = Addon("below", deeper)
    first, second = Addon("first", below), Addon("second")
    return differs(list(traverse([first, second])), [first, below, deeper, second])


def found_by_name() -> str | None:
    async def drive(master: Master) -> str | None:
        below = Addon("below")
        master.addons.add(Addon("first", below))
        return differs(master.addons.get("below"), below)

    return _with_master(drive)


def hooks_are_keys() -> str | None:
    flow = http.HTTPFlow(context().client, server())
    first, second = HttpRequestHook(flow), HttpRequestHook(flow)
    return first_difference((len({first: 1, second: 2}), 2), (first.name, "request"), (first.args(), [flow]))


def empty_master() -> str | None:
    async def drive(master: Master) -> str | None:
        return first_difference((type(master.addons), AddonManager), (master.addons.chain, []))

    return _with_master(drive)


def runs_the_proxyserver() -> str | None:
    class Found:
        name = "proxyserver"

        def __init__(self) -> None:
            self.seen: list[str] = []

        async def setup_servers(self) -> None:
            self.seen.append("setup_servers")

        def running(self) -> None:
            self.seen.append("running")
            self.shutdown()

        def done(self) -> None:
            self.seen.append("done")

        shutdown: Callable[[], None]

    async def run() -> str | None:
        master, found = Master(Options()), Found()
        found.shutdown = master.shutdown
        master.addons.add(found)
        async with asyncio.timeout(_SECONDS):
            await master.run()
        return differs(found.seen, ["setup_servers", "running", "done"])

    return asyncio.run(run())


def legacy_log() -> str | None:
    async def drive(master: Master) -> str | None:
        events = master._legacy_log_events
        triggered: list[object] = []
        vars(master.addons)["trigger"] = triggered.append
        before = events in logging.getLogger().handlers
        events.emit(logging.makeLogRecord({"msg": "x", "levelno": logging.ERROR}))
        await asyncio.sleep(0)
        events.uninstall()
        after = events in logging.getLogger().handlers
        return first_difference(((before, after), (True, False)), ([type(event) for event in triggered], [AddLogHook]))

    return _with_master(drive)


def h2c_by_head() -> str | None:
    flow = http.HTTPFlow(context().client, server())
    offer = http.Headers(connection="Upgrade, HTTP2-Settings", upgrade="h2c", http2_settings="AAMAAABk")
    flow.request = http.Request.make("POST", "http://example.com/", b"", offer)
    flow.request.data.content = None
    logger = logging.getLogger()
    was, logger.disabled = logger.disabled, True
    try:
        disable_h2c.DisableH2C().process_flow(flow)
    finally:
        logger.disabled = was
    return differs(set(flow.request.headers) & {"Connection", "Upgrade", "HTTP2-Settings"}, set())


def web_master() -> str | None:
    from mitmproxy.tools.web.master import WebMaster  # noqa: PLC0415 - as where it is needed

    return first_difference(
        ("with_termlog" in signature(WebMaster.__init__).parameters, True),
        (isinstance(vars(WebMaster).get("web_url"), property), True),
        ("ErrorCheck" in _names(WebMaster.__init__), True),
        (list(signature(errorcheck.ErrorCheck.finish).parameters), ["self"]),
        (errorcheck.ErrorCheck.__name__.lower(), "errorcheck"),
    )


# Of a later mitmproxy than the first that will do.
_LATER = {"emudhra", "emudhra_old"}


def option_names() -> str | None:
    async def drive(master: Master) -> str | None:
        master.addons.add(*default_addons())
        return differs(REFUSABLE - _LATER - set(master.options.keys()), set())

    return _with_master(drive)


def core_triggers() -> str | None:
    async def drive(master: Master) -> str | None:
        triggered: list[object] = []

        async def trigger(event: object) -> None:
            triggered.append(type(event))

        vars(master.addons)["trigger_event"] = trigger
        await master.running()
        await master.done()
        flow = http.HTTPFlow(context().client, server())
        hook = HttpRequestHook(flow)
        await master.addons.handle_lifecycle(hook)
        return differs(triggered, [hooks.RunningHook, hooks.DoneHook, HttpRequestHook, hooks.UpdateHook])

    return _with_master(drive)
