"""What every adapter of a real server offers: it reads the bytes of one part of a request, as an app there would."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Channel(StrEnum):
    """The part of a request that a server reads names from."""

    QUERY = "query"
    FORM = "form"
    COOKIE = "cookie"
    JSON = "json"
    HOST = "host"


class Sent(NamedTuple):
    """What a server gets to read."""

    channel: Channel
    #: The query; the value of `Cookie`; the body; for the host the header fields, `Name: value` a line, ended by CR LF.
    data: bytes
    #: The value of `Content-Type`, for a body.
    content_type: bytes = b""


#: Every value that one parser of a server gives under a name, by the parser's label.
type Reads = Mapping[str, list[str]]


class MissingServer(Exception):  # noqa: N818 - it is no error: the cases of this server are skipped
    """Why a server cannot run here."""


class Server(ABC):
    """A server that answers what it reads."""

    name: str
    version: str
    channels: frozenset[Channel]

    @abstractmethod
    def read(self, sent: Sent, name: str) -> Reads:
        """Return what an app there reads under a name, at any depth. A parser that refuses its input reads nothing.

        `name` may be nested as in `filter[org]`. For `HOST` it is empty, and the value is the host.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started."""


#: Takes the bytes, the name and the content type; returns the value under the name, of any depth.
type Parser = Callable[[Sent, str], Any]


class PythonServer(Server):
    """A server whose parsers are called in this process."""

    def __init__(self, name: str, version: str, parsers: Mapping[Channel, Mapping[str, Parser]]) -> None:
        """`parsers`: by channel and label."""
        self.name = name
        self.version = version
        self.channels = frozenset(parsers)
        self._parsers = parsers

    def read(self, sent: Sent, name: str) -> Reads:
        """Call each parser of the channel."""
        return {label: _read(parser, sent, name) for label, parser in self._parsers.get(sent.channel, {}).items()}


def _read(parser: Parser, sent: Sent, name: str) -> list[str]:
    try:
        return list(strings_in(parser(sent, name)))
    except Exception:  # noqa: BLE001 - parsers refuse in many ways, and the server answers 400 or 500 then
        return []


def strings_in(value: Any) -> Iterator[str]:
    """Yield every scalar anywhere under a value, as text."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from strings_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings_in(each)
    elif isinstance(value, bytes):
        yield text_of(value)
    elif value is not None:
        yield str(value)


def text_of(value: bytes) -> str:
    """Decode a value that a server leaves as bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def header_fields(sent: Sent) -> list[tuple[bytes, bytes]]:
    """Take the header fields of `HOST` apart."""
    lines = sent.data.split(b"\r\n")[:-1]
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]


def joined_fields(sent: Sent) -> dict[str, str]:
    """Return the header fields of `HOST` as WSGI, CGI and Node have them: names lower-case, values joined by commas."""
    joined: dict[str, str] = {}
    for name, value in header_fields(sent):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]},{text}" if key in joined else text
    return joined


def environ_of(fields: Mapping[str, str]) -> dict[str, str]:
    """Return header fields as WSGI has them."""
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in fields.items()}
