"""Datagrams in a mode that takes any of the machine's (`local`): read, refused, or counted as they pass."""

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import ClientQuicLayer, ClientTLSLayer, UDPLayer
from mitmproxy.proxy.layers.modes import TransparentProxy
from tests.guarding import ruleset_of
from tests.unit.test_metrics import series

from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.metrics import Metrics, Unguarded
from orgfence.proxy.interception.own_addresses import OwnAddresses
from orgfence.proxy.interception.scope import Scope
from orgfence.proxy.interception.tunnels import RefusedLayer
from orgfence.proxy.reporter import Reporter

QUIC = b"\xc0\x00\x00\x00\x01" + bytes(1200)
DTLS = b"\x16\xfe\xfd" + bytes(60)


def layer_for(metrics: Metrics, data: bytes, port: int, *above: type) -> object:
    """Return what our part of mitmproxy's choice comes to, None where that is mitmproxy's."""
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), transport_protocol="udp")
    context = Context(client, Options())
    context.server = Server(address=("198.51.100.9", port), transport_protocol="udp")
    context.layers = [object.__new__(layer) for layer in (TransparentProxy, *above)]
    next_layer = NextLayer(context)
    next_layer.data_client = lambda: data  # type: ignore[method-assign] # as if it had come
    ruleset = ruleset_of("id: a")
    reporter = Reporter(metrics, InspectionLog(console=False))
    Scope(lambda: ruleset, reporter, OwnAddresses()).next_layer(next_layer)
    return next_layer.layer


@pytest.mark.parametrize(
    ("data", "port", "passes"),
    [(b"anything", 4000, True), (b"anything", 443, True), (QUIC, 443, False), (DTLS, 4000, False)],
    ids=["other", "other to 443", "QUIC", "DTLS"],
)
def test_datagrams_that_are_no_tls_pass_counted(data: bytes, port: int, passes: bool) -> None:
    """QUIC and DTLS have a ClientHello, by which mitmproxy's layers and our scope go; all else is counted."""
    metrics = Metrics()
    layer = layer_for(metrics, data, port)
    assert isinstance(layer, UDPLayer) is passes
    assert passes or layer is None
    assert series(metrics, "orgfence_unguarded_connections_total")[Unguarded.UDP,] == passes


@pytest.mark.parametrize("above", [ClientTLSLayer, ClientQuicLayer])
def test_what_was_decrypted_and_is_no_http3_is_refused(above: type) -> None:
    """It is for a guarded host, and nothing in it could be judged."""
    metrics = Metrics()
    assert isinstance(layer_for(metrics, b"anything", 443, above), RefusedLayer)
    assert series(metrics, "orgfence_unguarded_connections_total")[Unguarded.UDP,] == 0
