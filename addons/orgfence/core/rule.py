"""The compiled policy's records: made once when a policy loads, shared and immutable while requests pass.

Literals are bytes, so that nothing is encoded or decoded while a request waits.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from orgfence.core.error_envelope import ErrorEnvelope
from orgfence.core.oauth.exchange import ExchangeRule
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.reason import UNAUTHENTICATED, UNDETERMINED, Enforcement, Reason
from orgfence.core.routing.readings import EncodedSlash
from orgfence.core.routing.templates import HostTemplate, PathTemplate, TextTemplate
from orgfence.core.tokens.selectors import Selector
from orgfence.core.tokens.token import Coverage, Trait


class PlaceKind(StrEnum):
    """The part of a request that an org or a credential is read from."""

    PATH = "path"
    HEADER = "header"
    QUERY = "query"
    HOST = "host"
    COOKIE = "cookie"
    BODY = "body"
    FORM = "form"
    VALUE = "value"
    CLIENT = "client"


#: The parts of a request in which an org or a credential is found by a name that servers read in many ways.
BY_NAME = frozenset({PlaceKind.QUERY, PlaceKind.COOKIE, PlaceKind.FORM, PlaceKind.BODY})


class OrgSource(NamedTuple):
    """Where a rule reads the requested org: `{path: org_id}`, `{header: X-Org-Id}`, …, `{value: acme}`."""

    kind: PlaceKind
    #: The capture's, field's or parameter's name (header names canonical); for `body` the pointer as it is written;
    #: for `value` the pinned org, normalised; for `client` empty.
    name: bytes
    #: The separator, where one value holds several; empty: one value is one org.
    split: bytes = b""
    #: The steps of a `body`'s JSON Pointer.
    pointer: tuple[str, ...] = ()
    #: Whether the header is for orgfence alone and not forwarded.
    strip: bool = False


class CredentialPlace(NamedTuple):
    """Where a rule looks for the credential: `{header: Authorization, scheme: Bearer}`, `{query: access_token}`, …"""

    kind: PlaceKind
    #: The field's (canonical), parameter's or cookie's name.
    name: bytes
    #: Lower-case authentication scheme, or empty where the whole value is the credential.
    scheme: bytes = b""


class ClaimsException(NamedTuple):
    """Tokens that a rule does not judge: `{claims: {role: [platform-admin]}}`."""

    #: Of each of these sets the token has one trait at least.
    claims: tuple[frozenset[Trait], ...]
    #: Where the exception holds; empty: everywhere.
    paths: tuple[PathTemplate, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rule:
    """One compiled rule, without its hosts and paths: those are routes in the index."""

    id: str
    #: Upper-case; None: every method.
    methods: frozenset[bytes] | None
    #: None: every port that the proxy listens on.
    listen: frozenset[int] | None
    #: Paths at which the rule is as if it were not there.
    except_paths: tuple[PathTemplate, ...]
    #: Any one of them is enough.
    except_claims: tuple[ClaimsException, ...] = ()
    #: Which readings of an encoded slash are the API's.
    encoded_slash: EncodedSlash = EncodedSlash.BOTH
    #: Whether the names of parameters, form fields, cookies and JSON members are read exactly; else in every reading.
    exact_names: bool = False
    #: Every org that one of these gives must be granted. Empty: the rule checks the token and its scopes only.
    org: tuple[OrgSource, ...]
    #: Whether all requested orgs must be the same one.
    agree: bool = False
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
    #: The endpoint of an issuer's that this stands for; None: it is one of the policy's `rules`.
    exchange: ExchangeRule | None = None
    #: Whether it reads its credential or its org from a form, and an org from a JSON body.
    reads_form: bool = field(init=False, repr=False)
    reads_json: bool = field(init=False, repr=False)
    #: Whether it reads an org in the request's body.
    org_in_body: bool = field(init=False, repr=False)
    #: Whether it reads something that other rules may read as well, and that takes time.
    reads_parts: bool = field(init=False, repr=False)
    #: The rule as the policy has it, where this one's enforcements are capped.
    uncapped: "Rule | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Work out beforehand what would else be worked out with each request."""
        org_kinds = {source.kind for source in self.org}
        token_in_form = any(place.kind is PlaceKind.FORM for place in self.places)
        is_exchange = self.exchange is not None
        object.__setattr__(self, "reads_form", is_exchange or token_in_form or PlaceKind.FORM in org_kinds)
        object.__setattr__(self, "reads_json", is_exchange or PlaceKind.BODY in org_kinds)
        object.__setattr__(self, "org_in_body", not org_kinds.isdisjoint({PlaceKind.BODY, PlaceKind.FORM}))
        reads_parts = any(source.kind in BY_NAME or source.split for source in self.org)
        reads_parts = reads_parts or any(place.kind in BY_NAME for place in self.places)
        object.__setattr__(self, "reads_parts", reads_parts)

    def enforcement_of(self, reason: Reason) -> Enforcement:
        """Return what this rule does with a decision that is not `allow`."""
        if reason in UNDETERMINED:
            return self.undetermined
        if reason in UNAUTHENTICATED:
            return min(self.unauthenticated, self.enforcement)
        return self.enforcement


class OtherParty(NamedTuple):
    """A path of an API at which an org is named that is not the token's."""

    path: PathTemplate
    #: The segments, and the parameters of the query, that name it.
    segments: frozenset[int]
    query: frozenset[bytes]


class Lookup(NamedTuple):
    """How an API says whose token it was called with."""

    #: `{host}` stands for the host of the issuer's that the request is for.
    url: str
    method: str
    #: Seconds.
    timeout: float
    #: Where the answer names orgs and scopes; of several pointers, the union of what is there.
    active: tuple[Selector, ...]
    member: tuple[Selector, ...]
    scopes: tuple[Selector, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Issuer:
    """One compiled issuer: whose tokens it mints and how they name orgs."""

    name: str
    #: The `iss` that its tokens carry, any of these. Without one and without templates it reads what no other claims.
    iss: tuple[str, ...]
    iss_templates: tuple[TextTemplate, ...] = ()
    #: Each a list of selectors; the orgs are the union of those present.
    member: tuple[Selector, ...]
    active: tuple[Selector, ...]
    scopes: tuple[Selector, ...]
    #: Seconds of grace for `exp`, `nbf` and `iat`.
    leeway: float
    #: Whether its org ids are Salesforce's, whose 15- and 18-character forms are one.
    salesforce_ids: bool
    #: Its API's; none: nobody has said.
    hosts: tuple[HostTemplate, ...] = ()
    #: Where its API names orgs that are not the token's.
    other_party: tuple[OtherParty, ...] = ()
    #: How its API words its errors; None: nobody has said.
    errors: ErrorEnvelope | None = None
    #: How its API says whose a token is. Nobody asks it yet.
    lookup: Lookup | None = None
    #: How its authorize and token endpoints are spoken with; None: nobody has said.
    oauth: OAuthIssuer | None = None
