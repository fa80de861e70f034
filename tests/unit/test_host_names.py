"""Hosts compare in one form, and an authority is taken for all that a server might take it for."""

import pytest

from orgfence.core.request import Authority
from orgfence.core.routing.host_names import (
    host_readings,
    normalise_host,
    read_address,
    without_many_international,
)


@pytest.mark.parametrize(
    ("raw", "normalised"),
    [
        (b"api.example.com", b"api.example.com"),
        (b"API.Example.COM.", b"api.example.com"),
        (b"api.example.com..", b"api.example.com"),
        (b"my_host.example.com", b"my_host.example.com"),
        ("bücher.example".encode(), b"xn--bcher-kva.example"),
        ("BÜCHER.example".encode(), b"xn--bcher-kva.example"),
        ("\uff41\uff50\uff49。example\uff0ecom".encode(), b"api.example.com"),
        ("my_host。bücher.example".encode(), b"my_host.xn--bcher-kva.example"),
        ("a.💩.La".encode(), "a.💩.la".encode()),
        (b"API.\xff\xfe", b"api.\xff\xfe"),
        ("Ü".encode() * 2000, "Ü".encode() * 2000),
        (b"", b""),
        (b".", b""),
        (b"10.0.0.1", b"10.0.0.1"),
        (b"10.0.0.1.", b"10.0.0.1"),
        ("\uff11\uff10.0.0.1".encode(), b"10.0.0.1"),
        (b"10.1", b"10.0.0.1"),
        (b"10.0.258", b"10.0.1.2"),
        (b"167772161", b"10.0.0.1"),
        (b"0xA.0.0.0X1", b"10.0.0.1"),
        (b"012.0.0.01", b"10.0.0.1"),
        (b"[::1]", b"::1"),
        (b"0:0:0:0:0:0:0:1", b"::1"),
        (b"FE80::1%Eth0", b"fe80::1"),
        (b"::ffff:10.0.0.1", b"10.0.0.1"),
        (b"[::FFFF:a00:1]", b"10.0.0.1"),
        (b"[api.example.com]", b"api.example.com"),
    ],
)
def test_a_host_has_one_form(raw: bytes, normalised: bytes) -> None:
    """Lower-case, punycode, no trailing dot, no brackets, addresses canonical; invalid IDNA only lower-case."""
    assert normalise_host(raw) == normalised


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"1.2.3.4.5",
        b"256.1",
        b"1.2.3.256",
        b"1.2.3.",
        b"4294967296",
        b"09.0.0.1",
        b"0x",
        b"1_0.0.0.1",
        b"+1.0.0.1",
        b"9" * 5000,
        b":::",
        b"1::2::3",
        b"a:b",
        b"\xff",
        b"api.example.com",
    ],
)
def test_what_no_one_dials_is_no_address(host: bytes) -> None:
    """What `inet_aton` and `inet_pton` refuse is a name."""
    assert read_address(host) is None


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        (b"api.example.com", {(b"api.example.com", 443)}),
        (b" API.example.com\t", {(b"api.example.com", 443)}),
        (b"api.example.com:8443", {(b"api.example.com", 8443)}),
        (b"api.example.com:0080", {(b"api.example.com", 80)}),
        (b"api.example.com:0", {(b"api.example.com", 0)}),
        (b"[::1]:80", {(b"::1", 80)}),
        (b"[::1]", {(b"::1", 443)}),
        (b"::1", {(b"::1", 443)}),
        (b"::1:80", {(b"::1:80", 443)}),
        (b"1:2:3:4:5:6:7:8:80", {(b"1:2:3:4:5:6:7:8", 80)}),
        (b"10.0.0.1:80", {(b"10.0.0.1", 80)}),
    ],
)
def test_a_proper_authority_has_one_reading(name: bytes, readings: set[tuple[bytes, int]]) -> None:
    """Its host, with its own port or the default."""
    assert set(host_readings(Authority(name, 443))) == readings


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        (b"api.example.com:", (b"api.example.com", 443)),
        (b"api.example.com:https", (b"api.example.com", 443)),
        (b"api.example.com:https", (b"api.example.com:https", 443)),
        (b"api.example.com:+80", (b"api.example.com", 443)),
        (b"api.example.com:123456", (b"api.example.com", 443)),
        (b"api.example.com:80:90", (b"api.example.com", 443)),
        (b"[::1]:x", (b"::1", 443)),
        (b"x@api.example.com", (b"api.example.com", 443)),
        (b"x:y@z@api.example.com:80", (b"api.example.com", 80)),
        (b"api.example.com/x", (b"api.example.com", 443)),
        (b"api.example.com:80/x", (b"api.example.com", 80)),
        (b"api.example.com#@evil", (b"api.example.com", 443)),
        (b"api.example.com#@evil", (b"evil", 443)),
        (b"x@api.example.com/@evil", (b"api.example.com", 443)),
        (b"evil/@api.example.com/x", (b"api.example.com", 443)),
        (b"api.example.com, evil", (b"api.example.com", 443)),
        (b"api.example.com\0.evil", (b"api.example.com", 443)),
        (b"api.example.com\\.evil", (b"api.example.com", 443)),
        ("straße.example".encode(), (b"xn--strae-oqa.example", 443)),
        ("straße.example".encode(), (b"strasse.example", 443)),
        ("💩.la".encode(), (b"xn--ls8h.la", 443)),
    ],
)
def test_an_odd_authority_does_not_slip_by(name: bytes, reading: tuple[bytes, int]) -> None:
    """Userinfo, a bad port, what stands behind a host, and names that IDNA 2003 reads otherwise count as well."""
    assert reading in set(host_readings(Authority(name, 443)))


@pytest.mark.parametrize("name", [b"\xff", b"\xc3\xbc" * 400, ("ü" * 200).encode(), "ﷺ".encode() * 80])
def test_what_cannot_be_spelled_otherwise_is_left(name: bytes) -> None:
    """A name that IDNA refuses, or that is too long to be asked about, has its raw reading alone."""
    assert set(host_readings(Authority(name, 443))) == {(name, 443)}


def test_what_idna_takes_out_does_not_make_a_name_long() -> None:
    """Soft hyphens by the hundred leave the name that it is."""
    name = "bücher".encode() + b"\xc2\xad" * 400 + b".example"
    assert (b"xn--bcher-kva.example", 443) in set(host_readings(Authority(name, 443)))


@pytest.mark.parametrize(
    "name",
    [
        b"api.example.com:" + b"9" * 10_000,
        b"api.example.com/" + b"." * 1_000_000,
        b"api.example.com:443:" + b":" * 1_000_000,
        b"@" * 1_000_000 + b"api.example.com",
        b"a." * 500_000 + b"@api.example.com:443",
    ],
)
def test_a_name_in_an_endless_host_is_found(name: bytes) -> None:
    """A host longer than any is read by its ends, and no reading is longer than those."""
    found = set(host_readings(Authority(name, 443)))
    assert (b"api.example.com", 443) in found
    assert all(len(host) <= 1024 for host, _ in found)


def test_few_international_names_are_read() -> None:
    """Each takes a while; of many, the first and the last."""
    names = [b"\xc3\xbc%d" % number for number in range(9)]
    assert without_many_international([b"a", *names[:4]]) == [b"a", *names[:4]]
    assert without_many_international([*names, b"b"]) == [*names[:2], *names[-2:], b"b"]
