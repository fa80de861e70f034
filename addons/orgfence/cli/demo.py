"""`orgfence demo`: what orgfence does, seen within seconds and without a file of one's own."""

import asyncio
import signal
import sys

import click
import httpx
from rich.console import Console

from orgfence.demo import DemoError
from orgfence.demo.afterwards import show_keep_hint, show_next_steps, show_playground
from orgfence.demo.page import Page
from orgfence.demo.stage import Stage, set_up
from orgfence.demo.story import tell


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave it running to play with, until Ctrl-C.")
def command(keep: bool) -> None:
    """Watch a real proxy allow, block, annotate and explain, on this machine alone."""
    sys.exit(asyncio.run(_run(keep=keep)))


async def _run(*, keep: bool) -> int:
    ending = _Ending()
    try:
        async with set_up() as stage:
            await _perform(stage, Page(Console()), ending, keep=keep)
    except asyncio.CancelledError:
        return ending.exit_code
    except (DemoError, OSError) as error:
        click.echo(f"orgfence demo: {error}", err=True)
        return 1
    return 0


async def _perform(stage: Stage, page: Page, ending: "_Ending", *, keep: bool) -> None:
    try:
        tokens = await tell(stage, page)
        show_next_steps(page)
        if not keep:
            show_keep_hint(page)
            return
        show_playground(stage, page, tokens)
    except (DemoError, httpx.HTTPError) as error:
        what = str(error) or type(error).__name__
        raise DemoError(f"something else happened than was to be seen: {what}. {stage.proxy.written}") from None
    ending.is_success = True
    for line in stage.proxy.lines:
        page.log_line(line)
    stage.proxy.on_line = page.log_line
    await stage.proxy.ended.wait()
    raise DemoError(f"the proxy has ended by itself. {stage.proxy.written}")


class _Ending:
    """Turns the first signal that ends the demo into a cancellation, so that everything is put away in order."""

    def __init__(self) -> None:
        self.is_success = False
        self._signal: signal.Signals | None = None
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has the last one ignored.
            if signal.getsignal(number) is not signal.SIG_IGN or number is not signal.SIGHUP:
                loop.add_signal_handler(number, self._begin, number)

    @property
    def exit_code(self) -> int:
        """What a shell makes of the signal; 0 where it was the expected end."""
        return 0 if self.is_success or self._signal is None else 128 + self._signal

    def _begin(self, number: signal.Signals) -> None:
        # A second Ctrl-C must not cut the putting away short; that takes a moment and has a deadline of its own.
        if self._signal is None and self._task is not None:
            self._signal = number
            self._task.cancel()
