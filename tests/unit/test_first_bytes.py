"""What a client's first bytes are taken for: what could still become a request is no other protocol."""

import pytest

from orgfence.proxy.interception.first_bytes import FirstLine, Protocol, protocol_of


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (b"", Protocol.UNKNOWN),
        (b"\x16", Protocol.TLS_BEGUN),
        (b"\x16\x03", Protocol.TLS_BEGUN),
        (b"\x16\x03\x01", Protocol.TLS),
        (b"\x16\x03\x03\x00\x05", Protocol.TLS),
        # What some server may take for TLS and mitmproxy does not.
        (b"\x16\x03\x04", Protocol.HTTP),
        (b"\x16\x02\x00", Protocol.HTTP),
        (b"\x15\x03\x01", Protocol.HTTP),
        (b"\x17\x03\x03", Protocol.HTTP),
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
