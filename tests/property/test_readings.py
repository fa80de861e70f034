"""Whatever is done to a path to disguise it, one of its readings is the path that was disguised."""

import re
from collections.abc import Callable
from functools import reduce
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orgfence.core.routing import readings
from orgfence.core.routing.readings import EncodedSlash, Reading, has_other_readings, other_readings, plain_reading

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

paths = st.lists(st.text("abcz09-_~", min_size=1, max_size=6), min_size=1, max_size=6).map(
    lambda segments: "/" + "/".join(segments)
)


def quoted_whole(path: str) -> str:
    root = path.startswith("/")
    return "/" * root + "".join(f"%{byte:02x}" for byte in path.encode()[root:])


def behind(prefix: str) -> Callable[[str], str]:
    """Put something in front of a path, where that is still one by its look."""
    return lambda path: prefix + path if path.startswith("/") else path


# What a client can do to a path that some server undoes again.
DISGUISES: dict[str, Callable[[str], str]] = {
    "letters encoded": lambda path: re.sub("[a-z]", lambda letter: f"%{ord(letter[0]):02X}", path),
    "encoded as a whole": quoted_whole,
    "encoded again": lambda path: path.replace("%", "%25"),
    "specials encoded": lambda path: quote_from_bytes(path.encode()),
    "slashes encoded": lambda path: path[0] + path[1:].replace("/", "%2f"),
    "slashes encoded upper": lambda path: path.replace("/", "%2F"),
    "backslashes": lambda path: path.replace("/", "\\"),
    "some backslashes": lambda path: path[:1] + path[1:].replace("/", "\\", 1),
    "backslashes encoded": lambda path: path.replace("/", "%5c"),
    "a dot segment": lambda path: re.sub(r"/(?!.*/)", "/./", path),
    "a dot segment encoded": lambda path: re.sub(r"/(?!.*/)", "/%2e/", path),
    "there and back": lambda path: re.sub(r"/(?!.*/)", "/acme/../", path),
    "there and back encoded": lambda path: re.sub(r"/(?!.*/)", "/acme/%2E%2e/", path),
    "there and back at the end": lambda path: path + "/acme/..",
    "out of the root": behind("/../.."),
    "slashes doubled": lambda path: path.replace("/", "//"),
    "a slash at the end": lambda path: path + "/",
    "an authority": behind("//evil"),
    "an authority, encoded": behind("/%2fevil"),
    "a URL": behind("http://evil"),
    "a URL with one slash": behind("http:/evil"),
    "parameters": lambda path: path.replace("/", ";acme/") + ";x=y",
    "parameters encoded": lambda path: path + "%3bacme",
    "a fragment": lambda path: path + "#/acme",
    "a fragment encoded": lambda path: path + "%23/acme",
    "a query encoded": lambda path: path + "%3f/acme",
    "a NUL": lambda path: path + "\0acme",
    "a NUL encoded": lambda path: path + "%00/../acme",
    "a raw space": lambda path: path + " /acme",
    "a tab": lambda path: path[:2] + "\t" + path[2:],
    "overlong": lambda path: path[:1] + path[1:].replace("/", "%c0%af"),
    "overlong dots": lambda path: re.sub(r"/(?!.*/)", "/acme/%c0%ae%C0%AE/", path),
    "of old": lambda path: path[:1] + path[1:].replace("/", "%u002f"),
}
# A raw space ends a target on the wire alone, and so only what is done last.
LAST = {"a raw space"}


@pytest.mark.parametrize("name", DISGUISES)
@given(path=paths)
def test_a_disguise_is_seen_through(name: str, path: str) -> None:
    """Each of them alone, on any path."""
    others = other_readings(DISGUISES[name](path).encode())
    assert others is not None
    seen = {reading.segments for reading in (plain_reading(DISGUISES[name](path).encode()), *others)}
    assert plain_reading(path.encode()).segments in seen


@given(paths, st.lists(st.sampled_from(sorted(DISGUISES)), min_size=2, max_size=3))
def test_disguises_over_disguises_are_seen_through(path: str, names: list[str]) -> None:
    """Up to three, one over the other, in any order, unless there are too many readings to be judged."""
    assume(not LAST.intersection(names[:-1]))
    target = reduce(lambda disguised, name: DISGUISES[name](disguised), names, path).encode()
    others = other_readings(target)
    if others is not None:
        seen = {reading.segments for reading in (plain_reading(target), *others)}
        assert plain_reading(path.encode()).segments in seen


# Bytes that servers differ about, and bits of what they do, rather than bytes at random.
signs = (
    rb"/ // \ . .. % %2 5 %25 %2f %5C %2e ; %3b # ? %23 %3F %00 : http: %u 002f %c0%af %20 %e0%a4%b9 %f0 a b".split()
)
hostile = st.lists(
    st.sampled_from([*signs, b" ", b"\t", b"\0", b"\xc0", b"\xaf", b"\xe0\x80", "ü".encode()]), max_size=24
).map(b"".join)


@given(st.one_of(st.binary(max_size=200), hostile, hostile.map(lambda path: b"/" + path)))
def test_any_target_has_its_readings_or_too_many(target: bytes) -> None:
    """Nothing raises; the plain reading is none of the others; the count stays within the limit."""
    plain, others = plain_reading(target), other_readings(target)
    if others is not None:
        assert plain not in others
        assert len(set(others)) == len(others) < 64
    if others != ():
        assert has_other_readings(target)


def all_readings(target: bytes, slash: EncodedSlash) -> set[Reading] | None:
    others = other_readings(target, slash)
    return None if others is None else {plain_reading(target, slash), *others}


targets = st.one_of(hostile, hostile.map(lambda path: b"/" + path))


@given(targets)
def test_whoever_says_how_slashes_are_read_is_judged_by_no_reading_more(target: bytes) -> None:
    """What is judged then is among what is judged where nobody has said, and is too much only where that is."""
    both = all_readings(target, EncodedSlash.BOTH)
    for slash in (EncodedSlash.DATA, EncodedSlash.SEPARATOR):
        readings = all_readings(target, slash)
        assert readings is not None or both is None
        assert plain_reading(target, slash) not in (other_readings(target, slash) or ())
        if readings is not None and both is not None:
            assert readings <= both


@given(targets)
def test_no_reading_keeps_a_slash_that_is_a_separator(target: bytes) -> None:
    """Under `separator` no segment has one in it, whatever it was written as."""
    readings = all_readings(target, EncodedSlash.SEPARATOR)
    assert not any(b"/" in segment for reading in readings or () for segment in reading.segments)


# Without a backslash in any form, for that is a separator to some.
slashes = st.lists(
    st.sampled_from([*b"/ %2F %2f %252F %2 F f %c0%af % 2 %25 %u002f .. . %2e ; a".split(), b"\t", b"\xc0\xaf"])
)


@given(slashes.map(b"".join))
def test_no_reading_splits_at_a_slash_that_is_data(path: bytes) -> None:
    """Under `data` there are no more segments than raw slashes, however often a path is decoded."""
    target = b"/" + path
    readings = all_readings(target, EncodedSlash.DATA)
    assert all(len(reading.segments) <= target.count(b"/") for reading in readings or ())


@given(targets.filter(lambda target: re.search(rb"(?i)2|f|u|\xaf", target) is None))
def test_without_encoded_slashes_it_is_all_the_same_how_they_are_read(target: bytes) -> None:
    """Whether as data, as separators or as both."""
    assert len({plain_reading(target, slash) for slash in EncodedSlash}) == 1
    assert len({other_readings(target, slash) for slash in EncodedSlash}) == 1


# These write a separator as what is no separator to a server that keeps encoded slashes.
OF_SLASHES = {
    name for name in DISGUISES if name in {"encoded as a whole", "overlong", "of old", "an authority, encoded"}
}
OF_SLASHES |= {name for name in DISGUISES if name.startswith("slashes encoded")}
DATA_DISGUISES = sorted(DISGUISES.keys() - OF_SLASHES - LAST)
SEPARATOR_DISGUISES = sorted(DISGUISES.keys() - LAST)
projects = st.lists(st.text("abz/09", min_size=1, max_size=6), min_size=1, max_size=4)


@given(projects, st.lists(st.sampled_from(DATA_DISGUISES), max_size=3))
def test_disguises_are_seen_through_where_slashes_are_data(segments: list[str], names: list[str]) -> None:
    """By whom keeps them, and nobody needs to have said that it does."""
    path = "/" + "/".join(quote_from_bytes(segment.encode(), safe="") for segment in segments)
    target = reduce(lambda disguised, name: DISGUISES[name](disguised), names, path).encode()
    for slash in (EncodedSlash.DATA, EncodedSlash.BOTH):
        readings = all_readings(target, slash)
        if readings is not None:
            assert tuple(segment.encode() for segment in segments) in {reading.segments for reading in readings}


@given(paths, st.lists(st.sampled_from(SEPARATOR_DISGUISES), max_size=3))
def test_disguises_are_seen_through_where_slashes_are_separators(path: str, names: list[str]) -> None:
    """Whichever of the path's slashes are encoded, and how often."""
    target = reduce(lambda disguised, name: DISGUISES[name](disguised), names, path).encode()
    readings = all_readings(target, EncodedSlash.SEPARATOR)
    if readings is not None:
        assert plain_reading(path.encode()).segments in {reading.segments for reading in readings}


@given(st.one_of(st.binary(max_size=40), hostile).map(lambda path: b"/" + path))
def test_what_all_read_alike_has_one_reading(target: bytes) -> None:
    """The quick look at a path never passes over one that would have had other readings."""
    if not has_other_readings(target):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(readings, "has_other_readings", lambda target: True)
            assert other_readings(target) == ()


@given(paths, st.binary(max_size=20))
def test_a_plain_path_has_no_other_readings(path: str, query: bytes) -> None:
    """Whatever its query."""
    target = path.encode() + b"?" + query
    assert not has_other_readings(target)
    assert other_readings(target) == ()
    assert plain_reading(target).query == query


@given(st.binary(max_size=60))
def test_the_plain_reading_survives_being_written_again(path: bytes) -> None:
    """Segments quoted and joined read as themselves."""
    segments = plain_reading(b"/" + path.replace(b"?", b"%3F")).segments
    written = b"/" + b"/".join(quote_from_bytes(segment, safe="").encode() for segment in segments)
    # An empty segment at the end needs a slash of its own behind it.
    assert plain_reading(written + b"/" * (segments[-1:] == (b"",))).segments == segments
