"""An upstream for all tests, and the proxy that most of them share."""

from collections.abc import Iterator

import pytest
from tests.proxy.guarding import GuardingProxy
from tests.proxy.harness import Upstream
from tests.proxy.raw_upstream import RawUpstream


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    """Upstream, which counts on through all tests."""
    with Upstream("api.test", "other.test") as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    """Upstream, which has received nothing yet."""
    shared_upstream.requests.clear()
    return shared_upstream


@pytest.fixture(scope="session")
def proxy(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` by the policy that most tests share; it must end well, too."""
    with GuardingProxy(shared_upstream) as process:
        yield process


@pytest.fixture(scope="session")
def raw_upstream() -> Iterator[RawUpstream]:
    """An upstream that keeps every byte."""
    with RawUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def raw_proxy(raw_upstream: RawUpstream) -> Iterator[GuardingProxy]:
    """The same proxy in front of that."""
    with GuardingProxy(raw_upstream) as process:
        yield process
