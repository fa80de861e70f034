"""What was made of an inspection that somebody is shown."""

from typing import NamedTuple

from orgfence.core.catalogue import Explanation


class Shown(NamedTuple):
    """Made only for what is not `allow`: an id costs more than a whole check."""

    #: Unique to the request; in the answer, the annotation and the log.
    id: str
    explanation: Explanation
    #: The value of the `Orgfence` header.
    header: bytes
