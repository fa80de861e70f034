"""Which connections are looked into: those to guarded hosts, and what may be a request to one.

A TLS connection counts as guarded when the address dialled (the CONNECT host) or its SNI names a guarded host. The
SNI may be absent or forged; the address alone, or the SNI alone, would each be a way past. What passes unread is
counted, by why it does.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from collections.abc import Callable
from itertools import pairwise

from mitmproxy import tls
from mitmproxy.addons.next_layer import _starts_like_quic as starts_like_quic
from mitmproxy.connection import Server
from mitmproxy.net.tls import starts_like_dtls_record, starts_like_tls_record
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers import ClientQuicLayer, ClientTLSLayer, HttpLayer, ServerTLSLayer, UDPLayer
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.proxy.layers.modes import Socks5Proxy, TransparentProxy
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.core.request import Authority
from orgfence.core.routing.host_names import normalise_host, read_address
from orgfence.core.ruleset import Ruleset
from orgfence.observe.metrics import Stage, Unguarded
from orgfence.proxy.interception import server_name
from orgfence.proxy.interception.client_hello import hides_its_host, names_of
from orgfence.proxy.interception.own_addresses import OwnAddresses
from orgfence.proxy.interception.own_ports import OwnPorts
from orgfence.proxy.interception.silent_clients import SilentClients
from orgfence.proxy.interception.tunnels import HalfClose, RefusedLayer, Tunnel
from orgfence.proxy.lifetime.in_flight import handler_of
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.wire.forgotten_sockets import ForgottenSockets


class Scope:
    """Decides of each connection whether it is looked into, before any request of it is judged."""

    name = "orgfence_scope"

    def __init__(self, in_force: Callable[[], Ruleset], reporter: Reporter, own: OwnAddresses) -> None:
        """Go by the ruleset that is in force when a connection comes."""
        self._in_force = in_force
        self._reporter = reporter.connections
        self._silent_clients = SilentClients(reporter.connections)
        #: Below this one, for mitmproxy.
        self.addons = [OwnPorts(in_force, reporter, own), self._silent_clients, ForgottenSockets()]

    def tls_clienthello(self, hello: tls.ClientHelloData) -> None:
        """Leave connections to hosts that no rule guards as they are."""
        try:
            why = passes_because(hello, self._in_force())
            if why is not None:
                hello.ignore_connection = True
                self._reporter.passed_through(why)
        except Exception as error:  # noqa: BLE001 - mitmproxy decrypts, and the requests are judged
            self._reporter.failed(Stage.TLS, error)

    def tls_start_server(self, start: tls.TlsData) -> None:
        """See to it that the handshake with upstream begins, whatever it was called by."""
        server_name.prepare(start)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Name the client that does not trust the CA, or may not, with its fix."""
        try:
            client = data.context.client
            host = client.sni or (data.context.server.address or ("",))[0]
            self._reporter.tls_failed(data, host, trusts=self._silent_clients.trusts(client, host))
        except Exception as error:  # noqa: BLE001 - the handshake has failed all the same
            self._reporter.failed(Stage.REPORT, error)

    def next_layer(self, next_layer: NextLayer) -> None:
        """Choose what reads a tunnel, before mitmproxy guesses."""
        if next_layer.layer is not None:
            return
        try:
            next_layer.layer = self._layer_for(next_layer.context, next_layer.data_client())
        except Exception as error:  # noqa: BLE001 - mitmproxy takes it for HTTP, and the requests are judged
            self._reporter.failed(Stage.TLS, error)

    def tunnel_in(self, context: Context) -> Layer | None:
        """Return what reads a tunnel that begins here, also before there are any bytes; None where none does."""
        try:
            return self._tunnel_in(context) if context.client.transport_protocol == "tcp" else None
        except Exception as error:  # noqa: BLE001 - as above
            self._reporter.failed(Stage.TLS, error)
            return None

    def tunnel_half_close(self, data: HalfClose) -> None:
        """Tell one end of a tunnel that the other has said all; it may still answer."""
        handler = handler_of(data.client)
        if handler is not None and data.connection in handler.transports:
            handler.close_connection(data.connection, half_close=True)

    def _layer_for(self, context: Context, data: bytes) -> Layer | None:
        """Return what reads a connection whose protocol is open; None leaves it to mitmproxy."""
        last = context.layers[-1]
        if context.client.transport_protocol == "udp":
            return self._layer_for_datagrams(context, data)
        if isinstance(last, ClientTLSLayer):
            # It was decrypted, so it is for a guarded host, whatever ALPN says.
            return None if starts_like_tls_record(data) else HttpLayer(context, HTTPMode.transparent)
        return self._tunnel_in(context)

    def _tunnel_in(self, context: Context) -> Layer | None:
        if not isinstance(context.layers[-1], HttpStream | HttpUpstreamProxy | Socks5Proxy | TransparentProxy):
            return None
        return Tunnel(
            context,
            is_guarded=_is_guarded(self._in_force(), context.server, []),
            passes=lambda: self._reporter.passed_through(Unguarded.NON_HTTP),
            refuses=lambda why: self._reporter.refused_tunnel(
                context.client, (context.server.address or ("",))[0], why
            ),
        )

    def _layer_for_datagrams(self, context: Context, data: bytes) -> Layer | None:
        last, address = context.layers[-1], context.server.address
        if isinstance(last, ClientTLSLayer) or (isinstance(last, ClientQuicLayer) and context.client.alpn != b"h3"):
            # Decrypted, so it is for a guarded host, and it is nothing that could be judged.
            return RefusedLayer(context)
        if not isinstance(last, TransparentProxy) or starts_like_dtls_record(data) or starts_like_quic(data, address):
            return None
        self._reporter.passed_through(Unguarded.UDP)
        # mitmproxy answers for names itself in some modes.
        return None if address and address[1] in _DNS_PORTS else UDPLayer(context, ignore=True)


_DNS_PORTS = (53, 5353)


def passes_because(hello: tls.ClientHelloData, ruleset: Ruleset) -> Unguarded | None:
    """Return why this client's TLS connection is not to be decrypted; None where it is to be."""
    context = hello.context
    # In reverse mode the client means us: there is nobody behind us to whom its bytes could be passed on unread.
    if isinstance(context.client.proxy_mode, ReverseMode) or context.server.address is None or _is_inner(context):
        return None
    names = names_of(hello.client_hello)
    if _is_guarded(ruleset, context.server, names):
        return None

    dialled = normalise_host(_bytes(context.server.address[0]))
    differing = {normalise_host(name) for name in names} - {dialled}
    if not differing and names:
        return Unguarded.HOST_NOT_GUARDED
    if hides_its_host(hello.client_hello):
        return Unguarded.ECH
    if read_address(dialled) is None:
        return Unguarded.SNI_DIFFERS if differing else Unguarded.HOST_NOT_GUARDED
    return Unguarded.HOST_NOT_GUARDED if differing else Unguarded.NO_SNI


def _is_guarded(ruleset: Ruleset, server: Server, names: list[bytes]) -> bool:
    if server.address is None:
        return True
    host, port = server.address[0], server.address[1]
    return any(ruleset.guards(Authority(name, port)) for name in (_bytes(host), *names))


def _is_inner(context: Context) -> bool:
    """Return whether this is TLS within TLS that was decrypted: by its outer name it is guarded."""
    pairs = pairwise(context.layers)
    return sum(isinstance(outer, ServerTLSLayer) and isinstance(inner, ClientTLSLayer) for outer, inner in pairs) > 1


def _bytes(host: str) -> bytes:
    # Lone surrogates stand for bytes that are no UTF-8; they came from the wire and go back to what they were.
    return host.encode("utf-8", "surrogateescape")
