"""All bodies that wait share one budget, and a request that ends before it was judged is counted."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    authorized,
    problem,
    wait_until,
)
from tests.proxy.harness import RawClient, Upstream
from tests.proxy.test_bodies import CHUNKED, JSON, LIMIT, POLICY, about, chunk, post, sized

BUDGET = 3 * LIMIT
HELD = "orgfence_held_body_bytes"
UNJUDGED = 'orgfence_requests_total{action="unjudged"}'
ACME = authorized("acme")


@pytest.fixture(scope="module")
def proxy(shared_upstream: Upstream) -> Iterator[GuardingProxy]:
    """`orgfence run` that holds three bodies of the size that is read, and little more."""
    policy = POLICY.replace("version: 1", f"version: 1\nheld_bodies_limit: {BUDGET + 9_000}B")
    with GuardingProxy(shared_upstream, policy) as process:
        yield process


def wait_until_held(proxy: GuardingProxy, size: int) -> None:
    """Wait until the gauge shows this."""
    wait_until(lambda: proxy.metrics()[HELD] == size)


def test_what_does_not_fit_is_unread_at_once(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Of six bodies that stall just below their limit three wait; the others are answered. All is given back."""
    body = about("acme", LIMIT - 100)
    before = proxy.metrics()[UNJUDGED]
    with ExitStack() as stack:
        clients = [stack.enter_context(proxy.raw(REVERSE_PLAIN)) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(proxy.head(REVERSE_PLAIN, b"POST", b"/echo/json/x", ACME, JSON, sized(body)) + body[:-1])
            if number < 3:
                wait_until_held(proxy, (number + 1) * (len(body) - 1))
            else:
                answer = client.read_answer()
                assert (answer.status, problem(answer)["reason"]) == (403, "body_unread")
                assert proxy.metrics()[HELD] == 3 * (len(body) - 1)
        # One of those that wait comes to its end.
        clients[0].send(body[-1:])
        assert clients[0].read_answer().status == 200
    wait_until_held(proxy, 0)
    assert proxy.metrics()[UNJUDGED] - before == 2
    assert post(proxy, REVERSE_PLAIN, b"/echo/json/x", body, JSON).status == 200


def test_what_is_let_through_unread_goes_on(proxy: GuardingProxy, upstream: Upstream) -> None:
    """Where the rule only observes, a body that does not fit passes as it comes, and is whole upstream."""
    body = about("acme", LIMIT - 100)
    with ExitStack() as stack:
        for number in range(3):
            client = stack.enter_context(proxy.raw(FORWARD_H1))
            client.send(proxy.head(FORWARD_H1, b"POST", b"/echo/json/x", ACME, JSON, CHUNKED) + chunk(body))
            wait_until_held(proxy, (number + 1) * len(body))
        answer = post(proxy, REVERSE_H2, b"/echo/observe/x", body, JSON)
        assert (answer.status, answer.body) == (200, body)
    wait_until_held(proxy, 0)


def test_small_bodies_that_no_rule_reads_share_the_budget(proxy: GuardingProxy, upstream: Upstream) -> None:
    """They pass whole while there is room, and as they come where there is none."""
    body = bytes(60_000)
    head = proxy.head(REVERSE_PLAIN, b"POST", b"/echo/none/x", ACME, sized(body))
    with ExitStack() as stack:
        clients: list[RawClient] = []
        while len(clients) < 12:
            clients.append(stack.enter_context(proxy.raw(REVERSE_PLAIN)))
            clients[-1].send(head + body[:-1])
        # Ten fit.
        wait_until(lambda: len(upstream.requests) == 2)
        assert proxy.metrics()[HELD] == 10 * (len(body) - 1)
        for client in clients:
            client.send(body[-1:])
            assert client.read_answer().body == body
    wait_until_held(proxy, 0)
    assert [request.body_bytes for request in upstream.requests] == [len(body)] * 12


def test_small_answers_share_the_budget(proxy: GuardingProxy, upstream: Upstream) -> None:
    """What was held of them is given back when they are through."""
    reply = (b"x-reply", b"content-length: 50000")
    for _ in range(20):
        assert len(proxy.call(REVERSE_PLAIN, b"/large/none/x?bytes=50000", ACME, reply).body) == 50_000
    assert proxy.metrics()[HELD] == 0


def test_each_request_is_counted_once(proxy: GuardingProxy, upstream: Upstream) -> None:
    """One that goes or is reset while it waits is `unjudged`, as is one that mitmproxy itself refuses."""
    body = about("acme")
    with proxy.counting() as counted:
        with proxy.raw(REVERSE_PLAIN) as client:
            client.send(proxy.head(REVERSE_PLAIN, b"POST", b"/echo/json/x", ACME, JSON, sized(body)) + body[:-1])
        with proxy.http2(REVERSE_H2) as http2:
            stream = http2.request(proxy.pseudo(REVERSE_H2, b"POST", b"/echo/json/x", ACME, JSON), end=False)
            http2.send_data(stream, body)
            http2.reset(stream)
            end = http2.request(proxy.pseudo(REVERSE_H2, b"GET", b"/api/json/x", ACME))
            assert http2.wait(end).status == 403
        with proxy.raw(REVERSE_PLAIN) as client:
            client.send(proxy.head(REVERSE_PLAIN, b"POST", b"/echo/json/x", ACME, CHUNKED, sized(body)))
            assert client.read_answer().status == 400
        # A request that was judged and then given up is not counted again.
        with proxy.http2(REVERSE_H2) as http2:
            stream = http2.request(proxy.pseudo(REVERSE_H2, b"GET", b"/sse/none/x", ACME))
            http2.wait(stream, lambda it: it.body)
            http2.reset(stream)
        wait_until_held(proxy, 0)
    found = {name: number for name, number in counted.items() if name.startswith("orgfence_requests_total")}
    assert found == {
        UNJUDGED: 3,
        'orgfence_requests_total{action="blocked"}': 1,
        'orgfence_requests_total{action="unmatched"}': 1,
    }
