"""OAuth exchanges on real sockets: what the browser, the client and the issuer see of what is said of them."""

import json
import re
import socket
import socketserver
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from tests.oauth.issuer import secret_of
from tests.oauth.stage import REDIRECT_URI, SCOPE, Servers, authorize_query, query_of, running_servers
from tests.oauth.tokens import ORGS, access_token
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    MIB,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    problem,
    wait_until,
)
from tests.proxy.harness import Answer

WAYS = (FORWARD_PLAIN, FORWARD_H1, FORWARD_H2, REVERSE_PLAIN, REVERSE_H2)
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"content-type", b"application/json")
HTML = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
PLAIN_ACCEPT = (b"accept", b"*/*")
ACME, GLOBEX = ORGS.values()

POLICY = """
version: 1
log_repeat: 0s
{top}
orgs:
  acme: {{id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01}}
  globex: {{id: 1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02}}
issuers:
  corp:
    iss: https://issuer.test
    claims: {{member: org_ids, scopes: scope}}
    oauth: {{hosts: [localhost, 127.0.0.1], org_parameter: org_id, flags: {{multi_org: "true"}}{oauth}}}
"""
BLOCK = POLICY.format(top="enforcement: block\nunmatched: block", oauth=", refresh_needs_scope: true")
BLOCK_RESPONSES = POLICY.format(top="enforcement: block", oauth=", block_responses: true")
ANNOTATE = POLICY.format(top="enforcement: annotate", oauth="")


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The issuer, and an API that nothing here needs."""
    with running_servers() as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_received(servers: Servers) -> None:
    """Each test begins with an issuer that has received nothing."""
    servers.issuer.forget()


@pytest.fixture(scope="module")
def blocking(servers: Servers) -> Iterator[GuardingProxy]:
    """A proxy that blocks, and what no rule matches as well."""
    with GuardingProxy(servers.issuer, BLOCK) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def replacing(servers: Servers) -> Iterator[GuardingProxy]:
    """A proxy that blocks answers, too."""
    with GuardingProxy(servers.issuer, BLOCK_RESPONSES) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def marking(servers: Servers) -> Iterator[GuardingProxy]:
    """A proxy that annotates."""
    with GuardingProxy(servers.issuer, ANNOTATE) as proxy:
        yield proxy


def posted(proxy: GuardingProxy, way: Way, path: bytes, *fields: tuple[bytes, bytes], **form: str) -> Answer:
    """Post a form."""
    return proxy.call(way, path, FORM, *fields, method=b"POST", body=urlencode(form).encode())


def token(proxy: GuardingProxy, client: str, way: Way = FORWARD_H1, **form: str) -> Answer:
    """Send a token request of a client that names itself in the body."""
    given = {"client_id": client, "client_secret": secret_of(client), **form}
    return posted(proxy, way, b"/oauth/token", **given)


def signed_in(proxy: GuardingProxy, client: str, way: Way = FORWARD_H1, **authorize: str) -> dict[str, Any]:
    """Sign in by an authorize request with these parameters, and return what was issued."""
    path = b"/oauth/authorize?" + authorize_query(client, **authorize).encode()
    while not path.startswith(REDIRECT_URI.encode()):
        answer = proxy.call(way, path)
        assert answer.status == 302, answer
        path = answer.values(b"location")[0]
    code = query_of(path.decode())["code"]
    issued = token(proxy, client, way, grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)
    assert issued.status == 200, issued
    document: dict[str, Any] = json.loads(issued.body)
    return document


def oauth_error(answer: Answer) -> dict[str, Any]:
    """Return the error that a token endpoint's client gets, in the one form that every library understands."""
    assert answer.status == 400
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"proxy-status")[0].startswith(b"orgfence; error=http_request_denied; ")
    names = {name.lower() for name, _ in answer.headers}
    assert not names & {b"www-authenticate", b"retry-after", b"location"}
    document: dict[str, Any] = json.loads(answer.body)
    assert document["error"] in {"invalid_request", "invalid_grant", "invalid_scope"}
    # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", document["error_description"])
    return document


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_stopped_sign_in_is_a_page_with_the_corrected_url(
    blocking: GuardingProxy, servers: Servers, way: Way
) -> None:
    """400 and never a redirect, to nobody has looked at `redirect_uri`; for all but browsers a problem document."""
    query = authorize_query("app", state="st/at&e", response_mode="query", prompt="a b", target="globex")
    target = b"/oauth/authorize?" + query.encode()
    page = blocking.call(way, target, HTML)
    assert (page.status, page.values(b"content-type")) == (400, [b"text/html; charset=utf-8"])
    assert page.values(b"location") == []
    links = [unescape(link) for link in re.findall(r'<a href="([^"]+)"', page.body.decode())]
    document = problem(blocking.call(way, target, PLAIN_ACCEPT))
    assert (document["status"], document["reason"]) == (400, "authorize_org_parameter")
    assert "by `target`, and this issuer reads `org_id`" in document["detail"]
    assert document["advice"][1] == "Open " + links[0]
    assert not servers.issuer.received

    opened = urlsplit(links[0])
    assert f"{opened.scheme}://{opened.netloc}" == blocking.url(way)
    asked, corrected = dict(parse_qsl(query)), dict(parse_qsl(opened.query))
    assert corrected == {**{name: asked[name] for name in asked if name != "target"}, "org_id": "globex"} | {
        "multi_org": "true"
    }


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_a_corrected_url_for_each_org(blocking: GuardingProxy, way: Way) -> None:
    """Where nobody can know which org is meant there is one for each, and each is let through."""
    target = b"/oauth/authorize?" + authorize_query("app").encode()
    document = problem(blocking.call(way, target, PLAIN_ACCEPT))
    assert document["reason"] == "authorize_org_missing"
    urls = dict(re.findall(r"For `(\w+)` open (\S+)", "\n".join(document["advice"])))
    assert urls.keys() == ORGS.keys()
    for url in urls.values():
        assert blocking.call(way, url.removeprefix(blocking.url(way)).encode(), HTML).status == 302


def test_a_blocked_head_of_a_sign_in(blocking: GuardingProxy) -> None:
    """HEAD is judged as GET, and gets headers only."""
    target = b"/oauth/authorize?" + authorize_query("app").encode()
    answer = blocking.call(FORWARD_H1, target, HTML, method=b"HEAD")
    assert (answer.status, answer.body) == (400, b"")


def test_an_authorize_request_in_a_body(blocking: GuardingProxy, servers: Servers) -> None:
    """OpenID Connect lets the browser post it; there is no URL then that would be right, and it says what to add."""
    form = dict(parse_qsl(authorize_query("app")))
    answer = posted(blocking, FORWARD_H1, b"/oauth/authorize", PLAIN_ACCEPT, **form)
    document = problem(answer)
    assert {"Add `org_id` with the org that is meant.", "Add `multi_org=true`."} <= set(document["advice"])
    assert not any("http" in step for step in document["advice"])
    assert not servers.issuer.received


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_what_is_pushed_is_judged_where_it_is_pushed(blocking: GuardingProxy, servers: Servers, way: Way) -> None:
    """An OAuth error for the client that pushes; the browser's request, which has only `request_uri`, passes."""
    client = f"pushing-{way}"
    form = dict(parse_qsl(authorize_query(client, state=client))) | {"client_secret": secret_of(client)}
    assert oauth_error(posted(blocking, way, b"/oauth/par", **form))["reason"] == "authorize_org_missing"
    assert not servers.issuer.received

    pushed = posted(blocking, way, b"/oauth/par", **form, org_id=ACME, multi_org="true")
    assert pushed.status == 201
    request_uri = json.loads(pushed.body)["request_uri"]
    path = b"/oauth/authorize?" + urlencode({"client_id": client, "request_uri": request_uri}).encode()
    while not path.startswith(REDIRECT_URI.encode()):
        path = blocking.call(way, path, HTML).values(b"location")[0]
    code = query_of(path.decode())["code"]
    issued = token(blocking, client, way, grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI)
    refresh = json.loads(issued.body)["refresh_token"]
    told = oauth_error(token(blocking, client, way, grant_type="refresh_token", refresh_token=refresh, org_id=GLOBEX))
    assert "for `acme`, scope `users:read users:write`" in told["advice"][0] + told["error_description"]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_block_at_a_token_endpoint_is_an_oauth_error(blocking: GuardingProxy, servers: Servers, way: Way) -> None:
    """Whatever the verdict and whoever asks: what cannot be read, an odd path, a browser, a client with Basic."""
    bare = {"grant_type": "refresh_token", "refresh_token": "rt", "client_id": "app"}
    body = urlencode(bare).encode()
    large = body + b"&padding=" + b"x" * MIB
    for path, fields, content, reason in (
        (b"/oauth/token", (FORM,), body, "refresh_scope_missing"),
        (b"/oauth/token", (FORM, HTML), body, "refresh_scope_missing"),
        (b"/oauth2/token", (JSON,), json.dumps(bare).encode(), "refresh_scope_missing"),
        (b"/oauth/token", (FORM, (b"authorization", b"Basic " + b64encode(b"app:x"))), body, "refresh_scope_missing"),
        (b"/oauth/token/", (FORM,), body, "refresh_scope_missing"),
        (b"/x/../oauth/token", (FORM,), body, "path_ambiguous"),
        (b"/oauth//token", (FORM,), body, "path_ambiguous"),
        (b"/oauth/token", (FORM,), large, "body_unread"),
        (b"/oauth/token", (JSON,), b"{", "body_unread"),
        (b"/oauth/token", (JSON, (b"content-encoding", b"compress")), b"{}", "body_unread"),
        (b"/oauth/token", ((b"content-type", b"text/plain"),), body, "body_unread"),
        (b"/oauth/token" + b"/%2e" * 4000, (FORM,), body, "path_ambiguous"),
    ):
        answer = blocking.call(way, path, *fields, method=b"POST", body=content)
        assert oauth_error(answer)["reason"] == reason, path[:40]
    assert not servers.issuer.received


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_a_browser_app_may_read_the_error(blocking: GuardingProxy, way: Way) -> None:
    """With `Origin` come the CORS headers, and its preflight passes."""
    origin = (b"origin", b"https://app.test")
    answer = posted(blocking, way, b"/oauth/token", origin, grant_type="refresh_token", refresh_token="rt")
    assert oauth_error(answer)["reason"] == "refresh_scope_missing"
    assert answer.values(b"access-control-allow-origin") == [b"https://app.test"]
    asks = (b"access-control-request-method", b"POST")
    preflight = blocking.call(way, b"/oauth/token", origin, asks, method=b"OPTIONS")
    assert preflight.values(b"proxy-status") == []


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_what_lies_beside_the_endpoints_passes(blocking: GuardingProxy, servers: Servers, way: Way) -> None:
    """Sign-in pages, revocation and the way back to an authorize endpoint, also under `unmatched: block`."""
    for method, path in ((b"GET", b"/login?uid=u"), (b"POST", b"/oauth/token/revocation")):
        answer = blocking.call(way, path, FORM, method=method, body=b"token=rt" if method == b"POST" else b"")
        assert answer.values(b"proxy-status") == []
    assert blocking.call(way, b"/oauth/authorize/uid").values(b"proxy-status") == []
    assert [each.path for each in servers.issuer.received] == [
        "/login",
        "/oauth/token/revocation",
        "/oauth/authorize/uid",
    ]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_useless_answer_is_annotated(marking: GuardingProxy, servers: Servers, way: Way) -> None:
    """A 200 whose token is for another org reaches the client as it is, with the finding in its head."""
    client = f"marked-{way}"
    issued = signed_in(marking, client, way, state=client, org_id=ACME, multi_org="true")
    refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"], "scope": SCOPE}
    answer = token(marking, client, way, **refresh, org_id=GLOBEX)
    assert answer.status == 200
    assert json.loads(answer.body)["scope"] == SCOPE
    (header,) = answer.values(b"orgfence")
    assert re.fullmatch(
        rb'mismatch; reason=issued_org_missing; rule="oauth/corp"; id="[0-9a-f-]{36}"; requested="globex"; '
        rb'granted="acme"',
        header,
    )
    (to_issuer,) = servers.issuer.received[-1].annotations
    assert to_issuer.startswith("mismatch; reason=grant_lacks_org; ")


def test_a_sound_exchange_is_not_touched(marking: GuardingProxy, servers: Servers) -> None:
    """No header of ours on either side."""
    issued = signed_in(marking, "sound.chunked", state="sound", org_id=ACME, multi_org="true")
    refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"], "scope": SCOPE}
    answer = token(marking, "sound.chunked", **refresh)
    assert answer.values(b"transfer-encoding") == [b"chunked"]
    assert answer.values(b"orgfence") == []
    assert not [each for each in servers.issuer.received if each.annotations]


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize("words", ["", ".gzip", ".chunked"])
def test_an_answer_is_replaced_only_where_the_policy_wants_it(
    replacing: GuardingProxy, blocking: GuardingProxy, way: Way, words: str
) -> None:
    """Under `block` alone a useless token is annotated, for a block would burn what bought it; and else replaced."""
    wanted = {"grant_type": "client_credentials", "scope": SCOPE, "org_id": GLOBEX}
    passed = token(blocking, f"app.first{words}", way, **wanted)
    assert passed.status == 200
    assert b"reason=issued_org_missing" in passed.values(b"orgfence")[0]

    replaced = token(replacing, f"app.first{words}", way, **wanted)
    document = oauth_error(replaced)
    assert (document["error"], document["reason"]) == ("invalid_grant", "issued_org_missing")
    assert (document["requested_orgs"], document["granted_orgs"]) == (["globex"], ["acme"])
    assert replaced.values(b"content-encoding") == replaced.values(b"transfer-encoding") == []
    assert b"eyJ" not in replaced.body
    assert token(replacing, f"app{words}", way, **wanted).status == 200


def test_observe_holds_for_exchanges(servers: Servers) -> None:
    """`--observe` stops and marks nothing, and counts and logs what would have been."""
    with GuardingProxy(servers.issuer, BLOCK_RESPONSES, "--observe") as proxy:
        issued = signed_in(proxy, "watched", state="watched")
        refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        answer = token(proxy, "watched", **refresh, org_id=GLOBEX)
        assert (answer.status, answer.values(b"orgfence")) == (200, [])
        assert not [each for each in servers.issuer.received if each.annotations]
        proxy.wait_for_event("inspection", lambda event: event["reason"] == "issued_org_missing")
        found = [(event["reason"], event["action"], event["enforcement"]) for event in proxy.events("inspection")]
        assert found == [
            (reason, "forwarded", "observe")
            for reason in ("authorize_org_missing", "grant_lacks_org", "issued_org_missing")
        ]


def test_a_sign_in_is_followed_by_whichever_name_the_host_has(servers: Servers) -> None:
    """In front of an address of which the policy knows nothing, by the Host that the browser gives."""
    policy = BLOCK.replace("hosts: [localhost, 127.0.0.1]", "hosts: [login.test]")
    modes = [f"reverse:http://127.0.0.1:{servers.issuer.address[1]}@127.0.0.1:0"]
    with GuardingProxy(servers.issuer, policy, "--set", "keep_host_header=true", modes=modes) as proxy:
        listening = proxy.ready_value["proxy"][0]["addresses"][0]
        with httpx.Client(base_url=f"http://{listening}", headers={"Host": "login.test"}, trust_env=False) as client:
            response = client.get(f"/oauth/authorize?{authorize_query('app', org_id=ACME, multi_org='true')}")
            while not response.headers["Location"].startswith(REDIRECT_URI):
                response = client.get(response.headers["Location"])
            known = {"client_id": "app", "client_secret": secret_of("app"), "redirect_uri": REDIRECT_URI}
            code = query_of(response.headers["Location"])["code"]
            told = client.post(
                "/oauth/token", data={**known, "grant_type": "authorization_code", "code": code, "org_id": GLOBEX}
            )
    assert told.json()["reason"] == "grant_lacks_org"


def test_the_form_of_a_sign_in_page_begins_no_sign_in(blocking: GuardingProxy) -> None:
    """It is posted to the URL of its page, state and all; what began by opening that is followed all the same."""
    path = b"/oauth/authorize?" + authorize_query("app", state="form", org_id=ACME, multi_org="true").encode()
    begun = blocking.call(FORWARD_H1, path)
    assert posted(blocking, FORWARD_H1, path, username="me", password="hunter2").status == 404
    ended = blocking.call(FORWARD_H1, begun.values(b"location")[0])
    while not ended.values(b"location")[0].startswith(REDIRECT_URI.encode()):
        ended = blocking.call(FORWARD_H1, ended.values(b"location")[0])
    code = query_of(ended.values(b"location")[0].decode())["code"]
    told = token(blocking, "app", grant_type="authorization_code", code=code, redirect_uri=REDIRECT_URI, org_id=GLOBEX)
    assert oauth_error(told)["reason"] == "grant_lacks_org"


@contextmanager
def issuing(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen as an issuer that answers each request, once its form has come, by a function; give the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.rfile.read(length)
            with suppress(OSError):
                answer(self.connection)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def refreshing(port: int, client: str = "app", scope: str = "a", **more: str) -> bytes:
    """Return a refresh that is sent to the forward proxy."""
    refresh = {"grant_type": "refresh_token", "refresh_token": "rt", "client_id": client, "scope": scope}
    form = urlencode(refresh | more)
    head = b"POST http://localhost:%d/oauth/token HTTP/1.1\r\nHost: localhost:%d\r\n" % (port, port)
    fields = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(form)
    return head + fields + form.encode()


@pytest.mark.parametrize("framing", [b"Content-Length: 9000000", b"Transfer-Encoding: chunked"], ids=["sized", "not"])
def test_a_longer_answer_than_is_read_streams_on(marking: GuardingProxy, framing: bytes) -> None:
    """What has come of it is sent as soon as it is more than the limit, while the rest is still to come."""
    may_end = threading.Event()
    piece = b"x" * MIB
    chunked = b"chunked" in framing

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s\r\n\r\n" % framing)
        for _ in range(2):
            connection.sendall(b"100000\r\n%s\r\n" % piece if chunked else piece)
        may_end.wait(60)

    with issuing(answer) as port, marking.raw(FORWARD_PLAIN) as client:
        try:
            client.send(refreshing(port))
            head = client.take_until(b"\r\n\r\n")
            assert b"undetermined; reason=body_unread; " in head
            client.take_until(b"x" * 1000)
            assert not may_end.is_set()
        finally:
            may_end.set()


def test_a_device_that_waits_for_its_user_is_not_refused(marking: GuardingProxy) -> None:
    """It asks again every few seconds, and what it is answered meanwhile is nothing to look into."""
    errors = ["authorization_pending", "slow_down", "expired_token"]

    def answer(connection: socket.socket) -> None:
        body = json.dumps({"error": errors[len(answered)]}).encode()
        answered.append(body)
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    answered: list[bytes] = []
    with issuing(answer) as port:
        for error in errors:
            with marking.raw(FORWARD_PLAIN) as client:
                client.send(refreshing(port, client="device"))
                client.take_until(error.encode())
    marking.wait_for_event("outcome", lambda event: "`expired_token`" in event["advice"])
    told = [event["advice"] for event in marking.events("outcome")]
    assert not [advice for advice in told if "`authorization_pending`" in advice or "`slow_down`" in advice]


WRONG = access_token("app", GLOBEX, [], opaque=False)
RIGHT = access_token("app", ACME, [], opaque=False)
UNREAD = "undetermined; reason=body_unread"
LACKS_ORG = "mismatch; reason=issued_org_missing"


@pytest.mark.parametrize(
    ("status", "fields", "body", "found"),
    [
        ("200 OK", "Content-Type: application/json", f'{{"access_token": "{RIGHT}"}}', ""),
        (
            "200 OK",
            "Content-Type: application/json",
            f'{{"access_token": "{WRONG}", "access_token": "{RIGHT}"}}',
            LACKS_ORG,
        ),
        ("200 OK", "Content-Type: application/json", f'{{"Access_Token": "{WRONG}"}}', LACKS_ORG),
        ("200 OK", "Content-Type: application/x-www-form-urlencoded", f"access_token={WRONG}&scope=x", LACKS_ORG),
        ("200 OK", "Content-Type: application/json", '{"access_token": "x", "expires_in": ' + "9" * 6000 + "}", UNREAD),
        ("200 OK", "Content-Type: application/json\r\nContent-Encoding: zstd", '{"access_token": "x"}', UNREAD),
        ("200 OK", "Content-Type: application/json\r\nContent-Encoding: dcb", '{"access_token": "x"}', UNREAD),
        ("200 OK", "Content-Type: application/json; charset=utf-16", '{"access_token": "x"}', UNREAD),
        ("200 OK", "Content-Type: application/json\r\nContent-Type: text/html", '{"access_token": "x"}', UNREAD),
        ("200 OK", "Content-Type: text/html", "<html>access_token=x</html>", UNREAD),
        ("200 OK", "Content-Type: application/json", '{"access_token": "x', UNREAD),
        ("200 OK", "Content-Type: application/json", ")]}'\n" + '{"access_token": "x"}', UNREAD),
        ("200 OK", "X-Nothing: at all", "", UNREAD),
        ("201 Created", "Content-Type: application/json", "[]", UNREAD),
        ("204 No Content", "X-Nothing: at all", "", UNREAD),
        ("302 Found", f"Location: https://app.test/cb#access_token={WRONG}", "", LACKS_ORG),
        ("302 Found", f"Location: https://app.test/cb#access_token={RIGHT}&access_token={WRONG}", "", LACKS_ORG),
        ("302 Found", f"Location: https://app.test/cb#access_token={RIGHT}", "", ""),
    ],
)
def test_every_answer_of_a_token_endpoint_is_counted_once(
    marking: GuardingProxy, status: str, fields: str, body: str, found: str
) -> None:
    """It is judged where it can be read, undetermined where it cannot, and reaches the client as it is."""

    def answer(connection: socket.socket) -> None:
        length = "" if status.startswith("204") else f"Content-Length: {len(body)}\r\n"
        connection.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\n{length}{fields}\r\n\r\n{body}".encode())

    before = answers_counted(marking)
    with issuing(answer) as port, marking.raw(FORWARD_PLAIN) as client:
        client.send(refreshing(port, org_id=ACME))
        received = client.read_answer()
    assert received.body == body.encode()
    assert b"".join(received.values(b"orgfence")).decode().startswith(found)
    assert bool(found) == bool(received.values(b"orgfence"))
    wait_until(lambda: answers_counted(marking) != before)
    reason, verdict = {UNREAD: ("body_unread", "undetermined"), LACKS_ORG: ("issued_org_missing", "mismatch")}.get(
        found, ("exchange_sound", "allow")
    )
    assert answers_counted(marking) - before == {(reason, verdict): 1}


def test_a_refusal_is_counted_as_no_fault(marking: GuardingProxy) -> None:
    """RFC 6749 section 5.2; some issuers refuse with 200."""

    def answer(connection: socket.socket) -> None:
        body = b'{"error": "invalid_grant"}'
        head = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (statuses[len(answered)], len(body)) + body)
        answered.append(body)

    answered: list[bytes] = []
    statuses = [b"400 Bad Request", b"401 Unauthorized", b"200 OK", b"503 Busy"]
    before = answers_counted(marking)
    with issuing(answer) as port:
        for _ in statuses:
            with marking.raw(FORWARD_PLAIN) as client:
                client.send(refreshing(port, org_id=ACME))
                assert not any(b"undetermined" in value for value in client.read_answer().values(b"orgfence"))
    assert len(answered) == len(statuses)
    assert answers_counted(marking) == before


def test_an_answer_that_breaks_off_issues_nothing(marking: GuardingProxy) -> None:
    """What is held of it never reaches the client, and is no answer to be counted; the next one is."""

    def answer(connection: socket.socket) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b'{"access_token": "opaque"}'
        whole = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        connection.sendall(whole if answered else whole[:-12])
        answered.append(whole)

    answered: list[bytes] = []
    before = answers_counted(marking)
    with issuing(answer) as port:
        for status in (502, 200):
            with marking.raw(FORWARD_PLAIN) as client:
                client.send(refreshing(port, org_id=ACME))
                received = client.read_answer()
                assert received.status == status
                assert (b"opaque" in received.body) == (status == 200)
    assert answers_counted(marking) - before == {("exchange_sound", "allow"): 1}


def answers_counted(proxy: GuardingProxy) -> Counter[tuple[str, str]]:
    """Return how many token responses were counted, by reason and verdict."""
    labels = re.compile(
        r'orgfence_oauth_exchanges_total\{issuer="corp",reason="(\w+)",step="token_response",verdict="(\w+)"\}'
    )
    found = {labels.fullmatch(name): int(value) for name, value in proxy.metrics().items()}
    return Counter({(match[1], match[2]): value for match, value in found.items() if match is not None and value})


def test_the_token_of_an_implicit_grant_is_judged(marking: GuardingProxy) -> None:
    """It comes with the redirect and never from the token endpoint; a page that repeats its URL issues nothing."""

    def answer(connection: socket.socket) -> None:
        location = f"https://app.test/cb#access_token={WRONG}&state=implicit"
        head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
        connection.sendall((head % location).encode())

    before = answers_counted(marking)
    query = urlencode({"client_id": "app", "state": "implicit", "org_id": ACME, "multi_org": "true"})
    repeating = urlencode({"next": f"https://app.test/cb#access_token={WRONG}"})
    with issuing(answer) as port:
        for path, values in ((f"/logout?{repeating}", []), (f"/oauth/authorize?{query}", [LACKS_ORG])):
            with marking.raw(FORWARD_PLAIN) as client:
                head = f"GET http://localhost:{port}{path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
                client.send(head.encode())
                found = client.read_answer().values(b"orgfence")
                assert [value.decode()[: len(LACKS_ORG)] for value in found] == values
    assert answers_counted(marking) - before == {("issued_org_missing", "mismatch"): 1}


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_a_client_that_is_named_twice_gets_no_token_for_another_org_unnoticed(servers: Servers, way: Way) -> None:
    """In the body, and by `Authorization: Basic` and the body; a block tells it apart from a wrong grant."""
    policy = POLICY.format(top="enforcement: block", oauth=", clients: {pinned: acme}")
    with GuardingProxy(servers.issuer, policy) as proxy:
        other = f"client_id=other&client_secret={secret_of('other')}&grant_type=client_credentials&org_id={GLOBEX}"
        basic = (b"authorization", b"Basic " + b64encode(b"pinned:" + secret_of("pinned").encode()))
        for body, fields in (
            (f"client_id=pinned&{other}", (FORM,)),
            (f"{other}&CLIENT_ID=pinned", (FORM,)),
            (f"{other}&client_id%5B%5D=pinned", (FORM,)),
            (other, (FORM, basic)),
        ):
            answer = proxy.call(way, b"/oauth/token", *fields, method=b"POST", body=body.encode())
            assert oauth_error(answer)["reason"] == "credential_ambiguous"
    assert not servers.issuer.received


FORGEABLE = (
    POLICY.format(top="enforcement: block", oauth="").replace("[localhost, 127.0.0.1]", "[localhost]")
    + """
rules:
  - id: orgs
    match: {hosts: [localhost], paths: ["/orgs/{org}/**"]}
    org: {path: org}
"""
)


def test_nobody_but_the_issuer_says_what_a_token_is_for(servers: Servers) -> None:
    """A client that gives its own server the issuer's name in `Host` has it make no token one for another org."""

    def answer(connection: socket.socket) -> None:
        document = b'{"access_token": "at-opaque", "expires_in": 3600}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(document) + document)

    with GuardingProxy(servers.issuer, FORGEABLE) as proxy, issuing(answer) as port:
        form = urlencode({"grant_type": "client_credentials", "client_id": "app", "org_id": ACME}).encode()

        def asked(method: bytes, host: str, path: str, more: bytes, body: bytes = b"") -> Answer:
            head = b"%s http://%s:%d%s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: %d\r\n%s\r\n"
            with proxy.raw(FORWARD_PLAIN) as client:
                client.send(head % (method, host.encode(), port, path.encode(), port, len(body), more) + body)
                return client.read_answer()

        for host, status in (("127.0.0.1", 403), ("localhost", 200)):
            form_type = b"Content-Type: application/x-www-form-urlencoded\r\n"
            assert asked(b"POST", host, "/oauth/token", form_type, form).status == 200
            called = asked(b"GET", "localhost", f"/orgs/{ACME}/users", b"Authorization: Bearer at-opaque\r\n")
            assert called.status == status
            if status == 403:
                assert problem(called)["reason"] == "token_opaque"


def test_an_exchange_ends_by_the_policy_that_it_began_with(servers: Servers) -> None:
    """An answer that comes after a reload is judged by what its request was; what is known of grants stays known."""
    may_answer, has_come = threading.Event(), threading.Event()
    body = json.dumps({"access_token": access_token("app", ACME, [], opaque=False), "scope": "", "expires_in": 3600})

    def answer(connection: socket.socket) -> None:
        has_come.set()
        may_answer.wait(60)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body.encode())
        )

    with GuardingProxy(servers.issuer, ANNOTATE) as proxy, issuing(answer) as port:
        issued = signed_in(proxy, "reloaded", state="reloaded", org_id=ACME, multi_org="true")
        with proxy.raw(FORWARD_PLAIN) as client:
            client.send(refreshing(port, scope="users:read"))
            try:
                assert has_come.wait(60)
                before = json.loads(proxy.output.splitlines()[0])["generation"]
                proxy.policy_file.write_text("version: 1\n")
                wait_until(lambda: proxy.metrics()['orgfence_policy_reloads_total{result="success"}'])
            finally:
                may_answer.set()
            finished = client.read_answer()
        assert b"reason=issued_scope_reduced" in finished.values(b"orgfence")[0]
        found = proxy.wait_for_event("inspection", lambda event: event["step"] == "token_response")
        assert found["generation"] == before
        # Under the new policy an exchange is nothing that anybody looks at.
        assert token(proxy, "reloaded", FORWARD_PLAIN, grant_type="refresh_token").values(b"orgfence") == []

        proxy.policy_file.write_text(BLOCK)
        wait_until(lambda: proxy.metrics()['orgfence_policy_reloads_total{result="success"}'] == 2)
        refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"], "scope": SCOPE}
        told = oauth_error(token(proxy, "reloaded", **refresh, org_id=GLOBEX))
        assert "It descends from an authorize request at" in told["error_description"]


class Secrets:
    """Makes secrets, each of its own, and knows them all."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self) -> str:
        self.made.append(f"s3cret{len(self.made):05d}value")
        return self.made[-1]

    def jwt(self) -> str:
        """Return one that is a token, and a secret in each of its parts."""
        made = access_token(self(), ACME, [SCOPE], opaque=False)
        self.made += made.split(".")[1:]
        return made


def requests_with(secrets: Secrets) -> Iterator[tuple[bytes, bytes, dict[str, str]]]:
    """Give method, path and form of exchanges of all kinds, with a secret in each place where there is one."""
    for more in (
        {},
        {"org_id": ACME, "multi_org": "true"},
        {"target": "acme"},
        {"scope": "users:read " + secrets.jwt()},
    ):
        query = authorize_query("app", **{"state": secrets(), "nonce": secrets(), "code_challenge": secrets()} | more)
        yield b"GET", b"/oauth/authorize?" + query.encode(), {}
        pushed = {"client_secret": secrets(), "client_assertion": secrets.jwt()}
        yield b"POST", b"/oauth/par", dict(parse_qsl(query)) | pushed
    yield b"GET", b"/oauth/authorize?client_id=app&request_uri=urn:" + secrets().encode(), {}
    for more in ({}, {"org_id": GLOBEX}, {"scope": SCOPE}, {"scope": secrets.jwt()}, {"padding": "x" * MIB}):
        for grant in (
            {"grant_type": "authorization_code", "code": secrets(), "code_verifier": secrets()},
            {"grant_type": "refresh_token", "refresh_token": secrets()},
            {"grant_type": "refresh_token", "refresh_token": secrets.jwt()},
            {"grant_type": "client_credentials", "client_assertion": secrets.jwt()},
            {"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer", "assertion": secrets()},
            {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": secrets.jwt()},
            {"grant_type": "password", "username": secrets(), "password": secrets()},
        ):
            yield b"POST", b"/oauth/token", {"client_id": "app", "client_secret": secrets(), **grant, **more}
    yield b"POST", b"/oauth/token?client_secret=" + secrets().encode(), {"grant_type": "refresh_token"}


@pytest.mark.parametrize("kind", ["blocking", "marking"])
def test_no_secret_of_an_exchange_is_shown(request: pytest.FixtureRequest, kind: str) -> None:
    """In log, metrics and what the proxy itself answers: but `state` where the browser needs it again."""
    secrets, proxy, shown = Secrets(), request.getfixturevalue(kind), ""
    for number, (method, path, form) in enumerate(requests_with(secrets)):
        for content_type, body in (
            (b"application/x-www-form-urlencoded", urlencode(form)),
            (b"application/json", json.dumps(form)),
            (b"application/json", json.dumps(form)[:-1]),
        ):
            fields = (
                (b"content-type", content_type),
                (b"authorization", b"Basic " + b64encode(f"app:{secrets()}".encode())),
                HTML,
            )
            # Handshakes take longer than all the rest.
            way = FORWARD_PLAIN if number % 5 else FORWARD_H2
            shown += _of_ours(proxy.call(way, path, *fields, method=method, body=body.encode() if form else b""))
    issued = signed_in(proxy, "app.first", org_id=ACME, multi_org="true", state=secrets())
    refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    for more in ({}, {"org_id": GLOBEX}, {"scope": SCOPE, "org_id": GLOBEX}):
        shown += _of_ours(token(proxy, "app.first", FORWARD_H1, **refresh, **more))
    token(proxy, "app.first", grant_type="client_credentials", org_id=GLOBEX)
    secrets.made += [*issued["access_token"].split(".")[1:], issued["refresh_token"], secret_of("app.first")]

    # The last of all that is logged.
    posted(proxy, FORWARD_H1, b"/oauth/token", client_id="last", grant_type="refresh_token", org_id="the-last-one")
    last = {"blocking": "inspection", "marking": "outcome"}[kind]
    proxy.wait_for_event(last, lambda event: "the-last-one" in str(event))
    shown += str(proxy.metrics()) + proxy.output
    leaked = [secret for secret in secrets.made if secret in shown]
    assert not leaked, [line[:500] for line in shown.splitlines() if any(secret in line for secret in leaked)][:5]
    assert "Traceback" not in shown
    assert len(secrets.made) > 200


def _of_ours(answer: Answer) -> str:
    """Return what the proxy itself has said in an answer, without the URLs that the browser is to open."""
    headers = str([field for field in answer.headers if field[0].lower() in (b"orgfence", b"proxy-status")])
    return headers + re.sub(r"https?://\S+", "", answer.body.decode()) if answer.values(b"proxy-status") else headers
