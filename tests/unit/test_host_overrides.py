"""Hosts that a header field puts in the place of the request's own: each is judged, and the field is named."""

import pytest
from tests.guarding import bearer, inspected, request_of, ruleset_of, said

from orgfence.core.catalogue import explain
from orgfence.core.request import scan_headers
from orgfence.core.routing.host_overrides import HOST_OVERRIDES, MAX_HOSTS, overriding_hosts

TENANTS = "match: {hosts: ['{tenant}.t.example.com']}, org: {host: tenant}"
RIGHT = bearer({"org_ids": ["acme"]})
WRONG = b"globex.t.example.com"
OWN = (b"acme.t.example.com",)


FIELDS = [
    *((name.encode(), WRONG) for name in HOST_OVERRIDES.values() if "-Host" in name or name.endswith("Server")),
    (b"x_forwarded_host", WRONG),
    (b"X-Forwarded-Host", b"GLOBEX.T.Example.COM."),
    (b"X-Forwarded-Host", WRONG + b":8443"),
    (b"X-Forwarded-Host", b'"' + WRONG + b'"'),
    (b"X-Forwarded-Host", b"user@" + WRONG),
    (b"X-Forwarded-Host", b"  " + WRONG + b"/orgs"),
    (b"X-Forwarded-Host", "globex.t。example.com".encode()),
    (b"X-Forwarded-Host", b"acme.t.example.com, " + WRONG),
    (b"X-Forwarded-Host", WRONG + b", acme.t.example.com"),
    (b"X-Forwarded-Host", b"lb.internal " + WRONG + b" lb.internal"),
    (b"Forwarded", b"host=" + WRONG),
    (b"Forwarded", b"host=\x1f" + WRONG + b"\xa0"),
    (b"Forwarded", b"for=192.0.2.1; HOST = " + WRONG + b" ;proto=https"),
    (b"Forwarded", b'for="[2001:db8::1]:80", by=x;Host="' + WRONG + b':443"'),
    (b"Forwarded", rb'host="glo\bex.t.example.com"'),
    (b"Forwarded", b'for="x;host=' + WRONG + b'"'),
    (b"Forwarded", b'for="x, host=y";host="' + WRONG + b'"'),
    (b"Forwarded", b"for=x host=" + WRONG),
    (b"Forwarded", b'host="' + WRONG),
    (b"Forwarded", b"host=acme.t.example.com, host=" + WRONG),
    (b"X-Forwarded-Host", b"\x1f" + WRONG + b"\xa0"),
    (b"X-Forwarded-Host", b"https://" + WRONG + b"/"),
    # To Express a host ends at its first colon, whatever stands behind it.
    (b"X-Forwarded-Host", WRONG + b":443;http://acme.t.example.com/"),
    (b"X-Forwarded-Host", WRONG + b":x"),
    (b"X-Forwarded-Host", WRONG + b"://acme.t.example.com/"),
    (b"Forwarded", b"host=" + WRONG + b":443//acme.t.example.com/"),
    (b"Forwarded", b"host=" + WRONG + b":x"),
    (b"Forwarded", b"proto=https://" + WRONG + b"/"),
    (b"X-Forwarded-Proto", b"https://" + WRONG + b"/"),
    (b"X-Forwarded-Scheme", b"//" + WRONG),
    (b"X-Original-URL", b"https://" + WRONG + b"/a?b"),
    (b"x_rewrite_url", b"http://" + WRONG + b":80/"),
]


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_a_host_that_overrides_is_judged(name: bytes, value: bytes) -> None:
    """However a server that reads the field takes it apart."""
    ruleset = ruleset_of(TENANTS)
    assert said(ruleset, request_of(b"/", RIGHT, hosts=OWN)) == "forwarded: org_granted"
    assert said(ruleset, request_of(b"/", RIGHT, (name, value), hosts=OWN)) == "blocked: org_not_granted"
    # So it is where the host that the request is for is not guarded.
    elsewhere = request_of(b"/", RIGHT, (name, value), hosts=(b"elsewhere.test",))
    assert said(ruleset, elsewhere) == "blocked: org_not_granted"


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_an_override_counts_at_every_port(name: bytes, value: bytes) -> None:
    """An application takes its port from elsewhere, so that a rule for a port is for the overriding host as well."""
    ruleset = ruleset_of(TENANTS.replace("t.example.com", "t.example.com:9443"))
    request = request_of(b"/", RIGHT, (name, value), hosts=(b"acme.t.example.com:9443",))
    assert said(ruleset, request) == "blocked: org_not_granted"


@pytest.mark.parametrize(
    "field",
    [
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Original-URL", b"/login?next=https://" + WRONG),
        (b"X-Original-URL", b"https://acme.t.example.com/login?next=https://" + WRONG),
        (b"X-Forwarded-Host", b"acme.t.example.com:443"),
        (b"X-Forwarded-Host", b"public.example.org"),
        (b"X-Forwarded-Server", b"lb01.internal"),
        (b"X-Forwarded-Host", b""),
        (b"Forwarded", b"for=192.0.2.43;by=203.0.113.60;proto=http;host=public.example.org"),
        (b"Forwarded", b"for=" + WRONG),
        (b"X-Forwarded-For", WRONG),
        (b"Via", b"1.1 " + WRONG),
        (b"Origin", b"https://" + WRONG),
    ],
)
def test_what_proxies_send_changes_nothing(field: tuple[bytes, bytes]) -> None:
    """A proxy in front names the same host, or its own, which is unguarded; so it is under `unmatched: block`."""
    ruleset = ruleset_of(TENANTS, top="unmatched: block\n")
    assert said(ruleset, request_of(b"/", RIGHT, field, hosts=OWN)) == "forwarded: org_granted"
    if b"acme" not in field[1]:
        assert said(ruleset, request_of(b"/", RIGHT, field, hosts=(b"elsewhere.test",))) == "unmatched"


def test_the_same_host_at_another_port_is_no_other_host() -> None:
    """A proxy before this one names the host that the request is for, most often without its port."""
    ruleset = ruleset_of(
        "match: {hosts: ['acme.t.example.com:8443']}, org: {value: acme}",
        "match: {hosts: ['acme.t.example.com:9443']}, org: {value: globex}",
    )
    for field in (b"acme.t.example.com", b"ACME.t.example.com:443"):
        request = request_of(b"/", RIGHT, (b"X-Forwarded-Host", field), hosts=(b"acme.t.example.com:8443",))
        assert said(ruleset, request) == "forwarded: org_granted"


def test_it_is_said_which_field_named_the_host() -> None:
    """Where only that host fails; under another reading of the path too."""
    ruleset = ruleset_of(TENANTS)
    for target in (b"/", b"/a;b"):
        deciding = inspected(ruleset, request_of(target, RIGHT, (b"x_host", WRONG), hosts=OWN)).deciding
        assert deciding is not None
        assert deciding.requested == (b"globex",)
        assert explain(deciding, ruleset.orgs).detail.endswith("Its host is the one that `X-Host` names.")

    deciding = inspected(ruleset, request_of(b"/", RIGHT, (b"X-Host", OWN[0]), hosts=(WRONG,))).deciding
    assert deciding is not None
    assert "X-Host" not in explain(deciding, ruleset.orgs).detail


def test_what_is_unmatched_goes_by_the_request_as_it_stands() -> None:
    """A rule for the host that overrides is no rule for the request's own."""
    ruleset = ruleset_of(
        TENANTS, "match: {hosts: [api.example.com], paths: [/known]}, org: {value: acme}", top="unmatched: block\n"
    )
    overriding = (b"X-Forwarded-Host", b"acme.t.example.com")
    assert said(ruleset, request_of(b"/unknown", RIGHT, overriding)) == "blocked: no_rule"
    assert said(ruleset, request_of(b"/known", RIGHT, overriding)) == "forwarded: org_granted"
    # A path of the other host that no rule matches is no reason to stop a request for this one.
    assert said(ruleset, request_of(b"/unknown", RIGHT, (b"X-Host", b"api.example.com"), hosts=OWN)) == (
        "forwarded: org_granted"
    )


def test_hosts_that_override_are_bounded() -> None:
    """Of many the first and the last are read, for servers go by these; of an endless field, the ends."""
    hosts = [b"h%d.test" % number for number in range(100)]
    read = overriding_hosts({b"x-forwarded-host": [b",".join(hosts)] * 100, b"forwarded": hosts})
    assert list(read) == [*hosts[: MAX_HOSTS // 2], *hosts[-MAX_HOSTS // 2 :]]
    assert set(read.values()) == {b"x-forwarded-host"}

    endless = b"first.test," + b"," * 1_000_000 + b",last.test"
    assert list(overriding_hosts({b"x-host": [endless]})) == [b"first.test", b"last.test"]
    fields = [(b"Forwarded", b'host="' * 200_000)] * 20
    assert len(overriding_hosts(scan_headers(fields, ruleset_of(TENANTS).wanted_headers))) <= MAX_HOSTS
