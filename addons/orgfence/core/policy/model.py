"""The shape of a policy file: which keys there are, which must be there, and what kind of value each takes.

What the values mean together is not judged here but where they are compiled. A key that is `NotYet` belongs to
the language and not to this version; the version that builds it gives it its type. The descriptions are what
editors show, by the JSON Schema that is made of this.
"""

from typing import Annotated, Any, Self, cast

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic import model_validator as validator

from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.presets import PREFIX, unknown_preset
from orgfence.core.policy.scalars import (
    TEXT_SCHEMA,
    Duration,
    Enforcing,
    Flag,
    Name,
    NotYet,
    OneOf,
    Port,
    Size,
    Text,
    fault,
    json_value,
    number,
    text,
)
from orgfence.core.policy.section import ONE_OR_SOME, SOME, OneOrSomeTexts, Section, Texts
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


Covering = Annotated[Scalar, OneOf("coverage", "active", "member")]
Missing = Annotated[Scalar, OneOf("`pass_without` value", "token", "org", "claim")]


class OrgEntry(Section):
    """`{id: 8b1f…, aliases: [acme-inc]}`."""

    called = "an org"

    id: Text = Field(description="The id that tokens and requests carry.")
    aliases: Texts = Field(default_factory=list, description="Other words for it, as good as the id and the name.")


class MatchEntry(Section):
    """Which requests a rule is for."""

    called = "`match`"

    hosts: Annotated[list[Annotated[Scalar, PlainValidator(_rule_host), WithJsonSchema(TEXT_SCHEMA)]], SOME] = Field(
        description="`api.example.com`, `{tenant}.api.example.com`, `*.example.com` (one or more labels), `*`, or "
        "`preset:NAME` for the hosts of that preset's API; without a port any port."
    )
    paths: Texts | None = Field(
        default=None,
        description="Templates: `{name}` and `*` are one segment, a final `**` is zero or more; a trailing slash makes "
        "no difference.",
    )
    methods: Texts | None = Field(
        default=None,
        description="HEAD counts as GET. A method that a header (`X-HTTP-Method-Override`) or the query (`_method`) "
        "puts in the place of the request's own counts too. So does `_method` in the form or JSON body of a POST, but "
        "only where a rule that matches the POST needs its body to decide; else the rules for POST alone judge it.",
    )
    listen: Annotated[list[Port], SOME] | None = Field(
        default=None, description="The ports of this proxy that the rule is for."
    )
    ignore_case: Flag | None = Field(default=None, description="Whether upstream takes `/Orgs` for `/orgs`.")
    encoded_slash: Annotated[Scalar, OneOf("`encoded_slash` value", "data", "separator")] | None = Field(
        default=None,
        description="How upstream takes `%2F` in a path: `data` (a character like any other, as GitLab) or `separator` "
        "(a slash, as npm). Without it, each reading is judged.",
    )
    names: Annotated[Scalar, OneOf("`names` value", "exact")] | None = Field(
        default=None,
        description="`exact`: the names of query parameters, form fields, cookies and JSON members are read exactly. "
        "Without it, `ORG_ID`, `orgId`, `org.id` and `org_id[]` count as `org_id` too, as some servers read them; of "
        "cookies only `ORG_ID`, `org.id` and `org_id[]`. In a query or a form `org.name` "
        "and `org[name]` count as `org`, because Express and PHP find them there: a request that has `org` and "
        "`org.name` with another value is `org_ambiguous`. If your API reads them as two parameters, use "
        "`names: exact`.",
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
    query: Text | None = Field(
        default=None,
        description="Every value of that query parameter. Where the server merges query and form (Rails' `params`, "
        "PHP's `$_REQUEST`), name both: `[{query: org_id}, {form: org_id}]`; and `{body: /org_id}` if it takes JSON.",
    )
    host: Text | None = Field(default=None, description="The capture of that name in the rule's host templates.")
    cookie: Text | None = Field(default=None, description="Every value of that cookie.")
    body: Text | None = Field(
        default=None, description="A JSON Pointer into the request's JSON body: `/organization/id`."
    )
    form: Text | None = Field(
        default=None,
        description="Every value of that field of the request's form, and none of the query's: where the server "
        "merges them, name both, as for `query`.",
    )
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
    org: Annotated[list[OrgSourceEntry], SOME, ONE_OR_SOME] = Field(
        default_factory=list,
        description="Where the requested org stands, or a list: every org that one of them gives must be granted. "
        "Without it the rule checks the token and its scopes only.",
    )
    token: TokenEntry = Field(default_factory=TokenEntry, description="What the rule asks of the token.")
    pass_without: Annotated[list[Missing], SOME] = Field(
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
        default=None,
        description="How much of a body is read for a rule; more is `body_unread`. Reading takes up to 100 ms of "
        "processor time a MiB, whatever the number of rules, and other requests wait for that.",
    )
    held_bodies_limit: Size | None = Field(
        default=None,
        description="How many bytes of bodies wait in one process, of all requests and answers; a body that does not "
        "fit is `body_unread`.",
    )


#: The keys of the whole policy, of which one file has each.
GLOBAL_KEYS = ("disclose", "annotate_request", "log_repeat", "body_limit", "held_bodies_limit")
