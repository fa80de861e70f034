"""Sends HTTP/1 to upstream without what HTTP/1 cannot say, which mitmproxy would send as something else.

A request that came by HTTP/2 may have a body without a length. mitmproxy forwards its bytes behind a head that
announces none, and upstream takes them for the next request on the connection: one that nobody judged. Such a body
goes out chunked (RFC 9112 section 6.3 knows no other way). HTTP/2 trailers, at which mitmproxy crashes, are dropped:
RFC 9110 section 6.5.1 lets a recipient, and what comes after the body was not judged either.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http._events import HttpEvent, RequestHeaders, RequestTrailers
from mitmproxy.proxy.layers.http._http1 import Http1Client


def install() -> None:
    """Speak HTTP/1 to every upstream of this process by a client that frames every body."""
    # The package only imports the name, so for mypy it is not there to be replaced.
    http_layers.Http1Client = FramingHttp1Client  # type: ignore[attr-defined]


class FramingHttp1Client(Http1Client):
    """One HTTP/1 connection to upstream."""

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Turn an event of a request into bytes."""
        if isinstance(event, RequestTrailers):
            return _nothing()
        if isinstance(event, RequestHeaders) and not event.end_stream:
            request = event.request
            length_is_known = "content-length" in request.headers or "transfer-encoding" in request.headers
            if (request.is_http2 or request.is_http3) and not length_is_known:
                request.headers["Transfer-Encoding"] = "chunked"
        return super().send(event)


def _nothing() -> CommandGenerator[None]:
    yield from ()
