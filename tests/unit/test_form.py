"""The fields of a form: what `query_values` finds, at a cost that a hostile body cannot raise."""

import pytest

from orgfence.core.form import MAX_FIELDS, MAX_VALUE_BYTES, Form
from orgfence.core.names import OtherName
from orgfence.core.values import MAX_ODD_BYTES, query_values


def form_fields(data: bytes, name: bytes) -> list[bytes] | None:
    found = Form(data).find(name)
    return None if found is None else found.values


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"", []),
        (b"org=acme", [b"acme"]),
        (b"a=1&org=acme&b=2", [b"acme"]),
        (b"org=acme&org=globex&org=acme", [b"acme", b"globex", b"acme"]),
        (b"organisation=acme&xorg=acme&ORG=acme&org[]=acme", []),
        (b"org", [b""]),
        (b"org=", [b""]),
        (b"org&org=acme", [b"", b"acme"]),
        (b"&&=&org=a=b&", [b"a=b"]),
        (b"org=acme%20inc+co", [b"acme inc co"]),
        (b"%6f%72%67=acme&%6F%72g=globex", [b"acme", b"globex"]),
        (b"org=%zz%4", [b"%zz%4"]),
        (b"org=a%26org%3Db", [b"a&org=b"]),
        (b"a=1;org=acme", [b"acme"]),
        (b"org=acme;b=2", [b"acme;b=2", b"acme"]),
        (b"org=acme;org=globex&org=globex", [b"acme;org=globex", b"globex", b"acme"]),
        (b"org;x=1&a", [b""]),
    ],
)
def test_every_value_of_a_field_is_found(data: bytes, values: list[bytes]) -> None:
    """In their order, as those of a query's parameter."""
    assert form_fields(data, b"org") == values
    assert query_values(data, b"org") == values


@pytest.mark.parametrize(
    "name",
    [
        b"my org",
        b"my+org",
        b"a%20b",
        b"%",
        b"a&b",
        b"a;b",
        b"a=b",
        b"org[id]",
        b"\xc3\xa9",
        b"",
        b"a%4",
        b"a|b",
        b"%41 b",
    ],
)
@pytest.mark.parametrize(
    "data",
    [
        b"my+org=1&my org=2&my%20org=3&my%2borg=4",
        b"a%20b=1&a%2520b=2&a b=3",
        b"%=1&%25=2&%%32%35=3&%a=4",
        b"a&b=1&a%26b=2;a%26b=3",
        b"a;b=1&a%3bb=2&a%3Bb;b",
        b"a=b=1&a%3db=2&a%3Db",
        b"org[id]=1&org%5Bid%5d=2",
        b"\xc3\xa9=1&%c3%A9=2",
        b"&=1&%=2;=3&",
        b"a%4=1&a%254=2&a%2534=3",
        b"a|b=1&a%7Cb=2&a=3&b=4",
        b"%41+b=1&%2541+b=2&%41 b=3",
    ],
)
def test_a_field_may_have_any_name(data: bytes, name: bytes) -> None:
    """Also one that is written with what parts the fields, or that looks escaped."""
    assert form_fields(data, name) == query_values(data, name)


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    """A server that decodes the body before it parts the fields may not see it."""
    assert form_fields(b"\xef\xbb\xbforg=globex&org=acme", b"org") == [b"globex", b"acme"]


def test_fields_are_bounded_in_number_and_in_size() -> None:
    """Where there are more than any server takes, all of them are unread."""
    assert form_fields(b"org&" * (MAX_FIELDS - 1), b"org") is not None
    assert form_fields(b"org&" * MAX_FIELDS, b"org") is None
    assert form_fields(b"a&b;" * (MAX_FIELDS // 2), b"org") is None
    assert form_fields(b"org=%&" * 2 + b"org=" + b"%" * (MAX_VALUE_BYTES - 2), b"org") is not None
    assert form_fields(b"org=%&" * 2 + b"org=" + b"%" * (MAX_VALUE_BYTES - 1), b"org") is None
    assert form_fields(b"ORG=%&" * 2 + b"org=" + b"%" * (MAX_VALUE_BYTES - 1), b"org") is None
    assert form_fields(b"org=a&other=" + b"%" * MAX_VALUE_BYTES * 4, b"org") == [b"a"]


def test_names_that_take_time_to_read_are_bounded() -> None:
    """Those that hold escapes, together."""
    name = b"%61" * 20
    few = MAX_ODD_BYTES // len(name)
    assert form_fields((name + b"&") * few + b"org=acme", b"org") == [b"acme"]
    assert form_fields((name + b"&") * (few + 1) + b"org=acme", b"org") is None


def test_other_readings_of_a_name_are_found_beside_it() -> None:
    """As in a query; and the form is taken apart once for all names."""
    form = Form(b"org=acme&ORG=globex&user[name]=x;org[]=initech")
    for _ in range(2):
        found = form.find(b"org")
        assert found is not None
        assert found.values == [b"acme"]
        assert found.others == [
            OtherName(b"ORG", b"org", b"globex"),
            OtherName(b"org[]", b"org", b"initech"),
        ]
