"""WebSocket frames pass as they come: what a strict reader finds in them is the same, and nothing else passes."""

import random
import zlib

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from orgfence.proxy.wire.websockets import FrameRelay

SENT: list[Event] = [
    TextMessage("é" * 70_000, message_finished=False),
    Ping(b"between"),
    TextMessage("", message_finished=False),
    TextMessage("end"),
    BytesMessage(b""),
    BytesMessage(b"x" * 126),
    BytesMessage(b"y" * 65_536),
    CloseConnection(1000, "done"),
]


def deflate(*, on: bool) -> list[Extension]:
    """Return the extension, as both sides have agreed on it."""
    extension = PerMessageDeflate()
    extension.finalize("permessage-deflate")
    return [extension] if on else []


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", [ConnectionType.CLIENT, ConnectionType.SERVER])
def test_the_same_messages_arrive(kind: ConnectionType, compressed: bool) -> None:
    """In pieces of any size, both ways, compressed or not; a mask is not the one that the client chose."""
    from_client = kind is ConnectionType.CLIENT
    sender = Connection(kind, deflate(on=compressed))
    other = ConnectionType.SERVER if from_client else ConnectionType.CLIENT
    receiver = Connection(other, deflate(on=compressed))
    relay = FrameRelay(compressed=compressed, masked=from_client)
    # wsproto loses track of compression where a ping comes between two frames of a message.
    sent = [event for event in SENT if not (compressed and isinstance(event, Ping))]
    data = b"".join(map(sender.send, sent)) + b"what comes after the end"
    passed, randomly = b"", random.Random(1)
    while data:
        size = randomly.choice([1, 2, 7, 5_000])
        relay.add(data[:size])
        data = data[size:]
        while relay.has_more:
            passed += relay.some()
    assert relay.is_closed
    receiver.receive_data(passed)
    found = [(type(event), getattr(event, "data", None)) for event in receiver.events()]
    assert _joined(found) == _joined([(type(event), getattr(event, "data", None)) for event in sent])


def _joined(found: list[tuple[type[Event], object]]) -> dict[str, object]:
    texts = "".join(str(data) for kind, data in found if kind is TextMessage)
    pieces = b"".join(
        bytes(data) for kind, data in found if kind is BytesMessage and isinstance(data, bytes | bytearray)
    )
    return {"text": texts, "bytes": pieces, "other": [kind for kind, _ in found if not issubclass(kind, Message)]}


def test_what_a_frame_holds_is_not_waited_for() -> None:
    """Of a frame of 2**62 bytes each piece passes as it comes; of its head at most 13 bytes wait."""
    relay = FrameRelay(compressed=False, masked=False)
    relay.add(b"\x82\x7f" + (2**62).to_bytes(8))
    assert relay.some() == b"\x82\x7f" + (2**62).to_bytes(8)
    for _ in range(100):
        relay.add(bytes(65_536))
        assert len(relay.some()) == 65_536
    assert not relay.is_between_frames


def test_compression_is_not_undone() -> None:
    """What unpacks to gigabytes passes as the few bytes that it is."""
    squeezed = zlib.compress(bytes(10_000_000))[2:-4]
    relay = FrameRelay(compressed=True, masked=False)
    relay.add(b"\xc2\x7e" + len(squeezed).to_bytes(2) + squeezed)
    assert relay.some()[4:] == squeezed


@pytest.mark.parametrize(
    ("masked", "frame"),
    [
        pytest.param(True, b"\x82\x00", id="no mask"),
        pytest.param(False, b"\x82\x80", id="a mask"),
        pytest.param(True, b"GET / HTTP/1.1\r\n", id="a request"),
        pytest.param(False, b"\x83\x00", id="an unknown opcode"),
        pytest.param(False, b"\x80\x00", id="nothing to continue"),
        pytest.param(False, b"\x02\x00\x82\x00", id="nothing continued"),
        pytest.param(False, b"\xa2\x00", id="a reserved bit"),
        pytest.param(False, b"\xc2\x00", id="no compression agreed"),
        pytest.param(False, b"\x09\x00", id="a ping in pieces"),
        pytest.param(False, b"\x89\x7e\x00\x7e", id="a long ping"),
        pytest.param(False, b"\x82\x7e\x00\x7d", id="a length of two bytes"),
        pytest.param(False, b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", id="a length of eight bytes"),
        pytest.param(False, b"\x82\x7f\xff\x00\x00\x00\x00\x00\x00\x00", id="a negative length"),
    ],
)
def test_what_is_no_frame_does_not_pass(masked: bool, frame: bytes) -> None:
    """A server that takes HTTP after its 101 gets no request by it."""
    relay = FrameRelay(compressed=False, masked=masked)
    relay.add(frame)
    with pytest.raises(ValueError, match=r"^an? "):
        relay.some()
