"""Counts what waits to be passed on, by client and for the whole process, and joins small pieces of it.

A layer of mitmproxy that waits for a connection, a handshake or a hook keeps every event that it is told of. A body of
1 MiB in frames of one byte is a million objects of some hundred bytes each. To know how much waits, each of them would
have to be looked at, again for each that comes. So these queues keep their size, and small pieces become one.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from collections import deque
from typing import Any, ClassVar

from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http._events import RequestData, ResponseData
from mitmproxy.proxy.layers.http._http_h2 import SendH2Data
from mitmproxy.proxy.tunnel import TunnelLayer

#: Pieces are joined up to this size, in bytes: a piece costs some 250 bytes beside its data, and joining costs copying.
SMALL = 4096

_make_layer = Layer.__init__
_make_tunnel = TunnelLayer.__init__


def install() -> None:
    """Count what waits in every layer of this process."""
    # mypy lets nobody assign to a method; that is the point here.
    Layer.__init__ = _make_counted_layer  # type: ignore[method-assign]
    TunnelLayer.__init__ = _make_counted_tunnel  # type: ignore[method-assign]


class Account:
    """How many bytes of one client's connections wait."""

    __slots__ = ("downloads", "uploads")

    #: Of all clients.
    process: ClassVar[int] = 0

    def __init__(self) -> None:
        #: From the client, and from its upstreams.
        self.uploads = 0
        self.downloads = 0

    def add(self, size: int, *, is_upload: bool) -> None:
        """Count so many more, or less."""
        Account.process += size
        if is_upload:
            self.uploads += size
        else:
            self.downloads += size


def account_of(client: Client) -> Account:
    """Return what counts for a client."""
    noted: dict[str, Any] = vars(client)
    account: Account | None = noted.get(_ACCOUNT)
    if account is None:
        account = noted[_ACCOUNT] = Account()
    return account


_ACCOUNT = "orgfence_waiting"


class Queue(deque[Any]):
    """A queue that knows how many bytes of data it holds."""

    __slots__ = ("_account", "bytes")

    def __init__(self, account: Account) -> None:
        super().__init__()
        self._account = account
        self.bytes = 0

    def append(self, piece: Any) -> None:
        """Add a piece, or join it to the last one where both are small."""
        size = self._size(piece)
        if size:
            self._count(piece, size)
        if self and size <= SMALL:
            joined = self._join(self[-1], piece)
            if joined is not None:
                self[-1] = joined
                return
        super().append(piece)

    def appendleft(self, piece: Any) -> None:
        """Add a piece that is the next to leave."""
        self._count(piece, self._size(piece))
        super().appendleft(piece)

    def popleft(self) -> Any:
        """Return the next piece, which waits here no longer."""
        piece = super().popleft()
        size = self._size(piece)
        if size:
            self._count(piece, -size)
        return piece

    def clear(self) -> None:
        """Forget all pieces."""
        while self:
            self.popleft()

    def __del__(self) -> None:
        """Count nothing of a queue that is gone with its stream or connection."""
        if self.bytes:
            self.clear()

    def _count(self, piece: Any, size: int) -> None:
        self.bytes += size
        self._account.add(size, is_upload=self._is_upload(piece))

    def _size(self, piece: Any) -> int:
        raise NotImplementedError

    def _is_upload(self, piece: Any) -> bool:
        raise NotImplementedError

    def _join(self, last: Any, piece: Any) -> Any | None:
        raise NotImplementedError


class WaitingEvents(Queue):
    """Events that a layer is told of when it no longer waits."""

    __slots__ = ("_client",)

    def __init__(self, client: Client) -> None:
        super().__init__(account_of(client))
        self._client: Connection = client

    def _size(self, piece: Any) -> int:
        return len(piece.data) if type(piece) in _DATA else 0

    def _is_upload(self, piece: Any) -> bool:
        if type(piece) is DataReceived:
            return piece.connection is self._client
        return type(piece) is RequestData

    def _join(self, last: Any, piece: Any) -> Any | None:
        kind = type(piece)
        if kind not in _DATA or type(last) is not kind or len(last.data) + len(piece.data) > SMALL:
            return None
        if kind is DataReceived:
            # Datagrams are what they are by where they end: those of DNS and QUIC pass here as well.
            is_one_stream = last.connection is piece.connection and piece.connection.transport_protocol == "tcp"
            return DataReceived(piece.connection, last.data + piece.data) if is_one_stream else None
        return kind(piece.stream_id, last.data + piece.data) if last.stream_id == piece.stream_id else None


_DATA = frozenset({DataReceived, RequestData, ResponseData})


class WaitingFrames(Queue):
    """Data of one HTTP/2 stream for which its receiver has given no room yet."""

    __slots__ = ("_to_upstream",)

    def __init__(self, client: Client, *, to_upstream: bool) -> None:
        super().__init__(account_of(client))
        self._to_upstream = to_upstream

    def _size(self, piece: SendH2Data) -> int:
        return len(piece.data)

    def _is_upload(self, piece: SendH2Data) -> bool:
        return self._to_upstream

    def _join(self, last: SendH2Data, piece: SendH2Data) -> SendH2Data | None:
        if last.end_stream or len(last.data) + len(piece.data) > SMALL:
            return None
        return SendH2Data(last.data + piece.data, piece.end_stream)


def _make_counted_layer(self: Layer, context: Context) -> None:
    _make_layer(self, context)
    self._paused_event_queue = WaitingEvents(context.client)


def _make_counted_tunnel(self: TunnelLayer, context: Context, *args: Any, **named: Any) -> None:
    _make_tunnel(self, context, *args, **named)
    # A list, of which no more is asked than of this.
    self._event_queue = WaitingEvents(context.client)  # type: ignore[assignment]
