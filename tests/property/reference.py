"""What orgfence decides, written as plainly as it can be said: the oracle that the engine is held to.

It reads a policy as plain data, as the YAML file says it, and walks over everything: no index, no cache, no compiled
template. It is slow, and it shares no code with the engine but the record of a request and its parts.
"""

from typing import NamedTuple

from tests.property.reference_body import Body, BodyIsAwaitedError
from tests.property.reference_party import compared, with_client
from tests.property.reference_path import Reading
from tests.property.reference_request import (
    Name,
    applies,
    body_of,
    credential_of,
    guarded_names,
    is_at_one_of,
    is_matched,
    is_org_dropped,
    is_preflight,
    readings_of,
    requested_orgs,
)
from tests.property.reference_token import Policy, Token, is_excepted, listed, read_token, salesforce_org, same_org

from orgfence.core.request import Request

OBSERVE, ANNOTATE, BLOCK = "observe", "annotate", "block"
STRICTNESS = [OBSERVE, ANNOTATE, BLOCK]
ALLOWING = ["org_granted", "token_accepted", "not_judged"]
UNDETERMINED = ["token_opaque", "body_unread"]
UNAUTHENTICATED = ["token_expired", "token_not_yet_valid", "token_missing"]
#: The catalogue's order: of two failures that are enforced alike the earlier decides.
CATALOGUE = [
    *ALLOWING,
    *["org_not_granted", "org_claim_missing", "org_claim_empty", "org_claim_malformed", "org_absent"],
    *["org_ambiguous", "scope_missing", "token_malformed", "issuer_untrusted", "credential_too_large", "no_rule"],
    *[*UNAUTHENTICATED, "credential_ambiguous", "path_ambiguous", *UNDETERMINED],
]
#: No reason: what stands in the body would have to be known, and it is awaited.
AWAITS_BODY = "awaits_body"


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


def as_one(files: list[Policy]) -> Policy:
    """Return what the files of a policy say, as one file would say it: a file's defaults are for its own rules."""
    whole: Policy = {"orgs": {}, "issuers": {}, "rules": [], "unmatched": OBSERVE}
    for file in files:
        whole["orgs"] |= file.get("orgs", {})
        whole["issuers"] |= file.get("issuers", {})
        for rule in file.get("rules", []):
            usual = rule.get("enforcement") or file.get("enforcement") or ANNOTATE
            undetermined = rule.get("undetermined") or file.get("undetermined") or usual
            whole["rules"].append(rule | {"enforcement": usual, "undetermined": undetermined})
        if file.get("unmatched") == BLOCK:
            whole["unmatched"] = BLOCK
        if "body_limit" in file:
            whole["body_limit"] = file["body_limit"]
    return whole


def judge(policy: Policy, request: Request, now: float) -> Judgement:
    """Decide a request. The policy is one, as `as_one` makes it."""
    said = [one for rule in policy["rules"] if (one := judge_by(policy, rule, request, now)) is not None]
    if lacks_rule(policy, request):
        said.append(Said("", "no_rule", BLOCK))

    failing = [one for one in said if one.verdict != "allow"]
    allowing = [one for one in said if one.verdict == "allow"]
    if failing:
        deciding = min(failing, key=lambda one: one.order)
        action = {OBSERVE: "forwarded", ANNOTATE: "annotated", BLOCK: "blocked"}[deciding.enforcement]
    elif allowing:
        deciding, action = min(allowing, key=lambda one: one.order), "forwarded"
    else:
        return Judgement(frozenset(), None, "unmatched")
    return Judgement(frozenset(failing + allowing), deciding, action)


def lacks_rule(policy: Policy, request: Request) -> bool:
    """Return whether the policy blocks what no rule matches, and this is such a request."""
    is_left = any(not is_matched(policy, request, name) for name in guarded_names(policy, request))
    return policy["unmatched"] == BLOCK and is_left and not is_preflight(request)


def awaits_body(policy: Policy, request: Request, now: float) -> bool:
    """Return whether a request whose body is awaited cannot be decided before it is there.

    A block that is certain whatever the body says is not kept waiting.
    """
    found = [(rule, reason) for rule in policy["rules"] for reason, _ in reasons(policy, rule, request, now)]
    is_blocked = any(
        reason not in [*ALLOWING, AWAITS_BODY] and enforcement(rule, reason) == BLOCK for rule, reason in found
    )
    is_awaited = any(reason == AWAITS_BODY for _, reason in found)
    return is_awaited and not is_blocked and not lacks_rule(policy, request)


def judge_by(policy: Policy, rule: Policy, request: Request, now: float) -> Said | None:
    """Decide by one rule; None: it does not match."""
    found = [
        (Said(rule["id"], reason, enforcement(rule, reason)), is_plain)
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
    plain, others = readings_of(rule, request)
    found = [(answer.reason, True) for answer in answers(policy, rule, request, plain, now)]
    if others is None:
        anything = Reading((), b"")
        matches = [
            name for name in guarded_names(policy, request) if applies(rule, request, name, anything, any_path=True)
        ]
        return found + [("path_ambiguous", False) for _ in matches]
    for reading in others:
        for answer in answers(policy, rule, request, reading, now):
            stays = answer.reason in [*ALLOWING, *UNDETERMINED, *UNAUTHENTICATED, AWAITS_BODY]
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
    try:
        return check(policy, rule, request, name, reading, now)
    except BodyIsAwaitedError:
        return Answer(AWAITS_BODY)


def check(policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, now: float) -> Answer:
    """Make the checks in their order."""
    passing = rule.get("pass_without", [])
    body = body_of(policy, rule, request)
    credential = credential_of(rule, request, reading.query, body)
    if credential == "token_missing" and ("token" in passing or is_preflight(request)):
        return Answer("not_judged")
    if isinstance(credential, str):
        return Answer(credential)

    token = read_token(policy, credential, rule.get("token", {}).get("issuer"))
    if isinstance(token, str):
        return Answer(token)
    if any(excepts(exception, rule, reading, token) for exception in rule.get("except", [])):
        return Answer("not_judged")

    found = judge_orgs(policy, rule, request, name, reading, body, token)
    exactly = found[0]
    if exactly.reason in ALLOWING:
        exactly = exactly._replace(reason=check_rest(rule, token, now) or exactly.reason)
    # A fault that only another reading of a name shows; what the API answers with its own 401 may be let through.
    is_ambiguous = any(answer.reason not in ALLOWING for answer in found)
    if exactly.reason in [*ALLOWING, *UNAUTHENTICATED] and is_ambiguous:
        return Answer("org_ambiguous")
    return exactly


def check_rest(rule: Policy, token: Token, now: float) -> str:
    """Make the checks that come after the orgs; empty: nothing is wrong."""
    if not set(rule.get("token", {}).get("scopes", [])) <= token.scopes:
        return "scope_missing"
    if any(now < start - token.leeway for start in token.starts):
        return "token_not_yet_valid"
    return "token_expired" if any(now >= end + token.leeway for end in token.ends) else ""


def excepts(exception: Policy, rule: Policy, reading: Reading, token: Token) -> bool:
    """Return whether an exception is for such a token here; those without claims are for none."""
    here = is_at_one_of(rule, exception.get("paths", ["/**"]), reading)
    return "claims" in exception and is_excepted(exception, token) and here


def judge_orgs(
    policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, body: Body, token: Token
) -> list[Answer]:
    """Compare the requested with the granted orgs: those that are named exactly, then all that some server finds."""
    if "org" not in rule:
        return [Answer("token_accepted")]
    sources = compared(policy, rule, name, reading, token)
    is_complete = len(sources) == len(listed(rule["org"]))
    rule = rule | {"org": [one for source in sources for one in with_client(policy, source, token)]}
    found = requested_orgs(rule, request, name, reading, body)
    if found == "body_unread":
        return [Answer("body_unread")]
    if isinstance(found, str) or is_org_dropped(rule, request):
        return [Answer("org_ambiguous")]
    exactly, otherwise = found
    return [
        compare_orgs(policy, rule, token, values, is_complete=is_complete)
        for values in (exactly, [*exactly, *otherwise])
    ]


def compare_orgs(policy: Policy, rule: Policy, token: Token, values: list[bytes], *, is_complete: bool) -> Answer:
    """Compare some orgs with the granted ones."""
    passing = rule.get("pass_without", [])
    requested = frozenset(same_org(policy, value) for value in values)
    if token.is_salesforce:
        requested = frozenset(salesforce_org(value) for value in requested)
    if not requested:
        return Answer("org_absent" if is_complete and "org" not in passing else "not_judged")
    if rule.get("agree") and len(requested) > 1:
        return Answer("org_ambiguous")

    coverage = rule.get("token", {}).get("coverage") or ("member" if token.active == "org_claim_missing" else "active")
    granted = token.active if coverage == "active" else token.member
    if token.active == token.member == "org_claim_missing" and "claim" in passing:
        return Answer("not_judged", requested)
    if isinstance(granted, str):
        return Answer(granted, requested)
    return Answer("org_granted" if requested <= granted else "org_not_granted", requested, granted)


def enforcement(rule: Policy, reason: str) -> str:
    """Return what a rule does for a reason."""
    usual: str = rule["enforcement"]
    if reason in UNDETERMINED:
        return str(rule["undetermined"])
    if reason in UNAUTHENTICATED:
        at_most: str = rule.get("token", {}).get("unauthenticated", ANNOTATE)
        return min(at_most, usual, key=STRICTNESS.index)
    return usual
