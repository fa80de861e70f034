"""One call as a front end knows it: the request, who sent it, and what upstream answered so far."""

from collections.abc import Iterable
from typing import NamedTuple

from orgfence.core.request import Request

type Fields = tuple[tuple[bytes, bytes], ...]


class Answer(NamedTuple):
    """What upstream answered."""

    #: Raw header fields in wire order.
    fields: Fields
    #: Empty while it is not there.
    body: bytes = b""


class Call(NamedTuple):
    """What a report is made of, beside the inspection."""

    #: Its body counts where it is there.
    request: Request
    #: The client's IP address.
    client: str
    #: The host that the request goes to, without a port.
    host: str
    #: Whether the client's own connection is TLS.
    is_tls: bool
    #: None while there is no answer.
    answer: Answer | None = None

    @property
    def method(self) -> str:
        """The method as text."""
        return _text(self.request.method)

    @property
    def path(self) -> str:
        """The path as text, without the query."""
        return _text(self.request.target.partition(b"?")[0])


def values_of(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Return the values of all fields of this name, which is in lower case, in wire order."""
    return [_text(value) for field, value in fields if len(field) == len(name) and field.lower() == name]


def _text(raw: bytes) -> str:
    # Bytes that are no UTF-8 become lone surrogates, which are shown escaped.
    return raw.decode("utf-8", "surrogateescape")
