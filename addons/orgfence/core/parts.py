"""What is shared by all rules and readings of the path that judge one request, so that it is worked out once."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Self

from orgfence.core.names import Found, OtherName
from orgfence.core.values import (
    MAX_ODD_BYTES,
    CookiePieces,
    Pieces,
    cookie_pieces,
    find_cookie,
    find_parameter,
    parameter_pieces,
)

# Envoy takes 60 KiB of header fields and request line together, h11 and Tornado 64 KiB; most others stop at 8 or 16.
MAX_BYTES = 64 * 1024
# ASP.NET, PHP, Express, Django, Jetty and Tomcat 11 take some 1,000 parameters. A browser keeps 180 cookies a site.
MAX_PIECES = 2048


class Requested(NamedTuple):
    """Orgs, normalised."""

    orgs: tuple[bytes, ...] = ()
    #: Those that only another reading of a name finds, each with the first such name.
    others: Sequence[tuple[bytes, OtherName]] = ()

    def joined(self, other: Self) -> "Requested":
        """Return these orgs and others behind them, each once."""
        return Requested(tuple(dict.fromkeys((*self.orgs, *other.orgs))), (*self.others, *other.others))


class Parts:
    """What is found by name in one request's head. None: there is more than is read.

    All that is read is bounded together, because a path with many readings may give as many queries.
    """

    __slots__ = ("_answers", "_bytes_left", "_cookies", "_found", "_listed", "_pieces_left", "_queries", "requested")

    def __init__(self) -> None:
        """Begin with nothing taken apart."""
        self._answers: dict[Hashable, object] = {}
        self._found: dict[tuple[bytes | None, bytes], Found | None] = {}
        self._queries: dict[bytes, tuple[Pieces, ...] | None] = {}
        self._cookies: CookiePieces | None = None
        self._bytes_left, self._pieces_left = MAX_BYTES, MAX_PIECES
        self._listed: dict[tuple[bytes, ...], Found] = {}
        #: The orgs that were made of what was found, by that and by what else they depend on.
        self.requested: dict[tuple[int, bytes, bool, bool], tuple[Found, Requested | None]] = {}

    def once[Answer](self, question: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, which `find` finds; the question holds all that the answer depends on."""
        if question not in self._answers:
            self._answers[question] = find()
        answer: Answer = self._answers[question]  # type: ignore[assignment] # what `find` has returned
        return answer

    def parameter(self, query: bytes, name: bytes) -> Found | None:
        """Find a parameter in a query, of which there is one for each reading of the path."""
        asked = query, name
        if asked not in self._found:
            if query not in self._queries:
                is_read = self._takes(len(query), _separators(query))
                self._queries[query] = parameter_pieces(query) if is_read else None
            pieces = self._queries[query]
            self._found[asked] = None if pieces is None else find_parameter(pieces, name)
        return self._found[asked]

    def cookie(self, fields: Sequence[bytes], name: bytes) -> Found | None:
        """Find a cookie in the request's `Cookie` fields, which are the same for all who ask."""
        asked = None, name
        if asked not in self._found:
            if self._cookies is None and self._takes(sum(map(len, fields)), sum(map(_pairs, fields))):
                pieces = cookie_pieces(fields)
                # What is parted in several ways may hold more than its fields.
                if pieces.loose is None or pieces.loose.odd_bytes <= MAX_ODD_BYTES:
                    self._cookies = pieces
            self._found[asked] = None if self._cookies is None else find_cookie(self._cookies, name)
        return self._found[asked]

    def listed(self, values: list[bytes]) -> Found:
        """Return values that stand elsewhere as they were found, the same for all who find the same."""
        return self._listed.setdefault(tuple(values), Found(values))

    def _takes(self, size: int, pieces: int) -> bool:
        """Return whether so much may still be read."""
        if size > self._bytes_left or pieces > self._pieces_left:
            return False
        self._bytes_left -= size
        self._pieces_left -= pieces
        return True


def _separators(query: bytes) -> int:
    return query.count(b"&") + query.count(b";")


def _pairs(field: bytes) -> int:
    return max(field.count(b"="), field.count(b";"))
