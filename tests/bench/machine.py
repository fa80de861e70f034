"""On what, with what and when something was measured: a figure without these says nothing."""

import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def described() -> str:
    """Return lines that name the date, the machine and the versions."""
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, orgfence {_commit()}",
            f"{_processor()}, {os.cpu_count()} cores, {_memory()} GiB RAM, {platform.system()} {platform.release()}",
            ", ".join(_versions()),
        ]
    )


def program(name: str) -> str | None:
    """Return the path of a program: of this environment, or of the system; None where there is none."""
    ours = Path(sys.executable).with_name(name)
    return str(ours) if ours.exists() else shutil.which(name)


def _commit() -> str:
    described = _said(["git", "-C", str(_ROOT), "log", "-1", "--format=%h"])
    if not described:
        return metadata.version("orgfence")
    changed = _said(["git", "-C", str(_ROOT), "status", "--porcelain", "--untracked-files=no", "--", "addons"])
    return f"{described} with changes" if changed else described


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _versions() -> list[str]:
    versions = [f"Python {platform.python_version()}", f"mitmproxy {metadata.version('mitmproxy')}"]
    for name, argument in (("envoy", "--version"), ("haproxy", "-v"), ("h2load", "--version")):
        command = program(name)
        found = re.search(r"\d+\.\d+(\.\d+)?", _said([command, argument])) if command else None
        versions.append(f"{name} {found[0] if found else 'not here'}")
    return versions


def _said(command: list[str]) -> str:
    """Return what a command prints; nothing if it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
