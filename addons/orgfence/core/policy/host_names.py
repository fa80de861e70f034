"""What a host is called: the one form in which hosts are compared, and all that an authority may be taken for."""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress

import idna

from orgfence.core.request import Authority

# A name has at most 253 octets (RFC 1035 section 2.3.4), in UTF-8 at most some four times as many. IDNA takes more
# than linear time, so no client may hand it more.
_MAX_BYTES = 1024


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
    if lowered.isascii() or len(lowered) > _MAX_BYTES:
        return lowered
    try:
        # `idna.encode` would refuse the whole name for a `_` in one of its labels, and DNS has such names.
        labels = idna.uts46_remap(lowered.decode(), std3_rules=False).split(".")
        return b".".join(label.encode() if label.isascii() else idna.alabel(label) for label in labels)
    except UnicodeError:
        return lowered


def host_readings(authority: Authority) -> Iterator[tuple[bytes, int]]:
    """Find every normalised host, with its port, that an authority may be taken for.

    A Host header is whatever the client sends, and servers differ in what they make of userinfo, of a port that is
    no number and of what stands behind the host.
    """
    whole = authority.name.strip()
    texts = [whole, _cut(whole)]
    texts += [text.rpartition(b"@")[2] for text in texts]
    texts.append(_cut(texts[2]))
    for text in texts:
        for host, port in _split_port(text, authority.default_port):
            yield normalise_host(host), port
            if not host.isascii() and len(host) <= _MAX_BYTES:
                # Python's resolver, which dials, reads `straße.example` by IDNA 2003: as `strasse.example`.
                with suppress(UnicodeError):
                    yield normalise_host(host.decode().encode("idna")), port


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
