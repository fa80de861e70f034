"""The shape of a policy file: which keys there are, which must be there, and what kind of value each takes.

What the values mean together is not judged here but where they are compiled. A key that is `NotYet` belongs to
the language and not to this version; the version that builds it gives it its type. The descriptions are what
editors show, by the JSON Schema that is made of this.
"""

from typing import Annotated, Any, Self, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic import model_validator as validator

from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.presets import PREFIX, unknown_preset
from orgfence.core.policy.scalars import (
    TEXT_SCHEMA,
    Duration,
    Flag,
    Name,
    NotYet,
    OneOf,
    Port,
    Size,
    Text,
    fault,
    json_tree,
    json_value,
    number,
    text,
)
from orgfence.core.policy.section import OneOrSome, OrKey, Section
from orgfence.core.policy.strict_yaml import Mapping, Node, Scalar

VERSION = 1


def _version(node: object, info: ValidationInfo) -> int:
    version = number(node, info)
    if version != VERSION:
        raise fault(f"unknown version `{version}`. Write `version: {VERSION}`")
    return version


def _json(node: object, info: ValidationInfo) -> object:
    return json_value(cast("Node", node), info)


def _json_object(node: object, info: ValidationInfo) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise fault("claims and their values belong here. Write `{…}`, which may be empty")
    return cast("dict[str, Any]", json_value(node, info))


def _preset(node: object, info: ValidationInfo) -> Scalar:
    """Return the name of a preset that there is."""
    name = text(node, info)
    presets = cast("OutsideValues", info.context).presets
    if name not in presets:
        raise fault(unknown_preset(name, presets))
    return name


def _rule_host(node: object, info: ValidationInfo) -> Scalar:
    """Return a host; what stood for those of a preset has been written out, if it could be."""
    host = text(node, info)
    if host.startswith(PREFIX):
        name = host.replaced(host.removeprefix(PREFIX), "")
        presets = cast("OutsideValues", info.context).presets
        if name not in presets:
            raise fault(unknown_preset(name, presets))
        where = f"Write `hosts: [api.example.com]` into an issuer with `preset: {name}`, or the hosts here"
        raise fault(f"the preset `{name}` names no hosts. {where}")
    return host


def _body(node: object, info: ValidationInfo) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise fault("keys and values belong here, as the API answers. Write `{…}`")
    return cast("dict[str, Any]", json_tree(node, info))


_SOME = Field(min_length=1)
_ONE_OR_SOME = OneOrSome()

Enforcing = Annotated[Scalar, OneOf("enforcement", "block", "annotate", "observe")]
Covering = Annotated[Scalar, OneOf("coverage", "active", "member")]
Missing = Annotated[Scalar, OneOf("`pass_without` value", "token", "org", "claim")]
Texts = Annotated[list[Text], _SOME]
OneOrSomeTexts = Annotated[list[Text], _SOME, _ONE_OR_SOME]


class OrgEntry(Section):
    """`{id: 8b1f…, aliases: [acme-inc]}`."""

    called = "an org"

    id: Text = Field(description="The id that tokens and requests carry.")
    aliases: Texts = Field(default_factory=list, description="Other words for it, as good as the id and the name.")


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


Selectors = Annotated[list[Annotated[SelectorEntry, OrKey("claim")]], _SOME, _ONE_OR_SOME]


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
    org_parameter: Annotated[list[Text], _SOME, _ONE_OR_SOME] | None = Field(
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
    other_party: Annotated[list[Annotated[OtherPartyEntry, OrKey("path")]], _SOME] = Field(
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


class MatchEntry(Section):
    """Which requests a rule is for."""

    called = "`match`"

    hosts: Annotated[list[Annotated[Scalar, PlainValidator(_rule_host), WithJsonSchema(TEXT_SCHEMA)]], _SOME] = Field(
        description="`api.example.com`, `{tenant}.api.example.com`, `*.example.com` (one or more labels), `*`, or "
        "`preset:NAME` for the hosts of that preset's API; without a port any port."
    )
    paths: Texts | None = Field(
        default=None,
        description="Templates: `{name}` and `*` are one segment, a final `**` is zero or more; a trailing slash makes "
        "no difference.",
    )
    methods: Texts | None = Field(
        default=None, description="HEAD counts as GET, and a method-override header counts as a method too."
    )
    listen: Annotated[list[Port], _SOME] | None = Field(
        default=None, description="The ports of this proxy that the rule is for."
    )
    ignore_case: Flag | None = Field(default=None, description="Whether upstream takes `/Orgs` for `/orgs`.")
    encoded_slash: Annotated[Scalar, OneOf("`encoded_slash` value", "data", "separator")] | None = Field(
        default=None,
        description="How upstream takes `%2F` in a path: `data` (a character like any other, as GitLab) or `separator` "
        "(a slash, as npm). Without it, each reading is judged.",
    )


class ExceptEntry(Section):
    """Requests that a rule is not for after all."""

    called = "an exception"

    paths: Texts | None = Field(default=None, description="There the rule is as if it were not written.")
    claims: dict[Name, OneOrSomeTexts] | None = Field(
        default=None,
        description="Tokens that have, in each of these claims, one of the values listed. With `paths` beside it, only "
        "there.",
    )

    @validator(mode="after")
    def _check_given(self) -> Self:
        if self.paths is None and self.claims is None:
            raise fault("an exception without `paths` or `claims`. Add one")
        if self.claims is not None and not self.claims:
            raise fault("`claims` names no claim, and would except every token. Name one, as in `{role: [admin]}`")
        return self


class OrgSourceEntry(Section):
    """Where the requested org stands."""

    called = "an org source"
    choice = ("path", "header", "query", "host", "cookie", "body", "form", "value", "client")

    path: Text | None = Field(default=None, description="The capture of that name in the rule's path templates.")
    header: Text | None = Field(default=None, description="Every value of that header.")
    query: Text | None = Field(default=None, description="Every value of that query parameter.")
    host: Text | None = Field(default=None, description="The capture of that name in the rule's host templates.")
    cookie: Text | None = Field(default=None, description="Every value of that cookie.")
    body: Text | None = Field(
        default=None, description="A JSON Pointer into the request's JSON body: `/organization/id`."
    )
    form: Text | None = Field(default=None, description="Every value of that field of the request's form.")
    value: Text | None = Field(default=None, description="No part of the request: the org is pinned to this one.")
    client: Annotated[Scalar, OneOf("`client` value", "true"), WithJsonSchema({"const": True})] | None = Field(
        default=None,
        description="`true`: no part of the request: the org that `oauth.clients` has for the token's client.",
    )
    strip: Flag | None = Field(
        default=None,
        description="The header is for orgfence alone: requests that the rule is for are forwarded without it.",
    )
    split: Text | None = Field(default=None, description="What separates the orgs, where one value holds several.")


class PlaceEntry(Section):
    """Where the credential stands."""

    called = "a place for the token"
    choice = ("header", "query", "cookie", "form")

    header: Text | None = Field(default=None, description="That header.")
    scheme: Text | None = Field(
        default=None, description="The scheme before the token, such as `Bearer`; none: the whole value."
    )
    query: Text | None = Field(default=None, description="That query parameter.")
    cookie: Text | None = Field(default=None, description="That cookie.")
    form: Text | None = Field(default=None, description="That field of the request's form (RFC 6750 section 2.2).")


class TokenEntry(Section):
    """What a rule asks of the token."""

    called = "`token`"

    issuer: Text | None = Field(
        default=None, description="The issuer that the token must come from; without it any, by `iss`."
    )
    scopes: Texts = Field(default_factory=list, description="All of these.")
    places: list[PlaceEntry] = Field(
        default_factory=list,
        alias="from",
        min_length=1,
        description="Where the credential is looked for; without it `[{header: Authorization, scheme: Bearer}]`.",
    )
    coverage: Covering | None = Field(
        default=None, description="Which orgs count; without it `active` if the token has one, else `member`."
    )
    unauthenticated: Enforcing | None = Field(
        default=None,
        description="What is done, at most, with what the API answers with its own 401: a token missing, expired or "
        "not yet valid. `block`: the rule's enforcement.",
    )


class ExampleEntry(Section):
    """A request, and what the policy says of it."""

    called = "an example"

    request: Text = Field(description="Method and URL: `GET https://api.example.com/orgs/acme`.")
    headers: dict[Name, OneOrSomeTexts] = Field(default_factory=dict, description="Further header fields.")
    body: Annotated[Any, PlainValidator(_json), WithJsonSchema({})] = Field(
        default=None, description="Text, or keys and values that are sent as JSON."
    )
    listen: Port | None = Field(default=None, description="The port of this proxy that it comes in on.")
    token: Annotated[dict[str, Any], PlainValidator(_json_object), WithJsonSchema({"type": "object"})] | None = Field(
        default=None,
        description="The claims of its token, over those of an unexpired one of the rule's issuer with the rule's "
        "scopes and no orgs; without it no token. Of an issuer whose `iss` is a template, say which `iss`.",
    )
    granted: NotYet = None
    verdict: Annotated[Scalar, OneOf("verdict", "allow", "mismatch", "undetermined")] = Field(
        description="What the policy says of it: `allow`, `mismatch` or `undetermined`."
    )
    reason: Text | None = Field(default=None, description="The reason of the decision that decides.")


class RuleEntry(Section):
    """One rule."""

    called = "a rule"

    id: Text = Field(description="Names the rule in metrics, log and answers.")
    match: MatchEntry = Field(description="Which requests the rule is for.")
    exceptions: list[ExceptEntry] = Field(
        default_factory=list,
        alias="except",
        min_length=1,
        description="Which of those it is not for; any one is enough.",
    )
    org: Annotated[list[OrgSourceEntry], _SOME, _ONE_OR_SOME] = Field(
        default_factory=list,
        description="Where the requested org stands, or a list: every org that one of them gives must be granted. "
        "Without it the rule checks the token and its scopes only.",
    )
    token: TokenEntry = Field(default_factory=TokenEntry, description="What the rule asks of the token.")
    pass_without: Annotated[list[Missing], _SOME] = Field(
        default_factory=list,
        description="What may be missing: `token`, `org` (no source gave one), `claim` (the token names no org). The "
        "other checks hold all the same.",
    )
    agree: Flag | None = Field(default=None, description="Whether all requested orgs must be the same one.")
    undetermined: Enforcing | None = Field(
        default=None,
        description="What to do when no verdict can be reached; without it the file's, else the enforcement.",
    )
    enforcement: Enforcing | None = Field(
        default=None, description="What to do with a mismatch; without it the file's."
    )
    examples: list[ExampleEntry] = Field(
        default_factory=list, min_length=1, description="Requests and what is said of them, run by `orgfence check`."
    )


class PolicyFile(Section):
    """The whole file."""

    called = "a policy"

    version: Annotated[int, PlainValidator(_version), WithJsonSchema({"const": VERSION})] = Field(
        description="The version of this language: `1`."
    )
    enforcement: Enforcing | None = Field(
        default=None, description="For this file's rules that do not say; `annotate` without it."
    )
    undetermined: Enforcing | None = Field(
        default=None, description="For this file's rules that do not say: what to do when no verdict can be reached."
    )
    unmatched: Annotated[Scalar, OneOf("`unmatched` value", "observe", "block")] | None = Field(
        default=None,
        description="What to do with requests to guarded hosts that no rule matches: `observe` without it; of files "
        "that differ, `block` wins.",
    )
    orgs: dict[Name, OrgEntry] = Field(default_factory=dict, description="Names for org ids.")
    issuers: dict[Name, IssuerEntry] = Field(
        default_factory=dict, description="Whose tokens are trusted, by a name of your choice."
    )
    rules: list[RuleEntry] = Field(default_factory=list, description="What is judged.")
    disclose: Annotated[Scalar, OneOf("`disclose` value", "all", "reason")] | None = Field(
        default=None, description="What clients are told of a mismatch: `all`, or the `reason` without the orgs."
    )
    annotate_request: Flag | None = Field(
        default=None,
        description="Whether an annotation is on the request that goes upstream too, not only on the response.",
    )
    log_repeat: Duration | None = Field(default=None, description="For so long the same line is not logged again.")
    body_limit: Size | None = Field(
        default=None, description="How much of a body is read for a rule; more is `body_unread`."
    )


#: The keys of the whole policy, of which one file has each.
GLOBAL_KEYS = ("disclose", "annotate_request", "log_repeat", "body_limit")
