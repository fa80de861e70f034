"""Keeps a WebSocket's messages no longer than it takes to pass them on.

mitmproxy keeps every message of a connection for as long as that lasts, which may be weeks.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy import http


class ForgottenMessages:
    """Sees the messages pass."""

    name = "orgfence_forgotten_messages"

    def __init__(self, kept: int) -> None:
        """Keep so many of each connection, for whoever looks at it."""
        self._kept = kept

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """Forget the oldest messages. The last is still to be sent."""
        assert flow.websocket is not None
        del flow.websocket.messages[: -self._kept]


#: Of one connection, where there is a view that shows them.
KEPT_WITH_VIEW = 1000
