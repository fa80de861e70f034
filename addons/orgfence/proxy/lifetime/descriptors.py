"""How many files, and so connections, the process may have open."""

import resource
from contextlib import suppress


def raise_limit() -> None:
    """Take as many as the system allows.

    What a shell or a service manager gives is a thousand, for the sake of programs that call `select`, which nothing
    here does. Each request needs two.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # The system may allow less than it says.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
