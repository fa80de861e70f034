"""What a client's first bytes are: TLS, something that an HTTP server might take for a request, or neither.

A tunnel to a host that no rule guards may carry anything, but a request in it is judged: its Host may name a guarded
host. So whatever could still become a request is no other protocol yet, and what was let pass is watched until its
first line has ended.
"""

import re
from enum import Enum, auto


class Protocol(Enum):
    """What the bytes so far are."""

    #: More of them are needed to tell.
    UNKNOWN = auto()
    #: The beginning of a TLS record, of which more is sure to come.
    TLS_BEGUN = auto()
    TLS = auto()
    #: A request, or nothing that may be let pass.
    HTTP = auto()
    OTHER = auto()


# https://www.rfc-editor.org/rfc/rfc8446#section-5.1
#   struct { ContentType type; ProtocolVersion legacy_record_version; uint16 length; … } TLSPlaintext
# The version is to be ignored, and servers differ in how much of it they do: Go takes any below 0x1000.
_TLS_TYPES = frozenset(range(0x14, 0x18))
_HANDSHAKE = 0x16

# https://www.rfc-editor.org/rfc/rfc9112#section-3
#   request-line = method SP request-target SP HTTP-version
# Blank lines before it are to be skipped (section 2.2), and white space of any kind and number may stand for SP.
# What comes first decides: RTSP, ICE and HTTP/0.9 are taken for HTTP by some servers, so no version is asked for where
# the target is one of HTTP's.
_BLANK = b" \t\v\f\r\n"
_WHITE = re.compile(rb"[ \t\v\f\r\n]")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
# No other protocol begins with these and a space. CONNECT is NATS's too, OPTIONS is SIP's: their whole line is read.
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"PRI"})
_VERSION = re.compile(rb"http/", re.IGNORECASE)
_VERSION_AT_END = re.compile(rb"http/[0-9]+(?:\.[0-9]+)?[ \t\v\f\r]*\Z", re.IGNORECASE)
# Binary protocols show by these. Hardly a server takes one in a request line; `FirstLine` is for those that do.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")

# Servers take request lines of some 8 KiB; without a target that looks like one nobody waits for so much.
_MAX_UNKNOWN = 8192
# Longer than any version with the white space that may stand behind it.
_TAIL = 64


def protocol_of(data: bytes) -> Protocol:
    """Return what a client has begun to say."""
    if data[:1] and data[0] in _TLS_TYPES and (data[0] == _HANDSHAKE or data[1:2] in (b"", b"\x03")):
        return _tls(data)
    if len(data) >= _MAX_UNKNOWN and not data.strip(_BLANK):
        return Protocol.OTHER
    line = data.lstrip(_BLANK)
    white = _WHITE.search(line)
    method = line[: white.start()] if white else line
    if not _TOKEN.fullmatch(method):
        return Protocol.OTHER
    if white is None:
        return Protocol.UNKNOWN if len(line) < _MAX_UNKNOWN else Protocol.OTHER
    if method in _METHODS:
        return Protocol.HTTP

    text, newline, _ = line.partition(b"\n")
    target = text[white.start() :].lstrip(_BLANK)
    if _CONTROL.search(target):
        return Protocol.OTHER
    if target.startswith(b"/") or b"://" in target or _VERSION.search(target):
        return Protocol.HTTP
    if newline or len(line) >= _MAX_UNKNOWN:
        return Protocol.OTHER
    return Protocol.UNKNOWN


def _tls(data: bytes) -> Protocol:
    if len(data) < 3:
        return Protocol.TLS_BEGUN
    # What mitmproxy knows as TLS. All else of the kind must not pass as something else, and HTTP refuses it.
    return Protocol.TLS if data[0] == _HANDSHAKE and data[1] == 3 and data[2] <= 3 else Protocol.HTTP


class FirstLine:
    """Watches the first line of what was let pass, for an end that makes it a request line after all."""

    def __init__(self) -> None:
        self._tail = b""

    def is_request(self, data: bytes) -> bool | None:
        """Return whether the line is a request's, None where it has not ended; `data` follows what was given before."""
        text = self._tail + data
        if not self._tail:
            text = text.lstrip(_BLANK)
        line, newline, _ = text.partition(b"\n")
        self._tail = line[-_TAIL:]
        return _VERSION_AT_END.search(self._tail) is not None if newline else None
