"""A plugin of pytest: the last lines of a run name the servers that were asked, in whichever process that was."""

from typing import Any

import pytest

_ASKED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no server."""
    config.stash[_ASKED] = set()


def note(config: pytest.Config, servers: str) -> None:
    """Keep the names of servers for the end; a process of pytest-xdist sends them to the one that prints."""
    config.stash[_ASKED].add(servers)
    getattr(config, "workeroutput", {})["servers"] = servers


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process has sent; one that crashed has sent nothing."""
    if servers := getattr(node, "workeroutput", {}).get("servers"):
        node.config.stash[_ASKED].add(servers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which servers were asked."""
    asked = config.stash[_ASKED]
    for servers in sorted(asked):
        terminalreporter.write_line(f"servers that were asked: {servers}")
