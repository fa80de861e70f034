"""Standard streams that are there, also where the process was started without them, and that never block it."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, override


def hold_standard_streams() -> None:
    """Put the null device in the place of those that are closed.

    The next file opened would else be number 2: a client's connection, to which whatever a library in C has to say
    would be written.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor, inheritable=True)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


@contextmanager
def printing_by(write_out: Callable[[str], None], write_error: Callable[[str], None]) -> Iterator[None]:
    """Give each line that is printed to standard output or error to a function that does not block.

    Python itself prints there: warnings, exceptions in threads and finalizers.
    """
    before = sys.stdout, sys.stderr
    sys.stdout = _Lines(before[0], write_out)
    sys.stderr = _Lines(before[1], write_error)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Lines(io.TextIOBase):
    """A text stream in the place of another one."""

    def __init__(self, stream: TextIO, write_line: Callable[[str], None]) -> None:
        self._stream = stream
        self._write_line = write_line
        self._begun = ""

    @override
    def write(self, text: str) -> int:
        *lines, begun = (self._begun + text).split("\n")
        # A bound, for what never ends its line.
        self._begun = begun[-_MAX_BEGUN:]
        for line in lines:
            self._write_line(line)
        return len(text)

    @override
    def flush(self) -> None:
        """Lines are written as they end; there is nothing that could be waited for."""

    @override
    def isatty(self) -> bool:
        return self._stream.isatty()

    @override
    def fileno(self) -> int:
        return self._stream.fileno()


_MAX_BEGUN = 64 * 1024
