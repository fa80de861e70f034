"""A fault of orgfence's own, wherever it strikes, is a decision: no silent forward, no client left waiting."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.proxy import sabotaged
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    MIB,
    POLICY,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
    authorized,
)
from tests.proxy.harness import Answer, Upstream
from tests.proxy.structured_field import parse_item

#: The policy that most tests share, with rules that read more than the head and pass less of it on.
MORE_RULES = f"""{POLICY.rstrip()}
  - id: held
    match: {{hosts: [localhost], paths: ["/*/held/**"]}}
    org: [{{body: /org}}, {{header: X-Org-Id, strip: true}}]
    enforcement: block
"""
#: What the request is about: a token for the right org, for the right org that upstream itself refuses, for another.
RIGHT, REFUSED, WRONG = b"/status/block/acme/200", b"/status/block/acme/403", b"/status/block/globex/200"
HELD, RIGHT_BODY, WRONG_BODY = b"/echo/held/x", b'{"org": "acme"}', b'{"org": "globex"}'
CLIENT_SENT = (b"orgfence", b"allow")


class Saboteur:
    """A proxy, and the file that says where it fails."""

    def __init__(self, proxy: GuardingProxy, file: Path) -> None:
        self.proxy = proxy
        self._file = file

    @contextmanager
    def striking(self, stage: str, exception: str = "RuntimeError") -> Iterator[None]:
        """Have every call of a stage raise."""
        self._file.write_text(f"{stage} {exception}")
        try:
            yield
        finally:
            self._file.write_text("")

    def call(self, way: Way, path: bytes) -> Answer:
        """Send a request with a token for `acme` and an `Orgfence` of the client's own."""
        return self.proxy.call(way, path, authorized("acme"), CLIENT_SENT)

    def post(self, way: Way, body: bytes) -> Answer:
        """Send a body to the rule that reads it."""
        fields = authorized("acme"), CLIENT_SENT, (b"content-type", b"application/json"), (b"x-org-id", b"acme")
        return self.proxy.call(way, HELD, *fields, method=b"POST", body=body)


@contextmanager
def sabotaged_proxy(folder: Path, upstream: Upstream, policy: str, *arguments: str) -> Iterator[Saboteur]:
    file = folder / "sabotage"
    file.write_text("")
    with GuardingProxy(upstream, policy, *arguments, launcher=_launcher(file)) as proxy:
        yield Saboteur(proxy, file)
        assert sabotaged.SECRET not in proxy.output


def _launcher(file: Path) -> Callable[[Path], Sequence[str]]:
    def command(confdir: Path) -> Sequence[str]:
        run = [sys.executable, sabotaged.__file__, str(file), "run", "--set", f"confdir={confdir}"]
        return [*run, "--admin", "127.0.0.1:0"]

    return command


@pytest.fixture(scope="module")
def blocking(tmp_path_factory: pytest.TempPathFactory, shared_upstream: Upstream) -> Iterator[Saboteur]:
    """A proxy whose policy blocks, also what cannot be judged."""
    with sabotaged_proxy(tmp_path_factory.mktemp("blocking"), shared_upstream, MORE_RULES) as saboteur:
        yield saboteur


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory, shared_upstream: Upstream) -> Iterator[Saboteur]:
    """A proxy whose policy blocks, and lets through what cannot be judged."""
    policy = MORE_RULES.replace("version: 1", "version: 1\nundetermined: observe")
    with sabotaged_proxy(tmp_path_factory.mktemp("lenient"), shared_upstream, policy) as saboteur:
        yield saboteur


@pytest.fixture(scope="module")
def observing(tmp_path_factory: pytest.TempPathFactory, shared_upstream: Upstream) -> Iterator[Saboteur]:
    """The proxy with the break-glass pulled."""
    with sabotaged_proxy(tmp_path_factory.mktemp("observing"), shared_upstream, MORE_RULES, "--observe") as saboteur:
        yield saboteur


# Where judging fails: nothing was proved, so nothing passes.
JUDGING = [
    "request_of",
    "inspect",
    "scan_headers",
    "hosts_of",
    "matching",
    "decide",
    "find_credential",
    "read_token",
    "weigh",
]
# Where carrying out what was decided fails on every request.
ENFORCING = ["requestheaders", "enforce", "strip", "is_streamed"]
# Where answering a mismatch fails; an allow does not come by there.
ANSWERING = ["explain", "answer"]
# Where an annotation fails; what is blocked has none.
ANNOTATING = ["header_value"]
# Where telling of it fails, which changes nothing: `where` of those is counted by what a request meets of it.
REPORTING = ["count_inspection", "mark", "record", "log"]
RESPONDING = ["annotate", "count_outcome", "mark_outcome", "outcome_record", "outcome_value", "answered"]
# What only a request meets that waits for its body, or that some header is taken out of: both fail as judging does,
# or as carrying it out.
JUDGING_BODIES = ["body_by_head", "body_of", "read_body"]
ENFORCING_BODIES = ["request", "answer_held", "strip_named"]
UNREAD = ["answer_unread"]
DISCREET = ["without_orgs"]
# A hook as a whole: mitmproxy calls it, so there is nobody left to count the fault.
HOOKS = ["passes_because", "inspected", "answer_early", "responseheaders"]

WAYS = [FORWARD_H1, FORWARD_H2, REVERSE_PLAIN]


def test_every_stage_is_in_one_of_the_lists() -> None:
    """So that no stage is forgotten."""
    listed = [*JUDGING, *ENFORCING, *ANSWERING, *ANNOTATING, *REPORTING, *RESPONDING, *HOOKS]
    listed += [*JUDGING_BODIES, *ENFORCING_BODIES, *UNREAD, *DISCREET]
    assert sorted(listed) == sorted(sabotaged.STAGES)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", sabotaged.STAGES)
def test_a_wrong_request_never_passes(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """Whatever fails, upstream does not see it, and the client has its answer."""
    with blocking.striking(stage):
        answer = blocking.call(way, WRONG)
    assert answer.status in (403, 502)
    assert not upstream.requests
    assert blocking.call(way, RIGHT).status == 200, "the fault leaves nothing behind"


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*JUDGING, *ENFORCING, "answer_early"])
def test_what_was_not_judged_never_passes(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """Also a right request is refused where nobody could say so: 502, which no client takes for the API's answer."""
    with blocking.proxy.counting() as counted, blocking.striking(stage):
        answer = blocking.call(way, RIGHT)
    assert answer.status == 502
    assert not upstream.requests
    if stage != "answer_early":
        assert answer.values(b"content-type") == [b"application/problem+json"]
        assert b'details="internal_error"' in answer.values(b"proxy-status")[0]
        where = "inspect" if stage in JUDGING else "enforce"
        assert counted[f'orgfence_internal_errors_total{{where="{where}"}}'] >= 1
        blocking.proxy.wait_for_event("internal_error", lambda event: event["where"] == where)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", ANSWERING)
def test_a_block_stays_a_block(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """What was decided to be blocked is, if only by the barest of answers, and a right request is not touched."""
    with blocking.proxy.counting() as counted, blocking.striking(stage):
        assert blocking.call(way, WRONG).status == 502
        assert not upstream.requests
        assert blocking.call(way, RIGHT).status == 200
    assert counted['orgfence_internal_errors_total{where="enforce"}'] == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", ANNOTATING)
def test_what_would_be_annotated_goes_on(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """Without the annotation that failed; a block needs none."""
    with blocking.proxy.counting() as counted, blocking.striking(stage):
        assert blocking.call(way, b"/status/annotate/globex/200").status == 200
        assert len(upstream.requests) == 1
        assert upstream.requests[0].values(b"orgfence") == []
        assert blocking.call(way, WRONG).status == 403
    assert counted['orgfence_internal_errors_total{where="enforce"}'] == 1


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*REPORTING, "inspected"])
def test_reporting_changes_nothing(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """A right request passes and a wrong one is blocked as ever while nobody can be told of it; that is counted."""
    with blocking.proxy.counting() as counted, blocking.striking(stage):
        assert blocking.call(way, RIGHT).status == 200
        assert blocking.call(way, WRONG).status == 403
    assert len(upstream.requests) == 1
    assert upstream.requests[0].values(b"orgfence") == []
    if stage != "inspected":
        assert counted['orgfence_internal_errors_total{where="report"}'] >= 1


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*RESPONDING, "responseheaders"])
def test_an_answer_reaches_its_client(blocking: Saboteur, upstream: Upstream, way: Way, stage: str) -> None:
    """What fails when upstream has answered keeps the answer from nobody."""
    with blocking.proxy.counting() as counted, blocking.striking(stage):
        assert blocking.call(way, REFUSED).status == 403
    assert len(upstream.requests) == 1
    if stage != "responseheaders":
        errors = [
            counted.get(f'orgfence_internal_errors_total{{where="{where}"}}', 0) for where in ("report", "response")
        ]
        assert sum(errors) == 1


@pytest.mark.parametrize("exception", sabotaged.EXCEPTIONS)
@pytest.mark.parametrize(
    "stage", ["request_of", "decide", "answer", "requestheaders", "answer_early", "responseheaders", "log"]
)
def test_no_exception_is_special(blocking: Saboteur, upstream: Upstream, stage: str, exception: str) -> None:
    """Neither those that mitmproxy steers its addons by nor those whose message cannot even be printed."""
    with blocking.striking(stage, exception):
        assert blocking.call(FORWARD_H1, WRONG).status in (403, 502)
        assert not upstream.requests
        status = blocking.call(FORWARD_H1, RIGHT).status
    passes = stage in ("answer", "log", "responseheaders")
    assert status == (200 if passes else 502)


@pytest.mark.parametrize("exception", ["RuntimeError", "AddonHalt", "OptionsError"])
def test_another_addon_is_no_way_past(blocking: Saboteur, upstream: Upstream, exception: str) -> None:
    """An addon before ours that raises, or keeps mitmproxy from asking ours, does not open the door."""
    for way in WAYS:
        with blocking.proxy.counting() as counted, blocking.striking("before", exception):
            assert blocking.call(way, WRONG).status in (403, 502)
            assert not upstream.requests
            status = blocking.call(way, RIGHT).status
        if exception == "RuntimeError":
            assert status == 200, "ours is asked all the same"
            upstream.requests.clear()
        else:
            assert status == 502
            assert counted['orgfence_internal_errors_total{where="enforce"}'] == 2
            assert not upstream.requests


def test_a_connection_of_unknown_scope_is_opened_up(blocking: Saboteur, upstream: Upstream) -> None:
    """Where the comparison with the policy fails, the requests are judged."""
    with blocking.proxy.counting() as counted:
        for stage, exception in (("passes_because", "RuntimeError"), ("before_tls", "RuntimeError")):
            with blocking.striking(stage, exception):
                assert blocking.call(FORWARD_H1, WRONG).status == 403
                assert blocking.call(FORWARD_H1, RIGHT).status == 200
    assert counted['orgfence_internal_errors_total{where="tls"}'] == 2
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*JUDGING, *ENFORCING])
@pytest.mark.parametrize("kind", ["lenient", "observing"])
def test_open_where_the_operator_says_so(
    request: pytest.FixtureRequest, upstream: Upstream, way: Way, stage: str, kind: str
) -> None:
    """`undetermined: observe` and `--observe` let through what could not be judged: counted, logged, cleaned."""
    saboteur: Saboteur = request.getfixturevalue(kind)
    with saboteur.proxy.counting() as counted, saboteur.striking(stage):
        answer = saboteur.call(way, RIGHT)
    assert answer.status == 200
    assert len(upstream.requests) == 1
    if stage != "strip":
        assert upstream.requests[0].values(b"orgfence") == []
    where = "inspect" if stage in JUDGING else "enforce"
    assert counted[f'orgfence_internal_errors_total{{where="{where}"}}'] == 1
    saboteur.proxy.wait_for_event("internal_error", lambda event: event["where"] == where)
    assert saboteur.call(way, WRONG).status == (403 if kind == "lenient" else 200)


def test_annotated_where_the_rule_says_so(blocking: Saboteur, upstream: Upstream) -> None:
    """Under `annotate` a request that could not be judged goes on and says so."""
    for way in WAYS:
        upstream.requests.clear()
        with blocking.striking("decide"):
            answer = blocking.call(way, b"/api/annotate/acme/x")
        assert answer.status == 200
        (told,) = upstream.requests[0].values(b"orgfence")
        item = parse_item(told)
        assert (item.token, item.parameters["reason"]) == ("undetermined", "internal_error")
        assert answer.values(b"orgfence") == [told]


def test_a_large_blocked_upload_does_not_hang_on_a_fault(blocking: Saboteur, upstream: Upstream) -> None:
    """Also the barest answer comes before the body."""
    for stage in ("request_of", "answer", "answer_early"):
        with blocking.striking(stage), blocking.proxy.raw(FORWARD_H1) as client:
            length = (b"content-length", b"1073741824")
            client.send(blocking.proxy.head(FORWARD_H1, b"PUT", WRONG, authorized("acme"), length))
            assert client.read_answer().status == 502
    assert not upstream.requests


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize(
    # Whether to stream it is not asked of what has come whole.
    "stage",
    [*JUDGING, *(stage for stage in ENFORCING if stage != "is_streamed"), *JUDGING_BODIES, *ENFORCING_BODIES],
)
def test_what_waited_for_its_body_never_passes_unjudged(
    blocking: Saboteur, upstream: Upstream, way: Way, stage: str
) -> None:
    """Whatever fails before the body is there, or when it is: no byte goes upstream, and the client has its answer."""
    for body in (WRONG_BODY, RIGHT_BODY):
        with blocking.proxy.counting() as counted, blocking.striking(stage):
            answer = blocking.post(way, body)
        assert answer.status == 502
        assert not upstream.requests
        if stage != "answer_held":
            where = "inspect" if stage in JUDGING + JUDGING_BODIES else "enforce"
            assert counted[f'orgfence_internal_errors_total{{where="{where}"}}'] >= 1
    assert blocking.post(way, RIGHT_BODY).body == RIGHT_BODY, "the fault leaves nothing behind"


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*REPORTING, *RESPONDING, *ANSWERING, "inspected", "responseheaders"])
def test_what_fails_beside_it_changes_nothing_for_what_waited(
    blocking: Saboteur, upstream: Upstream, way: Way, stage: str
) -> None:
    """A right body arrives, and a wrong one does not, while nobody can be told of either."""
    with blocking.striking(stage):
        assert blocking.post(way, RIGHT_BODY).status == 200
        assert blocking.post(way, WRONG_BODY).status in (403, 502)
    assert [request.body_bytes for request in upstream.requests] == [len(RIGHT_BODY)]
    assert upstream.requests[0].values(b"orgfence") == []
    assert upstream.requests[0].values(b"x-org-id") == []


@pytest.mark.parametrize("exception", sabotaged.EXCEPTIONS)
@pytest.mark.parametrize("stage", ["request", "body_of", "answer_held", "answer_unread"])
def test_no_exception_is_special_to_what_waits(
    blocking: Saboteur, upstream: Upstream, stage: str, exception: str
) -> None:
    """As above, with bodies: whatever is raised, within the limit or over it."""
    with blocking.striking(stage, exception), blocking.proxy.raw(FORWARD_H1) as client:
        chunked = (b"transfer-encoding", b"chunked")
        client.send(blocking.proxy.head(FORWARD_H1, b"POST", HELD, authorized("acme"), chunked))
        padding = b" " * (MIB + 1 if stage == "answer_unread" else 9)
        body = RIGHT_BODY + padding
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert client.read_answer().status == 502
    assert not upstream.requests


@pytest.mark.parametrize("exception", ["RuntimeError", "AddonHalt", "OptionsError"])
def test_another_addon_is_no_way_past_for_what_waits(blocking: Saboteur, upstream: Upstream, exception: str) -> None:
    """An addon that keeps mitmproxy from asking ours once the body is there has it refused."""
    for way in WAYS:
        with blocking.striking("before_body", exception):
            assert blocking.post(way, WRONG_BODY).status in (403, 502)
            assert not upstream.requests
            status = blocking.post(way, RIGHT_BODY).status
        assert status == (200 if exception == "RuntimeError" else 502)
        assert len(upstream.requests) == (status == 200)
        upstream.requests.clear()


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("stage", [*JUDGING, *JUDGING_BODIES, "request", "strip_named", "answer_unread"])
@pytest.mark.parametrize("kind", ["lenient", "observing"])
def test_what_waited_passes_where_the_operator_says_so(
    request: pytest.FixtureRequest, upstream: Upstream, way: Way, stage: str, kind: str
) -> None:
    """As a request without a body does: whole, counted, and without what a client says as if it were us."""
    saboteur: Saboteur = request.getfixturevalue(kind)
    with saboteur.proxy.counting() as counted, saboteur.striking(stage):
        answer = saboteur.post(way, RIGHT_BODY)
    assert (answer.status, answer.body) == (200, RIGHT_BODY)
    assert [(each.body_bytes, each.complete) for each in upstream.requests] == [(len(RIGHT_BODY), True)]
    assert upstream.requests[0].values(b"orgfence") == []
    if stage != "answer_unread":
        where = "inspect" if stage in JUDGING + JUDGING_BODIES else "enforce"
        assert counted[f'orgfence_internal_errors_total{{where="{where}"}}'] == 1


def test_what_cannot_be_told_discreetly_is_not_told(tmp_path: Path, shared_upstream: Upstream) -> None:
    """Where the orgs cannot be left out the answer is the barest, without them."""
    shared_upstream.requests.clear()
    policy = POLICY.replace("version: 1", "version: 1\ndisclose: reason")
    with sabotaged_proxy(tmp_path, shared_upstream, policy) as saboteur:
        with saboteur.striking("without_orgs"):
            answer = saboteur.call(FORWARD_H1, WRONG)
            annotated = saboteur.call(FORWARD_H1, b"/api/annotate/globex/x")
        assert answer.status == 502
        assert b"globex" not in answer.body
        assert b"globex" not in b"".join(annotated.values(b"orgfence"))
