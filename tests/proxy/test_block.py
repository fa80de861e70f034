"""What `enforcement: block` does to a request, seen by its client and by upstream."""

import json
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
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
)
from tests.proxy.harness import DEADLINE, RawClient, Upstream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

GIB = 1024 * MIB
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_wrong_token_never_reaches_upstream(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Each request on a connection is judged for itself: upstream gets the right ones, in order, and no others."""
    with proxy.client(way) as client:
        for org, status in (("acme", 200), ("globex", 403), ("acme-inc", 200), ("globex", 403), ("initech", 403)):
            answer = client.post(f"/api/block/{org}/users", headers=[authorized("acme")], content=b"{}")
            assert answer.status_code == status
            assert answer.http_version == ("HTTP/2" if way.http2 else "HTTP/1.1")
    assert paths_of(upstream) == [b"/api/block/acme/users", b"/api/block/acme-inc/users"]
    assert [request.http_version for request in upstream.requests] == ["2" if way.http2 else "1.1"] * 2


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H2], ids=str)
def test_the_problem_document_says_what_is_wrong(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """RFC 9457's members and ours; the id is that of the log line; no header invites to try again."""
    org = f"umbrella-{way}"
    answer = proxy.call(way, f"/api/block/{org}/users".encode(), authorized("acme", "globex"))
    document = problem(answer)
    assert answer.status == document["status"] == 403
    assert document["type"] == "urn:orgfence:reason:org_not_granted"
    assert document["title"] == "The token is for another org"
    assert document["detail"] == f"The request is about `{org}`; the token is good for `acme`, `globex`."
    assert (document["reason"], document["rule"]) == ("org_not_granted", "block")
    assert (document["requested_orgs"], document["granted_orgs"]) == ([org], ["acme", "globex"])
    assert all(isinstance(step, str) for step in document["advice"])
    assert document["advice"]

    logged = proxy.wait_for_event("inspection", lambda event: event.get("requested_orgs") == [org])
    assert document["instance"] == f"urn:uuid:{uuid.UUID(logged['id'])}"
    assert answer.values(b"proxy-status") == [b'orgfence; error=http_request_denied; details="org_not_granted"']
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"content-length") == [b"%d" % len(answer.body)]
    names = {name.lower() for name, _ in answer.headers}
    assert not names & {b"retry-after", b"www-authenticate", b"location", b"orgfence", b"access-control-allow-origin"}
    assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_H1], ids=str)
def test_a_token_that_a_fresh_one_mends_gets_a_challenge(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """RFC 6750: 401 `invalid_token` for the wrong time, 403 `insufficient_scope` with the scope; else no challenge."""
    for claims, status, reason, challenge in (
        ({"scope": "read"}, 403, "scope_missing", [b'Bearer error="insufficient_scope", scope="write"']),
        ({"scope": "write", "exp": 1_000_000_000}, 401, "token_expired", [b'Bearer error="invalid_token"']),
        ({"scope": "write", "nbf": 9_000_000_000}, 401, "token_not_yet_valid", [b'Bearer error="invalid_token"']),
        ({"org_ids": ["globex"], "exp": 1_000_000_000}, 403, "org_not_granted", []),
    ):
        answer = proxy.call(way, b"/api/strict/acme/users", authorized("acme", **claims))
        assert (answer.status, problem(answer)["reason"]) == (status, reason)
        assert answer.values(b"www-authenticate") == challenge
        assert answer.values(b"retry-after") == []
    assert proxy.call(way, b"/api/strict/acme/users").status == 403, "a missing token is no 401"
    assert not upstream.requests
    assert proxy.call(way, b"/api/strict/acme/users", authorized("acme", scope="write")).status == 200


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, FORWARD_H2], ids=str)
def test_what_the_api_answers_by_its_own_401_goes_on(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """By default a rule that blocks lets a missing and an expired token through, marked; the API knows what to say."""
    for fields in ((), (authorized("acme", exp=1_000_000_000),)):
        assert proxy.call(way, b"/status/block/acme/401", *fields).status == 401
    assert [len(request.values(b"orgfence")) for request in upstream.requests] == [1, 1]
    expired = authorized("globex", exp=1_000_000_000)
    assert proxy.call(way, b"/api/block/acme/users", expired).status == 403, "the org comes before the time"


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
def test_a_blocked_head_leaves_the_connection_whole(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """HEAD is judged as GET and gets the same headers without a body; the next answer begins where it should."""
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"HEAD", b"/api/block/globex/users", authorized("acme")))
        answer = client.read_answer(b"HEAD")
        assert answer.status == 403
        assert int(answer.values(b"content-length")[0]) > 0
        client.send(proxy.head(way, b"GET", b"/api/block/acme/users", authorized("acme")))
        assert client.read_answer().status == 200
    assert [request.method for request in upstream.requests] == ["GET"]


def test_a_blocked_http2_head_has_no_body(proxy: GuardingProxy, upstream: Upstream) -> None:
    """The stream ends with the headers."""
    answer = proxy.call(FORWARD_H2, b"/api/block/globex/users", authorized("acme"), method=b"HEAD")
    assert (answer.status, answer.body) == (403, b"")
    assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
@pytest.mark.parametrize("framing", [(b"content-length", b"1073741824"), CHUNKED], ids=["sized", "chunked"])
def test_an_upload_is_answered_before_its_body(
    proxy: GuardingProxy, upstream: Upstream, way: Way, framing: tuple[bytes, bytes]
) -> None:
    """The whole answer is there while the client has sent nothing but the head."""
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"PUT", b"/api/block/globex/file", authorized("acme"), framing))
        assert problem(client.read_answer())["reason"] == "org_not_granted"
    assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
def test_a_blocked_client_is_not_asked_for_its_body(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """`Expect: 100-continue` is answered by the 403 itself, and an allowed one by 100."""
    fields = (authorized("acme"), (b"expect", b"100-continue"), (b"content-length", b"4"))
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"PUT", b"/api/block/globex/file", *fields))
        assert client.read_answer().status == 403
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"PUT", b"/api/block/acme/file", *fields))
        assert client.read_answer().status == 100
        client.send(b"body")
        assert client.read_answer().status == 200
    assert [(request.target, request.body_bytes) for request in upstream.requests] == [(b"/api/block/acme/file", 4)]


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_a_gibibyte_is_refused_at_flat_memory(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A client that sends on and on after its answer is cut off, and nothing of what it sent was kept."""
    proxy.reset_peak()
    before = proxy.memory()
    with proxy.raw(way) as client:
        client.send(proxy.head(way, b"PUT", b"/api/block/globex/file", authorized("acme"), CHUNKED))
        assert client.read_answer().status == 403
        sent = client.send_until_refused(b"100000\r\n%s\r\n" % bytes(MIB), GIB)
    assert 64 * MIB <= sent < GIB
    assert proxy.memory("VmHWM") - before <= 32 * MIB
    assert not upstream.requests


@pytest.mark.parametrize(
    ("way", "options"),
    [
        (FORWARD_H1, ["--http1.1"]),
        (FORWARD_H1, ["--http1.1", "--header", "Transfer-Encoding: chunked"]),
        (FORWARD_H2, ["--http2"]),
        (REVERSE_PLAIN, ["--http1.1", "--header", "Expect:"]),
        (REVERSE_H2, ["--http2"]),
    ],
    ids=lambda value: str(value) if isinstance(value, Way) else value[-1].strip("-"),
)
def test_curl_reads_the_block_of_a_gibibyte(
    proxy: GuardingProxy, upstream: Upstream, tmp_path: Path, way: Way, options: list[str]
) -> None:
    """A real client that uploads 1 GiB gets the 403 and stops; the proxy keeps nothing of it."""
    file = tmp_path / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate(GIB)
    proxy.reset_peak()
    before = proxy.memory()

    url = f"{proxy.url(way)}/api/block/globex/file"
    via = ["--proxy", "http://%s:%d" % proxy.forward] if way.forward else ["--noproxy", "*"]
    authorization = b": ".join(authorized("acme")).decode()
    finished = subprocess.run(
        [
            *("curl", "-q", "--silent", "--cacert", str(proxy.ca_file), *via, *options, "--upload-file", str(file)),
            *("--header", authorization, "--write-out", "\n%{http_code} %{size_upload}", url),
        ],
        capture_output=True,
        check=False,
        timeout=DEADLINE,
    )
    body, _, written = finished.stdout.decode().rpartition("\n")
    status, uploaded = written.split()
    assert status == "403", finished
    assert json.loads(body)["reason"] == "org_not_granted"
    assert int(uploaded) < GIB // 4
    assert proxy.memory("VmHWM") - before <= 32 * MIB
    assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_H2, REVERSE_H2], ids=str)
def test_a_half_open_grpc_stream_gets_its_own_form(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A bidirectional call whose client waits: HTTP 200 and `grpc-status: 7`, at once and without a body."""
    grpc = (b"content-type", b"application/grpc+proto"), (b"te", b"trailers")
    with proxy.http2(way) as client:
        stream_id = client.request(
            proxy.pseudo(way, b"POST", b"/api/block/globex/Call", authorized("acme"), *grpc), end=False
        )
        stream = client.wait(stream_id)
        fields = dict([*stream.headers, *stream.trailers])
        assert (stream.status, stream.body) == (200, b"")
        assert fields[b"content-type"] == b"application/grpc"
        assert fields[b"grpc-status"] == b"7"
        assert fields[b"grpc-message"].startswith(b"orgfence: org_not_granted: The request is about `globex`;")
        assert fields[b"proxy-status"].endswith(b'details="org_not_granted"')
        allowed = proxy.pseudo(way, b"POST", b"/echo/block/acme/Call", authorized("acme"), *grpc)
        assert client.wait(client.request(allowed)).status == 200
    assert paths_of(upstream) == [b"/echo/block/acme/Call"]


def test_streams_of_one_connection_are_judged_apart(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Of a hundred HTTP/2 streams at once, the fifty right ones reach upstream and the others get a 403."""
    with proxy.http2() as client:
        streams = {
            client.request(
                proxy.pseudo(FORWARD_H2, b"GET", b"/api/block/%s/%d" % (org, number), authorized("acme"))
            ): org
            for number in range(50)
            for org in (b"acme", b"globex")
        }
        for stream_id, org in streams.items():
            assert client.wait(stream_id).status == (200 if org == b"acme" else 403)
    assert sorted(paths_of(upstream)) == sorted(b"/api/block/acme/%d" % number for number in range(50))


def test_a_browser_gets_a_page(proxy: GuardingProxy, upstream: Upstream) -> None:
    """`Accept: text/html` gets the same in HTML, in which nothing of the request is markup."""
    accept = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
    for way in (FORWARD_H1, FORWARD_H2):
        answer = proxy.call(way, b"/api/block/%3Cscript%3Ealert(1)%3C%2Fscript%3E/x", authorized("acme"), accept)
        assert answer.status == 403
        assert answer.values(b"content-type") == [b"text/html; charset=utf-8"]
        assert answer.values(b"content-security-policy")[0].startswith(b"default-src 'none'")
        page = answer.body.decode()
        assert "The token is for another org" in page
        assert "&lt;script&gt;" in page
        assert "<script" not in page
        assert answer.values(b"cache-control") == [b"no-store"]
    assert not upstream.requests


def test_a_browser_app_can_read_a_block(proxy: GuardingProxy, upstream: Upstream) -> None:
    """With `Origin` come the CORS headers without which the app would see a network error."""
    for way in (FORWARD_H1, REVERSE_H2):
        for origin in (b"https://app.example.com", b"null"):
            answer = proxy.call(way, b"/api/block/globex/x", authorized("acme"), (b"origin", origin))
            assert answer.status == 403
            assert answer.values(b"access-control-allow-origin") == [origin]
            assert answer.values(b"access-control-allow-credentials") == [b"true"]
            assert b"Proxy-Status" in answer.values(b"access-control-expose-headers")[0]
            assert answer.values(b"vary") == [b"Origin"]
    assert not upstream.requests


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_preflight_passes_and_is_counted(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """It carries no token because it cannot; an OPTIONS that has a token or is no preflight is judged as any other."""
    preflight = ((b"origin", b"https://app.example.com"), (b"access-control-request-method", b"PUT"))
    allowed = 'orgfence_decisions_total{enforcement="block",reason="not_judged",rule="strict",verdict="allow"}'
    with proxy.counting() as counted:
        assert proxy.call(way, b"/api/strict/globex/x", *preflight, method=b"OPTIONS").status == 200
    assert counted[allowed] == 1
    for fields in ((*preflight, authorized("acme", scope="write")), preflight[:1], preflight[1:]):
        assert proxy.call(way, b"/api/strict/globex/x", *fields, method=b"OPTIONS").status == 403
    assert [request.method for request in upstream.requests] == ["OPTIONS"]


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN, REVERSE_H1], ids=str)
def test_a_websocket_is_judged_by_its_handshake(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """A right one is opened and its messages go both ways; a wrong one gets the problem document and no socket."""
    with proxy.raw(way) as client:
        client.send(_websocket(proxy, way, b"/api/block/globex/socket"))
        assert problem(client.read_answer())["reason"] == "org_not_granted"
    assert not upstream.requests

    with proxy.raw(way) as client:
        client.send(_websocket(proxy, way, b"/api/block/acme/socket"))
        assert client.read_answer().status == 101
        assert _echo(client, "first") == "first"
        assert _echo(client, "second" * 1000) == "second" * 1000
    assert paths_of(upstream) == [b"/api/block/acme/socket"]


def _websocket(proxy: GuardingProxy, way: Way, path: bytes) -> bytes:
    upgrade = [
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    return proxy.head(way, b"GET", path, authorized("acme"), *upgrade)


def _echo(client: RawClient, text: str) -> str:
    """Send a message and return what comes back."""
    connection = Connection(ConnectionType.CLIENT)
    client.send(connection.send(TextMessage(text)))
    received = ""
    while True:
        connection.receive_data(client.take_some())
        for event in connection.events():
            assert isinstance(event, TextMessage)
            received += event.data
            if event.message_finished:
                return received
