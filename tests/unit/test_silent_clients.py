"""What a client that has shaken hands says first, or in its place, and for how long that is remembered."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from OpenSSL import SSL

from orgfence.proxy.interception import silent_clients
from orgfence.proxy.interception.silent_clients import SilentClients

ALERT = [("SSL routines", "", "tlsv1 alert unknown ca")]
OTHER = [("SSL routines", "", "decryption failed")]


class Seen:
    """The addon, a reporter that notes whom it names, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reporter = Mock()
        self.addon = SilentClients(self.reporter, lambda: self.now)
        self._number = 0

    def shake_hands(self, read: Any, address: str = "127.0.0.1", host: str = "api.test") -> tuple[Any, Any]:
        """Return a client that has, and its TLS connection, of which `read` is what comes."""
        self._number += 1
        client = SimpleNamespace(
            id=str(self._number), sni=host, peername=(address, 1), timestamp_tls_setup=5.0, timestamp_end=5.1
        )
        connection: Any = SSL.Connection(SSL.Context(SSL.TLS_METHOD))
        connection.set_accept_state()
        connection.recv = Mock(side_effect=read)
        context = SimpleNamespace(client=client, server=SimpleNamespace(address=None))
        self.addon.tls_established_client(SimpleNamespace(context=context, ssl_conn=connection))  # type: ignore[arg-type]
        return client, connection

    def disconnect(self, client: Any) -> None:
        self.addon.client_disconnected(client)

    @property
    def named(self) -> list[str]:
        """What clients were called."""
        return [name for name, _, _ in self.reporter.method_calls]


def test_an_alert_after_the_handshake_is_a_refusal() -> None:
    """Some clients look at the certificate only then; of another fault nothing is known for sure."""
    for words, name in ((ALERT, "refused_certificate"), (OTHER, "left_silently")):
        seen = Seen()
        client, connection = seen.shake_hands([SSL.WantReadError(), SSL.Error(words)])
        for raised in (SSL.WantReadError, SSL.Error):
            with pytest.raises(raised):
                connection.recv(65535)
        seen.disconnect(client)
        assert seen.named == [name]


def test_the_first_word_ends_the_listening() -> None:
    """From then on the connection is read as it would be, and its client is one that trusts."""
    seen = Seen()
    client, connection = seen.shake_hands([b"GET"])
    assert connection.recv(65535) == b"GET"
    assert "recv" not in vars(connection)
    seen.disconnect(client)
    assert not seen.named


def test_a_client_is_remembered_for_a_while() -> None:
    """By its address and the host, whatever the case of that; another one is not meant."""
    seen = Seen()
    client, connection = seen.shake_hands([b"GET"], host="API.test")
    connection.recv(1)
    for later, host, address, trusts in (
        (0, "api.test", "127.0.0.1", True),
        (599, "api.test", "127.0.0.1", True),
        (600, "api.test", "127.0.0.1", False),
        (0, "other.test", "127.0.0.1", False),
        (0, "api.test", "127.0.0.2", False),
    ):
        seen.now = 1000.0 + later
        silent, _ = seen.shake_hands([], address, host)
        assert seen.addon.trusts(silent, host) is trusts
        seen.disconnect(silent)
    assert seen.named == ["left_silently"] * 3
    assert seen.addon.trusts(client, "api.test")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that said nothing for longest goes first."""
    monkeypatch.setattr(silent_clients, "_MAX_TRUSTING", 3)
    seen = Seen()
    clients = []
    for number in (1, 2, 3, 1, 4):
        client, connection = seen.shake_hands([b"x"], f"127.0.0.{number}")
        connection.recv(1)
        clients.append(client)
    assert [seen.addon.trusts(client, "api.test") for client in clients] == [True, False, True, True, True]


def test_a_connection_that_waits_was_made_in_advance() -> None:
    """Who does not trust goes at once; and QUIC has no connection of OpenSSL's."""
    seen = Seen()
    client, _ = seen.shake_hands([])
    client.timestamp_end = 11.0
    seen.disconnect(client)
    context = SimpleNamespace(client=client, server=SimpleNamespace(address=None))
    seen.addon.tls_established_client(SimpleNamespace(context=context, ssl_conn=None))  # type: ignore[arg-type]
    seen.disconnect(client)
    assert not seen.named
