"""What is taken apart once for a request, however many ask."""

import pytest

from orgfence.core import parts as parts_module
from orgfence.core import requested as requested_module
from orgfence.core.names import Found
from orgfence.core.orgs import OrgNames
from orgfence.core.parts import MAX_BYTES, MAX_PIECES, Parts
from orgfence.core.requested import requested_by
from orgfence.core.rule import OrgSource, PlaceKind


def test_a_query_is_taken_apart_once_for_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query that a reading of the path gives; and so are the cookies."""
    calls: list[object] = []
    for name in ("parameter_pieces", "find_parameter", "cookie_pieces", "find_cookie"):
        monkeypatch.setattr(parts_module, name, _counted(parts_module, name, calls))
    parts = Parts()
    for _ in range(3):
        for query in (b"org=acme&id=7", b"org=globex"):
            for parameter in (b"org", b"id"):
                assert parts.parameter(query, parameter) is not None
        for cookie, value in ((b"a", b"1"), (b"b", b"2")):
            assert parts.cookie([b"a=1; b=2"], cookie) == Found([value], [])
    assert {name: calls.count(name) for name in calls} == {
        "parameter_pieces": 2,
        "find_parameter": 4,
        "cookie_pieces": 1,
        "find_cookie": 2,
    }


def test_all_queries_of_a_request_are_bounded_together() -> None:
    """A path with many readings may give as many queries."""
    half = b"x" * (MAX_BYTES // 2)
    parts = Parts()
    assert parts.parameter(half, b"org") is not None
    assert parts.parameter(half[1:] + b"y", b"org") is not None
    assert parts.parameter(b"z", b"org") is None
    assert parts.cookie([b"a=1"], b"a") is None
    assert parts.parameter(half, b"id") is not None


@pytest.mark.parametrize(
    ("query", "too_long"),
    [
        (b"&" * MAX_PIECES, False),
        (b"&;" * (MAX_PIECES // 2) + b";", True),
        (b"x" * MAX_BYTES, False),
        (b"x" * 65537, True),
    ],
)
def test_what_is_too_long(query: bytes, too_long: bool) -> None:
    """In bytes, or in pieces."""
    assert (Parts().parameter(query, b"org") is None) is too_long


def test_cookies_of_which_some_reading_is_too_long_are_not_read() -> None:
    """What is parted at `;`, at commas and at blanks is read five times, and none of these may be left out."""
    long, too_long = ([b"a b; " + b"%61" * count + b"=1, = ;x=y,org=glo bex"] for count in (17_000, 20_000))
    parts = Parts()
    assert parts.cookie(long, b"org") is not None
    parts = Parts()
    assert parts.cookie(too_long, b"org") is None
    assert parts.cookie(too_long, b"other") is None


def test_many_values_become_orgs_once_for_all_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred rules may read the same list."""
    calls: list[object] = []
    monkeypatch.setattr(requested_module, "normalised", _counted(requested_module, "normalised", calls))
    parts, source = Parts(), OrgSource(PlaceKind.QUERY, b"org")
    found = Found([b"%d" % number for number in range(100)])
    for _ in range(300):
        requested = requested_by(found, source, OrgNames({}), parts, salesforce_ids=False, exact_names=False)
        assert requested is not None
        assert len(requested.orgs) == 100
    assert len(calls) == 1
    assert parts.listed([b"a", b"b"]) is parts.listed([b"a", b"b"])


def _counted(module: object, name: str, calls: list[object]) -> object:
    real = getattr(module, name)

    def counted(*arguments: object, **named: object) -> object:
        calls.append(name)
        return real(*arguments, **named)

    return counted
