"""mitmproxy as it might be one day: for each thing that is relied on, a change after which it does not hold.

Each takes a `MonkeyPatch` and changes mitmproxy in this process, as a release of it would.
"""

# mypy: allow-untyped-calls, allow-untyped-defs
# What stands in the place of mitmproxy's functions takes what they take.

import asyncio
import copy
import logging
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined] # typeshed has no name for it
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import h2.connection
import h2.events
import h2.stream
import hpack.hpack
import mitmproxy.addons.next_layer
import mitmproxy.net.http.http1
import pytest
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import addonmanager, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons.disable_h2c import DisableH2C
from mitmproxy.addons.modifyheaders import ModifyHeaders
from mitmproxy.addons.proxyserver import Proxyserver, Servers
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.log import LegacyLogEvents
from mitmproxy.master import Master
from mitmproxy.optmanager import OptManager
from mitmproxy.proxy import commands, events, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer, WebsocketLayer
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpClient, HttpLayer, HttpStream, _http1
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestProtocolError,
    RequestTrailers,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, Http2Server
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection
from mitmproxy.proxy.layers.tls import TLSLayer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler, ServerInstance
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO, TimeoutWatchdog
from mitmproxy.proxy.tunnel import TunnelLayer, TunnelState
from mitmproxy.tls import ClientHello
from mitmproxy.tools.web.master import WebMaster

CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


def change(function: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    """Note a change by the name of what it breaks."""
    CHANGES[function.__name__] = function
    return function


def nothing(*_: Any, **__: Any) -> Any:
    """Yield nothing, and return None."""
    yield from ()


async def at_once(*_: Any, **__: Any) -> None:
    """Do nothing, in a coroutine."""


# Connections.


@change
def handlers_by_client(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proxyserver, "register_connection", lambda *_: nullcontext())


@change
def transports(patch: pytest.MonkeyPatch) -> None:
    async def handle(self, connection):
        self.transports.pop(connection).writer.close()
        await self.server_event(events.ConnectionClosed(connection))

    patch.setattr(ConnectionHandler, "handle_connection", handle)


@change
def transport_parts(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(ConnectionIO, "reader")
    patch.setattr(ConnectionIO, "__init__", lambda _: None)


@change
def drains_after_each_piece(patch: pytest.MonkeyPatch) -> None:
    async def handle(self, connection):
        while data := await self.transports[connection].reader.read(65535):
            await self.server_event(events.DataReceived(connection, data))
        connection.state &= ~ConnectionState.CAN_READ

    patch.setattr(ConnectionHandler, "handle_connection", handle)


@change
def layers_are_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConnectionHandler, "server_event", at_once)


@change
def hooks_are_for_addons(patch: pytest.MonkeyPatch) -> None:
    async def handle(self, hook):
        await self.master.addons.handle_lifecycle(hook)

    patch.setattr(ProxyConnectionHandler, "handle_hook", handle)


@change
def half_closes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConnectionHandler, "close_connection", lambda self, *_, **__: self.writer.close())


@change
def activity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TimeoutWatchdog, "register_activity", lambda _: None)


@change
def refused_by_a_hook(patch: pytest.MonkeyPatch) -> None:
    async def dial(self, command):
        command.connection.timestamp_start = 1.0
        await self.server_event(events.OpenConnectionCompleted(command, None))

    patch.setattr(ConnectionHandler, "open_connection", dial)


@change
def peers_have_names(patch: pytest.MonkeyPatch) -> None:
    async def dial(self, command):
        await self.server_event(events.OpenConnectionCompleted(command, "gone"))

    patch.setattr(ConnectionHandler, "open_connection", dial)


@change
def ends_have_a_time(patch: pytest.MonkeyPatch) -> None:
    opens = ConnectionHandler.open_connection

    async def dial(self, command):
        await opens(self, command)
        command.connection.timestamp_end = None

    patch.setattr(ConnectionHandler, "open_connection", dial)


@change
def notes_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Connection, "__hash__", None)


@change
def log_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(server, "logger", logging.getLogger("mitmproxy.other"))


@change
def listens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Servers, "__iter__", lambda _: iter([None]))


@change
def original_destination(patch: pytest.MonkeyPatch) -> None:
    handle = ServerInstance.handle_stream

    async def handle_as_regular(self, reader, writer):
        await handle(ServerInstance.make("regular", self.manager), reader, writer)

    patch.setattr(ServerInstance, "handle_stream", handle_as_regular)


# What reads a connection.


@change
def chosen_layer_stays(patch: pytest.MonkeyPatch) -> None:
    addon = mitmproxy.addons.next_layer.NextLayer
    patch.setattr(addon, "next_layer", lambda _, chosen: setattr(chosen, "layer", None))


@change
def write_buffers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_SelectorSocketTransport, "write", lambda *_: None)


@change
def client_hello_comes(patch: pytest.MonkeyPatch) -> None:
    def receive(self, data):
        yield from ()
        return False, None

    patch.setattr(ClientTLSLayer, "receive_handshake_data", receive)


@change
def hello_extensions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClientHello, "extensions", property(lambda _: [b"server name"]))


@change
def layers_handle(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Layer, "handle_event", lambda self, event: list(self._handle_event(event)))


@change
def next_layer_class(patch: pytest.MonkeyPatch) -> None:
    def connect(self, kind=NextLayer):
        self.child_layer = kind(self.context)
        yield from self.handle_connect_finish()

    patch.setattr(HttpStream, "handle_connect_regular", connect)


@change
def next_layer_starts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NextLayer, "handle_event", Layer.handle_event)


@change
def hooks_pass_a_tunnel(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpStream, "passthrough", nothing)


@change
def quic_by_first_bytes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mitmproxy.addons.next_layer, "KNOWN_QUIC_VERSIONS", ())


@change
def tls_in_order(patch: pytest.MonkeyPatch) -> None:
    make = ClientTLSLayer.__init__

    def make_above(self, context):
        make(self, context)
        context.layers.reverse()

    patch.setattr(ClientTLSLayer, "__init__", make_above)


@change
def upstream_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TlsConfig, "tls_start_server", lambda _, start: setattr(start, "ssl_conn", None))


@change
def tunnels_carry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TunnelLayer, "_handle_event", nothing)


# HTTP/1.


@change
def head_buffer(patch: pytest.MonkeyPatch) -> None:
    def make(self, context, conn, kind=ReceiveBuffer):
        Layer.__init__(self, context)
        self.conn, self.buf = conn, kind()

    patch.setattr(Http1Connection, "__init__", make)


@change
def lengths_are_parsed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mitmproxy.net.http.http1, "expected_http_body_size", lambda *_: 0)


@change
def request_heads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "read_headers", nothing)


@change
def broken_chunks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "read_body", nothing)


@change
def unreadable_heads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "read_headers", nothing)


@change
def chunked_reader(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_http1, "make_body_reader", lambda _, kind=ChunkedReader: kind())


@change
def body_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_http1, "make_body_reader", lambda _: ContentLengthReader(1))


@change
def framing(patch: pytest.MonkeyPatch) -> None:
    send = Http1Client.send

    def send_plainly(self, event):
        if isinstance(event, RequestData):
            yield commands.SendData(self.conn, event.data)
        else:
            yield from send(self, event)

    patch.setattr(Http1Client, "send", send_plainly)


@change
def switching_protocols(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Client, "read_headers", nothing)


@change
def serving_states(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "send", nothing)


@change
def replies_by_send(patch: pytest.MonkeyPatch) -> None:
    handle = Http1Connection._handle_event

    def handle_by_class(self, event):
        yield from (type(self).send if isinstance(event, HttpEvent) else handle)(self, event)

    patch.setattr(Http1Connection, "_handle_event", handle_by_class)
    patch.setattr(Http1Server, "send", nothing)


@change
def answers_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "send", nothing)


@change
def tls_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TunnelLayer, "_handle_command", nothing)


@change
def tls_reads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TLSLayer, "receive_data", nothing)


@change
def error_pages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_http1, "make_error_response", lambda *_: b"")


@change
def waits_for_hello(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServerTLSLayer, "start_handshake", nothing)


@change
def chosen_by_events(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NextLayer, "_ask", nothing)


@change
def head_encoder(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hpack.hpack.Encoder, "encode", lambda *_, **__: b"")


@change
def closes_when_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mitmproxy.net.http.http1, "connection_close", lambda *_: False)


@change
def unanswered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Client, "read_headers", nothing)


@change
def body_sizes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mitmproxy.net.http.http1, "expected_http_body_size", lambda *_: 0)


@change
def http1_client_class(patch: pytest.MonkeyPatch) -> None:
    _connect_by(patch, Http1Client)


# HTTP/2.


@change
def http2_connection_class(patch: pytest.MonkeyPatch) -> None:
    def make(self, context, conn, kind=BufferedH2Connection):
        Layer.__init__(self, context)
        self.conn, self.streams = conn, {}
        self.h2_conn = kind(self.h2_conf)

    patch.setattr(Http2Connection, "__init__", make)


@change
def frames_one_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(h2.connection.H2Connection, "receive_data", lambda *_: [])


@change
def closed_streams(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(h2.connection, "SizeLimitDict", lambda **_: {})


@change
def reset_streams(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(h2.stream.H2Stream, "receive_window_update", lambda *_: ([], []))


@change
def empty_data(patch: pytest.MonkeyPatch) -> None:
    handle = Http2Connection.handle_h2_event

    def handle_or_drop(self, event):
        if not isinstance(event, h2.events.DataReceived) or event.data:
            return (yield from handle(self, event))
        return False

    patch.setattr(Http2Connection, "handle_h2_event", handle_or_drop)


@change
def http2_server_class(patch: pytest.MonkeyPatch) -> None:
    handle = HttpLayer._handle_event

    def handle_by_own(self, event):
        if isinstance(event, events.Start):
            self.connections[self.context.client] = Http2Server(self.context.fork())
        yield from handle(self, event)

    patch.setattr(HttpLayer, "_handle_event", handle_by_own)


@change
def paused_streams(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpLayer, "get_connection", nothing)


@change
def gives_room(patch: pytest.MonkeyPatch) -> None:
    handle = Http2Connection.handle_h2_event

    def handle_without_room(self, event):
        if isinstance(event, h2.events.DataReceived):
            yield ReceiveHttp(self.ReceiveData(event.stream_id, event.data))
            return False
        return (yield from handle(self, event))

    patch.setattr(Http2Connection, "handle_h2_event", handle_without_room)


@change
def announced_room(patch: pytest.MonkeyPatch) -> None:
    initiate = BufferedH2Connection.initiate_connection

    def initiate_with_more(self):
        self.local_settings.initial_window_size = 100_000
        self.local_settings.acknowledge()
        initiate(self)

    patch.setattr(BufferedH2Connection, "initiate_connection", initiate_with_more)


@change
def waiting_data(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BufferedH2Connection, "send_data", lambda *_, **__: None)


@change
def stream_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http2Client, "provisional_max_concurrency", 100)


@change
def event_by_event(patch: pytest.MonkeyPatch) -> None:
    def handle(self, event):
        if isinstance(event, events.DataReceived):
            for each in self.h2_conn.receive_data(event.data):
                yield from type(self).handle_h2_event(self, each)

    patch.setattr(Http2Server, "_handle_event", handle)


@change
def told_as_a_layer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http2Connection, "handle_event", nothing)


@change
def goaway_frames(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(h2.connection.H2Connection, "_receive_frame", lambda *_: [])


@change
def unexpected_lengths(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(h2.stream.H2Stream, "_track_content_length", lambda *_: None)


@change
def closing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http2Connection, "close_connection", nothing)


@change
def answered_streams(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http2Connection, "is_open_for_us", lambda *_: True)


@change
def http2_client_class(patch: pytest.MonkeyPatch) -> None:
    _connect_by(patch, Http2Client)


def _connect_by(patch: pytest.MonkeyPatch, kind: type[Layer]) -> None:
    def handle(self, _event):
        self.child_layer = kind(self.context)
        yield from self.child_layer.handle_event(events.Start())

    patch.setattr(HttpClient, "_handle_event", handle)


# Streams and connections to upstream.


@change
def http_events(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RequestData, "__match_args__", ("data", "stream_id"))


@change
def stream_class(patch: pytest.MonkeyPatch) -> None:
    def make(self, stream_id, kind=HttpStream):
        self.streams[stream_id] = kind(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    patch.setattr(HttpLayer, "make_stream", make)


@change
def stream_below_its_layer(patch: pytest.MonkeyPatch) -> None:
    def make(self, stream_id):
        below = self.context.fork()
        below.layers.append(Layer)
        self.streams[stream_id] = HttpStream(below, stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    patch.setattr(HttpLayer, "make_stream", make)


@change
def pipelined_requests_wait(patch: pytest.MonkeyPatch) -> None:
    handle = Http1Connection._handle_event

    def handle_and_forget(self, event):
        yield from handle(self, event)
        self.buf.maybe_extract_at_most(len(self.buf))

    patch.setattr(Http1Connection, "_handle_event", handle_and_forget)


@change
def streams_by_number(patch: pytest.MonkeyPatch) -> None:
    def make(self, stream_id):
        self.streams[str(stream_id)] = HttpStream(self.context.fork(), stream_id)
        yield from ()

    patch.setattr(HttpLayer, "make_stream", make)


@change
def speakers_by_connection(patch: pytest.MonkeyPatch) -> None:
    get = HttpLayer.get_connection

    def get_and_forget(self, event, **more):
        yield from get(self, event, **more)
        self.connections = dict(list(self.connections.items())[:1])

    patch.setattr(HttpLayer, "get_connection", get_and_forget)


@change
def wakes_by_source(patch: pytest.MonkeyPatch) -> None:
    handle = HttpLayer._handle_event

    def handle_others(self, event):
        if not isinstance(event, events.Wakeup):
            yield from handle(self, event)

    patch.setattr(HttpLayer, "_handle_event", handle_others)


@change
def refuses_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpStream, "check_invalid", nothing)


@change
def flows_take_notes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(http.HTTPFlow, "copy", copy.copy)


@change
def messages_hold_types(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(http.MessageData, "__post_init__", nothing)


@change
def contexts_fork(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Context, "fork", lambda self: Context(self.client, self.options))


@change
def headers_are_fields(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(http.Headers, "get_all", lambda self, name: [])


@change
def options_are_copied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OptManager, "__getattr__", lambda self, name: self._options[name].default)


@change
def crl_by_store(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TlsConfig, "crl_path", lambda self: "/mitmproxy.crl")


@change
def hooks_are_commands(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpResponseHeadersHook, "blocking", False)


@change
def asks_early(patch: pytest.MonkeyPatch) -> None:
    def wait(self, event):
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = event.request
        yield HttpRequestHeadersHook(self.flow)
        self.client_state = self.state_consume_request_body
        self.server_state = self.state_wait_for_response_headers

    patch.setattr(HttpStream, "state_wait_for_request_headers", _named(wait, "state_wait_for_request_headers"))


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


@change
def asks_by_piece(patch: pytest.MonkeyPatch) -> None:
    consume = HttpStream.state_consume_request_body

    def consume_all(self, event):
        if isinstance(event, RequestData):
            self.request_body_buf += event.data
        else:
            yield from consume(self, event)

    patch.setattr(HttpStream, "state_consume_request_body", consume_all)


@change
def asks_late(patch: pytest.MonkeyPatch) -> None:
    consume = HttpStream.state_consume_request_body

    def consume_unasked(self, event):
        if isinstance(event, RequestEndOfMessage):
            self.client_state = self.state_done
            yield HttpRequestHook(self.flow)
            yield from self.make_server_connection()
        else:
            yield from consume(self, event)

    patch.setattr(HttpStream, "state_consume_request_body", consume_unasked)


@change
def trailers_are_events(patch: pytest.MonkeyPatch) -> None:
    _ignore(patch, RequestTrailers)


@change
def one_way_upstream(patch: pytest.MonkeyPatch) -> None:
    def start(self):
        yield GetHttpConnection(("example.com", 80), False, None)
        self.client_state = self.state_stream_request_body

    patch.setattr(HttpStream, "start_request_stream", start)


@change
def stream_states(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpStream, "state_stream_request_body", _named(nothing, "nothing"))


@change
def held_bodies_can_stream(patch: pytest.MonkeyPatch) -> None:
    def refuse(_):
        raise NotImplementedError("too late to stream")

    patch.setattr(HttpStream, "start_request_stream", refuse)


@change
def held_answers_can_stream(patch: pytest.MonkeyPatch) -> None:
    def refuse(_):
        raise NotImplementedError("too late to stream")

    patch.setattr(HttpStream, "start_response_stream", refuse)


@change
def paused_events(patch: pytest.MonkeyPatch) -> None:
    handle = Layer.handle_event

    def handle_or_drop(self, event):
        if not self._paused or isinstance(event, events.CommandCompleted):
            yield from handle(self, event)

    patch.setattr(Layer, "handle_event", handle_or_drop)


@change
def waiting_events(patch: pytest.MonkeyPatch) -> None:
    def tell(self, event):
        if self.tunnel_state is not TunnelState.ESTABLISHING:
            yield from self.child_layer.handle_event(event)

    patch.setattr(TunnelLayer, "event_to_child", tell)


@change
def waiting_by_stream(patch: pytest.MonkeyPatch) -> None:
    make = Http2Client.__init__

    def make_other(self, context):
        make(self, context)
        self.stream_queue = {}

    patch.setattr(Http2Client, "__init__", make_other)


@change
def waits_between_requests(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Http1Server, "mark_done", Http1Connection.mark_done)


@change
def stream_errors(patch: pytest.MonkeyPatch) -> None:
    _ignore(patch, RequestProtocolError, ResponseProtocolError)


def _ignore(patch: pytest.MonkeyPatch, *kinds: type[HttpEvent]) -> None:
    handle = HttpStream._handle_event

    def handle_others(self, event):
        if not isinstance(event, kinds):
            yield from handle(self, event)

    patch.setattr(HttpStream, "_handle_event", handle_others)


@change
def connect_failed(patch: pytest.MonkeyPatch) -> None:
    def make(self):
        yield GetHttpConnection(("example.com", 80), False, None)
        error = ResponseProtocolError(self.stream_id, "refused", ErrorCode.GENERIC_SERVER_ERROR)
        yield from self.handle_protocol_error(error)
        return False

    patch.setattr(HttpStream, "make_server_connection", make)


@change
def wanted_connection(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(GetHttpConnection, "connection_spec_matches", lambda *_: True)


@change
def kept_connections(patch: pytest.MonkeyPatch) -> None:
    get = HttpLayer.get_connection

    def get_another(self, event, *, reuse=True):
        return get(self, event, reuse=False)

    patch.setattr(HttpLayer, "get_connection", get_another)


@change
def registers_once(patch: pytest.MonkeyPatch) -> None:
    def connect(self, _event):
        yield commands.OpenConnection(self.context.server)

    patch.setattr(HttpClient, "_handle_event", connect)


@change
def websocket_messages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WebsocketLayer, "relay_messages", nothing)


@change
def websocket_layer_class(patch: pytest.MonkeyPatch) -> None:
    def relay_itself(self):
        self.child_layer = WebsocketLayer(self.context, self.flow)
        self._handle_event = self.passthrough
        yield from self.child_layer.handle_event(events.Start())

    patch.setattr(HttpStream, "flow_done", relay_itself)


@change
def messages_may_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WebsocketLayer, "relay_messages", nothing)


# The master.


@change
def chain_changes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AddonManager, "insert", lambda self, addon: self.chain.insert(0, addon), raising=False)


@change
def core_triggers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Master, "running", at_once)


@change
def traversal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(addonmanager, "traverse", list)


@change
def hooks_are_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HttpRequestHook, "__hash__", lambda self: hash(self.name))
    patch.setattr(HttpRequestHook, "__eq__", lambda self, other: self.name == other.name)


@change
def found_by_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AddonManager, "get", lambda *_: None)


@change
def empty_master(patch: pytest.MonkeyPatch) -> None:
    make = Master.__init__

    def make_with_one(self, *arguments, **more):
        make(self, *arguments, **more)
        self.addons.add(DisableH2C())

    patch.setattr(Master, "__init__", make_with_one)


@change
def runs_the_proxyserver(patch: pytest.MonkeyPatch) -> None:
    async def run(self):
        await asyncio.sleep(0)
        await self.running()
        await self.done()

    patch.setattr(Master, "run", run)


@change
def legacy_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LegacyLogEvents, "emit", lambda *_: None)


@change
def h2c_by_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DisableH2C, "process_flow", lambda _, flow: len(flow.request.content))


@change
def web_master(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(WebMaster, "web_url")


@change
def option_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModifyHeaders, "load", lambda *_: None)
