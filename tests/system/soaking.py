"""Mixed traffic for a soak: clients in threads that keep count of what they saw, a file that changes, samples.

Each client paces itself, so that the load is what was asked for and not what the machine can do.
"""

import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
from tests.proxy.changing import write_over
from tests.proxy.guarding import FORWARD_PLAIN, ISS, MIB, REVERSE_H2, WAYS, GuardingProxy, Way, authorized, bearer
from tests.proxy.harness import DEADLINE, RawClient
from tests.proxy.odd_upstream import OddUpstream

_RULES = f"""
version: 1
orgs: {{acme: {{id: acme}}, globex: {{id: globex}}}}
issuers: {{corp: {{iss: {ISS}, claims: {{member: org_ids}}}}}}
rules:
  - {{id: block, match: {{hosts: [localhost], paths: ["/*/block/{{org}}/**"]}}, org: {{path: org}}, enforcement: block}}
  - id: annotate
    match: {{hosts: [localhost], paths: ["/*/annotate/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: annotate
  - {{id: body, match: {{hosts: [localhost], paths: ["/*/body/**"]}}, org: {{body: /org}}, enforcement: block}}
  - {{id: cookie, match: {{hosts: [localhost], paths: ["/*/cookie/**"]}}, org: {{cookie: org}}, enforcement: block}}
  - {{id: query, match: {{hosts: [localhost], paths: ["/*/query/**"]}}, org: {{query: org_id}}, enforcement: block}}
  - {{id: reset, match: {{hosts: [localhost], paths: ["/*/reset/{{org}}/**"]}}, org: {{path: org}}, enforcement: block}}
"""


def policy(number: int) -> str:
    """Return the policy's state of that number: always the same rules, and one beside them that matches nothing."""
    beside = f"{{id: beside-{number}, match: {{hosts: [other.test], paths: [/x]}}, org: {{value: acme}}}}"
    return f"{_RULES}  - {beside}\n"


class Judged(NamedTuple):
    """What became of a request, as its client saw it."""

    #: A value of the label `action`.
    action: str
    #: The rule that it was for; None for none.
    rule: str | None
    #: What upstream answered, as the label `status` has it; None if it was blocked, or that is not known.
    status: str | None = None


class Seen:
    """What all clients have seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[Judged] = Counter()
        self.complaints: list[str] = []
        #: How long the slowest ordinary request took, in seconds.
        self.slowest = 0.0

    def waited(self, seconds: float) -> None:
        """Note how long an ordinary request took."""
        with self._lock:
            self.slowest = max(self.slowest, seconds)

    def note(self, judged: Judged) -> None:
        """Count a request."""
        with self._lock:
            self.requests[judged] += 1

    def complain(self, what: str) -> None:
        """Keep what should not have happened."""
        with self._lock:
            self.complaints.append(what)

    def total(self, **wanted: str | None) -> int:
        """Return how many requests there were of which all this is true."""
        return sum(
            count
            for judged, count in self.requests.items()
            if all(getattr(judged, name) == value for name, value in wanted.items())
        )


type Act = Callable[[], None]


class Clients:
    """Everything that goes on during the soak; each method is one act of one client, and notes what it saw."""

    def __init__(self, proxy: GuardingProxy, odd: OddUpstream) -> None:
        self._proxy = proxy
        self._odd = odd
        self.seen = Seen()
        #: How many changes of the policy were made that can be loaded, and that cannot.
        self.changes = {"success": 0, "failure": 0}

    def acts(self) -> dict[str, Act]:
        """Return each client's act by its name."""
        return {
            **{f"ordinary requests, {way}": lambda way=way: self._ordinary(way) for way in WAYS},  # type: ignore[misc] # a default argument
            "clients that go": self._abort,
            "streams that are cancelled": self._cancel,
            "an upstream that breaks": self._break,
            "web sockets": self._talk,
            "changes of the policy": self._change,
        }

    def _ordinary(self, way: Way) -> None:
        """Some requests of each kind, on one connection or several of a client that lives no longer."""
        with self._proxy.client(way) as client:
            for _ in range(random.randrange(1, 30)):
                act = random.choice(
                    (self._allowed, self._foreign, self._annotated, self._body, self._large, self._unmatched)
                )
                started = time.monotonic()
                act(client)
                self.seen.waited(time.monotonic() - started)
                time.sleep(random.uniform(0, 0.12))

    def _allowed(self, client: httpx.Client) -> None:
        self._note(client.get(f"/api/block/acme/{random.random()}", headers=_headers("acme")), "block", "forwarded")

    def _foreign(self, client: httpx.Client) -> None:
        self._note(client.post("/api/block/globex/1", headers=_headers("acme"), content=b"x" * 100), "block", "blocked")

    def _annotated(self, client: httpx.Client) -> None:
        status = random.choice((200, 403, 500))
        # It goes by the last part of the path.
        answer = client.get(f"/status/annotate/globex/{status}", headers=_headers("acme"))
        self._note(answer, "annotate", "annotated")

    def _body(self, client: httpx.Client) -> None:
        org, action = random.choice((("acme", "forwarded"), ("globex", "blocked")))
        self._note(client.post("/api/body/1", headers=_headers("acme"), json={"org": org}), "body", action)

    def _large(self, client: httpx.Client) -> None:
        sent = random.randbytes(MIB // 4)
        answer = client.post("/echo/block/acme/large", headers=_headers("acme"), content=sent)
        if answer.content != sent:
            self.seen.complain("another body came back")
        self._note(answer, "block", "forwarded")

    def _unmatched(self, client: httpx.Client) -> None:
        self._note(client.get("/api/nothing"), None, "unmatched")

    def _note(self, answer: httpx.Response, rule: str | None, expected: str) -> None:
        """Count a request by what its answer shows, which should be what was expected."""
        if answer.headers.get("content-type") == "application/problem+json":
            judged = Judged("blocked", answer.json().get("rule"))
        elif "orgfence" in answer.headers:
            judged = Judged("annotated", rule, _label(answer.status_code))
        else:
            judged = Judged("unmatched" if rule is None else "forwarded", rule, _label(answer.status_code))
        if (judged.action, judged.rule) != (expected, rule):
            self.seen.complain(f"{expected} by {rule} was expected: {judged}, {answer.status_code} {answer.text[:200]}")
        self.seen.note(judged)

    def _abort(self) -> None:
        """Go in the middle of an answer, by closing or by a reset."""
        path = random.choice((b"/sse/block/acme/1", b"/large/block/acme/1?bytes=16777216"))
        with self._proxy.raw(FORWARD_PLAIN) as client:
            client.send(self._proxy.head(FORWARD_PLAIN, b"GET", path, authorized("acme")))
            client.take_until(b"\r\n\r\n")
            self.seen.note(Judged("forwarded", "block", "2xx"))
            client.take_some()
            if random.random() < 0.5:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.2)

    def _cancel(self) -> None:
        """Reset one stream of two in the middle of its answer, or of its body."""
        with self._proxy.http2(REVERSE_H2) as client:
            if random.random() < 0.5:
                going = client.request(self._proxy.pseudo(REVERSE_H2, b"GET", b"/sse/block/acme/1", authorized("acme")))
            else:
                pseudo = self._proxy.pseudo(REVERSE_H2, b"POST", b"/echo/block/acme/1", authorized("acme"))
                going = client.request(pseudo, end=False)
                client.send_data(going, b"x" * 10_000)
            client.wait(going, lambda stream: stream.status)
            self.seen.note(Judged("forwarded", "block", "2xx"))
            client.reset(going)
            pseudo = self._proxy.pseudo(REVERSE_H2, b"GET", b"/api/block/acme/1", authorized("acme"))
            answer = client.wait(client.request(pseudo))
            if answer.status != 200:
                self.seen.complain(f"a stream beside one that was cancelled was answered by {answer.status}")
            self.seen.note(Judged("forwarded", "block", "2xx"))
        time.sleep(0.2)

    def _break(self) -> None:
        """Ask an upstream that breaks the connection, before its answer or in it."""
        behaviour = random.choice(("ok", "reset-at-once", "reset-in-body", "close-in-body", "no-http", "close-at-once"))
        base = b"http://localhost:%d" % self._odd.address[1]
        head = b"GET %b/%b/block/acme/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n\r\n"
        with RawClient(self._proxy.forward) as client:
            client.send(head % (base, behaviour.encode(), bearer("acme")))
            status = int(client.take_until(b"\r\n\r\n").split()[1])
            # A short answer is passed on once it is whole, and else the proxy says that it is not.
            if status != (200 if behaviour == "ok" else 502):
                self.seen.complain(f"{behaviour} was answered by {status}")
            # By then upstream has said what it answers.
            answered = behaviour in ("ok", "reset-in-body", "close-in-body")
            self.seen.note(Judged("forwarded", "block", "2xx" if answered else None))
        time.sleep(0.2)

    def _talk(self) -> None:
        """Say something by a WebSocket, and go."""
        upgrade = (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")
        key = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")
        with self._proxy.raw(FORWARD_PLAIN) as client:
            head = self._proxy.head(FORWARD_PLAIN, b"GET", b"/ws/block/acme/1", *upgrade, key, authorized("acme"))
            client.send(head)
            client.take_until(b"\r\n\r\n")
            self.seen.note(Judged("forwarded", "block", "1xx"))
            for number in range(random.randrange(1, 20)):
                # A text of four letters; the mask is zero.
                client.send(b"\x81\x84\0\0\0\0%04d" % number)
                if (echoed := client.take_exactly(6)) != b"\x81\x04%04d" % number:
                    self.seen.complain(f"another message came back: {echoed!r}")
        time.sleep(0.5)

    def _change(self) -> None:
        """Change the policy to one that can be loaded, or to what cannot, and wait until that was seen."""
        result = "failure" if self.changes["success"] % 4 == 3 and random.random() < 0.5 else "success"
        self.changes[result] += 1
        number = sum(self.changes.values())
        if result == "success":
            write_over(self._proxy.policy_file, policy(number))
        else:
            random.choice((self._mistake, self._endless_value, self._pipe))(number)
        name = f'orgfence_policy_reloads_total{{result="{result}"}}'
        until = time.monotonic() + DEADLINE
        while self._proxy.metrics()[name] < self.changes[result]:
            if time.monotonic() > until:
                self.seen.complain(f"change {number}, a {result}, was not seen")
                return
            time.sleep(0.2)
        time.sleep(3)

    def _mistake(self, number: int) -> None:
        write_over(self._proxy.policy_file, f"{policy(number)}mistake: {number}\n")

    def _endless_value(self, number: int) -> None:
        write_over(self._proxy.policy_file, f"{policy(number)}mistake: {'token=' + 'a1b2' * 10_000}\n")

    def _pipe(self, number: int) -> None:
        """Put a pipe that nobody writes to in the file's place."""
        pipe = self._proxy.policy_file.with_name(f".pipe-{number}")
        os.mkfifo(pipe)
        pipe.replace(self._proxy.policy_file)


def run_for(seconds: float, acts: Mapping[str, Act], seen: Seen) -> None:
    """Have all clients act, each in a thread and over and over, for so long."""
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_repeat, args=(name, act, until, seen)) for name, act in acts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _repeat(name: str, act: Act, until: float, seen: Seen) -> None:
    while time.monotonic() < until and len(seen.complaints) < 100:
        try:
            act()
        except Exception as error:  # noqa: BLE001 # whatever it is, the soak goes on and tells it at its end
            seen.complain(f"{name}: {error!r}")
            time.sleep(0.5)


class Samples:
    """What the proxy takes, over time."""

    def __init__(self) -> None:
        #: In MiB.
        self.resident: list[float] = []
        self.files: list[float] = []


@contextmanager
def sampling(proxy: GuardingProxy, interval: float) -> Iterator[Samples]:
    """Sample while the block runs."""
    samples, ended = Samples(), threading.Event()

    def go_on() -> None:
        while not ended.wait(interval):
            # A proxy that has ended is told elsewhere.
            with suppress(OSError):
                samples.files.append(sum(1 for _ in Path(f"/proc/{proxy.pid}/fd").iterdir()))
                samples.resident.append(proxy.memory() / MIB)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _headers(*orgs: str) -> dict[str, str]:
    return {"Authorization": bearer(*orgs).decode()}


def _label(status: int) -> str:
    return str(status) if status in (401, 403) else f"{status // 100}xx"
