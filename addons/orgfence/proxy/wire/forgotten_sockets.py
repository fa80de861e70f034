"""Closes a client's socket where mitmproxy forgets to.

The task that reads from a connection closes its socket when it ends. It ends without that if the proxy closes the
connection in the moment in which the end of what comes in is noticed, and the client then waits for ever: one that
half-closes while it is refused.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler


class ForgottenSockets:
    """Sees clients go."""

    name = "orgfence_forgotten_sockets"

    def client_disconnected(self, client: Client) -> None:
        """Close the client's socket if it is still open."""
        handler = handler_of(client)
        forgotten = handler.transports.pop(client, None) if handler is not None else None
        if forgotten is not None and forgotten.writer is not None:
            forgotten.writer.close()


def handler_of(client: Client) -> ProxyConnectionHandler | None:
    """Return what holds the sockets of this client's connection, and of all that were opened for it."""
    handlers: dict[object, ProxyConnectionHandler] = ctx.master.addons.get("proxyserver").connections
    return handlers.get(client.id)
