"""A block in the API's own words: what its SDKs can read, with all that tells it from the API's own errors."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.proxy.guarding import ISS, REVERSE_PLAIN, GuardingProxy
from tests.proxy.harness import Answer, Upstream, unsigned_token

GENESYS = """
version: 1
enforcement: block
{top}
orgs: {{acme: {{id: 2a3a43e5-e89c-406e-badf-e79288bd4ab0}}}}
issuers:
  genesys: {{preset: genesys-cloud}}
  corp: {{iss: {iss}, claims: {{member: org_ids}}, errors: {{body: {{oops: "{{reason}}"}}, content_type: text/x-oops}}}}
  plain: {{iss: https://plain.test, claims: {{member: org_ids}}}}
rules:
  - {{id: calls, match: {{hosts: ["preset:genesys-cloud"]}}, org: {{header: X-Org}}, token: {{issuer: genesys}}}}
  - {{id: any, match: {{hosts: [any.test]}}, org: {{header: X-Org}}}}
"""
OPAQUE = b"Bearer vLpVOxWZmQZYsZX4oVkiVOxGUr0MrQRzFgGhQxQ0cRgo"


def bearer(**claims: object) -> bytes:
    return b"Bearer " + unsigned_token(**{"org_ids": ["globex"], **claims}).encode()


@pytest.fixture(scope="module")
def genesys(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    with GuardingProxy(shared_upstream, GENESYS.format(iss=ISS, top="")) as process:
        yield process


def ask(
    proxy: GuardingProxy,
    token: bytes,
    *fields: tuple[bytes, bytes],
    host: bytes = b"api.mypurecloud.de",
    method: bytes = b"GET",
) -> Answer:
    """Ask for Genesys Cloud's API about `acme`."""
    head = [method + b" /api/v2/users HTTP/1.1", b"host: " + host, b"authorization: " + token, b"x-org: acme"]
    with proxy.raw(REVERSE_PLAIN) as client:
        client.send(b"\r\n".join([*head, *(b"%s: %s" % field for field in fields), b"", b""]))
        return client.read_answer(method)


def document(answer: Answer) -> dict[str, Any]:
    assert answer.values(b"content-type") == [b"application/json"]
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed


def test_the_sdks_of_genesys_cloud_can_read_it(genesys: GuardingProxy) -> None:
    """`ErrorBody` as they have it; the id is that of the log line."""
    answer = ask(genesys, bearer())
    error = document(answer)
    assert answer.status == error["status"] == 403
    assert error["message"] == "The request is about `acme`; the token is good for `globex`."
    assert error["code"] == "org.guard.mismatch"
    assert error["messageParams"].keys() == {"reason", "rule", "advice"}
    assert (error["messageParams"]["reason"], error["messageParams"]["rule"]) == ("org_not_granted", "calls")
    assert error["messageParams"]["advice"].startswith("Use a token that was issued for the org")
    assert (error["details"], error["errors"]) == ([], [])
    logged = genesys.wait_for_event("inspection", lambda event: event.get("rule") == "calls")
    assert error["contextId"] == logged["id"]


def test_what_tells_it_from_the_apis_own_error_is_there(genesys: GuardingProxy) -> None:
    """As on a problem document."""
    answer = ask(genesys, OPAQUE, (b"origin", b"https://app.test"))
    assert answer.status == document(answer)["status"] == 403
    assert answer.values(b"proxy-status") == [b'orgfence; error=http_request_denied; details="token_opaque"']
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"access-control-allow-origin") == [b"https://app.test"]
    assert answer.values(b"content-length") == [b"%d" % len(answer.body)]


def test_whose_api_it_is_decides(genesys: GuardingProxy) -> None:
    """Where the rule names no issuer, the token's; an issuer that says nothing has problem documents."""
    for claims, content_type in (
        ({"iss": ISS}, b"text/x-oops"),
        ({"iss": "https://plain.test"}, b"application/problem+json"),
        ({}, b"application/json"),
    ):
        answer = ask(genesys, bearer(**claims), host=b"any.test")
        assert (answer.status, answer.values(b"content-type")) == (403, [content_type])
    oops = ask(genesys, bearer(iss=ISS), host=b"any.test")
    assert json.loads(oops.body) == {"oops": "org_not_granted"}


def test_browsers_grpc_and_head_are_answered_as_ever(genesys: GuardingProxy) -> None:
    """A page, a status, headers alone."""
    page = ask(genesys, bearer(), (b"accept", b"text/html"))
    assert page.values(b"content-type") == [b"text/html; charset=utf-8"]
    grpc = ask(genesys, bearer(), (b"content-type", b"application/grpc"), method=b"POST")
    assert (grpc.status, grpc.values(b"grpc-status")) == (200, [b"7"])
    head = ask(genesys, bearer(), method=b"HEAD")
    assert (head.status, head.values(b"content-type"), head.body) == (403, [b"application/json"], b"")


def test_no_org_is_told_where_none_is_to_be(shared_upstream: Upstream) -> None:
    """`disclose: reason` holds for what is filled in, too."""
    with GuardingProxy(shared_upstream, GENESYS.format(iss=ISS, top="disclose: reason")) as process:
        answer = ask(process, bearer())
    assert b"acme" not in answer.body
    assert b"globex" not in answer.body
    assert document(answer)["messageParams"]["reason"] == "org_not_granted"
