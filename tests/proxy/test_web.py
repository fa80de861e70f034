"""`orgfence run --web`: what a person at mitmweb's page sees of a decision, and cannot undo."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    MIB,
    POLICY,
    REVERSE_PLAIN,
    GuardingProxy,
    authorized,
    free_port,
    paths_of,
    problem,
    token,
)
from tests.proxy.harness import DEADLINE, Upstream

WAYS = (FORWARD_H1, FORWARD_H2, REVERSE_PLAIN)


@pytest.fixture(scope="module")
def web(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """The proxy with mitmweb's page."""
    page = ["--web", "--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
    with GuardingProxy(shared_upstream, POLICY, *page) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def page(web: GuardingProxy) -> Iterator[httpx.Client]:
    """A client that has opened the page by the address that was announced."""
    url = urlsplit(web.ready_value["web"])
    with httpx.Client(base_url=f"http://{url.netloc}", trust_env=False, timeout=DEADLINE) as client:
        assert client.get(f"/?{url.query}").status_code == 200
        yield client


def flow_of(page: httpx.Client, path: bytes) -> dict[str, Any]:
    """Return the only flow with this path."""
    (flow,) = [flow for flow in page.get("/flows").json() if flow["request"]["path"] == path.decode()]
    assert isinstance(flow, dict)
    return flow


def test_the_page_asks_for_its_token(web: GuardingProxy, page: httpx.Client) -> None:
    """Whoever has not the address with the token gets nothing; who has it gets the page."""
    assert httpx.get(f"{page.base_url}/flows", trust_env=False).status_code == 403
    assert "mitmproxy" in page.get("/").text


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    ("rule", "status", "marker", "begins"),
    [
        ("block", 403, "⛔", "blocked: org_not_granted (rule block). "),
        ("annotate", 200, "⚠", "annotated: org_not_granted (rule annotate). "),
        ("observe", 200, "👀", "forwarded: org_not_granted (rule observe). "),
    ],
)
def test_a_mismatch_is_marked(
    web: GuardingProxy,
    page: httpx.Client,
    upstream: Upstream,
    way: Any,
    rule: str,
    status: int,
    marker: str,
    begins: str,
) -> None:
    """Marker and comment of each flow say what was done and why; and what is done is the same as without the page."""
    path = f"/api/{rule}/globex/marked-{way}".encode()
    assert web.call(way, path, authorized("acme")).status == status
    assert paths_of(upstream) == ([] if status == 403 else [path])
    flow = flow_of(page, path)
    assert flow["marked"] == marker
    assert flow["comment"] == begins + "The request is about `globex`; the token is good for `acme`."
    assert flow["response"]["status_code"] == status


def test_an_allow_is_not_marked_but_its_refusal_is_noted(web: GuardingProxy, page: httpx.Client) -> None:
    """A comment says that it was upstream who refused."""
    for path, comment in (
        (b"/status/block/acme/200", ""),
        (b"/status/block/acme/403", "allow; outcome=403 (rule block). "),
    ):
        web.call(FORWARD_H1, path, authorized("acme"))
        flow = flow_of(page, path)
        assert flow["marked"] == ""
        assert flow["comment"].startswith(comment)
        assert bool(flow["comment"]) == bool(comment)


def test_the_view_shows_decision_and_claims(web: GuardingProxy, page: httpx.Client) -> None:
    """The decoded token, marked as unverified, and the decision; never the token itself."""
    path = b"/api/block/globex/viewed"
    answer = web.call(FORWARD_H1, path, authorized("acme", sub="somebody"))
    view = page.get(f"/flows/{flow_of(page, path)['id']}/request/content/orgfence.json").json()
    assert view["view_name"] == "orgfence"
    for words in (
        "reason: org_not_granted",
        problem(answer)["instance"].removeprefix("urn:uuid:"),
        "token (unverified):",
        "sub: somebody",
        "- acme",
    ):
        assert words in view["text"]
    assert token("acme", sub="somebody").split(".")[1] not in view["text"]


def test_bodies_are_kept_for_the_page(web: GuardingProxy, page: httpx.Client, upstream: Upstream) -> None:
    """What fits is there to be looked at; what is larger flows as ever."""
    for size, kept in ((1000, 1000), (MIB + 1, None)):
        path = f"/echo/block/acme/{size}".encode()
        with web.client(FORWARD_H1) as client:
            answer = client.post(path.decode(), headers=[authorized("acme")], content=bytes(size))
        assert len(answer.content) == size
        assert flow_of(page, path)["request"]["contentLength"] == kept


def test_a_large_block_is_answered_early_here_too(web: GuardingProxy, upstream: Upstream) -> None:
    """With all of mitmproxy's addons loaded a block still does not wait for the body."""
    with web.raw(FORWARD_H1) as client:
        length = (b"content-length", b"1073741824")
        client.send(web.head(FORWARD_H1, b"PUT", b"/api/block/globex/upload", authorized("acme"), length))
        assert client.read_answer().status == 403
    assert not upstream.requests


def test_the_page_cannot_undo_the_guard(web: GuardingProxy, page: httpx.Client, upstream: Upstream) -> None:
    """Options that would are refused while it runs, too; others can be set."""
    twice = "00" * 16
    jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in page.cookies.jar)
    headers = {"X-XSRFToken": twice, "Cookie": f"{jar}; _mitmproxy_xsrf={twice}"}
    for option, value in (
        ("map_remote", ["|a|b"]),
        ("modify_headers", ["/~q/Authorization/x"]),
        ("stickyauth", ".*"),
        ("rawtcp", True),
        ("ignore_hosts", ["localhost"]),
        ("validate_inbound_headers", False),
        ("stream_large_bodies", "1m"),
    ):
        before = page.get("/options").json()[option]["value"]
        refused = page.put("/options", json={option: value}, headers=headers)
        assert refused.status_code == 400
        assert f"`{option}` cannot be used with orgfence" in refused.text
        assert page.get("/options").json()[option]["value"] == before
    assert page.put("/options", json={"anticomp": True}, headers=headers).status_code == 200
    assert web.call(FORWARD_H1, b"/api/block/globex/x", authorized("acme")).status == 403
    assert not upstream.requests
