"""The servers, started once for all tests of a process that ask them."""

from collections.abc import Iterator

import pytest
from tests.servers.asked import note
from tests.servers.running import Running


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Running]:
    """Return the servers that run here."""
    running = Running.start()
    note(pytestconfig, str(running))
    yield running
    running.close()
