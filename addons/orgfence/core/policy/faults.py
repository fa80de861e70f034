"""The operator's mistakes: where each stands, what is wrong there and how to mend it. All of them at once."""

import re
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from orgfence.core.policy.wording import visible

#: Nobody reads further, and a file of another kind has a fault in every line.
MAX_FAULTS = 100


class Place(NamedTuple):
    """A place in a policy file; both count from 1, columns in characters."""

    line: int
    column: int


class Fault(NamedTuple):
    """One mistake."""

    #: The file, as the reader knows it.
    name: str
    place: Place
    #: What is wrong, and after a full stop what to do about it.
    message: str
    #: The line that it stands in.
    line: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, the line itself, and a caret below the place."""
        message = f"{self.name}:{self.place.line}:{self.place.column}: {self.message}"
        if not self.line:
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
    """Collects what is wrong with one file."""

    __slots__ = ("_found", "_lines", "_name", "_shown")

    def __init__(self, name: str, lines: list[str]) -> None:
        """Take the file's name and its lines, for the messages."""
        self._name = name
        self._lines = lines
        self._shown: dict[int, str] = {}
        self._found: list[Fault] = []

    def add(self, place: Place, message: str) -> None:
        """Note a fault. `PolicyError` once there are too many to go on."""
        if place.line not in self._shown:
            self._shown[place.line] = _SECRET.sub(_mask, self._lines[place.line - 1])
        self._found.append(Fault(self._name, place, message, self._shown[place.line]))
        if len(self._found) == MAX_FAULTS:
            raise PolicyError(self._found)

    def stop(self, place: Place, message: str) -> NoReturn:
        """Note a fault after which nothing more can be said, and raise `PolicyError`."""
        self.add(place, message)
        raise PolicyError(self._found)

    @property
    def places(self) -> frozenset[Place]:
        """Where faults were found."""
        return frozenset(fault.place for fault in self._found)

    def raise_any(self) -> None:
        """Raise `PolicyError` if there is a fault."""
        if self._found:
            raise PolicyError(self._found)


# Messages end in logs, where no secret may; a policy that holds one has yet to be told so.
_SECRET = re.compile(r"((?:secret|password)[\"']?\s*:\s*)(.+)", re.IGNORECASE)


def _mask(found: re.Match[str]) -> str:
    return found[1] + "*" * len(found[2])


# A terminal line; the place stays in sight with some of what stands before it.
_MAX_LINE = 110
_BEFORE = 60


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """Return as much of a line as can be shown, and the column's place in it."""
    start = 0 if column <= _MAX_LINE else column - _BEFORE
    cut = visible(line[start : start + _MAX_LINE])
    return cut, column - start
