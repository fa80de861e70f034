"""What is said of a request: verdicts, reasons and the catalogue that explains them.

A decision knows nothing of enforcement; what is done with it is the rule's business, so "would have blocked" comes
free. The catalogue is the one place where a reason's verdict, status and words live.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orgfence.core.oauth.exchange import Exchange, Fault
    from orgfence.core.rule import Rule
    from orgfence.core.tokens.token import Token


class Verdict(StrEnum):
    """What one rule says of one request."""

    ALLOW = "allow"
    MISMATCH = "mismatch"
    #: Could not tell; treated as the rule's `undetermined` says.
    UNDETERMINED = "undetermined"


class Enforcement(IntEnum):
    """What a rule does with a mismatch, from the loosest to the strictest."""

    OBSERVE = 0
    ANNOTATE = 1
    BLOCK = 2

    @property
    def word(self) -> str:
        """The word that policies, labels and logs use."""
        return self.name.lower()


class Action(StrEnum):
    """What becomes of the request. The values are those of `requests_total{action}`."""

    FORWARDED = "forwarded"
    ANNOTATED = "annotated"
    BLOCKED = "blocked"
    UNMATCHED = "unmatched"


class Reason(StrEnum):
    """Why a verdict was reached: label, log field and problem type, so a value never changes.

    Their order is that of the catalogue: of two failures that are enforced alike, the earlier decides.
    """

    ORG_GRANTED = "org_granted"
    TOKEN_ACCEPTED = "token_accepted"
    NOT_JUDGED = "not_judged"
    EXCHANGE_SOUND = "exchange_sound"

    ORG_NOT_GRANTED = "org_not_granted"
    ORG_CLAIM_MISSING = "org_claim_missing"
    ORG_CLAIM_EMPTY = "org_claim_empty"
    ORG_CLAIM_MALFORMED = "org_claim_malformed"
    ORG_ABSENT = "org_absent"
    ORG_AMBIGUOUS = "org_ambiguous"
    SCOPE_MISSING = "scope_missing"
    TOKEN_MALFORMED = "token_malformed"
    ISSUER_UNTRUSTED = "issuer_untrusted"
    CREDENTIAL_TOO_LARGE = "credential_too_large"
    NO_RULE = "no_rule"
    OWN_ADDRESS = "own_address"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    TOKEN_MISSING = "token_missing"
    CREDENTIAL_AMBIGUOUS = "credential_ambiguous"
    PATH_AMBIGUOUS = "path_ambiguous"

    AUTHORIZE_ORG_MISSING = "authorize_org_missing"
    AUTHORIZE_ORG_PARAMETER = "authorize_org_parameter"
    AUTHORIZE_ORG_UNKNOWN = "authorize_org_unknown"
    AUTHORIZE_FLAG_MISSING = "authorize_flag_missing"
    REFRESH_SCOPE_MISSING = "refresh_scope_missing"
    GRANT_LACKS_ORG = "grant_lacks_org"
    ISSUED_ORG_MISSING = "issued_org_missing"
    ISSUED_SCOPE_REDUCED = "issued_scope_reduced"
    ISSUED_LIFETIME_WRONG = "issued_lifetime_wrong"
    SCOPE_FORM = "scope_form"

    TOKEN_OPAQUE = "token_opaque"
    BODY_UNREAD = "body_unread"
    INTERNAL_ERROR = "internal_error"

    @property
    def rank(self) -> int:
        """The reason's place in the catalogue."""
        return _RANKS[self]


_RANKS = {reason: rank for rank, reason in enumerate(Reason)}
#: The reasons of the verdict `allow`.
ALLOWING = frozenset({Reason.ORG_GRANTED, Reason.TOKEN_ACCEPTED, Reason.NOT_JUDGED, Reason.EXCHANGE_SOUND})
#: The reasons of the verdict `undetermined`.
UNDETERMINED = frozenset({Reason.TOKEN_OPAQUE, Reason.BODY_UNREAD, Reason.INTERNAL_ERROR})
#: What an API itself answers with its own 401. That answer is right, some operations take no token, and SDKs loop
#: on a 401 that is not upstream's; so a rule's `token.unauthenticated` holds these back.
UNAUTHENTICATED = frozenset({Reason.TOKEN_MISSING, Reason.TOKEN_EXPIRED, Reason.TOKEN_NOT_YET_VALID})


class Decision(NamedTuple):
    """What one rule says of one request, and what it saw. An allow is one shared constant a rule."""

    #: None where no rule made it: `no_rule`, `own_address`, and an `internal_error` before any rule was known.
    rule: Rule | None
    verdict: Verdict
    reason: Reason
    #: The path template that matched, as the policy's author wrote it.
    path_template: str = ""
    #: The orgs that the request is about, normalised, in the order of the rule's sources.
    requested: tuple[bytes, ...] = ()
    #: The token as it was read; None where none was.
    token: Token | None = None
    #: Where only another reading of the path fails: the path so read, segments joined by `/`.
    read_as: bytes = b""
    #: Where only another reading of a name fails: the name as it was sent, and as what some servers read it.
    other_name: tuple[bytes, bytes] | None = None
    #: The exception behind `internal_error`.
    error: Exception | None = None
    #: What is done with a decision that no rule made.
    imposed: Enforcement = Enforcement.BLOCK
    #: The OAuth exchange that it is about; None: it is about an API call.
    exchange: Exchange | None = None
    #: Where the token comes from, in a sentence, where that was seen and may tell why it is wrong.
    lineage: str = ""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All that is wrong with an exchange, where that is why the verdict was reached."""
        faults = () if self.exchange is None else self.exchange.faults
        # How a path can be read comes before what is wrong where it is read so.
        return faults if faults and faults[0].reason is self.reason else ()

    @property
    def enforcement(self) -> Enforcement:
        """What the rule does with this decision; an allow has the rule's own."""
        if self.rule is None:
            return self.imposed
        if self.verdict is Verdict.ALLOW:
            return self.rule.enforcement
        return self.rule.enforcement_of(self.reason)

    @property
    def strictness(self) -> Enforcement:
        """What the policy would do with this decision, so that a cap changes nothing that is said."""
        # Without a rule it is `no_rule`, which blocks, or stands alone.
        if self.rule is None:
            return Enforcement.BLOCK
        rule = self.rule.uncapped or self.rule
        return rule.enforcement if self.verdict is Verdict.ALLOW else rule.enforcement_of(self.reason)

    @property
    def severity(self) -> tuple[int, int, str]:
        """Sorts decisions: strictest enforcement, then the catalogue's order, then rule id."""
        return -self.strictness, self.reason.rank, "" if self.rule is None else self.rule.id


def verdict_of(reason: Reason) -> Verdict:
    """Return the one verdict that a reason belongs to."""
    if reason in ALLOWING:
        return Verdict.ALLOW
    return Verdict.UNDETERMINED if reason in UNDETERMINED else Verdict.MISMATCH


class NeedBody(NamedTuple):
    """The answer to a request that cannot be judged without its body: ask again with it."""

    #: How many bytes of it will be read, as sent and without its content codings; of more, nothing is.
    limit: int


class Inspection(NamedTuple):
    """All decisions on one request, the one that decides, and what should be done."""

    #: One for each rule that matched.
    decisions: tuple[Decision, ...]
    #: None where no rule matched and that is let through.
    deciding: Decision | None
    action: Action

    @classmethod
    def of(cls, decisions: tuple[Decision, ...]) -> Inspection:
        """Weigh at least one decision: the strictest of those that fail decides."""
        first = decisions[0]
        is_lone_allow = len(decisions) == 1 and first.verdict is Verdict.ALLOW and first.exchange is None
        if is_lone_allow and first.rule is not None:
            return first.rule.allowed[first.reason]
        failing = [decision for decision in decisions if decision.verdict is not Verdict.ALLOW]
        deciding = min(failing or decisions, key=lambda decision: decision.severity)
        return cls(decisions, deciding, _ACTIONS[deciding.enforcement] if failing else Action.FORWARDED)


_ACTIONS = {
    Enforcement.OBSERVE: Action.FORWARDED,
    Enforcement.ANNOTATE: Action.ANNOTATED,
    Enforcement.BLOCK: Action.BLOCKED,
}
