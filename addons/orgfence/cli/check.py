"""`orgfence check`: whether policies load and do what their examples say, and what is odd about them."""

import os
import sys
import time
from pathlib import Path

import click

from orgfence.checking.as_annotations import as_annotations
from orgfence.checking.as_json import as_json
from orgfence.checking.as_text import as_text
from orgfence.checking.check import check_policies

# Where a policy lies that nobody names.
_DEFAULTS = (Path("policy.yaml"), Path("policy"))


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit 1 for a warning too.")
@click.option("--json", "wants_json", is_flag=True, help="Write one JSON object.")
@click.option("--github", "wants_github", is_flag=True, help="Annotate a pull request; so by itself in GitHub Actions.")
def command(paths: tuple[Path, ...], strict: bool, wants_json: bool, wants_github: bool) -> None:
    """Check policies: each PATH is one, a file or a folder. Without PATH: `policy.yaml`, else the folder `policy`.

    Exits 0 if all is fine; 1 if an example fails or, with `--strict`, there is a warning; 2 if a policy cannot be
    loaded.
    """
    if wants_json and wants_github:
        raise click.UsageError("`--json` and `--github` at once. Use one of them")
    report = check_policies(paths or [_default()], time.time(), strict=strict)
    if wants_json:
        text = as_json(report)
    elif wants_github or os.environ.get("GITHUB_ACTIONS") == "true":
        text = as_annotations(report)
    else:
        text = as_text(report)
    # click takes the colours out where stdout is no terminal; https://no-color.org is for whoever wants none at all.
    click.echo(text, nl=False, color=False if os.environ.get("NO_COLOR") else None)
    sys.exit(report.exit_code)


def _default() -> Path:
    """Return the policy that lies in the current directory."""
    for path in _DEFAULTS:
        if path.exists():
            return path
    raise click.UsageError("no `policy.yaml` and no folder `policy` here. Name the policy: `orgfence check PATH`")
