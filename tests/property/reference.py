"""What orgfence decides, written as plainly as it can be said: the oracle that the engine is held to.

It reads a policy as plain data, as the YAML file says it, and walks over everything: no index, no cache, no compiled
template. It is slow, and it shares no code with the engine but the record of a request and its parts.
"""

from typing import NamedTuple

from tests.property.reference_path import Reading
from tests.property.reference_request import (
    Name,
    applies,
    credential_of,
    guarded_names,
    is_dropped,
    is_matched,
    is_preflight,
    readings_of,
    requested_orgs,
)
from tests.property.reference_token import Policy, Token, listed, read_token, same_org

from orgfence.core.request import Request

OBSERVE, ANNOTATE, BLOCK = "observe", "annotate", "block"
STRICTNESS = [OBSERVE, ANNOTATE, BLOCK]
ALLOWING = ["org_granted", "token_accepted", "not_judged"]
UNDETERMINED = ["token_opaque"]
UNAUTHENTICATED = ["token_expired", "token_not_yet_valid", "token_missing"]
#: The catalogue's order: of two failures that are enforced alike the earlier decides.
CATALOGUE = [
    *ALLOWING,
    *["org_not_granted", "org_claim_missing", "org_claim_empty", "org_claim_malformed", "org_absent"],
    *["org_ambiguous", "scope_missing", "token_malformed", "issuer_untrusted", "credential_too_large", "no_rule"],
    *[*UNAUTHENTICATED, "credential_ambiguous", "path_ambiguous", "token_opaque"],
]


class Said(NamedTuple):
    """What one rule says."""

    #: Empty for `no_rule`, which no rule says.
    rule: str
    reason: str
    enforcement: str

    @property
    def verdict(self) -> str:
        """The verdict that the reason belongs to."""
        if self.reason in ALLOWING:
            return "allow"
        return "undetermined" if self.reason in UNDETERMINED else "mismatch"

    @property
    def order(self) -> tuple[int, int, str]:
        """The place among those of which the first decides."""
        return -STRICTNESS.index(self.enforcement), CATALOGUE.index(self.reason), self.rule


class Judgement(NamedTuple):
    """All that is said of a request, and what becomes of it."""

    said: frozenset[Said]
    deciding: Said | None
    action: str


class Answer(NamedTuple):
    """What one rule says of one reading under one name of the host, and the orgs that it compared."""

    reason: str
    requested: frozenset[bytes] = frozenset()
    granted: frozenset[bytes] = frozenset()


def judge(policy: Policy, request: Request, now: float) -> Judgement:
    """Decide a request."""
    names = guarded_names(policy, request)
    said = {judge_by(policy, rule, request, now) for rule in policy["rules"]} - {None}
    is_left = any(not is_matched(policy, request, name) for name in names)
    if policy.get("unmatched") == BLOCK and is_left and not is_preflight(request):
        said.add(Said("", "no_rule", BLOCK))

    failing = [one for one in said if one is not None and one.verdict != "allow"]
    allowing = [one for one in said if one is not None and one.verdict == "allow"]
    if failing:
        deciding = min(failing, key=lambda one: one.order)
        action = {OBSERVE: "forwarded", ANNOTATE: "annotated", BLOCK: "blocked"}[deciding.enforcement]
    elif allowing:
        deciding, action = min(allowing, key=lambda one: one.order), "forwarded"
    else:
        return Judgement(frozenset(), None, "unmatched")
    return Judgement(frozenset(failing + allowing), deciding, action)


def judge_by(policy: Policy, rule: Policy, request: Request, now: float) -> Said | None:
    """Decide by one rule; None: it does not match."""
    found = [
        (Said(rule["id"], reason, enforcement(policy, rule, reason)), is_plain)
        for reason, is_plain in reasons(policy, rule, request, now)
    ]
    failing = [(one, is_plain) for one, is_plain in found if one.verdict != "allow"]
    if failing:
        # The strictest; then that of the path as it stands; then the catalogue's order.
        return min(failing, key=lambda item: (item[0].order[0], not item[1], item[0].order[1]))[0]
    # It is granted only if it is in every reading.
    return max((one for one, _ in found), key=lambda one: one.order, default=None)


def reasons(policy: Policy, rule: Policy, request: Request, now: float) -> list[tuple[str, bool]]:
    """Return what a rule says of each reading, and whether that is the path as it stands."""
    plain, others = readings_of(request)
    found = [(answer.reason, True) for answer in answers(policy, rule, request, plain, now)]
    if others is None:
        anything = Reading((), b"")
        matches = [
            name for name in guarded_names(policy, request) if applies(rule, request, name, anything, any_path=True)
        ]
        return found + [("path_ambiguous", False) for _ in matches]
    for reading in others:
        for answer in answers(policy, rule, request, reading, now):
            stays = answer.reason in [*ALLOWING, *UNDETERMINED, *UNAUTHENTICATED]
            found.append((answer.reason if stays else "path_ambiguous", False))
    return found


def answers(policy: Policy, rule: Policy, request: Request, reading: Reading, now: float) -> list[Answer]:
    """Return what a rule that matches says of one reading, under each name of the host that it is for."""
    return [
        answer(policy, rule, request, name, reading, now)
        for name in guarded_names(policy, request)
        if applies(rule, request, name, reading)
    ]


def answer(policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, now: float) -> Answer:
    """Make the checks in their order; the first that fails is the reason."""
    passing = rule.get("pass_without", [])
    credential = credential_of(rule, request, reading.query)
    if credential == "token_missing" and ("token" in passing or is_preflight(request)):
        return Answer("not_judged")
    if isinstance(credential, str):
        return Answer(credential)

    token = read_token(policy, credential, rule.get("token", {}).get("issuer"))
    if isinstance(token, str):
        return Answer(token)

    orgs = judge_orgs(policy, rule, request, name, reading, token)
    if orgs.reason not in ALLOWING:
        return orgs
    if not set(rule.get("token", {}).get("scopes", [])) <= token.scopes:
        return Answer("scope_missing")
    if any(now < start - token.leeway for start in token.starts):
        return Answer("token_not_yet_valid")
    if any(now >= end + token.leeway for end in token.ends):
        return Answer("token_expired")
    return orgs


def judge_orgs(policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, token: Token) -> Answer:
    """Compare the requested with the granted orgs."""
    if "org" not in rule:
        return Answer("token_accepted")
    passing = rule.get("pass_without", [])
    if any(is_dropped(request, source["header"]) for source in listed(rule["org"]) if "header" in source):
        return Answer("org_ambiguous")
    requested = frozenset(same_org(policy, value) for value in requested_orgs(rule, request, name, reading))
    if not requested:
        return Answer("not_judged" if "org" in passing else "org_absent")

    coverage = rule.get("token", {}).get("coverage") or ("member" if token.active == "org_claim_missing" else "active")
    granted = token.active if coverage == "active" else token.member
    if token.active == token.member == "org_claim_missing" and "claim" in passing:
        return Answer("not_judged", requested)
    if isinstance(granted, str):
        return Answer(granted, requested)
    return Answer("org_granted" if requested <= granted else "org_not_granted", requested, granted)


def enforcement(policy: Policy, rule: Policy, reason: str) -> str:
    """Return what a rule does for a reason."""
    usual: str = rule.get("enforcement") or policy.get("enforcement") or ANNOTATE
    if reason in UNDETERMINED:
        return str(rule.get("undetermined") or policy.get("undetermined") or usual)
    if reason in UNAUTHENTICATED:
        at_most: str = rule.get("token", {}).get("unauthenticated", ANNOTATE)
        return min(at_most, usual, key=STRICTNESS.index)
    return usual
