"""Log lines about connections, which clients that try again and again would else fill the log with."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from orgfence.core.showing.redactor import NO_REQUEST

# As many kinds as there are of inspections.
_MAX_KINDS = 4096


@dataclass(slots=True)
class _Written:
    at: float
    suppressed: int = 0


class Notices:
    """Writes the same event about the same client and host, with the same advice, at most once in a while."""

    def __init__(self, repeat: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        """Write the same again only after so many seconds, which may change at any time."""
        self._repeat = repeat
        self._clock = clock
        self._written: OrderedDict[tuple[str, str, str, str], _Written] = OrderedDict()

    def write(
        self, event: str, *, client: str, host: str = "", level: Literal["info", "warning"] = "warning", advice: str
    ) -> None:
        """Write a line, or count it where its like was written a moment ago."""
        now = self._clock()
        # A host is whatever the client named, so it is cut.
        kind = event, client, host[:255], advice
        written = self._written.get(kind)
        if written is not None and now < written.at + self._repeat():
            written.suppressed += 1
            return
        self._written.pop(kind, None)
        if len(self._written) >= _MAX_KINDS:
            self._written.popitem(last=False)
        self._written[kind] = _Written(now)

        # The name is whatever a client wrote into its handshake.
        fields = {"client": client, "host": NO_REQUEST.host(kind[2])}
        if written is not None and written.suppressed:
            fields["suppressed"] = str(written.suppressed)
        getattr(structlog.get_logger(), level)(event, **fields, advice=advice)
