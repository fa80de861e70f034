"""Sees to it that the end of every connection is told of, whatever ends it.

mitmproxy closes a connection by cancelling the task that reads from it, and the task then tells the layers. But it may
be cancelled twice, by a layer and because nothing can be written to it any more, and the second time while it waits for
its turn to tell: then nobody hears of the end, and the requests that were under way hang with their clients.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from contextlib import suppress

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

_handle = ConnectionHandler.handle_connection


def install() -> None:
    """See to it for every connection of this process."""
    # mypy lets nobody assign to a method; that is the point here.
    ConnectionHandler.handle_connection = _handle_to_the_end  # type: ignore[method-assign]


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
    transport = handler.transports.pop(connection, None)
    if transport is not None and transport.writer is not None:
        with suppress(OSError):
            transport.writer.close()
