"""Verdicts, reasons, and which of several decisions decides."""

import pytest
from tests.guarding import ruleset_of

from orgfence.core.decision import Decision, Inspection, allowed_by
from orgfence.core.reason import (
    ALLOWING,
    UNAUTHENTICATED,
    UNDETERMINED,
    Action,
    Enforcement,
    Reason,
    Verdict,
    verdict_of,
)
from orgfence.core.rule import Rule

BLOCKING, MARKING, WATCHING = ruleset_of(
    "id: b", "id: a, enforcement: annotate", "id: w, enforcement: observe, undetermined: block"
).rules


def said(rule: Rule | None, reason: str) -> Decision:
    return Decision(rule, verdict_of(Reason(reason)), Reason(reason))


def test_every_reason_belongs_to_one_verdict() -> None:
    """The three sets part the catalogue as the documentation does."""
    assert {reason.value for reason in ALLOWING} == {
        "org_granted",
        "token_accepted",
        "not_judged",
        "exchange_sound",
    }
    assert {reason.value for reason in UNDETERMINED} == {"token_opaque", "body_unread", "internal_error"}
    assert {reason.value for reason in UNAUTHENTICATED} == {"token_missing", "token_expired", "token_not_yet_valid"}
    for reason in Reason:
        expected = Verdict.ALLOW if reason in ALLOWING else Verdict.MISMATCH
        assert verdict_of(reason) is (Verdict.UNDETERMINED if reason in UNDETERMINED else expected)


def test_reasons_are_ranked_as_the_catalogue_lists_them() -> None:
    """Of two failures that are enforced alike the earlier one decides, so the order is part of the contract."""
    assert [reason.rank for reason in Reason] == list(range(len(Reason)))
    assert Reason.ORG_NOT_GRANTED.rank < Reason.SCOPE_MISSING.rank < Reason.NO_RULE.rank < Reason.TOKEN_EXPIRED.rank
    assert Reason.TOKEN_MISSING.rank < Reason.PATH_AMBIGUOUS.rank < Reason.TOKEN_OPAQUE.rank


def test_enforcements_grow_stricter() -> None:
    """And each has the word that policies use."""
    assert [enforcement.word for enforcement in sorted(Enforcement)] == ["observe", "annotate", "block"]


@pytest.mark.parametrize(
    ("rule", "reason", "word"),
    [
        (BLOCKING, "org_not_granted", "block"),
        (BLOCKING, "token_opaque", "block"),
        (BLOCKING, "token_expired", "annotate"),
        (BLOCKING, "org_granted", "block"),
        (MARKING, "org_not_granted", "annotate"),
        (WATCHING, "org_not_granted", "observe"),
        (WATCHING, "token_missing", "observe"),
        (WATCHING, "internal_error", "block"),
        (None, "no_rule", "block"),
    ],
)
def test_a_decision_is_enforced_as_its_rule_says(rule: Rule | None, reason: str, word: str) -> None:
    """What the API answers with its own 401, and what cannot be told, have settings of their own."""
    assert said(rule, reason).enforcement.word == word


def test_what_no_rule_decided_is_enforced_as_imposed() -> None:
    """By whoever made the decision."""
    decision = said(None, "internal_error")._replace(imposed=Enforcement.OBSERVE)
    assert Inspection.of((decision,)).action is Action.FORWARDED


@pytest.mark.parametrize(
    ("decisions", "deciding", "action"),
    [
        ([(BLOCKING, "org_granted")], 0, "forwarded"),
        ([(BLOCKING, "org_not_granted")], 0, "blocked"),
        ([(MARKING, "org_not_granted")], 0, "annotated"),
        ([(WATCHING, "org_not_granted")], 0, "forwarded"),
        ([(None, "no_rule")], 0, "blocked"),
        # One that fails outweighs all that allow.
        ([(BLOCKING, "org_granted"), (WATCHING, "org_absent")], 1, "forwarded"),
        # The strictest decides,
        ([(MARKING, "org_not_granted"), (BLOCKING, "scope_missing")], 1, "blocked"),
        ([(BLOCKING, "token_expired"), (WATCHING, "token_opaque")], 1, "blocked"),
        # then the catalogue's order,
        ([(BLOCKING, "scope_missing"), (None, "no_rule")], 0, "blocked"),
        ([(BLOCKING, "path_ambiguous"), (None, "no_rule")], 1, "blocked"),
        # then the rule's id.
        ([(BLOCKING, "token_expired"), (MARKING, "token_expired")], 1, "annotated"),
        # So it is for those that allow.
        ([(MARKING, "token_accepted"), (BLOCKING, "org_granted")], 1, "forwarded"),
    ],
)
def test_the_strictest_of_those_that_fail_decides(
    decisions: list[tuple[Rule | None, str]], deciding: int, action: str
) -> None:
    """In whatever order they come."""
    made = tuple(said(rule, reason) for rule, reason in decisions)
    for order in (made, made[::-1]):
        inspection = Inspection.of(order)
        assert inspection.decisions == order
        assert inspection.deciding == made[deciding]
        assert inspection.action.value == action


def test_an_allow_by_one_rule_is_made_once() -> None:
    """Most requests end so, and nothing is made for them."""
    for reason in ALLOWING:
        shared = allowed_by(BLOCKING)[reason]
        assert Inspection.of(shared.decisions) == shared
        assert shared.deciding == Decision(BLOCKING, Verdict.ALLOW, reason)
        assert shared.action is Action.FORWARDED
