"""How the reference reads a path: in every way that a server might, each step tried on all that the others leave."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class Reading(NamedTuple):
    """One way to read the request: a path in segments and a query."""

    segments: tuple[bytes, ...]
    query: bytes


#: What a rule says of encoded slashes: `data`, `separator` or, with None, nothing.
type Slash = str | None


def read(target: bytes, slash: Slash = None) -> Reading:
    """Read a path as it stands, each segment decoded once; a slash at the end makes no difference."""
    path, _, query = target.partition(b"?")
    if slash == "separator":
        path = re.sub(rb"(?i)%2f", b"/", path)
    segments = path.removesuffix(b"/").removeprefix(b"/").split(b"/")
    empty = not path.removesuffix(b"/")
    return Reading(() if empty else tuple(unquote_to_bytes(segment) for segment in segments), query)


@lru_cache(16)
def every_reading(target: bytes, slash: Slash = None) -> tuple[Reading, ...] | None:
    """Return what every composition of steps leads to; None: more than 64, or the path has over 8 KiB."""
    states = every_state(target, slash)
    readings = {read_state(*state, slash) for state in states}
    if len(readings) > 64 or (len(readings) > 1 and len(target.partition(b"?")[0]) > 8192):
        return None
    return tuple(readings)


@lru_cache(16)
def every_state(target: bytes, slash: Slash = None) -> dict[tuple[bytes, bytes], None]:
    """Return the paths, still encoded, that compositions of steps lead to; no more than it takes to see 65 readings."""
    path, _, query = target.partition(b"?")
    # A space ends the target where it is written into a request line.
    states = {(path, query): None, (path.partition(b" ")[0], query): None}
    waiting = list(states)
    for state in waiting:
        for step in steps(*state, slash):
            if step not in states:
                states[step] = None
                waiting.append(step)
        if len({read_state(*each, slash) for each in states}) > 64:
            break
    return states


def read_state(path: bytes, query: bytes, slash: Slash) -> Reading:
    """Read a path that is apart from its query, and may hold a `?` of its own."""
    return read(path.replace(b"?", b"%3F"), slash)._replace(query=query)


def steps(path: bytes, query: bytes, slash: Slash) -> list[tuple[bytes, bytes]]:
    """Return what a server might make of a path that is still encoded."""
    as_separators = [
        unquote_to_bytes(path),  # decoded before it is split
        re.sub(rb"(?i)%2f", b"/", path),
        without_overlong_forms(path, b"/"),  # ASCII in disguise
    ]
    taken = as_separators * (slash != "data") + [
        re.sub(rb"(?i)%(?!2f)[0-9a-f]{2}", lambda escape: unquote_to_bytes(escape[0]), path),  # decoded but for slashes
        without_overlong_forms(path, b"%2F"),
        path.replace(b"\\", b"/"),  # separators
        re.sub(rb"(?i)%5c", b"/", path),
        resolved(path, path),  # dot segments
        resolved(path, re.sub(rb"(?i)%2e", b".", path)),
        re.sub(rb"//+", b"/", path),  # empty segments
        re.sub(rb"\A//[^/]*", b"", path),  # an authority
        re.sub(rb"\A//+[^/]+", b"", path),
        re.sub(rb";[^/]*", b"", path),  # parameters
        re.sub(rb"(?i)(;|%3b)[^/]*", b"", path),
        re.sub(rb"(?s)#.*", b"", path),  # the end
        re.sub(rb"(?is)%23.*", b"", path),
        re.sub(rb"(?s)\0.*", b"", path),
        re.sub(rb"(?s)%00.*", b"", path),
        re.sub(rb"[\t\r\n]", b"", path),  # taken out
        re.sub(rb"\A[A-Za-z][A-Za-z0-9+.-]*:", b"", path),  # an absolute URL
        re.sub(rb"\A[A-Za-z][A-Za-z0-9+.-]*:/*[^/]*", b"", path),
        re.sub(rb"(?i)%u([0-9a-f]{4})", u_escape, path),
    ]
    ended = [re.split(mark, path, maxsplit=1) for mark in (rb"\?", rb"(?i)%3f")]
    return [(one, query) for one in taken] + [
        (parts[0], parts[1] + b"&" + query if query else parts[1]) for parts in ended if len(parts) == 2
    ]


def resolved(path: bytes, as_seen: bytes) -> bytes:
    """Resolve the dot segments that are seen in a path."""
    kept: list[bytes] = []
    for segment, seen in zip(path.split(b"/"), as_seen.split(b"/"), strict=True):
        if seen == b"..":
            kept = kept[:1] if path.startswith(b"/") and len(kept) == 1 else kept[:-1]
        elif seen != b".":
            kept.append(segment)
    return b"/".join(kept)


def without_overlong_forms(path: bytes, slash: bytes) -> bytes:
    """Put ASCII for the longer forms of it that UTF-8 forbids."""
    for code in range(128):
        last = 0x80 | code & 0x3F
        for form in ([0xC0 | code >> 6, last], [0xE0, 0x80 | code >> 6, last], [0xF0, 0x80, 0x80 | code >> 6, last]):
            path = path.replace(bytes(form), bytes([code]).replace(b"/", slash))
    return path


def u_escape(escape: re.Match[bytes]) -> bytes:
    """Write `%u002F` as `%2F`."""
    return b"".join(b"%%%02X" % byte for byte in chr(int(escape[1], 16)).encode("utf-8", "surrogatepass"))
