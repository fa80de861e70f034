"""The shape of an issuer in a policy, or in a preset: which keys there are, and what kind of value each takes."""

from typing import Annotated, Any, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema

from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.presets import unknown_preset
from orgfence.core.policy.scalars import (
    TEXT_SCHEMA,
    Duration,
    Enforcing,
    Flag,
    Name,
    NotYet,
    OneOf,
    Text,
    fault,
    json_tree,
    text,
)
from orgfence.core.policy.section import ONE_OR_SOME, SOME, OneOrSomeTexts, OrKey, Section, Texts
from orgfence.core.policy.strict_yaml import Mapping, Scalar


def _preset(node: object, info: ValidationInfo) -> Scalar:
    """Return the name of a preset that there is."""
    name = text(node, info)
    presets = cast("OutsideValues", info.context).presets
    if name not in presets:
        raise fault(unknown_preset(name, presets))
    return name


def _body(node: object, info: ValidationInfo) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise fault("keys and values belong here, as the API answers. Write `{…}`")
    return cast("dict[str, Any]", json_tree(node, info))


class SelectorEntry(Section):
    """A claim's name, `{claim: orgs, split: " "}`, `{jose: tnk, template: "core/{org}"}` or `{opaque: "{org}!**"}`."""

    called = "a selector"
    choice = ("claim", "jose", "opaque")

    claim: Text | None = Field(
        default=None, description="A claim's name, or a JSON Pointer where `*` is every item or value."
    )
    jose: Text | None = Field(default=None, description="The same, in the token's JOSE header.")
    opaque: Text | None = Field(
        default=None, description="A template for the text of a token that is no JWT: `{org}!**`."
    )
    split: Text | None = Field(default=None, description="What separates the values, where one string holds several.")
    template: Text | None = Field(
        default=None, description="What the string looks like; the org is what `{org}` stands for."
    )


Selectors = Annotated[list[Annotated[SelectorEntry, OrKey("claim")]], SOME, ONE_OR_SOME]


class ClaimsEntry(Section):
    """How an issuer's tokens name orgs and scopes."""

    called = "`claims`"

    member: Selectors = Field(default_factory=list, description="Where a token names the orgs that it may act in.")
    active: Selectors = Field(default_factory=list, description="Where it names the one org that it acts in.")
    scopes: Selectors = Field(
        default_factory=list, description="Where it names its scopes: a string split at spaces, or a list."
    )


class OAuthEntry(Section):
    """How an issuer's authorize and token endpoints are spoken with."""

    called = "`oauth`"

    hosts: Texts | None = Field(
        default=None, description="Where its endpoints are: hosts as in a rule. They are guarded like those of rules."
    )
    authorize: Texts | None = Field(
        default=None,
        description="The paths at which a sign-in begins; without it `/oauth/authorize` and `/oauth2/authorize`.",
    )
    par: Texts | None = Field(
        default=None,
        description="Where authorize requests are pushed (RFC 9126); without it `/oauth/par` and `/oauth2/par`.",
    )
    token: Texts | None = Field(
        default=None, description="Where tokens are issued; without it `/oauth/token` and `/oauth2/token`."
    )
    org_parameter: Annotated[list[Text], SOME, ONE_OR_SOME] | None = Field(
        default=None,
        description="The parameter of an authorize request that names the org: `org_id`, `target`, `organization`; of "
        "a list any, and the first is advised. Without it no org is missed there.",
    )
    flags: dict[Name, Text] = Field(
        default_factory=dict, description='What it wants beside the org, by parameter: `{multi_org: "true"}`.'
    )
    refresh_needs_scope: Flag | None = Field(
        default=None, description="Whether it strips the scopes that a refresh does not repeat."
    )
    scopes: Texts | None = Field(
        default=None,
        description="All scopes that it knows, beside those of OpenID Connect; without it none is called unknown.",
    )
    clients: dict[Name, Text] = Field(
        default_factory=dict,
        description="Which org a client is for, by client id. No org is missed in its authorize requests, and its "
        "tokens are to be for that org.",
    )
    enforcement: Enforcing | None = Field(
        default=None, description="What to do with a faulty exchange; without it the file's."
    )
    block_responses: Flag | None = Field(
        default=None,
        description="Whether `block` holds for what it answers, too: that burns the code or refresh token that bought "
        "it. Without it such an answer is annotated at most.",
    )


class LookupEntry(Section):
    """How an API says whose token it was called with."""

    called = "`lookup`"

    url: Text = Field(
        description="Where that is asked: `https://{host}/api/v2/tokens/me`. `{host}` is the one of the issuer's "
        "`hosts` that the request is for; captures of those and of its `iss` may stand there too."
    )
    method: Annotated[Scalar, OneOf("method", "GET", "POST")] | None = Field(
        default=None, description="How; without it `GET`."
    )
    timeout: Duration | None = Field(default=None, description="How long the answer is waited for; without it `2s`.")
    active: OneOrSomeTexts = Field(
        default_factory=list, description="Where the answer names the org that the token acts in, as in `claims`."
    )
    member: OneOrSomeTexts = Field(
        default_factory=list, description="Where it names the orgs that the token may act in."
    )
    scopes: OneOrSomeTexts = Field(default_factory=list, description="Where it names the token's scopes.")


class OtherPartyEntry(Section):
    """A path; or `{path: /users, query: partner_id}`, where the query names the other org."""

    called = "an item of `other_party`"

    path: Text = Field(
        description="A path template. What it captures is another's org: a partner's, a customer's. Other segments are "
        "`*`."
    )
    query: OneOrSomeTexts = Field(
        default_factory=list, description="The parameters of the query that name another's org there."
    )


class ErrorsEntry(Section):
    """How an API words its errors, for clients that read no other."""

    called = "`errors`"

    body: Annotated[dict[str, Any], PlainValidator(_body), WithJsonSchema({"type": "object"})] = Field(
        description="The JSON that says what is wrong. In its texts `{title}`, `{detail}`, `{reason}`, `{status}`, "
        "`{rule}`, `{id}` and `{advice}` stand for what is said of the request; a text that is `{status}` alone is a "
        "number."
    )
    content_type: Text | None = Field(default=None, description="Its media type; without it `application/json`.")


class IssuerEntry(Section):
    """An authority that mints tokens."""

    called = "an issuer"

    preset: Annotated[Scalar, PlainValidator(_preset), WithJsonSchema(TEXT_SCHEMA)] | None = Field(
        default=None,
        description="What is known of a real issuer, by the name of its preset: all keys that are not written here, "
        "and those within `claims`, `oauth` and `errors`, are the preset's.",
    )
    iss: OneOrSomeTexts = Field(
        default_factory=list,
        description="The `iss` that its tokens carry, exactly; a list of such; or templates such as "
        "`https://kc.example.com/realms/{realm}`. Without it the issuer reads what no other claims.",
    )
    claims: ClaimsEntry = Field(default_factory=ClaimsEntry, description="How its tokens name orgs and scopes.")
    leeway: Duration | None = Field(default=None, description="Grace for `exp`, `nbf` and `iat`.")
    ids: Annotated[Scalar, OneOf("`ids` value", "salesforce")] | None = Field(
        default=None, description="`salesforce`: its 15- and 18-character ids are one."
    )
    hosts: Texts | None = Field(
        default=None,
        description="The hosts of its API: what `preset:NAME` in a rule stands for, and where `other_party` holds.",
    )
    other_party: Annotated[list[Annotated[OtherPartyEntry, OrKey("path")]], SOME] = Field(
        default_factory=list,
        description="Where its API names an org that is not the token's: paths such as `/partners/{org}/**`. Such an "
        "org is not compared; the other checks hold all the same.",
    )
    errors: ErrorsEntry | None = Field(
        default=None, description="How its API words its errors; without it a block is a problem document (RFC 9457)."
    )
    verify: NotYet = None
    oauth: OAuthEntry | None = Field(
        default=None,
        description="How its authorize and token endpoints are spoken with: the exchanges there are judged.",
    )
    lookup: LookupEntry | None = Field(
        default=None,
        description="How its API says whose an opaque token is. It is checked and kept, and nothing is asked yet: such "
        "a token is `token_opaque`, unless it was seen issued.",
    )
    introspect: NotYet = None
    enforcement: NotYet = None
