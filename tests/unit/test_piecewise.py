"""Large structures are freed part by part, and nothing is freed that somebody still refers to."""

import weakref

import pytest

from orgfence.piecewise import free, free_frames, free_unused


class Part:
    """Something whose end can be seen, and which holds others."""

    def __init__(self, *parts: "Part") -> None:
        self.parts = list(parts)


def test_parts_are_freed_one_by_one_from_the_outermost_on() -> None:
    """None takes more with it than itself."""
    ends: list[str] = []
    inner = [Part() for _ in range(3)]
    outer = Part(*inner)
    for name, part in (("outer", outer), *((f"inner {number}", part) for number, part in enumerate(inner))):
        weakref.finalize(part, ends.append, name)
    roots: list[object] = [outer]
    del outer, inner, part
    free(roots)
    assert roots == []
    assert ends[0] == "outer"
    assert sorted(ends[1:]) == ["inner 0", "inner 1", "inner 2"]


def test_what_somebody_refers_to_stays_as_it_is() -> None:
    """A request that began before goes on with what it began with."""
    inner = Part()
    free([Part(inner, Part())])
    assert inner.parts == []
    kept = Part(inner)
    retired: list[object] = [kept]
    free_unused(retired)
    assert retired == [kept]
    gone = weakref.ref(kept)
    del kept
    free_unused(retired)
    assert retired == []
    assert gone() is None


def test_what_an_error_has_come_through_is_freed() -> None:
    """Its functions' variables; the error itself is still there to be read."""
    ends: list[str] = []

    def fail() -> None:
        part = Part(Part())
        weakref.finalize(part, ends.append, "gone")
        raise KeyError("x")

    with pytest.raises(KeyError) as caught:
        fail()
    error = caught.value
    del caught
    assert ends == []
    free_frames(error)
    assert ends == ["gone"]
    assert error.args == ("x",)
