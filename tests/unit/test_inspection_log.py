"""What the log tells of inspections, and how often."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from orgfence.core.oauth.exchange import Step
from orgfence.core.reason import Action, Enforcement, Reason, Verdict
from orgfence.observe.inspection_log import InspectionLog, InspectionRecord, trace_id_of
from orgfence.observe.log import configure_logging

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.Zm9vYmFyc2VjcmV0"
RECORD = InspectionRecord(
    id="8f1c3c0e-4e3d-4f7a-9a0a-5d0d3b1f9c11",
    action=Action.BLOCKED,
    verdict=Verdict.MISMATCH,
    reason=Reason.ORG_NOT_GRANTED,
    rule="org-in-path",
    enforcement=Enforcement.BLOCK,
    requested_orgs=("acme-staging",),
    granted_orgs=("acme",),
    token_issuer="corp",
    unverified=True,
    advice="Use a token that was issued for the org that this request is about.",
    client="203.0.113.5",
    method="GET",
    host="api.example.com",
    path_template="/orgs/{org}/**",
    path="/orgs/acme-staging/users",
    generation="3fa9c1",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    correlation_id="abc-123",
)


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where JSON lines go."""
    stream = io.StringIO()
    output = configure_logging(stream, console=False, capture_foreign=False)
    yield stream
    output.close()
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written since the last call."""
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    stream.seek(0)
    stream.truncate()
    return written


def test_an_inspection_is_one_line_of_chosen_fields(stream: io.StringIO) -> None:
    """Everything that a reader needs to find the request again, and its path only as the template."""
    InspectionLog(console=False).write(RECORD)
    (line,) = lines(stream)
    assert line.pop("ts")
    assert line == {
        "level": "warning",
        "event": "inspection",
        "id": "8f1c3c0e-4e3d-4f7a-9a0a-5d0d3b1f9c11",
        "action": "blocked",
        "verdict": "mismatch",
        "reason": "org_not_granted",
        "rule": "org-in-path",
        "enforcement": "block",
        "requested_orgs": ["acme-staging"],
        "granted_orgs": ["acme"],
        "token_issuer": "corp",
        "unverified": True,
        "client": "203.0.113.5",
        "method": "GET",
        "host": "api.example.com",
        "path_template": "/orgs/{org}/**",
        "generation": "3fa9c1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "correlation_id": "abc-123",
        "advice": "Use a token that was issued for the org that this request is about.",
    }


def test_an_exchange_is_told_with_its_step_and_all_its_faults(stream: io.StringIO) -> None:
    """And a token with where it comes from; what a client has put there in the wrong place is hidden."""
    faults = (Reason.REFRESH_SCOPE_MISSING, Reason.GRANT_LACKS_ORG)
    record = replace(RECORD, reason=faults[0], step=Step.TOKEN_REQUEST, faults=faults, lineage=f"From `{JWT}`.")
    InspectionLog(console=False).write(record)
    (line,) = lines(stream)
    assert line["step"] == "token_request"
    assert line["faults"] == ["refresh_scope_missing", "grant_lacks_org"]
    assert line["lineage"] == "From `[redacted]`."


def test_the_path_is_for_the_terminal(stream: io.StringIO) -> None:
    """A person at their own terminal sees it; what might be a token in it is hidden even there."""
    log = InspectionLog(console=True)
    log.write(RECORD)
    log.write(replace(RECORD, host="b", path=f"/reset/{'A1b2' * 10}"))
    assert [line["path"] for line in lines(stream)] == ["/orgs/acme-staging/users", "/reset/[redacted]"]


@pytest.mark.parametrize(
    ("changes", "event", "level"),
    [
        ({"action": Action.FORWARDED}, "inspection", "info"),
        ({"action": Action.ANNOTATED}, "inspection", "info"),
        ({"reason": Reason.INTERNAL_ERROR, "action": Action.FORWARDED}, "inspection", "error"),
        ({"outcome": 403, "action": Action.FORWARDED, "verdict": Verdict.ALLOW}, "outcome", "info"),
    ],
)
def test_event_and_level_follow_from_the_record(
    stream: io.StringIO, changes: dict[str, Any], event: str, level: str
) -> None:
    """An outcome is what upstream said after; a fault of our own is an error, a block a warning."""
    InspectionLog(console=False).write(replace(RECORD, **changes))
    (line,) = lines(stream)
    assert (line["event"], line["level"], line.get("outcome")) == (event, level, changes.get("outcome"))


def test_what_is_not_known_is_not_written(stream: io.StringIO) -> None:
    """A field is there or it is not; nobody has to tell null from empty."""
    empty: dict[str, Any] = {
        "id": None,
        "rule": None,
        "token_issuer": None,
        "trace_id": None,
        "correlation_id": None,
        "advice": None,
    }
    InspectionLog(console=False).write(
        replace(RECORD, **empty, requested_orgs=(), granted_orgs=(), unverified=False, path_template="")
    )
    (line,) = lines(stream)
    assert not {*empty, "requested_orgs", "granted_orgs", "unverified", "path_template", "outcome"} & line.keys()


def test_an_internal_error_says_where(stream: io.StringIO) -> None:
    """Type and frames, not the words: they may quote the request."""
    nothing: dict[str, str] = {}
    try:
        nothing["secret"]
    except KeyError as error:
        InspectionLog(console=False).write(replace(RECORD, reason=Reason.INTERNAL_ERROR, error=error))
    assert "secret" not in stream.getvalue()
    (line,) = lines(stream)
    assert line["error"] == "KeyError"
    assert line["traceback"][0].endswith(":test_an_internal_error_says_where")


@pytest.mark.parametrize("field", ["method", "host", "correlation_id"])
@pytest.mark.parametrize("secret", [JWT, "Bearer sekrit", "access_token=sekrit"])
def test_a_credential_in_the_wrong_place_is_hidden(stream: io.StringIO, field: str, secret: str) -> None:
    """Also where it was sent as a host or an org, in the line and in the count of its like."""
    log = InspectionLog(console=True)
    changes: dict[str, Any] = {field: secret, "requested_orgs": (secret,), "path": f"/{secret}"}
    record = replace(RECORD, **changes)
    log.write(record)
    log.write(record)
    log.close()
    written = stream.getvalue()
    assert written.count("[redacted]") >= 4
    assert "sekrit" not in written
    assert "eyJ" not in written


def test_many_orgs_are_cut_with_a_count(stream: io.StringIO) -> None:
    """A request may name thousands."""
    InspectionLog(console=False).write(replace(RECORD, requested_orgs=tuple("abcdefghijkl"), granted_orgs=("x" * 99,)))
    (line,) = lines(stream)
    assert line["requested_orgs"] == [*"abcdefghij", "and 2 more"]
    assert line["granted_orgs"] == ["x" * 63 + "…"]


DIFFERENT: list[dict[str, Any]] = [
    {"client": "203.0.113.6"},
    {"rule": "other"},
    {"reason": Reason.SCOPE_MISSING},
    {"method": "POST"},
    {"host": "b.example.com"},
    {"path_template": "/other"},
    {"requested_orgs": ("globex",)},
    {"outcome": 403},
]


@pytest.mark.parametrize("changes", DIFFERENT, ids=lambda changes: next(iter(changes)))
def test_what_differs_is_written(stream: io.StringIO, changes: dict[str, Any]) -> None:
    """Client, rule, reason, method, host, template, orgs and outcome: any other is another story."""
    log = InspectionLog(console=False, clock=Clock())
    log.write(RECORD)
    log.write(replace(RECORD, **changes))
    assert len(lines(stream)) == 2


@pytest.mark.parametrize("changes", [{"id": "x"}, {"path": "/orgs/acme-staging/roles"}, {"trace_id": None}])
def test_the_same_is_written_once_in_a_while(stream: io.StringIO, changes: dict[str, Any]) -> None:
    """The next line of its kind says how many were left out."""
    clock = Clock()
    log = InspectionLog(console=False, repeat=60, clock=clock)
    log.write(RECORD)
    clock.now += 59.9
    for _ in range(3):
        log.write(replace(RECORD, **changes))
    (first,) = lines(stream)
    assert "suppressed" not in first
    clock.now += 0.1
    log.write(RECORD)
    log.write(RECORD)
    clock.now += 60
    log.write(RECORD)
    clock.now += 60
    log.write(RECORD)
    assert [line.get("suppressed") for line in lines(stream)] == [3, 1, None]


def test_without_a_repeat_time_everything_is_written(stream: io.StringIO) -> None:
    """`log_repeat: 0s` turns suppression off."""
    log = InspectionLog(console=False, repeat=0, clock=Clock())
    for _ in range(3):
        log.write(RECORD)
    assert len(lines(stream)) == 3


def test_counts_are_not_lost_when_their_like_never_comes_again(stream: io.StringIO) -> None:
    """They are written with the next line of any kind, and on close, as `repeats`."""
    clock = Clock()
    log = InspectionLog(console=False, clock=clock)
    for record in (RECORD, RECORD, RECORD, replace(RECORD, host="quiet.example.com")):
        log.write(record)
    lines(stream)
    clock.now += 60
    for _ in range(3):
        log.write(replace(RECORD, host="new.example.com"))
    repeats, inspection = lines(stream)
    assert repeats.pop("ts")
    assert repeats == {
        "level": "info",
        "event": "repeats",
        "client": "203.0.113.5",
        "rule": "org-in-path",
        "reason": "org_not_granted",
        "method": "GET",
        "host": "api.example.com",
        "path_template": "/orgs/{org}/**",
        "requested_orgs": ["acme-staging"],
        "suppressed": 2,
    }
    assert inspection["host"] == "new.example.com"
    log.close()
    log.close()
    (rest,) = lines(stream)
    assert (rest["event"], rest["host"], rest["suppressed"]) == ("repeats", "new.example.com", 2)


def test_memory_is_bounded_and_nothing_is_miscounted(stream: io.StringIO) -> None:
    """However many kinds there are, lines and suppressed ones add up to the records."""
    log = InspectionLog(console=False, clock=Clock())
    log.write(RECORD)
    log.write(RECORD)
    for number in range(10_000):
        log.write(replace(RECORD, host=f"{number}.example.com"))
    log.write(RECORD)
    written = lines(stream)
    assert sum(line["event"] == "inspection" for line in written) == 10_002
    # The first was forgotten to make room, and its count was not.
    assert [line["suppressed"] for line in written if line["event"] == "repeats"] == [1]
    log.close()
    assert lines(stream) == []


anything = st.text(st.characters(codec=None), max_size=80)


@given(
    st.builds(
        replace,
        st.just(RECORD),
        method=anything,
        host=anything,
        path=anything,
        correlation_id=anything,
        requested_orgs=st.lists(anything).map(tuple),
        path_template=anything,
    )
)
def test_no_record_raises_or_leaves_its_line(record: InspectionRecord) -> None:
    """Whatever a client sends, it is one line of JSON, in characters that are seen as themselves."""
    stream = io.StringIO()
    output = configure_logging(stream, console=False, capture_foreign=False)
    try:
        log = InspectionLog(console=True)
        log.write(record)
        log.write(record)
        log.close()
    finally:
        output.close()
        structlog.reset_defaults()
    first, second = stream.getvalue().removesuffix("\n").split("\n")
    assert first.isascii()
    values = [value for value in json.loads(first).values() if isinstance(value, str)]
    assert all(value.isprintable() for value in values)
    assert json.loads(second)["suppressed"] == 1


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        (" cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes ", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736", None),
        ("4bf92f3577b34da6a3ce929d0e0e4736", None),
        ("", None),
    ],
)
def test_the_trace_id_is_read_from_traceparent(traceparent: str, trace_id: str | None) -> None:
    """As W3C Trace Context has it; anything else is none."""
    assert trace_id_of(traceparent) == trace_id
