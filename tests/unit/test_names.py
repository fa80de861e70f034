"""The names that some server takes for the one that a rule reads."""

import unicodedata

import pytest

from orgfence.core import names
from orgfence.core.cookie_names import COOKIE_NAMES
from orgfence.core.names import PARAMETER_NAMES, Naming, forms_of, forms_of_members


def is_read_as(sent: bytes, name: bytes, naming: Naming = PARAMETER_NAMES) -> bool:
    form = sent.translate(naming.table, naming.ignored)
    return naming.form_of(name) in ([form] if form.isascii() else naming.forms_of_sent(sent))


@pytest.mark.parametrize(
    "sent",
    [
        # In any case, and in the other spellings of a compound.
        *(b"org_id", b"ORG_ID", b"orgId", b"OrgId", b"orgid", b"org-id"),
        # Escaped once, twice, in the way of IIS, and what PHP and Spring make of a name.
        *(b"org%5fid", b"%6f%72g_id", b"org%255fid", b"org%u005fid", b"org%U005FID", b"org%25u005fid"),
        *(b"org.id", b"org id", b"org+id", b"org%20id", b"org[id", b"org%5bid", b"org%2eid", b"!org_id", b"_org_id"),
        # With an index or a key, and what Rack and Express leave out.
        *(b"org_id[]", b"org_id[0]", b"org_id[a][b]", b"org_id%5B%5D", b"org_id%5b0]", b"org_id[", b"org_id[]x"),
        *(b"[org_id]", b"[[org_id", b"org_id]", b"org_id]x"),
        # Ended at NUL.
        *(b"org_id\0x", b"org_id%00", b"org_id%00.x[0]"),
        # With what servers strip, and with bytes that are no text.
        *(b" org_id", b"+org_id", b"%09org_id\x0b", b"\x1forg_id", b"\x85org_id", b"\xa0org_id", b"%a0org_id"),
        *(b"\xc2\xa0org_id", b"\xc2\x85org_id", b"%e2%80%83org_id", b"\xe3\x80\x80org_id", b"\xef\xbb\xbforg_id"),
        # Letters that are others to some.
        *("\uff4frg_\uff29d".encode(), "org_\u0131d".encode(), "ORG_\u0130D".encode()),
    ],
)
def test_a_name_that_some_server_takes_for_another(sent: bytes) -> None:
    """Each stands in the table of what real servers do, or is a composition of these."""
    assert is_read_as(sent, b"org_id")


@pytest.mark.parametrize(
    "sent",
    [
        *(b"", b"org", b"id", b"org_idx", b"xorg_id", b"my_org_id", b"org_id2", b"organization_id", b"o", b"orgs_id"),
        *(
            b"filter[org_id]",
            b"user[org_id]",
            b"org_ids[]",
            b"x\0org_id",
            b"org%ZZid",
            b"$org_id",
        ),
        *("\u043erg_id".encode(), b"org_id:eq", b"org_id__in", b"org_id~"),
    ],
)
def test_a_name_that_is_another(sent: bytes) -> None:
    """To every server that is known."""
    assert not is_read_as(sent, b"org_id")


@pytest.mark.parametrize(
    "sent",
    [
        # ASP.NET ignores case; PHP, and its old versions that undo escapes, make a `_` of these.
        *(b"ORG_ID", b"Org_Id", b"org.id", b"org id", b"org[id", b"org+id", b"org%20id", b"org%5bid", b"org%2Eid"),
        # Escapes, once, twice, in the way of IIS.
        *(b"org%5fid", b"%6f%72g_id", b"org%255fid", b"org%u005fid", b"org%25u005fid"),
        # Arrays, and what ends at NUL.
        *(b"org_id[]", b"org_id[0]", b"org_id[a][b]", b"org_id%5B%5D", b"org.id[x", b"org_id\0x", b"org_id%00"),
        # With what servers strip, and with bytes that are no text.
        *(
            b" org_id",
            b"+org_id",
            b"%09org_id\x0b",
            b"\x1forg_id",
            b"\x85org_id",
            b"\xa0org_id",
            b"%a0org_id",
            b"org_id ",
        ),
        *(
            b"\xc2\xa0org_id",
            b"\xc2\x85 org_id",
            b"\x1f\xe2\x80\x83org_id",
            b"org_id\xe3\x80\x80",
            b"\xef\xbb\xbforg_id",
        ),
        *("\uff4frg_\uff29d".encode(), "org_\u0131d".encode(), "ORG_\u0130D".encode()),
    ],
)
def test_the_name_of_a_cookie_that_some_server_takes_for_another(sent: bytes) -> None:
    """Each stands in the table of what real servers do, or is a composition of these."""
    assert is_read_as(sent, b"org_id", COOKIE_NAMES)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        # Sign-in services send both.
        *((b"__session", b"session"), (b"session", b"__session"), (b"__Host-session", b"session")),
        # To no server a letter's case or another sign stands for the `_` of a cookie.
        *((b"orgId", b"org_id"), (b"org-id", b"org_id"), (b"orgid", b"org_id"), (b"org_id", b"org-id")),
        *((b"_org_id", b"org_id"), (b".org_id", b"org_id"), (b"-org_id", b"org_id"), (b"!org_id", b"org_id")),
        *((b"org_id_", b"org_id"), (b"org_id.sig", b"org_id"), (b"org_id-", b"org_id"), (b"org__id", b"org_id")),
        *((b"org", b"org_id"), (b"x[org_id]", b"org_id"), (b"x\0org_id", b"org_id"), (b"", b"org_id")),
    ],
)
def test_the_name_of_a_cookie_that_is_another(sent: bytes, name: bytes) -> None:
    """To every server that is known."""
    assert not is_read_as(sent, name, COOKIE_NAMES)


def test_a_blank_behind_the_name_of_a_cookie_is_read_in_both_ways() -> None:
    """Most servers strip it, and PHP makes a `_` of it."""
    assert is_read_as(b"org ", b"org", COOKIE_NAMES)
    assert is_read_as(b"org ", b"org_", COOKIE_NAMES)


def test_a_policy_may_name_what_has_an_index() -> None:
    """It is the name of what is deeper, too, and not of what is beside."""
    assert is_read_as(b"filter[org]", b"filter[org]")
    assert is_read_as(b"filter%5Borg%5D", b"filter[org]")
    assert is_read_as(b"Filter[org][]", b"filter[org]")
    assert not is_read_as(b"filter[orgs]", b"filter[org]")
    assert not is_read_as(b"filter", b"filter[org]")


@pytest.mark.parametrize("name", [b"%", b"a%20b", b"a%2520b", b"a+b", "\u00e9".encode(), b"[", b"_", b"a[b]c", b"\xff"])
def test_every_name_is_itself(name: bytes) -> None:
    """As it stands, and however it is escaped."""
    for naming in (PARAMETER_NAMES, COOKIE_NAMES):
        assert is_read_as(name, name, naming)
        assert is_read_as(b"".join(b"%%%02X" % byte for byte in name), name, naming)


def test_the_forms_of_a_name_are_bounded() -> None:
    """Nothing goes as deep as a name can be long."""
    assert len(forms_of(b"a" + b"[b]" * 1000)) == 18
    assert len(forms_of(b"org_id" + b"[]" * 1000)) == 2
    assert len(COOKIE_NAMES.forms_of_sent(b"a" + b"[b]" * 1000)) == 9
    assert COOKIE_NAMES.forms_of_sent(b"a[b][c]") == [b"a", b"a_b_", b"a_b__c_"]


def test_every_character_that_is_a_letter_to_some_is_read_as_it() -> None:
    """A code page or a normalisation writes it so."""
    for code in range(0x80, 0x110000):
        plain = unicodedata.normalize("NFKD", chr(code))
        if plain.isalnum() and plain.isascii():
            assert forms_of(chr(code).encode()) == forms_of(plain.encode()), hex(code)


def test_combining_marks_are_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    """To sort half a million of them, as a normalisation does, would take minutes."""
    sizes: list[int] = []

    def normalize(form: str, text: str) -> str:
        sizes.append(len(text))
        return unicodedata.normalize(form, text)  # type: ignore[arg-type] # the form is a literal where it is given

    monkeypatch.setattr(names, "unicodedata", type("", (), {"normalize": staticmethod(normalize)}))
    marks = "\u0301\u0316" * 2000
    assert len(forms_of_members(["a" + marks, "b"])) == 2
    assert forms_of(("\u00e9" + marks).encode()) == forms_of(("e\u0301" + marks).encode())
    assert max(sizes) < 10
    assert forms_of_members(["\ufdfa"]) == ["\ufdfa".encode()]
