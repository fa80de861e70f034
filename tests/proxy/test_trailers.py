"""Trailers of a request come when it was judged: none of them reaches upstream, whatever they are called."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from tests.proxy.guarding import ISS, GuardingProxy, address_of, authorized
from tests.proxy.harness import CertificateAuthority, Http2Client, RawClient, client_context

POLICY = f"""
version: 1
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
rules:
  - id: streamed
    match: {{hosts: ["*"], paths: [/streamed]}}
    org: {{header: X-Expected-Org, strip: true}}
    enforcement: block
  - id: held
    match: {{hosts: ["*"], paths: [/held]}}
    org: [{{body: /org}}, {{header: X-Expected-Org, strip: true}}]
    enforcement: block
"""
TRAILERS = [(b"x-expected-org", b"globex"), (b"orgfence", b"allow"), (b"x-checksum", b"1")]


class Http2Upstream:
    """Speaks HTTP/2 alone, and keeps what each request's headers, data and trailers were."""

    def __init__(self, folder: Path) -> None:
        authority = CertificateAuthority(folder)
        self.ca_file = authority.file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue(("localhost", "127.0.0.1")))
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.tls_address = self._listener.getsockname()
        self.events: list[h2.events.Event] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """With TLS, as all of it."""
        return self.tls_url

    @property
    def tls_url(self) -> str:
        """Its address."""
        return f"https://localhost:{self.address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected = self._context.wrap_socket(self._listener.accept()[0], server_side=True)
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: ssl.SSLSocket) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        connection.initiate_connection()
        connected.sendall(connection.data_to_send())
        with suppress(OSError):
            while data := connected.recv(65536):
                for event in connection.receive_data(data):
                    self.events.append(event)
                    if isinstance(event, h2.events.StreamEnded):
                        connection.send_headers(event.stream_id, [(b":status", b"200")], end_stream=True)
                connected.sendall(connection.data_to_send())


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Http2Upstream]:
    """One for each test."""
    upstream = Http2Upstream(tmp_path)
    yield upstream
    upstream.close()


@pytest.mark.parametrize("path", [b"/streamed", b"/held"])
def test_trailers_of_http2_are_dropped(upstream: Http2Upstream, path: bytes) -> None:
    """Neither an annotation nor a header that is stripped comes by as a trailer; the body arrives whole."""
    with GuardingProxy(upstream, POLICY, modes=[f"reverse:{upstream.tls_url}@127.0.0.1:0"]) as proxy:
        address = address_of(proxy.ready_value["proxy"][0]["addresses"][0])
        with RawClient(address) as client:
            assert client.start_tls(client_context(proxy.ca_file, http2=True), "localhost") == "h2"
            http2 = Http2Client(client.socket)
            pseudo = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", path), (b":authority", b"localhost")]
            fields = [authorized("acme"), (b"x-expected-org", b"acme"), (b"content-type", b"application/json")]
            stream_id = http2.request([*pseudo, *fields], end=False)
            http2.send_data(stream_id, b'{"org": "acme"}')
            http2.send_trailers(stream_id, TRAILERS)
            assert http2.wait(stream_id).status == 200
    heads = [event.headers or [] for event in upstream.events if isinstance(event, h2.events.RequestReceived)]
    names = {name for head in heads for name, _ in head}
    data = b"".join(event.data or b"" for event in upstream.events if isinstance(event, h2.events.DataReceived))
    assert data == b'{"org": "acme"}'
    assert b":path" in names
    assert b"x-expected-org" not in names
    assert not [event for event in upstream.events if isinstance(event, h2.events.TrailersReceived)]
