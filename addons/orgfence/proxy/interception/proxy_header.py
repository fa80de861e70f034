"""The header of the PROXY protocol, which may stand before a client's own first bytes.

A server that takes it reads what stands behind it as if the connection began there. So does whoever judges that.

https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
"""

import re

# Section 2.1: one line of at most 107 bytes, CR LF included. Behind UNKNOWN everything up to CR LF is to be ignored.
#   PROXY (TCP4|TCP6) SP address SP address SP port SP port CRLF, or PROXY UNKNOWN … CRLF
_VERSION_1 = b"PROXY "
_MAX_LINE = 107
_LINE = re.compile(rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP[46](?: [0-9A-Fa-f.:]+){2}(?: [0-9]{1,5}){2})\r\n")

# Section 2.2: the signature, version and command, family, and the length of the addresses and TLVs that follow.
_VERSION_2 = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = len(_VERSION_2) + 4
_LOCAL, _PROXY = 0x20, 0x21
# HAProxy reads no more than its buffer holds, nginx 4 KiB. The length field has room for 64 KiB.
_MAX_BODY = 16 * 1024

# As many bytes as it takes to know that one has begun. The beginning of version 2 may also be that of empty lines.
_BEGUN = 5


class ProxyHeaderError(Exception):
    """A header has begun that no server can take."""


def header_length(data: bytes) -> int | None:
    """Return how long the header at the beginning of this is: 0 where none begins, None where its end has not come.

    Raises `ProxyHeaderError` for a header that is malformed or too long.
    """
    if _begins(data, _VERSION_1):
        return _length_of_line(data)
    return _length_of_block(data) if _begins(data, _VERSION_2) else 0


def is_begun(data: bytes) -> bool:
    """Return whether a header has begun, of which more is to come or is there."""
    return _begins(data, _VERSION_1) or _begins(data, _VERSION_2)


def may_begin(data: bytes) -> bool:
    """Return whether these few bytes, or none, may be the beginning of a header."""
    return _VERSION_1.startswith(data) or _VERSION_2.startswith(data)


def has_signature(data: bytes) -> bool:
    """Return whether this is certain to begin with a header."""
    return data.startswith((_VERSION_1, _VERSION_2))


def _begins(data: bytes, signature: bytes) -> bool:
    return len(data) >= _BEGUN and data[: len(signature)] == signature[: len(data)]


def _length_of_line(data: bytes) -> int | None:
    end = data.find(b"\n", 0, _MAX_LINE) + 1
    if end == 0 and len(data) < _MAX_LINE:
        return None
    if end == 0 or _LINE.fullmatch(data, 0, end) is None:
        raise ProxyHeaderError
    return end


def _length_of_block(data: bytes) -> int | None:
    if len(data) < _FIXED:
        return None
    length = int.from_bytes(data[_FIXED - 2 : _FIXED])
    if data[12] not in (_LOCAL, _PROXY) or length > _MAX_BODY:
        raise ProxyHeaderError
    return _FIXED + length if len(data) >= _FIXED + length else None
