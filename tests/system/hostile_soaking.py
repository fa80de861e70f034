"""Hostile clients for a soak, beside the ordinary ones: each act is one attack, and notes what it saw.

Where the proxy alone can know what it made of a request (a stream that is reset before its answer), the request is for
the rule `reset`, whose decisions the soak takes out of its sums.
"""

import random
import time
from contextlib import ExitStack, suppress

from tests.proxy.flooding import BEGINNING, Flood, reset
from tests.proxy.guarding import FORWARD_PLAIN, MIB, REVERSE_H2, REVERSE_PLAIN, GuardingProxy, authorized, bearer
from tests.proxy.tunnelling import RawServer, tunnel
from tests.system.soaking import Act, Judged, Seen

_COOKIES = (
    b"org=acme; x=y org=globex",
    b"org=acme; \xa0org=globex",
    b"x=y,org=globex; org=acme",
    b"org=acme; %6frg=globex",
)
_QUERIES = (b"ORG_ID=globex", b"org%u005fid=globex", b"org.id=globex", b"org_id[]=globex", b"orgId=globex")
#: How many streams one attack resets; the connection is ended long before.
RESETS = 5_000


class Attackers:
    """Everything hostile that goes on during the soak."""

    def __init__(self, proxy: GuardingProxy, unguarded: RawServer, seen: Seen) -> None:
        self._proxy = proxy
        self._unguarded = unguarded
        self._seen = seen
        head = proxy.pseudo(REVERSE_H2, b"GET", b"/api/reset/acme/1", authorized("acme"))
        self._resets = BEGINNING + Flood(head).requests(RESETS, reset)
        #: How many streams may have been begun and reset.
        self.resets = 0

    def acts(self) -> dict[str, Act]:
        """Return each attacker's act by its name."""
        return {
            "names that servers read alike": self._disguise,
            "heads that are slow to read": self._burden,
            "empty lines and impossible lengths": self._misframe,
            "bodies that stall": self._stall,
            "streams that are reset at once": self._reset,
            "messages that never end": self._flood_socket,
            "requests that are hidden in a tunnel": self._hide_in_tunnel,
            "tunnels that open oddly": self._open_tunnel,
        }

    def _disguise(self) -> None:
        """Name another org so that only some servers read it."""
        cookie = (b"cookie", random.choice(_COOKIES))
        self._expect_block("cookie", b"/api/cookie/1", cookie)
        self._expect_block("query", b"/api/query/1?org_id=acme&" + random.choice(_QUERIES))
        time.sleep(0.2)

    def _burden(self) -> None:
        """Ask what takes long to read."""
        self._expect_block("query", rb"/q/query/a%3bb/c%2fd/e\f/..//x?" + b"&" * 30_000)
        self._expect_block("query", b"/api/query/1?org_id=globex;" + b"&" * 30_000)
        time.sleep(0.5)

    def _misframe(self) -> None:
        """Send empty lines before a request, then a length that no body has."""
        with self._proxy.raw(REVERSE_PLAIN) as client:
            for _ in range(2):
                client.send(b"\r\n\r\n" + self._head(b"GET", b"/api/block/acme/1"))
                self._check(client.read_answer().status == 200, "a request behind empty lines was not answered")
                self._seen.note(Judged("forwarded", "block", "2xx"))
            length = (b"content-length", b"9" * random.choice((20, 4000)))
            client.send(self._head(b"POST", b"/api/block/acme/1", length))
            self._check(client.read_answer().status == 400, "an impossible length was not answered by 400")
            self._seen.note(Judged("unjudged", None))
        time.sleep(0.3)

    def _stall(self) -> None:
        """Begin bodies that a rule reads, and go away before their end."""
        with ExitStack() as connections:
            clients = [connections.enter_context(self._proxy.raw(REVERSE_PLAIN)) for _ in range(20)]
            for client in clients:
                client.send(self._head(b"POST", b"/api/body/1", (b"content-length", b"%d" % MIB)) + bytes(MIB // 2))
            time.sleep(0.5)
            # The budget of all held bodies has room for them, so each still waits.
            for _ in clients:
                self._seen.note(Judged("unjudged", None))
        time.sleep(2)

    def _reset(self) -> None:
        """Open streams and reset each at once, until the connection is ended."""
        with self._proxy.connected(REVERSE_H2) as (client, context):
            client.start_tls(context, "localhost")
            self.resets += RESETS
            with suppress(OSError):
                client.send(self._resets)
                while client.socket.recv(65536):
                    pass
        time.sleep(2)

    def _flood_socket(self) -> None:
        """Send a WebSocket message of 64 MiB, as one frame or as many."""
        upgrade = (b"connection", b"Upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")
        key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
        with self._proxy.raw(FORWARD_PLAIN) as client:
            client.send(self._proxy.head(FORWARD_PLAIN, b"GET", b"/ws/block/acme/1", authorized("acme"), *upgrade, key))
            client.take_until(b"\r\n\r\n")
            self._seen.note(Judged("forwarded", "block", "1xx"))
            piece = bytes(MIB // 16)
            if random.random() < 0.5:
                # A binary frame of 64 MiB, masked by zero.
                client.send(b"\x82\xff" + (64 * MIB).to_bytes(8) + bytes(4))
            else:
                piece = b"\x00\xff" + len(piece).to_bytes(8) + bytes(4) + piece
                client.send(b"\x02\x80" + bytes(4))
            client.send_until_refused(piece, 64 * MIB)
        time.sleep(2)

    def _hide_in_tunnel(self) -> None:
        """Open a tunnel to a host that no rule guards, and ask a guarded one behind a PROXY protocol header."""
        header = random.choice((b"PROXY UNKNOWN\r\n", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"))
        request = b"GET /api/block/globex/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n" % bearer("acme")
        with tunnel(self._proxy, self._unguarded.address) as client:
            client.send(header + request)
            self._check(client.read_answer().status == 403, "a guarded request went through a tunnel unread")
            self._seen.note(Judged("blocked", "block"))
        time.sleep(0.3)

    def _open_tunnel(self) -> None:
        """Open such a tunnel, and begin it as no client does that means well."""
        opening = random.choice(
            (
                b"\x15\x03\x03\x00\x02\x02\x28",
                b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
                b"\x17\x03\x03\x00\x04abcd",
            )
        )
        with tunnel(self._proxy, self._unguarded.address) as client:
            client.send(opening)
            client.wait_for_close()
        time.sleep(0.3)

    def _head(self, method: bytes, path: bytes, *fields: tuple[bytes, bytes]) -> bytes:
        return self._proxy.head(REVERSE_PLAIN, method, path, authorized("acme"), *fields)

    def _expect_block(self, rule: str, path: bytes, *fields: tuple[bytes, bytes]) -> None:
        answer = self._proxy.call(REVERSE_PLAIN, path, authorized("acme"), *fields)
        blocked = answer.values(b"content-type") == [b"application/problem+json"]
        self._check(blocked, f"{path[:80]!r} {fields!r} was answered by {answer.status}")
        self._seen.note(Judged("blocked", rule))

    def _check(self, true: bool, complaint: str) -> None:
        if not true:
            self._seen.complain(complaint)
