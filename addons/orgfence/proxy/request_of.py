"""mitmproxy's flow to the core's `Request`: raw bytes, nothing decoded, nothing normalised.

The attributes behind mitmproxy's properties are read directly: `pretty_host` alone costs as much as the rest of a
check, and its `Host` header is the client's word.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import Literal

from mitmproxy import http
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy.mode_specs import TransparentMode

from orgfence.core.request import AWAITED, UNREAD, Authority, Body, Request
from orgfence.enforcement.grpc import is_grpc


def request_of(flow: http.HTTPFlow) -> Request:
    """Return what the client asked for, by every name that it gave for the host."""
    data = flow.request.data
    noted = flow.client_conn.__dict__
    asked_for = data.host, data.port, flow.client_conn.sni, data.authority
    # Nearly all requests on a connection are for one host.
    known, authorities, listen_port = noted.get(_ASKED_FOR, _NOTHING)
    if known != asked_for:
        authorities, listen_port = _authorities(*asked_for), listen_port_of(flow)
        noted[_ASKED_FOR] = asked_for, authorities, listen_port
    return Request(data.method, data.scheme, authorities, listen_port, data.path, data.headers.fields)


# On the connection itself: what its last request was for.
_ASKED_FOR = "orgfence_asked_for"
_NOTHING: tuple[None, tuple[Authority, ...], int] = (None, (), 0)


def _authorities(host: str, port: int, sni: str | None, authority: bytes) -> tuple[Authority, ...]:
    # Lone surrogates stand for bytes that are no UTF-8; they came from the wire and go back to what they were.
    dialled = host.encode("utf-8", "surrogateescape")
    names = [dialled]
    if sni is not None and sni != host:
        names.append(sni.encode("utf-8", "surrogateescape"))
    # The absolute form's host in HTTP/1.1, `:authority` in HTTP/2.
    if authority and authority != dialled:
        names.append(authority)
    return tuple(Authority(name, port) for name in names)


def body_by_head(request: http.Request, limit: int) -> bytes | Literal[Body.AWAITED, Body.UNREAD]:
    """Return what a request's head says of its body: that there is none, or that it is not read."""
    try:
        length = expected_http_body_size(request)
    except ValueError:
        # Only if an addon has made it so: mitmproxy has refused what came like this.
        return UNREAD
    if (length is not None and length > limit) or _is_coded_in_transfer(request) or is_grpc(request.headers.fields):
        return UNREAD
    # In HTTP/2 a body needs no length. Whoever writes that version into an HTTP/1 request waits for its end as well.
    if length != 0 or request.is_http2 or request.is_http3:
        return AWAITED
    return b""


def body_of(request: http.Request, limit: int) -> bytes | Literal[Body.UNREAD]:
    """Return the body of a request that has come whole, as it was sent and as it is forwarded."""
    content = request.raw_content
    if content is None or len(content) > limit or _is_coded_in_transfer(request):
        return UNREAD
    return content


def _is_coded_in_transfer(request: http.Request) -> bool:
    """Return whether the server gets another body than what stands between the chunks (`gzip, chunked`)."""
    coding = request.headers.get("transfer-encoding")
    return coding is not None and coding.lower() != "chunked"


def listen_port_of(flow: http.HTTPFlow) -> int:
    """Return the port that the proxy took the connection on."""
    connection = flow.client_conn
    # In transparent mode mitmproxy keeps the original destination where the proxy's own address usually stands.
    # By name: for abstract classes `isinstance` is slow, and each request comes by here.
    if connection.proxy_mode.type_name == TransparentMode.type_name:
        return connection.proxy_mode.listen_port(_DEFAULT_LISTEN_PORT) or 0
    return connection.sockname[1]


_DEFAULT_LISTEN_PORT = 8080
