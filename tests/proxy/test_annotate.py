"""The `Orgfence` header: what upstream and the client are told, and that nobody else can say it."""

import uuid
from urllib.parse import quote

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_H2,
    REVERSE_PLAIN,
    WAYS,
    GuardingProxy,
    Way,
    authorized,
)
from tests.proxy.harness import Upstream
from tests.proxy.structured_field import parse_item

ORG_ID = "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f{:04d}"


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_upstream_and_client_are_told_the_same(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A mismatch under `annotate` goes on; the header on request and response says why, by the id in the log."""
    org = f"hooli-{way}"
    answer = proxy.call(way, f"/api/annotate/{org}/users".encode(), authorized("acme"))
    assert answer.status == 200
    (told,) = answer.values(b"orgfence")
    assert [request.values(b"orgfence") for request in upstream.requests] == [[told]]

    item = parse_item(told)
    assert item.token == "mismatch"
    assert list(item.parameters) == ["reason", "rule", "id", "requested", "granted"]
    logged = proxy.wait_for_event("inspection", lambda event: event.get("requested_orgs") == [org])
    assert item.parameters == {
        "reason": "org_not_granted",
        "rule": "annotate",
        "id": str(uuid.UUID(logged["id"])),
        "requested": org,
        "granted": "acme",
    }
    assert logged["action"] == "annotated"


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H2], ids=str)
def test_what_is_right_is_not_annotated(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """An allow that upstream does not refuse looks as if nobody had been there."""
    for rule in ("block", "annotate", "observe"):
        for status in (200, 404, 500):
            path = f"/status/{rule}/acme/{status}".encode()
            answer = proxy.call(way, path, authorized("acme"))
            assert (answer.status, answer.values(b"orgfence")) == (status, [])
    assert [request.values(b"orgfence") for request in upstream.requests] == [[]] * 9


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H2], ids=str)
@pytest.mark.parametrize(
    ("requested", "granted"),
    [
        ("globex", [ORG_ID.format(number) for number in range(200)]),
        ("g" * 4000, ["acme"]),
        ("globex", ["a" * 4000, "b" * 4000]),
        ('quo"te', ["back\\slash", 'b"c']),
        ("\N{LATIN SMALL LETTER O WITH STROKE}-\N{PILE OF POO}", ["\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 200]),
        ("new\r\nOrgfence: allow", ["tab\tnul\x00del\x7f"]),
        ("\udcff", ['"' * 1000]),
        ('"' * 1000, ["\\" * 1000]),
    ],
    ids=["200 orgs", "long", "two long", "quotes", "no ASCII", "controls", "no UTF-8", "all escaped"],
)
def test_an_annotation_is_one_short_item(
    proxy: GuardingProxy, upstream: Upstream, way: Way, requested: str, granted: list[str]
) -> None:
    """Whatever orgs are called and however many: a valid RFC 9651 item of at most 1 KiB; lists end in a count."""
    path = f"/api/annotate/{quote(requested, safe='', errors='surrogateescape')}/users".encode()
    answer = proxy.call(way, path, authorized(*granted))
    assert answer.status == 200
    (told,) = answer.values(b"orgfence")
    assert upstream.requests[0].values(b"orgfence") == [told]
    assert len(told) <= 1024
    item = parse_item(told)
    assert item.parameters["reason"] == "org_not_granted"
    if len(granted) == 200:
        shown, _, rest = str(item.parameters["granted"]).partition(" and ")
        assert rest == f"{200 - len(shown.split(', '))} more"


STRIPPED = [
    (b"Orgfence", b"allow"),
    (b"orgfence", b"allow"),
    (b"ORGFENCE-Foo", b"1"),
    (b"orgfence_x", b"1"),
    (b"Orgfence_Verdict", b"allow"),
]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    "path",
    [
        b"/api/block/acme/x",
        b"/api/annotate/acme/x",
        b"/api/annotate/globex/x",
        b"/api/observe/acme/x",
        b"/api/observe/globex/x",
        b"/api/no-rule-is-about-this",
    ],
    ids=bytes.decode,
)
def test_nobody_else_can_send_it(proxy: GuardingProxy, upstream: Upstream, way: Way, path: bytes) -> None:
    """`Orgfence` and its look-alikes are taken out of what clients and what upstream send, whatever the rule does."""
    fields = [(name.lower(), value) if way.http2 else (name, value) for name, value in STRIPPED]
    replies = [(b"x-reply", b"%s: %s" % field) for field in STRIPPED]
    # Named in `Connection`, the annotation would be removed on the next hop; HTTP/2 has no such field.
    named = b"Orgfence, keep-alive, orgfence_x"
    connection = [] if way.http2 else [(b"Connection", named), (b"Proxy-Connection", named)]
    replies += [] if way.http2 else [(b"x-reply", b"Proxy-Connection: " + named)]
    answer = proxy.call(way, path, authorized("acme"), (b"x-kept", b"orgfence"), *connection, *fields, *replies)
    assert answer.status == 200
    annotated = path == b"/api/annotate/globex/x"
    (request,) = upstream.requests
    for headers in (request.headers, answer.headers):
        ours = [value for name, value in headers if name.lower().startswith(b"orgfence")]
        assert [parse_item(value).token for value in ours] == (["mismatch"] if annotated else [])
        assert (
            b"orgfence"
            not in b",".join(value for name, value in headers if name.lower().endswith(b"connection")).lower()
        )
    assert request.values(b"x-kept") == [b"orgfence"]


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN, FORWARD_H1], ids=str)
@pytest.mark.parametrize("name", [b"Connection", b"Proxy-Connection", b"PROXY-CONNECTION", b"Proxy_Connection"])
def test_connection_keeps_its_other_options(proxy: GuardingProxy, upstream: Upstream, way: Way, name: bytes) -> None:
    """Only our name is taken out of what the next hop might go by; a field that holds nothing else goes."""
    for sent, arrives in (
        (b"X-Hop, Orgfence", [b"X-Hop"]),
        (b"ORGFENCE", []),
        (b"orgfence-foo,X-Hop , orgfence", [b"X-Hop"]),
        (b"X-Orgfence-Free", [b"X-Orgfence-Free"]),
        (b"X-Hop, keep-alive orgfence_x;orgfence", [b"X-Hop"]),
    ):
        upstream.requests.clear()
        proxy.call(way, b"/api/annotate/globex/x", authorized("acme"), (name, sent))
        (request,) = upstream.requests
        assert request.values(name.lower()) == arrives
        assert len(request.values(b"orgfence")) == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("status", [401, 403])
def test_upstreams_own_refusal_of_an_allow_is_shown(
    proxy: GuardingProxy, upstream: Upstream, way: Way, status: int
) -> None:
    """The other half of the question: header on the response where the rule enforces anything, log line and counter."""
    for rule in ("block", "annotate", "observe"):
        correlation = f"{rule}-{way}-{status}"
        reply = (b"x-reply", b"X-Correlation-Id: " + correlation.encode())
        # The method is among what makes a log line a new one.
        method = f"X-{correlation}".upper().encode()
        with proxy.counting() as counted:
            answer = proxy.call(way, f"/status/{rule}/acme/{status}".encode(), authorized("acme"), reply, method=method)
        assert answer.status == status
        items = [parse_item(value) for value in answer.values(b"orgfence")]
        assert items == ([] if rule == "observe" else [("allow", {"outcome": status, "rule": rule})])
        assert counted[f'orgfence_outcomes_total{{rule="{rule}",status="{status}",verdict="allow"}}'] == 1

        logged = proxy.wait_for_event("outcome", lambda event: event.get("correlation_id") == correlation)  # noqa: B023 - called at once
        assert (logged["verdict"], logged["rule"], logged["outcome"]) == ("allow", rule, status)
    assert [request.values(b"orgfence") for request in upstream.requests] == [[]] * 3


def test_upstreams_refusal_of_a_mismatch_is_counted(proxy: GuardingProxy, upstream: Upstream) -> None:
    """A mismatch that upstream refuses as well speaks for the rule; the annotation stays what it was."""
    for way in (FORWARD_H1, REVERSE_H2):
        with proxy.counting() as counted:
            answer = proxy.call(way, b"/status/annotate/globex/403", authorized("acme"))
        assert parse_item(answer.values(b"orgfence")[0]).token == "mismatch"
        assert counted['orgfence_outcomes_total{rule="annotate",status="403",verdict="mismatch"}'] == 1
