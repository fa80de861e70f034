"""Hosts that an application may read in place of `Host`."""

import pytest
from tests.guarding import bearer, request_of, ruleset_of, said

from orgfence.core.host_overrides import overriding_hosts

ACME = bearer({"org_ids": ["acme"]})
OTHER = b"globex.t.example.com"
RULE = 'match: {hosts: ["{tenant}.t.example.com"]}, org: {host: tenant}'

FIELDS = [
    (b"X-Forwarded-Host", OTHER),
    (b"x_forwarded_host", OTHER),
    (b"X-Forwarded-Host", b"acme.t.example.com, " + OTHER),
    (b"X-Forwarded-Host", OTHER + b" acme.t.example.com"),
    (b"X-Forwarded-Host", b'"' + OTHER + b':443"'),
    (b"X-Forwarded-Host", b"\x1f" + OTHER + b"\xa0"),
    (b"X-Forwarded-Server", OTHER),
    (b"X-Original-Host", OTHER),
    (b"X-Host", OTHER),
    (b"X-HTTP-Host-Override", OTHER),
    (b"Forwarded", b"host=" + OTHER),
    (b"Forwarded", b"host=\x1f" + OTHER + b"\xa0"),
    (b"forwarded", b"for=192.0.2.1;Host = " + OTHER + b";proto=https"),
    (b"Forwarded", b'for=192.0.2.1, for="[2001:db8::1]:80";host="' + OTHER + b'"'),
    (b"Forwarded", b'host="globe\\x.t.example.com"'),
    (b"Forwarded", b'for="x;host=' + OTHER + b'"'),
    (b"Forwarded", b"proto=https://" + OTHER + b"/"),
    (b"X-Forwarded-Host", b"https://" + OTHER + b"/"),
    (b"X-Forwarded-Proto", b"https://" + OTHER + b"/"),
    (b"X-Forwarded-Scheme", b"//" + OTHER),
]


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_a_host_that_an_application_may_read_instead_is_judged_too(name: bytes, value: bytes) -> None:
    """The tenant of each host that a field names has to be granted."""
    request = request_of(b"/", ACME, (name, value), hosts=(b"acme.t.example.com",))
    assert said(ruleset_of(RULE), request) == "blocked: org_not_granted"


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_an_override_counts_at_every_port(name: bytes, value: bytes) -> None:
    """An application takes its port from elsewhere, so that a rule for a port is for the overriding host as well."""
    ruleset = ruleset_of(RULE.replace("t.example.com", "t.example.com:8443"))
    request = request_of(b"/", ACME, (name, value), hosts=(b"acme.t.example.com:8443",))
    assert said(ruleset, request) == "blocked: org_not_granted"


@pytest.mark.parametrize(
    "field",
    [
        (b"X-Forwarded-Host", b"acme.t.example.com"),
        (b"X-Forwarded-Server", b"lb01.internal"),
        (b"Forwarded", b"for=192.0.2.1;by=globex.t.example.com;proto=https"),
        (b"Forwarded", b""),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-For", OTHER),
        (b"Via", b"1.1 " + OTHER),
        (b"Origin", b"https://" + OTHER),
    ],
)
def test_what_proxies_on_the_way_add_changes_nothing(field: tuple[bytes, bytes]) -> None:
    """The same host, or one that no rule is for, is no other org; nor is what names no host for the application."""
    request = request_of(b"/", ACME, field, hosts=(b"acme.t.example.com",))
    assert said(ruleset_of(RULE), request) == "forwarded: org_granted"


def test_a_guarded_host_that_only_a_field_names_is_guarded() -> None:
    """The application that reads it there is the guarded one."""
    request = request_of(b"/", ACME, (b"X-Forwarded-Host", OTHER), hosts=(b"10.0.0.7",))
    assert said(ruleset_of(RULE), request) == "blocked: org_not_granted"


def test_of_very_many_the_first_and_the_last_are_read() -> None:
    """Applications go by one of the ends."""
    hosts = [b"h%d" % number for number in range(100)]
    assert overriding_hosts({b"x-forwarded-host": [b", ".join(hosts)]}) == (*hosts[:8], *hosts[-8:])
