"""What a client's connection is doing, seen from its layers; and how to tell the client that it is over.

Nothing is counted while requests pass: whoever wants to know walks over the connections that are open.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import select
import socket
import struct
from asyncio import StreamWriter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from h2.errors import ErrorCodes
from h2.events import Event as Http2Event
from h2.events import RequestReceived
from hyperframe.frame import GoAwayFrame
from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._events import HttpEvent, ResponseHeaders
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.server import ConnectionHandler


@dataclass(frozen=True, slots=True)
class Doing:
    """What one client's connection is doing."""

    #: Requests that are not through yet.
    requests: int = 0
    #: Whether its bytes mean nothing to us: a tunnel, a WebSocket, a handshake or a head that is not complete.
    is_opaque: bool = False
    #: What speaks HTTP with the client; None where nothing does.
    server: Layer | None = None
    #: The layers above that, from outside in: each with what stands below it.
    path: list[tuple[HttpLayer, Layer]] = field(default_factory=list)


def handler_of(client: Client) -> ConnectionHandler | None:
    """Return what holds the sockets of a client's connection, and of all that were opened for it."""
    handlers: dict[object, ConnectionHandler] = ctx.master.addons.get("proxyserver").connections
    return handlers.get(client.id)


def look_at(handler: ConnectionHandler) -> Doing:
    """Look at a connection."""
    path: list[tuple[HttpLayer, Layer]] = []
    layers = handler.layer.context.layers
    while True:
        http_layer = next((layer for layer in layers if isinstance(layer, HttpLayer)), None)
        if http_layer is None:
            return Doing(is_opaque=True)
        # A CONNECT or a WebSocket, as long as it lives; it is the only stream of its connection.
        upgraded = next((stream for stream in http_layer.streams.values() if stream.child_layer is not None), None)
        if upgraded is None:
            return _look_at_http(handler, http_layer, path)
        path.append((http_layer, upgraded))
        layers = upgraded.context.layers
        layers = layers[layers.index(upgraded) + 1 :]


def _look_at_http(handler: ConnectionHandler, http_layer: HttpLayer, path: list[tuple[HttpLayer, Layer]]) -> Doing:
    server = http_layer.connections.get(handler.client)
    if server is None:
        return Doing(is_opaque=True)
    path = [*path, (http_layer, server)]
    requests = len(http_layer.streams)
    if isinstance(server, Http1Server):
        is_opaque = not requests and (server.state != server.read_headers or bool(server.buf))
        return Doing(requests, is_opaque, server, path)
    if isinstance(server, Http2Server) and not requests:
        # These are done with as far as the layers know, but the client has not made room for all of them yet.
        requests = sum(map(bool, server.h2_conn.stream_buffers.values()))
    return Doing(requests, False, server, path)


def has_unread_bytes(handler: ConnectionHandler) -> bool:
    """Return whether the client has sent something that nobody has looked at yet."""
    connected = _socket_of(handler)
    if connected is None or connected.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def close(handler: ConnectionHandler) -> None:
    """Close a client's connection when all that was written to it is out."""
    transport = handler.transports.get(handler.client)
    if transport is not None and transport.handler is not None:
        transport.handler.cancel("the proxy is stopping")


def cut(handler: ConnectionHandler, doing: Doing) -> None:
    """Close a client's connection so that no answer looks complete that is not."""
    if isinstance(doing.server, Http1Server) and doing.requests and ends_with_connection(doing.server):
        reset_on_close(handler)
    close(handler)


def reset_on_close(handler: ConnectionHandler) -> None:
    """Have a client's connection end by a reset, without what is not out yet."""
    connected = _socket_of(handler)
    if connected is not None:
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ends_with_connection(server: Http1Server) -> bool:
    """Return whether the end of the connection is that of the answer which is under way."""
    if server.request is None or server.response is None:
        return False
    with suppress(ValueError):
        return expected_http_body_size(server.request, server.response) == -1
    return False


def _socket_of(handler: ConnectionHandler) -> socket.socket | None:
    transport = handler.transports.get(handler.client)
    # HTTP/3 comes by streams without one.
    if transport is None or not isinstance(transport.writer, StreamWriter):
        return None
    return cast("socket.socket | None", transport.writer.get_extra_info("socket"))


def close_after_answer(server: Http1Server) -> None:
    """Have an HTTP/1 connection end with the answer that is due, and say so where its head is not out yet."""
    if server.response is not None and server.response.status_code >= 200:
        # Its copy on the wire is out; this one tells mitmproxy what to do at its end.
        server.response.headers["Connection"] = "close"
    send = server.send

    def send_last(event: HttpEvent) -> CommandGenerator[None]:
        if isinstance(event, ResponseHeaders) and server.request is not None:
            status = event.response.status_code
            if status >= 200 and not (status < 300 and server.request.method.upper() == "CONNECT"):
                event.response.headers["Connection"] = "close"
        yield from send(event)

    server.send = send_last  # type: ignore[method-assign] # this one connection's, so that others cost nothing


#: RFC 9113 section 6.8: no stream is refused yet.
ANY_STREAM = 2**31 - 1


async def go_away(handler: ConnectionHandler, doing: Doing, last_stream_id: int | None = None) -> None:
    """Tell an HTTP/2 client to send no more requests; with `ANY_STREAM`, what it has already sent is still served.

    By default no stream is served that has not come yet.
    """
    server = doing.server
    assert isinstance(server, Http2Server)
    if last_stream_id is None:
        last_stream_id = server.h2_conn.highest_inbound_stream_id
        _refuse_after(server, last_stream_id)
    # Not h2's `close_connection`: after that it would send nothing more, of no stream.
    frame = GoAwayFrame(0, last_stream_id=last_stream_id, error_code=ErrorCodes.NO_ERROR)
    await _say(handler, doing, [commands.SendData(handler.client, frame.serialize())])


def _refuse_after(server: Http2Server, last_stream_id: int) -> None:
    handle = server.handle_h2_event

    def handle_or_refuse(event: Http2Event) -> CommandGenerator[bool]:
        if isinstance(event, RequestReceived) and (event.stream_id or 0) > last_stream_id:
            server.h2_conn.reset_stream(event.stream_id or 0, ErrorCodes.REFUSED_STREAM)
            return False
        return (yield from handle(event))

    server.handle_h2_event = handle_or_refuse  # type: ignore[method-assign] # as above


async def _say(handler: ConnectionHandler, doing: Doing, said: list[commands.Command]) -> None:
    """Have the layer that speaks HTTP with the client yield these commands, through all that stands above it."""
    wakeup = commands.RequestWakeup(0)
    for number, (http_layer, below) in enumerate(doing.path, 1):
        is_last = number == len(doing.path)
        http_layer.command_sources[wakeup] = cast("Layer", _Speaker(said)) if is_last else below
    await handler.server_event(events.Wakeup(wakeup))


class _Speaker:
    """Stands where a layer would as the receiver of its own wake-ups."""

    def __init__(self, said: list[commands.Command]) -> None:
        self._said = said

    def handle_event(self, _wakeup: events.Wakeup) -> CommandGenerator[None]:
        yield from self._said
