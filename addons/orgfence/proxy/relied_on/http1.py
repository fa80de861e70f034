"""How it is found out what mitmproxy does on HTTP/1 connections."""

# mypy: allow-untyped-calls

from functools import partial
from typing import Any

import h11
from h11._readers import ChunkedReader, Http10Reader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1 as net_http1
from mitmproxy.net.http import validate
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, _http1
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Connection
from mitmproxy.proxy.layers.http._http3 import Http3Connection

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

GET = b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n"
OPEN_ENDED = b"HTTP/1.1 200 OK\r\n\r\n"


def _client(kind: type[Http1Client] = Http1Client) -> Driven:
    below = context()
    below.server = server()
    return Driven(kind(below))


def _asked(driven: Driven) -> Driven:
    request = http.Request.make("GET", "http://example.com/")
    return driven.tell(RequestHeaders(1, request, end_stream=True), RequestEndOfMessage(1))


def _serving(data: bytes = GET) -> Driven:
    driven = Driven(Http1Server(context()))
    return driven.tell(events.DataReceived(driven.layer.conn, data))


def error_pages() -> str | None:
    noted: list[tuple[int, str]] = []

    def note(status_code: int, message: str) -> bytes:
        noted.append((status_code, message))
        return b"page"

    with replaced(_http1, "format_error", note):
        driven = _serving(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
    quoting = [kind.__module__ for kind in (Http2Connection, Http3Connection) if not _names(kind, "format_error")]
    return first_difference(
        (noted, [(400, "Invalid header line: b'no colon'")]), (driven.sent.endswith(b"page"), True), (quoting, [])
    )


def _names(kind: type, name: str) -> bool:
    return any(name in method.__code__.co_names for method in vars(kind).values() if hasattr(method, "__code__"))


def client_class() -> str | None:
    return not_taken("Http1Client")


def chunked_reader() -> str | None:
    class Ours(ChunkedReader):
        pass

    with replaced(_http1, "ChunkedReader", Ours):
        reader = _http1.make_body_reader(None)
    end: Any = reader(_buffer(b"0\r\nname: value\r\n\r\n"))
    whole = _buffer(b"1\r\nx\r\n")
    chunk: Any = Ours()(whole)
    # Each call of it is for `__call__`, behind the last chunk as well.
    begun = Ours(), Ours()
    begun[0](_buffer(b"1\r\nx")), begun[1](_buffer(b"0\r\n"))
    return first_difference(
        (type(reader), Ours),
        (list(end.headers), [(b"name", b"value")]),
        ((chunk.chunk_end, bytes(whole)), (True, b"\r\n")),
        ([each._reading_trailer for each in begun], [False, True]),
    )


def _buffer(data: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    buffer += data
    return buffer


def head_buffer() -> str | None:
    taken: list[int] = []

    class Ours(ReceiveBuffer):
        def _extract(self, count: int) -> bytearray:
            taken.append(count)
            return super()._extract(count)

    with replaced(_http1, "ReceiveBuffer", Ours):
        kinds = [type(_client().layer.buf), type(_serving().layer.buf)]
    taken.clear()
    ours = Ours()
    ours.__iadd__(b"a\r\n\r\n\r\nabc")
    for take in (ours.maybe_extract_lines, ours.maybe_extract_lines, partial(ours.maybe_extract_at_most, 3)):
        take()
    return first_difference(
        (kinds, [Ours, Ours]), (bytes(_buffer(b"begun")._data), b"begun"), (taken, [5, 2, 3]), (bytes(ours), b"")
    )


def unreadable_heads() -> str | None:
    def unreadable(_buffer: ReceiveBuffer) -> list[bytearray]:
        return [bytearray(b"a head that does not end")]

    with replaced(ReceiveBuffer, "maybe_extract_lines", unreadable):
        serving = _serving(b"x")
        asked = _asked(_client())
        asked.tell(events.DataReceived(asked.layer.conn, b"x"))
    with replaced(ReceiveBuffer, "maybe_extract_next_line", lambda _: bytearray(b"endless\r\n")):
        try:
            _http1.make_body_reader(None)(ReceiveBuffer())
        except h11.ProtocolError:
            pass
        else:
            return "a chunk of no size that is taken"
    return first_difference(
        (bool(serving.of(commands.CloseConnection)), True),
        (serving.of(ReceiveHttp), []),
        (bool(asked.of(commands.CloseConnection)), True),
        ([type(event).__name__ for event in asked.http], ["ResponseProtocolError"]),
    )


def lengths_are_parsed() -> str | None:
    def none(_length: object) -> int:
        raise ValueError

    request = http.Request.make("POST", "http://example.com/", b"body")
    found = []
    with replaced(validate, "parse_content_length", none):
        for read in (net_http1.expected_http_body_size, validate.validate_headers):
            try:
                read(request)
            except ValueError:
                found.append(read.__name__)
    return differs(found, ["expected_http_body_size", "validate_headers"])


def request_heads() -> str | None:
    def unreadable(_lines: list[bytes]) -> http.Request:
        raise ValueError("no head")

    with replaced(net_http1, "read_request_head", unreadable):
        serving = _serving()
    hostless = Driven(HttpLayer(context(), HTTPMode.regular))
    hostless.tell(events.DataReceived(hostless.layer.context.client, b"GET / HTTP/1.1\r\n\r\n"))
    return first_difference(
        (serving.sent[9:12], b"400"),
        (serving.of(ReceiveHttp), []),
        (hostless.sent[9:12], b"400"),
        (hostless.of(commands.StartHook), []),
    )


def broken_chunks() -> str | None:
    head = b"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    serving = _serving(head + b"x\r\n")
    with replaced(Http1Server, "read_headers", lambda _, event: iter([commands.Log(type(event).__name__)])):
        reading = _serving(head)
    with replaced(Http1Server, "read_body", lambda _, event: iter([commands.Log(type(event).__name__)])):
        told = _serving(head)
    return first_difference(
        (serving.seen, ["ReceiveHttp", "CloseConnection", "ReceiveHttp"]),
        (serving.layer.request_done, False),
        (reading.seen, ["Log"]),
        (told.seen, ["ReceiveHttp", "Log"]),
    )


class Reading(Http1Client):
    """Writes down what it reads of a body."""

    seen: list[str]

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        self.seen.append(f"{type(event).__name__} read by {type(self.body_reader).__name__}")
        yield from super().read_body(event)


def body_ends() -> str | None:
    asked = _asked(_client(Reading))
    asked.tell(events.DataReceived(asked.layer.conn, OPEN_ENDED), events.ConnectionClosed(asked.layer.conn))
    name = Http10Reader.__name__
    read = [each for each in asked.seen if " read by " in each]
    return first_difference(
        (read, [f"DataReceived read by {name}", f"ConnectionClosed read by {name}"]),
        (type(asked.http[-1]).__name__, "ResponseEndOfMessage"),
    )


def framing() -> str | None:
    head = post()
    head.request.http_version = "HTTP/2.0"
    head.request.headers["Transfer-Encoding"] = "chunked"
    driven = _client().tell(head, RequestData(1, b"body"), RequestEndOfMessage(1))
    lines, _, body = driven.sent.partition(b"\r\n\r\n")
    return first_difference(
        (b"Transfer-Encoding: chunked" in lines.split(b"\r\n"), True), (body, b"4\r\nbody\r\n0\r\n\r\n")
    )


def switching_protocols() -> str | None:
    asked = _asked(_client())
    asked.layer.request.http_version = "HTTP/2.0"
    asked.tell(events.DataReceived(asked.layer.conn, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"))
    read = [event.response.status_code for event in asked.http if isinstance(event, ResponseHeaders)]
    with replaced(Http1Client, "read_headers", lambda _, event: iter([commands.Log(type(event).__name__)])):
        reading = _asked(_client())
        reading.tell(events.DataReceived(reading.layer.conn, OPEN_ENDED))
    return first_difference((read, [101]), (reading.seen[-1], "Log"), (asked.layer.request.is_http2, True))


def serving_states() -> str | None:
    serving = Driven(Http1Server(context()))
    server_layer = serving.layer
    idle = server_layer.state == server_layer.read_headers, bytes(server_layer.buf), server_layer.request
    serving.tell(events.DataReceived(server_layer.conn, b"GET"))
    begun = server_layer.state == server_layer.read_headers, bytes(server_layer.buf)
    serving.tell(events.DataReceived(server_layer.conn, GET[3:]))
    busy = server_layer.state == server_layer.read_headers, server_layer.response
    response = http.Response.make(200)
    serving.tell(ResponseHeaders(1, response))
    return first_difference(
        (idle, (True, b"", None)),
        (begun, (True, b"GET")),
        (busy, (False, None)),
        (server_layer.request is not None and server_layer.response is response, True),
    )


def waits_between_requests() -> str | None:
    serving = _serving(GET)
    server_layer = serving.layer
    waiting = [server_layer.state == server_layer.wait]
    serving.tell(events.DataReceived(server_layer.conn, b"ahead"))
    kept = bytes(server_layer.buf)
    serving.tell(ResponseHeaders(1, http.Response.make(200), True), ResponseEndOfMessage(1))
    waiting.append(server_layer.state == server_layer.wait)
    return first_difference((waiting, [True, False]), (kept, b"ahead"))


def replies_by_send() -> str | None:
    serving = _serving()
    serving.layer.send = lambda event: iter([commands.Log(type(event).__name__)])
    serving.tell(ResponseEndOfMessage(1))
    return differs(serving.seen[-1], "Log")


def answers_end() -> str | None:
    serving = _serving().layer
    told: list[bool] = []

    def mark_done(**done: bool) -> CommandGenerator[None]:
        told.append(done.get("response", False))
        yield from ()

    serving.mark_done = mark_done
    serving.response = http.Response.make(200)
    list(Http1Server.send(serving, ResponseEndOfMessage(1)))
    return differs(told, [True])


def closes_when_told() -> str | None:
    serving = _serving()
    response = http.Response.make(200, b"", {"Connection": "close"})
    serving.tell(ResponseHeaders(1, response, end_stream=True), ResponseEndOfMessage(1))
    staying = _serving().tell(ResponseHeaders(1, http.Response.make(200), True), ResponseEndOfMessage(1))
    late = _serving().tell(ResponseHeaders(1, http.Response.make(200), True))
    late.layer.response.headers["Connection"] = "close"
    late.tell(ResponseEndOfMessage(1))
    return differs([bool(each.of(commands.CloseConnection)) for each in (serving, staying, late)], [True, False, True])


def unread_answers() -> str | None:
    asked = _asked(_client())
    asked.layer.conn.state = ConnectionState.CAN_WRITE
    asked.tell(events.ConnectionClosed(asked.layer.conn))
    return first_difference(
        (bytes(asked.layer.buf), b""), ([type(event).__name__ for event in asked.http], ["ResponseProtocolError"])
    )
