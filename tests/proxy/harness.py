"""What all proxy tests use: a real upstream, a real proxy process, raw clients, tokens.

Everything has a deadline, everything is a context manager, and nothing outlives its test.
"""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

#: Longer than anything here takes on a busy machine; a test that meets it has failed.
DEADLINE = 20.0
#: The same for a start, which imports all of mitmproxy: three seconds of a processor's time, and many may want it.
START_DEADLINE = 3 * DEADLINE
MAX_READ = 1024 * 1024

type Address = tuple[str, int]
type Headers = Sequence[tuple[bytes, bytes]]


class CertificateAuthority:
    """A CA of the tests' own, and the certificates it issues, as PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orgfence tests")])
        authority = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key.public_key())
        certificate = builder.add_extension(authority, True).add_extension(usage, True)
        #: What a client of upstream's has to trust.
        self.file = self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()))

    def issue(self, names: Iterable[str]) -> tuple[Path, Path]:
        """Return the files of a certificate for these DNS names and IP addresses, and of its key."""
        names = list(names)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        certificate = self._builder(subject, key.public_key()).add_extension(alternatives, False)
        key_file = self._folder / "leaf-key.pem"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return self._write("leaf.pem", certificate.sign(self._key, hashes.SHA256())), key_file

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)
        )

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        file = self._folder / name
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return file


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(slots=True)
class Received:
    """One request as upstream got it. It is recorded when its headers are in; the rest comes later."""

    method: str
    #: Path and query as they came.
    target: bytes
    #: In wire order, names in lower case.
    headers: list[tuple[bytes, bytes]]
    #: `1.1` or `2`.
    http_version: str
    scheme: str
    body_bytes: int = 0
    #: Whether the end of the body has come.
    complete: bool = False
    #: Whether upstream is done with it.
    ended: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header, whose name is given in lower case."""
        return [value for key, value in self.headers if key == name]


class Upstream:
    """An API on loopback: plain HTTP/1.1 on one port, TLS with HTTP/2 and HTTP/1.1 on another.

    `/status/403` answers with that status, `/sse` never ends, `/echo` sends the body back as it comes,
    `/large?bytes=N` streams that many, anything else is a small JSON document. `requests` has all that came,
    in order; a WebSocket handshake is among them, and its messages are echoed. What a request's `X-Reply` fields
    say (`Name: value`) is among the header fields of the answer.
    """

    def __init__(self, *names: str) -> None:
        """Have a certificate for `localhost`, `127.0.0.1` and these names."""
        self._names = ("localhost", "127.0.0.1", *names)
        self.requests: list[Received] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="orgfence-upstream-")
        authority = CertificateAuthority(Path(self._folder.name))
        self.ca_file = authority.file
        certificate, key = authority.issue(self._names)
        plain, tls = listening_socket(), listening_socket()
        self.address: Address = plain.getsockname()
        self.tls_address: Address = tls.getsockname()

        config = Config()
        config.insecure_bind = [f"fd://{plain.detach()}"]
        config.bind = [f"fd://{tls.detach()}"]
        config.certfile, config.keyfile = str(certificate), str(key)
        config.alpn_protocols = ["h2", "http/1.1"]
        config.graceful_timeout = 0.2
        config.keep_alive_timeout = 60
        config.errorlog = None
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(config, started), name="upstream")
        self._thread.start()
        if not started.wait(DEADLINE):
            raise TimeoutError("upstream did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(DEADLINE)
        self._folder.cleanup()
        if self._thread.is_alive():
            raise TimeoutError("upstream did not stop")

    @property
    def url(self) -> str:
        """The plain address, as a proxy's `reverse:` mode wants it."""
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return f"https://localhost:{self.tls_address[1]}"

    def _serve(self, config: Config, started: threading.Event) -> None:
        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._stopping = asyncio.Event()
            self._started = started
            await serve(self._app, config, shutdown_trigger=self._stopping.wait, mode="asgi")

        asyncio.run(run())

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        received = Received(
            scope.get("method", "GET"),
            scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b""),
            [(bytes(name), bytes(value)) for name, value in scope["headers"]],
            scope["http_version"],
            scope["scheme"],
        )
        self.requests.append(received)
        try:
            if scope["type"] == "websocket":
                await _echo_websocket(receive, send)
            else:
                await _answer(received, receive, send)
        finally:
            received.ended = True

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        self._started.set()
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


def listening_socket() -> socket.socket:
    """Listen on a free port of the loopback, as an event loop wants it."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


async def _answer(received: Received, receive: Any, send: Any) -> None:
    path, _, query = received.target.partition(b"?")
    kind = path.split(b"/")[1]
    if kind == b"sse":
        await _send_events(receive, send)
        return
    if kind == b"echo":
        await _start(send, 200, b"application/octet-stream", received)
        await _read(received, receive, send)
    elif kind == b"large":
        await _read(received, receive)
        await _start(send, 200, b"application/octet-stream", received)
        await _send_bytes(int(query.removeprefix(b"bytes=")), send)
    else:
        await _read(received, receive)
        status = int(path.rsplit(b"/", 1)[1]) if kind == b"status" else 200
        await _start(send, status, b"application/json", received)
        document = json.dumps({"from": "upstream", "path": path.decode("latin-1")})
        await send({"type": "http.response.body", "body": document.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _start(send: Any, status: int, content_type: bytes, received: Received | None = None) -> None:
    headers = [(b"content-type", content_type)]
    for reply in received.values(b"x-reply") if received else ():
        name, _, value = reply.partition(b": ")
        headers.append((name, value))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _read(received: Received, receive: Any, echo: Any = None) -> None:
    while (message := await receive())["type"] == "http.request":
        received.body_bytes += len(message["body"])
        if echo and message["body"]:
            await echo({"type": "http.response.body", "body": message["body"], "more_body": True})
        if not message["more_body"]:
            received.complete = True
            return


async def _send_events(receive: Any, send: Any) -> None:
    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    await _start(send, 200, b"text/event-stream")
    gone = asyncio.create_task(disconnected())
    number = 0
    while not gone.done():
        number += 1
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await asyncio.wait([gone], timeout=0.05)


async def _send_bytes(count: int, send: Any) -> None:
    block = bytes(65536)
    while count:
        part = block[:count]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        count -= len(part)


async def _echo_websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")})


class ProxyProcess:
    """A child process, started, watched and ended; by default `orgfence run` with a confdir of its own.

    `ready` gets each line of output until it returns something true, which `ready_value` then is.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        command: Callable[[Path], Sequence[str]] | None = None,
        ready: Callable[[str], Any],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run what `command` makes of a confdir, by default `orgfence run` on free ports; then arguments."""
        self._arguments = list(arguments)
        self._command = command or _orgfence_run
        self._ready = ready
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._changed = threading.Condition()
        self._open_streams = 2
        #: What was written, in the order in which it was read.
        self.lines: list[str] = []
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.ready_value: Any = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="orgfence-confdir-")
        self.confdir = Path(self._folder.name)
        self._process = subprocess.Popen(
            [*self._command(self.confdir), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self.stdout)),
            threading.Thread(target=self._read, args=(self._process.stderr, self.stderr)),
        ]
        for reader in self._readers:
            reader.start()
        try:
            self.ready_value = self.wait_for_line(self._ready, START_DEADLINE)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if error is None and self.running:
                self.stop()
        finally:
            self._end()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All that was written so far."""
        with self._changed:
            return "\n".join(self.lines)

    def wait_for_line[T](self, predicate: Callable[[str], T], deadline: float = DEADLINE) -> T:
        """Return the first true value that the predicate gives for a line, of those to come too."""
        until = time.monotonic() + deadline
        seen = 0
        with self._changed:
            while True:
                while seen < len(self.lines):
                    seen += 1
                    if value := predicate(self.lines[seen - 1]):
                        return value
                left = until - time.monotonic()
                if left <= 0 or not self._open_streams:
                    why = "timed out" if self._open_streams else "the process has ended"
                    raise AssertionError(f"no such line, {why}:\n" + "\n".join(self.lines))
                self._changed.wait(left)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def stop(self, expected: int = 0, deadline: float = DEADLINE) -> None:
        """End the process by SIGTERM, and assert its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self.wait(deadline)
        assert code == expected, f"exit code {code}:\n{self.output}"

    def wait(self, deadline: float = DEADLINE) -> int:
        """Return the exit code when the process has ended by itself and all its output was read."""
        code = self._process.wait(deadline)
        for reader in self._readers:
            reader.join(deadline)
        return code

    def memory(self, field: str = "VmRSS") -> int:
        """Return its resident memory in bytes; `VmHWM` is the most it has been."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field} in /proc/{self.pid}/status")

    def reset_peak(self) -> None:
        """Have `VmHWM` start from what it uses now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _read(self, stream: Any, lines: list[str]) -> None:
        with stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                with self._changed:
                    lines.append(line)
                    self.lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _end(self) -> None:
        if self.running:
            self._process.kill()
        self.wait()
        self._folder.cleanup()


def _orgfence_run(confdir: Path) -> list[str]:
    orgfence = [sys.executable, "-m", "orgfence", "run", "--set", f"confdir={confdir}"]
    return [*orgfence, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


class Answer(NamedTuple):
    """One HTTP/1 response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header, whose name is given in lower case."""
        return [value for key, value in self.headers if key.lower() == name]


class RawClient:
    """An HTTP/1.1 client that sends exactly the bytes it is given."""

    def __init__(self, address: Address, timeout: float = DEADLINE, source: str | None = None) -> None:
        self.socket = socket.create_connection(address, timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of this."""
        self.socket.sendall(data)

    def send_until_refused(self, chunk: bytes, limit: int) -> int:
        """Send a chunk again and again, up to a limit; return how many bytes the other side took."""
        sent = 0
        with suppress(ConnectionError):
            while sent < limit:
                self.socket.sendall(chunk)
                sent += len(chunk)
        return sent

    def tunnel(self, host: str, port: int) -> Answer:
        """Send CONNECT, and return the answer."""
        self.send(b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host.encode(), port, host.encode(), port))
        return self.read_answer(b"CONNECT")

    def start_tls(self, context: ssl.SSLContext, name: str | None) -> str | None:
        """Go on with TLS, and return the protocol that ALPN chose."""
        assert not self._unread
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self.socket.selected_alpn_protocol()

    def read_answer(self, method: bytes = b"GET") -> Answer:
        """Read one response to a request of this method, and no more of what is there."""
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status_line, *fields = head.split(b"\r\n")
        status = int(status_line.split()[1])
        pairs = [field.partition(b":") for field in fields]
        headers = [(name, value.strip()) for name, _, value in pairs]
        return Answer(status, headers, self._read_body(method, status, headers))

    def take_some(self) -> bytes:
        """Return what is there, and wait for it where there is nothing."""
        if not self._unread:
            self._receive()
        taken, self._unread = self._unread, b""
        return taken

    def take_exactly(self, count: int) -> bytes:
        """Return so many bytes as they came."""
        return self._take(count)

    def take_until(self, end: bytes) -> bytes:
        """Return what comes up to these bytes, and with them."""
        while end not in self._unread:
            self._receive()
        at = self._unread.index(end) + len(end)
        taken, self._unread = self._unread[:at], self._unread[at:]
        return taken

    def drain(self, end: bytes) -> int:
        """Throw away what comes until it ends in these bytes; return how many they were."""
        tail, count = self._unread, len(self._unread)
        self._unread = b""
        while not tail.endswith(end):
            data = self.socket.recv(MAX_READ)
            if not data:
                raise ConnectionResetError("the other side has closed")
            count += len(data)
            tail = (tail + data)[-len(end) :]
        return count

    def wait_for_close(self) -> bytes:
        """Return all that still comes until the other side closes; a reset is a close as well."""
        with suppress(ConnectionError):
            while True:
                self._receive()
        left, self._unread = self._unread, b""
        return left

    def _read_body(self, method: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        named = {name.lower(): value for name, value in headers}
        if method == b"HEAD" or status < 200 or status in (204, 304):
            return b""
        if method == b"CONNECT" and status < 300:
            return b""
        if named.get(b"transfer-encoding") == b"chunked":
            return self._read_chunks()
        if b"content-length" in named:
            return self._take(int(named[b"content-length"]))
        return self.wait_for_close()

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._unread:
                self._receive()
            size, _, self._unread = self._unread.partition(b"\r\n")
            chunk = self._take(int(size, 16) + 2)
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            self._receive()
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the other side has closed")
        self._unread += data


@dataclass(slots=True)
class Stream:
    """What has come of one HTTP/2 response."""

    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    #: Of the body; not bytes, which would be copied with each piece.
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False
    #: The error code of RST_STREAM.
    reset: int | None = None

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return bytes(self.received)


class Http2Client:
    """An HTTP/2 client on a connected socket, whose streams may stay half open."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # It sends what it is given, also what the protocol forbids.
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._connection = h2.connection.H2Connection(config)
        # Heads of any size that the proxy passes on.
        self._connection.decoder.max_header_list_size = MAX_READ
        self._connection.initiate_connection()
        self._flush()
        self.streams: dict[int, Stream] = {}
        #: Whether GOAWAY or the end of the connection was seen.
        self.closed = False

    def request(self, headers: Headers, *, end: bool = True) -> int:
        """Send a request's headers, pseudo-headers included; without `end` its body stays open."""
        stream_id = self._connection.get_next_available_stream_id()
        self.streams[stream_id] = Stream()
        self._connection.send_headers(stream_id, list(headers), end_stream=end)
        self._flush()
        return stream_id

    def send_data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send a piece of a body, when flow control lets it."""
        while data:
            room = min(
                self._connection.local_flow_control_window(stream_id),
                self._connection.max_outbound_frame_size,
            )
            if not room:
                self._receive()
                continue
            self._connection.send_data(stream_id, data[:room])
            data = data[room:]
            self._flush()
        if end:
            self._connection.end_stream(stream_id)
            self._flush()

    def send_trailers(self, stream_id: int, trailers: Headers) -> None:
        """End a stream by trailers."""
        self._connection.send_headers(stream_id, trailers, end_stream=True)
        self._flush()

    def reset(self, stream_id: int) -> None:
        """Cancel a stream."""
        self._connection.reset_stream(stream_id, 8)
        self._flush()

    def wait(self, stream_id: int, until: Callable[[Stream], object] = lambda it: it.ended) -> Stream:
        """Return a stream when something is true of it: by default, that its response has ended."""
        stream = self.streams[stream_id]
        while not until(stream):
            assert not self.closed, f"the connection ended: {stream}"
            self._receive()
        return stream

    def wait_for_any_end(self, stream_id: int) -> Stream:
        """Return a stream once its response has ended, it was reset, or the connection is gone."""
        stream = self.streams[stream_id]
        with suppress(ConnectionError, h2.exceptions.ProtocolError):
            while not (stream.ended or stream.reset is not None or self.closed):
                self._receive()
        return stream

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self._connection.receive_data(data):
            self._note(event)
        self._flush()

    def _note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            self.closed = True
            return
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
            stream.status = int(dict(stream.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            stream.received += event.data or b""
            self._connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code or 0)

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())


def client_context(ca_file: Path, *, http2: bool = False) -> ssl.SSLContext:
    """Return a context that trusts this CA alone and offers HTTP/2 or HTTP/1.1."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
    return context


def unsigned_token(**claims: Any) -> str:
    """Return a JWT with `alg: none` and these claims."""
    return jwt.encode(claims, "", algorithm="none")


def signed_token(**claims: Any) -> str:
    """Return a JWT signed by HS256 with a key that nobody needs to know."""
    return jwt.encode(claims, "a key for nothing but these tests", algorithm="HS256")
