"""Writes lines to a terminal, pipe, socket or file in a thread of its own, which alone waits where a write blocks.

Nothing else keeps a write from blocking. `poll` promises one byte on a terminal, and nothing of a disk that hangs; and
`O_NONBLOCK` belongs to the open file, which the shell that started us and other programs share.
"""

import os
import select
import threading
import time
from collections import deque
from typing import TextIO

#: What waits to be written: some two thousand lines. Further lines are dropped until there is space again.
MAX_WAITING_BYTES = 1024 * 1024
# How long to wait before a stream that takes nothing for now, and does not block, is tried again.
_PAUSE_SECONDS = 0.05


class LineWriter:
    """A stream with a file descriptor, a queue of lines, and the thread that writes them in their order."""

    def __init__(self, stream: TextIO) -> None:
        """Take an open stream. The thread is started by the first line."""
        self._stream = stream
        # Guards all that follows.
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lines_lost = 0
        self._writing = False
        self._thread: threading.Thread | None = None
        # Whether the last line was written in part only: the next one begins on a line of its own. The thread's alone.
        self._torn = False

    @property
    def lines_lost(self) -> int:
        """How many lines were dropped, or could not be written."""
        return self._lines_lost

    def write(self, line: str) -> None:
        """Queue one line with its end; drop and count it where too much waits already. Never waits, never raises."""
        data = line.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._waiting_bytes + len(data) > MAX_WAITING_BYTES:
                self._lines_lost += 1
                return
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            if self._thread is None and not self._start():
                return
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all lines are written or lost, at most so long, and return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, seconds)

    def _start(self) -> bool:
        # The end of the process does not wait for it: it may be blocked for ever.
        thread = threading.Thread(target=self._run, name="orgfence-lines", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # There can be no more threads, for now or because the interpreter ends.
            self._lines_lost += len(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                # All at once: between two writes the thread has to wait for the interpreter's lock.
                lines = [*self._waiting]
                self._waiting.clear()
                self._writing = True
            lost = self._write(lines)
            with self._changed:
                self._lines_lost += lost
                # They counted as waiting meanwhile, so that the bound holds for them too.
                self._waiting_bytes -= sum(map(len, lines))
                self._writing = False
                self._changed.notify_all()

    def _write(self, lines: list[bytes]) -> int:
        """Write these, however long that takes, and return how many were lost."""
        rest = memoryview(b"\n" * self._torn + b"".join(lines))
        try:
            while rest:
                try:
                    # Asked for each time: the number of a closed stream may by now belong to some client's connection.
                    rest = rest[os.write(self._stream.fileno(), rest) :]
                except BlockingIOError:
                    self._await_space()
        # A closed stream raises ValueError; everything else that may befall one is an OSError.
        except (OSError, ValueError):
            return self._lost(lines, len(rest))
        self._torn = False
        return 0

    def _await_space(self) -> None:
        """Wait where somebody else has made the file non-blocking."""
        poll = select.poll()
        poll.register(self._stream.fileno(), select.POLLOUT)
        poll.poll(_PAUSE_SECONDS * 1000)
        # A terminal that is not read, and takes one byte only, is always ready.
        time.sleep(_PAUSE_SECONDS)

    def _lost(self, lines: list[bytes], unwritten: int) -> int:
        """Return how many of the lines are lost if so many bytes, of which the last are theirs, were not written."""
        lost = 0
        for line in reversed(lines):
            if unwritten <= 0:
                break
            lost += 1
            unwritten -= len(line)
        # Less than nothing: of the first lost line some bytes were written. One more: nor was the end of the torn line.
        if unwritten < 0:
            self._torn = True
        elif unwritten == 0:
            self._torn = False
        return lost
