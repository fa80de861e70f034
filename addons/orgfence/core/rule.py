"""The compiled policy's records: made once when a policy loads, shared and immutable while requests pass.

Literals are bytes, so that nothing is encoded or decoded while a request waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from orgfence.core.decision import (
    ALLOWING,
    UNAUTHENTICATED,
    UNDETERMINED,
    Action,
    Decision,
    Enforcement,
    Inspection,
    Reason,
    Verdict,
)
from orgfence.core.policy.templates import PathTemplate
from orgfence.core.tokens.selectors import Selector


class Coverage(StrEnum):
    """Which of a token's orgs a requested org is held against."""

    #: The one org that the token acts in: must equal.
    ACTIVE = "active"
    #: The orgs that it may act in: must contain.
    MEMBER = "member"


class PlaceKind(StrEnum):
    """The part of a request that an org or a credential is read from."""

    PATH = "path"
    HEADER = "header"
    QUERY = "query"
    HOST = "host"
    COOKIE = "cookie"
    VALUE = "value"


class OrgSource(NamedTuple):
    """Where a rule reads the requested org: `{path: org_id}`, `{header: X-Org-Id}`, …, `{value: acme}`."""

    kind: PlaceKind
    #: The capture's, field's or parameter's name (header names canonical); for `value` the pinned org, normalised.
    name: bytes


class CredentialPlace(NamedTuple):
    """Where a rule looks for the credential: `{header: Authorization, scheme: Bearer}`, `{query: access_token}`, …"""

    kind: PlaceKind
    #: The field's (canonical), parameter's or cookie's name.
    name: bytes
    #: Lower-case authentication scheme, or empty where the whole value is the credential.
    scheme: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One compiled rule, without its hosts and paths: those are routes in the index."""

    id: str
    #: Upper-case; None: every method.
    methods: frozenset[bytes] | None
    #: None: every port that the proxy listens on.
    listen: frozenset[int] | None
    #: Paths at which the rule is as if it were not there.
    except_paths: tuple[PathTemplate, ...]
    #: Every org that one of these gives must be granted. Empty: the rule checks the token and its scopes only.
    org: tuple[OrgSource, ...]
    #: The name of the issuer that the token must come from; None: any that the policy knows.
    issuer: str | None
    places: tuple[CredentialPlace, ...]
    #: All of these must be among the token's.
    scopes: frozenset[bytes]
    #: None: active if the token has one, else member.
    coverage: Coverage | None
    pass_without_token: bool
    pass_without_org: bool
    pass_without_claim: bool
    enforcement: Enforcement
    undetermined: Enforcement
    unauthenticated: Enforcement
    #: The rule as the policy has it, where this one's enforcements are capped.
    uncapped: "Rule | None" = field(default=None, repr=False)
    #: The inspection of a request that this rule alone matches and allows: made once, shared by all of them.
    allowed: Mapping[Reason, Inspection] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the shared inspections."""
        allowed = {}
        for reason in ALLOWING:
            decision = Decision(self, Verdict.ALLOW, reason)
            allowed[reason] = Inspection((decision,), decision, Action.FORWARDED)
        object.__setattr__(self, "allowed", allowed)

    def enforcement_of(self, reason: Reason) -> Enforcement:
        """Return what this rule does with a decision that is not `allow`."""
        if reason in UNDETERMINED:
            return self.undetermined
        if reason in UNAUTHENTICATED:
            return min(self.unauthenticated, self.enforcement)
        return self.enforcement


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """One compiled issuer: whose tokens it mints and how they name orgs."""

    name: str
    #: The `iss` that its tokens carry; None: it reads what no other issuer claims.
    iss: str | None
    #: Each a list of selectors; the orgs are the union of those present.
    member: tuple[Selector, ...]
    active: tuple[Selector, ...]
    scopes: tuple[Selector, ...]
    #: Seconds of grace for `exp`, `nbf` and `iat`.
    leeway: float
    #: Whether its org ids are Salesforce's, whose 15- and 18-character forms are one.
    salesforce_ids: bool
