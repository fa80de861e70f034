"""How it is found out what mitmproxy does with sockets: who reads, who writes, who is told of an end."""

# mypy: allow-untyped-calls

import asyncio
import logging
import socket
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined] # typeshed has no name for it
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from mitmproxy import ctx, http, platform
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, mode_servers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler, ServerInstance
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.proxy.server_hooks import ServerConnectedHook

from orgfence.proxy.relied_on.driven import context, differs, first_difference, replaced

# Far longer than anything here takes.
_SECONDS = 20


class Writer(asyncio.StreamWriter):
    """The writing side of a socket that is none."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def __del__(self) -> None:
        """Do nothing, where the base class closes its socket."""

    def write(self, data: Any) -> None:
        self.written.append(data)

    def write_eof(self) -> None:
        self.written.append(b"(eof)")

    def close(self) -> None:
        self.written.append(b"(closed)")

    def is_closing(self) -> bool:
        return b"(closed)" in self.written

    async def drain(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name.endswith("name") else default


@dataclass
class OurHook(commands.StartHook):
    """A hook of which mitmproxy knows nothing."""

    data: object


class Noting(Layer):
    """Notes what it is told, and what the handler then knows of the connection."""

    def __init__(self, below: Context) -> None:
        super().__init__(below)
        self.handler: ConnectionHandler | None = None
        self.told: list[tuple[str, bool]] = []
        self.does: list[commands.Command] = []

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        assert self.handler is not None
        connection = getattr(event, "connection", None)
        self.told.append((type(event).__name__, connection in self.handler.transports))
        yield from self.does
        self.does = []


class Handler(ConnectionHandler):
    """One client's connection, without sockets."""

    layer: Noting

    def __init__(self) -> None:
        below = context()
        super().__init__(below)
        self.reader, self.writer = asyncio.StreamReader(), Writer()
        self.layer = Noting(below)
        self.layer.handler = self
        self.hooks: list[str] = []
        self.drained_by: list[Any] = []
        #: Called for each hook.
        self.on_hook: Callable[[commands.StartHook], None] = lambda _: None
        self.transports[self.client] = ConnectionIO(reader=self.reader, writer=self.writer)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        self.hooks.append(hook.name)
        self.on_hook(hook)

    async def drain_writers(self) -> None:
        self.drained_by.append(asyncio.current_task())
        await super().drain_writers()

    def read(self) -> asyncio.Task[None]:
        """Begin to read what the client sends."""
        task = asyncio.create_task(self.handle_connection(self.client))
        self.transports[self.client].handler = task
        return task


def _run[T](drive: Callable[[Handler], Coroutine[None, None, T]]) -> T:
    async def run() -> T:
        async with asyncio.timeout(_SECONDS):
            return await drive(Handler())

    return asyncio.run(run())


def drains_after_each_piece() -> str | None:
    async def drive(handler: Handler) -> str | None:
        task = handler.read()
        for count in (1, 2):
            handler.reader.feed_data(b"x")
            while len(handler.layer.told) < count:  # noqa: ASYNC110 - nobody sets an event here
                await asyncio.sleep(0)
        handler.reader.feed_eof()
        while handler.client.state & ConnectionState.CAN_READ:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return differs(handler.drained_by, [task, task])

    return _run(drive)


def held_to_the_end() -> str | None:
    async def drive(handler: Handler) -> str | None:
        task = handler.read()
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return first_difference(
            (handler.layer.told, [("ConnectionClosed", True)]),
            (handler.writer.written, [b"(closed)"]),
            (handler.client in handler.transports, False),
        )

    return _run(drive)


def half_closes() -> str | None:
    async def drive(handler: Handler) -> str | None:
        handler.close_connection(handler.client, half_close=True)
        return first_difference((handler.writer.written, [b"(eof)"]), (handler.client.state, ConnectionState.CAN_READ))

    return _run(drive)


def activity() -> str | None:
    async def drive(handler: Handler) -> str | None:
        handler.timeout_watchdog.last_activity = 0
        await handler.server_event(events.DataReceived(handler.client, b"x"))
        return differs(handler.timeout_watchdog.last_activity > 0, True)

    return _run(drive)


def layers_are_told() -> str | None:
    async def drive(handler: Handler) -> str | None:
        handler.layer.does = [OurHook("data"), commands.SendData(handler.client, b"x")]
        await handler.server_event(events.DataReceived(handler.client, b"x"))
        await asyncio.sleep(0)
        return first_difference(
            (handler.layer.told, [("DataReceived", True)]),
            (handler.writer.written, [b"x"]),
            (handler.hooks, ["our"]),
            (handler.layer.context.layers, [handler.layer]),
        )

    return _run(drive)


def reads_streams() -> str | None:
    io = ConnectionIO()
    reader = asyncio.StreamReader.exception
    return first_difference(((io.handler, io.reader, io.writer), (None, None, None)), (reader.__name__, "exception"))


async def _open(handler: Handler, server: Server) -> None:
    handler.transports[server] = ConnectionIO()
    await handler.open_connection(commands.OpenConnection(server))


def refused_by_a_hook() -> str | None:
    async def drive(handler: Handler) -> str | None:
        server = Server(address=("127.0.0.1", 1))

        def refuse(_hook: commands.StartHook) -> None:
            server.error = handler.client.error = "no"

        handler.on_hook = refuse
        await _open(handler, server)
        hooks = list(handler.hooks)
        del handler.transports[server]
        await handler.handle_client()
        return first_difference(
            (hooks, ["server_connect", "server_connect_error"]),
            (server.timestamp_start, None),
            (handler.layer.told, [("OpenConnectionCompleted", False)]),
            (handler.writer.written, [b"(closed)"]),
        )

    return _run(drive)


class WithoutPeer(Writer):
    """What was connected, and is not any more."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None if name == "peername" else super().get_extra_info(name, default)


def peers_have_names() -> str | None:
    async def connect(*_: object, **__: object) -> tuple[asyncio.StreamReader, Writer]:
        return asyncio.StreamReader(), WithoutPeer()

    async def drive(handler: Handler) -> str | None:
        server = Server(address=("127.0.0.1", 1))
        raised: list[type[Exception]] = []
        try:
            with replaced(asyncio, "open_connection", connect):
                await _open(handler, server)
        except AssertionError as error:
            raised.append(type(error))
        return first_difference(
            (raised, [AssertionError]),
            (server.peername, None),
            (handler.layer.told, []),
            (handler.hooks, ["server_connect"]),
        )

    return _run(drive)


def ends_have_a_time() -> str | None:
    async def drive(handler: Handler) -> str | None:
        at: list[float | None] = []
        gone = asyncio.StreamReader()
        gone.feed_eof()

        async def connect(*_: object, **__: object) -> tuple[asyncio.StreamReader, Writer]:
            return gone, Writer()

        server = Server(address=("127.0.0.1", 1))
        told = handler.layer._handle_event

        def noting(event: events.Event) -> CommandGenerator[None]:
            if isinstance(event, events.ConnectionClosed):
                at.append(server.timestamp_end)
                # What closes the other side, too.
                yield commands.CloseConnection(server)
            yield from told(event)

        vars(handler.layer)["_handle_event"] = noting
        with replaced(asyncio, "open_connection", connect):
            task = asyncio.create_task(_open(handler, server))
            await asyncio.wait([task])
        return first_difference(
            (at, [None]),
            (server.timestamp_end is not None, True),
            (handler.hooks[1:], [ServerConnectedHook.name, "server_disconnected"]),
        )

    return _run(drive)


def notes_stay() -> str | None:
    client, server = context().client, Server(address=("127.0.0.1", 1))
    for connection in (client, server):
        vars(connection)["orgfence_note"] = True
    return differs([vars(each).get("orgfence_note") for each in {client: 1, server: 1}], [True, True])


def hooks_are_for_addons() -> str | None:
    async def drive(_: Handler) -> str | None:
        triggered: list[object] = []
        flow = http.HTTPFlow(context().client, Server(address=None))

        async def handle(hook: object) -> None:
            triggered.append(hook)
            flow.intercept()

        master = SimpleNamespace(addons=SimpleNamespace(handle_lifecycle=handle))
        mode = context().client.proxy_mode
        handler = ProxyConnectionHandler(master, None, Writer(), context().options, mode)
        hook = OurHook(flow)
        task = asyncio.create_task(handler.handle_hook(hook))
        await asyncio.sleep(0)
        waits = not task.done()
        flow.resume()
        await task
        return first_difference((triggered, [hook]), (waits, True))

    return _run(drive)


async def _serve(mode: str, proxyserver: Proxyserver) -> list[ProxyConnectionHandler]:
    """Return what serves a connection that a server of this mode has taken, at most one."""
    serving: list[ProxyConnectionHandler] = []

    async def serve(self: ProxyConnectionHandler) -> None:
        if proxyserver.connections.get(self.client.id) is self:
            serving.append(self)

    kept = {name: value for name, value in vars(ctx).items() if name in ("master", "options")}
    vars(ctx).update(master=SimpleNamespace(), options=context().options)
    try:
        with (
            replaced(mode_servers.ProxyConnectionHandler, "handle_client", serve),
            replaced(platform, "original_addr", lambda _: _MEANT),
        ):
            await ServerInstance.make(mode, proxyserver).handle_stream(asyncio.StreamReader(), Writer())
    finally:
        for name in ("master", "options"):
            vars(ctx).pop(name, None)
        vars(ctx).update(kept)
    return serving


_MEANT = ("192.0.2.1", 443)


def found_by_client() -> str | None:
    async def drive(_: Handler) -> str | None:
        proxyserver = Proxyserver()
        serving = await _serve("regular", proxyserver)
        return first_difference((len(serving), 1), (proxyserver.connections, {}))

    return _run(drive)


def original_destination() -> str | None:
    async def drive(_: Handler) -> str | None:
        (serving,) = await _serve("transparent", Proxyserver())
        return differs((serving.client.sockname, serving.layer.context.server.address), (_MEANT, _MEANT))

    return _run(drive)


def listens() -> str | None:
    async def drive(_: Handler) -> str | None:
        proxyserver, changes = Proxyserver(), []

        def changed() -> None:
            changes.append(1)

        proxyserver.servers.changed.connect(changed)
        await proxyserver.servers.changed.send()
        instance: ServerInstance[Any] = ServerInstance.make("regular", proxyserver)
        found = instance.is_running, instance.listen_addrs, instance.last_exception, instance.mode.type_name
        return first_difference(
            (changes, [1]),
            (found, (False, (), None, "regular")),
            ((list(proxyserver.servers), proxyserver.is_running), ([], False)),
        )

    return _run(drive)


def log_name() -> str | None:
    found: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.name)

    async def drive(handler: Handler) -> str | None:
        handler.layer.does = [commands.Log("x", logging.ERROR)]
        await handler.server_event(events.Start())
        return differs(found, ["mitmproxy.proxy.server"])

    listening = Listening()
    logger = logging.getLogger("mitmproxy")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(listening)
    try:
        return _run(drive)
    finally:
        logger.removeHandler(listening)
        logger.propagate = propagates


def write_buffers() -> str | None:
    return asyncio.run(_write_to_nobody())


async def _write_to_nobody() -> str | None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    transport: Any = writer.transport
    paused: list[bool] = []
    try:
        kind = type(transport)
        idle = list(transport._buffer), transport._eof, transport._empty_waiter
        writer.write(bytes(8 * 1024 * 1024))
        transport._maybe_pause_protocol = lambda: paused.append(True)
        writer.write(b"last")
        waiting = bytes(transport._buffer[-1]), paused
        writer.write_eof()
        return first_difference(
            (kind, _SelectorSocketTransport),
            (idle, ([], False, None)),
            (waiting, (b"last", [True])),
            (transport._eof, True),
        )
    finally:
        theirs.close()
        transport.abort()
        # It closes its socket in the next turn of the loop.
        await asyncio.sleep(0)
