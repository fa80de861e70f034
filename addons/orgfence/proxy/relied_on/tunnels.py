"""How it is found out what mitmproxy does where a connection's protocol is open, and with TLS."""

# mypy: allow-untyped-calls

from collections import deque
from typing import Any

from mitmproxy import http
from mitmproxy.addons.next_layer import NextLayer as NextLayerAddon
from mitmproxy.addons.next_layer import _starts_like_quic as starts_like_quic
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer, NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, ServerTLSLayer, WebsocketLayer, websocket
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.proxy.layers.modes import Socks5Proxy, TransparentProxy
from mitmproxy.proxy.layers.tls import TLSLayer
from mitmproxy.proxy.tunnel import TunnelLayer, TunnelState
from mitmproxy.tls import ClientHello, TlsData
from mitmproxy.websocket import WebSocketData
from OpenSSL import SSL

from orgfence.proxy.relied_on.driven import (
    ADDRESS,
    Driven,
    context,
    differs,
    driven_stream,
    first_difference,
    post,
    replaced,
    server,
)

# https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2: version, random, session id, one cipher, no compression, and one
# extension: a server name of one letter.
_SERVER_NAME = b"\x00\x04\x00\x00\x01x"
_HELLO = b"\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00" + b"\x00\x0a\x00\x00\x00\x06" + _SERVER_NAME


def client_hello_comes() -> str | None:
    told: list[tuple[bytes, bool]] = []

    class Noting(ClientTLSLayer):
        def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
            told.append((bytes(self.recv_buffer) + data, self.client_hello_parsed))
            return (yield from super().receive_handshake_data(data))

    below = context()
    below.layers.append(Layer.__new__(HttpLayer))
    driven = Driven(Noting(below), replies=False)
    message = b"\x01" + len(_HELLO).to_bytes(3) + _HELLO
    record = b"\x16\x03\x01" + len(message).to_bytes(2) + message
    driven.tell(events.DataReceived(below.client, record[:9]), events.DataReceived(below.client, record[9:]))
    broken = Driven(ClientTLSLayer(below)).tell(events.DataReceived(below.client, b"no TLS"))
    return first_difference(
        (told, [(record[:9], False), (record, False)]),
        (driven.layer.client_hello_parsed, True),
        ((below.client.error or "").partition(":")[0], "Cannot parse ClientHello"),
        (bool(broken.of(commands.CloseConnection)), True),
    )


class Noted(deque[events.Event]):
    """A queue of ours."""


class SlowTunnel(TunnelLayer):
    """Waits for the other end."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, context.server, context.server)
        self.child_layer = Heard(context)

    def receive_handshake_data(self, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
        yield from ()
        return bool(data), None


class Heard(Layer):
    """Says what it is told of."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            yield commands.Log(event.data.decode())
            if event.data == b"first":
                yield commands.OpenConnection(server())


def waiting_events() -> str | None:
    make, make_tunnel = Layer.__init__, TunnelLayer.__init__
    queues: list[deque[events.Event]] = []

    def noted() -> deque[events.Event]:
        queues.append(Noted())
        return queues[-1]

    def made(self: Layer, context: Context) -> None:
        make(self, context)
        self._paused_event_queue = noted()

    def made_tunnel(self: Any, *about: Any) -> None:
        make_tunnel(self, *about)
        self._event_queue = noted()

    below = context()
    below.server = server()
    said = [events.DataReceived(below.client, data) for data in (b"first", b"second", b"third")]
    with replaced(Layer, "__init__", made), replaced(TunnelLayer, "__init__", made_tunnel):
        driven = Driven(SlowTunnel(below), replies=False).tell(*said)
        waiting = sum(map(len, queues))
        driven.tell(events.DataReceived(below.server, b"ready"))
        (opening,) = driven.of(commands.OpenConnection)
        waiting_below = sum(map(len, queues))
        driven.tell(events.OpenConnectionCompleted(opening, None))
    heard = [command.message for command in driven.of(commands.Log)]
    return first_difference(
        # The start as well.
        ((waiting, waiting_below, sum(map(len, queues))), (4, 2, 0)),
        (heard, ["first", "second", "third"]),
    )


def hello_extensions() -> str | None:
    hello = ClientHello(_HELLO)
    return differs(list(hello.extensions), [(0, _SERVER_NAME)])


def chosen_layer_stays() -> str | None:
    chosen = NextLayer(context())
    ours = chosen.layer = HttpLayer(context(), HTTPMode.transparent)
    NextLayerAddon().next_layer(chosen)
    return differs(chosen.layer, ours)


class Asking(Layer):
    """Asks for a connection, and says what it was answered."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        error = yield commands.OpenConnection(self.context.server)
        yield commands.Log(f"{type(event).__name__}: {error}")


def layers_handle() -> str | None:
    asking = Driven(Asking(context()))
    return differs(
        (asking.seen, getattr(asking.commands[-1], "message", None)), (["OpenConnection", "Log"], "Start: None")
    )


class Begun(NextLayer):
    """Notes in what a tunnel begins."""

    within: list[type[Layer]]

    def __init__(self, below: Context, ask_on_start: bool = False) -> None:
        super().__init__(below, ask_on_start)
        self.within.append(type(below.layers[-1]))

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        yield from ()


def next_layer_class() -> str | None:
    Begun.within = []
    with replaced(layer, "NextLayer", Begun):
        request = http.Request.make("CONNECT", "http://example.com:443/")
        driven_stream().tell(RequestHeaders(1, request, end_stream=True))
        below = context()
        below.server.via = ("http", ADDRESS)
        HttpUpstreamProxy.make(below, True)
        below = context()
        below.server = server()
        Driven(TransparentProxy(below))
        below = context()
        socks = Driven(Socks5Proxy(below))
        for said in (b"\x05\x01\x00", b"\x05\x01\x00\x03\x01x\x00\x50"):
            socks.tell(events.DataReceived(below.client, said))
    return differs(set(Begun.within), {HttpStream, HttpUpstreamProxy, Socks5Proxy, TransparentProxy})


class Chosen(Layer):
    """What is to have the bytes."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        yield commands.Log(f"told of {type(event).__name__}")


class Giving(NextLayer):
    """Gives way at once, as ours does."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        chosen = self.layer = Chosen(self.context)
        self.handle_event = chosen.handle_event  # type: ignore[method-assign] # as in the base class
        self._handle = chosen.handle_event
        asks = "asked" if self._ask_on_start else "not asked"
        yield commands.Log(f"{type(event).__name__} {asks}")


def next_layer_starts() -> str | None:
    giving = Giving(context())
    first = [getattr(command, "message", command) for command in giving.handle_event(events.Start())]
    # As whoever has kept the method before.
    later = NextLayer.handle_event(giving, events.DataReceived(giving.context.client, b"x"))
    told = [getattr(command, "message", command) for command in later]
    asked = NextLayer(context())
    list(asked.handle_event(events.DataReceived(asked.context.client, b"x")))
    return first_difference(
        ((first, told), (["Start not asked"], ["told of DataReceived"])), (asked.data_client(), b"x")
    )


def quic_by_first_bytes() -> str | None:
    version_1 = b"\xc0" + (1).to_bytes(4) + bytes(20)
    address = "example.com", 9
    found = [starts_like_quic(version_1, address), starts_like_quic(b"x" * 25, address)]
    return differs(found, [True, False])


def upstream_names() -> str | None:
    below = context()
    below.server = server(sni="mine.example")
    ours: Any = object()
    start = TlsData(below.server, below, ssl_conn=ours)
    TlsConfig().tls_start_server(start)
    names = [name for name in TlsConfig.tls_start_server.__code__.co_names if name in ("sni", "address")]
    return first_difference((start.ssl_conn is ours, True), (sorted(set(names)), ["address", "sni"]))


def tls_in_order() -> str | None:
    below = context()
    outer = ServerTLSLayer(below)
    outer.child_layer = inner = ClientTLSLayer(below)
    return first_difference(
        (below.layers, [outer, inner]),
        (outer.conn is below.server and inner.conn is below.client, True),
        ("tls" in {name for kind in ServerTLSLayer.__mro__ for name in vars(kind).get("__annotations__", {})}, True),
    )


def tunnels_carry() -> str | None:
    below = context()
    outer, inner = server(), server()
    inner.state = ConnectionState.CLOSED
    tunnel = TunnelLayer(below, outer, inner)
    tunnel.child_layer = Chosen(below)
    driven = Driven(tunnel)
    driven.tell(events.DataReceived(outer, b""), events.ConnectionClosed(outer))
    return first_difference(
        ((tunnel.tunnel_connection, tunnel.conn), (outer, inner)),
        (inner.timestamp_end is not None, True),
        (inner.connected, False),
    )


def tls_ends() -> str | None:
    class Noting(TLSLayer):
        def receive_close(self) -> CommandGenerator[None]:
            yield commands.Log("receive_close")

        def send_data(self, data: bytes) -> CommandGenerator[None]:
            yield commands.Log("send_data")

    below = context()
    layer = Noting(below, below.client)
    layer.tunnel_state = TunnelState.OPEN
    layer.child_layer = Chosen(below)
    below.client.state = ConnectionState.OPEN
    noted = [
        command.message
        for told in (
            layer._handle_event(events.ConnectionClosed(below.client)),
            layer._handle_command(commands.SendData(below.client, b"x")),
        )
        for command in told
        if isinstance(command, commands.Log)
    ]
    by_openssl = {"RECEIVED_SHUTDOWN", "tls"} <= set(TLSLayer.receive_close.__code__.co_names)
    return first_difference((noted, ["receive_close", "send_data"]), (by_openssl, True))


def tls_reads() -> str | None:
    noted: list[int] = []

    def note(bufsiz: int, _flags: int | None = None) -> bytes:
        noted.append(bufsiz)
        raise SSL.WantReadError

    below = context()
    layer = TLSLayer(below, below.client)
    layer.tls = SSL.Connection(SSL.Context(SSL.TLS_METHOD))
    layer.tls.set_accept_state()
    setattr(layer.tls, "recv", note)  # noqa: B010 - as a method of this one
    for _ in layer.receive_data(b""):
        pass
    return first_difference((len(noted), 1), (SSL._lib.SSL_session_reused(layer.tls._ssl), 0))  # type: ignore[attr-defined]


class Hello(ClientTLSLayer):
    """Wants TLS with upstream when the client has said something."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            yield commands.OpenConnection(self.context.server)


def waits_for_hello() -> str | None:
    noted: list[object] = []

    class Noting(ServerTLSLayer):
        def start_handshake(self) -> CommandGenerator[None]:
            yield from super().start_handshake()
            noted.append(self.wait_for_clienthello)

    below = context()
    below.server = server()
    waiting = Noting(below)
    waiting.child_layer = Hello(below)
    driven = Driven(waiting)

    def handle(event: events.Event) -> CommandGenerator[None]:
        noted.append(type(event).__name__)
        return ServerTLSLayer._handle_event(waiting, event)

    vars(waiting)["_handle_event"] = handle
    driven.tell(events.DataReceived(below.client, b"x"))
    return differs(noted, [True, "DataReceived", False])


def chosen_by_events() -> str | None:
    choosing = NextLayer(context())
    choosing.events.append(events.Start())
    told = []
    for command in NextLayer._handle_event(choosing, events.DataReceived(choosing.context.client, b"x")):
        if isinstance(command, layer.NextLayerHook):
            command.data.layer = Chosen(choosing.context)
        told.append(getattr(command, "message", None) or type(command).__name__)
    return differs(told, ["NextLayerHook", "told of Start", "told of DataReceived"])


def messages_may_go() -> str | None:
    below = context()
    below.server = server()
    flow = http.HTTPFlow(below.client, below.server)
    flow.request = http.Request.make("GET", "http://example.com/")
    flow.response, flow.websocket = http.Response.make(101), WebSocketData()
    driven = Driven(WebsocketLayer(below, flow), replies=False)
    driven.tell(events.HookCompleted(driven.of(commands.StartHook)[0], None))
    # A text message without a mask, as servers send it.
    driven.tell(events.DataReceived(below.server, b"\x81\x02hi"))
    kept = len(flow.websocket.messages)
    del flow.websocket.messages[:-1]
    driven.tell(events.HookCompleted(driven.of(commands.StartHook)[-1], None))
    return first_difference((kept, 1), (driven.sent, b"\x81\x02hi"))


class _Relaying(Layer):
    """Sends what comes of one side to the other one, and once more when it is woken."""

    def __init__(self, below: Context, flow: http.HTTPFlow) -> None:
        super().__init__(below)
        self.flow = flow

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            yield commands.RequestWakeup(0)
            yield commands.SendData(self.context.server, event.data)
        elif isinstance(event, events.Wakeup):
            yield commands.SendData(self.context.client, b"woken")


def websocket_layer_class() -> str | None:
    stream = driven_stream()
    request = post().request
    request.headers["Sec-WebSocket-Version"] = "13"
    response = http.Response.make(101, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    stream.layer.context.options.websocket = True
    with replaced(websocket, "WebsocketLayer", _Relaying):
        stream.tell(
            RequestHeaders(1, request, end_stream=True),
            RequestEndOfMessage(1),
            ResponseHeaders(1, response),
            ResponseEndOfMessage(1),
        )
        below = stream.layer.child_layer
        stream.tell(RequestData(1, b"frame"))
        stream.tell(events.Wakeup(stream.of(commands.RequestWakeup)[-1]))
    passed = [event.data for event in stream.http if isinstance(event, RequestData | ResponseData)]
    return first_difference((type(below), _Relaying), (passed[-2:], [b"frame", b"woken"]))


def websocket_messages() -> str | None:
    below = context()
    below.server = server()
    flow = http.HTTPFlow(below.client, below.server)
    flow.response, flow.websocket = http.Response.make(101), WebSocketData()
    driven = Driven(WebsocketLayer(below, flow))
    waiting = driven.layer._handle_event == driven.layer.relay_messages
    # RFC 6455 section 5: the beginning of a message, and a frame that goes on with it.
    driven.tell(events.DataReceived(below.client, b"\x02\x81" + bytes(4) + b"a" + b"\x00\x82" + bytes(4) + b"bc"))
    kept = [bytes(part) for part in driven.layer.client_ws.frame_buf]
    driven.tell(events.ConnectionClosed(below.server))
    return first_difference(
        (waiting, True),
        (kept, [b"a", b"bc", b""]),
        (driven.layer.server_ws.frame_buf, [b""]),
        (driven.layer._handle_event == driven.layer.done, True),
    )


def hooks_pass_a_tunnel() -> str | None:
    stream = driven_stream()
    request = http.Request.make("CONNECT", "http://example.com:443/")
    stream.tell(RequestHeaders(1, request, end_stream=True))
    below = stream.layer
    hook = commands.Log("of the tunnel")
    begun = below.child_layer
    vars(begun)["handle_event"] = lambda _: iter([hook])
    stream.tell(events.DataReceived(below.context.client, b"x"))
    layers = below.context.layers
    return first_difference((stream.commands[-1], hook), (below in layers and begun not in layers, True))
