"""Counts bytes that wait in this process, and says which still fit."""

from collections.abc import Callable


class Budget:
    """How many bytes of one kind the process holds, for all its clients together."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """Hold as many bytes as `limit` gives."""
        self._limit = limit
        #: How many are held.
        self.bytes = 0

    def take(self, size: int) -> bool:
        """Count so many more, if they fit."""
        if self.bytes + size > self._limit():
            return False
        self.bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Count so many less: they are gone, or on their way."""
        self.bytes -= size
