"""What a credential says once it has been read: the one record that rules judge a request by."""

from enum import StrEnum
from typing import NamedTuple

from orgfence.core.reason import Reason


class TokenKind(StrEnum):
    """How a credential is built."""

    JWT = "jwt"
    #: Anything else: only its issuer can say what it stands for, unless its text names the org.
    OPAQUE = "opaque"


class Coverage(StrEnum):
    """Which of a token's orgs a requested org is held against."""

    #: The one org that the token acts in: must equal.
    ACTIVE = "active"
    #: The orgs that it may act in: must contain.
    MEMBER = "member"


class Trait(NamedTuple):
    """One value that a claim of a token may hold, for which some rule makes an exception."""

    #: The steps to the claim.
    pointer: tuple[str, ...]
    value: bytes


class OrgClaim(NamedTuple):
    """The orgs that a token names in one way, or why it names none."""

    #: Normalised ids, never empty strings. Empty if and only if there is a fault.
    orgs: frozenset[bytes]
    #: None, `ORG_CLAIM_MISSING`, `ORG_CLAIM_EMPTY` or `ORG_CLAIM_MALFORMED`.
    fault: Reason | None


class Token(NamedTuple):
    """A credential that was read. It holds nothing that the credential could be made from again."""

    kind: TokenKind
    #: The name that the policy has for the issuer.
    issuer: str
    #: Who it was issued to (`sub`), where it says so in a form that can be shown.
    subject: str | None
    #: The one org that it acts in.
    active: OrgClaim
    #: The orgs that it may act in.
    member: OrgClaim
    scopes: frozenset[bytes]
    #: From this moment (seconds since the epoch) it is expired; the issuer's leeway is in it. None: never.
    expires: float | None
    #: Before this moment it is not valid yet: the later of `nbf` and `iat`, less leeway. None: always was.
    not_before: float | None
    #: Whether a signature or the issuer itself vouches for all this.
    verified: bool
    #: Whether the issuer's orgs are Salesforce ids: those are compared in their 18-character form.
    salesforce_ids: bool
    #: The values of its claims for which some rule of the policy makes an exception.
    traits: frozenset[Trait] = frozenset()
    #: Which client it was issued to (`client_id` as in RFC 9068, or `azp`), where it says so.
    client: str | None = None

    @property
    def names_no_org(self) -> bool:
        """Whether no claim at all names an org."""
        missing = Reason.ORG_CLAIM_MISSING
        return self.active.fault is missing and self.member.fault is missing

    def claim_for(self, coverage: Coverage | None) -> OrgClaim:
        """Return what a requested org is held against; None: the active org if any, else the others."""
        if coverage is Coverage.ACTIVE:
            return self.active
        if coverage is Coverage.MEMBER or self.active.fault is Reason.ORG_CLAIM_MISSING:
            return self.member
        return self.active


class TokenError(Exception):
    """The client's fault: its credential cannot be read. The text is the reason, never the credential."""

    def __init__(self, reason: Reason) -> None:
        """Take the reason that the request will be decided by."""
        super().__init__(reason.value)
        self.reason = reason
