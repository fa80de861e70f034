"""What a host is called: the one form in which hosts are compared, and all that an authority may be taken for."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress

import idna

from orgfence.core.request import Authority

# A name has at most 253 octets (RFC 1035 section 2.3.4), in UTF-8 at most some four times as many.
_MAX_BYTES = 1024
# IDNA takes more than linear time, and some characters become eighteen; so no client may hand it more than a name has.
_MAX_CHARACTERS = 253
# What IDNA takes out (RFC 3454, table B.1), and so does not count.
_IGNORED = dict.fromkeys([0xAD, 0x34F, 0x1806, 0x2060, 0xFEFF, *range(0x180B, 0x180E), *range(0x200B, 0x200E)])
_IGNORED |= dict.fromkeys(range(0xFE00, 0xFE10))
# Nobody sends one such `Host`, let alone several, and each takes a millisecond or two to read.
_MAX_INTERNATIONAL = 4


def normalise_host(raw: bytes) -> bytes:
    """Return a host as all hosts are compared here, for any bytes.

    Lower-case, in punycode, without a trailing dot or brackets; an address in its one canonical form. What is no
    valid IDNA stays as it is but for its case.
    """
    host = to_ascii(raw).rstrip(b".")
    address = read_address(host)
    return host.removeprefix(b"[").removesuffix(b"]") if address is None else address


def read_address(host: bytes) -> bytes | None:
    """Return the canonical text of an IP address, brackets apart, or None where `host` is none.

    IPv4 is read as `inet_aton` reads it, and an IPv4-mapped IPv6 address as the IPv4 address that it is, because both
    are dialled so: `127.1`, `2130706433`, `0x7f.0.0.1` and `::ffff:127.0.0.1` are one address.
    """
    if len(host) > _MAX_BYTES:
        return None
    text = host.decode("latin-1").removeprefix("[").removesuffix("]")
    if ":" in text:
        # RFC 6874: the zone says by which interface an address is reached, not which address it is.
        text = text.partition("%")[0]
    try:
        if ":" in text:
            address = ipaddress.IPv6Address(text)
            return str(address.ipv4_mapped or address).encode()
        return str(ipaddress.IPv4Address(_inet_aton(text))).encode()
    except ValueError:
        return None


_NUMBERS = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}", re.IGNORECASE)


def _inet_aton(text: str) -> int:
    if not _NUMBERS.fullmatch(text):
        raise ValueError
    parts = text.lower().split(".")
    # `int` refuses an 8 or 9 in an octal number, as `inet_aton` does.
    *leading, last = (int(part, 16 if part[:2] == "0x" else 8 if part[0] == "0" else 10) for part in parts)
    if max(leading, default=0) > 255 or last >= 256 ** (4 - len(leading)):
        raise ValueError
    return last + sum(number << (24 - 8 * place) for place, number in enumerate(leading))


def to_ascii(host: bytes) -> bytes:
    """Return a host, or labels of one, in lower case and punycode; what is no valid IDNA in lower case alone."""
    lowered = host.lower()
    if lowered.isascii() or not _may_be_international(lowered):
        return lowered
    try:
        # `idna.encode` would refuse the whole name for a `_` in one of its labels, and DNS has such names.
        labels = idna.uts46_remap(lowered.decode(), std3_rules=False).split(".")
        return b".".join(label.encode() if label.isascii() else idna.alabel(label) for label in labels)
    except UnicodeError:
        return lowered


def _may_be_international(host: bytes) -> bool:
    """Tell whether IDNA may make a name of a host, before it has to find out."""
    text = host.decode("utf-8", "replace").translate(_IGNORED) if len(host) <= _MAX_BYTES else None
    return text is not None and len(unicodedata.normalize("NFKC", text)) <= _MAX_CHARACTERS


def without_many_international(names: Sequence[bytes]) -> Sequence[bytes]:
    """Leave out some of the names that are not ASCII, where there are more of them than anybody sends."""
    international = [name for name in names if not name.isascii()]
    if len(international) <= _MAX_INTERNATIONAL:
        return names
    half = _MAX_INTERNATIONAL // 2
    kept = {*international[:half], *international[-half:]}
    return [name for name in names if name.isascii() or name in kept]


def host_readings(authority: Authority) -> Iterator[tuple[bytes, int]]:
    """Find every normalised host, with its port, that an authority may be taken for.

    A Host header is whatever the client sends, and servers differ in what they make of userinfo, of a port that is
    no number and of what stands behind the host.
    """
    texts = [text for whole in _ends(authority.name.strip(), _MAX_FIELD) for text in _texts(whole)]
    readings = (
        reading
        for text in texts
        for end in _ends(text, _MAX_BYTES)
        for reading in _split_port(end, authority.default_port)
    )
    for host, port in dict.fromkeys(readings):
        yield normalise_host(host), port
        if not host.isascii() and _may_be_international(host):
            # Python's resolver, which dials, reads `straße.example` by IDNA 2003: as `strasse.example`.
            with suppress(UnicodeError):
                yield normalise_host(host.decode().encode("idna")), port


# Servers stop near 8 KiB for a header line.
_MAX_FIELD = 8 * 1024


def _texts(whole: bytes) -> list[bytes]:
    """Return a whole authority, and what is left without userinfo and without what does not belong to a host."""
    texts = [whole, _cut(whole)]
    texts += [text.rpartition(b"@")[2] for text in texts]
    return [*texts, _cut(texts[2])]


def _ends(text: bytes, limit: int) -> Sequence[bytes]:
    """Return a text; of one that is longer than this its two ends, for a port or a label may be that long."""
    return (text,) if len(text) <= limit else (text[:limit], text[-limit:])


# What ends a host for one server or another, though none of it belongs there.
_END = re.compile(rb"[/?#\\,;\s\0]")


def _cut(text: bytes) -> bytes:
    return _END.split(text, maxsplit=1)[0]


def _split_port(text: bytes, default: int) -> Iterator[tuple[bytes, int]]:
    host, colon, port = text.rpartition(b":")
    if not colon or read_address(text) is not None:
        yield text, default
        return
    digits = port.lstrip(b"0")
    if port.isdigit() and len(digits) <= 5 and (b":" not in host or read_address(host) is not None):
        yield host, int(digits or b"0")
        return
    yield text, default
    yield host, default
    yield text.partition(b":")[0], default
