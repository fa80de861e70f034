"""What JSON Pointers find: every candidate for a name, those that only some reader takes for it set apart."""

import json
from collections.abc import Collection

import pytest

from orgfence.core import json_members
from orgfence.core import names as names_module
from orgfence.core.json_document import NoDocument, parse_json
from orgfence.core.json_members import MAX_VALUES, JsonMembers
from orgfence.core.names import Found, OtherName


def found_in(text: str | bytes, *pointer: str) -> Found | None:
    document = parse_json(text.encode() if isinstance(text, str) else text, b"")
    assert not isinstance(document, NoDocument)
    return JsonMembers(document).find(pointer)


def values_in(text: str | bytes, *pointer: str) -> list[bytes] | None:
    found = found_in(text, *pointer)
    return None if found is None else found.values


def others_in(text: str | bytes, *pointer: str) -> list[bytes]:
    found = found_in(text, *pointer)
    assert found is not None
    return [other.value for other in found.others]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"org": "acme"}', [b"acme"]),
        ('{"org": "acm\u00e9 \\u00e9\\ud83d\\ude00"}', ["acmé é😀".encode()]),
        ('{"org": ""}', [b""]),
        ('{"org": 42}', [b"42"]),
        ('{"org": -0}', [b"0"]),
        ('{"org": 12345678901234567890123}', [b"12345678901234567890123"]),
        ('{"org": ["acme", 7, "acme", ""]}', [b"acme", b"7", b"acme", b""]),
        # Nothing there.
        ("{}", []),
        ("[]", []),
        ('"acme"', []),
        ("null", []),
        ('{"org": []}', []),
        ('{"x": {"org": "acme"}}', []),
        ('[{"org": "acme"}]', []),
        ('{"org_id": "acme", "organisation": "acme"}', []),
        ('{"ORG": "acme", "o_rg": "acme", "org\\u0000x": "acme"}', []),
        # Something there, and no org.
        ('{"org": null}', None),
        ('{"org": true}', None),
        ('{"org": 1.0}', None),
        ('{"org": 1e2}', None),
        ('{"org": {}}', None),
        ('{"org": [[]]}', None),
        ('{"org": ["acme", false]}', None),
        ('{"org": ["acme", null]}', None),
        ('{"org": "\\ud800"}', None),
        ('{"org": "acme", "other": "\\ud800", "\\ud800": 1.5}', [b"acme"]),
        # Every candidate for the name, in the order of the document.
        ('{"org": "acme", "org": "globex"}', [b"acme", b"globex"]),
        ('{"ORG": "globex", "org": "acme", "Org": ["initech"]}', [b"acme"]),
        ('{"org": "acme", "org": null}', None),
        ('{"org": "acme", "ORG": []}', [b"acme"]),
        ('{"o\\u0072g": "acme", "org\\u0000x": "globex"}', [b"acme"]),
    ],
)
def test_what_stands_at_a_name(text: str, values: list[bytes] | None) -> None:
    """Strings, integers and lists of them are orgs; all else that stands there is unread."""
    assert values_in(text, "org") == values


DOCUMENT = """{
    "orgs": [{"id": "a"}, {"ID": "b", "id": "c"}, {"no": "d"}, "text", ["x"]],
    "map": {"one": {"id": "e"}, "two": {"id": ["f", 6]}, "one": {"id": "g"}},
    "0": "zero", "": {"": "empty"}, "*": "star", "a/b": "slash", "none": [], "nothing": {}
}"""


@pytest.mark.parametrize(
    ("pointer", "values"),
    [
        (("orgs", "0", "id"), [b"a"]),
        (("orgs", "1", "id"), [b"c"]),
        (("orgs", "*", "id"), [b"a", b"c"]),
        (("ORGS", "*", "Id"), []),
        (("orgs", "3"), [b"text"]),
        (("orgs", "4"), [b"x"]),
        (("orgs", "5"), []),
        (("orgs", "01"), []),
        (("orgs", "-"), []),
        (("orgs", "-1"), []),
        (("orgs", "1" * 30), []),
        (("orgs", "\u0661"), []),
        (("orgs", "id"), []),
        (("orgs", "3", "0"), []),
        (("orgs",), None),
        (("orgs", "*"), None),
        (("map", "*", "id"), [b"e", b"f", b"6", b"g"]),
        (("map", "one", "id"), [b"e", b"g"]),
        (("map", "two", "id", "1"), [b"6"]),
        (("*", "*", "id"), [b"a", b"c", b"e", b"f", b"6", b"g"]),
        (("0",), [b"zero"]),
        (("", ""), [b"empty"]),
        (("a/b",), [b"slash"]),
        (("none", "*"), []),
        (("nothing", "*"), []),
        ((), None),
    ],
)
def test_where_a_pointer_leads(pointer: tuple[str, ...], values: list[bytes] | None) -> None:
    """A number indexes a list and names a member, `*` is every item or member."""
    assert values_in(DOCUMENT, *pointer) == values


@pytest.mark.parametrize(
    "name",
    [
        *("ORG_KIND", "org_kind\0", "org_\u212aind", "org_k\u0131nd", "ORG_K\u0130ND", "Org_Kind\0.x"),
        *("orgKind", "OrgKind", "org-kind", "orgkind", "org kind", "org.kind", "\u00a0org_kind\u2003", "org\n_kind"),
        *("\uff4frg_kind", "_org_kind", "org_kind\u200b", "org_kind\u0085"),
    ],
)
def test_a_name_is_all_that_some_server_takes_for_it(name: str) -> None:
    """In any case: the Kelvin sign is a k, and the Turkish letters are an i; `orgKind` is protobuf's `org_kind`."""
    document = json.dumps({"org_kind": "acme", name: "globex", "x\ny": 1})
    assert found_in(document, "org_kind") == Found([b"acme"], [OtherName(name.encode(), b"org_kind", b"globex")])
    assert values_in(document, name) == [b"globex"]
    assert others_in(document, name) == [b"acme"]


def test_the_long_s_is_an_s_and_other_letters_are_themselves() -> None:
    """Names that nothing makes the same are two."""
    assert others_in('{"pa\u017f\u017f": "acme", "pa\u00df": "globex"}', "pass") == [b"acme", b"globex"]
    names = '{"\u00d6rg": "acme", "org": "globex", "0rg": "x", "\u043erg": "y", "org[x]": "z", "%6frg": "z"}'
    assert others_in(names, "\u00f6rg") == [b"acme"]
    assert others_in(names, "org") == []


@pytest.mark.parametrize(
    ("pointer", "values", "others"),
    [
        (("items", "*", "org"), [b"a"], [b"b", b"c", b"d"]),
        (("items", "0", "org"), [b"a"], [b"c"]),
        (("items", "1", "org"), [], [b"b", b"d"]),
        (("items", "2", "org"), [], []),
        (("*", "0", "Org"), [], [b"a", b"c"]),
        (("Items", "0", "org"), [b"c"], [b"a"]),
        (("ITEMS", "0", "org"), [], [b"a", b"c"]),
        (("list",), [], [b"7", b"x"]),
        (("LIST", "1"), [], [b"7"]),
        (("LIST", "*"), [], [b"7", b"x"]),
        (("list", "9"), [], []),
        (("LIST", "x"), [], []),
    ],
)
def test_any_step_may_be_read_in_another_way(
    pointer: tuple[str, ...], values: list[bytes], others: list[bytes]
) -> None:
    """What is reached by another reading of one name is found by that reading alone, whatever follows."""
    text = '{"items": [{"org": "a"}, {"ORG": "b"}], "Items": [{"org": "c"}, {"org": "d"}, 1], "List": ["x", 7]}'
    assert values_in(text, *pointer) == values
    assert sorted(others_in(text, *pointer)) == others


def test_nothing_is_nothing_to_every_pointer() -> None:
    """No bytes are no error: nothing was sent."""
    document = parse_json(b"", b"utf-7")
    assert not isinstance(document, NoDocument)
    for pointer in ((), ("org",), ("*",), ("0", "1")):
        assert JsonMembers(document).find(pointer) == Found([])


def test_values_are_bounded_in_number() -> None:
    """In one list, and in all to which a pointer leads."""
    assert values_in("[" + "1," * (MAX_VALUES - 1) + "1]") == [b"1"] * MAX_VALUES
    assert values_in("[" + "1," * MAX_VALUES + "1]") is None
    assert values_in("[" + "1," * MAX_VALUES + "1]", "*") is None
    assert values_in("[" + "[1,1]," * MAX_VALUES + "1]", "0") == [b"1", b"1"]
    assert values_in("[" + "[1,1]," * (MAX_VALUES // 2) + "1]", "*") is None
    assert values_in("[" + "[]," * MAX_VALUES + "[]]", "*") is None


def test_other_readings_are_bounded_in_number() -> None:
    """They cost more to follow, and no document has many of them."""
    many = '{"ITEMS": [' + "{}," * MAX_VALUES
    assert others_in(many[:-1] + "]}", "items", "*", "org") == []
    assert found_in(many + "{}]}", "items", "*", "org") is None
    assert found_in(many + "{}]}", "items", "*", "org", "id") is None
    assert found_in('{"ITEMS": {' + '"a": 1,' * MAX_VALUES + '"b": 1}}', "items", "b") is None
    assert found_in("[" + "[1,1]," * MAX_VALUES + "[1]]", "*", "1") is None


def test_however_many_pointers_ask_each_member_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of a list's objects are read together, for all pointers."""
    calls: list[int] = []

    def counted(names: Collection[str]) -> list[bytes]:
        calls.append(len(names))
        return names_module.forms_of_members(names)

    monkeypatch.setattr(json_members, "forms_of_members", counted)
    document = parse_json(json.dumps({"items": [{f"n{number}": number} for number in range(100)]}).encode(), b"")
    assert not isinstance(document, NoDocument)
    members = JsonMembers(document)
    for number in range(50):
        for _ in range(2):
            assert members.find(("items", "*", f"n{number}")) == Found([str(number).encode()])
    assert sum(calls) == 1 + 100 + 1 + 50


@pytest.mark.parametrize("value", ["null", '"\\ud800"', '{"a": 1}', "[" + "1," * MAX_VALUES + "1]"])
def test_what_another_reading_finds_that_is_no_org_is_unread(value: str) -> None:
    """But for those who read the name exactly."""
    assert found_in(f'{{"org": "acme", "ORG": {value}}}', "org") == Found([b"acme"], (), others_are_read=False)
