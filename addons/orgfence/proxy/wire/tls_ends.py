"""Tells of the end of a TLS connection that the other side has ended by an alert.

OpenSSL notes a fatal alert as it does the orderly end, and mitmproxy, which looks at that note, believes that it has
told of the end; and where the alert is there before the request, it crashes as it sends that. Either way the request
waits for ever. So does each one to an upstream that wants a client certificate and gets none, which in TLS 1.3 it says
when the handshake is over.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from contextlib import suppress

from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.tls import TLSLayer
from mitmproxy.proxy.tunnel import TunnelLayer
from OpenSSL import SSL

_receive_close = TLSLayer.receive_close


def install() -> None:
    """Tell of every such end in this process."""
    # mypy lets nobody assign to a method; that is the point here.
    TLSLayer.receive_close = _receive_any_close  # type: ignore[method-assign]
    TLSLayer.send_data = _send_while_open  # type: ignore[method-assign]


def _receive_any_close(self: TLSLayer) -> CommandGenerator[None]:
    is_alert = self.tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN and not was_ended_in_order(self.tls)
    return TunnelLayer.receive_close(self) if is_alert else _receive_close(self)


def _send_while_open(self: TLSLayer, data: bytes) -> CommandGenerator[None]:
    # Whoever sends will be told of the end, which is on its way.
    with suppress(SSL.Error):
        self.tls.sendall(data)
    yield from self.tls_interact()


def was_ended_in_order(tls: SSL.Connection) -> bool:
    """Return whether the other side has sent `close_notify`: RFC 8446 section 6.1."""
    if not tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN:
        return False
    try:
        tls.recv(1)
    except SSL.ZeroReturnError:
        return True
    except SSL.Error:
        pass
    return False
