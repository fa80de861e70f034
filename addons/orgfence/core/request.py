"""One outgoing request, as plain bytes, and the one pass over its header fields.

A front end (the proxy, a capture reader) makes a `Request`; nothing behind it knows where the bytes came from.
"""

import re
import string
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, NamedTuple


class Authority(NamedTuple):
    """A name that a request goes by, as it was given: still in any case, with or without a port."""

    #: `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
    name: bytes
    #: The port where `name` has none.
    default_port: int


#: Header fields that were looked for: canonical name to every value, in wire order.
type Fields = Mapping[bytes, list[bytes]]


class Body(Enum):
    """What there is to know of a body that is not there to be read."""

    #: Nobody has asked for it yet.
    AWAITED = "awaited"
    #: It cannot be had: it is larger than the limit, or it broke off.
    UNREAD = "unread"


AWAITED: Final = Body.AWAITED
UNREAD: Final = Body.UNREAD


class Request(NamedTuple):
    """One request, before any interpretation."""

    #: As sent; methods are case-sensitive (RFC 9110 section 9.1).
    method: bytes
    #: `http` or `https`.
    scheme: bytes
    #: The address dialled, the TLS SNI and the absolute-form authority. Host header fields are read from `headers`.
    authorities: tuple[Authority, ...]
    #: The port that the proxy took the request on.
    listen_port: int
    #: Path and query as in the request line: neither decoded nor normalised.
    target: bytes
    #: Raw header fields in wire order, repeated names included.
    headers: tuple[tuple[bytes, bytes], ...]
    #: As sent: its content codings are still on it.
    body: bytes | Literal[Body.AWAITED, Body.UNREAD] = AWAITED


# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
#   token = 1*tchar
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# A fold, CR LF and white space, is one line to everybody (RFC 9112 section 5.2); a bare CR ends the line for some.
_CR = ord("\r")  # An `int` is found in bytes ten times as fast as bytes are.
_BARE_CR = re.compile(rb"\r(?!\n[ \t])")
# Apache takes 100 fields (LimitRequestFields). Of many more, nobody knows which ones a server goes by.
MAX_FIELDS = 256


# Envoy takes 60 KiB of fields, AWS' load balancers 64, nginx 32, Node.js 16. Of more, nobody knows what arrives.
MAX_READ_BYTES = 64 * 1024


def is_ambiguous_head(headers: tuple[tuple[bytes, bytes], ...], read: Fields) -> bool:
    """Return whether servers may find other fields in this head than those that stand in it.

    `read` are the fields that somebody reads: they may hold so much that a server takes no part of it. Of all else
    there may be more.
    """
    if len(headers) > MAX_FIELDS:
        return True
    # Each request comes by here, so all values are looked at together.
    together = b"".join([value for _, value in headers])
    if _CR in together and any(_BARE_CR.search(value) for _, value in headers):
        return True
    return len(together) > MAX_READ_BYTES and _size_of(read) > MAX_READ_BYTES


def _size_of(read: Fields) -> int:
    """Return how much the fields hold; a credential has a bound of its own."""
    return sum(len(value) for name, values in read.items() if name != b"authorization" for value in values)


def is_token(method: bytes) -> bool:
    """Return whether a method is one: HTTP/2 lets any bytes pass, spaces too, that become part of a request line."""
    return _TOKEN.fullmatch(method) is not None


# https://www.rfc-editor.org/rfc/rfc9110#section-5.1 makes field names case-insensitive. CGI, WSGI and many
# frameworks behind them cannot tell `X_Org_Id` from `X-Org-Id`, so neither may a guard.
_CANONICAL = bytes.maketrans(string.ascii_uppercase.encode() + b"_", string.ascii_lowercase.encode() + b"-")


def canonical_name(name: bytes) -> bytes:
    """Return a field name as all names are compared here: lower case, `_` read as `-`."""
    return name.translate(_CANONICAL)


class WantedFields:
    """The header fields that somebody asks for."""

    __slots__ = ("names", "unwanted")

    def __init__(self, names: Iterable[bytes]) -> None:
        """Take their canonical names."""
        self.names = frozenset(names)
        #: Spellings of other names, so that passing over a field costs one look-up.
        self.unwanted = Spellings()


class Spellings:
    """Names of fields as they were spelled, of which nothing more needs to be found out."""

    __slots__ = ("known",)

    # Clients and servers spell few names in few ways, but may make up any number.
    _MAX_SPELLINGS = 1024
    _MAX_BYTES = 64

    def __init__(self) -> None:
        """Know none yet."""
        self.known: set[bytes] = set()

    def learn(self, name: bytes) -> None:
        """Keep one more, if there is room: forgetting costs no more than finding out again."""
        if len(name) <= self._MAX_BYTES:
            if len(self.known) >= self._MAX_SPELLINGS:
                self.known.clear()
            self.known.add(name)


def scan_headers(headers: Iterable[tuple[bytes, bytes]], wanted: WantedFields) -> dict[bytes, list[bytes]]:
    """Collect every value of the wanted fields, in wire order, in one pass."""
    found: dict[bytes, list[bytes]] = {}
    names, unwanted = wanted.names, wanted.unwanted.known
    for name, value in headers:
        if name in unwanted:
            continue
        canonical = name.translate(_CANONICAL)
        if canonical not in names:
            wanted.unwanted.learn(name)
        elif canonical in found:
            found[canonical].append(value)
        else:
            found[canonical] = [value]
    return found


def named_by_connection(headers: Fields, name: bytes) -> bool:
    """Tell whether a `Connection` field names this one, canonically: then nobody knows whether it arrives.

    An intermediary has to remove such a field, and not every one does:
    https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1. Some (tinyproxy) remove what `Proxy-Connection` names, too.
    """
    for connection in _CONNECTIONS:
        fields = headers.get(connection)
        if fields is None:
            continue
        # Nobody sends many, nor long ones: what they may hold, they are taken to hold.
        if len(fields) > _MAX_CONNECTIONS:
            return True
        for field in fields:
            # What clients say of the connection itself names no field, and is what nearly all of them say.
            if field not in OF_THE_CONNECTION and (len(field) > _MAX_OPTIONS or name in _options_of(field)):
                return True
    return False


_CONNECTIONS = (b"connection", b"proxy-connection")
_MAX_CONNECTIONS = 16
# Bytes: the names of some hundred fields.
_MAX_OPTIONS = 4 * 1024


@lru_cache(maxsize=64)  # each rule that reads a header asks again
def _options_of(connection: bytes) -> frozenset[bytes]:
    """Return what a `Connection` field lists, as names of fields."""
    return frozenset(canonical_name(option.strip()) for option in connection.split(b","))


#: The plain values of `Connection`, by which no other field is named.
OF_THE_CONNECTION = frozenset({b"keep-alive", b"Keep-Alive", b"close"})
