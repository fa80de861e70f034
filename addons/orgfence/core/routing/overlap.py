"""Whether one template matches all that another one does, or anything that another one does.

For warnings about a policy, and for issuers, of which no two may claim one token. All answers are exact, each for
what its templates are held against: the segments of a reading with any bytes in them, the names and ports of hosts,
the values of a token. Each takes one walk along both templates. What captures are called makes no difference.
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from orgfence.core.routing.letter_case import has_case, to_text
from orgfence.core.routing.templates import SEPARATORS, HostTemplate, PathTemplate, Segment, TextTemplate


def path_covers(general: PathTemplate, special: PathTemplate) -> bool:
    """Return whether `general` matches every path that `special` matches.

    Exact: what a path template matches in one segment does not depend on the others, and every template matches some
    path, so one covers another where it takes as many segments and each of its own covers the other's.
    """
    own, others = general.segments, special.segments
    if len(own) > len(others) or (not general.rest and (special.rest or len(own) < len(others))):
        return False
    if general.ignore_case and not special.ignore_case:
        others = _folded(others)
    elif special.ignore_case and not general.ignore_case and any(_regards_case(segment) for segment in own):
        return False
    return all(map(_covers, own, others))


def paths_overlap(a: PathTemplate, b: PathTemplate) -> bool:
    """Return whether some path matches both.

    Exact: any segments that both take make a path together, and a text that matches where case is ignored can be
    written in the case of the other template.
    """
    one, other = a.segments, b.segments
    if (len(one) < len(other) and not a.rest) or (len(other) < len(one) and not b.rest):
        return False
    if a.ignore_case is not b.ignore_case:
        one, other = _folded(one), _folded(other)
    return all(map(_overlap, one, other))


def host_covers(general: HostTemplate, special: HostTemplate) -> bool:
    """Return whether `general` matches every host and port that `special` matches.

    Exact, as with paths: labels are held against each other from the right.
    """
    if general.port not in {None, special.port}:
        return False
    if not (general.labels and special.labels):
        return _is_any(general) or (general.address is not None and general.address == special.address)
    excess = len(special.labels) - len(general.labels)
    if excess < 0 or (excess == 0 and general.wildcard and not special.wildcard):
        return False
    if not general.wildcard and (special.wildcard or excess > 0):
        return False
    return all(map(_covers, reversed(general.labels), reversed(special.labels)))


def hosts_overlap(a: HostTemplate, b: HostTemplate) -> bool:
    """Return whether some host and port matches both.

    Exact, as with paths: labels are held against each other from the right. Where they match a name that is written
    like an address, which has no labels, they match others as well.
    """
    if None not in {a.port, b.port} and a.port != b.port:
        return False
    if not (a.labels and b.labels):
        return _is_any(a) or _is_any(b) or (a.address is not None and a.address == b.address)
    if not (_takes_labels_of(a, b) and _takes_labels_of(b, a)):
        return False
    return all(map(_overlap, reversed(a.labels), reversed(b.labels)))


def texts_overlap(a: TextTemplate, b: TextTemplate) -> bool:
    """Return whether some text matches both; a template without captures matches its own text alone.

    Exact: no capture holds a separator and none stands next to another, so a template is one part with one capture at
    most, a separator, another part, and so on, and two of them are held against each other part by part. What stands
    before a final `**` need only begin what the other one matches from there.
    """
    one, other = _parts(a), _parts(b)
    for left, right in zip(one, other, strict=False):
        if left.separator != right.separator:
            return False
        if left.open:
            return _begins(left.text, right)
        if right.open:
            return _begins(right.text, left)
        if not _overlap(left.text, right.text):
            return False
    return len(one) == len(other)


def _covers(general: Segment, special: Segment) -> bool:
    """Hold two segments against each other whose fixed texts compare byte by byte."""
    if special.literal is not None:
        return general.matches(special.literal)
    # What varies can be anything, so all that the general one wants must stand in what is fixed.
    return (
        general.literal is None
        and special.prefix.startswith(general.prefix)
        and special.suffix.endswith(general.suffix)
    )


def _overlap(a: Segment, b: Segment) -> bool:
    if a.literal is not None:
        return b.matches(a.literal)
    if b.literal is not None:
        return a.matches(b.literal)
    # The longer prefix, anything and the longer suffix match both, where they agree.
    return _agree(bytes.startswith, a.prefix, b.prefix) and _agree(bytes.endswith, a.suffix, b.suffix)


def _agree(begins_or_ends: Callable[[bytes, bytes], bool], one: bytes, other: bytes) -> bool:
    return begins_or_ends(one, other) or begins_or_ends(other, one)


def _folded(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    return tuple(segment.folded() for segment in segments)


def _regards_case(segment: Segment) -> bool:
    """Say whether what it matches written in another case it does not match."""
    return has_case(to_text(segment.literal or segment.prefix + segment.suffix))


def _is_any(host: HostTemplate) -> bool:
    return not host.labels and host.address is None


def _takes_labels_of(host: HostTemplate, other: HostTemplate) -> bool:
    """Say whether it can match a name of at least as many labels as the other one wants."""
    return host.wildcard or len(host.labels) >= len(other.labels) + other.wildcard


class _Part(NamedTuple):
    """What stands between two separators of a text, or before or behind all of them."""

    #: The one before it; empty: it is the first part.
    separator: str
    text: Segment
    #: Whether anything can follow, separators as well.
    open: bool = False


_SEPARATOR = re.compile(f"([{re.escape(SEPARATORS)}])")


def _parts(template: TextTemplate) -> list[_Part]:
    parts: list[_Part] = []
    for literal in template.literals:
        first, *others = _SEPARATOR.split(literal)
        if parts:
            # It stands behind a capture, which began where the literal before it ended.
            separator, before, _ = parts.pop()
            parts.append(_Part(separator, Segment(None, before.literal or b"", _encoded(first))))
        else:
            parts.append(_Part("", Segment(_encoded(first))))
        for separator, text in zip(others[::2], others[1::2], strict=True):
            parts.append(_Part(separator, Segment(_encoded(text))))
    return [*parts[:-1], parts[-1]._replace(open=template.rest)]


def _encoded(text: str) -> bytes:
    # A JSON string may hold half of a surrogate pair.
    return text.encode("utf-8", "surrogatepass")


def _begins(beginning: Segment, part: _Part) -> bool:
    """Say whether some text matches a part and, up to some place in it, the beginning."""
    fixed = beginning.literal if beginning.literal is not None else beginning.prefix
    whole = part.text.literal
    if whole is None or part.open:
        # What varies can hold all that is still wanted.
        return _agree(bytes.startswith, fixed, part.text.prefix if whole is None else whole)
    if beginning.literal is None and beginning.suffix not in whole[len(fixed) + 1 :]:
        return False
    return whole.startswith(fixed)
