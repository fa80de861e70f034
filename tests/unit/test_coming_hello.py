"""A ClientHello is parsed once, when it has come, and what is none is not waited for."""

from typing import Any

import pytest
from mitmproxy.proxy.layers.tls import parse_client_hello
from tests.proxy.client_hellos import client_hello, server_name

from orgfence.proxy.wire.client_hellos import MAX_HELLO, MAX_RECORDS, ComingHello

HELLO = server_name(b"api.test")


def wholes(data: bytes, piece: int) -> list[bool]:
    """Return what is said behind each piece, to the first that is the last."""
    coming, said, come = ComingHello(), [], bytearray()
    for start in range(0, len(data), piece):
        come += data[start : start + piece]
        said.append(coming.is_whole(come))
        if said[-1]:
            break
    return said


@pytest.mark.parametrize("record", [1, 3, 5, 100, 1 << 14])
@pytest.mark.parametrize("piece", [1, 4, 7, 1000])
def test_it_is_whole_when_mitmproxy_can_parse_it(record: int, piece: int) -> None:
    """And not sooner, in records and segments of any size."""
    data = client_hello(HELLO, record=record)
    said = wholes(data, piece)
    assert said[-1]
    assert not any(said[:-1])
    end = len(said) * piece
    assert parse_client_hello(data[:end]) is not None
    assert parse_client_hello(data[: end - piece]) is None


class Counting(bytearray):
    """Counts how often a part of it is read."""

    parts = 0

    def __getitem__(self, key: Any) -> Any:
        self.parts += 1
        return super().__getitem__(key)


def test_a_segment_of_one_byte_costs_the_same_however_much_has_come() -> None:
    """Not once more for each record before it."""
    data, coming, come = client_hello(HELLO, record=1), ComingHello(), Counting()
    for byte in data:
        before = come.parts
        come.append(byte)
        coming.is_whole(come)
        assert come.parts - before <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x05\x02",
        b"\x16\x03\x01\x40\x00\x00",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x04\x00\x05\x01",
        b"\x17\x03\x01\x00\x05",
        b"\x16\x03\x01\x00\x04\x01\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x01" + (MAX_HELLO - 3).to_bytes(3),
        b"\x16\x03\x01\x00\x01\x01\x17\x03\x03\x00\x01\x01",
        client_hello((5, bytes(MAX_RECORDS)), record=1),
    ],
    ids=lambda data: data[:12].hex(),
)
def test_what_is_none_is_refused_at_once(data: bytes) -> None:
    """Another handshake message, no record, an empty one, too long a message, or one in too many records."""
    with pytest.raises(ValueError):  # noqa: PT011 - which words say why is nothing to rely on
        wholes(data, 1)
