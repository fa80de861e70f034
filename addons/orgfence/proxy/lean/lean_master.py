"""mitmproxy with only what a guarding proxy needs, for production.

Stock `mitmdump` loads some thirty addons, most of them for people at a screen; a master without them, and
with a hook table, forwards twice the requests a second.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls
# mitmproxy's addon constructors have no annotations.

from collections.abc import Iterable

from mitmproxy import http, tls
from mitmproxy.addons import (
    block,
    core,
    disable_h2c,
    dns_resolver,
    next_layer,
    proxyauth,
    proxyserver,
    tlsconfig,
    update_alt_svc,
    upstream_auth,
)
from mitmproxy.master import Master
from mitmproxy.options import Options

from orgfence.proxy.lean.dispatch import HookTable


class EarlyDisableH2C:
    """Takes an offer to upgrade to h2c out of a request while that can still be done.

    In stock mitmproxy this happens in `request`. By then the headers of a streamed request have gone
    upstream, and an upstream that takes the offer breaks the connection; Java's HttpClient makes it on every
    plain request.
    """

    name = "disableh2c"

    def __init__(self) -> None:
        self._process_flow = disable_h2c.DisableH2C().process_flow

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Remove the offer; kill a connection that begins with HTTP/2's preface."""
        if flow.error is None:
            self._process_flow(flow)


class TlsWhereConnected:
    """Has TLS begin with an upstream that is connected already as soon as it begins with the client.

    mitmproxy does so only where it dials ahead. Else it takes the connection for one that can be used as it is, and
    crashes as it sends the request.
    """

    name = "orgfence_tls_where_connected"

    def tls_clienthello(self, hello: tls.ClientHelloData) -> None:
        """Say so after mitmproxy's `TlsConfig` has said otherwise."""
        server = hello.context.server
        if server.tls and server.connected:
            hello.establish_server_tls_first = True


class LeanMaster(Master):
    """Runs a regular, reverse, upstream, transparent or SOCKS proxy, in the event loop that is running.

    An option that only an addon missing here defines does not exist. mitmproxy would keep it as deferred and
    say nothing: who parses options looks at `options.deferred`.
    """

    def __init__(self, options: Options, guards: Iterable[object] = ()) -> None:
        """Load the addons; `guards` stand where stock mitmproxy has its scripts.

        That is after what refuses a client, so that a guard sees its `flow.response`, and before what decides
        on layers and TLS, so that a guard can decide first.
        """
        super().__init__(options)
        self.addons = HookTable(self)
        # Formats every log record for a deprecated event that no addon here listens to.
        self._legacy_log_events.uninstall()
        self.addons.add(
            core.Core(),
            block.Block(),
            EarlyDisableH2C(),
            proxyauth.ProxyAuth(),
            proxyserver.Proxyserver(),
            *guards,
            dns_resolver.DnsResolver(),
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            TlsWhereConnected(),
            # In reverse mode an `Alt-Svc` of upstream's would lead clients past this proxy.
            update_alt_svc.UpdateAltSvc(),
            # After the guards: what it adds is for the proxy behind this one.
            upstream_auth.UpstreamAuth(),
        )
