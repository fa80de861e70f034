"""How long a PROXY protocol header is, and what is none."""

import pytest

from orgfence.proxy.interception.proxy_header import (
    ProxyHeaderError,
    has_signature,
    header_length,
    is_begun,
    may_begin,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINES = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n",
    b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 2\r\n",
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n",
]
BLOCKS = [
    SIGNATURE + b"\x20\x00\x00\x00",
    SIGNATURE + b"\x21\x11\x00\x0c" + bytes(12),
    # With TLVs, and LOCAL with a body that is to be ignored.
    SIGNATURE + b"\x21\x11\x00\x14" + bytes(12) + b"\x04\x00\x05tlvs!",
    SIGNATURE + b"\x20\x00\x00\x03abc",
    SIGNATURE + b"\x21\x31\x40\x00" + bytes(16 * 1024),
]


@pytest.mark.parametrize("header", [*LINES, *BLOCKS], ids=lambda header: repr(header)[:30])
def test_a_header_ends_where_it_says(header: bytes) -> None:
    """Both versions, whatever stands behind; of each beginning more is waited for."""
    for behind in (b"", b"GET / HTTP/1.1\r\n", header, b"\n\r\n"):
        assert header_length(header + behind) == len(header)
    for length in (5, 6, 11, 12, len(header) - 1):
        assert header_length(header[:length]) is None
        assert is_begun(header[:length])
    assert all(may_begin(header[:length]) for length in range(6))
    assert has_signature(header)
    assert not has_signature(header[:5])


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        b"PROXY TCP4 192.0.2.1\r\n",
        b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY UNKNOWN\rx\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        b"PROXY " + b"x" * 101,
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x40\x01",
    ],
    ids=lambda data: repr(data)[:40],
)
def test_a_header_that_no_server_takes_is_an_error(data: bytes) -> None:
    """A line that is longer than 107 bytes or of another form; another version or command; TLVs without end."""
    with pytest.raises(ProxyHeaderError):
        header_length(data)


@pytest.mark.parametrize("data", [b"", b"P", b"PROX", b"PROPFIND /", b"\r\n\r\n", b"\r\n\r\n\x01", b"\x00\r\nQUIT\n"])
def test_other_bytes_are_no_header(data: bytes) -> None:
    """Also those of which too few have come."""
    assert header_length(data) == 0
    assert not is_begun(data)
    assert may_begin(data) is (data in (b"", b"P", b"PROX", b"\r\n\r\n"))
