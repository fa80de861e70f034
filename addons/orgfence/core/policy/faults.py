"""The operator's mistakes: where each stands, what is wrong there and how to mend it. All of them at once."""

from collections.abc import Iterable, Sequence
from functools import total_ordering
from typing import NamedTuple, NoReturn

from orgfence.core.policy.masking import masked
from orgfence.core.policy.wording import visible

#: Nobody reads further, and a file of another kind has a fault in every line.
MAX_FAULTS = 100


@total_ordering
class Source:
    """One file of a policy, as messages speak of it; sorted as the files are read."""

    __slots__ = ("_shown", "lines", "name", "order")

    def __init__(self, name: str, lines: Sequence[str], order: int = 0) -> None:
        """Take the file as the reader knows it, its lines, and its number among the policy's files."""
        self.name = name
        self.lines = lines
        self.order = order
        self._shown: dict[int, str] = {}

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __lt__(self, other: "Source") -> bool:
        return self.order < other.order

    def shown(self, line: int) -> str:
        """Return a line, counted from 1, with its secrets masked."""
        if line not in self._shown:
            self._shown[line] = masked(self.lines, line - 1)
        return self._shown[line]


class Place(NamedTuple):
    """A place in a policy; line and column count from 1, columns in characters."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        """Return it as editors and terminals take it."""
        return f"{self.source.name}:{self.line}:{self.column}"

    def seen_from(self, other: "Place") -> str:
        """Return what a message at another place calls this one."""
        if self.source is other.source:
            return f"line {self.line}"
        return f"{self.source.name}:{self.line}"


class Fault(NamedTuple):
    """One mistake."""

    place: Place
    #: What is wrong, and after a full stop what to do about it.
    message: str
    #: The line that it stands in.
    line: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, the line itself, and a caret below the place."""
        message = f"{self.place}: {self.message}"
        # The line is cut where it is longer than any that a person writes.
        if not self.line or self.place.column > len(self.line) + 1:
            return message
        line, column = _excerpt(self.line, self.place.column)
        margin = "".join("\t" if character == "\t" else " " for character in line[: column - 1])
        return f"{message}\n    {line}\n    {margin}^"


class PolicyError(Exception):
    """The operator's fault: a policy that cannot be used, with everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Take at least one fault."""
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        super().__init__(self.faults)

    def __str__(self) -> str:
        """Return what a person is shown."""
        text = "\n".join(map(str, self.faults))
        if len(self.faults) < MAX_FAULTS:
            return text
        return f"{text}\nThere may be more: these are the first {MAX_FAULTS} faults that were found"


class Faults:
    """Collects what is wrong with a policy."""

    __slots__ = ("_found", "_secrets")

    def __init__(self) -> None:
        """Begin without any."""
        self._found: list[Fault] = []
        self._secrets: list[str] = []

    def add(self, place: Place, message: str) -> None:
        """Note a fault. `PolicyError` once there are too many to go on."""
        for secret in self._secrets:
            message = message.replace(secret, "…")
        self._found.append(Fault(place, message, place.source.shown(place.line)))
        if self.are_many:
            raise PolicyError(self._found)

    def stop(self, place: Place, message: str) -> NoReturn:
        """Note a fault after which nothing more can be said of the file, and raise `PolicyError`."""
        self.add(place, message)
        raise PolicyError(self._found)

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep these out of all messages to come, but for what is too short to be a secret."""
        self._secrets += [secret for secret in secrets if len(secret) >= _MIN_SECRET]

    @property
    def are_many(self) -> bool:
        """Whether there are too many to go on."""
        return len(self._found) >= MAX_FAULTS

    @property
    def places(self) -> frozenset[Place]:
        """Where faults were found."""
        return frozenset(fault.place for fault in self._found)

    def raise_any(self) -> None:
        """Raise `PolicyError` if there is a fault."""
        if self._found:
            raise PolicyError(self._found)


_MIN_SECRET = 4
# A terminal line; the place stays in sight with some of what stands before it.
_MAX_LINE = 110
_BEFORE = 60


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """Return as much of a line as can be shown, and the column's place in it."""
    start = 0 if column <= _MAX_LINE else column - _BEFORE
    cut = visible(line[start : start + _MAX_LINE])
    return cut, column - start
