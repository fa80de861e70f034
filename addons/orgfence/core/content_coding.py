"""Undoing what `Content-Encoding` says was done to a body, without inflating much more than may come out of it.

What comes out is certain, or nothing does: data that is cut off, corrupt or followed by more is read by some servers
and refused by others, and so is a coding that not everybody means the same by.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs

# Two are a client's compression and a proxy's on top; twice that is nobody's way to send a request.
MAX_CODINGS = 4
# bgzip makes one of each 64 KiB, so this many hold 2 MiB. Each costs another copy of what follows it.
MAX_MEMBERS = 32


# https://www.rfc-editor.org/rfc/rfc9110#section-8.4
#   Content-Encoding = #content-coding
# in the order in which they were applied; codings are case-insensitive, and `identity` is none.
def undo_codings(body: bytes, fields: Iterable[bytes], limit: int) -> list[bytes] | None:
    """Return the body without its content codings and, after it, all else that some server may take for the body.

    A server that does not know a coding leaves it on, and those under it with it. None: no telling what the body is,
    or it is larger than the limit with one of its codings undone.
    """
    names = [name for field in fields for item in field.split(b",") if (name := item.strip().lower())]
    if len(names) > MAX_CODINGS or len(body) > limit:
        return None

    bodies = [body]
    for name in reversed(names):
        if name == b"identity":
            continue
        decode = _DECODERS.get(name)
        decoded = None if decode is None else decode(bodies[0], limit)
        # What only some servers read would be coded further: nobody sends that.
        if decoded is None or (len(decoded) > 1 and len(names) > 1):
            return None
        bodies = decoded + bodies
    return bodies


# https://www.rfc-editor.org/rfc/rfc1952#section-2.2
#   A gzip file consists of a series of "members" (compressed data sets).
def _from_gzip(data: bytes, limit: int) -> list[bytes] | None:
    """Return what all members hold; and what the first one does, because some readers stop there."""
    members: list[bytes] = []
    room = limit
    while data:
        if len(members) == MAX_MEMBERS:
            return None
        inflated = _inflate(data, _GZIP, room)
        if inflated is None:
            return None
        member, data = inflated
        members.append(member)
        room -= len(member)
    if len(members) > 1:
        return [b"".join(members), members[0]]
    return members or None


# https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2 means zlib's format by `deflate` and notes that some senders
# mean raw deflate. Some servers do as well, and there are data that are both.
def _from_deflate(data: bytes, limit: int) -> list[bytes] | None:
    """Return what a zlib stream holds, unless it may be read as raw deflate too."""
    inflated = _inflate(data, _ZLIB, limit)
    if inflated is None or inflated[1] or _begins_as_raw_deflate(data):
        return None
    return [inflated[0]]


def _from_brotli(data: bytes, limit: int) -> list[bytes] | None:
    """Return what a brotli stream holds."""
    decompressor = brotli.Decompressor()
    try:
        # Its buffer grows in steps until the limit is reached, so to about twice as much. It refuses what follows the
        # stream's end, but knows of no end while it has more to give.
        plain: bytes = decompressor.process(data, output_buffer_limit=limit + 1)
    except brotli.error:
        return None
    return [plain] if decompressor.is_finished() and len(plain) <= limit else None


_DECODERS: Mapping[bytes, Callable[[bytes, int], list[bytes] | None]] = {
    b"gzip": _from_gzip,
    # https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.3: to be taken for the same.
    b"x-gzip": _from_gzip,
    b"deflate": _from_deflate,
    b"br": _from_brotli,
}

# What zlib's `wbits` calls the formats, with the largest window.
_ZLIB = zlib.MAX_WBITS
_GZIP = 16 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS


def _inflate(data: bytes, wbits: int, limit: int) -> tuple[bytes, bytes] | None:
    """Return what one stream holds and what follows it; None where it is broken, cut off or holds too much."""
    stream = zlib.decompressobj(wbits)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error:
        return None
    return (plain, stream.unused_data) if stream.eof and len(plain) <= limit else None


def _begins_as_raw_deflate(data: bytes) -> bool:
    """Tell whether a reader of raw deflate would get anything, be it only the piece that is all it wants."""
    try:
        zlib.decompressobj(_RAW_DEFLATE).decompress(data, 1)
    except zlib.error:
        return False
    return True
