"""What a client's first bytes are taken for: what could still become a request is no other protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgfence.proxy.interception.first_bytes import FirstLine, Protocol, protocol_of

SSL2 = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"", Protocol.UNKNOWN),
        (b"\x16", Protocol.TLS_BEGUN),
        (b"\x16\x03", Protocol.TLS_BEGUN),
        (b"\x16\x03\x03\x00\x05", Protocol.TLS_BEGUN),
        (b"\x16\x03\x01\x00\x05\x01", Protocol.TLS),
        # What some server may take for TLS and mitmproxy does not.
        (b"\x16\x03\x04", Protocol.TLS_VERSION),
        (b"\x16\x03\x7f", Protocol.TLS_VERSION),
        (b"\x16\x02\x00", Protocol.TLS_VERSION),
        (b"\x16\x03\x01\x00\x05\x02", Protocol.NO_CLIENT_HELLO),
        (b"\x16\x03\x01\x00\x00\x01", Protocol.NO_CLIENT_HELLO),
        (b"\x14\x03", Protocol.NO_CLIENT_HELLO),
        (b"\x15\x03\x01", Protocol.NO_CLIENT_HELLO),
        (b"\x17\x03\x03", Protocol.NO_CLIENT_HELLO),
        (SSL2, Protocol.SSL2),
        (SSL2[:11], Protocol.SSL2),
        (SSL2[:10], Protocol.OTHER),
        (SSL2[:3] + b"\x03\x05" + SSL2[5:], Protocol.SSL2),
        (b"\x80\x2f" + SSL2[2:], Protocol.OTHER),
        (SSL2[:3] + b"\x04\x01" + SSL2[5:], Protocol.OTHER),
        (b"\x14", Protocol.TLS_BEGUN),
        (b"\x17\x00\x00", Protocol.OTHER),
        (b"GET / HTTP/1.1\r\n", Protocol.HTTP),
        (b"GET ", Protocol.HTTP),
        (b"GET\t", Protocol.HTTP),
        (b"\r\n\r\n GET ", Protocol.HTTP),
        (b"G", Protocol.UNKNOWN),
        (b"GET", Protocol.UNKNOWN),
        (b"\r\n", Protocol.UNKNOWN),
        (b"PRI * HTTP/2.0\r\n", Protocol.HTTP),
        (b"get / http/1.1", Protocol.HTTP),
        (b"FOO /x", Protocol.HTTP),
        (b"FOO ", Protocol.UNKNOWN),
        (b"FOO x", Protocol.UNKNOWN),
        (b"FOO x\r\n", Protocol.OTHER),
        (b"FOO x hTTp/", Protocol.HTTP),
        (b"FOO x://", Protocol.HTTP),
        (b"OPTIONS sip:a SIP/2.0\r\n", Protocol.OTHER),
        (b"CONNECT {}\r\n", Protocol.OTHER),
        (b"FOO \x00/x", Protocol.OTHER),
        (b"SSH-2.0-x\r\n", Protocol.OTHER),
        (b"\x00", Protocol.OTHER),
        (b"\xffGET / HTTP/1.1", Protocol.OTHER),
        # Nobody waits for longer lines than servers take.
        (b" " * 8191, Protocol.UNKNOWN),
        (b" " * 8192, Protocol.OTHER),
        (b"a" * 8191, Protocol.UNKNOWN),
        (b"a" * 8192, Protocol.OTHER),
        (b"a " + b"x" * 8189, Protocol.UNKNOWN),
        (b"a " + b"x" * 8190, Protocol.OTHER),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_first_bytes(data: bytes, protocol: Protocol) -> None:
    """By content type and version, by method, by what stands behind it."""
    assert protocol_of(data) is protocol


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"\r\nM-SEARCH * HTTP/1.1\r\n", b"FOO http://x\r\n"])
def test_no_beginning_of_a_request_is_another_protocol(line: bytes) -> None:
    """However few of its bytes have come: else they would pass before the rest is seen."""
    assert Protocol.OTHER not in {protocol_of(line[:length]) for length in range(len(line) + 1)}
    assert protocol_of(line) is Protocol.HTTP


@pytest.mark.parametrize(
    ("line", "is_request"),
    [
        (b"\x00\x01GET /x HTTP/1.1\r\n", True),
        (b"\x00 http/2 \t\r\n", True),
        (b"\x00 HTTP/1.1", None),
        (b"\x00 HTTP/1.1\rx\n", False),
        (b"\x00 HTTP/x\n", False),
        (b"\r\n\r\n\x00\n HTTP/1.1\n", False),
        (b"x" * 100_000 + b" HTTP/1.1\n", True),
        (b"\n", None),
        (b"\n\n HTTP/1.0\n", True),
        # A PROXY protocol header, of which a part had passed.
        (b"PROXY UNKNOWN\r\n", True),
        (b"\r\n\r\n\x00\r\nQUIT\n", True),
        (b"\r\n\r\n\x00\r\nQUIT\r\n", False),
        (b"PROXYING\r\n", False),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_first_line_ends_as_a_request_or_not(line: bytes, is_request: bool | None) -> None:
    """Whether its bytes come together or one by one."""
    assert FirstLine().is_request(line) is is_request
    if len(line) < 1000:
        first_line, found = FirstLine(), None
        for byte in line:
            found = first_line.is_request(bytes([byte]))
            if found is not None:
                break
        assert found is is_request


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (SSL2, True),
        (SSL2[:3] + b"\x03\x7f" + SSL2[5:], True),
        (SSL2[:10], None),
        (b"\x80\x2f" + SSL2[2:] + b"\n", False),
        (b"\x80\x2e\x02" + SSL2[3:] + b"\n", False),
    ],
)
def test_a_hello_of_ssl2_is_seen_in_what_passes(data: bytes, found: bool | None) -> None:
    """Its first bytes may be those of any protocol, so one that comes byte by byte has begun to pass."""
    first_line = FirstLine()
    each = (first_line.is_request(bytes([byte])) for byte in data)
    assert next((result for result in each if result is not None), None) is found


_BEGINNINGS = st.sampled_from(
    [b"", b"G", b"\x16\x03\x01", b"\x16\x03", b"\x15", b"\x80", b"PROXY ", b"\r\n", b"FOO ", b" \t"]
)


@given(_BEGINNINGS, st.binary(max_size=40), st.integers(0, 255))
def test_every_beginning_is_decided(beginning: bytes, rest: bytes, filler: int) -> None:
    """No more than 16 KiB are waited for, whatever they are, and six bytes where TLS has begun."""
    data = beginning + rest + bytes([filler]) * 16 * 1024
    assert protocol_of(data) not in {Protocol.UNKNOWN, Protocol.TLS_BEGUN}
    assert protocol_of((beginning + rest + bytes(6))[:6]) is not Protocol.TLS_BEGUN
