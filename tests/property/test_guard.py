"""The engine is held to the reference, and to what has to hold of any guard."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.property import reference
from tests.property.credentials import NOW
from tests.property.disguises import DISGUISES
from tests.property.policies import ISS, compiled, policies, rules
from tests.property.reference import Judgement, Said
from tests.property.reference_request import may_give_up, readings_of
from tests.property.reference_token import Policy
from tests.property.strategies import Case, cases, hostile_requests, requests
from tests.tokens import jwt_of

from orgfence.core.catalogue import explain
from orgfence.core.decision import Action, Decision, Reason
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.request import Authority, Request
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache

# From what lets everything pass to what stops it.
ACTIONS = ["unmatched", "forwarded", "annotated", "blocked"]


def nothing_known() -> Known:
    """Return what a proxy knows when it starts."""
    return Known(TokenCache(64))


def judged(ruleset: Ruleset, request: Request, now: float = NOW) -> Judgement:
    """Return what the engine decides, in the reference's words."""
    inspection = inspect(request, ruleset, nothing_known(), now)
    said = [_said(decision) for decision in inspection.decisions]
    assert len(said) == len({one.rule for one in said}), "a rule decides once"
    deciding = None if inspection.deciding is None else _said(inspection.deciding)
    return Judgement(frozenset(said), deciding, inspection.action.value)


def _said(decision: Decision) -> Said:
    said = Said("" if decision.rule is None else decision.rule.id, decision.reason.value, decision.enforcement.word)
    assert decision.verdict.value == said.verdict
    return said


# This one catches most, if it gets to see enough.
@settings(max_examples=5 * settings().max_examples)
@given(cases())
def test_engine_equals_reference(case: Case) -> None:
    """What each rule says of a request, which of them decides, and what becomes of it are what the reference says."""
    assume(not may_give_up(case.request))
    assert judged(compiled(case.policy), case.request, case.now) == reference.judge(*case)


@given(cases(), st.data())
def test_adding_a_rule_never_loosens(case: Case, data: st.DataObject) -> None:
    """What becomes of a request that some rule matches is as strict or stricter with one rule more."""
    before = judged(compiled(case.policy), case.request)
    # Under `unmatched: block` a first rule for a request that none matched is there to let it through.
    assume(before.said and all(one.reason != "no_rule" for one in before.said))
    more = data.draw(rules(case.policy["issuers"], "more"), label="more")
    place = data.draw(st.integers(0, len(case.policy["rules"])), label="place")
    with_more = [*case.policy["rules"][:place], more, *case.policy["rules"][place:]]
    after = judged(compiled(case.policy | {"rules": with_more}), case.request)
    assert ACTIONS.index(after.action) >= ACTIONS.index(before.action)
    assert {one for one in after.said if one.rule not in ("", "more")} == before.said


@given(cases(), st.data())
def test_order_of_rules_is_irrelevant(case: Case, data: st.DataObject) -> None:
    """The rules of a policy, and the hosts and paths of a rule, may stand in any order."""
    shuffled = [
        rule | {"match": {key: data.draw(st.permutations(values)) for key, values in rule["match"].items()}}
        for rule in data.draw(st.permutations(case.policy["rules"]))
    ]
    assert judged(compiled(case.policy | {"rules": shuffled}), case.request) == judged(
        compiled(case.policy), case.request
    )


@given(st.data())
def test_no_input_raises(data: st.DataObject) -> None:
    """Whatever bytes stand in a request, it is judged, no rule fails over it, and the decision can be explained."""
    policy = data.draw(policies(), label="policy")
    request = data.draw(hostile_requests(policy), label="request")
    ruleset = compiled(policy)
    inspection = inspect(request, ruleset, nothing_known(), NOW)
    assert inspection.action in Action
    for decision in inspection.decisions:
        assert decision.reason is not Reason.INTERNAL_ERROR
        assert explain(decision, ruleset.orgs).title


@given(cases())
def test_allow_means_granted(case: Case) -> None:
    """A rule says `org_granted` only where each reading that it matches names orgs, and the token has all of them."""
    said = judged(compiled(case.policy), case.request).said
    plain, others = readings_of(case.request)
    for rule in case.policy["rules"]:
        if any(one.rule == rule["id"] and one.reason == "org_granted" for one in said):
            assert others is not None
            for reading in [plain, *others]:
                for answer in reference.answers(case.policy, rule, case.request, reading, case.now):
                    assert answer.requested
                    assert answer.requested <= answer.granted


@given(cases())
def test_observe_caps_everything(case: Case) -> None:
    """A ruleset that only observes stops and marks nothing, and says of every request what it said before."""
    ruleset = compiled(case.policy)
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


# Cheap to try, and of many ways.
@settings(max_examples=5 * settings().max_examples)
@given(
    path=st.sampled_from([b"/orgs/globex", b"/orgs/globex/users", b"/orgs/globex/users/7/"]),
    disguises=st.lists(st.sampled_from(DISGUISES), max_size=3),
    data=st.data(),
)
def test_every_reading_is_judged(path: bytes, disguises: list[object], data: st.DataObject) -> None:
    """A wrong org does not get past a rule in any disguise, nor in a disguise of a disguise of a disguise."""
    for disguise in disguises:
        path = data.draw(disguise(path))  # type: ignore[operator] # hypothesis shows the list, typed or not
    assert judged(compiled(GUARDED), request_for(path, {"org_ids": ["acme"]})).action == "blocked"


@given(st.integers(-60, 60), st.integers(-60, 60))
def test_expiry_is_rechecked_from_cache(first: int, second: int) -> None:
    """A token that was read while it was valid is held to its time whenever it is used, but for the leeway."""
    ruleset, known = compiled(GUARDED), nothing_known()
    request = request_for(b"/orgs/acme", {"org_ids": ["acme"], "exp": NOW})
    for seconds in (first, second):
        deciding = inspect(request, ruleset, known, NOW + seconds).deciding
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
