"""The one pass over a request's header fields."""

import pytest

from orgfence.core.request import WantedFields, canonical_name, scan_headers

WANTED = WantedFields({b"x-org-id", b"authorization"})


@pytest.mark.parametrize("name", [b"x-org-id", b"X-Org-Id", b"X-ORG-ID", b"x_org_id", b"X_Org-ID"])
def test_a_name_is_known_in_any_case_and_with_underscores(name: bytes) -> None:
    """CGI and its heirs cannot tell `X_Org_Id` from `X-Org-Id`, so neither does the guard."""
    assert canonical_name(name) == b"x-org-id"
    assert scan_headers([(name, b"acme")], WANTED) == {b"x-org-id": [b"acme"]}


def test_every_value_of_a_repeated_field_is_kept_in_order() -> None:
    """However its name is written each time, and whatever stands between."""
    headers = [(b"X-Org-Id", b"a"), (b"Accept", b"*/*"), (b"x_org_id", b""), (b"x-org-id", b"a"), (b"X-ORG-ID", b"b")]
    assert scan_headers(headers, WANTED) == {b"x-org-id": [b"a", b"", b"a", b"b"]}


@pytest.mark.parametrize("name", [b"", b"x-org-id ", b" x-org-id", b"x-org", b"x-org-id\0", b"\xff"])
def test_what_no_rule_asks_for_is_left_out(name: bytes) -> None:
    """A field is the whole name or it is another."""
    assert scan_headers([(name, b"acme")], WANTED) == {}
    # Nor when it is known.
    assert scan_headers([(name, b"acme"), (b"X-Org-Id", b"acme")], WANTED) == {b"x-org-id": [b"acme"]}


def test_no_number_of_made_up_names_takes_memory() -> None:
    """Clients choose the names: those that are kept are few and short, and what is forgotten is found out again."""
    wanted = WantedFields({b"x-org-id"})
    for number in range(5_000):
        made_up = [(b"X-%d" % number, b""), (b"X-" + b"long" * 100 + b"%d" % number, b"")]
        assert scan_headers([*made_up, (b"X_Org_Id", b"acme")], wanted) == {b"x-org-id": [b"acme"]}
    assert len(wanted.unwanted.known) <= 1024
    assert max(map(len, wanted.unwanted.known)) <= 64
