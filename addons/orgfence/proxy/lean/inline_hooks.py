"""Calls a request's hooks where they are due, not in a task of their own.

mitmproxy pauses a request for each of its hooks: an asyncio task asks the addons and then wakes the request up through
all the layers above it, and nearly every hook has long returned by then. Here the request is only paused for a hook
that has something to wait for, and for `response` where the next request might follow at once: when the end of an
answer is told, mitmproxy's `Http1Client` is not done with it yet, and no other request must reach it before it is.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import logging
from typing import ClassVar

from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server

from orgfence.proxy.lean.dispatch import HookTable


def inline_stream(hooks: AddonManager) -> type[HttpStream]:
    """Return a stream class that has its hooks from this table; where it is none, mitmproxy's own class."""
    if not isinstance(hooks, HookTable):
        return HttpStream

    table = hooks

    class TableStream(InlineHookStream):
        _hooks = table

    return TableStream


class InlineHookStream(HttpStream):
    """One request and its response, with hooks from this table."""

    _hooks: ClassVar[HookTable]

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        handling = super()._handle_event(event)
        reply = None
        try:
            while True:
                command = handling.send(reply)
                # Where not True, it is a layer below this stream that waits for the hook: that of a WebSocket.
                if command.blocking is True and (
                    isinstance(command, _INLINE) or (isinstance(command, HttpResponseHook) and self._nothing_follows())
                ):
                    reply = None if self._hooks.trigger_now(command, self.flow) else (yield command)
                # It would pass all layers above to be dropped there.
                elif isinstance(command, commands.Log) and not _server_logger.isEnabledFor(command.level):
                    reply = None
                else:
                    reply = yield command
        except StopIteration:
            return

    def _nothing_follows(self) -> bool:
        """Return whether the end of this answer lets nothing else begin: no pipelined request, no other protocol."""
        assert self.flow.response is not None
        # Nor is there anything left of the request, which the answer to it would overtake.
        if self.flow.response.status_code == _SWITCHING or self.client_state != self.state_done:
            return False
        layers = self.context.layers
        http_layer = layers[layers.index(self) - 1]
        assert isinstance(http_layer, HttpLayer)
        speaker = http_layer.connections[self.context.client]
        return not (isinstance(speaker, Http1Server) and speaker.buf)


_SWITCHING = 101
_INLINE = (HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook)
_server_logger = logging.getLogger("mitmproxy.proxy.server")
