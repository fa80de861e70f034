"""Counts the bytes of bodies that wait in this process, and says which still fit.

A body that a rule reads, an answer that is read, and a small body that is passed on whole all wait in memory until they
are complete. Each has a limit of its own, but a client may begin any number of them and end none.
"""

import ctypes
from collections.abc import Callable
from contextlib import suppress

from orgfence.proxy.budget import Budget

#: After this much was held, the C library is asked to return memory to the system; it keeps freed blocks else.
_WORTH_RETURNING = 8 * 1024 * 1024


class HeldBodies(Budget):
    """The budget of one process."""

    def __init__(self, limit: Callable[[], int], *, keeps: bool = False) -> None:
        """Hold as many bytes as `limit` gives. `keeps`: a view shows bodies after their requests have ended."""
        super().__init__(limit)
        self.keeps = keeps
        self._peak = 0

    def take(self, size: int) -> bool:
        """Count so many more, if they fit."""
        fits = super().take(size)
        self._peak = max(self._peak, self.bytes)
        return fits

    def give_back(self, size: int) -> None:
        """Count so many less: they are gone, or on their way."""
        super().give_back(size)
        if not self.bytes:
            if self._peak > _WORTH_RETURNING:
                _return_memory()
            self._peak = 0


def _return_memory() -> None:
    # Not every C library has it.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
