"""Disguises: each writes a path in another way, such that some server reads it as what it was."""

from collections.abc import Callable

from hypothesis import strategies as st


def _escape(path: bytes) -> st.SearchStrategy[bytes]:
    """Percent-encode some bytes."""
    places = st.sets(st.integers(1, max(1, len(path) - 1)), min_size=1, max_size=3)
    return places.map(
        lambda chosen: b"".join(
            b"%%%02x" % byte if index in chosen else bytes([byte]) for index, byte in enumerate(path)
        )
    )


def _escape_all(path: bytes) -> st.SearchStrategy[bytes]:
    """Percent-encode every byte but the first."""
    return st.just(path[:1] + b"".join(b"%%%02X" % byte for byte in path[1:]))


def _escape_escapes(path: bytes) -> st.SearchStrategy[bytes]:
    return st.just(path.replace(b"%", b"%25"))


def _other_slash(path: bytes) -> st.SearchStrategy[bytes]:
    """Write one slash but the first in another way."""
    others = [b"%2f", b"%2F", b"\\", b"%5c", b"%5C"]
    if b"//" not in path:
        # Whoever merges them merges all, also two in front that were meant for an authority.
        others += [b"//", b"///"]
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] or [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from(others)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] + 1 :]
    )


def _detour(path: bytes) -> st.SearchStrategy[bytes]:
    """Lead the path elsewhere and back."""
    detours = [
        b"/acme/..",
        b"/.",
        b"/%2e",
        b"/acme/%2e%2E",
        b"/acme/.%2e",
        b"/x/y/../..",
        b"/acme/..%2f.",
        b"/acme%5c..",
    ]
    places = [index for index, byte in enumerate(path) if byte == ord("/")] or [0]
    return st.tuples(st.sampled_from(places), st.sampled_from(detours)).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _parameter(path: bytes) -> st.SearchStrategy[bytes]:
    """Put a parameter behind a segment."""
    places = [index for index, byte in enumerate(path) if byte == ord("/") and index] + [len(path)]
    return st.tuples(st.sampled_from(places), st.sampled_from([b";", b";a=1", b"%3Bv=1", b"%3b"])).map(
        lambda drawn: path[: drawn[0]] + drawn[1] + path[drawn[0] :]
    )


def _tail(path: bytes) -> st.SearchStrategy[bytes]:
    """Put something behind the end."""
    tails = [b"#x", b"%23", b"%23/orgs/acme", b"%00.json", b"\0", b"%3Fa=1", b"%3f", b"#/../../acme"]
    return st.sampled_from(tails).map(lambda tail: path + tail)


def _authority(path: bytes) -> st.SearchStrategy[bytes]:
    """Put what looks like a host before it."""
    return st.sampled_from([b"//acme", b"//api.example.com", b"/"]).map(lambda front: front + path)


DISGUISES: list[Callable[[bytes], st.SearchStrategy[bytes]]] = [
    _escape,
    _escape_all,
    _escape_escapes,
    _other_slash,
    _detour,
    _parameter,
    _tail,
    _authority,
]
