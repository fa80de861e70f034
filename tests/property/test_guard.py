"""The engine is held to the reference, and to what has to hold of any guard."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.property import reference
from tests.property.credentials import NOW
from tests.property.disguises import DISGUISES, Disguise, other_case
from tests.property.policies import ISS, compiled, defaults, policies, rules
from tests.property.reference import Judgement, Said
from tests.property.reference_request import is_preflight, may_give_up, readings_of
from tests.property.reference_token import Policy, listed
from tests.property.strategies import Case, cases, hostile_requests, path_cases, requests
from tests.tokens import jwt_of

from orgfence.core.catalogue import explain
from orgfence.core.decision import Decision, Inspection, NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.reason import Action, Reason
from orgfence.core.request import AWAITED, UNREAD, Authority, Request
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

# From what lets everything pass to what stops it.
ACTIONS = ["unmatched", "forwarded", "annotated", "blocked"]


def nothing_known() -> Known:
    """Return what a proxy knows when it starts."""
    return Known(TokenCache(64))


def judged(ruleset: Ruleset, request: Request, now: float = NOW) -> Judgement:
    """Return what the engine decides, in the reference's words. The body is there from the start."""
    return in_words(inspected(request, ruleset, nothing_known(), now))


def inspected(request: Request, ruleset: Ruleset, known: Known, now: float = NOW) -> Inspection:
    """Return what becomes of a request whose body nobody has to wait for."""
    inspection = inspect(request, ruleset, known, now)
    assert isinstance(inspection, Inspection)
    return inspection


def in_words(inspection: Inspection) -> Judgement:
    """Return an inspection in the reference's words."""
    said = [_said(decision) for decision in inspection.decisions]
    assert len(said) == len({one.rule for one in said}), "a rule decides once"
    deciding = None if inspection.deciding is None else _said(inspection.deciding)
    return Judgement(frozenset(said), deciding, inspection.action.value)


def _said(decision: Decision) -> Said:
    said = Said("" if decision.rule is None else decision.rule.id, decision.reason.value, decision.enforcement.word)
    assert decision.verdict.value == said.verdict
    return said


# This one catches most, if it gets to see enough.
@settings(max_examples=3 * settings().max_examples)
@given(cases())
def test_engine_equals_reference(case: Case) -> None:
    """What each rule says of a request, which of them decides, and what becomes of it are what the reference says.

    So it is where the body is only asked for, unless it is blocked before.
    """
    assume(not may_give_up(case.policy, case.request))
    expected = reference.judge(case.policy, case.request, case.now)
    ruleset, awaited = compiled(*case.files), case.request._replace(body=AWAITED)
    assert judged(ruleset, case.request, case.now) == expected

    early = inspect(awaited, ruleset, nothing_known(), case.now)
    assert isinstance(early, NeedBody) == reference.awaits_body(case.policy, awaited, case.now)
    if isinstance(early, NeedBody):
        return
    if early.action is Action.BLOCKED:
        assert expected.action == "blocked"
    else:
        assert in_words(early) == expected


@settings(max_examples=3 * settings().max_examples)
@given(path_cases())
def test_disguised_paths_are_read_as_the_reference_reads_them(case: Case) -> None:
    """However a path is written, and whatever a rule says of encoded slashes and of case."""
    assume(not may_give_up(case.policy, case.request))
    assert judged(compiled(*case.files), case.request) == reference.judge(case.policy, case.request, case.now)


@given(cases(), st.data())
def test_adding_a_rule_never_loosens(case: Case, data: st.DataObject) -> None:
    """What becomes of a request that some rule matches is as strict or stricter with one rule more."""
    before = judged(compiled(*case.files), case.request)
    # Under `unmatched: block` a first rule for a request that none matched is there to let it through.
    assume(before.said and all(one.reason != "no_rule" for one in before.said))
    more = data.draw(rules(case.policy["issuers"], "more"), label="more")
    # In a file of its own, or anywhere in one of those that there are.
    file = data.draw(st.sampled_from([*case.files, None]), label="file")
    if file is None:
        files = [*case.files, {"version": 1, "rules": [more]} | data.draw(defaults(), label="defaults")]
    else:
        place = data.draw(st.integers(0, len(file["rules"])), label="place")
        with_more = file | {"rules": [*file["rules"][:place], more, *file["rules"][place:]]}
        files = [with_more if each is file else each for each in case.files]
    after = judged(compiled(*files), case.request)
    assert ACTIONS.index(after.action) >= ACTIONS.index(before.action)
    assert {one for one in after.said if one.rule not in ("", "more")} == before.said


BODIES = st.one_of(
    st.just(UNREAD), st.binary(max_size=20), st.sampled_from([b"", b'{"org": "acme"}', b"org=acme&access_token=x"])
)


@given(cases(), st.data())
def test_no_body_changes_what_was_decided_without(case: Case, data: st.DataObject) -> None:
    """Where the body is not asked for it does not matter, and what is blocked before is blocked with any."""
    ruleset = compiled(*case.files)
    early = inspect(case.request._replace(body=AWAITED), ruleset, nothing_known(), case.now)
    assume(isinstance(early, Inspection))
    assert isinstance(early, Inspection)
    late = judged(ruleset, case.request._replace(body=data.draw(BODIES, label="body")), case.now)
    assert late.action == early.action.value
    assert early.action is Action.BLOCKED or late == in_words(early)


@given(cases())
def test_an_unread_body_is_never_an_allow(case: Case) -> None:
    """A rule that reads its org in a body that is not there judges nothing: at most it does not have to.

    It does not where a preflight or a missing token passes, or a token that it excepts.
    """
    # Too large or broken off; or it has a type that upstream may not come to know.
    hidden = (*case.request.headers, (b"Connection", b"content-type"))
    for request in (case.request._replace(body=UNREAD), case.request._replace(body=b"org=acme", headers=hidden)):
        said = {one.rule: one for one in judged(compiled(*case.files), request).said}
        assert_unread_is_no_allow(case.policy, request, said)


def assert_unread_is_no_allow(policy: Policy, request: Request, said: dict[str, Said]) -> None:
    """Hold every rule that reads its org in the body to not having found it."""
    for rule in policy["rules"]:
        in_body = any("body" in source or "form" in source for source in listed(rule.get("org", [])))
        passes = "token" in rule.get("pass_without", []) or any("claims" in each for each in rule.get("except", []))
        if in_body and rule["id"] in said and not (passes or is_preflight(request)):
            assert said[rule["id"]].verdict != "allow"
        elif in_body and rule["id"] in said:
            assert said[rule["id"]].reason != "org_granted"


@given(cases(), st.data())
def test_order_of_rules_is_irrelevant(case: Case, data: st.DataObject) -> None:
    """The files of a policy, the rules of a file, and the hosts and paths of a rule, may stand in any order."""
    shuffled = [file | {"rules": [data.draw(any_order(rule)) for rule in file["rules"]]} for file in case.files]
    files = data.draw(st.permutations(shuffled))
    assert judged(compiled(*files), case.request) == judged(compiled(*case.files), case.request)


@st.composite
def any_order(draw: st.DrawFn, rule: Policy) -> Policy:
    """Draw the same rule with its lists in another order."""
    match = {
        key: draw(st.permutations(value)) if isinstance(value, list) else value for key, value in rule["match"].items()
    }
    return rule | {"match": match}


@given(st.data())
def test_no_input_raises(data: st.DataObject) -> None:
    """Whatever bytes stand in a request, it is judged, no rule fails over it, and the decision can be explained."""
    policy = data.draw(policies(), label="policy")
    request = data.draw(hostile_requests(policy), label="request")
    ruleset = compiled(policy)
    inspection = inspected(request, ruleset, nothing_known())
    assert inspection.action in Action
    for decision in inspection.decisions:
        assert decision.reason is not Reason.INTERNAL_ERROR
        assert explain(decision, ruleset.orgs).title


@given(cases())
def test_allow_means_granted(case: Case) -> None:
    """A rule says `org_granted` only where each reading that it matches names orgs, and the token has all of them."""
    said = judged(compiled(*case.files), case.request).said
    for rule in case.policy["rules"]:
        plain, others = readings_of(rule, case.request)
        if any(one.rule == rule["id"] and one.reason == "org_granted" for one in said):
            assert others is not None
            for reading in [plain, *others]:
                for answer in reference.answers(case.policy, rule, case.request, reading, case.now):
                    assert answer.requested
                    assert answer.requested <= answer.granted


@given(cases())
def test_observe_caps_everything(case: Case) -> None:
    """A ruleset that only observes stops and marks nothing, and says of every request what it said before."""
    ruleset = compiled(*case.files)
    uncapped, capped = judged(ruleset, case.request), judged(ruleset.observing(), case.request)
    assert capped.action in ("unmatched", "forwarded")
    assert {one.enforcement for one in capped.said} <= {"observe"}
    assert {(one.rule, one.reason) for one in capped.said} == {(one.rule, one.reason) for one in uncapped.said}
    assert (capped.deciding or Said("", "", ""))[:2] == (uncapped.deciding or Said("", "", ""))[:2]
    assert ruleset.observing().strictest.word == "observe"


GUARDED: Policy = {
    "version": 1,
    "issuers": {"corp": {"iss": ISS["corp"], "claims": {"member": "org_ids"}}},
    "rules": [
        {
            "id": "org-in-path",
            "match": {"hosts": ["api.example.com"], "paths": ["/orgs/{org}/**"]},
            "org": {"path": "org"},
            "enforcement": "block",
        }
    ],
}


def request_for(path: bytes, claims: Policy) -> Request:
    """Return a request with a token of the one issuer."""
    return Request(
        method=b"GET",
        scheme=b"https",
        authorities=(Authority(b"api.example.com", 443),),
        listen_port=8080,
        target=path,
        headers=((b"Authorization", b"Bearer " + jwt_of({"iss": ISS["corp"]} | claims)),),
    )


def guarded(slash: str | None, *, ignore_case: bool = False) -> Policy:
    """Return a policy of which the one rule says so of its paths."""
    rule = GUARDED["rules"][0]
    match = rule["match"] | {"ignore_case": ignore_case} | ({"encoded_slash": slash} if slash else {})
    return GUARDED | {"rules": [rule | {"match": match}]}


SLASHES = st.sampled_from([None, "data", "separator"])
FORBIDDEN = [
    b"/orgs/globex",
    b"/orgs/globex/users",
    b"/orgs/globex/users/7/",
    b"/orgs/group%2Fweb",
    b"/orgs/group%2fweb/a",
]


# Cheap to try, and of many ways.
@settings(max_examples=5 * settings().max_examples)
@given(slash=SLASHES, ignore_case=st.booleans(), path=st.sampled_from(FORBIDDEN), data=st.data())
def test_every_reading_is_judged(slash: str | None, ignore_case: bool, path: bytes, data: st.DataObject) -> None:
    """A wrong org does not get past a rule in any disguise, nor in a disguise of a disguise of a disguise."""
    known = [*DISGUISES, other_case] if ignore_case else DISGUISES
    for disguise in data.draw(st.lists(st.sampled_from(known), max_size=3), label="disguises"):
        path = data.draw(disguise(path, slash != "data"))
    policy = guarded(slash, ignore_case=ignore_case)
    assert judged(compiled(policy), request_for(path, {"org_ids": ["acme"]})).action == "blocked"


@given(
    slash=SLASHES,
    path=st.sampled_from([*FORBIDDEN, b"/orgs/acme%2Fx", b"/orgs/group%2Fweb%2F..", b"/orgs%2Facme"]),
    disguises=st.lists(st.sampled_from(DISGUISES), max_size=2),
    granted=st.sampled_from(["acme", "group", "group/web", "globex"]),
    data=st.data(),
)
def test_saying_what_a_slash_is_never_tightens(
    slash: str | None, path: bytes, disguises: list[Disguise], granted: str, data: st.DataObject
) -> None:
    """What is stopped by a rule that knows how upstream takes an encoded slash is stopped by one that does not."""
    for disguise in disguises:
        path = data.draw(disguise(path, True))
    request = request_for(path, {"org_ids": [granted]})
    if judged(compiled(guarded(slash)), request).action == "blocked":
        assert judged(compiled(guarded(None)), request).action == "blocked"


@given(st.integers(-60, 60), st.integers(-60, 60))
def test_expiry_is_rechecked_from_cache(first: int, second: int) -> None:
    """A token that was read while it was valid is held to its time whenever it is used, but for the leeway."""
    ruleset, known = compiled(GUARDED), nothing_known()
    request = request_for(b"/orgs/acme", {"org_ids": ["acme"], "exp": NOW})
    for seconds in (first, second):
        deciding = inspected(request, ruleset, known, NOW + seconds).deciding
        assert deciding is not None
        assert deciding.reason is (Reason.ORG_GRANTED if seconds < 30 else Reason.TOKEN_EXPIRED)


@given(policy=policies(), other=policies(), data=st.data())
def test_cache_changes_nothing(policy: Policy, other: Policy, data: st.DataObject) -> None:
    """What was read before, for other rules and policies too, changes nothing that is said; nor does a full cache."""
    request = data.draw(requests(policy), label="request")
    rulesets = [compiled(policy), compiled(other), compiled(policy).observing()]
    warm = Known(TokenCache(data.draw(st.integers(1, 8), label="entries")))
    for ruleset in data.draw(st.lists(st.sampled_from(rulesets), min_size=2, max_size=6), label="rulesets"):
        assert inspect(request, ruleset, warm, NOW) == inspect(request, ruleset, nothing_known(), NOW)
