"""The vocabulary of every decision: verdicts, enforcements, actions and reasons, each a closed set.

Nothing is imported here, so every module may use these words.
"""

from enum import IntEnum, StrEnum


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


def verdict_of(reason: Reason) -> Verdict:
    """Return the one verdict that a reason belongs to."""
    if reason in ALLOWING:
        return Verdict.ALLOW
    return Verdict.UNDETERMINED if reason in UNDETERMINED else Verdict.MISMATCH


def choose_action(verdict: Verdict, enforcement: Enforcement) -> Action:
    """Return what becomes of a request, by the verdict on it and the rule's enforcement."""
    return Action.FORWARDED if verdict is Verdict.ALLOW else _ACTIONS[enforcement]


_ACTIONS = {
    Enforcement.OBSERVE: Action.FORWARDED,
    Enforcement.ANNOTATE: Action.ANNOTATED,
    Enforcement.BLOCK: Action.BLOCKED,
}
