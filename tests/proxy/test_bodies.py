"""Rules that read the body: the request waits for it, within a limit, and upstream gets what was judged or nothing."""

import gzip
import hashlib
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    ISS,
    MIB,
    REVERSE_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    WAYS,
    GuardingProxy,
    Way,
    authorized,
    paths_of,
    problem,
    token,
    wait_until,
)
from tests.proxy.harness import Answer, Http2Client, RawClient, Upstream, client_context
from tests.proxy.raw_upstream import RawUpstream
from tests.proxy.structured_field import parse_item

LIMIT = 200_000
POLICY = f"""
version: 1
body_limit: {LIMIT}B
orgs: {{acme: {{id: acme}}, globex: {{id: globex}}}}
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
rules:
  - id: json
    match: {{hosts: [localhost], paths: ["/*/json/**"]}}
    org: {{body: /organization/id}}
    enforcement: block
  - id: form
    match: {{hosts: [localhost], paths: ["/*/form/**"]}}
    org: {{form: org}}
    enforcement: block
  - id: credential
    match: {{hosts: [localhost], paths: ["/*/credential/{{org}}/**"]}}
    org: {{path: org}}
    token: {{from: [{{form: access_token}}], unauthenticated: block}}
    enforcement: block
  - id: annotate
    match: {{hosts: [localhost], paths: ["/*/annotate/**"]}}
    org: {{body: /organization/id}}
    enforcement: annotate
  - id: observe
    match: {{hosts: [localhost], paths: ["/*/observe/**"]}}
    org: {{body: /organization/id}}
    enforcement: observe
  - id: path
    match: {{hosts: [localhost], paths: ["/*/json/of/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
"""
HTTP1_WAYS = [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1]
HTTP2_WAYS = [FORWARD_H2, REVERSE_H2]
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
CHUNKED = (b"transfer-encoding", b"chunked")
EXPECTING = (b"expect", b"100-continue")
END = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def proxy(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` by the policy of this page."""
    with GuardingProxy(shared_upstream, POLICY) as process:
        yield process


@pytest.fixture(scope="module")
def raw_proxy(raw_upstream: RawUpstream) -> Iterator[GuardingProxy]:
    """The same in front of an upstream that keeps every byte and speaks HTTP/1 alone."""
    with GuardingProxy(raw_upstream, POLICY) as process:
        yield process


def about(org: str, padding: int = 0) -> bytes:
    """Return a body about an org, so much longer than needed."""
    return json.dumps({"padding": "x" * padding, "organization": {"id": org}}).encode()


def sized(body: bytes) -> tuple[bytes, bytes]:
    """Return the field that gives a body's length."""
    return b"content-length", b"%d" % len(body)


def chunk(data: bytes) -> bytes:
    """Return one piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def post(proxy: GuardingProxy, way: Way, path: bytes, body: bytes, *fields: tuple[bytes, bytes]) -> Answer:
    """Send a body with its length, and a token for `acme`."""
    return proxy.call(way, path, authorized("acme"), *fields, method=b"POST", body=body)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("padding", [0, 70_000, 190_000], ids=str)
def test_the_body_decides(proxy: GuardingProxy, upstream: Upstream, way: Way, padding: int) -> None:
    """A JSON body about the token's org arrives as it was sent; one about another is a 403 that upstream never sees."""
    right, wrong = about("acme", padding), about("globex", padding)
    answer = post(proxy, way, b"/echo/json/x", wrong, JSON)
    assert (answer.status, problem(answer)["reason"]) == (403, "org_not_granted")
    assert problem(answer)["requested_orgs"] == ["globex"]
    assert not upstream.requests

    answer = post(proxy, way, b"/echo/json/x", right, JSON)
    assert (answer.status, answer.body) == (200, right)
    assert [(request.body_bytes, request.complete) for request in upstream.requests] == [(len(right), True)]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_coded_body_is_read_and_forwarded_coded(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """gzip is undone for the judgement alone."""
    for org, status in (("acme", 200), ("globex", 403)):
        body = gzip.compress(about(org, 100_000))
        answer = post(proxy, way, b"/echo/json/x", body, JSON, (b"content-encoding", b"gzip"))
        assert answer.status == status
        assert (answer.body == body) == (status == 200)
    assert [request.body_bytes for request in upstream.requests] == [len(gzip.compress(about("acme", 100_000)))]


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_a_chunked_body_decides(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """What comes in pieces is judged whole, and nothing of it goes upstream before; the connection stays good."""
    with proxy.raw(way) as client:
        for org, status in (("globex", 403), ("acme", 200), ("globex", 403), ("acme", 200)):
            upstream.requests.clear()
            body = about(org, 20_000)
            client.send(proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, CHUNKED))
            for start in range(0, len(body), 5_000):
                client.send(chunk(body[start : start + 5_000]))
            assert not upstream.requests
            client.send(END)
            answer = client.read_answer()
            assert answer.status == status
            assert paths_of(upstream) == ([b"/echo/json/x"] if status == 200 else [])
            assert (answer.body == body) == (status == 200)


@pytest.mark.parametrize("way", HTTP2_WAYS, ids=str)
def test_a_body_without_a_length_decides(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """So it does in HTTP/2, with other streams beside it, and where the end comes with the headers."""
    with proxy.http2(way) as client:
        fields = authorized("acme"), JSON
        streams = {
            org: client.request(proxy.pseudo(way, b"POST", b"/echo/json/" + org.encode(), *fields), end=False)
            for org in ("acme", "globex")
        }
        for org, stream in streams.items():
            client.send_data(stream, about(org)[:10])
        beside = client.request(proxy.pseudo(way, b"POST", b"/echo/annotate/x", *fields), end=False)
        client.send_data(beside, about("acme"), end=True)
        assert client.wait(beside).status == 200
        assert paths_of(upstream) == [b"/echo/annotate/x"]
        for org, stream in streams.items():
            client.send_data(stream, about(org)[10:], end=True)
        assert client.wait(streams["globex"]).status == 403
        assert client.wait(streams["acme"]).body == about("acme")
        assert paths_of(upstream) == [b"/echo/annotate/x", b"/echo/json/acme"]

        nothing = client.request(proxy.pseudo(way, b"POST", b"/echo/json/x", *fields))
        assert client.wait(nothing).status == 403
        nothing = client.request(proxy.pseudo(way, b"POST", b"/echo/json/x", *fields, (b"content-length", b"0")))
        assert json.loads(client.wait(nothing).body)["reason"] == "org_absent"


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "org_absent"),
        (b"{}", "org_absent"),
        (b'{"organization": ', "body_unread"),
        (b"\x00\xff\xfe", "body_unread"),
        (about("acme") + b"{}", "body_unread"),
    ],
    ids=["none", "no org", "broken", "no text", "trailing data"],
)
def test_what_names_no_org_or_cannot_be_read_is_blocked(
    proxy: GuardingProxy, upstream: Upstream, way: Way, body: bytes, reason: str
) -> None:
    """Each by its own reason; a request without a body does not wait for one."""
    assert problem(post(proxy, way, b"/api/json/x", body, JSON))["reason"] == reason
    assert not upstream.requests


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_form_names_the_org(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Every value of the field counts."""
    for orgs, status in ((["acme"], 200), (["globex"], 403), (["acme", "globex"], 403)):
        body = urlencode([("name", "x&org=acme"), *(("org", org) for org in orgs)]).encode()
        assert post(proxy, way, b"/echo/form/x", body, FORM).status == status
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_form_carries_the_credential(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """RFC 6750 section 2.2: the token is read there, arrives there, and is in no log."""
    for sent, status, reason in (
        ([token("acme")], 200, None),
        ([token("globex")], 403, "org_not_granted"),
        ([], 403, "token_missing"),
        ([token("acme"), token("globex")], 400, "credential_ambiguous"),
    ):
        body = urlencode([("a", "b"), *(("access_token", each) for each in sent)]).encode()
        answer = proxy.call(way, b"/echo/credential/acme/x", FORM, method=b"POST", body=body)
        assert answer.status == status
        assert answer.body == body if reason is None else problem(answer)["reason"] == reason
    assert len(upstream.requests) == 1
    assert token("acme") not in proxy.output


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_body_that_is_known_to_be_too_long_is_not_waited_for(
    proxy: GuardingProxy, upstream: Upstream, way: Way
) -> None:
    """Over the limit by its own length it is unread: blocked at once, without 100; at the limit it is read."""
    too_long = (b"content-length", b"%d" % (LIMIT + 1))
    if way.http2:
        with proxy.http2(way) as http2:
            fields = authorized("acme"), JSON, too_long, EXPECTING
            stream = http2.request(proxy.pseudo(way, b"POST", b"/echo/json/x", *fields), end=False)
            assert json.loads(http2.wait(stream).body)["reason"] == "body_unread"
    else:
        with proxy.raw(way) as client:
            client.send(proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, too_long, EXPECTING))
            assert problem(client.read_answer())["reason"] == "body_unread"
    assert not upstream.requests
    at_limit = about("acme", LIMIT - len(about("acme")))
    assert len(at_limit) == LIMIT
    assert post(proxy, way, b"/echo/json/x", at_limit, JSON).body == at_limit


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_a_chunked_body_is_cut_off_at_the_limit(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """With the first byte too many the answer comes; the rest is thrown away, and the connection stays good."""
    with proxy.raw(way) as client:
        for _ in range(2):
            client.send(proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, CHUNKED))
            client.send(chunk(bytes(LIMIT)))
            client.send(chunk(b"x"))
            assert problem(client.read_answer())["reason"] == "body_unread"
            client.send(chunk(bytes(LIMIT)) + END)
            assert not upstream.requests
        client.send(proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, sized(about("acme"))))
        client.send(about("acme"))
        assert client.read_answer().status == 200


@pytest.mark.parametrize("way", HTTP2_WAYS, ids=str)
def test_an_http2_body_is_cut_off_at_the_limit(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The same with a stream, beside which others go on."""
    with proxy.http2(way) as client:
        stream = client.request(proxy.pseudo(way, b"POST", b"/echo/json/x", authorized("acme"), JSON), end=False)
        client.send_data(stream, bytes(LIMIT + 1))
        answer = client.wait(stream)
        assert (answer.status, json.loads(answer.body)["reason"]) == (403, "body_unread")
        client.send_data(stream, bytes(LIMIT), end=True)
        assert not upstream.requests
        beside = client.request(proxy.pseudo(way, b"POST", b"/echo/json/x", authorized("acme"), JSON), end=False)
        client.send_data(beside, about("acme"), end=True)
        assert client.wait(beside).body == about("acme")


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("rule", ["annotate", "observe"])
@pytest.mark.parametrize("with_length", [True, False], ids=["sized", "unsized"])
def test_what_is_let_through_unread_streams_on(
    proxy: GuardingProxy, upstream: Upstream, way: Way, rule: str, with_length: bool
) -> None:
    """Under `annotate` and `observe` nothing of a body over the limit is lost, and none of it is waited for."""
    first = hashlib.sha256(str(way).encode()).digest() * (LIMIT // 32 + 1)
    second, path = b"and the rest", f"/echo/{rule}/x".encode()
    length = [sized(first + second)] if with_length else [] if way.http2 else [CHUNKED]
    fields = authorized("acme"), JSON, *length
    if way.http2:
        with proxy.http2(way) as http2:
            stream = http2.request(proxy.pseudo(way, b"POST", path, *fields), end=False)
            http2.send_data(stream, first)
            http2.wait(stream, lambda it: it.body == first)
            assert not upstream.requests[0].complete
            http2.send_data(stream, second, end=True)
            ended = http2.wait(stream)
            told, body = [value for name, value in ended.headers if name == b"orgfence"], ended.body
    else:
        with proxy.raw(way) as client:
            client.send(proxy.head(way, b"POST", path, *fields))
            client.send(first if with_length else b"".join(chunk(first[at : at + 999]) for at in (0, 999)))
            if not with_length:
                client.send(chunk(first[1998:]))
            client.take_until(b"\r\n\r\n")
            wait_until(lambda: upstream.requests[0].body_bytes == len(first))
            assert not upstream.requests[0].complete
            client.send(second if with_length else chunk(second) + END)
            client.take_until(b"0\r\n\r\n")
            # On a connection that serves the next one too.
            client.send(proxy.head(way, b"POST", path, *fields, EXPECTING))
            assert client.read_answer().status == 100
            client.send(first + second if with_length else chunk(first) + chunk(second) + END)
            answer = client.read_answer()
            told, body = answer.values(b"orgfence"), answer.body
    assert body == first + second
    assert all(request.complete for request in upstream.requests)
    items = [parse_item(value) for value in told]
    assert [item.parameters["reason"] for item in items] == (["body_unread"] if rule == "annotate" else [])
    assert upstream.requests[-1].values(b"orgfence") == told


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_an_annotated_body_says_what_was_found_in_it(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A mismatch that only the body shows stands in the head that upstream gets."""
    answer = post(proxy, way, b"/echo/annotate/x", about("globex"), JSON)
    assert answer.status == 200
    (told,) = upstream.requests[0].values(b"orgfence")
    assert parse_item(told).parameters["reason"] == "org_not_granted"
    assert answer.values(b"orgfence") == [told]


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_continues_only_what_waits_for_its_body(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """`Expect: 100-continue` gets its 100 and then the verdict; a block that needs no body comes without it."""
    for org, status in (("acme", 200), ("globex", 403), ("acme", 200)):
        body = about(org)
        fields = authorized("acme"), JSON, EXPECTING, sized(body)
        with proxy.raw(way) as client:
            client.send(proxy.head(way, b"POST", b"/echo/json/x", *fields))
            assert client.read_answer().status == 100
            assert not upstream.requests
            client.send(body)
            answer = client.read_answer()
            assert answer.status == status
            # It was told to send its body and did, so the connection stays.
            assert answer.values(b"connection") == []
            client.send(proxy.head(way, b"POST", b"/echo/json/of/globex/x", *fields))
            assert client.read_answer().status == 403
        assert len(upstream.requests) == (status == 200)
        upstream.requests.clear()


@pytest.mark.parametrize("way", HTTP2_WAYS, ids=str)
def test_continues_an_http2_request(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """So do streams."""
    for org, status in (("acme", 200), ("globex", 403)):
        with proxy.http2(way) as client:
            fields = authorized("acme"), JSON, EXPECTING
            stream = client.request(proxy.pseudo(way, b"POST", b"/echo/json/x", *fields), end=False)
            client.send_data(stream, about(org), end=True)
            assert client.wait(stream).status == status
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_needs_no_body_waits_for_none(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A rule that reads the path blocks at once where another would still wait; alone it decides nothing."""
    if way.http2:
        with proxy.http2(way) as http2:
            pseudo = proxy.pseudo(way, b"POST", b"/echo/json/of/globex/x", authorized("acme"), JSON)
            assert http2.wait(http2.request(pseudo, end=False)).status == 403
    else:
        with proxy.raw(way) as client:
            client.send(proxy.head(way, b"POST", b"/echo/json/of/globex/x", authorized("acme"), JSON, CHUNKED))
            assert client.read_answer().status == 403
    assert post(proxy, way, b"/echo/json/of/acme/x", about("globex"), JSON).status == 403
    assert not upstream.requests
    assert post(proxy, way, b"/echo/json/of/acme/x", about("acme"), JSON).status == 200


@pytest.mark.parametrize("way", HTTP1_WAYS, ids=str)
def test_pipelined_requests_are_told_apart(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """All are sent at once, and each has its own verdict in its turn."""
    requests, expected = [], []
    for org, status in (("acme", 200), ("globex", 403), ("globex", 403), ("acme", 200), ("acme", 200)):
        body = about(org)
        requests.append(
            proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, sized(body))
            + body
            + proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, CHUNKED)
            + chunk(body)
            + END
            + proxy.head(way, b"GET", b"/api/json/x", authorized("acme"))
        )
        expected += [status, status, 403]
    with proxy.raw(way) as client:
        client.send(b"".join(requests))
        assert [client.read_answer().status for _ in expected] == expected
    assert len(upstream.requests) == expected.count(200)


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_a_blocked_head_has_headers_only(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Also one whose body was waited for; the next answer is whole."""
    body = about("globex")
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"HEAD", b"/api/json/x", authorized("acme"), JSON, sized(body)) + body)
        answer = client.read_answer(b"HEAD")
        assert answer.status == 403
        assert int(answer.values(b"content-length")[0]) > 0
        client.send(proxy.head(way, b"POST", b"/echo/json/x", authorized("acme"), JSON, sized(body)) + body)
        assert problem(client.read_answer())["reason"] == "org_not_granted"
    assert not upstream.requests


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("rule", [b"json", b"annotate"], ids=bytes.decode)
def test_a_body_that_breaks_off_goes_nowhere(proxy: GuardingProxy, upstream: Upstream, way: Way, rule: bytes) -> None:
    """However right its beginning: a client that goes away in the middle has sent nothing."""
    path = b"/echo/%s/x" % rule
    body = about("acme")
    if way.http2:
        for reset in (True, False):
            with proxy.http2(way) as http2:
                stream = http2.request(proxy.pseudo(way, b"POST", path, authorized("acme"), JSON), end=False)
                http2.send_data(stream, body)
                if reset:
                    http2.reset(stream)
                    beside = http2.request(proxy.pseudo(way, b"POST", b"/echo/json/x", authorized("acme"), JSON))
                    assert http2.wait(beside).status == 403
    else:
        for fields, sent in (
            ((sized(body + b" "),), body),
            ((CHUNKED,), chunk(body)),
            ((CHUNKED,), chunk(body) + b"0\r\n"),
            ((CHUNKED,), b"%x\r\n%s" % (len(body) + 1, body)),
        ):
            with proxy.raw(way) as client:
                client.send(proxy.head(way, b"POST", path, authorized("acme"), JSON, *fields) + sent)
    # Whoever comes next is served, by which time the others would have been.
    assert post(proxy, way, b"/echo/json/next", body, JSON).status == 200
    assert paths_of(upstream) == [b"/echo/json/next"]


def test_a_slow_body_costs_others_nothing(proxy: GuardingProxy, upstream: Upstream) -> None:
    """While it comes others are served; what is measured is the judging, not the waiting; it counts once."""
    body = about("acme")
    with proxy.counting() as counted, proxy.raw(FORWARD_H1) as slow:
        slow.send(proxy.head(FORWARD_H1, b"POST", b"/echo/json/slow", authorized("acme"), JSON, sized(body)))
        begun = time.monotonic()
        for at in range(0, len(body), 8):
            slow.send(body[at : at + 8])
            time.sleep(0.1)
            assert post(proxy, REVERSE_PLAIN, b"/echo/observe/x", body, JSON).status == 200
            waited = time.monotonic() - begun
        answer = slow.read_answer()
    assert (answer.status, answer.body) == (200, body)
    assert counted['orgfence_requests_total{action="forwarded"}'] == len(upstream.requests)
    assert counted["orgfence_inspection_duration_seconds_count"] == len(upstream.requests)
    assert counted["orgfence_inspection_duration_seconds_sum"] < waited / 2
    granted = 'enforcement="block",reason="org_granted",rule="json",verdict="allow"'
    assert counted[f"orgfence_decisions_total{{{granted}}}"] == 1


@pytest.mark.parametrize("with_length", [True, False], ids=["sized", "chunked"])
@pytest.mark.parametrize("rule", ["annotate", "json"])
def test_an_upload_over_the_limit_costs_no_memory(
    proxy: GuardingProxy, upstream: Upstream, rule: str, with_length: bool
) -> None:
    """Let through, 256 MiB pass and nothing of them stays; blocked, they are thrown away or refused."""
    block, count = bytes(MIB), 256 if rule == "annotate" else 60
    proxy.reset_peak()
    before = proxy.memory()
    framing = (b"content-length", b"%d" % (count * MIB)) if with_length else CHUNKED
    with proxy.raw(REVERSE_PLAIN) as client:
        path = f"/api/{rule}/x".encode()
        client.send(proxy.head(REVERSE_PLAIN, b"POST", path, authorized("acme"), JSON, framing))
        for _ in range(count):
            client.send(block if with_length else chunk(block))
        client.send(b"" if with_length else END)
        assert client.read_answer().status == (200 if rule == "annotate" else 403)
    assert proxy.memory("VmHWM") - before <= 32 * MIB
    whole = [(count * MIB, True)] if rule == "annotate" else []
    assert [(request.body_bytes, request.complete) for request in upstream.requests] == whole


def test_many_that_wait_hold_no_more_than_the_limit_each(proxy: GuardingProxy, upstream: Upstream) -> None:
    """A hundred streams of one client wait with all but the last byte of the limit; then all are served."""
    body = about("acme", LIMIT - 100)
    proxy.reset_peak()
    before = proxy.memory()
    with proxy.http2(FORWARD_H2) as client:
        pseudo = proxy.pseudo(FORWARD_H2, b"POST", b"/api/json/x", authorized("acme"), JSON)
        streams = [client.request(pseudo, end=False) for _ in range(100)]
        for stream in streams:
            client.send_data(stream, body[:-1])
        held = proxy.memory("VmHWM") - before
        assert not upstream.requests
        for stream in streams:
            client.send_data(stream, body[-1:], end=True)
        assert {client.wait(stream).status for stream in streams} == {200}
    assert held <= 100 * LIMIT * 2 + 16 * MIB
    assert len(upstream.requests) == 100


@pytest.mark.parametrize("way", [REVERSE_PLAIN, FORWARD_PLAIN, FORWARD_H1, REVERSE_H1], ids=str)
def test_an_http1_upstream_gets_the_bytes_that_were_judged(
    raw_proxy: GuardingProxy, raw_upstream: RawUpstream, way: Way
) -> None:
    """With a length or chunked, every byte of the body and none beside it, framed as it came."""
    body = about("acme", 3_000)
    with raw_proxy.raw(way) as client:
        raw_upstream.received.clear()
        client.send(raw_proxy.head(way, b"POST", b"/a/json/x", authorized("acme"), JSON, sized(body)) + body)
        assert client.read_answer().status == 200
        client.send(raw_proxy.head(way, b"POST", b"/a/json/x", authorized("acme"), JSON, CHUNKED))
        client.send(chunk(body[:700]) + chunk(body[700:]) + b"0\r\nX-Trailer: not judged\r\n\r\n")
        assert client.read_answer().status == 200
    (head, _, first), (chunked_head, _, second) = (each.partition(b"\r\n\r\n") for each in raw_upstream.received)
    assert first == body
    assert b"transfer-encoding" not in head.lower()
    assert second == chunk(body) + END
    assert b"content-length" not in chunked_head.lower()


@pytest.mark.parametrize("with_length", [True, False], ids=["sized", "unsized"])
def test_an_http1_upstream_gets_the_bytes_of_an_http2_client(
    raw_proxy: GuardingProxy, raw_upstream: RawUpstream, with_length: bool
) -> None:
    """What came as a stream is framed anew, and is the same body."""
    body = about("acme", 3_000)
    raw_upstream.received.clear()
    # The plain one's clients may speak TLS all the same, and then choose HTTP/2 whatever upstream speaks.
    with RawClient(raw_proxy.reverse) as client:
        assert client.start_tls(client_context(raw_proxy.ca_file, http2=True), "localhost") == "h2"
        http2 = Http2Client(client.socket)
        fields = authorized("acme"), JSON, *([sized(body)] if with_length else [])
        stream = http2.request(raw_proxy.pseudo(REVERSE_H2, b"POST", b"/a/json/x", *fields), end=False)
        http2.send_data(stream, body[:99])
        http2.send_data(stream, body[99:], end=True)
        assert http2.wait(stream).status == 200
    (received,) = raw_upstream.received
    assert received.partition(b"\r\n\r\n")[2] == (body if with_length else chunk(body) + END)


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN], ids=str)
def test_a_body_coded_in_transfer_is_not_read(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A server that undoes `gzip, chunked` finds another body than the one between the chunks."""
    body = gzip.compress(about("globex"))
    with proxy.raw(way) as client:
        coded = (b"transfer-encoding", b"gzip, chunked")
        client.send(proxy.head(way, b"POST", b"/echo/form/x", authorized("acme"), FORM, coded))
        assert problem(client.read_answer())["reason"] == "body_unread"
        client.send(chunk(body) + END)
        client.send(proxy.head(way, b"POST", b"/echo/form/x", authorized("acme"), FORM, CHUNKED))
        client.send(chunk(b"org=acme") + END)
        assert client.read_answer().status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_a_request_keeps_the_policy_that_it_began_with(shared_upstream: Upstream, way: Way) -> None:
    """While it waits for its body the policy changes: it is judged, told and logged by the old one, the next is not."""
    shared_upstream.requests.clear()
    fields = authorized("acme", others=["globex"]), JSON
    body = about("globex")
    with GuardingProxy(shared_upstream, POLICY) as proxy:
        old = proxy.ready_value["generation"]
        if way.http2:
            with proxy.http2(way) as http2:
                stream = http2.request(proxy.pseudo(way, b"POST", b"/echo/json/x", *fields), end=False)
                http2.send_data(stream, body[:9])
                _swap(proxy)
                http2.send_data(stream, body[9:], end=True)
                document = json.loads(http2.wait(stream).body)
        else:
            with proxy.raw(way) as client:
                client.send(proxy.head(way, b"POST", b"/echo/json/x", *fields, CHUNKED) + chunk(body[:9]))
                _swap(proxy)
                client.send(chunk(body[9:]) + END)
                document = problem(client.read_answer())
        assert (document["rule"], document["granted_orgs"]) == ("json", ["acme"])
        logged = proxy.wait_for_event("inspection")
        assert (logged["rule"], logged["generation"]) == ("json", old)
        assert not shared_upstream.requests
        assert proxy.call(way, b"/echo/json/x", *fields, method=b"POST", body=body).status == 200
        answer = proxy.call(way, b"/echo/json/x", *fields, method=b"POST", body=about("acme"))
        assert (problem(answer)["rule"], problem(answer)["granted_orgs"]) == ("changed", ["globex"])


def _swap(proxy: GuardingProxy) -> None:
    """Have another policy come into force, by which another claim counts."""
    changed = POLICY.replace("member: org_ids", "member: others").replace("id: json", "id: changed")
    proxy.policy_file.write_text(changed)
    proxy.wait_for_event("policy_reloaded")
