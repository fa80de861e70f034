"""All that is changed in mitmproxy's own handling of connections and requests, whatever is made of the requests."""

from mitmproxy.addonmanager import AddonManager

from orgfence.proxy.lean import shortcuts
from orgfence.proxy.lean.inline_hooks import inline_stream
from orgfence.proxy.wire import (
    back_pressure,
    before_hello,
    broken_bodies,
    client_hellos,
    closed_connections,
    connection_ends,
    early_answer,
    error_pages,
    heads,
    http1_client,
    http1_server,
    http2_client,
    http2_heads,
    http2_server,
    lengths,
    request_lines,
    tls_ends,
    trailers,
    write_buffers,
)
from orgfence.proxy.wire.gate import Gate


def install(gate: Gate, hooks: AddonManager) -> None:
    """Change it for this process; the gate is asked about each request, and the hooks are these addons'."""
    shortcuts.install()
    early_answer.install(gate, served_by=inline_stream(hooks))
    http1_server.install(gate)
    request_lines.install(gate)
    for changed in (
        http1_client,
        http2_client,
        back_pressure,
        heads,
        http2_heads,
        lengths,
        http2_server,
        broken_bodies,
        client_hellos,
        closed_connections,
        connection_ends,
        error_pages,
        before_hello,
        tls_ends,
        trailers,
        write_buffers,
    ):
        changed.install()
