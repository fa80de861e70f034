"""Credentials and host names as an attacker, or a broken client, would send them."""

import json
from base64 import urlsafe_b64encode
from urllib.parse import quote

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    bearer,
    problem,
    token,
)
from tests.proxy.harness import Headers, Upstream

RIGHT, WRONG = authorized("acme", scope="write"), authorized("globex", scope="write")
BASIC = (b"authorization", b"Basic dXNlcjpwYXNz")


def jwt_of(payload: bytes, header: bytes = b'{"alg":"none"}') -> bytes:
    """Return a bearer's value with exactly these two parts."""
    parts = (urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload))
    return b"Bearer " + b".".join(parts) + b"."


def claims(**more: object) -> bytes:
    """Return a payload that is right for `strict` but for these."""
    return json.dumps({"iss": "https://login.example.com", "org_ids": ["acme"], "scope": "write", **more}).encode()


# How deep JSON may be differs between versions of Python; read, it has no issuer.
TOO_DEEP_OR_READ = "token_malformed|issuer_untrusted"

CREDENTIALS: dict[str, tuple[Headers, str]] = {
    "the same twice": ([RIGHT, RIGHT], "credential_ambiguous"),
    "wrong, right": ([WRONG, RIGHT], "credential_ambiguous"),
    "right, wrong": ([RIGHT, WRONG], "credential_ambiguous"),
    "right, basic": ([RIGHT, BASIC], "credential_ambiguous"),
    "right, empty": ([RIGHT, (b"authorization", b"")], "credential_ambiguous"),
    "joined": ([(b"authorization", b"Basic eDp5, " + WRONG[1])], "credential_ambiguous"),
    "two words": ([(b"authorization", RIGHT[1] + b" " + WRONG[1][7:])], "credential_ambiguous"),
    "named by connection": ([RIGHT, (b"connection", b"authorization")], "credential_ambiguous"),
    "none": ([], "token_missing"),
    "basic": ([BASIC], "token_missing"),
    "no token": ([(b"authorization", b"Bearer")], "token_missing"),
    "empty": ([(b"authorization", b"")], "token_missing"),
    "another field": ([(b"x-authorization", RIGHT[1])], "token_missing"),
    "100 KiB": ([(b"authorization", b"Bearer " + b"a" * 100 * 1024)], "credential_too_large"),
    "100 KiB of right": ([authorized("acme", scope="write", pad="a" * 75_000)], "credential_too_large"),
    "NUL": ([(b"authorization", b"Bearer a\x00b")], "token_opaque"),
    "no UTF-8": ([(b"authorization", b"Bearer \xff\xfe\xfd")], "token_opaque"),
    "five parts": ([(b"authorization", b"Bearer a.b.c.d.e")], "token_opaque"),
    "five parts with a header": ([(b"authorization", RIGHT[1] + b"a.a.a")], "token_malformed"),
    "four parts": ([(b"authorization", RIGHT[1] + b"a.a")], "token_malformed"),
    "encrypted": (
        [(b"authorization", jwt_of(b"key", b'{"alg":"dir","enc":"A256GCM"}') + b"a.a.a")],
        "token_opaque",
    ),
    "a signature of another alphabet": ([(b"authorization", RIGHT[1] + b"+/==")], "token_malformed"),
    "no JSON": ([(b"authorization", jwt_of(b"}{"))], "token_malformed"),
    "no object": ([(b"authorization", jwt_of(b'["acme"]'))], "token_malformed"),
    "payload of bytes": ([(b"authorization", jwt_of(b'{"iss":"\xff"}'))], "token_malformed"),
    "deep": ([(b"authorization", jwt_of(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"))], TOO_DEEP_OR_READ),
    "deep objects": ([(b"authorization", jwt_of(b'{"a":' * 2000 + b"1" + b"}" * 2000))], TOO_DEEP_OR_READ),
    "name twice": ([(b"authorization", jwt_of(claims()[:-1] + b', "org_ids": ["globex"]}'))], "token_malformed"),
    "exp is no number": ([(b"authorization", jwt_of(claims(exp="soon")))], "token_malformed"),
    "exp without end": ([(b"authorization", jwt_of(claims()[:-1] + b', "exp": 1e999}'))], "token_malformed"),
    "nbf is NaN": ([(b"authorization", jwt_of(claims()[:-1] + b', "nbf": NaN}'))], "token_malformed"),
    "another issuer": ([(b"authorization", jwt_of(claims(iss="https://evil.example")))], "issuer_untrusted"),
    "issuer with a slash": ([(b"authorization", jwt_of(claims(iss="https://login.example.com/")))], "issuer_untrusted"),
    "org is null": ([(b"authorization", jwt_of(claims(org_ids=[None])))], "org_claim_malformed"),
    "org is true": ([(b"authorization", jwt_of(claims(org_ids=True)))], "org_claim_malformed"),
    "orgs nested": ([(b"authorization", jwt_of(claims(org_ids=[["acme"]])))], "org_claim_malformed"),
    "no org": ([(b"authorization", jwt_of(claims(org_ids=[])))], "org_claim_empty"),
    "longer org": ([(b"authorization", jwt_of(claims(org_ids=["acme-prod"])))], "org_not_granted"),
    "wildcard": ([(b"authorization", jwt_of(claims(org_ids=["*", "%", "acme*"])))], "org_not_granted"),
    "surrogate": ([(b"authorization", jwt_of(claims(org_ids=["\ud800"])))], "org_claim_malformed"),
}


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H2, REVERSE_PLAIN, REVERSE_H2], ids=str)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_strange_credential_is_a_decision(
    proxy: GuardingProxy, upstream: Upstream, way: Way, credential: str
) -> None:
    """Each gets its reason; under `block` none reaches upstream, and the proxy goes on."""
    fields, reason = CREDENTIALS[credential]
    if way.http2 and not _http2_can_carry(fields):
        pytest.skip("HTTP/2 has no such field, or mitmproxy's limits end the connection")
    with proxy.counting() as counted:
        answer = proxy.call(way, b"/api/strict/acme/x", *fields)
        assert problem(answer)["reason"] in reason.split("|")
        assert answer.status == (400 if reason == "credential_ambiguous" else 403)
        assert not upstream.requests
        assert proxy.call(way, b"/api/strict/acme/x", RIGHT).status == 200
    assert counted['orgfence_requests_total{action="blocked"}'] == 1
    assert not [name for name in counted if "internal_errors" in name]


def _http2_can_carry(fields: Headers) -> bool:
    return all(name != b"connection" and b"\x00" not in value and len(value) < 60_000 for name, value in fields)


@pytest.mark.parametrize(
    "field",
    [
        (b"x-nul", b"a\x00b"),
        (b"x-line", b"a\r\nauthorization: b"),
        (b"connection", b"x-org"),
        (b"transfer-encoding", b"chunked"),
        (b"X-Upper", b"case"),
        (b"x y", b"a space"),
        (b"", b"no name"),
    ],
    ids=lambda field: field[0].decode() or "no name",
)
def test_what_http2_forbids_goes_nowhere(proxy: GuardingProxy, upstream: Upstream, field: tuple[bytes, bytes]) -> None:
    """mitmproxy refuses such a stream itself; nothing of it is forwarded, and the proxy goes on."""
    with proxy.http2() as client:
        stream_id = client.request(proxy.pseudo(FORWARD_H2, b"GET", b"/api/strict/acme/x", RIGHT, field))
        assert client.wait_for_any_end(stream_id).status in (None, 400)
    assert not upstream.requests
    assert proxy.call(FORWARD_H2, b"/api/strict/acme/x", RIGHT).status == 200


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_a_folded_credential_is_read_unfolded(proxy: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """An obsolete line fold is a space: the wrong token behind it is found."""
    for fold in (b"\r\n ", b"\r\n\t", b"\r\n  \r\n "):
        for (name, value), status in ((RIGHT, 200), (WRONG, 403)):
            answer = proxy.call(way, b"/api/strict/acme/x", (name, value.replace(b" ", fold)))
            assert answer.status in (status, 400), "400: mitmproxy refuses the fold"
            assert len(upstream.requests) == (answer.status == 200)
            upstream.requests.clear()


PLACES: dict[str, tuple[bytes, Headers, int]] = {
    "header": (b"", [RIGHT], 200),
    "query": (b"?access_token=RIGHT", [], 200),
    "other header": (b"", [(b"x-api-token", b"RIGHT")], 200),
    "cookie": (b"", [(b"cookie", b"a=b; sid=RIGHT")], 200),
    "wrong header": (b"", [WRONG], 403),
    "wrong query": (b"?access_token=WRONG", [], 403),
    "wrong query, escaped": (b"?%61ccess_token=WRONG", [], 403),
    "wrong other header": (b"", [(b"x-api-token", b"WRONG")], 403),
    "wrong cookie": (b"", [(b"cookie", b"a=b; sid=WRONG")], 403),
    "header and query": (b"?access_token=WRONG", [RIGHT], 400),
    "header and the same in the query": (b"?access_token=RIGHT", [RIGHT], 400),
    "header and escaped query": (b"?access%5Ftoken=WRONG", [RIGHT], 400),
    "header and cookie": (b"", [RIGHT, (b"cookie", b"sid=WRONG")], 400),
    "header and other header": (b"", [RIGHT, (b"x-api-token", b"WRONG")], 400),
    "look-alike twice": (b"", [(b"x-api-token", b"RIGHT"), (b"x_api_token", b"WRONG")], 400),
    "look-alike": (b"", [(b"x_api_token", b"WRONG")], 403),
    "query twice": (b"?access_token=RIGHT&access_token=WRONG", [], 400),
    "cookie twice": (b"", [(b"cookie", b"sid=RIGHT; sid=WRONG")], 400),
    "two cookie fields": (b"", [(b"cookie", b"sid=RIGHT"), (b"cookie", b"sid=WRONG")], 400),
    "basic and query": (b"?access_token=WRONG", [BASIC], 403),
}


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H2, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_one_credential_wherever_the_rule_looks(proxy: GuardingProxy, upstream: Upstream, way: Way, place: str) -> None:
    """A token is found at each place; two of them, or one twice, are ambiguous however they are spelt."""
    query, fields, status = PLACES[place]
    values = {b"RIGHT": token("acme").encode(), b"WRONG": token("globex").encode()}
    for word, value in values.items():
        query = query.replace(word, quote(value).encode())
        fields = [(name, field.replace(word, value)) for name, field in fields]
    assert proxy.call(way, b"/api/places/acme/x" + query, *fields).status == status
    assert len(upstream.requests) == (status == 200)


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN], ids=str)
@pytest.mark.parametrize(
    "hosts",
    [
        [b"localhost"],
        [b"LocalHost"],
        [b"localhost."],
        [b"localhost:1"],
        [b"nothing.test", b"localhost"],
        [b"localhost", b"nothing.test"],
    ],
    ids=str,
)
def test_any_host_header_brings_the_rule(
    proxy: GuardingProxy, upstream: Upstream, way: Way, hosts: list[bytes]
) -> None:
    """Whoever dials an address that no rule names, and names a guarded one in any Host field, is judged by its rule."""
    unguarded = b"http://127.0.0.1:%d" % upstream.address[1] if way.forward else b""
    for org, status in ((b"acme", 200), (b"globex", 403)):
        upstream.requests.clear()
        lines = [
            b"GET %s/api/block/%s/x HTTP/1.1" % (unguarded, org),
            *(b"Host: " + host for host in hosts),
            b"Authorization: " + bearer("acme"),
        ]
        with proxy.raw(way) as client:
            client.send(b"\r\n".join(lines) + b"\r\n\r\n")
            answer = client.read_answer()
        # What upstream itself thinks of two Host fields is its own business.
        assert answer.status in ((200, 400) if status == 200 else (403,))
        if status == 403:
            assert not upstream.requests
