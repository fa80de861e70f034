"""The addresses on which this process itself listens: no request may reach them through it.

The admin and mitmweb's pages trust whoever reaches them, and a proxy that asks itself asks without end. What counts is
the address that a name resolves to, and only a request for one of our ports pays for finding that out.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from mitmproxy.master import Master

from orgfence.addresses import Address
from orgfence.core.decision import Decision, Inspection
from orgfence.core.reason import Reason, Verdict
from orgfence.proxy.listening import proxyserver_of

#: What is made of a request for one of them, whatever the policy says.
REQUESTED = Inspection.of((Decision(None, Verdict.MISMATCH, Reason.OWN_ADDRESS),))

type _IP = IPv4Address | IPv6Address

# A name that takes longer is dialled without an answer, and then it counts whom the connection has reached.
_RESOLVING_SECONDS = 5.0


class OwnAddresses:
    """Knows them once they are listened on."""

    def __init__(self) -> None:
        """Own none yet."""
        #: A cheap test, which nearly all requests pass.
        self.ports: frozenset[int] = frozenset()
        self._listening: frozenset[tuple[_IP, int]] = frozenset()
        self._master: Master | None = None
        self._admin: Address = ("", 0)

    def listen(self, addresses: Iterable[Address]) -> None:
        """Own these addresses, as the sockets name them, and no others."""
        listening = {(_ip(address[0]), address[1]) for address in addresses}
        self._listening = frozenset((ip, port) for ip, port in listening if ip is not None)
        self.ports = frozenset(port for _, port in self._listening)

    def follow(self, master: Master, admin: Address) -> None:
        """Own what a running master listens on, also when it comes to listen on something else, and the admin server.

        mitmweb can open and close ports while it runs.
        """
        self._master, self._admin = master, admin
        # Held weakly there, and by us for as long as we are.
        proxyserver_of(master).servers.changed.connect(self._listen)
        self._listen()

    def _listen(self) -> None:
        assert self._master is not None
        options = self._master.options
        addresses = [self._admin, *proxyserver_of(self._master).listen_addrs()]
        if "web_port" in options:
            # As tornado does: no name is every address.
            found = socket.getaddrinfo(options.web_host or None, options.web_port, flags=socket.AI_PASSIVE)
            addresses += [(str(address[0]), options.web_port) for *_, address in found]
        self.listen(addresses)

    async def is_own(self, host: str, port: int) -> bool:
        """Return whether dialling this would reach us."""
        if port not in self.ports:
            return False
        loop = asyncio.get_running_loop()
        try:
            # As asyncio will dial it. UnicodeError is a ValueError: a name that no resolver takes.
            resolving = loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = await asyncio.wait_for(resolving, _RESOLVING_SECONDS)
        except (OSError, ValueError):
            return False
        return any(self.is_listening(address) for *_, address in found)

    def is_listening(self, address: Sequence[Any]) -> bool:
        """Return whether a connection to this IP address, as sockets name it, is one to us."""
        host, port = address[0], address[1]
        if port not in self.ports or (ip := _ip(host)) is None:
            return False
        # Of a link-local address: which interface it belongs to.
        scope = address[3] if len(address) > 3 else 0
        if ip.is_unspecified:
            # So dialled, it is this machine.
            ip = ip_address("127.0.0.1" if ip.version == 4 else "::1")
        return any(
            port == own_port and (ip == own_ip or (own_ip.is_unspecified and _is_of_this_machine(ip, scope)))
            for own_ip, own_port in self._listening
        )


def _ip(host: str) -> _IP | None:
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _is_of_this_machine(ip: _IP, scope: int) -> bool:
    """Return whether one of this machine's interfaces has this address: then a socket can be bound to it."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((str(ip), 0) if ip.version == 4 else (str(ip), 0, 0, scope))
        return True
    return False
