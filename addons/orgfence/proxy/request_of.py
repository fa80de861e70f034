"""mitmproxy's flow to the core's `Request`: raw bytes, nothing decoded, nothing normalised.

The attributes behind mitmproxy's properties are read directly: `pretty_host` alone costs as much as the rest of a
check, and its `Host` header is the client's word.
"""

from mitmproxy import http
from mitmproxy.proxy.mode_specs import TransparentMode

from orgfence.core.request import Authority, Request


def request_of(flow: http.HTTPFlow) -> Request:
    """Return what the client asked for, by every name that it gave for the host."""
    data = flow.request.data
    # Lone surrogates stand for bytes that are no UTF-8; they came from the wire and go back to what they were.
    dialled = data.host.encode("utf-8", "surrogateescape")
    port = data.port
    authorities: tuple[Authority, ...] = (Authority(dialled, port),)
    sni = flow.client_conn.sni
    if sni is not None and sni != data.host:
        authorities = (*authorities, Authority(sni.encode("utf-8", "surrogateescape"), port))
    # The absolute form's host in HTTP/1.1, `:authority` in HTTP/2.
    if data.authority and data.authority != dialled:
        authorities = (*authorities, Authority(data.authority, port))
    return Request(data.method, data.scheme, authorities, listen_port_of(flow), data.path, data.headers.fields)


def listen_port_of(flow: http.HTTPFlow) -> int:
    """Return the port that the proxy took the connection on."""
    connection = flow.client_conn
    # In transparent mode mitmproxy keeps the original destination where the proxy's own address usually stands.
    if isinstance(connection.proxy_mode, TransparentMode):
        return connection.proxy_mode.listen_port(_DEFAULT_LISTEN_PORT) or 0
    return connection.sockname[1]


_DEFAULT_LISTEN_PORT = 8080
