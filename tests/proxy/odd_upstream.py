"""An upstream that misbehaves as it is asked to: the first part of a request's path says how.

It counts what it has received, by path, so that a request that came twice is seen.
"""

import asyncio
import itertools
import random
import socket
import ssl
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame
from tests.proxy.harness import DEADLINE, Address, CertificateAuthority

MIB = 1024 * 1024


@dataclass(slots=True)
class Exchange:
    """One request, on a connection that may have had others."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes
    body: bytes
    #: How many requests have come on this connection, this one included.
    number: int

    async def send(self, *pieces: bytes) -> None:
        """Send some bytes, each piece in a segment of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.001)

    async def send_for_ever(self, piece: bytes) -> None:
        """Send the same again and again until nobody takes it, or 256 MiB of it."""
        for _ in range(256 * MIB // len(piece)):
            if self.writer.is_closing():
                return
            self.writer.write(piece)
            await self.writer.drain()
            # What drains at once leaves nobody else a turn, nor the connection one to notice that it is over.
            await asyncio.sleep(0)
        self.writer.close()

    def reset(self) -> None:
        """Break the connection by RST."""
        if self.writer.transport.is_closing():
            return
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


type Behaviour = Callable[[Exchange], Awaitable[object]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def _ok(it: Exchange) -> None:
    it.writer.write(OK)


async def _close_late(it: Exchange) -> None:
    """Answer, and close a moment after, without a word of it: when the next request may be under way."""
    it.writer.write(OK)
    await it.writer.drain()
    await asyncio.sleep(random.choice((0, 0, 0.0002, 0.0005, 0.001, 0.002, 0.005)))
    it.writer.close()


async def _reset_late(it: Exchange) -> None:
    it.writer.write(OK)
    await it.writer.drain()
    await asyncio.sleep(random.choice((0, 0.0005, 0.001, 0.002)))
    it.reset()


async def _close_on_second(it: Exchange) -> None:
    """Read the second request of each connection, and close in place of an answer."""
    if it.number == 1:
        it.writer.write(OK)
    else:
        it.writer.close()


async def _close_at_once(it: Exchange) -> None:
    it.writer.close()


async def _half_answer_on_second(it: Exchange) -> None:
    if it.number == 1:
        it.writer.write(OK)
    else:
        await it.send(b"HTTP/1.1 20")
        it.writer.close()


async def _reset_at_once(it: Exchange) -> None:
    it.reset()


async def _reset_in_head(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    await asyncio.sleep(0.005)
    it.reset()


async def _reset_in_body(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"some")
    await asyncio.sleep(0.005)
    it.reset()


async def _reset_in_large_body(it: Exchange) -> None:
    """Too large to be held until it is whole."""
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"some")
    await asyncio.sleep(0.005)
    it.reset()


async def _close_in_large_body(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"some")
    it.writer.close()


async def _reset_in_chunk(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nsome\r\n")
    await asyncio.sleep(0.005)
    it.reset()


async def _reset_in_endless_body(it: Exchange) -> None:
    """The end of the connection would be the end of the body, if it were no reset."""
    await it.send(b"HTTP/1.1 200 OK\r\n\r\n", b"some")
    await asyncio.sleep(0.005)
    it.reset()


async def _close_in_body(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"some")
    it.writer.close()


async def _no_notify(it: Exchange) -> None:
    """End a body by the end of the connection, without TLS's own word for it."""
    await it.send(b"HTTP/1.1 200 OK\r\n\r\n", b"some")
    await asyncio.sleep(0.005)
    it.writer.transport.abort()


async def _until_close(it: Exchange) -> None:
    """End a body by the end of the connection, as it should be done."""
    await it.send(b"HTTP/1.1 200 OK\r\n\r\n", b"some")
    it.writer.close()


async def _hang(it: Exchange) -> None:
    await it.reader.read()
    it.writer.close()


async def _hang_in_body(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"some")
    await it.reader.read()
    it.writer.close()


async def _hang_in_endless_body(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\n\r\n", b"some")
    await it.reader.read()
    it.writer.close()


async def _no_http(it: Exchange) -> None:
    await it.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def _binary(it: Exchange) -> None:
    await it.send(bytes(range(256)) * 4 + b"\r\n\r\n")


async def _endless_header(it: Exchange) -> None:
    it.writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    await it.send_for_ever(b"x" * 65536)


async def _big_header(it: Exchange) -> None:
    it.writer.write(b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * (MIB // 2) + b"\r\nContent-Length: 2\r\n\r\nok")
    await it.writer.drain()


async def _too_big_header(it: Exchange) -> None:
    with suppress(ConnectionError):
        it.writer.write(b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 2 * MIB + b"\r\nContent-Length: 2\r\n\r\nok")
        await it.writer.drain()


async def _bad_chunk(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nsome\r\n", b"-1\r\nx\r\n0\r\n\r\n")


async def _endless_chunk_size(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nsome\r\n4;")
    await it.send_for_ever(b"x" * 65536)


async def _two_lengths(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!")


async def _length_and_chunks(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")


async def _hints(it: Exchange) -> None:
    """Some words before the answer, which the client did not ask for."""
    await it.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 2, OK)


async def _hints_for_ever(it: Exchange) -> None:
    await it.send_for_ever(b"HTTP/1.1 102 Processing\r\n\r\n")


async def _no_content(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 204 No Content\r\nX-Seen: 1\r\n\r\n")


async def _not_modified(it: Exchange) -> None:
    """With the length that the answer would have had otherwise, as RFC 9110 section 8.6 lets it."""
    await it.send(b'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\n')


async def _not_modified_chunked(it: Exchange) -> None:
    await it.send(b'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nETag: "x"\r\n\r\n')


async def _head_sized(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")


async def _head_chunked(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


async def _head_open(it: Exchange) -> None:
    await it.send(b"HTTP/1.1 200 OK\r\n\r\n")


async def _trailers(it: Exchange) -> None:
    await it.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        b"4\r\nsome\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\n\r\n",
    )


async def _drops(it: Exchange) -> None:
    """Say back what came, a byte at a time, the head as well."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(it.body), it.body)
    await it.send(*(answer[at : at + 1] for at in range(len(answer))))


async def _switch(it: Exchange) -> None:
    """Go on in a protocol of its own."""
    await it.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n", b"other")
    await it.reader.read()
    it.writer.close()


BEHAVIOURS: dict[str, Behaviour] = {
    name.removeprefix("_").replace("_", "-"): function
    for name, function in list(globals().items())
    if name.startswith("_") and asyncio.iscoroutinefunction(function)
}


class OddUpstream:
    """Speaks HTTP/1.1, plain and by TLS, and HTTP/2 by TLS on a port of its own."""

    def __init__(self) -> None:
        #: How often each path came.
        self.received: Counter[str] = Counter()
        #: How many connections were made.
        self.connections = 0
        #: How many are open.
        self.open = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="orgfence-odd-upstream-")
        self.authority = CertificateAuthority(Path(self._folder.name))
        self.ca_file = self.authority.file
        certificate = self.authority.issue(["localhost", "127.0.0.1"])
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(certificate,), name="odd-upstream")
        self._thread.start()
        if not self._started.wait(DEADLINE):
            raise TimeoutError("the odd upstream did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(DEADLINE)
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """The plain address."""
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return f"https://localhost:{self.tls_address[1]}"

    @property
    def http2_url(self) -> str:
        """That of the port for HTTP/2."""
        return f"https://localhost:{self.http2_address[1]}"

    def _run(self, certificate: tuple[Path, Path]) -> None:
        asyncio.run(self._serve(certificate))

    async def _serve(self, certificate: tuple[Path, Path]) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        plain = await asyncio.start_server(self._counted(self._serve_http1), "127.0.0.1", 0, limit=MIB)
        http1 = await asyncio.start_server(
            self._counted(self._serve_http1), "127.0.0.1", 0, ssl=_context(certificate, "http/1.1"), limit=MIB
        )
        http2 = await asyncio.start_server(
            self._counted(self._serve_http2), "127.0.0.1", 0, ssl=_context(certificate, "h2")
        )
        self.address: Address = plain.sockets[0].getsockname()
        self.tls_address: Address = http1.sockets[0].getsockname()
        self.http2_address: Address = http2.sockets[0].getsockname()
        self._started.set()
        await self._ended.wait()
        for server in (plain, http1, http2):
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _counted(self, serve: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
        async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.open += 1
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                self.open -= 1
                writer.close()

        return counted

    async def _serve_http1(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in itertools.count(1):
            head = await reader.readuntil(b"\r\n\r\n")
            length = sum(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(length)
            path = head.split(b" ", 2)[1].decode()
            self.received[path] += 1
            behaviour = BEHAVIOURS[path.split("/")[1]]
            await behaviour(Exchange(reader, writer, head, body, number))
            await writer.drain()
            if writer.is_closing():
                return

    async def _serve_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Http2(self, writer).serve(reader)


def _context(certificate: tuple[Path, Path], protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols([protocol])
    return context


class _Http2:
    """One HTTP/2 connection. It goes by the path too: `ok`, and what the methods below say."""

    def __init__(self, upstream: OddUpstream, writer: asyncio.StreamWriter) -> None:
        self._upstream = upstream
        self._writer = writer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._paths: dict[int, str] = {}
        self._answered = 0
        #: Above this everything is ignored.
        self._last = 2**31 - 1

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Serve until the client goes."""
        self._connection.initiate_connection()
        self._flush()
        while data := await reader.read(65536):
            for event in self._connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self._paths[event.stream_id or 0] = dict(event.headers or ())[b":path"].decode()
                elif isinstance(event, h2.events.StreamEnded) and (event.stream_id or 0) <= self._last:
                    await self._answer(event.stream_id or 0)
            self._flush()
            if self._writer.is_closing():
                return

    async def _answer(self, stream_id: int) -> None:
        path = self._paths[stream_id]
        kind = path.split("/")[1]
        first = self._answered == 0
        if kind == "goaway-instead" and not first:
            # Not processed, and so not counted.
            self._go_away(stream_id - 1)
            return
        if kind == "refuse" and self._upstream.received[path + "#refused"] == 0:
            self._upstream.received[path + "#refused"] += 1
            self._connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._upstream.received[path] += 1
        if kind == "close-instead" and not first:
            self._writer.close()
            return
        if kind in self._FAULTS:
            self._fail(kind, stream_id)
            return
        if kind == "goaway-before":
            # The request will be answered all the same.
            self._go_away(stream_id)
            self._flush()
            await asyncio.sleep(0.05)
        self._answered += 1
        self._connection.send_headers(stream_id, [(":status", "200"), ("content-length", "2")])
        self._connection.send_data(stream_id, b"ok", end_stream=True)
        if kind == "goaway-after":
            self._go_away(stream_id)

    _FAULTS = frozenset(
        {"close-at-once", "no-http2", "reset-at-once", "hang", "reset-in-body", "close-in-body", "hang-in-body"}
    )

    def _fail(self, kind: str, stream_id: int) -> None:
        if kind.endswith("-in-body"):
            self._connection.send_headers(stream_id, [(":status", "200")])
            self._connection.send_data(stream_id, b"some")
        self._flush()
        if kind == "no-http2":
            self._writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        if kind.startswith("reset"):
            self._connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        elif not kind.startswith("hang"):
            self._writer.close()

    def _go_away(self, last: int) -> None:
        self._last = last
        self._writer.write(self._connection.data_to_send())
        self._writer.write(GoAwayFrame(0, last_stream_id=last).serialize())

    def _flush(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(self._connection.data_to_send())
