"""No output repeats a credential that stands in the place of an org, and no output carries a character unseen.

One proxy per kind of log; each request has a secret in the place of its org, and others everywhere else. Everything
that comes out is searched for them: answers, what upstream gets beside the client's own bytes, log, metrics, mitmweb.
"""

import json
import os
import re
import select
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
from tests.proxy.guarding import FORWARD_H1, FORWARD_H2, ISS, REVERSE_PLAIN, GuardingProxy, Way, free_port, token
from tests.proxy.harness import DEADLINE, START_DEADLINE, Answer, RawClient, Upstream, signed_token

ENVELOPE = '{body: {message: "{detail}", hint: "{advice}", at: "{rule} {id}"}, content_type: application/json}'
PLACES = ("path", "header", "query", "cookie", "form", "body")
SOURCES = {
    "path": "{path: org}",
    "header": "{header: X-Org-Id}",
    "query": "{query: org_id}",
    "cookie": "{cookie: org}",
    "form": "{form: org}",
    "body": "{body: /org}",
}
HOSTS = '[localhost, "{tenant}.t.example.com"]'
FROM = "from: [{header: Authorization, scheme: Bearer}, {cookie: sid}]"
RULES = "\n".join(
    f"  - {{id: {place}-{enforcement}, match: {{hosts: {HOSTS}, paths: "
    f'["/*/{place}-{enforcement}/{{org}}/**"]}}, org: {source}, token: {{{FROM}}}, enforcement: {enforcement}}}'
    for place, source in (*SOURCES.items(), ("host", "{host: tenant}"))
    for enforcement in ("block", "annotate", "observe")
)
POLICY = f"""
version: 1
log_repeat: 0s
orgs: {{acme: {{id: acme}}}}
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
  other: {{iss: https://other.test, claims: {{member: org_ids}}, errors: {ENVELOPE}}}
rules:
{RULES}
"""
JSON, HTML = (b"accept", b"application/json"), (b"accept", b"text/html")
GRPC = (b"content-type", b"application/grpc")

#: Short and of common letters: nothing but its place says that it is a secret.
PLAIN = "s3cret-value"
OPAQUE = "kY3wPq9ZtR2mVx7LbN5cJd8Fs1GhT4uWe6AoQiX"  # 39 characters
SECRETS = {
    "the JWT itself": "",
    "another JWT": signed_token(iss=ISS, org_ids=["other"], jti="x"),
    "an opaque one": OPAQUE,
    "with a prefix": "glpat-Zq8wKxV3nT5rYb7L",
    "Basic": b64encode(b"alice:open-sesame").decode(),
    "the session": PLAIN,
    "the session, encoded": quote(PLAIN, safe="").replace("-", "%2D"),
    "with the session in it": f"org-{PLAIN}-x",
}
HIDDEN = "[redacted]"


class Sent(NamedTuple):
    """A request with a secret in the place of its org."""

    path: bytes
    fields: list[tuple[bytes, bytes]]
    method: bytes
    body: bytes
    #: Texts that no output may hold.
    secrets: list[str]


def sent(place: str, enforcement: str, value: str, *fields: tuple[bytes, bytes], issuer: str = ISS) -> Sent:
    """Return a request that has this value in that place, and that the rule's enforcement is applied to."""
    credential = token("acme", iss=issuer)
    value = value or credential
    path, method, body = f"/api/{place}-{enforcement}/globex/x", b"GET", b""
    head = [
        (b"authorization", b"Bearer " + credential.encode()),
        (b"cookie", f"session={PLAIN}; theme=dark".encode()),
        (b"x-api-key", PLAIN.encode()),
        (b"proxy-authorization", b"Basic " + b64encode(b"alice:" + PLAIN.encode())),
        *fields,
    ]
    if place == "path":
        path = f"/api/path-{enforcement}/{quote(value, safe='')}/x"
    elif place == "header":
        head.append((b"x-org-id", value.encode()))
    elif place == "query":
        path += f"?{urlencode({'org_id': value, 'access_token': PLAIN})}"
    elif place == "cookie":
        head[1] = (b"cookie", f"session={PLAIN}; org={value}".encode())
    elif place == "form":
        method, body = b"POST", urlencode({"org": value, "client_secret": PLAIN}).encode()
        head.append((b"content-type", b"application/x-www-form-urlencoded"))
    else:
        method, body = b"POST", json.dumps({"org": value, "password": PLAIN}).encode()
        head.append((b"content-type", b"application/json"))
    parts = [part for part in (*credential.split(".")[1:], *value.split(".")[1:]) if part]
    return Sent(path.encode(), head, method, body, [PLAIN, value, OPAQUE, "open-sesame", *parts])


def shown_to_client(answer: Answer) -> str:
    """Return everything that a client gets from the proxy itself."""
    return str(answer.status) + str(answer.headers) + answer.body.decode("utf-8", "backslashreplace")


@pytest.fixture(scope="module")
def web(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """The proxy with mitmweb's page."""
    page = ["--web", "--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
    with GuardingProxy(shared_upstream, POLICY, *page) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def page(web: GuardingProxy) -> Iterator[httpx.Client]:
    """A client that has opened the page."""
    url = urlsplit(web.ready_value["web"])
    with httpx.Client(base_url=f"http://{url.netloc}", trust_env=False, timeout=DEADLINE) as client:
        assert client.get(f"/?{url.query}").status_code == 200
        yield client


def assert_hidden(secrets: Sequence[str], shown: str) -> None:
    lowered = shown.lower()
    leaked = [secret for secret in secrets if secret.lower() in lowered]
    assert not leaked, [line[:400] for line in shown.splitlines() if any(one.lower() in line.lower() for one in leaked)]


@pytest.mark.parametrize("place", PLACES)
def test_no_output_repeats_a_credential_in_the_place_of_an_org(
    web: GuardingProxy, page: httpx.Client, upstream: Upstream, place: str
) -> None:
    """Whatever the credential, the enforcement and the form of the answer; and the answer says that it is hidden."""
    secrets: list[str] = []
    forms = [(JSON, ISS), (HTML, ISS), (GRPC, ISS), (JSON, "https://other.test")]
    for way, enforcement in ((FORWARD_H1, "block"), (FORWARD_H2, "annotate"), (FORWARD_H1, "observe")):
        for value in SECRETS.values():
            for form, issuer in forms if enforcement == "block" else forms[:1]:
                if form is GRPC and place in ("form", "body"):
                    continue
                request = sent(place, enforcement, value, form, issuer=issuer)
                answer = web.call(way, request.path, *request.fields, method=request.method, body=request.body)
                secrets += request.secrets
                if enforcement == "block":
                    assert answer.status == (200 if form is GRPC else 403)
                    shown = shown_to_client(answer)
                    assert HIDDEN in shown or "%5Bredacted%5D" in shown, shown
                else:
                    assert answer.status == 200
                    shown = str(answer.values(b"orgfence"))
                    assert (HIDDEN in shown) == (enforcement == "annotate")
                assert_hidden(request.secrets, shown)
    annotations = [value for request in upstream.requests for value in request.values(b"orgfence")]
    assert len(annotations) == len(SECRETS)
    assert_hidden(secrets, str(annotations))
    web.wait_for_event("inspection", lambda event: event["rule"] == f"{place}-observe")
    assert_hidden(secrets, web.output)
    metrics = httpx.get("http://%s:%d/metrics" % web.admin, trust_env=False).text
    assert_hidden(secrets, metrics)
    for flow in page.get("/flows").json()[-8:]:
        assert_hidden(secrets, flow["comment"])
        view = page.get(f"/flows/{flow['id']}/request/content/orgfence.json").json()
        assert_hidden(secrets, view["text"])


def test_no_output_repeats_a_credential_in_the_host(web: GuardingProxy, upstream: Upstream) -> None:
    """Host names have no case, so the credential comes in lower case."""
    for value in (OPAQUE, PLAIN):
        host = b"host: %s.t.example.com" % value.encode()
        credential = b"authorization: Bearer " + token("acme").encode()
        cookie = b"cookie: session=" + PLAIN.encode()
        for enforcement in (b"block", b"annotate"):
            head = [b"GET /api/host-%s/x/y HTTP/1.1" % enforcement, host, credential, cookie, b"", b""]
            with web.raw(REVERSE_PLAIN) as client:
                client.send(b"\r\n".join(head))
                answer = client.read_answer()
            shown = shown_to_client(answer) if enforcement == b"block" else str(answer.values(b"orgfence"))
            assert HIDDEN in shown
            assert_hidden([value], shown)
    assert_hidden([OPAQUE, PLAIN], web.output)


@pytest.mark.parametrize(
    "value",
    ["8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "org_01EHWNCE74X7JSDV0X3SZ3KJNY", "00D5g00000AbCdEEAV", "T0123ABCD"],
)
def test_ids_of_orgs_are_shown(web: GuardingProxy, upstream: Upstream, value: str) -> None:
    """In every place, also where a cookie remembers the same id."""
    for place in PLACES:
        request = sent(place, "block", value, JSON, (b"cookie", f"last_org={value}".encode()))
        answer = web.call(FORWARD_H1, request.path, *request.fields, method=request.method, body=request.body)
        assert json.loads(answer.body)["requested_orgs"] == [value]
        assert_hidden(request.secrets[:1], shown_to_client(answer))


def test_claims_that_are_credentials_are_not_shown(web: GuardingProxy, page: httpx.Client, upstream: Upstream) -> None:
    """As orgs that the token grants, as its subject or scopes, or anywhere in the decoded token."""
    jwt = SECRETS["another JWT"]
    credential = token(OPAQUE, jwt, "acme", sub=jwt, scope=f"a {jwt}", act={"token": jwt, jwt: "\x1b\u202e"})
    path = b"/api/path-block/globex/claims"
    answer = web.call(FORWARD_H1, path, (b"authorization", b"Bearer " + credential.encode()))
    (flow,) = [flow for flow in page.get("/flows").json() if flow["request"]["path"] == path.decode()]
    view = page.get(f"/flows/{flow['id']}/request/content/orgfence.json").json()["text"]
    assert "- acme" in view
    shown = shown_to_client(answer) + flow["comment"] + view + web.output
    assert_hidden([OPAQUE, *jwt.split(".")[1:], credential.split(".")[1]], shown)
    assert "\x1b" not in view
    assert "\u202e" not in view


HOSTILE = (
    *("\x00", "\x07", "\x0b", "\x1b[2J", "\x7f", "\x85", "\x9b31m"),
    *("\u061c", "\u200b", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066"),
    *("\u2069", "\ufeff", "\u3164", "\U000e0041"),
)


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_no_output_has_a_character_that_is_not_seen(
    web: GuardingProxy, page: httpx.Client, upstream: Upstream, way: Way
) -> None:
    """From path, query, body and claims, in every form of the answer, header, log and view: an escape stands for it."""
    text = "org".join(HOSTILE)
    encoded = quote(text, safe="")
    credential = (b"authorization", b"Bearer " + token(f"granted{text}", sub=f"somebody{text}").encode())
    for number, form in enumerate((JSON, HTML, GRPC)):
        path = f"/api/path-block/{encoded}/{way}-{number}".encode()
        shown = shown_to_client(web.call(way, path, credential, form))
        assert "x1b[2J" in shown or "x1b%5B2J" in shown or "x1b[2J" in shown.replace("%5C", "\\")
        assert_unseen(shown)
        if form is JSON:
            # Escaped in the text itself, so that whoever prints the document prints no such character.
            assert_unseen("".join(json.loads(web.call(way, path, credential, form).body)["requested_orgs"]))
        flow = [flow for flow in page.get("/flows").json() if flow["request"]["path"] == path.decode()][-1]
        assert_unseen(flow["comment"])
        view = page.get(f"/flows/{flow['id']}/request/content/orgfence.json").json()["text"]
        assert_unseen(view)
    annotated = web.call(way, f"/api/query-annotate/x/y?org_id={encoded}".encode(), credential)
    assert_unseen(str(annotated.values(b"orgfence")))
    assert_unseen("".join(str(request.values(b"orgfence")) for request in upstream.requests))
    assert_unseen(web.output)


def assert_unseen(text: str) -> None:
    found = {character for hostile in HOSTILE for character in hostile if not character.isalnum() and character != "["}
    assert not found & set(text)
    assert not [character for character in text if not (character.isprintable() or character == "\n")]


def test_a_terminal_shows_no_secret_and_no_hostile_character(shared_upstream: Upstream, tmp_path: Path) -> None:
    """The lines for a person: path, host, method and what upstream calls the exchange come from others."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    credential, session = b"Authorization: Bearer " + token("acme").encode(), b"Cookie: session=" + PLAIN.encode()
    targets = (
        f"/status/path-observe/{OPAQUE}/403",
        f"/status/path-observe/globex/{OPAQUE}/403",
        f"/status/path-observe/globex/x;a={PLAIN}/403",
        f"/status/path-observe/{quote(''.join(HOSTILE), safe='')}/403",
        f"/status/path-block/acme/{PLAIN}/403",
        "/status/path-block/globex/last",
    )
    with terminal(tmp_path) as (port, shown):
        for method in (b"GET", PLAIN.encode()):
            for target in targets:
                line = b"%s %s%s HTTP/1.1" % (method, shared_upstream.url.encode(), target.encode())
                reply = b"X-Reply: X-Correlation-Id: " + PLAIN.encode()
                with RawClient(("127.0.0.1", port)) as client:
                    client.send(b"\r\n".join([line, b"Host: localhost", credential, session, reply, b"", b""]))
                    client.read_answer()
        text = shown(lambda so_far: so_far.count("globex/last") == 2)
    assert "403" in text
    assert HIDDEN in text
    assert_hidden([PLAIN, OPAQUE], text)
    assert_unseen(text.replace("\r\n", "\n"))


@contextmanager
def terminal(folder: Path) -> Iterator[tuple[int, Callable[[Callable[[str], object]], str]]]:
    """Run the proxy by the policy in this folder, before a terminal; give its port and what reads the terminal."""
    ours, theirs = os.openpty()
    arguments = ["--policy", "policy.yaml", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "orgfence", "run", *arguments, "--set", "confdir=ca"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
    )
    os.close(theirs)
    said = b""

    def read(until: Callable[[str], object]) -> str:
        nonlocal said
        end = time.monotonic() + START_DEADLINE
        while not until(said.decode()):
            assert select.select([ours], [], [], max(0.0, end - time.monotonic()))[0], said
            said += os.read(ours, 65536)
        return said.decode()

    try:
        found = re.search(r"regular proxy on 127.0.0.1:(\d+)", read(lambda text: "Ctrl-C" in text))
        assert found is not None
        yield int(found[1]), read
    finally:
        process.terminate()
        process.wait(DEADLINE)
        os.close(ours)
