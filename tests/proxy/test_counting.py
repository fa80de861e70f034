"""The counters after a known mix of requests, to the last one; the log's lines, and their repeats."""

import time

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    ISS,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
    problem,
)
from tests.proxy.harness import RawClient, Upstream, client_context

POLICY = f"""
version: 1
orgs:
  globex: {{id: 1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02}}
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids, scopes: scope}}, leeway: 0s}}
rules:
  - id: block
    match: {{hosts: [localhost], paths: ["/*/block/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
  - id: annotate
    match: {{hosts: [localhost], paths: ["/*/annotate/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: annotate
  - id: observe
    match: {{hosts: [localhost], paths: ["/*/observe/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: observe
  - id: strict
    match: {{hosts: [localhost], paths: ["/*/strict/{{org}}/**"]}}
    org: {{path: org}}
    token: {{unauthenticated: block}}
    enforcement: block
  - id: scope-for-writing
    match: {{hosts: [localhost], paths: ["/*/block/**"], methods: [POST]}}
    token: {{scopes: [write]}}
    enforcement: observe
"""

ACME = authorized("acme")
PREFLIGHT = ((b"origin", b"https://app.example.com"), (b"access-control-request-method", b"PUT"))
#: Method, path, fields, and the status that the client gets.
MIX = [
    (b"GET", b"/status/block/acme/200", (ACME,), 200),
    (b"GET", b"/status/block/acme/201", (ACME,), 201),
    (b"GET", b"/status/block/acme/401", (ACME,), 401),
    (b"GET", b"/status/block/acme/403", (ACME,), 403),
    (b"GET", b"/status/block/acme/404", (ACME,), 404),
    (b"GET", b"/status/block/globex/200", (ACME,), 403),
    (b"HEAD", b"/status/block/initech/200", (ACME,), 403),
    (b"GET", b"/status/block/acme/200", (ACME, ACME), 400),
    # What the API answers with its own 401 goes on, and says nothing of how right the rule is.
    (b"GET", b"/status/block/acme/401", (), 401),
    (b"GET", b"/status/block/acme/401", (authorized("acme", exp=1_000_000_000),), 401),
    (b"GET", b"/status/strict/acme/401", (), 403),
    (b"GET", b"/status/strict/acme/401", (authorized("acme", exp=1_000_000_000),), 401),
    (b"OPTIONS", b"/status/strict/globex/204", PREFLIGHT, 204),
    (b"GET", b"/status/annotate/globex/200", (ACME,), 200),
    (b"GET", b"/status/annotate/GLOBEX/200", (ACME,), 200),
    (b"GET", b"/status/annotate/initech/403", (ACME,), 403),
    (b"GET", b"/status/annotate/acme/200", ((b"authorization", b"Bearer opaque"),), 200),
    (b"GET", b"/status/observe/globex/500", (ACME,), 500),
    # Two rules match, and each decides for itself.
    (b"POST", b"/status/block/acme/200", (ACME,), 200),
    (b"POST", b"/status/block/acme/403", (authorized("acme", scope="read write"),), 403),
    (b"POST", b"/status/block/globex/200", (ACME,), 403),
    (b"GET", b"/status/nothing/globex/200", (ACME,), 200),
]


def counted(family: str, labels: str, number: int) -> tuple[str, float]:
    """Return a sample; labels are given as `name=value` words in the order of their names."""
    pairs = ",".join('{}="{}"'.format(*word.split("=")) for word in labels.split())
    return f"orgfence_{family}_total{{{pairs}}}", number


EXPECTED = dict(
    [
        counted("requests", "action=forwarded", 9),
        counted("requests", "action=annotated", 6),
        counted("requests", "action=blocked", 6),
        counted("requests", "action=unmatched", 1),
        counted("requests", "action=unjudged", 0),
        ("orgfence_log_lines_lost_total", 0),
        counted("decisions", "enforcement=block reason=org_granted rule=block verdict=allow", 7),
        counted("decisions", "enforcement=block reason=org_not_granted rule=block verdict=mismatch", 3),
        counted("decisions", "enforcement=block reason=credential_ambiguous rule=block verdict=mismatch", 1),
        counted("decisions", "enforcement=annotate reason=token_missing rule=block verdict=mismatch", 1),
        counted("decisions", "enforcement=annotate reason=token_expired rule=block verdict=mismatch", 1),
        counted("decisions", "enforcement=block reason=token_missing rule=strict verdict=mismatch", 1),
        counted("decisions", "enforcement=block reason=token_expired rule=strict verdict=mismatch", 1),
        counted("decisions", "enforcement=block reason=not_judged rule=strict verdict=allow", 1),
        counted("decisions", "enforcement=annotate reason=org_not_granted rule=annotate verdict=mismatch", 3),
        counted("decisions", "enforcement=annotate reason=token_opaque rule=annotate verdict=undetermined", 1),
        counted("decisions", "enforcement=observe reason=org_not_granted rule=observe verdict=mismatch", 1),
        counted("decisions", "enforcement=observe reason=scope_missing rule=scope-for-writing verdict=mismatch", 2),
        counted("decisions", "enforcement=observe reason=token_accepted rule=scope-for-writing verdict=allow", 1),
        counted("org_mismatches", "org=globex rule=block", 2),
        counted("org_mismatches", "org=other rule=block", 1),
        counted("org_mismatches", "org=globex rule=annotate", 2),
        counted("org_mismatches", "org=other rule=annotate", 1),
        counted("org_mismatches", "org=globex rule=observe", 1),
        counted("outcomes", "rule=block status=2xx verdict=allow", 3),
        counted("outcomes", "rule=block status=401 verdict=allow", 1),
        counted("outcomes", "rule=block status=403 verdict=allow", 2),
        counted("outcomes", "rule=block status=4xx verdict=allow", 1),
        counted("outcomes", "rule=strict status=2xx verdict=allow", 1),
        counted("outcomes", "rule=annotate status=2xx verdict=mismatch", 2),
        counted("outcomes", "rule=annotate status=403 verdict=mismatch", 1),
        counted("outcomes", "rule=annotate status=2xx verdict=undetermined", 1),
        counted("outcomes", "rule=observe status=5xx verdict=mismatch", 1),
        counted("outcomes", "rule=scope-for-writing status=2xx verdict=mismatch", 1),
        counted("outcomes", "rule=scope-for-writing status=403 verdict=allow", 1),
        *(
            counted("unguarded_connections", f"why={why}", 0)
            for why in ("ech", "host_not_guarded", "no_sni", "non_http", "sni_differs", "udp")
        ),
        *(
            counted("refused_connections", f"why={why}", 0)
            for why in (
                "bad_request",
                "client_hello",
                "hidden_request",
                "no_client_hello",
                "non_http",
                "proxy_header",
                "ssl2",
                "tls_version",
            )
        ),
        *(
            counted("internal_errors", f"where={where}", 0)
            for where in ("tls", "inspect", "enforce", "response", "report", "reload")
        ),
        *(counted("policy_reloads", f"result={result}", 0) for result in ("success", "failure")),
        ("orgfence_tls_failed_clients_total", 0),
    ]
)


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN], ids=str)
def test_every_request_is_counted_once(shared_upstream: Upstream, way: Way) -> None:
    """After a mix the counters hold these numbers and no others; what nobody inspected is in none but its own."""
    policy = POLICY.replace("localhost", "127.0.0.1") if way is REVERSE_PLAIN else POLICY
    globex = b"1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02"
    with GuardingProxy(shared_upstream, policy) as proxy:
        for method, template, fields, status in MIX:
            path = template.replace(b"GLOBEX", globex.upper())
            assert proxy.call(way, path, *fields, method=method).status == status, path
        # The name that this policy does not guard.
        other, passed = ("localhost", "host_not_guarded") if way is REVERSE_PLAIN else ("127.0.0.1", "no_sni")
        with RawClient(proxy.forward) as client:
            assert client.tunnel(other, shared_upstream.tls_address[1]).status == 200
            client.start_tls(client_context(shared_upstream.ca_file), other)
        # Bytes that are no request are nobody's request.
        with RawClient(proxy.forward) as client:
            client.send(b"this is no request\r\n\r\n")
            client.wait_for_close()
        metrics = proxy.metrics()
    assert {
        name: number for name, number in metrics.items() if "_total" in name and name.startswith("orgfence_")
    } == EXPECTED | dict(
        [counted("unguarded_connections", f"why={passed}", 1), counted("refused_connections", "why=bad_request", 1)]
    )
    assert metrics["orgfence_inspection_duration_seconds_count"] == len(MIX)
    assert metrics["orgfence_observe_override"] == 0


def test_a_cached_token_still_expires(shared_upstream: Upstream, upstream: Upstream) -> None:
    """That a token was right a moment ago, and is remembered, makes it no longer valid."""
    with GuardingProxy(shared_upstream, POLICY) as proxy:
        expires = time.time() + 3
        fields = authorized("acme", exp=expires)
        statuses: list[int] = []
        while (answer := proxy.call(FORWARD_PLAIN, b"/api/strict/acme/x", fields)).status == 200:
            statuses.append(answer.status)
            assert time.time() < expires + 3
        assert time.time() >= expires
        assert statuses, "three seconds are enough for one request"
        assert (answer.status, problem(answer)["reason"]) == (401, "token_expired")
        assert len(upstream.requests) == len(statuses)


def test_the_same_is_logged_once_and_then_counted(shared_upstream: Upstream) -> None:
    """One line a kind of mismatch: the first at once, with all that mends it; the rest as one number at the end."""
    with GuardingProxy(shared_upstream, POLICY) as proxy:
        trace = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        for _ in range(5):
            proxy.call(FORWARD_H1, b"/api/block/globex/users?q=1", ACME, trace)
        for org in (b"initech", b"umbrella"):
            proxy.call(FORWARD_H1, b"/api/block/%s/users" % org, ACME)
        for _ in range(3):
            proxy.call(FORWARD_H1, b"/status/block/acme/403", ACME, (b"x-reply", b"X-Request-Id: r-1"))
        proxy.call(FORWARD_H1, b"/status/block/acme/200", ACME)
        generation = proxy.ready_value["generation"]
        proxy.stop()
        inspections, outcomes, repeats = (proxy.events(name) for name in ("inspection", "outcome", "repeats"))
    assert [event["requested_orgs"] for event in inspections] == [["globex"], ["initech"], ["umbrella"]]
    first = inspections[0]
    assert {name: first[name] for name in first if name not in ("ts", "id", "advice")} == {
        "level": "warning",
        "event": "inspection",
        "action": "blocked",
        "verdict": "mismatch",
        "reason": "org_not_granted",
        "rule": "block",
        "enforcement": "block",
        "requested_orgs": ["globex"],
        "granted_orgs": ["acme"],
        "token_issuer": "corp",
        "unverified": True,
        "client": "127.0.0.1",
        "method": "GET",
        "host": "localhost",
        "path_template": "/*/block/{org}/**",
        "generation": generation,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    (outcome,) = outcomes
    assert (outcome["outcome"], outcome["verdict"], outcome["correlation_id"]) == (403, "allow", "r-1")
    assert [(event["reason"], event["suppressed"]) for event in repeats] == [("org_not_granted", 4), ("org_granted", 2)]
