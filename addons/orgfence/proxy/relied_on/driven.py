"""mitmproxy's own layers at work in memory: told of events, they say what they would do.

Nothing is connected or sent. Every hook returns at once, and every upstream can be connected to.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

from mitmproxy import http
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpClient,
    HttpLayer,
    HTTPMode,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.proxy.mode_specs import ProxyMode

ADDRESS = ("example.com", 80)
# Far more than any of them has to say.
_ENDLESS = 1000


@cache
def proxy_options() -> Options:
    """Return mitmproxy's options with those that its proxy core reads; nobody changes them."""
    options = Options()
    Proxyserver().load(Loader(SimpleNamespace(options=options)))
    return options


def context() -> Context:
    """Return the context of a client that has just connected."""
    client = Client(
        peername=("127.0.0.1", 50000),
        sockname=("127.0.0.1", 8080),
        timestamp_start=0.0,
        proxy_mode=ProxyMode.parse("regular"),
        state=ConnectionState.OPEN,
    )
    return Context(client, proxy_options())


def server(**attributes: Any) -> Server:
    """Return an upstream that is connected to."""
    connected = Server(address=ADDRESS, timestamp_start=0.0, **attributes)
    connected.state = ConnectionState.OPEN
    return connected


def post(*fields: tuple[bytes, bytes], stream: bool = False) -> RequestHeaders:
    """Return the head of a request with a body that is still to come."""
    request = http.Request.make("POST", "http://example.com/", b"", http.Headers(fields))
    request.stream = stream
    request.data.content = None
    return RequestHeaders(1, request, end_stream=False)


class Driven:
    """A layer, and what came of the events that it was told of."""

    def __init__(self, layer: Layer, *, replies: bool = True) -> None:
        """Start it. Without `replies` it waits for the first answer for ever."""
        self.layer: Any = layer
        self.commands: list[commands.Command] = []
        #: The names of the commands, and what the layer itself has written down between them.
        self.seen: list[str] = []
        self._replies = replies
        # Before it is started, so that a layer of a check can write into the same list.
        vars(layer)["seen"] = self.seen
        self.tell(events.Start())

    def tell(self, *told: events.Event) -> "Driven":
        """Tell it of these."""
        waiting = deque(told)
        while waiting:
            replies = []
            for command in self.layer.handle_event(waiting.popleft()):
                self.commands.append(command)
                self.seen.append(_name(command, self.layer.context))
                if len(self.commands) > _ENDLESS:
                    raise RecursionError(f"{self.seen[-1]} without end")
                replies.append(_reply_to(command) if self._replies else None)
            waiting.extendleft(reply for reply in reversed(replies) if reply is not None)
        return self

    def of(self, *kinds: type[Any]) -> list[Any]:
        """Return the commands of these kinds."""
        return [command for command in self.commands if isinstance(command, kinds)]

    @property
    def sent(self) -> bytes:
        """All bytes that were to be sent."""
        return b"".join(command.data for command in self.of(commands.SendData))

    @property
    def http(self) -> list[Any]:
        """The HTTP events that were to be handed on."""
        return [command.event for command in self.commands if hasattr(command, "event")]


def driven_stream(kind: type[HttpStream] = HttpStream, *, replies: bool = True) -> Driven:
    """Return a stream below an HTTP layer that nothing is passed on to."""
    below = HttpLayer(context(), HTTPMode.regular).context.fork()
    return Driven(kind(below, 1), replies=replies)


def _name(command: commands.Command, context: Context) -> str:
    if isinstance(command, SendHttp):
        to = "client" if command.connection is context.client else "server"
        return f"{type(command.event).__name__} to {to}"
    return type(command).__name__


def _reply_to(command: commands.Command) -> events.Event | None:
    if isinstance(command, GetHttpConnection):
        return GetHttpConnectionCompleted(command, (server(), None))
    if isinstance(command, commands.OpenConnection):
        command.connection.state = ConnectionState.OPEN
        command.connection.timestamp_start = 0.0
        return events.OpenConnectionCompleted(command, None)
    if isinstance(command, commands.StartHook) and command.blocking:
        return events.HookCompleted(command, None)
    return None


@contextmanager
def replaced(holder: object, name: str, by: object) -> Iterator[None]:
    """Put something in the place of a name."""
    kept = getattr(holder, name)
    setattr(holder, name, by)
    try:
        yield
    finally:
        setattr(holder, name, kept)


def not_taken(name: str, alpn: bytes | None = None) -> str | None:
    """Return what speaks to upstream in the place of a class of that name in mitmproxy's package of HTTP layers.

    That is asked of a connection that is opened for a request, and of one that is there and of which something comes.
    """
    kind: Any = getattr(http_layers, name)
    ours = type("Ours", (kind,), {})
    with replaced(http_layers, name, ours):
        below = context()
        below.server = server(alpn=alpn)
        opened = Driven(HttpClient(below))
        there = Driven(HttpLayer(context(), HTTPMode.regular))
        upstream = there.layer.context.server
        upstream.state, upstream.alpn = ConnectionState.OPEN, alpn
        there.tell(events.DataReceived(upstream, b""))
    return differs([type(opened.layer.child_layer), type(there.layer.connections[upstream])], [ours, ours])


def differs(found: object, wanted: object) -> str | None:
    """Return what differs, in words; None where nothing does."""
    return None if found == wanted else f"{found!r} in place of {wanted!r}"


def first_difference(*pairs: tuple[object, object]) -> str | None:
    """Return the first of these that differs, as above."""
    return next(filter(None, (differs(found, wanted) for found, wanted in pairs)), None)
