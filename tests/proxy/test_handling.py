"""What is not forwarded and what is not told: `strip`, `disclose` and `annotate_request`."""

import json
from collections.abc import Iterator
from html import unescape

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    ISS,
    REVERSE_H2,
    REVERSE_PLAIN,
    WAYS,
    GuardingProxy,
    Way,
    authorized,
    problem,
)
from tests.proxy.harness import Answer, Upstream
from tests.proxy.structured_field import parse_item

REQUESTED = "the-requested-org"
GRANTED = "the-granted-org"


def policy(*more: str) -> str:
    """Return a policy whose rules stand in the path, with these lines at its top."""
    rules = "".join(
        f"""
  - id: {name}
    match: {{hosts: [localhost], paths: ["/*/{name}/**"]}}
    org: {org}
    enforcement: {enforcement}
    {rest}"""
        for name, org, enforcement, rest in (
            ("block", "{header: X-Org-Id, strip: true}", "block", ""),
            ("annotate", "{header: X-Org-Id, strip: true}", "annotate", ""),
            ("observe", "{header: X-Org-Id, strip: true}", "observe", ""),
            ("kept", "{header: X-Org-Id}", "annotate", ""),
            ("scopes", "{header: X-Org-Id}", "block", "token: {scopes: [write]}"),
            ("expired", "{header: X-Org-Id}", "block", "token: {unauthenticated: block}"),
            ("both", "[{header: X-Org-Id, strip: true}, {header: X-Tenant, strip: true}]", "block", ""),
            ("body", "[{header: X-Org-Id, strip: true}, {body: /org}]", "block", ""),
        )
    )
    also = """
  - id: another
    match: {hosts: [localhost], paths: ["/*/kept/too/**"]}
    org: {header: X-Tenant, strip: true}
    pass_without: [org]
    enforcement: observe
  - id: seen
    match: {hosts: [localhost], paths: ["/*/seen/{org}/**"]}
    org: {path: org}
    enforcement: block
"""
    top = "".join(f"{line}\n" for line in more)
    issuers = f"issuers: {{corp: {{iss: {ISS}, claims: {{member: org_ids, scopes: scope}}}}}}"
    return f"version: 1\n{top}{issuers}\nrules:{rules}{also}"


@pytest.fixture(scope="module")
def stripping(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` that enforces."""
    with GuardingProxy(shared_upstream, policy()) as process:
        yield process


@pytest.fixture(scope="module")
def observing(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """The same with `--observe`."""
    with GuardingProxy(shared_upstream, policy(), "--observe") as process:
        yield process


@pytest.fixture(scope="module")
def discreet(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` that tells clients no orgs."""
    with GuardingProxy(shared_upstream, policy("disclose: reason")) as process:
        yield process


@pytest.fixture(scope="module")
def silent(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` that leaves requests as they are."""
    with GuardingProxy(shared_upstream, policy("annotate_request: false")) as process:
        yield process


def sent(upstream: Upstream) -> set[bytes]:
    """Return the names of the fields that the one request to upstream had, as any server may read them."""
    (request,) = upstream.requests
    return {name.lower().replace(b"_", b"-") for name, _ in request.headers}


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("kind", ["stripping", "observing"])
def test_what_is_for_orgfence_alone_is_not_forwarded(
    request: pytest.FixtureRequest, upstream: Upstream, way: Way, kind: str
) -> None:
    """In every spelling and with every value, right or wrong, whatever is enforced; other fields stay."""
    proxy: GuardingProxy = request.getfixturevalue(kind)
    for rule, org, passes in (
        (b"block", b"acme", True),
        (b"block", b"globex", kind == "observing"),
        (b"annotate", b"globex", True),
        (b"observe", b"globex", True),
        (b"both", b"acme", True),
    ):
        for names in ((b"X-Org-Id",), (b"x_org_id", b"X-ORG_id", b"X-Org-Id"), (b"X-Org-Id", b"X-Org-Id")):
            upstream.requests.clear()
            fields = [(name.lower() if way.http2 else name, org) for name in names]
            path = b"/api/%s/x" % rule
            kept = [(b"x-org-id-2", b"x"), (b"x-tenant", b"acme")]
            answer = proxy.call(way, path, authorized("acme"), *kept, *fields)
            assert (answer.status == 200) == passes
            if passes:
                expected = {b"x-org-id-2"} if rule == b"both" else {b"x-org-id-2", b"x-tenant"}
                assert {name for name in sent(upstream) if name.startswith((b"x-org", b"x-ten"))} == expected
            else:
                assert not upstream.requests


@pytest.mark.parametrize("way", [FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN], ids=str)
def test_nor_is_it_named_in_connection(stripping: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """What `Connection` says of other fields stays."""
    for written, arrives in (
        (b"X-Org-Id", []),
        (b"x_org_id, X-Hop", [b"X-Hop"]),
        (b"X-Hop ,X-ORG-ID", [b"X-Hop"]),
        (b"X-Org-Id-2,  keep-alive", [b"X-Org-Id-2,  keep-alive"]),
    ):
        upstream.requests.clear()
        fields = authorized("acme"), (b"X-Org-Id", b"acme"), (b"Connection", written)
        assert stripping.call(way, b"/api/observe/x", *fields).status == 200
        assert upstream.requests[0].values(b"connection") == arrives
        assert b"x-org-id" not in sent(upstream)


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_every_rule_that_matched_strips(stripping: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """And no other: without `strip` the header is the API's own."""
    fields = authorized("acme"), (b"x-org-id", b"acme"), (b"x-tenant", b"acme")
    for path, expected in (
        (b"/api/kept/x", {b"x-org-id", b"x-tenant"}),
        (b"/api/kept/too/x", {b"x-org-id"}),
        (b"/api/no-rule/x", {b"x-org-id", b"x-tenant"}),
    ):
        upstream.requests.clear()
        assert stripping.call(way, path, *fields).status == 200
        assert sent(upstream) & {b"x-org-id", b"x-tenant"} == expected


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_what_was_held_is_stripped_too(stripping: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The header is read with the body, and then does not go with it."""
    for org, status in ((b"acme", 200), (b"globex", 403)):
        body = b'{"org": "acme"}'
        fields = authorized("acme"), (b"x-org-id", org)
        assert stripping.call(way, b"/api/body/x", *fields, method=b"POST", body=body).status == status
    assert b"x-org-id" not in sent(upstream)
    assert upstream.requests[0].body_bytes == len(body)


def wrong(proxy: GuardingProxy, way: Way, path: bytes, *fields: tuple[bytes, bytes], **claims: object) -> Answer:
    """Send a request about one org with a token for another."""
    org = b"x-org-id", REQUESTED.encode()
    return proxy.call(way, path, authorized(GRANTED, **claims), org, *fields)


def assert_tells_no_org(answer: Answer) -> None:
    """Assert that neither org stands anywhere in an answer."""
    text = unescape(b"\n".join([*(value for _, value in answer.headers), answer.body]).decode())
    assert REQUESTED not in text
    assert GRANTED not in text


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_discreet_problem_document_names_no_org(discreet: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """The two members are left out, and `detail` is what the catalogue says of the reason; the log has all of it."""
    answer = wrong(discreet, way, b"/api/block/%s" % str(way).encode())
    document = problem(answer)
    assert_tells_no_org(answer)
    assert {"requested_orgs", "granted_orgs"}.isdisjoint(document)
    assert (document["reason"], document["rule"]) == ("org_not_granted", "block")
    assert document["detail"].startswith("The org that the request is about is not among the orgs")
    assert document["advice"]
    assert not upstream.requests
    inspection_id = document["instance"].removeprefix("urn:uuid:")
    logged = discreet.wait_for_event("inspection", lambda event: event["rule"] == "block")
    assert (logged["requested_orgs"], logged["granted_orgs"]) == ([REQUESTED], [GRANTED])
    assert inspection_id


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
@pytest.mark.parametrize(
    ("path", "claims", "reason"),
    [
        (b"/api/block/x", {"org_ids": [True]}, "org_claim_malformed"),
        (b"/api/block/x", {"org_ids": None}, "org_claim_malformed"),
        (b"/api/block/x", {"org_ids": []}, "org_claim_empty"),
        (b"/api/seen/the-granted-org/..%2fthe-requested-org/x", {}, "path_ambiguous"),
        (b"/api/expired/x", {"exp": 1, "org_ids": [REQUESTED]}, "token_expired"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_reason_names_an_org(
    discreet: GuardingProxy, upstream: Upstream, way: Way, path: bytes, claims: dict[str, object], reason: str
) -> None:
    """Whatever is found, the sentence about it does without the orgs."""
    answer = wrong(discreet, way, path, **claims)
    assert problem(answer)["reason"] == reason
    assert_tells_no_org(answer)
    assert not upstream.requests


def test_scopes_are_still_told(discreet: GuardingProxy) -> None:
    """What is missing besides is no secret: without it nobody could ask for it."""
    answer = wrong(discreet, FORWARD_H1, b"/api/scopes/x", org_ids=[REQUESTED])
    assert problem(answer)["detail"] == "The token lacks `write`."
    assert_tells_no_org(answer)


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_a_discreet_page_and_grpc_status_name_no_org(discreet: GuardingProxy, way: Way) -> None:
    """For a browser and for a gRPC client it is the same."""
    page = wrong(discreet, way, b"/api/block/x", (b"accept", b"text/html"))
    assert b"<h1>The token is for another org</h1>" in page.body
    assert b"Orgs that" not in page.body
    assert_tells_no_org(page)
    status = wrong(discreet, way, b"/api/block/x", (b"content-type", b"application/grpc"))
    assert status.values(b"grpc-message")[0].startswith(b"orgfence: org_not_granted: The org that")
    assert_tells_no_org(status)


@pytest.mark.parametrize("way", [FORWARD_H1, REVERSE_H2, REVERSE_PLAIN], ids=str)
def test_a_discreet_annotation_names_no_org(discreet: GuardingProxy, upstream: Upstream, way: Way) -> None:
    """Neither upstream nor the client is told which orgs; that and why they are."""
    answer = wrong(discreet, way, b"/api/annotate/x")
    assert answer.status == 200
    assert_tells_no_org(answer)
    (told,) = upstream.requests[0].values(b"orgfence")
    assert answer.values(b"orgfence") == [told]
    item = parse_item(told)
    assert list(item.parameters) == ["reason", "rule", "id"]
    assert item.parameters["reason"] == "org_not_granted"


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_request_is_not_annotated_where_the_policy_says_so(
    silent: GuardingProxy, upstream: Upstream, way: Way
) -> None:
    """Upstream gets it as it came, less what the client itself says as if it were us; the response is annotated."""
    answer = wrong(silent, way, b"/api/annotate/x", (b"orgfence", b"allow"))
    assert answer.status == 200
    assert upstream.requests[0].values(b"orgfence") == []
    (told,) = answer.values(b"orgfence")
    assert parse_item(told).parameters["requested"] == REQUESTED


def test_what_is_not_told_clients_is_still_counted(discreet: GuardingProxy) -> None:
    """`disclose` is about clients; the metrics are the operator's."""
    with discreet.counting() as counted:
        wrong(discreet, FORWARD_H1, b"/api/block/x")
    assert counted['orgfence_org_mismatches_total{org="other",rule="block"}'] == 1
    assert json.dumps(sorted(counted)).count("org_not_granted") == 1
