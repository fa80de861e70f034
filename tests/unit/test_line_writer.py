"""Lines on their way to terminals, pipes, sockets and files that nobody reads, that are full, or that come back."""

import fcntl
import io
import os
import pty
import resource
import socket
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pytest

from orgfence.observe.line_writer import LineWriter
from orgfence.standard_streams import printing_by

DEADLINE = 20.0


class Ends(NamedTuple):
    """A stream to write to, and the descriptor that its reader has."""

    stream: TextIO
    reader: int


def a_terminal() -> Ends:
    reader, writer = pty.openpty()
    attributes: list[Any] = termios.tcgetattr(writer)
    # No echo, and no CR before LF.
    attributes[1] &= ~termios.OPOST
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(writer, termios.TCSANOW, attributes)
    return Ends(os.fdopen(writer, "w"), reader)


def a_pipe() -> Ends:
    reader, writer = os.pipe()
    return Ends(os.fdopen(writer, "w"), reader)


def a_socket() -> Ends:
    reader, writer = socket.socketpair()
    return Ends(os.fdopen(writer.detach(), "w"), reader.detach())


def a_pipe_that_somebody_made_non_blocking() -> Ends:
    ends = a_pipe()
    os.set_blocking(ends.stream.fileno(), False)
    return ends


def a_socket_that_somebody_made_non_blocking() -> Ends:
    ends = a_socket()
    os.set_blocking(ends.stream.fileno(), False)
    return ends


KINDS = [
    a_terminal,
    a_pipe,
    a_socket,
    a_pipe_that_somebody_made_non_blocking,
    a_socket_that_somebody_made_non_blocking,
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Both ends of something that can be written to and read."""
    ends: Ends = request.param()
    yield ends
    # The reader first: a thread that is blocked in a write ends it then.
    os.close(ends.reader)
    ends.stream.close()


def read_until(reader: int, ending: bytes) -> bytes:
    """Read until these bytes have come."""
    read = b""
    while not read.endswith(ending):
        more = os.read(reader, 65536)
        assert more, read[-200:]
        read += more
    return read


# Of such lines some two thousand wait.
LINE = "y" * 500


def test_a_reader_that_sleeps_holds_nobody_up(ends: Ends) -> None:
    """Lines wait up to a bound, further ones are dropped; when it reads again it gets whole lines in their order."""
    writer = LineWriter(ends.stream)
    for number in range(4000):
        writer.write(f"{number} {LINE}\n")
    assert not writer.flush(0)
    lost = writer.lines_lost
    assert lost > 0
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(read_until, ends.reader, b"awake\n")
        assert writer.flush(DEADLINE)
        writer.write("awake\n")
        *lines, last = reading.result(DEADLINE).decode().splitlines()
    assert last == "awake"
    assert writer.lines_lost == lost
    numbers = [int(line.partition(" ")[0]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 4000 - lost
    assert {line.partition(" ")[2] for line in lines} == {LINE}


def test_a_terminal_that_was_stopped_holds_nobody_up() -> None:
    """Ctrl-S: not even the first line gets through, until Ctrl-Q."""
    ends = a_terminal()
    termios.tcflow(ends.stream.fileno(), termios.TCOOFF)
    writer = LineWriter(ends.stream)
    writer.write("one\n")
    assert not writer.flush(0.05)
    writer.write("two\n")
    termios.tcflow(ends.stream.fileno(), termios.TCOON)
    assert read_until(ends.reader, b"two\n") == b"one\ntwo\n"
    assert writer.flush(DEADLINE)
    assert writer.lines_lost == 0
    os.close(ends.reader)
    ends.stream.close()


def test_what_the_file_shares_with_others_is_left_as_it_is(ends: Ends) -> None:
    """`O_NONBLOCK` set by us would break the shell that started us."""
    before = fcntl.fcntl(ends.stream.fileno(), fcntl.F_GETFL)
    writer = LineWriter(ends.stream)
    writer.write("x\n")
    read_until(ends.reader, b"x\n")
    assert fcntl.fcntl(ends.stream.fileno(), fcntl.F_GETFL) == before


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: a disk that is full. Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_come_again_when_a_full_disk_has_space(tmp_path: Path) -> None:
    """Those meanwhile are counted. The one that was written in part does not spoil the next."""
    with (tmp_path / "log").open("w") as stream:
        writer = LineWriter(stream)
        with largest_file(10):
            writer.write("first\n")
            assert writer.flush(DEADLINE)
            for _ in range(2):
                writer.write("lost and torn\n")
                assert writer.flush(DEADLINE)
        assert writer.lines_lost == 2
        writer.write("last\n")
        assert writer.flush(DEADLINE)
    assert (tmp_path / "log").read_text() == "first\nlost\nlast\n"
    assert writer.lines_lost == 2


def test_of_lines_written_together_those_that_were_not_are_counted(tmp_path: Path) -> None:
    """A disk that becomes full between them; and no line is torn there, so none is ended."""
    held = threading.Lock()

    class Held(io.StringIO):
        def fileno(self) -> int:
            with held:
                return file.fileno()

    with (tmp_path / "log").open("w") as file:
        writer = LineWriter(Held())
        with largest_file(6):
            with held:
                # The thread takes the first alone, and the rest together.
                for line in ("a\n", "b\n", "c\n", "d\n", "e\n"):
                    writer.write(line)
            assert writer.flush(DEADLINE)
        writer.write("f\n")
        assert writer.flush(DEADLINE)
    assert (tmp_path / "log").read_text() == "a\nb\nc\nf\n"
    assert writer.lines_lost == 2


def test_without_a_thread_lines_are_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the limit of threads; the next line tries again."""
    ends = a_pipe()
    writer = LineWriter(ends.stream)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        writer.write("one\n")
    assert writer.lines_lost == 1
    writer.write("two\n")
    assert read_until(ends.reader, b"two\n") == b"two\n"
    os.close(ends.reader)
    ends.stream.close()


def _fail_in_a_thread() -> None:
    def fail() -> None:
        raise KeyError("odd")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("say", [_fail_in_a_thread, lambda: sys.stderr.write("odd\n")])
def test_what_python_prints_goes_the_same_way(say: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions in threads, and whoever prints: as whole lines, to what does not block."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    lines: list[str] = []
    before = sys.stdout, sys.stderr
    with printing_by(lambda _: None, lines.append):
        say()
        sys.stderr.flush()
        sys.stderr.write("no end yet")
    assert any("odd" in line for line in lines)
    assert not any("\n" in line or "no end" in line for line in lines)
    assert (sys.stdout, sys.stderr) == before


def test_what_prints_sees_the_stream_that_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is a terminal, and its descriptor."""
    with (tmp_path / "x").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        lines: list[str] = []
        with printing_by(lines.append, lambda _: None):
            sys.stdout.write("a 1\n")
            assert not sys.stdout.isatty()
            assert sys.stdout.fileno() == stream.fileno()
    assert lines == ["a 1"]
