"""Closes a client's socket where mitmproxy forgets to.

The task that reads from a connection closes its socket when it ends. It ends without that if the proxy closes the
connection in the moment in which the end of what comes in is noticed, and the client then waits for ever: one that
half-closes while it is refused.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy.connection import Client

from orgfence.proxy.lifetime.in_flight import handler_of


class ForgottenSockets:
    """Sees clients go."""

    name = "orgfence_forgotten_sockets"

    def client_disconnected(self, client: Client) -> None:
        """Close the client's socket if it is still open."""
        handler = handler_of(client)
        forgotten = handler.transports.pop(client, None) if handler is not None else None
        if forgotten is not None and forgotten.writer is not None:
            forgotten.writer.close()
