"""What signals do to the running proxy."""

import asyncio
import os
import signal
from collections.abc import Callable

import structlog


def on_signals(*, end: Callable[[], None], stop: Callable[[], None]) -> None:
    """Have SIGTERM `end` the proxy in order, and Ctrl-C `stop` it at once, as does a second SIGTERM in `end`."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, stop)
    # `nohup` has it ignored, and so it stays.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, end if _has_terminal() else _say_that_it_goes_on)
    # A client or a log reader that is gone shows as an error where it is written to.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _has_terminal() -> bool:
    """Return whether the process belongs to a terminal, which sends SIGHUP when it closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _say_that_it_goes_on() -> None:
    # Without a terminal SIGHUP is how daemons are told to read their configuration again.
    structlog.get_logger().info(
        "hangup_ignored", advice="Changes of the policy are noticed without it. Use SIGTERM to stop."
    )
