"""Takes no more than can be passed on: whoever sends is held up by whoever does not read.

mitmproxy waits for its sockets, but HTTP/2 has room to give for each stream as well. It takes up to 2 GiB of one ahead
and keeps what the other side has no room for in memory; and while one upstream takes no more of an upload, it reads
nothing at all from an HTTP/2 client, not even that there is room again. So here an HTTP/2 sender gets room for more of
a stream (RFC 9113 section 5.2) when what came of it is on its way, and an HTTP/1 sender is not read from meanwhile.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

from h2.config import H2Configuration
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream, _http2
from mitmproxy.proxy.layers.http._http1 import Http1Connection
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, Http2Server
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from orgfence.proxy.lifetime.in_flight import handler_of, look_at
from orgfence.proxy.wire import waiting
from orgfence.proxy.wire.http2_reading import ReadOn, SlicedFrames, read, wait_while_behind
from orgfence.proxy.wire.stale_connections import speaker_on
from orgfence.proxy.wire.waiting import Account, WaitingEvents, WaitingFrames, account_of

#: How much of a stream an HTTP/2 sender may send ahead: enough for a round trip, and little enough to be held.
WINDOW = 1024 * 1024
#: More than this that waits to be passed on holds its sender up.
HIGH_WATER = 256 * 1024
#: In bytes, as HTTP/2 has it by default: a frame waits until it is whole. mitmproxy allows 128 KiB.
MAX_FRAME = 16 * 1024
#: Of the whole process: if more waits, each client has less.
BUDGET = 64 * 1024 * 1024
#: What may then wait of one client, in bytes each way: about what is read from a socket at once.
SHARE = 64 * 1024
#: How long a sender is held up at least and at most, in seconds, before it is looked at again.
_SHORTEST, _LONGEST = 0.005, 0.2

_drain = ConnectionHandler.drain_writers
_make = Http2Connection.__init__
_wait = Http1Connection.wait


def install() -> None:
    """Hold up every sender of this process."""
    waiting.install()
    # `_http2` only imports the name, and mypy lets nobody assign to a method; that is the point here.
    _http2.BufferedH2Connection = BoundedH2Connection  # type: ignore[attr-defined]
    Http2Connection.__init__ = _make_bounded  # type: ignore[method-assign]
    Http2Connection.handle_event = _handle_or_repay  # type: ignore[method-assign,assignment]
    ConnectionHandler.drain_writers = _hold_up  # type: ignore[method-assign]
    Http1Connection.wait = _wait_and_note  # type: ignore[method-assign]


class Repay(commands.RequestWakeup):
    """Asks what speaks HTTP/2 on a connection to give the room that it owes."""


class BoundedH2Connection(BufferedH2Connection):
    """One HTTP/2 connection, which owes its peer room for what could not be passed on yet."""

    #: h2 notes how the last 65,536 streams ended: 13 MiB of each connection that lasts. No frame is on its way for so
    #: long that this many streams end meanwhile.
    MAX_CLOSED_STREAMS = 1000

    _speaker: Http2Connection | None = None

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.incoming_buffer = SlicedFrames(server=not config.client_side)
        self.local_settings.initial_window_size = WINDOW
        self.local_settings.max_frame_size = self.max_inbound_frame_size = MAX_FRAME
        # As mitmproxy does, or the old setting would be sent.
        self.local_settings.acknowledge()
        #: Bytes by stream.
        self.owed: dict[int, int] = {}

    def belongs_to(self, speaker: Http2Connection) -> None:
        """Say which layer speaks here."""
        self._speaker = speaker

    def acknowledge_received_data(self, acknowledged_size: int, stream_id: int) -> None:
        """Give room for as much as was received, now or when that has been passed on."""
        if self._speaker is None or not (stream_id in self.owed or _is_full(self._speaker, stream_id)):
            super().acknowledge_received_data(acknowledged_size, stream_id)
            return
        if not self.owed:
            _repay_later(self._speaker)
        self.owed[stream_id] = self.owed.get(stream_id, 0) + acknowledged_size

    def payable(self) -> list[int]:
        """Return the streams of which more could be passed on."""
        return [stream_id for stream_id in self.owed if self._speaker and not _is_full(self._speaker, stream_id)]

    def repay(self) -> bytes:
        """Give the room that is owed where there is some, and return what says so."""
        for stream_id in self.payable():
            super().acknowledge_received_data(self.owed.pop(stream_id), stream_id)
        return self.data_to_send()


def _make_bounded(self: Http2Connection, context: Context, conn: Connection) -> None:
    _make(self, context, conn)
    connection = cast("BoundedH2Connection", self.h2_conn)
    connection.belongs_to(self)
    to_upstream = isinstance(self, Http2Client)
    connection.stream_buffers = defaultdict(partial(WaitingFrames, context.client, to_upstream=to_upstream))
    # So that connections without HTTP/2 cost no more than in mitmproxy. On the client, which outlives its layers.
    vars(context.client)[_HTTP2] = True


_HTTP2 = "orgfence_http2"


def _handle_or_repay(self: Http2Connection, event: events.Event) -> CommandGenerator[None]:
    if isinstance(event, events.DataReceived):
        return read(self, event.data)
    if isinstance(event, events.Wakeup):
        if isinstance(event.command, Repay):
            return _repay(self)
        if isinstance(event.command, ReadOn):
            return read(self, b"")
    return Layer.handle_event(self, event)


def _repay(speaker: Http2Connection) -> CommandGenerator[None]:
    data = cast("BoundedH2Connection", speaker.h2_conn).repay()
    if data:
        yield commands.SendData(speaker.conn, data)


def _repay_later(speaker: Http2Connection) -> None:
    task = _keep_repaying(speaker)
    asyncio_utils.create_task(task, name="back-pressure", keep_ref=True)


async def _keep_repaying(speaker: Http2Connection) -> None:
    handler = handler_of(speaker.context.client)
    connection = cast("BoundedH2Connection", speaker.h2_conn)
    pause = _SHORTEST
    while handler is not None and speaker.conn.connected:
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)
        if connection.payable():
            await _wake(handler, speaker)
            pause = _SHORTEST
        if not connection.owed:
            return


async def _wake(handler: ConnectionHandler, speaker: Http2Connection) -> None:
    """Have a layer asked to repay, through all that stands above it: its words have to go through TLS."""
    repay = Repay(0)
    for http_layer, below in look_at(handler).path:
        is_last = http_layer is _http_layer_of(speaker)
        http_layer.command_sources[repay] = http_layer.connections.get(speaker.conn, speaker) if is_last else below
    await handler.server_event(events.Wakeup(repay))


def _wait_and_note(self: Http1Connection, event: events.Event) -> CommandGenerator[None]:
    """Keep what comes behind a message whose answer is not through; `_hold_up` sees to it that this stays little."""
    if isinstance(event, events.DataReceived):
        vars(self.context.client).setdefault(_AHEAD, {})[self.conn] = self
    return _wait(self, event)


#: On the client: what speaks HTTP/1 on a connection on which the next messages have come too early.
_AHEAD = "orgfence_ahead"


async def _hold_up(self: ConnectionHandler) -> None:
    """Wait, in the task that reads from a connection, until more of it can be passed on."""
    noted = vars(self.client)
    is_connecting = any(transport.writer is None for transport in self.transports.values())
    if not is_connecting and _HTTP2 not in noted:
        await _drain(self)
        await wait_while_behind(self.client)
        account = account_of(self.client)
        if account.uploads > SHARE or account.downloads > SHARE or noted.get(_AHEAD):
            await _pause_while(partial(_waits_too_much, self, _reading(self), HIGH_WATER))
        return

    reading = _reading(self)
    doing = look_at(self)
    http_layer = doing.path[-1][0] if doing.path else None
    if http_layer is None:
        await _drain(self)
    elif reading is not self.client or isinstance(doing.server, Http2Server):
        # Not for other connections: what says that there is room again comes on this one, for other streams as well.
        await _drain_one(self, self.client)
    else:
        await _drain(self)
    await wait_while_behind(self.client)
    # What waits of HTTP/2 is bounded by stream.
    bound = None if _HTTP2 in noted else HIGH_WATER
    await _pause_while(
        lambda: (
            (http_layer is not None and _is_held_up(self, http_layer, reading)) or _waits_too_much(self, reading, bound)
        )
    )


def _reading(handler: ConnectionHandler) -> Connection:
    """Return the connection that the current task reads from."""
    task = asyncio.current_task()
    return next((conn for conn, transport in handler.transports.items() if transport.handler is task), handler.client)


async def _pause_while(is_held_up: Callable[[], bool]) -> None:
    pause = _SHORTEST
    while is_held_up():
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def _waits_too_much(handler: ConnectionHandler, reading: Connection, bound: int | None) -> bool:
    """Return whether more of a client, or for it, waits than may; `bound` holds while the process has its budget."""
    ahead = vars(handler.client).get(_AHEAD)
    if ahead is not None and (early := ahead.get(reading)) is not None:
        if early.state != early.wait:
            del ahead[reading]
        elif len(early.buf) > HIGH_WATER:
            return True
    limit = SHARE if Account.process > BUDGET else bound
    account = account_of(handler.client)
    return limit is not None and (account.uploads if reading is handler.client else account.downloads) > limit


async def _drain_one(handler: ConnectionHandler, connection: Connection) -> None:
    transport = handler.transports.get(connection)
    if transport is not None and transport.writer is not None:
        try:
            await transport.writer.drain()
        except OSError as error:
            if transport.handler is not None:
                transport.handler.cancel(f"Error sending data: {error}")


def _is_held_up(handler: ConnectionHandler, http_layer: HttpLayer, reading: Connection) -> bool:
    """Return whether a connection that has no streams of its own carries what cannot be passed on."""
    if reading is handler.client:
        if isinstance(http_layer.connections.get(reading), Http2Server):
            return False
        return any(_is_upload_full(handler, http_layer, stream) for stream in http_layer.streams.values())
    return any(
        _is_download_full(http_layer, stream)
        for stream in http_layer.streams.values()
        if _carries(handler, reading, stream) and not isinstance(speaker_on(http_layer, reading), Http2Client)
    )


def _carries(handler: ConnectionHandler, connection: Connection, stream: HttpStream) -> bool:
    server = stream.context.server
    # Through an upstream proxy a stream's server has no socket of its own.
    return server is connection or server not in handler.transports


def _is_full(speaker: Http2Connection, stream_id: int) -> bool:
    """Return whether what has come of a stream still waits to be passed on."""
    http_layer = _http_layer_of(speaker)
    if isinstance(speaker, Http2Client):
        stream = http_layer.streams.get(speaker.their_stream_id.get(stream_id, -1))
        return stream is not None and _is_download_full(http_layer, stream)
    stream = http_layer.streams.get(stream_id)
    handler = handler_of(speaker.context.client)
    return stream is not None and handler is not None and _is_upload_full(handler, http_layer, stream)


def _is_upload_full(handler: ConnectionHandler, http_layer: HttpLayer, stream: HttpStream) -> bool:
    if _paused(stream) > HIGH_WATER:
        return True
    if stream.client_state != stream.state_stream_request_body:
        return False
    server = stream.context.server
    speaker = speaker_on(http_layer, server)
    if isinstance(speaker, Http2Client):
        # What waits for its turn at an upstream that serves so many at once.
        queued = cast("WaitingEvents | None", speaker.stream_queue.get(stream.stream_id))
        return (queued is not None and queued.bytes > HIGH_WATER) or _buffered(
            speaker, speaker.our_stream_id.get(stream.stream_id, -1)
        ) > HIGH_WATER
    transport = handler.transports.get(server)
    writer: Any = getattr(transport and transport.writer, "transport", None)
    with suppress(AttributeError):
        return bool(writer.get_write_buffer_size() > HIGH_WATER)
    return False


def _is_download_full(http_layer: HttpLayer, stream: HttpStream) -> bool:
    server = http_layer.connections.get(http_layer.context.client)
    is_buffered = isinstance(server, Http2Server) and _buffered(server, stream.stream_id) > HIGH_WATER
    return is_buffered or _paused(stream) > HIGH_WATER


def _buffered(speaker: Http2Connection, stream_id: int) -> int:
    frames = cast("WaitingFrames | None", speaker.h2_conn.stream_buffers.get(stream_id))
    return 0 if frames is None else frames.bytes


def _paused(stream: HttpStream) -> int:
    """Return how much of a body waits for what its stream waits for: a connection, or a hook."""
    return cast("WaitingEvents", stream._paused_event_queue).bytes


def _http_layer_of(speaker: Http2Connection) -> HttpLayer:
    return next(layer for layer in reversed(speaker.context.layers) if isinstance(layer, HttpLayer))
