"""Has a tunnel watched from its beginning, not only from the first bytes of either side.

By itself mitmproxy asks what reads a tunnel when data comes. Until then it ends the tunnel of a client that has
nothing to say and half-closes, leaves the one of a server that closes open, and never dials a server that is to be
dialled late (`upstream:` mode, lazy connections) and would speak first.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import ClassVar, Protocol

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer, NextLayer


class Chooser(Protocol):
    """Knows what reads a tunnel."""

    def tunnel_in(self, context: Context) -> Layer | None:
        """Return the layer that is to have the bytes of a connection; None leaves it to mitmproxy."""


def install(chooser: Chooser) -> None:
    """Ask this for the layer that is to have a connection's bytes, wherever mitmproxy begins to wait for them."""

    class WatchedNextLayer(EarlyNextLayer):
        _chooser = chooser

    # mypy lets nobody assign to a class; that is the point here.
    layer.NextLayer = WatchedNextLayer  # type: ignore[misc]


class EarlyNextLayer(NextLayer):
    """Gives way at once where it is known to whom."""

    _chooser: ClassVar[Chooser]

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Start) and not self._ask_on_start and self._decide():
            assert self._handle is not None
            yield from self._handle(event)
        else:
            yield from super()._handle_event(event)

    def _decide(self) -> bool:
        chosen = self.layer = self._chooser.tunnel_in(self.context)
        if chosen is None:
            return False
        # As in the base class: all who may have kept one of these hand on what comes.
        self.handle_event = chosen.handle_event  # type: ignore[method-assign]
        self._handle_event = chosen.handle_event  # type: ignore[method-assign]
        self._handle = chosen.handle_event
        return True
