"""Sends HTTP/1 to upstream without what HTTP/1 cannot say, which mitmproxy would send as something else.

A request that came by HTTP/2 may have a body without a length. mitmproxy forwards its bytes behind a head that
announces none, and upstream takes them for the next request on the connection: one that nobody judged. Such a body
goes out chunked (RFC 9112 section 6.3 knows no other way). HTTP/2 trailers, at which mitmproxy crashes, are dropped:
RFC 9110 section 6.5.1 lets a recipient, and what comes after the body was not judged either.

HTTP/2 has no `101 Switching Protocols` (RFC 9113 section 8.6): mitmproxy crashes, and the client waits. Its request
gets a 502.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import cast

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client

from orgfence.proxy.wire.heads import HeadBuffer


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

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Read the head of an answer; one that HTTP/2 does not have is broken."""
        if isinstance(event, events.ConnectionClosed):
            cast("HeadBuffer", self.buf).count_no_longer()
        reading = super().read_headers(event)
        request = self.request
        return self._refuse_101(reading) if request is not None and (request.is_http2 or request.is_http3) else reading

    def _refuse_101(self, reading: CommandGenerator[None]) -> CommandGenerator[None]:
        for command in reading:
            head = command.event if isinstance(command, ReceiveHttp) else None
            if isinstance(head, ResponseHeaders) and head.response.status_code == 101:
                yield commands.CloseConnection(self.conn)
                why = "101 is no answer to a request by HTTP/2"
                yield ReceiveHttp(ResponseProtocolError(head.stream_id, why, ErrorCode.GENERIC_SERVER_ERROR))
                return
            yield command


def _nothing() -> CommandGenerator[None]:
    yield from ()
