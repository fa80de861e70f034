"""Keeps mitmproxy's own error pages from quoting what they are about.

mitmproxy answers what it cannot read with a page that quotes it: a header line without its colon, token and all; a
status line of upstream's. Pages get into logs of clients, and a quote of a client's to whoever shares its screen.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re

from mitmproxy.proxy.layers.http import _http1, _http2, _http3
from mitmproxy.proxy.layers.http._base import format_error

from orgfence.core.showing.visible import visible
from orgfence.observe.redaction import redact_strictly


def install() -> None:
    """Answer by such pages in this process."""
    for layers in (_http1, _http2, _http3):
        # mypy lets nobody assign to a function; that is the point here.
        layers.format_error = format_error_without_quotes  # type: ignore[attr-defined]


def format_error_without_quotes(status_code: int, message: str) -> bytes:
    """Return the page with each quoted value left out, and nothing that looks like a credential in the rest."""
    return format_error(status_code, visible(redact_strictly(_QUOTED.sub("…", message[:_MAX_MESSAGE]))))


# A `repr` of text or bytes, to the end where it was cut.
_QUOTED = re.compile(r"b?'(?:[^'\\]|\\.)*+(?:'|\Z)|b?\"(?:[^\"\\]|\\.)*+(?:\"|\Z)", re.DOTALL)
_MAX_MESSAGE = 2048
