"""How it is found out what mitmproxy, and h2 below it, do on HTTP/2 connections."""

# mypy: allow-untyped-calls

from collections import deque
from typing import Any

import h2.connection
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.events import Event as Http2Event
from h2.exceptions import ProtocolError
from h2.frame_buffer import FrameBuffer
from hpack.hpack import Encoder
from hyperframe.frame import Frame, GoAwayFrame, PingFrame, WindowUpdateFrame
from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, _http2
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, Http2Server
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from orgfence.proxy.relied_on.driven import (
    Driven,
    context,
    differs,
    first_difference,
    not_taken,
    post,
    replaced,
    server,
)

_HEAD = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"example.com"), (b":path", b"/")]


class Client:
    """A client of ours, and the server that mitmproxy would be to it."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.driven = Driven(Http2Server(context()))
        self.say()

    def say(self) -> Driven:
        """Have the server read what the client has to say."""
        return self.driven.tell(events.DataReceived(self.driven.layer.conn, self.h2.data_to_send()))

    def post(self, *fields: tuple[bytes, bytes], body: bytes | None = None, end: bool = False) -> Driven:
        """Send a request, or its beginning."""
        self.h2.send_headers(1, [*_HEAD, *fields])
        if body is not None:
            self.h2.send_data(1, body, end_stream=end)
        return self.say()


def head_encoder() -> str | None:
    written: list[bytes] = []

    class Noting(Encoder):
        def add(self, to_add: tuple[bytes, bytes], sensitive: bool, huffman: bool = False) -> bytes:
            written.append(to_add[0])
            return super().add(to_add, sensitive, huffman)

    with replaced(h2.connection, "Encoder", Noting):
        connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    connection.send_headers(1, _HEAD)
    return differs(written, [name for name, _ in _HEAD])


def connection_class() -> str | None:
    class Ours(BufferedH2Connection):
        pass

    with replaced(_http2, "BufferedH2Connection", Ours):
        found = [type(Http2Server(context()).h2_conn), type(Http2Client(context()).h2_conn)]
    return differs(found, [Ours, Ours])


def client_class() -> str | None:
    return not_taken("Http2Client", b"h2")


def server_class() -> str | None:
    class Ours(Http2Server):
        pass

    with replaced(http_layers, "Http2Server", Ours):
        below = context()
        below.client.alpn = b"h2"
        layer = Driven(HttpLayer(below, HTTPMode.regular)).layer
    client = Client()
    driven = client.post().tell(ResponseProtocolError(1, "killed", ErrorCode.KILL))
    told = client.h2.receive_data(driven.sent)
    return first_difference(
        (type(layer.connections[below.client]), Ours),
        ([event.stream_id for event in told if isinstance(event, StreamReset)], [1]),
    )


def frames_one_by_one() -> str | None:
    class OneByOne(FrameBuffer):
        given = 0

        def __init__(self) -> None:
            super().__init__()
            self.kinds: list[type[Frame] | type[None]] = []

        def _update_header_buffer(self, f: Frame | None) -> Frame | None:
            self.kinds.append(type(f))
            return super()._update_header_buffer(f)

        def __next__(self) -> Frame:
            if self.given:
                raise StopIteration
            frame = super().__next__()
            self.given += 1
            return frame

    client = Client()
    h2 = client.driven.layer.h2_conn
    frames = h2.incoming_buffer = OneByOne()
    client.h2.ping(b"x" * 8)
    client.h2.ping(b"y" * 8)
    seen = [len(h2.receive_data(client.h2.data_to_send())), len(frames._data)]
    frames.given = 0
    seen += [len(h2.receive_data(b"")), len(frames._data)]
    return first_difference((seen, [1, 17, 1, 0]), (frames.kinds, [PingFrame, PingFrame]))


def closed_streams() -> str | None:
    class Ours(BufferedH2Connection):
        MAX_CLOSED_STREAMS = 2

    with replaced(_http2, "BufferedH2Connection", Ours):
        client = Client()
    for number in range(1, 11, 2):
        client.h2.send_headers(number, _HEAD)
        client.h2.reset_stream(number)
    client.say()
    h2 = client.driven.layer.h2_conn
    return differs((h2.open_inbound_streams, len(h2._closed_streams)), (0, 2))


def reset_streams() -> str | None:
    client = Client()
    layer = client.driven.layer
    heard: list[Http2Event] = []
    handle = layer.handle_h2_event

    def noting(event: Http2Event) -> CommandGenerator[bool]:
        heard.append(event)
        return bool((yield from handle(event)))

    layer.handle_h2_event = noting
    for number in (1, 3):
        client.h2.send_headers(number, _HEAD)
    client.h2.reset_stream(1)
    client.driven.tell(
        events.DataReceived(
            layer.conn, client.h2.data_to_send() + WindowUpdateFrame(3, window_increment=2**31 - 1).serialize()
        )
    )
    layer.streams = dict(layer.streams)
    found = [event.stream_id for event in heard if isinstance(event, StreamReset)]
    return first_difference((found, [1, 3]), (layer.streams, {}))


def empty_data() -> str | None:
    kinds: list[type[Http2Event]] = []
    handle = Http2Connection.handle_h2_event

    def noting(self: Http2Connection, event: Http2Event) -> CommandGenerator[bool]:
        kinds.append(type(event))
        return bool((yield from handle(self, event)))

    with replaced(Http2Connection, "handle_h2_event", noting):
        driven = Client().post(body=b"")
    return first_difference(
        (DataReceived in kinds, True), ([type(event).__name__ for event in driven.http][-1], "RequestData")
    )


def gives_room() -> str | None:
    given: list[tuple[int, int]] = []
    give = BufferedH2Connection.acknowledge_received_data

    def noting(self: BufferedH2Connection, size: int, stream_id: int) -> None:
        given.append((size, stream_id))
        give(self, size, stream_id)

    with replaced(BufferedH2Connection, "acknowledge_received_data", noting):
        driven = Client().post(body=b"body")
    return first_difference(
        ([type(event).__name__ for event in driven.http], ["RequestHeaders", "RequestData"]), (given, [(4, 1)])
    )


def announced_room() -> str | None:
    class Ours(BufferedH2Connection):
        def __init__(self, config: H2Configuration) -> None:
            super().__init__(config)
            self.local_settings.initial_window_size = 5
            self.local_settings.acknowledge()

    with replaced(_http2, "BufferedH2Connection", Ours):
        client = Client()
    client.h2.receive_data(client.driven.sent)
    return differs(client.h2.remote_settings.initial_window_size, 5)


_INITIAL_WINDOW_SIZE = 4


def waiting_data() -> str | None:
    client = Client()
    client.h2.update_settings({_INITIAL_WINDOW_SIZE: 1})
    client.say()
    client.post(body=b"", end=True).tell(ResponseHeaders(1, _response()), ResponseData(1, b"body"))
    buffers = client.driven.layer.h2_conn.stream_buffers
    return differs(
        {number: b"".join(piece.data for piece in pieces) for number, pieces in buffers.items()}, {1: b"ody"}
    )


def waiting_by_stream() -> str | None:
    upstream = _upstream().layer
    buffers = upstream.h2_conn.stream_buffers.default_factory, Http2Server(context()).h2_conn.stream_buffers
    return first_difference(
        (buffers[0], deque), (buffers[1].default_factory, deque), (upstream.stream_queue.default_factory, list)
    )


def _response() -> http.Response:
    response = http.Response.make(200)
    response.http_version = "HTTP/2.0"
    return response


def _upstream() -> Driven:
    below = context()
    below.server = server(alpn=b"h2")
    return Driven(Http2Client(below))


def _heads(*numbers: int) -> list[RequestHeaders]:
    return [RequestHeaders(number, post().request, end_stream=False) for number in numbers]


def stream_numbers() -> str | None:
    driven = _upstream()
    # Ten at once, for as long as upstream has not said how many it serves.
    driven.tell(*_heads(*range(21, 43, 2)), RequestData(41, b"body"))
    speaker = driven.layer
    return first_difference(
        ((speaker.our_stream_id[21], speaker.their_stream_id[1]), (1, 21)),
        (set(speaker.streams), set(range(1, 21, 2))),
        (
            {theirs: [type(each).__name__ for each in queue] for theirs, queue in speaker.stream_queue.items()},
            {41: ["RequestHeaders", "RequestData"]},
        ),
    )


def event_by_event() -> str | None:
    client = Client()
    heard: list[type[Http2Event]] = []
    handle = client.driven.layer.handle_h2_event

    def noting(event: Http2Event) -> CommandGenerator[bool]:
        heard.append(type(event))
        yield from handle(event)
        return True

    client.driven.layer.handle_h2_event = noting
    driven = client.post(body=b"body")
    return differs((heard, [type(event).__name__ for event in driven.http]), ([RequestReceived], ["RequestHeaders"]))


def told_as_a_layer() -> str | None:
    return differs({kind.handle_event for kind in (Http2Connection, Http2Server, Http2Client)}, {Layer.handle_event})


def goaway_frames() -> str | None:
    driven = _upstream().tell(*_heads(1))
    taken: list[int] = []

    def take(frame: GoAwayFrame) -> tuple[list[Any], list[Any]]:
        taken.append(frame.last_stream_id)
        return [], []

    driven.layer.h2_conn._frame_dispatch_table[GoAwayFrame] = take
    driven.tell(events.DataReceived(driven.layer.conn, GoAwayFrame(0, last_stream_id=7).serialize()))
    return first_difference((taken, [7]), (driven.of(commands.CloseConnection), []))


def unexpected_lengths() -> str | None:
    length = (b"content-length", b"10")
    outcomes = []
    for expects in (True, False):
        client = Client()
        client.post(length)
        h2 = client.driven.layer.h2_conn
        if not expects:
            h2.streams[1]._expected_content_length = None
        client.h2.streams[1]._expected_content_length = None
        client.h2.end_stream(1)
        try:
            h2.receive_data(client.h2.data_to_send())
        except ProtocolError:
            outcomes.append("refused")
        else:
            outcomes.append("taken")
    return differs(outcomes, ["refused", "taken"])


def closing() -> str | None:
    driven = _upstream().tell(*_heads(1))
    driven.commands.clear()
    driven.tell(events.ConnectionClosed(driven.layer.conn))
    return first_difference(
        ([type(event).__name__ for event in driven.http], ["ResponseProtocolError"]),
        (len(driven.of(commands.CloseConnection)), 1),
        (driven.layer.streams, {}),
        (driven.layer._handle_event, driven.layer.done),
    )


def answered_streams() -> str | None:
    client = Client()
    driven = client.post(body=b"bo")
    speaker = driven.layer
    before = speaker.is_closed(1), speaker.is_open_for_us(1), list(speaker.streams)
    driven.tell(ResponseHeaders(1, _response(), end_stream=True), ResponseEndOfMessage(1))
    after = speaker.is_closed(1), speaker.is_open_for_us(1)
    speaker.h2_conn.reset_stream(1, ErrorCodes.NO_ERROR)
    return first_difference(
        (before, (False, True, [1])), (after, (False, False)), (speaker.h2_conn.highest_inbound_stream_id, 1)
    )
