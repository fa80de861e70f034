"""Forgets a request that its client has given up while it waits for a connection to upstream.

mitmproxy tells a stream so only when the connection is there. Until then the request counts as in flight, and then it
is sent to upstream after all. A client that opens streams and resets them has thousands of them wait.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._events import RequestProtocolError


class AbandonableStream(HttpStream):
    """A stream that ends with its client, also while it waits for a connection."""

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event now, or when what the stream waits for has come."""
        paused = self._paused
        if (
            paused is not None
            and isinstance(event, RequestProtocolError)
            and isinstance(paused.command, GetHttpConnection)
        ):
            self._wait_no_longer(paused.command)
            paused.generator.close()
        return super().handle_event(event)

    def _wait_no_longer(self, command: GetHttpConnection) -> None:
        layers = self.context.layers
        http_layer = layers[layers.index(self) - 1]
        assert isinstance(http_layer, HttpLayer)
        http_layer.command_sources.pop(command, None)
        for waiting in http_layer.waiting_for_establishment.values():
            # Not `remove`: commands for the same address are equal.
            waiting[:] = [each for each in waiting if each is not command]
        self._paused = None
        self._paused_event_queue.clear()
        # Nothing has gone upstream that would have to be cancelled there.
        self.client_state = self.state_uninitialized
