"""Which addresses are our own, of those that sockets name and that names resolve to."""

import asyncio
import socket
from typing import Any

import pytest

from orgfence.proxy.interception.own_addresses import OwnAddresses


def listening_on(*addresses: tuple[str, int]) -> OwnAddresses:
    own = OwnAddresses()
    own.listen(addresses)
    return own


@pytest.mark.parametrize(
    ("listening", "dialled", "is_own"),
    [
        ("127.0.0.1", ("127.0.0.1", 9464), True),
        ("127.0.0.1", ("::ffff:127.0.0.1", 9464, 0, 0), True),
        # Dialled so, it is this machine.
        ("127.0.0.1", ("0.0.0.0", 9464), True),
        ("::1", ("::", 9464, 0, 0), True),
        ("127.0.0.1", ("::ffff:0.0.0.0", 9464, 0, 0), True),
        ("127.0.0.1", ("127.0.0.1", 9465), False),
        ("127.0.0.1", ("127.0.0.2", 9464), False),
        ("127.0.0.1", ("198.51.100.9", 9464), False),
        ("127.0.0.1", ("::1", 9464, 0, 0), False),
        ("0.0.0.0", ("127.0.0.2", 9464), True),
        ("::", ("127.0.0.1", 9464), True),
        ("0.0.0.0", ("198.51.100.9", 9464), False),
        ("::", ("2001:db8::9", 9464, 0, 0), False),
        ("fe80::1%eth0", ("fe80::1", 9464, 0, 2), True),
        ("198.51.100.9", ("198.51.100.9", 9464), True),
        ("127.0.0.1", ("no address", 9464), False),
    ],
    ids=str,
)
def test_an_address_is_our_own_where_we_listen(listening: str, dialled: tuple[Any, ...], is_own: bool) -> None:
    """Whatever form it is in; where that is every address, each one that this machine has."""
    assert listening_on((listening, 9464)).is_listening(dialled) is is_own


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("0x7f000001", True),
        ("localhost", True),
        ("0", True),
        ("127.0.0.2", False),
        ("198.51.100.9", False),
        ("nowhere.invalid", False),
        ("", False),
        ("a" * 64 + ".test", False),
        ("\udcff", False),
        ("a\0b", False),
        ("..", False),
    ],
    ids=ascii,
)
def test_a_name_is_our_own_where_it_leads_to_us(host: str, is_own: bool) -> None:
    """As a dial would resolve it; one that no resolver takes leads nowhere."""
    assert asyncio.run(listening_on(("127.0.0.1", 9464)).is_own(host, 9464)) is is_own


def test_any_of_a_names_addresses_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """For any of them may be dialled. A name is asked for only where the port is one of ours."""
    asked = []

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        addresses = ("198.51.100.9", "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    own = listening_on(("127.0.0.1", 9464))
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **__: resolve(host, port))
    assert asyncio.run(own.is_own("two.test", 9464))
    assert not asyncio.run(own.is_own("two.test", 443))
    assert asked == ["two.test"]


def test_what_is_not_listened_on_any_more_is_nobodys() -> None:
    """mitmweb can close ports while it runs."""
    own = listening_on(("127.0.0.1", 1), ("127.0.0.1", 2))
    own.listen([("127.0.0.1", 2)])
    assert own.ports == {2}
    assert not own.is_listening(("127.0.0.1", 1))
