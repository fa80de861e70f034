"""The issuer and the API of the OAuth tests, which keep nothing of one test that another would meet."""

from collections.abc import Iterator

import pytest
from tests.oauth.stage import Servers, running_servers


@pytest.fixture(scope="session")
def oauth_servers() -> Iterator[Servers]:
    """Both, running."""
    with running_servers() as servers:
        yield servers
