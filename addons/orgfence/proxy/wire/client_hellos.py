"""Reads a ClientHello once, when it is whole, and waits for nothing that is none.

mitmproxy parses all that has come again with each segment, up to the 16 MiB that a handshake message may have: one that
comes byte by byte costs the square of its length. And for the end of any other handshake message it waits as well, for
ever where that does not come.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

# mypy: allow-untyped-calls

from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import ClientTLSLayer

#: Go takes 64 KiB for any handshake message but certificates. With post-quantum keys a ClientHello has some 2 KiB.
MAX_HELLO = 64 * 1024
#: Clients that hide from middleboxes send one in a few records. mitmproxy takes the square of this to join them.
MAX_RECORDS = 4096

#: What mitmproxy's own words for a ClientHello that cannot be parsed begin with; it goes by them.
UNREADABLE = "Cannot parse ClientHello"

_receive = ClientTLSLayer.receive_handshake_data


def install() -> None:
    """Read every ClientHello of this process so."""
    # mypy lets nobody assign to a method; that is the point here.
    ClientTLSLayer.receive_handshake_data = _receive_whole  # type: ignore[method-assign]


def _receive_whole(self: ClientTLSLayer, data: bytes) -> CommandGenerator[tuple[bool, str | None]]:
    if self.client_hello_parsed or self.is_dtls:
        return (yield from _receive(self, data))
    noted = vars(self)
    coming: ComingHello = noted.get(_COMING) or noted.setdefault(_COMING, ComingHello())
    self.recv_buffer.extend(data)
    try:
        if not coming.is_whole(self.recv_buffer):
            return False, None
    except ValueError as error:
        return False, f"{UNREADABLE}: {error}"
    return (yield from _receive(self, b""))


_COMING = "orgfence_hello"

# https://www.rfc-editor.org/rfc/rfc8446#section-5.1, section 4
#   struct { ContentType type; ProtocolVersion legacy_record_version; uint16 length; opaque fragment[]; } TLSPlaintext
#   struct { HandshakeType msg_type; uint24 length; … } Handshake
_RECORD_HEAD, _MESSAGE_HEAD = 5, 4
_CLIENT_HELLO = 1


class ComingHello:
    """How much of a ClientHello has come, in one record or many."""

    def __init__(self) -> None:
        #: Where the record begins whose end has not come.
        self._at = 0
        self._records = 0
        #: Of the message: the beginning, and how much there is in whole records.
        self._start = b""
        self._length = 0

    def is_whole(self, data: bytes | bytearray) -> bool:
        """Return whether all of it is there; `data` is all that has come. Raises `ValueError` for what is none."""
        while len(data) >= self._at + _RECORD_HEAD:
            head = bytes(data[self._at : self._at + _RECORD_HEAD])
            body = self._at + _RECORD_HEAD
            size = int.from_bytes(head[3:])
            if not starts_like_tls_record(head) or not size:
                raise ValueError("no TLS record of a handshake")
            missing = _MESSAGE_HEAD - len(self._start)
            start = self._start + data[body : min(body + size, body + missing)]
            if start and start[0] != _CLIENT_HELLO:
                raise ValueError("another handshake message")
            wanted = int.from_bytes(start[1:]) + _MESSAGE_HEAD if len(start) == _MESSAGE_HEAD else None
            if wanted is not None and wanted > MAX_HELLO:
                raise ValueError("too long")
            if len(data) < body + size:
                return False
            self._at, self._start = body + size, start
            self._length += size
            self._records += 1
            if wanted is not None and self._length >= wanted:
                return True
            if self._records >= MAX_RECORDS:
                raise ValueError("in too many records")
        return False
