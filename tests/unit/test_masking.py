"""Lines of a policy are shown beside its faults; what an example's headers hold is not."""

import pytest

from orgfence.core.policy.masking import masked

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
