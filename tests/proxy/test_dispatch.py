"""The hook table calls what mitmproxy would call; the lean master runs what it promises.

Where the claim is mitmproxy's own, it is made of both managers.
"""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addonmanager import AddonManager
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook
from mitmproxy.test import tflow
from tests.proxy.harness import ProxyProcess, RawClient, Upstream

from orgfence.proxy.lean.dispatch import HookTable
from orgfence.proxy.lean.lean_master import LeanMaster

both = pytest.mark.parametrize("kind", [AddonManager, HookTable])
TOY_PROXY = Path(__file__).with_name("toy_proxy.py")


class Addon:
    """Writes its name down when its hook is called, and does what it was told."""

    def __init__(self, name: str, calls: list[str], *below: "Addon", then: Callable[[], Any] = int) -> None:
        self.name = name
        self.addons = list(below)
        self._calls = calls
        self._then = then

    def requestheaders(self, _flow: object) -> Any:
        self._calls.append(self.name)
        return self._then()


class Coming(Addon):
    """Triggers an event while it is loaded."""

    trigger: Callable[[], object]

    def load(self, _loader: object) -> None:
        self.trigger()


class Going(Addon):
    """Triggers an event while it ends."""

    trigger: Callable[[], object] = int

    def done(self) -> None:
        self.trigger()


def begin(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine up to where it waits, at once, as tasks do in a running master."""
    return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)


class Updates:
    """Listens to `update` alone."""

    def __init__(self) -> None:
        self.flows: list[object] = []

    def update(self, flows: list[object]) -> None:
        self.flows.extend(flows)


def with_manager(kind: type[AddonManager], use: Callable[[AddonManager], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        master = Master(Options())
        try:
            master.addons = kind(master)
            await use(master.addons)
        finally:
            await master.done()

    asyncio.run(run())


def headers_of(flow: object) -> HttpRequestHeadersHook:
    return HttpRequestHeadersHook(flow)  # type: ignore[arg-type] # what the hook carries is the test's business


@both
def test_calls_addons_in_the_order_of_the_chain(kind: type[AddonManager]) -> None:
    """First an addon, then those below it, then the next; one without the hook is passed over."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        first = Addon("first", calls, Addon("below", calls, Addon("deeper", calls)), Addon("beside", calls))
        manager.add(first, Updates(), Addon("second", calls))
        await manager.trigger_event(headers_of(None))
        assert calls == ["first", "below", "deeper", "beside", "second"]

    with_manager(kind, use)


@both
def test_an_addon_that_raises_stops_only_itself(kind: type[AddonManager], caplog: pytest.LogCaptureFixture) -> None:
    """The rest below the same top-level addon is passed over, later ones run, and the error is logged."""
    calls: list[str] = []

    secret = "hunter2"

    def fail() -> None:
        raise ValueError(secret)

    async def use(manager: AddonManager) -> None:
        below = Addon("below", calls, then=fail), Addon("beside", calls)
        manager.add(Addon("first", calls, *below), Addon("second", calls))
        await manager.handle_lifecycle(headers_of(None))
        assert calls == ["first", "below", "second"]

    with caplog.at_level(logging.ERROR):
        with_manager(kind, use)
    (record,) = caplog.records
    assert "Addon error" in record.getMessage()
    if kind is HookTable:
        # Where it was raised, and nothing of what it said.
        assert "in fail" in caplog.text
        assert "ValueError" in caplog.text
        assert secret not in caplog.text


@both
def test_addon_halt_ends_the_event(kind: type[AddonManager]) -> None:
    """No later addon is called, and nobody hears of it."""
    calls: list[str] = []

    def halt() -> None:
        raise exceptions.AddonHalt

    async def use(manager: AddonManager) -> None:
        manager.add(Addon("first", calls), Addon("halts", calls, then=halt), Addon("second", calls))
        await manager.handle_lifecycle(headers_of(None))
        assert calls == ["first", "halts"]

    with_manager(kind, use)


@both
def test_options_errors_reach_the_caller(kind: type[AddonManager]) -> None:
    """As mitmproxy's option parser wants it."""

    def refuse() -> None:
        raise exceptions.OptionsError("no")

    async def use(manager: AddonManager) -> None:
        manager.add(Addon("first", [], then=refuse))
        with pytest.raises(exceptions.OptionsError):
            await manager.trigger_event(headers_of(None))

    with_manager(kind, use)


@both
def test_awaits_an_async_hook_before_the_next_addon(kind: type[AddonManager]) -> None:
    """A hook may be a coroutine function, or return what can be awaited."""
    calls: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0)
        calls.append("later")

    async def use(manager: AddonManager) -> None:
        manager.add(Addon("first", calls, then=later), Addon("second", calls))
        await manager.handle_lifecycle(headers_of(None))
        assert calls == ["first", "later", "second"]

    with_manager(kind, use)


@both
def test_addons_come_and_go_while_it_runs(kind: type[AddonManager]) -> None:
    """The next event calls who is there then, also below another addon, as with reloaded scripts."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        async def who() -> list[str]:
            calls.clear()
            await manager.trigger_event(headers_of(None))
            return list(calls)

        assert await who() == []
        first, second, below = (Addon(name, calls) for name in ("first", "second", "below"))
        manager.add(first)
        assert await who() == ["first"]
        manager.add(second)
        manager.register(below)
        first.addons.append(below)
        assert await who() == ["first", "below", "second"]
        manager.remove(below)
        first.addons.remove(below)
        assert await who() == ["first", "second"]
        manager.remove(first)
        assert await who() == ["second"]
        manager.clear()
        assert await who() == []

    with_manager(kind, use)


@both
@pytest.mark.parametrize("how", ["add", "register"])
def test_an_event_while_an_addon_comes_is_not_the_last_word(kind: type[AddonManager], how: str) -> None:
    """What was looked up while it was loading, without it, is looked up again."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        above, coming = Addon("above", calls), Coming("coming", calls)
        manager.add(above)
        coming.trigger = lambda: begin(manager.trigger_event(headers_of(None)))
        getattr(manager, how)(coming)
        if how == "register":
            above.addons.append(coming)
        assert calls == ["above"]
        await manager.trigger_event(headers_of(None))
        assert calls == ["above", "above", "coming"]

    with_manager(kind, use)


@both
@pytest.mark.parametrize("how", ["remove", "clear"])
def test_an_event_while_an_addon_goes_is_not_the_last_word(kind: type[AddonManager], how: str) -> None:
    """Nor is what was looked up while it was told of its end."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        going = Going("going", calls)
        manager.add(going)
        going.trigger = lambda: begin(manager.trigger_event(headers_of(None)))
        if how == "remove":
            manager.remove(going)
        else:
            manager.clear()
        calls.clear()
        await manager.trigger_event(headers_of(None))
        assert calls == []

    with_manager(kind, use)


def test_addons_deep_below_others_come_and_go() -> None:
    """The addon that holds another sees to its list, and says so by `register` and `remove`; no other is touched."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        async def who() -> list[str]:
            calls.clear()
            await manager.handle_lifecycle(headers_of(None))
            return list(calls)

        deepest = Addon("deepest", calls)
        middle = Addon("middle", calls)
        manager.add(Addon("top", calls, middle), Addon("other", calls))
        assert await who() == ["top", "middle", "other"]
        for _ in range(2):
            manager.register(deepest)
            middle.addons.append(deepest)
            assert await who() == ["top", "middle", "deepest", "other"]
            manager.remove(deepest)
            middle.addons.remove(deepest)
            assert await who() == ["top", "middle", "other"]

    with_manager(HookTable, use)


def test_an_addon_that_cannot_be_added_changes_nothing() -> None:
    """Its name is taken, or it is not there: those that are there are called as before."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        manager.add(Addon("first", calls))
        with pytest.raises(exceptions.AddonManagerError):
            manager.add(Addon("second", calls), Addon("first", calls))
        with pytest.raises(exceptions.AddonManagerError):
            manager.remove(Addon("third", calls))
        await manager.trigger_event(headers_of(None))
        assert calls == ["first", "second"]

    with_manager(HookTable, use)


def test_the_hooks_of_an_intercepted_flow_are_called_once() -> None:
    """Where a hook has a flow wait, the event goes the long way, and nobody is asked again."""
    calls: list[str] = []
    flow = tflow.tflow()

    async def use(manager: AddonManager) -> None:
        assert isinstance(manager, HookTable)
        manager.add(Addon("first", calls, then=flow.intercept), Addon("second", calls))
        event = headers_of(flow)
        assert not manager.trigger_now(event, flow)
        await manager.handle_lifecycle(event)
        assert calls == ["first", "second"]

    with_manager(HookTable, use)


def test_a_request_asks_no_more_addons_than_these() -> None:
    """Of all that the lean master loads, and of nobody for an event that no one does anything at."""

    class Guard:
        name = "guard"

        def requestheaders(self, _flow: object) -> None:
            pass

    async def run() -> None:
        master = LeanMaster(Options(), [Guard()])
        table = master.addons
        assert isinstance(table, HookTable)
        asked = {
            event: [hook.__qualname__.partition(".")[0] for group in table._groups(event) for hook in group]
            for event in ("requestheaders", "request", "responseheaders", "response", "error", "update")
        }
        await master.done()
        assert asked == {
            # The last one has a proxy behind ours get its credential.
            "requestheaders": ["EarlyDisableH2C", "ProxyAuth", Guard.__qualname__.partition(".")[0], "UpstreamAuth"],
            # It answers for the list of what its CA has revoked.
            "request": ["TlsConfig"],
            "responseheaders": ["UpdateAltSvc"],
            "response": [],
            "error": [],
            "update": [],
        }

    asyncio.run(run())


@both
def test_update_follows_what_is_about_a_flow(kind: type[AddonManager]) -> None:
    """Whether or not the event itself had a listener; events about anything else have none."""

    async def use(manager: AddonManager) -> None:
        updates, flow = Updates(), tflow.tflow()
        manager.add(updates)
        await manager.handle_lifecycle(headers_of(flow))
        await manager.handle_lifecycle(headers_of("no flow"))
        assert updates.flows == [flow]

    with_manager(kind, use)


@both
def test_an_attribute_that_is_no_function_is_no_hook(
    kind: type[AddonManager], caplog: pytest.LogCaptureFixture
) -> None:
    """A module of a hook's name is passed over, anything else is an error in the log."""
    calls: list[str] = []

    async def use(manager: AddonManager) -> None:
        imports, wrong = Addon("imports", calls), Addon("wrong", calls)
        imports.requestheaders = sys  # type: ignore[assignment,method-assign] # this is the claim
        wrong.requestheaders = 1  # type: ignore[assignment,method-assign] # this is the claim
        manager.add(imports, wrong, Addon("last", calls))
        await manager.trigger_event(headers_of(None))
        assert calls == ["last"]

    with caplog.at_level(logging.ERROR):
        with_manager(kind, use)
    assert [bool(re.search("not callable", record.getMessage())) for record in caplog.records] == [True]


def test_running_and_done_reach_every_addon() -> None:
    """A lean master tells its addons of its own beginning and end."""
    seen: list[str] = []

    class Guard:
        def running(self) -> None:
            seen.append("running")

        async def done(self) -> None:
            await asyncio.sleep(0)
            seen.append("done")

    async def run() -> None:
        master = LeanMaster(Options(server=False), [Guard()])
        asyncio.get_running_loop().call_later(0.1, master.shutdown)
        await master.run()

    asyncio.run(run())
    assert seen == ["running", "done"]


def test_an_option_that_no_addon_defines_does_not_exist() -> None:
    """What would change a request behind the guard's back cannot be set; what a proxy needs can."""

    async def run() -> None:
        master = LeanMaster(Options())
        assert {"proxyauth", "block_global", "keep_host_header", "client_certs"} <= set(master.options.keys())
        assert not {"map_remote", "modify_headers", "stickyauth", "scripts"} & set(master.options.keys())
        master.options.set("map_remote=/a/b/c", defer=True)
        assert set(master.options.deferred) == {"map_remote"}
        await master.done()

    asyncio.run(run())


def toy_command(port: int = 0) -> Callable[[Path], list[str]]:
    def command(confdir: Path) -> list[str]:
        options = {"confdir": str(confdir), "listen_host": "127.0.0.1", "listen_port": port}
        return [sys.executable, str(TOY_PROXY), json.dumps({"options": options})]

    return command


def test_offers_of_h2c_do_not_reach_upstream() -> None:
    """Neither with a streamed request, whose headers leave early, nor as HTTP/2's own first bytes."""
    with Upstream() as upstream, ProxyProcess(command=toy_command(), ready=listening) as proxy:
        address = proxy.ready_value["listening"][0]
        host = b"127.0.0.1:%d" % upstream.address[1]
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        for wish in (b"", b"X-Toy: stream\r\n"):
            with RawClient(address) as client:
                start = b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\n" % (host, host)
                client.send(start + offer + wish + b"\r\nbody")
                assert client.read_answer().status == 200
        with RawClient(address) as client:
            client.send(b"PRI * HTTP/2.0\r\nHost: %s\r\n\r\nSM\r\n\r\n" % host)
            assert client.wait_for_close() == b""
        assert len(upstream.requests) == 2
        for request in upstream.requests:
            assert request.body_bytes == 4
            assert not request.values(b"upgrade") + request.values(b"http2-settings")


def test_a_hook_that_raises_says_nothing_of_the_request() -> None:
    """In a real process: mitmproxy goes on with the request, as the gate is what refuses."""
    with Upstream() as upstream, ProxyProcess(command=toy_command(), ready=listening) as proxy:
        host = b"127.0.0.1:%d" % upstream.address[1]
        with RawClient(proxy.ready_value["listening"][0]) as client:
            wish = b"X-Toy: die\r\nX-Secret: hunter2\r\n"
            client.send(b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (host, host, wish))
            assert client.read_answer().status == 200
        proxy.wait_for_line(lambda line: "Addon error in `requestheaders`: ValueError" in line)
        assert "hunter2" not in proxy.output


def listening(line: str) -> Any:
    return line.startswith('{"listening"') and json.loads(line)
