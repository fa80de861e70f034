"""The servers, started once for all tests that ask them."""

from collections.abc import Iterator

import pytest
from tests.servers.running import Running

_RUNNING = pytest.StashKey[Running]()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Running]:
    """Return the servers that run here."""
    running = Running.start()
    pytestconfig.stash[_RUNNING] = running
    yield running
    running.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which servers were asked."""
    running = config.stash.get(_RUNNING, None)
    if running is not None:
        terminalreporter.write_line(f"servers that were asked: {running}")
