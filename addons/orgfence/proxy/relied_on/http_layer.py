"""How it is found out what mitmproxy's `HttpLayer` does with streams and connections."""

# mypy: allow-untyped-calls

from mitmproxy import http
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpClient,
    HttpLayer,
    HTTPMode,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http import _events as known_events
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseEndOfMessage
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook, HttpResponseHook

from orgfence.proxy.relied_on.driven import Driven, context, differs, first_difference, replaced, server
from orgfence.proxy.relied_on.streams import REQUEST


def _begun() -> Driven:
    return Driven(HttpLayer(context(), HTTPMode.regular))


def _requested(driven: Driven | None = None) -> Driven:
    driven = driven or _begun()
    return driven.tell(events.DataReceived(driven.layer.context.client, REQUEST))


class Still(Layer):
    """Does what it was given to do, and nothing with what it is told."""

    def __init__(self, *does: commands.Command) -> None:
        super().__init__(context())
        self.does = does
        self.told: list[events.Event] = []

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        self.told.append(event)
        yield from self.does


def stream_below_its_layer() -> str | None:
    driven = _requested()
    (stream,) = driven.layer.streams.values()
    layers = stream.context.layers
    return differs(layers[layers.index(stream) - 1], driven.layer)


def pipelined_requests_wait() -> str | None:
    driven = _begun()
    client = driven.layer.context.client
    driven.tell(events.DataReceived(client, REQUEST + REQUEST))
    return differs((list(driven.layer.streams), bytes(driven.layer.connections[client].buf)), ([1], REQUEST))


def streams_by_number() -> str | None:
    driven = _requested()
    before = list(driven.layer.streams)
    list(driven.layer.event_to_child(Still(DropStream(1)), events.Start()))
    return differs((before, list(driven.layer.streams)), ([1], []))


def speakers_by_connection() -> str | None:
    driven = _requested()
    connections, client = driven.layer.connections, driven.layer.context.client
    (opened,) = driven.of(commands.OpenConnection)
    speaker = Still()
    connections[client] = speaker
    end = ResponseEndOfMessage(1)
    list(driven.layer.event_to_child(Still(SendHttp(end, client)), events.Start()))
    return first_difference((set(connections), {client, opened.connection}), (speaker.told, [end]))


def wakes_by_source() -> str | None:
    driven, asking = _begun(), Still(commands.RequestWakeup(0))
    sources = driven.layer.command_sources
    (wakeup,) = driven.layer.event_to_child(asking, events.Start())
    noted, other = sources.get(wakeup), Still()
    sources[wakeup] = other
    driven.tell(events.Wakeup(wakeup))
    return first_difference((noted, asking), ([type(event) for event in other.told], [events.Wakeup]))


def registers_once() -> str | None:
    registered: list[Connection] = []
    register = HttpLayer.register_connection

    def noting(self: HttpLayer, command: RegisterHttpConnection) -> CommandGenerator[None]:
        registered.append(command.connection)
        yield from register(self, command)

    with replaced(HttpLayer, "register_connection", noting):
        driven = _requested()
    (opened,) = driven.of(commands.OpenConnection)
    waiting = list(driven.layer.waiting_for_establishment)
    return first_difference((registered, [opened.connection]), (waiting, []))


def _connecting(_self: HttpClient, _event: events.Event) -> CommandGenerator[None]:
    yield from ()


def paused_streams() -> str | None:
    with replaced(HttpClient, "_handle_event", _connecting):
        driven = _requested()
    layer = driven.layer
    (stream,) = layer.streams.values()
    command, generator = stream._paused.command, stream._paused.generator
    ((waiting,),) = layer.waiting_for_establishment.values()
    found = isinstance(command, GetHttpConnection), waiting is command, layer.command_sources.pop(command) is stream
    generator.close()
    stream._paused = None
    layer.waiting_for_establishment.clear()
    layer.waiting_for_establishment[layer.context.server] = []
    driven.commands.clear()
    list(HttpLayer.register_connection(layer, RegisterHttpConnection(layer.context.server, None)))
    return first_difference((found, (True, True, True)), (driven.commands, []))


def _led_to(kept: Server) -> str:
    """Return what comes of a request where this upstream is kept: a new connection, an error or this one."""
    driven = _begun()
    driven.layer.connections[kept] = speaker = Still()
    _requested(driven)
    if driven.of(commands.OpenConnection):
        return "another"
    return "used" if speaker.told else "failed"


def kept_connections() -> str | None:
    half, over, failed = server(), server(), server()
    half.state &= ~ConnectionState.CAN_WRITE
    over.state = failed.state = ConnectionState.CLOSED
    failed.error = "refused"
    found = [_led_to(each) for each in (server(), half, over, failed)]
    return differs(found, ["used", "another", "another", "failed"])


def body_sizes() -> str | None:
    get, posted = http.Request.make("GET", "http://x/"), http.Request.make("POST", "http://x/")
    del posted.headers["content-length"]
    sized = http.Request.make("POST", "http://x/", b"body")
    chunked = http.Request.make("POST", "http://x/", b"", http.Headers(transfer_encoding="chunked"))
    open_ended = http.Response.make(200)
    del open_ended.headers["content-length"]
    found = [http1.expected_http_body_size(request) for request in (get, posted, sized, chunked)]
    del chunked.headers["transfer-encoding"]
    chunked.headers["content-length"] = "four"
    try:
        http1.expected_http_body_size(chunked)
    except ValueError:
        return first_difference((found, [0, 0, 4, None]), (http1.expected_http_body_size(get, open_ended), -1))
    return "no error for a length that is no number"


def http_events() -> str | None:
    wanted = {
        "RequestHeaders": ("stream_id", "request", "end_stream", "replay_flow"),
        "RequestData": ("stream_id", "data"),
        "RequestTrailers": ("stream_id", "trailers"),
        "RequestEndOfMessage": ("stream_id",),
        "RequestProtocolError": ("stream_id", "message", "code"),
        "ResponseHeaders": ("stream_id", "response", "end_stream"),
        "ResponseData": ("stream_id", "data"),
        "ResponseTrailers": ("stream_id", "trailers"),
        "ResponseEndOfMessage": ("stream_id",),
        "ResponseProtocolError": ("stream_id", "message", "code"),
    }
    found = {name: getattr(known_events, name).__match_args__ for name in wanted}
    codes = {"CANCEL", "CONNECT_FAILED", "GENERIC_SERVER_ERROR"} - set(known_events.ErrorCode.__members__)
    end = ResponseEndOfMessage(1)
    return first_difference(
        (found, wanted),
        (codes, set()),
        (ReceiveHttp(end).event, end),
        ([hook.__match_args__ for hook in (HttpResponseHeadersHook, HttpResponseHook)], [("flow",), ("flow",)]),
    )
