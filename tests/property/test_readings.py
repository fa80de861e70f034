"""Whatever is done to a path to disguise it, one of its readings is the path that was disguised."""

import re
from collections.abc import Callable
from functools import reduce
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orgfence.core.policy import readings
from orgfence.core.policy.readings import has_other_readings, other_readings, plain_reading

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
