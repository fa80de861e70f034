"""Settings that all tests share."""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.asked"]

# No deadline: a busy machine is no failure. What a policy and its requests are made of is much, and most of it counts.
_DEFAULT = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _DEFAULT)
# A push is to be judged by what it changes and not by the luck of a seed, so CI tries the same examples every time;
# those who run the tests at their desks, and `deep`, try others each time.
settings.register_profile("ci", _DEFAULT, derandomize=True, print_blob=True)
settings.register_profile("deep", _DEFAULT, max_examples=20 * _DEFAULT.max_examples)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "default"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what a test wrote and UTF-8 cannot say, since reports go from process to process."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
