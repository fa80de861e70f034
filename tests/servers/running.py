"""All servers that run here, and why the others do not."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Self

from tests.servers.adapters import (
    aiohttp,
    cgi,
    cpython,
    django,
    express,
    php,
    protobuf,
    rack,
    starlette,
    tornado,
    werkzeug,
)
from tests.servers.server import MissingServer, Sent, Server

#: By its name, what starts a server.
STARTS: Mapping[str, Callable[[], Server]] = {
    "CPython": cpython.start,
    "Django": django.start,
    "Starlette": starlette.start,
    "Tornado": tornado.start,
    "Werkzeug": werkzeug.start,
    "aiohttp": aiohttp.start,
    "protobuf": protobuf.start,
    "Express": express.start,
    "PHP": php.start,
    "Rack": rack.start,
    "CGI": cgi.start,
}


class Read(NamedTuple):
    """One value that a server reads."""

    server: str
    parser: str
    value: str

    def __str__(self) -> str:
        """Say it, of a long value its end."""
        return f"{self.server} ({self.parser}) reads {self.value[-40:]!r}"


class Running(NamedTuple):
    """The servers of a session."""

    servers: Mapping[str, Server]
    #: Why the others do not run, by their names.
    missing: Mapping[str, str]

    @classmethod
    def start(cls) -> Self:
        """Start each server that can be started."""
        servers, missing = {}, {}
        for name, start in STARTS.items():
            try:
                servers[name] = start()
            except MissingServer as reason:
                missing[name] = str(reason)
        return cls(servers, missing)

    def reads(self, sent: Sent, name: str) -> Iterator[Read]:
        """Yield every value that some server reads under a name."""
        for server in self.servers.values():
            for parser, values in server.read(sent, name).items():
                yield from (Read(server.name, parser, value) for value in values)

    def close(self) -> None:
        """End them all."""
        for server in self.servers.values():
            server.close()

    def __str__(self) -> str:
        """Say which run, in which versions, and which do not."""
        run = ", ".join(f"{server.name} {server.version}" for server in self.servers.values())
        return run + "".join(f"; no {name}: {reason}" for name, reason in self.missing.items())
