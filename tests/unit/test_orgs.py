"""Org ids and their names."""

import pytest

from orgfence.core.orgs import OrgNames, canonical_id, salesforce_id

UUID = "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"
OLD_UUID = "1F6D7C35-44C1-4A0E-8F6B-6A3F1F3F9B02"
ORGS = OrgNames({"acme": UUID.upper(), "globex": "globex-1"}, [("acme-inc", "acme"), (OLD_UUID, "acme")])


@pytest.mark.parametrize("word", ["acme", "acme-inc", UUID, UUID.upper(), OLD_UUID, OLD_UUID.lower()])
def test_a_name_an_alias_and_an_id_stand_for_one_org(word: str) -> None:
    """Whichever the request, the token or the policy uses; UUIDs in any case."""
    assert ORGS.normalise(word.encode()) == UUID.encode()


@pytest.mark.parametrize(
    "word", [b"", b"ACME", b"acme-prod", b"acm", b" acme", b"acme\0", b"Globex-1", b"\xff", UUID.encode() + b"0"]
)
def test_an_id_is_compared_whole(word: bytes) -> None:
    """What merely resembles a name or an id stands for itself."""
    assert ORGS.normalise(word) == word


def test_an_org_is_shown_by_its_name() -> None:
    """Where the policy has one."""
    assert ORGS.name_of(UUID.encode()) == "acme"
    assert ORGS.name_of(b"globex-1") == "globex"
    assert ORGS.name_of(b"initech") is None


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (UUID.upper().encode(), UUID.encode()),
        (UUID.upper().replace("-", "A").encode(), UUID.upper().replace("-", "A").encode()),
        (b"{" + UUID.upper().encode()[1:], b"{" + UUID.upper().encode()[1:]),
        (b"Acme", b"Acme"),
    ],
)
def test_only_a_uuid_is_compared_without_regard_to_case(value: bytes, canonical: bytes) -> None:
    """RFC 9562 says so of UUIDs; nobody says so of other ids."""
    assert canonical_id(value) == canonical


# The pair stands in Salesforce's documentation of its tokens; the others follow from the rule for the checksum.
@pytest.mark.parametrize(
    ("short", "long"),
    [
        (b"00D5g00000AbCdE", b"00D5g00000AbCdEEAV"),
        (b"000000000000000", b"000000000000000AAA"),
        (b"AAAAAAAAAAAAAAA", b"AAAAAAAAAAAAAAA555"),
        (b"Aaaaaaaaaaaaaaa", b"AaaaaaaaaaaaaaaBAA"),
    ],
)
def test_a_short_salesforce_id_is_made_long(short: bytes, long: bytes) -> None:
    """The 15-character form tells ids apart by case, the 18-character form says the case in three letters more."""
    assert salesforce_id(short) == long
    assert salesforce_id(long) == long


@pytest.mark.parametrize("value", [b"", b"acme", b"00D5g00000AbCd", b"00D5g00000AbCd!", b"00D5g00000AbCdEE"])
def test_what_is_no_short_salesforce_id_stays(value: bytes) -> None:
    """By its length or by a character that no such id has."""
    assert salesforce_id(value) == value


def test_a_salesforce_id_has_its_name_in_either_form() -> None:
    """The policy may have written the short form, the guard compares the long one."""
    orgs = OrgNames({"acme": "00D5g00000AbCdE"})
    assert orgs.name_of(b"00D5g00000AbCdE") == orgs.name_of(b"00D5g00000AbCdEEAV") == "acme"
