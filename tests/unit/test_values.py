"""Values of query parameters and cookies, in every way that a server may take them apart."""

import pytest

from orgfence.core.names import Found, OtherName
from orgfence.core.values import (
    cookie_pieces,
    cookie_values,
    find_cookie,
    find_parameter,
    parameter_pieces,
    query_values,
)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (b"", []),
        (b"org=acme", [b"acme"]),
        (b"a=1&org=acme&b=2", [b"acme"]),
        (b"org=acme&org=globex", [b"acme", b"globex"]),
        (b"org=acme&org=acme", [b"acme", b"acme"]),
        (b"organisation=acme&xorg=acme&ORG=acme&org[]=acme", []),
        # An empty value is a value, with or without its `=`.
        (b"org=", [b""]),
        (b"org", [b""]),
        (b"org=&org=acme", [b"", b"acme"]),
        (b"&&=&org=a=b&", [b"a=b"]),
        # Percent escapes and plus signs, in values and in names; what is no escape stays.
        (b"org=acme%20inc+co", [b"acme inc co"]),
        (b"%6f%72%67=acme", [b"acme"]),
        (b"o%72g=acme&org=globex", [b"acme", b"globex"]),
        (b"org=%zz%4", [b"%zz%4"]),
        (b"org=%ff%00", [b"\xff\x00"]),
        (b"org=a%26org%3Db", [b"a&org=b"]),
        (b"org=%2541", [b"%41"]),
        (b"\xff=1&org=\xfe", [b"\xfe"]),
        # Some servers part at `;` as well: what only those see is a value, too.
        (b"a=1;org=acme", [b"acme"]),
        (b"org=acme;b=2", [b"acme;b=2", b"acme"]),
        (b"org=acme;org=globex", [b"acme;org=globex", b"acme", b"globex"]),
        (b"org=acme&b=2;c=3", [b"acme"]),
        (b"org=acme%3Borg=globex", [b"acme;org=globex"]),
    ],
)
def test_every_value_of_a_parameter_is_found(query: bytes, values: list[bytes]) -> None:
    """In their order, repeated and empty ones included."""
    assert query_values(query, b"org") == values
    assert find_parameter(parameter_pieces(query), b"org").values == values


def test_a_parameter_may_have_any_name() -> None:
    """Names are compared as they stand, and decoded."""
    assert query_values(b"my+org=acme", b"my org") == [b"acme"]
    assert query_values(b"my%2Borg=acme", b"my+org") == [b"acme"]
    assert query_values(b"my+org=acme", b"my+org") == [b"acme"]
    assert query_values(b"my%20org=acme", b"my+org") == []


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([], []),
        ([b""], []),
        ([b"sid=abc"], [b"abc"]),
        ([b"a=1; sid=abc;b=2"], [b"abc"]),
        ([b"sid=abc; sid=def"], [b"abc", b"def"]),
        ([b"sid=abc", b"a=1; sid=def"], [b"abc", b"def"]),
        ([b"sid="], [b""]),
        ([b"sid; SID=1; xsid=2; sidx=3"], []),
        ([b" sid\t= abc \r\n"], [b"abc"]),
        ([b'sid="abc"'], [b"abc"]),
        ([b'sid=""'], [b""]),
        ([b'sid="'], [b'"']),
        ([b'sid="abc'], [b'"abc']),
        ([b'sid=""abc""'], [b'"abc"']),
        ([b"sid=a=b%20c"], [b"a=b%20c"]),
        ([b";;=;\xff=\x00;sid=\xfe"], [b"\xfe"]),
    ],
)
def test_every_value_of_a_cookie_is_found(fields: list[bytes], values: list[bytes]) -> None:
    """In all `Cookie` fields, without the quotes that may be around it, not decoded in any way."""
    assert cookie_values(fields, b"sid") == values


@pytest.mark.parametrize(
    ("query", "values", "others"),
    [
        (b"org=acme&ORG=globex", [b"acme"], [(b"ORG", b"globex")]),
        (b"ORG=acme&org[]=a%20b&org[]=c&org[]=c", [], [(b"ORG", b"acme"), (b"org[]", b"a b"), (b"org[]", b"c")]),
        (b"org=acme&x=1;Org=globex", [b"acme"], [(b"Org", b"globex")]),
        (b"Org=acme;b", [], [(b"Org", b"acme;b"), (b"Org", b"acme")]),
        (b"org[]", [], [(b"org[]", b"")]),
        (b"org=acme&org.id=1&org%2Eid=2", [b"acme"], [(b"org.id", b"1"), (b"org%2Eid", b"2")]),
        (b"?org=acme", [], [(b"?org", b"acme")]),
        (b"page[org]=1&orgs=2&%6frg=acme", [b"acme"], []),
    ],
)
def test_what_only_another_reading_of_a_parameters_name_finds(
    query: bytes, values: list[bytes], others: list[tuple[bytes, bytes]]
) -> None:
    """It is set apart, with the name as it was sent, each once."""
    found = find_parameter(parameter_pieces(query), b"org")
    assert found == Found(values, [OtherName(sent, b"org", value) for sent, value in others])


@pytest.mark.parametrize(
    ("field", "values", "others"),
    [
        (b"sid=abc; SID=def", [b"abc"], [b"def"]),
        (b"sid=abc; %73id=def; sid[=ghi; sid[x]=jkl", [b"abc"], [b"def", b"ghi", b"jkl"]),
        (b"sid=abc; x=y sid=def", [b"abc"], [b"def"]),
        (b"sid=abc; x=y\tsid = def", [b"abc"], [b"def"]),
        (b"x=y,sid=def; sid=abc", [b"abc"], [b"def"]),
        (b"x=y sid=abc,def", [], [b"abc,def", b"abc"]),
        (b"x=y,sid=abc &def", [], [b"abc", b"abc &def"]),
        (b"x=1\0sid=def", [], [b"def"]),
        (b"x= sid=def", [], [b"def"]),
        (
            b"sid=abc; \xa0sid=def; \xc2\xa0sid=ghi; \x1fsid=jkl; \x85sid=mno",
            [b"abc"],
            [b"def", b"ghi", b"jkl", b"mno"],
        ),
        # A value that some server ends earlier, and quotes that it leaves.
        (b"sid=abc def", [b"abc def"], [b"abc"]),
        (b'sid="abc, def"', [b"abc, def"], [b"abc,", b"abc"]),
        # Without `=` it is an empty value to some.
        (b"sid", [], [b""]),
        (b"a=b; sid ; c=d", [], [b""]),
        # What is no other reading.
        (b"sid= abc ; a = b", [b"abc"], []),
        (b"a=my sid, b=c d=e; x", [], []),
        (b"connect.sid=1; sid.sig=2; asid=3; sids=4; s-id=5; _sid=6; sid_=7; s[id=8; %2Bsid=9", [], [b"9"]),
    ],
)
def test_what_only_another_reading_of_a_cookie_finds(field: bytes, values: list[bytes], others: list[bytes]) -> None:
    """Of its name, or of where a cookie ends."""
    found = find_cookie(cookie_pieces([field]), b"sid")
    assert found.values == values
    assert [other.value for other in found.others] == others
