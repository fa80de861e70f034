"""What waits is counted as it comes, and small pieces of it are joined."""

# mypy: allow-untyped-calls
# Some of mitmproxy's constructors have no annotations.

from types import SimpleNamespace
from typing import Any

import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame
from mitmproxy.connection import Connection
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http._events import RequestData, RequestEndOfMessage, ResponseData
from mitmproxy.proxy.layers.http._http_h2 import SendH2Data
from mitmproxy.proxy.tunnel import TunnelLayer

from orgfence.proxy.interception.tunnels import Tunnel
from orgfence.proxy.relied_on.driven import Driven, context, driven_stream, post, server
from orgfence.proxy.wire import back_pressure, waiting
from orgfence.proxy.wire.back_pressure import BUDGET, HIGH_WATER, SHARE, WINDOW
from orgfence.proxy.wire.http2_reading import MAX_BLOCK, SlicedFrames
from orgfence.proxy.wire.waiting import SMALL, Account, WaitingEvents, WaitingFrames, account_of

MANY = 20_000


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that are made in a test count what waits; nothing waits when it begins."""
    for layer in Layer, TunnelLayer:
        monkeypatch.setattr(layer, "__init__", layer.__init__)
    monkeypatch.setattr(Account, "process", 0)
    waiting.install()


def few(size: int) -> int:
    """Return how many pieces may hold so many bytes: two neighbours are more than one is joined up to."""
    return 2 * size // SMALL + 2


@pytest.mark.parametrize("kind", [RequestData, ResponseData])
def test_a_body_of_small_pieces_waits_as_few(kind: type[RequestData | ResponseData]) -> None:
    """All of it, in its order, and counted by client and direction."""
    driven = driven_stream(replies=False).tell(post())
    driven.tell(*(kind(1, b"%d" % (number % 10)) for number in range(MANY)), RequestEndOfMessage(1))
    queue, account = driven.layer._paused_event_queue, account_of(driven.layer.context.client)
    assert len(queue) <= few(MANY)
    assert queue.bytes == MANY
    assert (account.uploads, account.downloads) == ((MANY, 0) if kind is RequestData else (0, MANY))
    assert Account.process == MANY
    pieces = [queue.popleft() for _ in range(len(queue))]
    assert type(pieces.pop()) is RequestEndOfMessage
    assert b"".join(piece.data for piece in pieces) == b"0123456789" * (MANY // 10)
    assert (account.uploads, account.downloads, Account.process) == (0, 0, 0)


def test_pieces_of_different_kinds_stay_apart() -> None:
    """By stream, connection and kind; large ones are not copied."""
    below = context()
    queue = WaitingEvents(below.client)
    told: list[Any] = [
        RequestData(1, b"a"),
        RequestData(3, b"b"),
        ResponseData(3, b"c"),
        events.DataReceived(below.client, b"d"),
        events.DataReceived(server(), b"e"),
        events.ConnectionClosed(below.client),
        events.DataReceived(below.client, bytes(SMALL)),
        events.DataReceived(below.client, b"f"),
    ]
    for event in told:
        queue.append(event)
    assert list(queue) == told
    account = account_of(below.client)
    assert (account.uploads, account.downloads) == (4 + SMALL, 2)
    queue.clear()
    assert (account.uploads, account.downloads) == (0, 0)


def test_datagrams_stay_apart() -> None:
    """Two of them are two messages of DNS, or two packets of QUIC."""
    client = context().client
    client.transport_protocol = "udp"
    queue = WaitingEvents(client)
    told = [events.DataReceived(client, data) for data in (b"first", b"second")]
    for event in told:
        queue.append(event)
    assert list(queue) == told


def test_frames_that_wait_for_room_are_few() -> None:
    """The end of a stream stays at its end, and nothing of a stream that is gone is counted."""
    below = context()
    frames = WaitingFrames(below.client, to_upstream=False)
    for _ in range(MANY):
        frames.append(SendH2Data(b"x", False))
    frames.append(SendH2Data(b"", True))
    frames.append(SendH2Data(b"", False))
    assert len(frames) <= few(MANY) + 1
    first = frames.popleft()
    frames.appendleft(first)
    assert frames.bytes == account_of(below.client).downloads == MANY
    assert [piece.end_stream for piece in frames][-2:] == [True, False]
    del frames
    assert account_of(below.client).downloads == Account.process == 0


def test_the_first_bytes_of_a_tunnel_are_one_piece() -> None:
    """Those of a line that may become a request's are looked at together, not each again."""
    below = context()
    tunnel = Driven(Tunnel(below, is_guarded=False, passes=lambda: None, refuses=lambda _: None))
    tunnel.tell(*(events.DataReceived(below.client, b"x") for _ in range(5000)))
    assert len(tunnel.layer._kept) == 2


@pytest.mark.parametrize("of_client", [True, False])
def test_a_full_process_leaves_each_client_less(of_client: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has more than a share waiting is not read from; a stream's own bound holds before that."""
    below = context()
    reading: Connection = below.client if of_client else server()
    handler: Any = SimpleNamespace(client=below.client)
    account = account_of(below.client)

    def is_held_up(bound: int | None) -> bool:
        return back_pressure._waits_too_much(handler, reading, bound)

    account.add(SHARE + 1, is_upload=of_client)
    assert not is_held_up(HIGH_WATER)
    monkeypatch.setattr(Account, "process", BUDGET + 1)
    assert is_held_up(HIGH_WATER)
    assert is_held_up(None)
    account.add(-1, is_upload=of_client)
    assert not is_held_up(HIGH_WATER)
    monkeypatch.setattr(Account, "process", 0)
    account.add(HIGH_WATER, is_upload=of_client)
    assert is_held_up(HIGH_WATER)
    assert not is_held_up(None)
    # What waits of the other direction holds nobody up.
    account.add(-HIGH_WATER - SHARE, is_upload=of_client)
    account.add(WINDOW, is_upload=not of_client)
    assert not is_held_up(HIGH_WATER)


def test_a_head_of_http2_is_bounded_as_it_comes() -> None:
    """Not only when its last frame has come; each head anew."""
    frames = SlicedFrames()
    frames.max_frame_size = 1 << 14
    piece = bytes(1 << 14)

    def head(count: int) -> None:
        frames.add_data(HeadersFrame(1, piece).serialize())
        for number in range(1, count):
            flags = ["END_HEADERS"] if number == count - 1 else []
            frames.add_data(ContinuationFrame(1, piece, flags=flags).serialize())

    whole = MAX_BLOCK // len(piece)
    for _ in range(2):
        head(whole)
        frames.add_data(DataFrame(1, b"data").serialize())
        assert [type(frame).__name__ for frame in frames] == [HeadersFrame.__name__, DataFrame.__name__]
    head(whole + 1)
    with pytest.raises(Exception, match="does not end"):
        list(frames)
