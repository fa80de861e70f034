"""`orgfence run`: the guarding proxy, in the foreground."""

import asyncio
import gc
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from orgfence.addresses import Address
from orgfence.cli.announce import Announcement, announce
from orgfence.cli.host_port import HOST_PORT
from orgfence.core.policy.faults import PolicyError
from orgfence.errors import StartError
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.log import LogOutput, configure_logging
from orgfence.observe.metrics import Metrics
from orgfence.policy_source.files import LoadedPolicy, open_policy
from orgfence.policy_source.in_force import PolicyInForce
from orgfence.proxy.lifetime.draining import DRAIN_SECONDS
from orgfence.proxy.listening import Listening
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.serve import serve
from orgfence.proxy.settings import Settings
from orgfence.standard_streams import hold_standard_streams, printing_by


@click.command("run")
@click.option(
    "--policy", type=click.Path(path_type=Path), help="A file, or a folder of them; without it the starter observes."
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    metavar="MODE",
    help="mitmproxy's modes: regular (default), reverse:URL, …",
)
@click.option("--listen", type=HOST_PORT, default="127.0.0.1:8080", show_default=True, help="Port 0 picks a free one.")
@click.option("--admin", type=HOST_PORT, default="127.0.0.1:9464", show_default=True, help="Metrics and health.")
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    default=DRAIN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long SIGTERM waits for what is in flight.",
)
@click.option("--observe", is_flag=True, help="Enforce nothing, whatever the policy says: the break-glass.")
@click.option("--web", is_flag=True, help="With mitmweb's page, which keeps every flow in memory.")
@click.option("--set", "options", multiple=True, metavar="OPTION=VALUE", help="One of mitmproxy's options.")
def command(
    policy: Path | None,
    modes: tuple[str, ...],
    listen: Address,
    admin: Address,
    drain: float,
    observe: bool,
    web: bool,
    options: tuple[str, ...],
) -> None:
    """Run the guarding proxy until Ctrl-C or SIGTERM."""
    hold_standard_streams()
    settings = Settings(modes or ("regular",), listen, admin, options, web)
    try:
        asyncio.run(_run(settings, open_policy(policy, observe=observe), drain))
    except PolicyError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except StartError as error:
        click.echo(f"orgfence: {error}", err=True)
        sys.exit(error.exit_code)
    _end()


def _end() -> NoReturn:
    """End the process without taking the interpreter apart.

    Threads of mitmproxy's Rust part, which serve UDP, go on meanwhile, and now and then one of them would crash in what
    is no longer there: the exit code of an end in good order would be that of a segmentation fault.
    """
    os._exit(0)


async def _run(settings: Settings, loaded: LoadedPolicy, drain: float) -> None:
    console = sys.stderr.isatty()
    # What mitmproxy logs while it starts is said again, in one line, by the error that keeps us from starting.
    output = configure_logging(sys.stderr, console=console, capture_foreign=False)
    printed = LogOutput(sys.stdout, console=console)
    # Loggers to which nobody listens would write to stderr by themselves.
    logging.getLogger().addHandler(logging.NullHandler())
    metrics = Metrics()
    metrics.log_lines_lost = lambda: output.lines_lost + printed.lines_lost
    log = InspectionLog(console=console)
    policy = PolicyInForce(loaded, metrics, log, console=console)

    def is_up(listening: Listening) -> None:
        output.capture_foreign()
        # What is there now stays. To walk over it in each full collection would stop all requests meanwhile: for a
        # fifth of a second, with ten thousand rules.
        gc.freeze()
        announce(Announcement(loaded, listening))

    try:
        with printing_by(printed.write, output.write):
            await serve(settings, policy, metrics, Reporter(metrics, log), is_up, drain=drain)
    finally:
        log.close()
        output.close()
        printed.close()
