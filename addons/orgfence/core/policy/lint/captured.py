"""Where a rule's templates hold what it reads: two templates name an org alike if they capture it at the same place."""

from collections.abc import Iterable

from orgfence.core.routing.templates import HostTemplate, PathTemplate, Segment
from orgfence.core.rule import OrgSource, PlaceKind

#: A segment from the left or a label from the right, how much fixed text stands before and behind, and what separates
#: the orgs in it.
type Spot = tuple[int, int, int, bytes]


def spots(template: HostTemplate | PathTemplate, sources: Iterable[OrgSource]) -> list[Spot | None]:
    """Return where each of the sources that read this kind of template stands in it; None: nowhere."""
    if isinstance(template, PathTemplate):
        return [_spot(template.segments, 0, source) for source in sources if source.kind is PlaceKind.PATH]
    first = -len(template.labels)
    return [_spot(template.labels, first, source) for source in sources if source.kind is PlaceKind.HOST]


def _spot(segments: tuple[Segment, ...], first: int, source: OrgSource) -> Spot | None:
    for index, segment in enumerate(segments, first):
        if segment.name == source.name:
            return index, len(segment.prefix), len(segment.suffix), source.split
    return None
