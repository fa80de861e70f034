"""Disguises: each writes a path in another way, such that some server reads it as what it was.

Where an encoded slash is no separator to the server (`slashes` is false), none of them encodes one.
"""

from collections.abc import Callable

from hypothesis import strategies as st

type Disguise = Callable[[bytes, bool], st.SearchStrategy[bytes]]


def _written(path: bytes, slashes: bool, form: Callable[[int], bytes]) -> st.SearchStrategy[bytes]:
    """Write some bytes, not the first, in another form."""
    places = [index for index, byte in enumerate(path) if index and (slashes or byte != ord("/"))] or [len(path)]
    return st.sets(st.sampled_from(places), min_size=1, max_size=3).map(
        lambda chosen: b"".join(form(byte) if index in chosen else bytes([byte]) for index, byte in enumerate(path))
    )


def _escape(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Percent-encode some bytes."""
    return _written(path, slashes, lambda byte: b"%%%02x" % byte)


def _overlong(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Write some bytes as the longer UTF-8 that is forbidden."""
    return _written(path, slashes, lambda byte: b"%%%02X%%%02x" % (0xC0 | byte >> 6 & 1, 0x80 | byte & 0x3F))


def _u_escape(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Write some bytes as old servers take them."""
    return _written(path, slashes, lambda byte: b"%%u%04x" % byte)


def _escape_all(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Percent-encode every byte but the first."""
    kept = b"" if slashes else b"/"
    return st.just(path[:1] + b"".join(bytes([byte]) if byte in kept else b"%%%02X" % byte for byte in path[1:]))


def _escape_escapes(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    return st.just(path.replace(b"%", b"%25"))


def _other_slash(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Write one slash but the first in another way."""
    others = [b"\\", b"%5c", b"%5C"]
    if slashes:
        others += [b"%2f", b"%2F"]
    if b"//" not in path:
        # Whoever merges them merges all, also two in front that were meant for an authority.
        others += [b"//", b"///"]
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] or [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from(others)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] + 1 :]
    )


def _detour(path: bytes, slashes: bool) -> st.SearchStrategy[bytes]:
    """Lead the path elsewhere and back."""
    detours = [b"/acme/..", b"/.", b"/%2e", b"/acme/%2e%2E", b"/acme/.%2e", b"/x/y/../..", b"/acme%5c.."]
    if slashes:
        detours += [b"/acme/..%2f.", b"/acme%2F%2e."]
    places = [index for index, byte in enumerate(path) if byte == ord("/")] or [0]
    return st.tuples(st.sampled_from(places), st.sampled_from(detours)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _parameter(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    """Put a parameter behind a segment."""
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] + [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from([b";", b";a=1", b"%3Bv=1", b"%3b"])).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _tail(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    """Put something behind the end."""
    tails = [b"#x", b"%23", b"%23/orgs/acme", b"%00.json", b"\0", b"%3Fa=1", b"%3f", b"#/../../acme"]
    return st.sampled_from(tails).map(lambda tail: path + tail)


def _front(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    """Put what looks like a host or a URL before it, where that is still one by its look."""
    fronts = [b"//acme", b"//api.example.com", b"/", b"http://acme", b"x:"]
    return st.sampled_from(fronts if path.startswith(b"/") else [b""]).map(lambda front: front + path)


def _line_end(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    """Put in what some parsers take out."""
    return st.tuples(st.integers(1, max(1, len(path))), st.sampled_from([b"\t", b"%09", b"%0d%0A"])).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


DISGUISES: list[Disguise] = [
    *[_escape, _overlong, _u_escape, _escape_all, _escape_escapes, _other_slash, _detour, _parameter],
    *[_tail, _front, _line_end],
]


def other_case(path: bytes, _: bool) -> st.SearchStrategy[bytes]:
    """Write some letters in the other case, which is a disguise where the server ignores it."""
    places = st.sets(st.integers(0, len(path) - 1), min_size=1, max_size=4)
    return places.map(
        lambda chosen: b"".join(
            bytes([byte]).swapcase() if index in chosen else bytes([byte]) for index, byte in enumerate(path)
        )
    )
