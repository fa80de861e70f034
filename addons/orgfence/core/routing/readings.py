"""Every way in which a server might read a request's path.

Whether `/orgs/acme/..%2fglobex/users` is about `acme` or `globex` is for the server to say, and servers differ in what
they decode, resolve, merge and cut, and in which order; each proxy before them adds a turn of its own. So a path is
taken through all compositions of what any of them does, and each outcome, a *reading*, is judged as a request of its
own. A normal path holds nothing that they differ about, and pays for one regular expression.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from orgfence.core.escapes import unescaped

# Normal paths were seen to have 19 readings at most; one with three times as many is made to have them.
_MAX_READINGS = 64
# nginx and Apache stop near 8 KiB for a whole request line.
_MAX_PATH_BYTES = 8 * 1024
# Several states of a path can give one reading: in thousands of random paths never more than three.
_MAX_STATES = 4 * _MAX_READINGS
# While the paths of one request are read no other request is, so what their states may cost together is bounded: to
# some 6 ms by the worst that could be found. In bytes, each escape for eight, since it is decoded by itself, and each
# segment for two. Normal paths were seen to cost 3 KiB at most.
MAX_WORK = 48 * 1024
_STATE, _ESCAPE, _SEGMENT = 64, 8, 2


class EncodedSlash(StrEnum):
    """How a server takes `%2F` in a path."""

    #: Nobody has said, so both are judged.
    BOTH = "both"
    #: A character of its segment, as in GitLab's `group%2Fproject`.
    DATA = "data"
    #: A slash like any other, as in npm's `@scope%2Fname`.
    SEPARATOR = "separator"


class Work:
    """How much may still be done to read the paths of one request."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        """Begin with all of it."""
        self.left = MAX_WORK

    def may_take(self, path: bytes, query: bytes) -> bool:
        """Take what one state of a path costs, if there is as much."""
        escapes = path.count(b"%")
        if not path.isascii():
            escapes += sum(map(path.count, _OVERLONG_STARTS))
        self.left -= _STATE + len(path) + len(query) + _ESCAPE * escapes + _SEGMENT * path.count(b"/")
        return self.left >= 0


class Reading(NamedTuple):
    """One way to read a request's target."""

    #: Of its path, each percent-decoded once, without the empty one behind a trailing slash.
    segments: tuple[bytes, ...]
    #: Raw, without its `?`.
    query: bytes


def plain_reading(target: bytes, slash: EncodedSlash = EncodedSlash.BOTH) -> Reading:
    """Read a target as it stands; one without a leading slash as if it had one."""
    path, _, query = target.partition(b"?")
    return _read_separated(path, query) if slash is _SEPARATOR else _read(path, query)


def has_other_readings(target: bytes) -> bool:
    """Say whether a target's path holds anything that servers differ about."""
    return _UNDISPUTED.match(target) is None


def other_readings(
    target: bytes, slash: EncodedSlash = EncodedSlash.BOTH, work: Work | None = None
) -> tuple[Reading, ...] | None:
    """Return all distinct readings but the plain one, or None where they are too many to be judged or to be found.

    `work` is what is left of it for the request; by default, nothing was done yet.

    Under `DATA` no step on the way made a separator of an encoded slash. Under `SEPARATOR` the server takes each for
    one, but a proxy before it, which may have resolved dot segments, need not. Both are among those of `BOTH`.
    """
    if not has_other_readings(target):
        return ()
    path, _, query = target.partition(b"?")
    work = work or Work()
    if len(path) > _MAX_PATH_BYTES or not work.may_take(path, query):
        return None

    # HTTP/2 can carry a raw space, at which a target that is sent on over HTTP/1.1 may end.
    starts = (_upper_escapes(path), _upper_escapes(path.partition(b" ")[0]))
    states = dict.fromkeys((start, query) for start in starts)
    read = _read_separated if slash is _SEPARATOR else _read
    rewrites = _REWRITES_AS_DATA if slash is EncodedSlash.DATA else _REWRITES
    readings = {read(*state): None for state in states}
    waiting = list(states)
    for state in waiting:
        for following in _steps(*state, rewrites):
            if following in states:
                continue
            states[following] = None
            readings[read(*following)] = None
            waiting.append(following)
            # A query that is as it was costs nothing.
            is_affordable = work.may_take(following[0], b"" if following[1] is state[1] else following[1])
            if not is_affordable or len(readings) > _MAX_READINGS or len(states) > _MAX_STATES:
                return None
    return tuple(readings)[1:]


# What every server splits at its slashes and decodes once: no dot segment, no empty one but the last, no character
# that separates or ends anything, no escape of such a character, and no byte that can begin overlong UTF-8.
_UNDISPUTED = re.compile(
    rb"""
    (?: / (?! \.\.? (?: [/?] | \Z ) )
        (?: [^/?%;\#\\\x00\x20\t\n\r\xc0\xc1\xe0\xf0]++
          | % (?! 0[09AD] | 2[35EF] | 3[BF] | 5C | C[01] | E0 (?!%[AB]) | F0 (?!%[9AB]) ) [0-9A-F]{2}
          | \xe0 (?=[\xa0-\xbf]) | \xf0 (?=[\x90-\xbf])
        )++
    )*+
    /? (?: \? | \Z )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def _read(path: bytes, query: bytes) -> Reading:
    trimmed = path.removesuffix(b"/")
    if _PERCENT not in trimmed:
        segments = trimmed.split(b"/")
    elif _ENCODED_SLASH.search(trimmed):
        segments = [unescaped(segment) if _PERCENT in segment else segment for segment in trimmed.split(b"/")]
    else:
        # The same, in one go.
        segments = unescaped(trimmed).split(b"/")
    if not segments[0]:
        del segments[0]
    return Reading(tuple(segments), query)


# An `int` is found in bytes ten times as fast as bytes are.
_PERCENT = ord("%")
_ENCODED_SLASH = re.compile(b"%2[Ff]")
_SEPARATOR = EncodedSlash.SEPARATOR

#: What a server does to a path, each with a sign that must stand in it.
type _Rewrites = tuple[tuple[bytes, Callable[[bytes], bytes]], ...]


def _read_separated(path: bytes, query: bytes) -> Reading:
    return _read(_ENCODED_SLASH.sub(b"/", path), query)


def _steps(path: bytes, query: bytes, rewrites: _Rewrites) -> Iterator[tuple[bytes, bytes]]:
    """Take a still encoded path one step further, in each way that there is."""
    for sign, rewrite in rewrites:
        if sign in path:
            yield rewrite(path), query
    # Ended where a query begins, once it is decoded.
    for mark in (b"?", b"%3F"):
        if mark in path:
            shorter, _, more = path.partition(mark)
            yield shorter, more + b"&" + query if query else more


def _upper_escapes(path: bytes) -> bytes:
    """Write each escape in its one form, so that it is known by its bytes."""
    return _LOWER_ESCAPE.sub(lambda escape: escape[0].upper(), path)


_LOWER_ESCAPE = re.compile(rb"%(?:[a-f][0-9a-fA-F]|[0-9A-F][a-f])")


def _decode(path: bytes) -> bytes:
    return _upper_escapes(unescaped(path))


def _decode_but_slashes(path: bytes) -> bytes:
    # Once escaped, an encoded slash comes out as it was.
    return _upper_escapes(unescaped(path.replace(b"%2F", b"%252F")))


def _resolve_dots(one: frozenset[bytes], two: frozenset[bytes], path: bytes) -> bytes:
    # https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4
    root = 1 if path.startswith(b"/") else 0
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment in two:
            del kept[max(root, len(kept) - 1) :]
        elif segment not in one:
            kept.append(segment)
    return b"/".join(kept)


def _strip_line_ends(path: bytes) -> bytes:
    # What stood apart can be an escape together.
    return _upper_escapes(path.translate(None, b"\t\r\n"))


def _read_overlong(slash: bytes, path: bytes) -> bytes:
    # What it spells can be part of an escape.
    return _upper_escapes(_OVERLONG.sub(lambda form: _ascii_of_overlong(form).replace(b"/", slash), path))


_OVERLONG_STARTS = (b"\xc0", b"\xc1", b"\xe0", b"\xf0")
_OVERLONG = re.compile(rb"(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])[\x80-\xbf]")


def _ascii_of_overlong(form: re.Match[bytes]) -> bytes:
    # Seven bits: the lowest of the last byte but one, and six of the last.
    return bytes([(form[0][-2] & 1) << 6 | form[0][-1] & 0x3F])


def _utf8_of_u_escape(escape: re.Match[bytes]) -> bytes:
    character = chr(int(escape[1], 16)).encode("utf-8", "surrogatepass")
    return b"".join(b"%%%02X" % byte for byte in character)


def _replacing(pattern: bytes, replacement: bytes | Callable[[re.Match[bytes]], bytes]) -> partial[bytes]:
    return partial(re.compile(pattern, re.DOTALL).sub, replacement)


#: What they do however they take an encoded slash.
_REWRITES_OF_ALL: _Rewrites = (
    # Take for a separator a backslash (IIS, and all that parse as browsers do).
    (b"\\", _replacing(rb"\\", b"/")),
    (b"%5C", _replacing(b"%5C", b"/")),
    # Resolve dot segments: some before they decode, most after.
    (b".", partial(_resolve_dots, frozenset({b"."}), frozenset({b".."}))),
    (b"%2E", partial(_resolve_dots, frozenset({b".", b"%2E"}), frozenset({b"..", b".%2E", b"%2E.", b"%2E%2E"}))),
    # Merge empty segments (nginx, Apache).
    (b"//", _replacing(b"//+", b"/")),
    # Take what follows two slashes in front for an authority; where they parse as browsers do, two or more.
    (b"//", _replacing(rb"\A//[^/]*", b"")),
    (b"//", _replacing(rb"\A//+[^/]+", b"")),
    # Cut an absolute URL to its path; where they parse as browsers do, however many slashes its scheme has.
    (b":", _replacing(rb"\A[A-Za-z][A-Za-z0-9+.-]*:", b"")),
    (b":", _replacing(rb"\A[A-Za-z][A-Za-z0-9+.-]*:/*[^/]*", b"")),
    # Cut parameters (servlet containers).
    (b";", _replacing(b";[^/]*", b"")),
    (b"%3B", _replacing(b"(?:;|%3B)[^/]*", b"")),
    # End it where a fragment begins, or at NUL (what is written in C).
    (b"#", _replacing(b"#.*", b"")),
    (b"%23", _replacing(b"%23.*", b"")),
    (b"\0", _replacing(b"\0.*", b"")),
    (b"%00", _replacing(b"%00.*", b"")),
    # Take out tabs and line ends (the parsers of URLs in browsers, Node.js and Python).
    *((sign, _strip_line_ends) for sign in (b"\t", b"\r", b"\n")),
    # Read `%u002F` as an escape (IIS and Java of old).
    (b"%", _replacing(b"%[uU]([0-9A-Fa-f]{4})", _utf8_of_u_escape)),
)
#: What they do to encoded slashes too, where these are characters of a segment and stay so.
_REWRITES_AS_DATA: _Rewrites = (
    # Decode the path as a whole: a proxy before the server, or the server before it splits the path.
    (b"%", _decode_but_slashes),
    # Read overlong UTF-8 as ASCII (IIS and Java of old): `C0 AF` is a slash.
    *((sign, partial(_read_overlong, b"%2F")) for sign in _OVERLONG_STARTS),
    *_REWRITES_OF_ALL,
)
#: What they do where nobody has said what an encoded slash is: all of that, and take it for a separator.
_REWRITES: _Rewrites = (
    (b"%", _decode),
    (b"%2F", _replacing(b"%2F", b"/")),
    *((sign, partial(_read_overlong, b"/")) for sign in _OVERLONG_STARTS),
    # Or keep it as data: without a slash in such a form, these are as above.
    (b"%2F", _decode_but_slashes),
    (b"\xaf", partial(_read_overlong, b"%2F")),
    *_REWRITES_OF_ALL,
)
