"""Sees to it that the end of every connection is told of, whatever ends it.

mitmproxy closes a connection by cancelling the task that reads from it, and the task then tells the layers. But it may
be cancelled twice, by a layer and because nothing can be written to it any more, and the second time while it waits for
its turn to tell: then nobody hears of the end, and the requests that were under way hang with their clients. So does
who waits for a connection that upstream has reset as soon as it was made: it has no address any more, and mitmproxy
takes it for granted that it has one.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from contextlib import suppress

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectErrorHook, ServerConnectionHookData
from mitmproxy.utils import asyncio_utils

_handle = ConnectionHandler.handle_connection
_open = ConnectionHandler.open_connection


def install() -> None:
    """See to it for every connection of this process."""
    # mypy lets nobody assign to a method; that is the point here.
    ConnectionHandler.handle_connection = _handle_to_the_end  # type: ignore[method-assign]
    ConnectionHandler.open_connection = _open_or_tell  # type: ignore[method-assign]


async def _open_or_tell(self: ConnectionHandler, command: commands.OpenConnection) -> None:
    try:
        await _open(self, command)
    except AssertionError:
        server = command.connection
        if server.peername is not None:
            raise
        server.error = "connection reset by peer"
        await self.handle_hook(ServerConnectErrorHook(ServerConnectionHookData(client=self.client, server=server)))
        _drop(self, server)
        await self.server_event(events.OpenConnectionCompleted(command, server.error))


async def _handle_to_the_end(self: ConnectionHandler, connection: Connection) -> None:
    try:
        await _handle(self, connection)
    finally:
        if connection in self.transports and connection is not self.client:
            # Not in this task, which may be cancelled once more.
            asyncio_utils.create_task(_tell(self, connection), name="connection end", keep_ref=True)


async def _tell(handler: ConnectionHandler, connection: Connection) -> None:
    connection.state = ConnectionState.CLOSED
    await handler.server_event(events.ConnectionClosed(connection))
    _drop(handler, connection)


def _drop(handler: ConnectionHandler, connection: Connection) -> None:
    connection.state = ConnectionState.CLOSED
    transport = handler.transports.pop(connection, None)
    if transport is not None and transport.writer is not None:
        with suppress(OSError):
            transport.writer.close()
