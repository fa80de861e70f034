"""The command line: one module a command, imported only when that command runs."""

import sys
from importlib import import_module

import click

# Name: module and what `--help` says of it. Importing all commands to ask them would cost more than half a second.
_COMMANDS = {
    "check": ("orgfence.cli.check", "Check policies: faults, examples, and what is odd about them."),
    "demo": ("orgfence.cli.demo", "Watch a real proxy allow, block and annotate, on this machine alone."),
    "run": ("orgfence.cli.run", "Run the guarding proxy."),
    "schema": ("orgfence.cli.schema", "Print the JSON Schema of a policy file, for editors."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        try:
            command = import_module(_COMMANDS[cmd_name][0]).command
        except (ImportError, AttributeError) as error:
            if not _is_about_mitmproxy(error):
                raise
            # The first that a mitmproxy shows of being another one, before any check of ours can run.
            click.echo(f"orgfence: this mitmproxy is not as orgfence needs it: {error}. {_OTHER_MITMPROXY}", err=True)
            sys.exit(2)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


_OTHER_MITMPROXY = "Install the version that orgfence asks for, as by `pip install --force-reinstall orgfence`"


def _is_about_mitmproxy(error: ImportError | AttributeError) -> bool:
    """Return whether a module of mitmproxy, or of what it brings, has not got what one of ours wants of it."""
    of = error.name if isinstance(error, ImportError) else getattr(error.obj, "__module__", None) or _name_of(error.obj)
    return (of or "").partition(".")[0] in ("mitmproxy", "h11", "h2", "hyperframe")


def _name_of(module: object) -> str | None:
    return getattr(module, "__name__", None)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="orgfence", message="%(prog)s %(version)s")
def main() -> None:
    """Stop API calls that carry a token of the wrong org, before they become a puzzling 403."""
