"""Reads the request lines that mitmproxy does not know, and tells of those that nobody can read.

A WebSocket client may send its handshake to a proxy with a `ws://` target. It is an HTTP request all the same (RFC 6455
section 3: the port of `ws` is that of `http`), but mitmproxy answers it with 400. No hook tells of that answer.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re

from mitmproxy import http
from mitmproxy.net.http import http1

from orgfence.proxy.wire.gate import Gate

# The target of `method SP absolute-form SP HTTP-version`. White space of any kind may stand for SP.
_WEBSOCKET = re.compile(rb"\A(\s*\S+\s+)ws(s?)(?=://)", re.IGNORECASE)

_read = http1.read_request_head


def install(gate: Gate) -> None:
    """Read every HTTP/1 request of this process so, and tell this gate of those that cannot be read."""

    def read_request_head(lines: list[bytes]) -> http.Request:
        lines[0] = _WEBSOCKET.sub(rb"\1http\2", lines[0])
        try:
            return _read(lines)
        except ValueError:
            gate.refused_unread(is_request=False)
            raise

    http1.read_request_head = read_request_head
