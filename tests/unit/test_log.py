"""Where log lines go, what becomes of those that cannot be written, and what others have to say."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import pytest
import structlog

from orgfence.observe.log import ForeignHandler, LogOutput, configure_logging

Configure = Callable[..., LogOutput]
DEADLINE = 20.0
SECRET = "Zm9vYmFyc2VjcmV0"


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configure logging as often as a test likes, and leave nothing of it."""
    outputs = []

    def configure(stream: TextIO | None, *, console: bool = False, capture_foreign: bool = True) -> LogOutput:
        outputs.append(configure_logging(stream, console=console, capture_foreign=capture_foreign))
        return outputs[-1]

    yield configure
    for output in outputs:
        output.close()
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written, a JSON object a line."""
    text = stream.getvalue()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


HOSTILE = ["a\nb", "\r", "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "\u202egnp.exe", "\u2028", "\ud800\udc80\udcff", "\0"]


def test_an_event_is_one_json_line(configure: Configure) -> None:
    """Time in UTC, level, the event's constant name, then its fields."""
    stream = io.StringIO()
    configure(stream)
    structlog.get_logger().warning("inspection", rule="a", orgs=("x", "y"), count=2)
    (line,) = lines(stream)
    assert list(line) == ["ts", "level", "event", "rule", "orgs", "count"]
    assert line["ts"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["ts"])).total_seconds()) < 60
    del line["ts"]
    assert line == {"level": "warning", "event": "inspection", "rule": "a", "orgs": ["x", "y"], "count": 2}


def test_an_event_is_a_readable_line_on_a_terminal(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns with colours, without them where NO_COLOR asks for that."""
    coloured, plain = io.StringIO(), io.StringIO()
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure(coloured, console=True)
    structlog.get_logger().info("inspection", rule="a")
    monkeypatch.setenv("NO_COLOR", "1")
    configure(plain, console=True)
    structlog.get_logger().info("inspection", rule="a", orgs=("x", "y"), empty=())
    assert "\x1b[" in coloured.getvalue()
    assert plain.getvalue().endswith("inspection rule=a orgs='x, y' empty=\n")


@pytest.mark.parametrize("console", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_leaves_its_line(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, text: str, *, console: bool
) -> None:
    """Neither log injection nor terminal escape sequences, whatever stands in a request."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    configure(stream, console=console)
    structlog.get_logger().info("inspection", host=text, orgs=[text])
    logging.getLogger("mitmproxy.x").warning("%s", text)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert written.replace("\n", "").isprintable()


def test_a_jwt_is_replaced_in_every_event(configure: Configure) -> None:
    """A last line of defence for events that are not inspections."""
    stream = io.StringIO()
    configure(stream)
    structlog.get_logger().info("x", a="eyJhbGciOiJSUzI1NiJ9.e30.abc", b=["eyJhbGciOiJSUzI1NiJ9.e30.abc"])
    (line,) = lines(stream)
    assert (line["a"], line["b"]) == ("[redacted]", ["[redacted]"])


def fail() -> None:
    raise KeyError(SECRET)


@pytest.mark.parametrize("how", ["tuple", "error", "true"])
def test_an_exception_is_told_without_its_words(configure: Configure, how: str) -> None:
    """Its type and where it came from; its message may quote a request."""
    stream = io.StringIO()
    configure(stream)
    try:
        fail()
    except KeyError as error:
        exc_info = {"tuple": sys.exc_info(), "error": error, "true": True}[how]
        structlog.get_logger().error("internal_error", exc_info=exc_info)
    assert SECRET not in stream.getvalue()
    (line,) = lines(stream)
    assert line["error"] == "KeyError"
    assert [frame.rsplit(":", 1)[1] for frame in line["traceback"]] == [
        "test_an_exception_is_told_without_its_words",
        "fail",
    ]


def test_a_deep_traceback_keeps_its_innermost_frames(configure: Configure) -> None:
    """A recursion does not fill the log."""

    def recurse(depth: int) -> None:
        if depth == 0:
            fail()
        recurse(depth - 1)

    stream = io.StringIO()
    configure(stream)
    try:
        recurse(100)
    except KeyError as error:
        structlog.get_logger().error("internal_error", exc_info=error)
    (line,) = lines(stream)
    assert len(line["traceback"]) == 20
    assert line["traceback"][-1].endswith(":fail")


def test_no_exception_is_no_field(configure: Configure) -> None:
    """`exc_info` without an exception leaves nothing behind."""
    stream = io.StringIO()
    configure(stream)
    structlog.get_logger().info("x", exc_info=True)
    structlog.get_logger().info("x", exc_info=None)
    assert all(list(line) == ["ts", "level", "event"] for line in lines(stream))


def test_warnings_of_mitmproxy_have_the_same_form(configure: Configure) -> None:
    """WARNING and worse come out with logger, client and message; requests that it reports as INFO do not."""
    stream = io.StringIO()
    configure(stream)
    mitmproxy, root, other = (logging.getLogger(name) for name in ("mitmproxy.proxy.server", None, "tornado.x"))
    mitmproxy.setLevel(logging.DEBUG)
    mitmproxy.debug("GET /secret")
    mitmproxy.info("GET /secret")
    mitmproxy.log(logging.INFO + 1, "GET /secret")
    mitmproxy.warning("cannot %s", "verify", extra={"client": ("10.0.0.1", 1234)})
    root.error("x")
    other.log(35, "x")
    other.log(99, "x")
    keys = ("level", "event", "logger", "message", "client")
    assert [tuple(line.get(key) for key in keys) for line in lines(stream)] == [
        ("warning", "mitmproxy", "mitmproxy.proxy.server", "cannot verify", "10.0.0.1"),
        ("error", "mitmproxy", "root", "x", None),
        ("warning", "library", "tornado.x", "x", None),
        ("critical", "library", "tornado.x", "x", None),
    ]


def test_messages_of_others_are_redacted(configure: Configure) -> None:
    """Also what their exceptions say, and tracebacks that they put into the text."""
    stream = io.StringIO()
    configure(stream)
    logger = logging.getLogger("mitmproxy.addonmanager")
    logger.warning("bad head:\r\nAuthorization: Bearer %s\r\n", SECRET)
    logger.warning(f"unexpected {'A1' * 30}")
    logger.error(f"crashed\nTraceback (most recent call last):\n  File x\n    send({SECRET!r})\nValueError: {SECRET}")
    error = KeyError(SECRET)
    # As mitmproxy's addon manager puts it.
    logger.error(f"Addon error: {error}", exc_info=(type(error), error, error.__traceback__))
    assert SECRET not in stream.getvalue()
    assert "A1A1" not in stream.getvalue()
    *_, crashed, line = lines(stream)
    assert crashed["message"] == "crashed\\n"
    assert (line["message"], line["error"]) == ("Addon error: KeyError", "KeyError")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __str__


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


def test_records_that_cannot_be_formatted_raise_nothing(
    configure: Configure, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither into the caller nor, with all that they hold, onto stderr."""
    stream = io.StringIO()
    configure(stream)
    # Straight to the handler: pytest has handlers of its own at the loggers, which raise.
    records: list[dict[str, object]] = [
        {"msg": "%s", "args": (Unprintable(),)},
        {"msg": "%d %d", "args": (SECRET,)},
        {"msg": "failed", "exc_info": (UnprintableError, UnprintableError(), None)},
        {"msg": "no exception at hand", "exc_info": (None, None, None)},
        {"msg": "odd client", "client": ()},
    ]
    for record in records:
        ForeignHandler().handle(logging.makeLogRecord({"name": "mitmproxy.x", "levelno": 30, **record}))
    assert [line["message"] for line in lines(stream)] == [
        "unreadable message: RuntimeError",
        "unreadable message: TypeError",
        "failed",
        "no exception at hand",
        "odd client",
    ]
    assert capfd.readouterr() == ("", "")


def test_close_and_the_choice_not_to_capture_leave_the_root_logger_alone(configure: Configure) -> None:
    """Inside of stock mitmdump its own log handlers do that."""
    before = list(logging.getLogger().handlers)
    configure(io.StringIO(), capture_foreign=False)
    assert logging.getLogger().handlers == before
    output = configure(io.StringIO())
    assert logging.getLogger().handlers != before
    output.close()
    assert logging.getLogger().handlers == before


def test_a_closed_pipe_is_counted_and_nothing_more() -> None:
    """A real process, whose reader leaves: it goes on, and knows how many lines were lost."""
    program = """
import sys, structlog
from orgfence.observe.log import configure_logging
output = configure_logging(sys.stderr, console=False)
structlog.get_logger().info("first")
sys.stdin.readline()
structlog.get_logger().info("second")
structlog.get_logger().info("third")
output.flush(60)
print(output.lines_lost)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stderr.readline())["event"] == "first"
        process.stderr.close()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "2\n"
        process.stdin.close()
    assert process.returncode == 0


def lost_of(output: LogOutput) -> int:
    """How many lines were lost, once none waits."""
    output.flush(DEADLINE)
    return output.lines_lost


def test_a_full_disk_a_closed_stream_and_none_at_all_are_counted(configure: Configure) -> None:
    """ENOSPC, EBADF, ValueError from Python's own stream, and a process that was started without stderr."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, as a shell would open it
        output = configure(full)
        structlog.get_logger().info("x")
        assert lost_of(output) == 1

    closed = configure(full)
    structlog.get_logger().info("x")
    assert lost_of(closed) == 1

    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    bad = configure(stream)
    os.close(reader)
    os.close(writer)
    structlog.get_logger().info("x")
    assert lost_of(bad) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        stream.close()

    none = configure(None)
    structlog.get_logger().info("x")
    assert lost_of(none) == 1
