"""Passes a WebSocket's frames on as they come, and keeps none.

mitmproxy holds a message until it is complete, however long that is, undoes its compression to show it, and keeps every
message for as long as the connection lasts. Nothing here reads messages. So only the heads of frames are read, so that
nothing but WebSocket passes: a server that says 101 and goes on with HTTP gets no request that nobody has judged.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

import secrets
import struct
import time

from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers import websocket
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection
from wsproto.frame_protocol import CloseReason, XorMaskerSimple

from orgfence.proxy.wire.http2_reading import Slice


def install() -> None:
    """Pass on the frames of every WebSocket of this process."""
    # `flow_done` takes it from there, and mypy lets nobody assign to a class; that is the point here.
    websocket.WebsocketLayer = RelayedWebsocket  # type: ignore[assignment,misc]


class RelayedWebsocket(Layer):
    """One WebSocket connection."""

    def __init__(self, context: Context, flow: http.HTTPFlow) -> None:
        super().__init__(context)
        self._flow = flow
        extensions = flow.response.headers.get("Sec-WebSocket-Extensions", "") if flow.response else ""
        compressed = "permessage-deflate" in extensions
        self._relays = FrameRelay(compressed=compressed, masked=True), FrameRelay(compressed=compressed, masked=False)
        self._is_over = False

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if self._is_over:
            return
        if isinstance(event, events.DataReceived):
            self._relays[event.connection is not self.context.client].add(event.data)
            yield from self._relay()
        elif isinstance(event, events.ConnectionClosed):
            yield from self._end(b"")
        elif isinstance(event, events.Wakeup):
            yield from self._relay()

    def _relay(self) -> CommandGenerator[None]:
        part = Slice(self.context.client, self)
        destinations = self.context.server, self.context.client
        for relay, destination in zip(self._relays, destinations, strict=True):
            while relay.has_more:
                try:
                    data = relay.some()
                except ValueError:
                    yield from self._end(struct.pack("!H", CloseReason.PROTOCOL_ERROR))
                    part.end()
                    return
                if data:
                    yield commands.SendData(destination, data)
                if relay.has_more and part.is_over:
                    yield part.go_on()
                    return
        part.end()
        if all(relay.is_closed for relay in self._relays):
            yield from self._end(b"")

    def _end(self, code: bytes) -> CommandGenerator[None]:
        """Close both sides, by a frame where that is possible and none was sent."""
        self._is_over = True
        for relay, destination in zip(self._relays, (self.context.server, self.context.client), strict=True):
            if not relay.is_closed and relay.is_between_frames and destination.connected:
                yield commands.SendData(destination, relay.closing(code))
            yield commands.CloseConnection(destination)
        self._flow.live = False


# https://www.rfc-editor.org/rfc/rfc6455#section-5.2: FIN, RSV1-3 and opcode; MASK and length.
_FIN, _COMPRESSED, _OTHER_RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x40, 0x30, 0x0F, 0x80, 0x7F
_CONTINUATION, _DATA, _CLOSE, _CONTROL = 0, (1, 2), 8, (8, 9, 10)
_MAX_CONTROL = 125
#: How many frames are passed on before the clock is read again.
_FRAMES = 256


class FrameRelay:
    """The frames that go one way."""

    def __init__(self, *, compressed: bool, masked: bool) -> None:
        """Let messages be `compressed`; frames are `masked` that a client sends."""
        self._compressed = compressed
        self._masked = masked
        self._come = bytearray()
        #: How much of a frame's payload is still to come, and what is done to it.
        self._left = 0
        self._masker: XorMaskerSimple | None = None
        self._is_in_message = False
        self._is_closing = False
        #: Whether a Close frame was passed on, after which nothing goes on.
        self.is_closed = False
        #: Whether more than the beginning of a frame's head waits.
        self.has_more = False

    @property
    def is_between_frames(self) -> bool:
        """Whether another frame may follow what was passed on."""
        return not self._left

    def add(self, data: bytes) -> None:
        """Take what has come."""
        if not self.is_closed:
            self._come += data
            self.has_more = True

    def some(self) -> bytes:
        """Return what is passed on of some of the frames that have come. Raises `ValueError` for what is no frame."""
        passed, at = bytearray(), 0
        for _ in range(_FRAMES):
            if self._left:
                piece = self._come[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                passed += self._masker.process(piece) if self._masker else piece
            else:
                head, size = self._head(at)
                passed += head
                at += size
                if not size:
                    self.has_more = False
                    break
            if self._is_closing and not self._left:
                self.is_closed = True
                self._come.clear()
            if at >= len(self._come):
                self.has_more = False
                break
        del self._come[:at]
        return bytes(passed)

    def closing(self, payload: bytes) -> bytes:
        """Return a Close frame with this code."""
        mask = secrets.token_bytes(4) if self._masked else b""
        payload = bytes(XorMaskerSimple(mask).process(bytearray(payload))) if mask else payload
        return bytes([_FIN | _CLOSE, len(payload) | (_MASKED if mask else 0)]) + mask + payload

    def _head(self, at: int) -> tuple[bytes, int]:
        """Return a frame's head as it is passed on, and how many bytes it was; nothing where it is not complete."""
        come = self._come
        if len(come) < at + 2:
            return b"", 0
        first, second = come[at], come[at + 1]
        short = second & _LENGTH
        extended = {126: 2, 127: 8}.get(short, 0)
        size = 2 + extended + (4 if self._masked else 0)
        self._check(first, second, short)
        if len(come) < at + size:
            return b"", 0
        length = int.from_bytes(come[at + 2 : at + 2 + extended]) if extended else short
        if length >> 63 or (extended and length <= (_MAX_CONTROL if extended == 2 else 0xFFFF)):
            raise ValueError("a length that is not written as short as it can be")
        self._note(first)
        self._left = length
        head = bytes(come[at : at + 2 + extended])
        if not self._masked:
            return head, size
        # A mask of our own: what goes out must not be of the client's choice (RFC 6455 section 10.3).
        mask = secrets.token_bytes(4)
        theirs = come[at + size - 4 : at + size]
        self._masker = XorMaskerSimple(bytes(a ^ b for a, b in zip(mask, theirs, strict=True)))
        return head + mask, size

    def _check(self, first: int, second: int, short: int) -> None:
        opcode = first & _OPCODE
        is_control = opcode in _CONTROL
        if bool(second & _MASKED) is not self._masked:
            raise ValueError("a mask where none belongs, or none where one does")
        if first & _OTHER_RESERVED or (first & _COMPRESSED and not (self._compressed and opcode in _DATA)):
            raise ValueError("a reserved bit")
        if is_control:
            if not first & _FIN or short > _MAX_CONTROL:
                raise ValueError("a control frame that is too long, or in pieces")
        elif opcode not in (_CONTINUATION, *_DATA) or (opcode == _CONTINUATION) is not self._is_in_message:
            raise ValueError("an opcode that cannot follow")

    def _note(self, first: int) -> None:
        opcode = first & _OPCODE
        if opcode == _CLOSE:
            self._is_closing = True
        elif opcode not in _CONTROL:
            self._is_in_message = not first & _FIN


#: In bytes, and in frames: what a view that shows messages keeps of one whose end has not come.
MAX_MESSAGE = 16 * 1024 * 1024
MAX_FRAMES = 16 * 1024


def install_bounded() -> None:
    """Hold no more of a WebSocket message in this process, where a view shows messages and mitmproxy holds them."""
    # As above.
    websocket.WebsocketLayer = BoundedWebsocket  # type: ignore[misc]


class BoundedWebsocket(websocket.WebsocketLayer):
    """One WebSocket connection, of which messages are kept; it ends where one is too big."""

    def relay_messages(self, event: events.Event) -> CommandGenerator[None]:
        """Pass on the messages that have come to their end."""
        yield from super().relay_messages(event)
        if self._handle_event != self.done and any(map(_is_too_big, (self.client_ws, self.server_ws))):
            yield from self._end()

    def _end(self) -> CommandGenerator[None]:
        for relay in self.server_ws, self.client_ws:
            if relay.state is ConnectionState.OPEN:
                yield relay.send2(CloseConnection(CloseReason.MESSAGE_TOO_BIG))
            yield commands.CloseConnection(relay.conn)
            relay.frame_buf.clear()
        assert self.flow.websocket is not None
        self.flow.websocket.timestamp_end = time.time()
        self.flow.websocket.close_code = CloseReason.MESSAGE_TOO_BIG
        yield websocket.WebsocketEndHook(self.flow)
        self.flow.live = False
        # As mitmproxy does where it closes.
        self._handle_event = self.done


def _is_too_big(relay: websocket.WebsocketConnection) -> bool:
    return len(relay.frame_buf) > MAX_FRAMES or sum(map(len, relay.frame_buf)) > MAX_MESSAGE


class ForgottenMessages:
    """Keeps few messages where there is a view that shows them, and mitmproxy's own layer relays them."""

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
