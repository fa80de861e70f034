"""Lines of a policy are shown beside its faults; what an example's headers hold is not."""

import time

import pytest

from orgfence.core.policy.faults import Fault, Place, Source
from orgfence.core.policy.masking import MAX_LINE, masked

JWT = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("headers: {Authorization: Bearer abc}, verdict: allow}", "Bearer abc}, verdict: allow}"),
        ('headers: {"authorization" : "Basic abc"}', '"Basic abc"}'),
        ("  X-Api-Token: [abc, def]", "[abc, def]"),
        ("  x-session-id: abc", "abc"),
        ("  Cookie: a=b; c=d", "a=b; c=d"),
        ("  Set-Cookie: a=b", "a=b"),
        (f"request: GET https://api.example.com/{JWT}/x", JWT),
        (f"X: a {JWT} b", JWT),
        ("client_secret: hunter2", "hunter2"),
        ("{cookie: sid, client_secret: hunter2}", "hunter2}"),
        (f"cookie: {'a' * 2000}=b", f"{'a' * 2000}=b"),
    ],
)
def test_credentials_are_starred_out_at_their_length(line: str, hidden: str) -> None:
    """So the caret below still stands where it should."""
    assert masked([line], 0) == line.replace(hidden, "*" * len(hidden))


@pytest.mark.parametrize(
    "line",
    [
        "token: {issuer: corp, from: [{header: Authorization, scheme: Bearer}, {cookie: sid}]}",
        "org: [{cookie: org}, {header: X-Api-Token}]",
        "token: {org_ids: [acme]}, verdict: allow",
        "keys: eyes only",
    ],
)
def test_what_only_names_a_credential_stays(line: str) -> None:
    """A policy is shown as it is wherever it can be."""
    assert masked([line], 0) == line


@pytest.mark.parametrize(
    "lines",
    [
        ["    Authorization:", "      - [Basic c2VjcmV0]"],
        ["    Authorization:", "      Basic", "        c2VjcmV0"],
        ["    'authorization': |-  # the token", "      Basic c2VjcmV0"],
        ["  - X-Api-Token: [", "      c2VjcmV0]"],
        ["    Cookie: >", "", "      c2VjcmV0"],
    ],
)
def test_credentials_on_the_lines_below_their_name_are_starred_out(lines: list[str]) -> None:
    """YAML lets a value begin where its author likes."""
    shown = [masked(lines, index) for index in range(len(lines))]
    assert "c2VjcmV0" not in "".join(shown)
    assert [len(line) for line in shown] == [len(line) for line in lines]


@pytest.mark.parametrize(
    "lines",
    [
        ["    Authorization: x", "    X-Org: [acme]"],
        ["    Authorization:", "  - id: b", "    match: {hosts: [b]}"],
        ["rules:", "  - id: a", "    match: {hosts: [b]}"],
        ["x", *[""] * 30, "y"],
    ],
)
def test_other_lines_stay(lines: list[str]) -> None:
    """What stands below a credential, and does not belong to it, is shown."""
    assert masked(lines, len(lines) - 1) == lines[-1]


# Each repeat of these was searched, for what stands behind it, from each of its characters.
REPEATED = [
    "a",
    "-",
    " ",
    "x-token",
    "-key-",
    "cookie:",
    "cookie: a",
    "secret ",
    "eyJ",
    "eyJaaaaaaaa.",
    "a: ",
    "'",
    "{-",
]


def _seconds(lines: list[str]) -> float:
    """The least processor time of three tries."""
    spent = []
    for _ in range(3):
        started = time.thread_time()
        masked(lines, len(lines) - 1)
        spent.append(time.thread_time() - started)
    return min(spent)


@pytest.mark.parametrize("repeated", REPEATED)
@pytest.mark.parametrize("above", [True, False], ids=["above", "itself"])
def test_a_line_is_masked_in_linear_time(repeated: str, *, above: bool) -> None:
    """Eight times the line takes about eight times as long, where a quadratic expression takes 64 times."""

    def lines(length: int) -> list[str]:
        long = (repeated * length)[:length]
        return [long, " " * (length + 1) + "x"] if above else [long]

    # A floor, because what takes microseconds cannot be compared.
    assert _seconds(lines(MAX_LINE)) < 24 * max(_seconds(lines(MAX_LINE // 8)), 0.0001)


def test_only_the_beginning_of_a_very_long_line_is_masked_and_shown() -> None:
    """What the regular expressions see is bounded; a fault further to the right has its place and no excerpt."""
    source = Source("policy.yaml", ["a" * MAX_LINE + " client_secret: hunter2"])
    assert source.shown(1) == "a" * MAX_LINE
    near, far = (Fault(Place(source, 1, column), "wrong. Mend it", source.shown(1)) for column in (5, MAX_LINE + 17))
    assert str(near).count("\n") == 2
    assert str(far) == f"policy.yaml:1:{MAX_LINE + 17}: wrong. Mend it"
