"""Ends HTTP/1 messages where they end for the other side, or says that they have no end.

`304 Not Modified` may say `Transfer-Encoding: chunked`, as the answer to be sent otherwise would (RFC 9112 section
6.1). mitmproxy sends the last chunk of it, which the client takes for the beginning of its next answer. Here an answer
that can have no body has none.

A request with a chunk that cannot be read is answered with 400, which mitmproxy does not do. What can be seen with the
request's head is seen before that goes upstream.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from typing import ClassVar, cast

import h11
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import _http1
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestHeaders,
    ResponseEndOfMessage,
    ResponseProtocolError,
)

from orgfence.proxy.wire.gate import Gate
from orgfence.proxy.wire.heads import HeadBuffer

_send = _http1.Http1Server.send
_read_head = _http1.Http1Server.read_headers
_read_body = _http1.Http1Server.read_body
# Of what comes with a head. A client that sends so much in so many pieces has its head forwarded before the rest.
_MAX_CHUNKS_AHEAD = 64


def install(gate: Gate) -> None:
    """See to it for every HTTP/1 client of this process; the gate is told of what is refused."""
    _Told.gate = gate
    # mypy lets nobody assign to a method; that is the point here.
    _http1.Http1Server.send = _send_or_end  # type: ignore[method-assign]
    _http1.Http1Server.read_headers = _read_head_and_chunks  # type: ignore[method-assign]
    _http1.Http1Server.read_body = _read_body_or_refuse  # type: ignore[method-assign,assignment] # of this class alone


class _Told:
    gate: ClassVar[Gate]


def _send_or_end(self: _http1.Http1Server, event: HttpEvent) -> CommandGenerator[None]:
    if isinstance(event, ResponseEndOfMessage):
        if self.response and self.response.status_code == 304:
            return self.mark_done(response=True)
    elif isinstance(event, ResponseProtocolError) and event.code is ErrorCode.DESTINATION_UNKNOWN:
        # The only refusal of a request for which mitmproxy calls no hook.
        _Told.gate.refused_unread(is_request=True)
    return _send(self, event)


def _read_head_and_chunks(self: _http1.Http1Server, event: events.ConnectionEvent) -> CommandGenerator[None]:
    if isinstance(event, events.ConnectionClosed):
        # Not kept until the garbage collector comes by. mitmproxy would log all of it, credentials too.
        cast("HeadBuffer", self.buf).forget()
    for command in _read_head(self, event):
        if (
            isinstance(command, ReceiveHttp)
            and isinstance(command.event, RequestHeaders)
            and self.buf
            and _is_broken_ahead(self, command.event)
        ):
            yield from _refuse(self, is_request=True)
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            return
        yield command


def _is_broken_ahead(server: _http1.Http1Server, head: RequestHeaders) -> bool:
    """Return whether a chunk that came together with its request's head cannot be read."""
    try:
        if head.end_stream or expected_http_body_size(head.request) is not None:
            return False
    except ValueError:
        # mitmproxy refuses it.
        return False
    reader, ahead = _http1.make_body_reader(None), type(server.buf)()
    ahead += bytes(server.buf)
    try:
        for _ in range(_MAX_CHUNKS_AHEAD):
            if not isinstance(reader(ahead), h11.Data):
                return False
    except h11.ProtocolError:
        return True
    return False


def _read_body_or_refuse(self: _http1.Http1Server, event: events.Event) -> CommandGenerator[None]:
    request = self.request
    for command in _read_body(self, event):
        # It closes the connection in the midst of a request only where it cannot read on.
        if (
            isinstance(command, commands.CloseConnection)
            and isinstance(event, events.DataReceived)
            and self.request is request
            and not self.request_done
            and (self.response is None or self.response.status_code < 200)
        ):
            # The stream of the request is told, and counts it.
            yield from _refuse(self, is_request=False)
        yield command


def _refuse(server: _http1.Http1Server, *, is_request: bool) -> CommandGenerator[None]:
    _Told.gate.refused_unread(is_request=is_request)
    yield commands.SendData(server.conn, _http1.make_error_response(400, "The body's chunks cannot be read."))
