"""Ends an HTTP/1 answer where it ends for the client: one that can have no body has none.

`304 Not Modified` may say `Transfer-Encoding: chunked`, as the answer to be sent otherwise would (RFC 9112 section
6.1). mitmproxy sends the last chunk of it, which the client takes for the beginning of its next answer.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._events import HttpEvent, ResponseEndOfMessage

_send = _http1.Http1Server.send


def install() -> None:
    """See to it for every HTTP/1 client of this process."""
    # mypy lets nobody assign to a method; that is the point here.
    _http1.Http1Server.send = _send_or_end  # type: ignore[method-assign]


def _send_or_end(self: _http1.Http1Server, event: HttpEvent) -> CommandGenerator[None]:
    has_no_body = isinstance(event, ResponseEndOfMessage) and self.response and self.response.status_code == 304
    return self.mark_done(response=True) if has_no_body else _send(self, event)
