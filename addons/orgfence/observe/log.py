"""Where log lines go and what they look like: JSON for machines, columns for a person at a terminal.

A proxy must not stand still or fall over because nobody reads its log. So a line that cannot be written (the
pipe is closed, the disk full) or cannot wait any more (the reader sleeps) is counted and forgotten.
"""

import errno
import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from traceback import walk_tb
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orgfence.observe.line_writer import LineWriter
from orgfence.observe.redaction import printable, redact_jwts, redact_strictly

# Enough for a reader that merely has to be scheduled. For one that does not read, the process ends no later.
_FLUSH_SECONDS = 1.0


class LogOutput:
    """The stream that lines are written to, whatever becomes of it."""

    def __init__(self, stream: TextIO | None, *, console: bool) -> None:
        """Take an open stream, or None where the process was started without one."""
        #: Whether lines are made for a person at a terminal.
        self.console = console
        self._stream = stream
        self._writer = LineWriter(stream) if stream is not None and _has_descriptor(stream) else None
        self._lines_lost = 0
        self._foreign = ForeignHandler()

    @property
    def lines_lost(self) -> int:
        """How many lines were dropped, or could not be written."""
        return self._lines_lost + (0 if self._writer is None else self._writer.lines_lost)

    def write(self, line: str) -> None:
        """Write one line, without its end. What has a file descriptor is written to in a thread: it may block."""
        if self._writer is not None:
            self._writer.write(line + "\n")
            return
        try:
            if self._stream is None:
                raise BrokenPipeError
            self._stream.write(line + "\n")
            self._stream.flush()
        # A closed stream raises ValueError; everything else that may befall one is an OSError.
        except (OSError, ValueError):
            self._lines_lost += 1

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Wait until all lines are written or lost, at most so long."""
        if self._writer is not None:
            self._writer.flush(seconds)

    def capture_foreign(self) -> None:
        """Also write what the standard library's loggers have to say, mitmproxy's among them."""
        logging.getLogger().addHandler(self._foreign)

    def close(self) -> None:
        """Stop writing what others log, and wait a moment for the last lines."""
        logging.getLogger().removeHandler(self._foreign)
        self.flush()


def configure_logging(stream: TextIO | None, *, console: bool, capture_foreign: bool = True) -> LogOutput:
    """Have structlog, and mitmproxy with the rest of the standard library's loggers, write to this stream."""
    output = LogOutput(stream, console=console)
    structlog.configure(
        processors=_processors(console=console),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Logger(output),
        cache_logger_on_first_use=False,
    )
    if capture_foreign:
        output.capture_foreign()
    return output


def _processors(*, console: bool) -> Iterable[Processor]:
    common: list[Processor] = [structlog.processors.add_log_level, _exception_without_words]
    if not console:
        return [
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            *common,
            _safe,
            structlog.processors.JSONRenderer(),
        ]
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False, key="ts"),
        *common,
        _safe,
        _joined,
        # https://no-color.org
        structlog.dev.ConsoleRenderer(
            colors=not os.environ.get("NO_COLOR"), sort_keys=False, pad_event_to=0, timestamp_key="ts"
        ),
    ]


def _exception_without_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell an exception by its type and where it came from; its message may quote what a client sent."""
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    elif raised is True:
        raised = sys.exception()
    if isinstance(raised, BaseException):
        event["error"] = type(raised).__qualname__
        event["traceback"] = list(_frames(raised.__traceback__))[-_MAX_FRAMES:]
    return event


# The innermost say most; recursion can make a thousand.
_MAX_FRAMES = 20


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    for frame, line in walk_tb(traceback):
        yield f"{frame.f_code.co_filename}:{line}:{frame.f_code.co_name}"


def _safe(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Order the fields, and make sure of each that it stays within its line."""
    first = {"ts": event.pop("ts"), "level": event.pop("level"), "event": event.pop("event")}
    return {name: _safe_value(value) for name, value in {**first, **event}.items()}


def _safe_value(value: object) -> object:
    if isinstance(value, str):
        return printable(redact_jwts(value))
    if isinstance(value, tuple | list):
        return [_safe_value(item) for item in value]
    return value


def _joined(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Show lists as a person would write them."""
    return {name: ", ".join(value) if isinstance(value, list) else value for name, value in event.items()}


class _Logger:
    """What structlog hands finished lines to."""

    def __init__(self, output: LogOutput) -> None:
        self.info = self.warning = self.error = self.critical = output.write


class ForeignHandler(logging.Handler):
    """Writes what other libraries log as warnings or worse.

    Below that mitmproxy reports requests, which nobody asked it to put into a log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Listen from WARNING on."""
        super().__init__(logging.WARNING)
        self._clock = clock
        # When the like was written, and how many were not since.
        self._written: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, or count it where its like was written a moment ago."""
        message = _message_of(record)
        suppressed = self._suppressed(record, message)
        if suppressed is None:
            return
        fields: dict[str, object] = {"logger": record.name, "message": redact_strictly(message)}
        if suppressed:
            fields["suppressed"] = suppressed
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            fields["advice"] = _RAISE_LIMIT
        # mitmproxy adds the address of the client that a connection's messages are about.
        if isinstance(client := getattr(record, "client", None), tuple) and client:
            fields["client"] = str(client[0])
        # mitmproxy logs to the root logger, too.
        event = "mitmproxy" if record.name == "root" or record.name.startswith("mitmproxy") else "library"
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        structlog.get_logger().log(level, event, exc_info=record.exc_info, **fields)

    def _suppressed(self, record: logging.LogRecord, message: str) -> int | None:
        """Return how many of its like were not written since the last one was; None: nor is this one."""
        error = record.exc_info[0] if record.exc_info else None
        # Numbers are ports, sizes and the like; what is quoted comes from outside.
        likeness = record.name, record.levelname, _VARIABLE.sub("", message)[:_MAX_LIKENESS], str(error)
        now = self._clock()
        written = self._written.get(likeness)
        if written is not None and now < written[0] + _REPEAT_SECONDS:
            written[1] += 1
            return None
        self._written.pop(likeness, None)
        self._written[likeness] = [now, 0]
        if len(self._written) > _MAX_LIKENESSES:
            self._written.popitem(last=False)
        return int(written[1]) if written else 0


_VARIABLE = re.compile(r"""\d+|'[^']*'|"[^"]*\"""")
_REPEAT_SECONDS = 60.0
_MAX_LIKENESS = 200
_MAX_LIKENESSES = 256
_RAISE_LIMIT = "Out of file descriptors. Raise the limit: `ulimit -n`, `LimitNOFILE=` in a unit."


def _message_of(record: logging.LogRecord) -> str:
    """Return a record's message, without the words of the exception that goes with it."""
    try:
        message = record.getMessage()
    except Exception as fault:  # noqa: BLE001 - the arguments' own `__str__` may raise whatever it likes
        return f"unreadable message: {type(fault).__qualname__}"
    if record.exc_info and (error := record.exc_info[1]):
        with suppress(Exception):
            if words := str(error):
                message = message.replace(words, type(error).__qualname__)
    return message.partition("Traceback (most recent call last)")[0]


def _has_descriptor(stream: TextIO) -> bool:
    try:
        stream.fileno()
    except (OSError, ValueError):
        return False
    return True
