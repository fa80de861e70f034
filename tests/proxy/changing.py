"""Policies that change while clients go on: the files, each way of changing them, and the clients.

At any time one rule guards `/*/block/{org}/**`, now in the one file and now in the other. What was loaded from files of
two different moments would guard it twice, or not at all, and let a client through that asks for another's org.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.proxy.guarding import FORWARD_H1, FORWARD_H2, FORWARD_PLAIN, ISS, REVERSE_PLAIN, GuardingProxy, Way, bearer
from tests.proxy.harness import RawClient

NAMES = ("a.yaml", "b.yaml")
ALLOWED, BLOCKED = b"/api/block/acme/x", b"/api/block/globex/x"


def texts(number: int) -> dict[str, str]:
    """Return the two files of the policy's state of that number."""
    guard, other = ('["/*/block/{org}/**"]', "[/nowhere]")[:: 1 if number % 2 else -1]
    return {
        "a.yaml": f"version: 1\nissuers: {{corp: {{iss: '{ISS}', claims: {{member: org_ids}}}}}}\n"
        + _rule(f"a-{number}", guard),
        "b.yaml": "version: 1\n" + _rule(f"b-{number}", other),
    }


def _rule(name: str, paths: str) -> str:
    org = "org: {path: org}, " if "{org}" in paths else "org: {value: acme}, "
    return f"rules:\n  - {{id: {name}, match: {{hosts: [localhost], paths: {paths}}}, {org}enforcement: block}}\n"


class Volume:
    """A folder that is written to as Kubernetes does it: each state in a folder of its own, and a link that moves."""

    def __init__(self, folder: Path) -> None:
        """Write the state of number 0."""
        self.folder = folder
        self._states = 0
        self.write(texts(0))

    def write(self, files: Mapping[str, str | None]) -> None:
        """Put another state in the place of the one before; a file without a text is a link to nothing."""
        # https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/volume/util/atomic_writer.go
        self._states += 1
        state = self.folder / f"..{self._states}"
        state.mkdir()
        for name, text in files.items():
            if text is not None:
                (state / name).write_text(text)
        before = self.folder / "..data"
        old = before.readlink() if before.is_symlink() else None
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(state.name)
        fresh.replace(before)
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for link in self.folder.iterdir():
            if not link.name.startswith("..") and link.name not in files:
                link.unlink()
        if old is not None:
            for file in (self.folder / old).iterdir():
                file.unlink()
            (self.folder / old).rmdir()


def write_over(file: Path, text: str) -> None:
    """Put a file in another's place, as careful editors do."""
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.write_text(text)
    fresh.replace(file)


def write_in_halves(file: Path, text: str, at: int, pause: Callable[[], None]) -> None:
    """Write a file in place, and pause at this character of it."""
    with file.open("w") as opened:
        opened.write(text[:at])
        opened.flush()
        os.fsync(opened.fileno())
        pause()
        opened.write(text[at:])


class Clients:
    """Clients that ask on and on, over connections that they keep."""

    def __init__(self) -> None:
        #: How many requests of each path were answered as they must be.
        self.answered: Counter[bytes] = Counter()
        #: What was answered otherwise, or not at all.
        self.complaints: list[str] = []
        self._stopping = threading.Event()

    def raw(self, proxy: GuardingProxy, way: Way) -> None:
        """Ask by HTTP/1.1 this way until it is over."""
        heads = {path: proxy.head(way, b"GET", path, (b"authorization", _TOKEN)) for path in (ALLOWED, BLOCKED)}

        def ask(client: RawClient, path: bytes) -> tuple[int, bytes]:
            client.send(heads[path])
            answer = client.read_answer()
            return answer.status, answer.body

        def connected() -> Iterator[None]:
            with proxy.raw(way) as client:
                yield from self._ask(lambda path: ask(client, path))

        self._go_on(connected, str(way))

    def http2(self, proxy: GuardingProxy, way: Way = FORWARD_H2) -> None:
        """Ask by HTTP/2 until it is over."""

        def ask(client: httpx.Client, path: bytes) -> tuple[int, bytes]:
            answer = client.get(path.decode(), headers={"authorization": _TOKEN.decode()})
            return answer.status_code, answer.content

        def connected() -> Iterator[None]:
            with proxy.client(way) as client:
                yield from self._ask(lambda path: ask(client, path))

        self._go_on(connected, str(way))

    def stop(self) -> None:
        """Have all come to their end."""
        self._stopping.set()

    def _go_on(self, connected: Callable[[], Iterator[None]], name: str) -> None:
        try:
            while not self._stopping.is_set() and not self.complaints:
                for _ in connected():
                    pass
        except Exception as error:  # noqa: BLE001 - whatever a client meets, the test is to tell of it
            self.complaints.append(f"{name}: {error!r}")

    def _ask(self, ask: Callable[[bytes], tuple[int, bytes]]) -> Iterator[None]:
        """Ask a few hundred times on one connection, because upstream ends it after a thousand."""
        for number in range(400):
            if self._stopping.is_set():
                return
            path, expected, said = (BLOCKED, 403, b"org_not_granted") if number % 2 else (ALLOWED, 200, b"upstream")
            status, body = ask(path)
            if status != expected or said not in body:
                self.complaints.append(f"{path.decode()}: {status} {body!r}")
                return
            with _COUNTING:
                self.answered[path] += 1
            yield


_TOKEN = bearer("acme")
_COUNTING = threading.Lock()


@contextmanager
def clients(proxy: GuardingProxy) -> Iterator[Clients]:
    """Have clients ask in four ways for as long as the block runs; nothing that they met may be amiss."""
    asking = Clients()
    threads = [
        threading.Thread(target=asking.raw, args=(proxy, way)) for way in (FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN)
    ]
    threads.append(threading.Thread(target=asking.http2, args=(proxy,)))
    for thread in threads:
        thread.start()
    try:
        yield asking
    finally:
        asking.stop()
        for thread in threads:
            thread.join()
    assert asking.complaints == []
