"""`enforcement: observe` sees everything and changes nothing."""

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    bearer,
)
from tests.proxy.harness import Upstream
from tests.proxy.raw_upstream import ANSWER, RawUpstream

ODD = [
    (b"x-CASE", b"Kept"),
    (b"X-Case", b"kept too"),
    (b"x-case", b"in order"),
    (b"Accept", b"*/*;q=0.1,  text/plain"),
    (b"X-Bytes", b"\xff\xfe\x80"),
    (b"X-Empty", b""),
    (b"COOKIE", b"a=b; c=d"),
    (b"X_Under", b"score"),
]
CREDENTIALS = {
    "right": [authorized("globex")],
    "wrong": [authorized("acme")],
    "none": [],
    "twice": [authorized("acme"), authorized("globex")],
    "expired": [authorized("globex", exp=1_000_000_000)],
    "basic": [(b"Authorization", b"Basic dXNlcjpwYXNz")],
    "opaque": [(b"Authorization", b"Bearer opaque")],
    "malformed": [(b"Authorization", b"Bearer eyJhbGciOiJub25lIn0.!!!.")],
    "huge": [(b"Authorization", b"Bearer " + b"x" * 30_000)],
    "bytes": [(b"Authorization", b"Bearer \xff\xfe")],
}


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_not_a_byte_changes(raw_proxy: GuardingProxy, raw_upstream: RawUpstream, way: Way, credential: str) -> None:
    """What reaches upstream, and what comes back, is what would be without orgfence: case, order, odd bytes and all."""
    raw_upstream.received.clear()
    fields = [*ODD, *CREDENTIALS[credential], (b"Content-Length", b"4")]
    path = b"/api/observe/globex/%7Euser/a//b/?q=%20&&r=a+b&q"
    with raw_proxy.raw(way) as client:
        client.send(raw_proxy.head(way, b"POST", path, *fields) + b"\x00\xff\r\n")
        assert client.take_exactly(len(ANSWER)) == ANSWER
    # A forward proxy sends the origin form on (RFC 9112 section 3.2.2).
    host = raw_proxy.url(way).encode().partition(b"://")[2]
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: " + host, *(b"%s: %s" % field for field in fields)]
    assert raw_upstream.received == [b"\r\n".join(lines) + b"\r\n\r\n\x00\xff\r\n"]


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_not_an_http2_field_changes(proxy: GuardingProxy, upstream: Upstream, way: Way, credential: str) -> None:
    """All header fields reach upstream as they do where no rule looks, and nothing is added on the way back."""
    fields = [(name.lower(), value) for name, value in [*ODD, *CREDENTIALS[credential]]]
    answer = proxy.call(way, b"/api/observe/globex/x", *fields)
    unmatched = proxy.call(way, b"/api/no-rule/globex/x", *fields)
    assert answer.status == 200
    received, not_judged = upstream.requests
    # mitmproxy moves cookies to the end.
    assert sorted(field for field in received.headers if field[0] != b"host") == sorted(fields)
    assert received.headers == not_judged.headers
    assert [name for name, _ in answer.headers] == [name for name, _ in unmatched.headers]


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H2, REVERSE_H1], ids=str)
def test_what_would_be_blocked_is_counted_and_logged(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The decision is the same as under `block`; the outcome shows whether upstream agrees."""
    org = f"observed-{way}"
    decision = (
        'orgfence_decisions_total{enforcement="observe",reason="org_not_granted",rule="observe",verdict="mismatch"}'
    )
    with proxy.counting() as counted:
        assert proxy.call(way, f"/status/observe/{org}/403".encode(), authorized("acme")).status == 403
    assert counted[decision] == 1
    assert counted['orgfence_requests_total{action="forwarded"}'] == 1
    assert counted['orgfence_org_mismatches_total{org="other",rule="observe"}'] == 1
    assert counted['orgfence_outcomes_total{rule="observe",status="403",verdict="mismatch"}'] == 1
    logged = proxy.wait_for_event("inspection", lambda event: event.get("requested_orgs") == [org])
    assert (logged["action"], logged["verdict"], logged["enforcement"]) == ("forwarded", "mismatch", "observe")
    assert upstream.requests[0].values(b"authorization") == [bearer("acme")]
