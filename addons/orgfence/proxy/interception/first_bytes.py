"""What a client's first bytes are: TLS, something that an HTTP server might take for a request, or neither.

A tunnel to a host that no rule guards may carry anything, but a request in it is judged: its Host may name a guarded
host. So whatever could still become a request is no other protocol yet, and what was let pass is watched until its
first line has ended. TLS that mitmproxy does not read, and a server might, passes nowhere.
"""

import re
from enum import Enum, auto

from orgfence.proxy.interception import proxy_header


class Protocol(Enum):
    """What the bytes so far are."""

    #: More of them are needed to tell.
    UNKNOWN = auto()
    #: The beginning of a TLS record, of which more is sure to come.
    TLS_BEGUN = auto()
    TLS = auto()
    HTTP = auto()
    OTHER = auto()
    #: TLS of another version than clients send in the first record.
    TLS_VERSION = auto()
    #: TLS that begins with something other than a ClientHello.
    NO_CLIENT_HELLO = auto()
    #: The hello of SSL 2.0.
    SSL2 = auto()


# https://www.rfc-editor.org/rfc/rfc8446#section-5.1
#   struct { ContentType type; ProtocolVersion legacy_record_version; uint16 length; … } TLSPlaintext
# The version is to be ignored, and servers differ in how much of it they do: Go takes any below 0x1000.
_TLS_TYPES = frozenset(range(0x14, 0x18))
_HANDSHAKE = 0x16
_CLIENT_HELLO = 1

# https://www.rfc-editor.org/rfc/rfc6101#appendix-E.1
#   uint16 with the highest bit set: the length of the rest; uint8 msg_type; Version; uint16 cipher_spec_length;
#   uint16 session_id_length; uint16 challenge_length
# OpenSSL still takes it for the beginning of TLS, whatever the second byte of the version.
_SSL2_HEAD = 11
_SSL2_HELLO = re.compile(rb"[\x80-\xff](?:.(?:\x01(?:\x00\x02?|\x03.?)?)?)?", re.DOTALL)

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
    if _is_ssl2(data):
        return Protocol.SSL2
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
    if data[0] != _HANDSHAKE:
        # The second byte of a version has no say in whether some server goes on after it.
        return Protocol.NO_CLIENT_HELLO if len(data) > 1 else Protocol.TLS_BEGUN
    if len(data) < 3:
        return Protocol.TLS_BEGUN
    # What mitmproxy knows as TLS.
    if data[1] != 3 or data[2] > 3:
        return Protocol.TLS_VERSION
    if len(data) < 6:
        return Protocol.TLS_BEGUN
    return Protocol.TLS if data[5] == _CLIENT_HELLO and data[3:5] != b"\x00\x00" else Protocol.NO_CLIENT_HELLO


def _is_ssl2(data: bytes) -> bool:
    if len(data) < _SSL2_HEAD or not _SSL2_HELLO.fullmatch(data, 0, 5):
        return False
    rest = sum(int.from_bytes(data[place : place + 2]) for place in (5, 7, 9))
    return int.from_bytes(data[:2]) & 0x7FFF == _SSL2_HEAD - 2 + rest


def _may_become_ssl2(data: bytes) -> bool:
    return len(data) < _SSL2_HEAD and _SSL2_HELLO.fullmatch(data, 0, 5) is not None


class FirstLine:
    """Watches the first line of what was let pass, for an end that makes it a request line after all.

    So does a PROXY protocol header that is told by bytes which came after the first had passed: what stands behind it
    would be read as the beginning of a connection. And so does the hello of SSL 2.0, whose first bytes tell nothing.
    """

    def __init__(self) -> None:
        self._tail = b""
        #: What may still be the beginning of such a header or hello; None where that is over.
        self._beginning: bytes | None = b""

    def is_request(self, data: bytes) -> bool | None:
        """Return whether the line is a request's, None where it has not ended; `data` follows what was given before."""
        if self._beginning is not None:
            self._beginning += data
            if proxy_header.has_signature(self._beginning) or _is_ssl2(self._beginning):
                return True
            if proxy_header.may_begin(self._beginning) or _may_become_ssl2(self._beginning):
                return None
            data, self._beginning = self._beginning, None
        text = self._tail + data
        if not self._tail:
            text = text.lstrip(_BLANK)
        line, newline, _ = text.partition(b"\n")
        self._tail = line[-_TAIL:]
        return _VERSION_AT_END.search(self._tail) is not None if newline else None
