"""The shape of a policy file: which keys there are, which must be there, and what kind of value each takes.

What the values mean together is not judged here but where they are compiled. A key that is `NotYet` belongs to
the language and not to this version; the version that builds it gives it its type.
"""

from types import NoneType
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator
from pydantic.fields import FieldInfo

from orgfence.core.policy.scalars import NotYet, Text, fault, number, one_of, text
from orgfence.core.policy.strict_yaml import Scalar, Sequence
from orgfence.core.policy.wording import listed, shown

VERSION = 1


class Section(BaseModel):
    """A mapping of the policy: it takes its own keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What a message calls it.
    called: ClassVar[str]
    #: The keys of which exactly one belongs in it.
    choice: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        given = [key for key in self.choice if getattr(self, key) is not None]
        if self.choice and not given:
            raise fault(f"{self.called} without {listed(self.choice)}. Add {'one' if self.choice[1:] else 'it'}")
        if len(given) > 1:
            raise fault(f"{self.called} with {listed(given, 'and')} at once. Keep one of them")
        return self

    @property
    def given(self) -> tuple[str, Any]:
        """The key of its choice that it has, and what that holds."""
        return next((key, held) for key in self.choice if (held := getattr(self, key)) is not None)

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """Return the keys that it takes in this version, as a policy spells them."""
        fields = cls.model_fields.items()
        return {field.alias or name: field for name, field in fields if field.annotation is not NoneType}


def _issuer(node: object) -> Scalar:
    if isinstance(node, Sequence):
        raise fault("a list in `iss` is not supported yet. Write one `iss`, and an issuer for each of the others")
    iss = text(node)
    if "{" in iss:
        raise fault("a template in `iss` is not supported yet. Write the whole `iss`")
    return iss


def _port(node: object) -> int:
    port = number(node)
    if not 1 <= port <= 65_535:
        raise fault(f"{shown(str(port))} is no port. Use one from `1` to `65535`")
    return port


def _version(node: object) -> int:
    version = number(node)
    if version != VERSION:
        raise fault(f"unknown version `{version}`. Write `version: {VERSION}`")
    return version


def _list(node: object) -> object:
    """Take what is no list for a list of one."""
    return node if isinstance(node, Sequence) else [node]


def _selector(node: object) -> object:
    """Take a text for a claim's name."""
    return {"claim": node} if isinstance(node, Scalar) else node


_SOME = Field(min_length=1)
_ONE_OR_SOME = BeforeValidator(_list)

Enforcing = Annotated[Scalar, one_of("enforcement", "block", "annotate", "observe")]
Covering = Annotated[Scalar, one_of("coverage", "active", "member")]
Missing = Annotated[Scalar, one_of("`pass_without` value", "token", "org", "claim")]


class OrgEntry(Section):
    """`{id: 8b1f…, aliases: [acme-inc]}`."""

    called = "an org"

    id: Text
    aliases: Annotated[list[Text], _SOME] = Field(default_factory=list)


class SelectorEntry(Section):
    """A claim's name, `{claim: orgs, split: " "}`, `{jose: tnk, template: "core/{org}"}` or `{opaque: "{org}!**"}`."""

    called = "a selector"
    choice = ("claim", "jose", "opaque")

    claim: Text | None = None
    jose: Text | None = None
    opaque: Text | None = None
    split: Text | None = None
    template: Text | None = None


Selectors = Annotated[list[Annotated[SelectorEntry, BeforeValidator(_selector)]], _ONE_OR_SOME, _SOME]


class ClaimsEntry(Section):
    """How an issuer's tokens name orgs and scopes."""

    called = "`claims`"

    member: Selectors = Field(default_factory=list)
    active: Selectors = Field(default_factory=list)
    scopes: Selectors = Field(default_factory=list)


class IssuerEntry(Section):
    """An authority that mints tokens."""

    called = "an issuer"

    iss: Annotated[Scalar, PlainValidator(_issuer)] | None = None
    claims: ClaimsEntry = Field(default_factory=ClaimsEntry)
    leeway: Text | None = None
    ids: Annotated[Scalar, one_of("`ids` value", "salesforce")] | None = None
    preset: NotYet = None
    verify: NotYet = None
    oauth: NotYet = None
    hosts: NotYet = None
    lookup: NotYet = None
    introspect: NotYet = None
    other_party: NotYet = None
    errors: NotYet = None
    enforcement: NotYet = None


class MatchEntry(Section):
    """Which requests a rule is for."""

    called = "`match`"

    hosts: Annotated[list[Text], _SOME]
    paths: Annotated[list[Text], _SOME] | None = None
    methods: Annotated[list[Text], _SOME] | None = None
    listen: Annotated[list[Annotated[int, PlainValidator(_port)]], _SOME] | None = None
    ignore_case: NotYet = None
    encoded_slash: NotYet = None


class ExceptEntry(Section):
    """Requests that a rule is not for after all."""

    called = "an exception"
    choice = ("paths",)

    paths: Annotated[list[Text], _SOME] | None = None
    claims: NotYet = None


class OrgSourceEntry(Section):
    """Where the requested org stands."""

    called = "an org source"
    choice = ("path", "header", "query", "host", "value")

    path: Text | None = None
    header: Text | None = None
    query: Text | None = None
    host: Text | None = None
    value: Text | None = None
    cookie: NotYet = None
    body: NotYet = None
    form: NotYet = None
    client: NotYet = None
    strip: NotYet = None
    split: NotYet = None


class PlaceEntry(Section):
    """Where the credential stands."""

    called = "a place for the token"
    choice = ("header", "query", "cookie")

    header: Text | None = None
    scheme: Text | None = None
    query: Text | None = None
    cookie: Text | None = None
    form: NotYet = None


class TokenEntry(Section):
    """What a rule asks of the token."""

    called = "`token`"

    issuer: Text | None = None
    scopes: Annotated[list[Text], _SOME] = Field(default_factory=list)
    places: list[PlaceEntry] = Field(default_factory=list, alias="from", min_length=1)
    coverage: Covering | None = None
    unauthenticated: Enforcing | None = None


class RuleEntry(Section):
    """One rule."""

    called = "a rule"

    id: Text
    match: MatchEntry
    exceptions: list[ExceptEntry] = Field(default_factory=list, alias="except", min_length=1)
    org: Annotated[list[OrgSourceEntry], _ONE_OR_SOME, _SOME] = Field(default_factory=list)
    token: TokenEntry = Field(default_factory=TokenEntry)
    pass_without: Annotated[list[Missing], _SOME] = Field(default_factory=list)
    undetermined: Enforcing | None = None
    enforcement: Enforcing | None = None
    agree: NotYet = None
    examples: NotYet = None


class PolicyFile(Section):
    """The whole file."""

    called = "a policy"

    version: Annotated[int, PlainValidator(_version)]
    enforcement: Enforcing | None = None
    undetermined: Enforcing | None = None
    unmatched: Annotated[Scalar, one_of("`unmatched` value", "observe", "block")] | None = None
    orgs: dict[Text, OrgEntry] = Field(default_factory=dict)
    issuers: dict[Text, IssuerEntry] = Field(default_factory=dict)
    rules: list[RuleEntry] = Field(default_factory=list)
    disclose: NotYet = None
    annotate_request: NotYet = None
    log_repeat: NotYet = None
    body_limit: NotYet = None
