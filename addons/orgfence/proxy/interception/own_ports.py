"""Keeps clients from reaching this process through itself, by whatever way they would be connected.

Tunnels are refused before anything is dialled, plain requests where they are judged. Connections that begin without a
request (SOCKS5, transparent and reverse mode) are not dialled. And whom a connection has reached in the end is looked
at once more, for a name may resolve to another address each time that it is asked for.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import time
from collections.abc import Awaitable, Callable

from mitmproxy import http
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from orgfence.core.ruleset import Ruleset
from orgfence.enforcement.denial import deny
from orgfence.enforcement.report import Report
from orgfence.proxy.applying import call_of, response_of
from orgfence.proxy.interception.own_addresses import REQUESTED, OwnAddresses
from orgfence.proxy.lifetime.in_flight import handler_of
from orgfence.proxy.reporter import Reporter

type _Ends = tuple[object, ...]


class OwnPorts:
    """Sees each connection begin."""

    name = "orgfence_own_ports"

    def __init__(self, in_force: Callable[[], Ruleset], reporter: Reporter, own: OwnAddresses) -> None:
        """Refuse these addresses, in words of the ruleset that is in force."""
        self._in_force = in_force
        self._reporter = reporter
        self._own = own
        #: Both ends of every connection that is open, as a client of ours names them.
        self._incoming: set[_Ends] = set()
        self._outgoing: set[_Ends] = set()

    def http_connect(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Refuse a tunnel to ourselves."""
        if flow.response is None and flow.error is None and flow.request.data.port in self._own.ports:
            return self._refuse_tunnel(flow)
        return None

    async def _refuse_tunnel(self, flow: http.HTTPFlow) -> None:
        started = time.perf_counter()
        request = flow.request
        if not await self._own.is_own(request.data.host, request.data.port):
            return
        ruleset = self._in_force()
        report = Report.of(call_of(flow), REQUESTED, ruleset)
        flow.response = response_of(deny(report))
        self._reporter.inspected(flow, REQUESTED, ruleset, report, time.perf_counter() - started)

    def server_connect(self, data: ServerConnectionHookData) -> Awaitable[None] | None:
        """Dial no address of ours."""
        address = data.server.address
        if address is not None and address[1] in self._own.ports:
            return self._refuse_to_dial(data, address[0], address[1])
        return None

    async def _refuse_to_dial(self, data: ServerConnectionHookData, host: str, port: int) -> None:
        if await self._own.is_own(host, port):
            data.server.error = _ERROR
            self._reporter.connections.refused_own_address(data.client, REQUESTED, self._in_force())

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Say nothing on a connection that has reached us all the same."""
        ends = _ends(data.server.sockname, data.server.peername)
        self._outgoing.add(ends)
        peer = data.server.peername
        if ends in self._incoming or (peer is not None and self._own.is_listening(peer)):
            data.server.error = _ERROR
            _close(data.client, data.server)
            self._reporter.connections.refused_own_address(data.client, REQUESTED, self._in_force())

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """Forget a connection."""
        self._outgoing.discard(_ends(data.server.sockname, data.server.peername))

    def client_connected(self, client: Client) -> None:
        """Take no connection that we have made: the network's rules have sent it back to us."""
        ends = _ends(client.peername, client.sockname)
        self._incoming.add(ends)
        if ends in self._outgoing:
            client.error = _ERROR
            self._reporter.connections.refused_own_address(client, REQUESTED, self._in_force())

    def client_disconnected(self, client: Client) -> None:
        """Forget a client."""
        self._incoming.discard(_ends(client.peername, client.sockname))


_ERROR = "own_address: this is where orgfence itself listens"


def _ends(here: tuple[str, int] | None, there: tuple[str, int] | None) -> _Ends:
    # An IPv6 address of a socket has more parts, which may differ by side.
    return (*(here or ())[:2], *(there or ())[:2])


def _close(client: Client, connection: Connection) -> None:
    handler = handler_of(client)
    transport = handler.transports.get(connection) if handler is not None else None
    if transport is not None and transport.writer is not None:
        transport.writer.close()
