"""gRPC by its own client and server: calls flow, and a blocked one is PERMISSION_DENIED with what was found."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from tests.proxy.guarding import ISS, GuardingProxy, bearer
from tests.proxy.harness import DEADLINE, Address, CertificateAuthority

POLICY = f"""
version: 1
issuers:
  corp:
    iss: {ISS}
    claims: {{member: org_ids}}
rules:
  - id: calls
    match: {{hosts: [localhost], paths: ["/test.Echo/**"]}}
    org: {{header: X-Org}}
    enforcement: block
  - id: documents
    match: {{hosts: [localhost], paths: ["/test.Document/**"]}}
    org: {{body: /org}}
    enforcement: block
    undetermined: block
"""
ACME = [("authorization", bearer("acme").decode()), ("x-org", "acme")]
GLOBEX = [("authorization", bearer("acme").decode()), ("x-org", "globex")]


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """Answers with what it gets: as it comes, or once it has all."""

    def service(self, call: Any) -> Any:
        """Go by the method's name."""
        if call.method.endswith("/Unary"):
            return grpc.unary_unary_rpc_method_handler(self._unary)
        return grpc.stream_stream_rpc_method_handler(self._stream)

    @staticmethod
    def _unary(request: bytes, context: Any) -> bytes:
        fields = dict(context.invocation_metadata())
        if "wish" in fields:
            time.sleep(0.05 if fields["wish"] == "refuse" else DEADLINE / 4)
            context.set_trailing_metadata([("why", "wished")])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as you wish")
        context.send_initial_metadata([("seen", fields["x-org"])])
        context.set_trailing_metadata([("length", str(len(request)))])
        return request

    @staticmethod
    def _stream(requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        yield from requests
        yield b"end"


class GrpcUpstream:
    """A gRPC server with TLS; there is nothing at its plain address."""

    address: Address = ("127.0.0.1", 1)
    url = "http://127.0.0.1:1"

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder)
        self.ca_file = authority.file
        certificate, key = authority.issue(["localhost", "127.0.0.1"])
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
        self._server.add_generic_rpc_handlers((Echo(),))
        credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        self.tls_address: Address = ("127.0.0.1", self._server.add_secure_port("127.0.0.1:0", credentials))

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(DEADLINE)

    @property
    def tls_url(self) -> str:
        """The address."""
        return f"https://localhost:{self.tls_address[1]}"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardingProxy]:
    with GrpcUpstream(tmp_path_factory.mktemp("grpc")) as upstream, GuardingProxy(upstream, POLICY) as process:
        yield process


@pytest.fixture(params=["forward", "reverse"])
def channel(proxy: GuardingProxy, request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A client's connection, by CONNECT or to the sidecar."""
    options: list[tuple[str, Any]] = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    port = proxy.reverse_tls[1]
    if request.param == "forward":
        options.append(("grpc.http_proxy", "http://127.0.0.1:%d" % proxy.forward[1]))
        upstream: Any = proxy._upstream
        port = upstream.tls_address[1]
    else:
        options.append(("grpc.enable_http_proxy", 0))
    credentials = grpc.ssl_channel_credentials(proxy.ca_file.read_bytes())
    with grpc.secure_channel(f"localhost:{port}", credentials, options) as connected:
        yield connected


@pytest.mark.parametrize("size", [0, 5, 3_000_000], ids=str)
def test_a_unary_call_passes(channel: grpc.Channel, size: int) -> None:
    """Message, metadata and trailers, both ways."""
    message = bytes(size)
    answer, call = channel.unary_unary("/test.Echo/Unary").with_call(message, metadata=ACME, timeout=DEADLINE)
    assert answer == message
    assert ("seen", "acme") in [tuple(field) for field in call.initial_metadata()]
    assert ("length", str(size)) in [tuple(field) for field in call.trailing_metadata()]


def test_a_bidirectional_stream_passes_message_by_message(channel: grpc.Channel) -> None:
    """Each answer comes before the next message is sent."""
    answered: list[bytes] = []

    def messages() -> Iterator[bytes]:
        for number in range(20):
            until = time.monotonic() + DEADLINE
            while len(answered) < number:
                assert time.monotonic() < until, "the last message was not answered"
                time.sleep(0.001)
            yield b"%d" % number

    # Not at once: the messages go by what has been answered.
    for answer in channel.stream_stream("/test.Echo/Stream")(messages(), metadata=ACME, timeout=DEADLINE):
        answered += [answer]
    assert answered == [*(b"%d" % number for number in range(20)), b"end"]


def test_upstreams_own_refusal_arrives(channel: grpc.Channel) -> None:
    """Its status, its message and its trailers."""
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/test.Echo/Unary")(b"", metadata=[*ACME, ("wish", "refuse")], timeout=DEADLINE)
    error: Any = refused.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "as you wish")
    assert ("why", "wished") in [tuple(field) for field in error.trailing_metadata()]


def test_a_deadline_and_a_cancellation_end_only_their_call(channel: grpc.Channel) -> None:
    """The connection goes on."""
    unary = channel.unary_unary("/test.Echo/Unary")
    with pytest.raises(grpc.RpcError) as late:
        unary(b"", metadata=[*ACME, ("wish", "wait")], timeout=0.2)
    error: Any = late.value
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    stream = channel.stream_stream("/test.Echo/Stream")(iter([b"one"]), metadata=ACME, timeout=DEADLINE)
    assert next(stream) == b"one"
    stream.cancel()
    assert unary(b"on", metadata=ACME, timeout=DEADLINE) == b"on"


@pytest.mark.parametrize("method", ["Unary", "Stream"])
def test_a_blocked_call_is_permission_denied(channel: grpc.Channel, method: str) -> None:
    """At once, with the reason and the orgs; also a stream whose client never ends it."""
    if method == "Unary":
        with pytest.raises(grpc.RpcError) as blocked:
            channel.unary_unary("/test.Echo/Unary")(b"x", metadata=GLOBEX, timeout=DEADLINE)
        error: Any = blocked.value
    else:
        with _endless() as messages:
            error = channel.stream_stream("/test.Echo/Stream")(messages, metadata=GLOBEX, timeout=DEADLINE)
            with pytest.raises(grpc.RpcError):
                next(error)
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "org_not_granted" in error.details()
    assert "globex" in error.details()


def test_a_rule_that_reads_the_body_does_not_wait_for_one_of_grpc(channel: grpc.Channel) -> None:
    """Its messages are no JSON, and the end of a stream may never come."""
    with _endless() as messages:
        call: Any = channel.stream_stream("/test.Document/Stream")(messages, metadata=ACME, timeout=DEADLINE)
        with pytest.raises(grpc.RpcError):
            next(call)
    assert call.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "body_unread" in call.details()


@contextmanager
def _endless() -> Iterator[Iterator[bytes]]:
    """Give messages that come to no end while they are asked for here."""
    is_over = threading.Event()

    def messages() -> Iterator[bytes]:
        yield b"one"
        is_over.wait(2 * DEADLINE)

    try:
        yield messages()
    finally:
        is_over.set()
