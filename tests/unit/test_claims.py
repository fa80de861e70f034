"""What selected values mean: the orgs that a token is good for, and its scopes."""

import json
from typing import Any, NamedTuple

import pytest

from orgfence.core.reason import Reason
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.tokens.claims import active_claim, granted_scopes, member_claim, traits_of
from orgfence.core.tokens.selectors import Selector, Source, parse_pointer
from orgfence.core.tokens.token import OrgClaim, Trait

MISSING = OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING)
EMPTY = OrgClaim(frozenset(), Reason.ORG_CLAIM_EMPTY)
MALFORMED = OrgClaim(frozenset(), Reason.ORG_CLAIM_MALFORMED)


def granted(*orgs: bytes) -> OrgClaim:
    return OrgClaim(frozenset(orgs), None)


def test_shapes_that_name_orgs() -> None:
    """A string is one org, a list its items, a map its keys, an integer its decimals; nothing is cut or joined."""
    assert members('"acme"') == granted(b"acme")
    assert members('"acme,globex"') == granted(b"acme,globex")
    assert members('["acme", "globex", "acme"]') == granted(b"acme", b"globex")
    assert members('{"acme": {"roles": []}, "globex": true}') == granted(b"acme", b"globex")
    assert members("42") == granted(b"42")
    assert members("[-7, 9223372036854775809]") == granted(b"-7", b"9223372036854775809")
    assert members('"Zürich \U0001f3e2"') == granted("Zürich \U0001f3e2".encode())
    assert members('["", "acme"]') == granted(b"acme")
    assert members('" acme"') == granted(b" acme")


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "false",
        "null",
        "1.0",
        "1e3",
        "[true]",
        "[null]",
        "[1.5]",
        '["acme", ["globex"]]',
        '["acme", {"globex": 1}]',
        '"\\ud800"',
        '["acme", "\\udfff"]',
        '{"\\ud800": 1}',
    ],
)
def test_what_is_no_org_id_spoils_the_claim(value: str) -> None:
    """Nothing that stands beside it is granted either: whoever wrote this meant something else."""
    assert members(value) == MALFORMED


def test_a_map_denies_a_key_by_false_or_null() -> None:
    """Anything else grants it, also what is empty; below a template too, and as an active org."""
    assert members('{"acme": false, "globex": {}, "initech": null, "zeta": 0, "eta": ""}') == granted(
        b"globex", b"zeta", b"eta"
    )
    documents = {Source.CLAIM: {"org": {"acme": True, "globex": False}}}
    assert active_claim([Selector.claim("org")], documents, bytes) == granted(b"acme")
    keycloak = TextTemplate.parse("org:{org}")
    assert read([Selector.claim("org", template=keycloak)], '{"org:acme": null, "org:globex": []}') == granted(
        b"globex"
    )
    assert members('{"acme": false, "\\ud800": false}') == EMPTY


def test_a_trait_that_a_map_denies_is_none() -> None:
    """An exception for a role is not for a token that says `false` to that role."""
    wanted: dict[tuple[str, ...], frozenset[bytes]] = {("role",): frozenset({b"admin", b"owner"})}
    assert traits_of({"role": {"admin": False, "owner": None}}, wanted) == frozenset()
    assert traits_of({"role": {"admin": True, "owner": None}}, wanted) == {Trait(("role",), b"admin")}


@pytest.mark.parametrize(
    "value", ['""', "[]", "{}", '[""]', '["", ""]', '{"": 1}', '{"acme": false}', '{"acme": null}']
)
def test_a_claim_that_names_nothing_is_empty(value: str) -> None:
    """It is there, so it is not missing; and an empty string is never an org."""
    assert members(value) == EMPTY


def test_a_claim_that_is_not_there_is_missing() -> None:
    """Also where no selector asks for it."""
    assert read([Selector.claim("other")], '"acme"') == MISSING
    assert read([Selector.claim("/org/id")], '"acme"') == MISSING
    assert read([], '"acme"') == MISSING


def test_several_selectors_are_a_union() -> None:
    """Of those that are there; a malformed one spoils all, an empty one nothing."""
    union = [Selector.claim("absent"), Selector.claim("/org/a"), Selector.claim("/org/b")]
    assert read(union, '{"a": "acme", "b": ["globex"]}') == granted(b"acme", b"globex")
    assert read(union, '{"b": "globex"}') == granted(b"globex")
    assert read(union, '{"a": [], "b": "globex"}') == granted(b"globex")
    assert read(union, '{"a": []}') == EMPTY
    assert read(union, '{"a": "acme", "b": null}') == MALFORMED
    assert read(union, "{}") == MISSING
    assert read([Selector.claim("/org/*")], "[]") == EMPTY


def test_a_token_acts_in_one_org() -> None:
    """Two distinct ones are malformed, the same one twice is not, also under two names."""
    selectors = [Selector.claim("org"), Selector.claim("tenant")]

    def active(claims: dict[str, object]) -> OrgClaim:
        return active_claim(selectors, {Source.CLAIM: claims}, bytes.lower)

    assert active({"org": "acme"}) == granted(b"acme")
    assert active({"org": "acme", "tenant": "ACME"}) == granted(b"acme")
    assert active({"org": ["acme", "globex"]}) == MALFORMED
    assert active({"org": "acme", "tenant": "globex"}) == MALFORMED
    assert active({"org": ""}) == EMPTY
    assert active({}) == MISSING


@pytest.mark.parametrize(
    ("separator", "value", "claim"),
    [
        (" ", '"acme globex"', granted(b"acme", b"globex")),
        (" ", '"  acme  "', granted(b"acme")),
        (" ", '"   "', EMPTY),
        (" ", '""', EMPTY),
        (",", '"acme, globex,"', granted(b"acme", b"globex")),
        (",", '"   "', EMPTY),
        (",", '","', EMPTY),
        (",", '"acme globex"', granted(b"acme globex")),
        ("::", '"acme::globex:initech"', granted(b"acme", b"globex:initech")),
        (",", '["acme,globex"]', granted(b"acme,globex")),
        (",", "42", granted(b"42")),
        (",", "null", MALFORMED),
    ],
)
def test_split_takes_a_string_apart(separator: str, value: str, claim: OrgClaim) -> None:
    """A string only: the items of a list are apart already."""
    assert read([Selector.claim("org", split=separator)], value) == claim


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        ('"urn:org:acme"', granted(b"acme")),
        ('["https://api.example.com", "urn:org:acme", "urn:org:globex"]', granted(b"acme", b"globex")),
        ('"https://api.example.com"', MISSING),
        ('"urn:org:"', MISSING),
        ('"xurn:org:acme"', MISSING),
        ("[]", MISSING),
        ("42", MISSING),
        ('{"urn:org:acme": 1}', granted(b"acme")),
        ('"urn:org:\\ud800"', MALFORMED),
        ("null", MALFORMED),
    ],
)
def test_a_template_picks_the_org_out_of_a_text(value: str, claim: OrgClaim) -> None:
    """What it does not match names no org, so it is as if it were not there."""
    assert read([Selector.claim("org", template=TextTemplate.parse("urn:org:{org}"))], value) == claim


def test_a_template_sees_each_part_of_a_split_string() -> None:
    """`openid org:acme org:globex`, as scopes that name the orgs."""
    selector = Selector.claim("org", split=" ", template=TextTemplate.parse("org:{org}"))
    assert read([selector], '"openid org:acme org:globex"') == granted(b"acme", b"globex")


def test_a_selector_of_another_part_of_the_credential_finds_nothing() -> None:
    """An opaque token has no claims, a JWT no text of its own."""
    opaque = Selector(Source.OPAQUE, template=TextTemplate.parse("{org}!**"))
    assert read([opaque], '"acme!x"') == MISSING
    assert member_claim([opaque], {Source.OPAQUE: "acme!x"}, bytes) == granted(b"acme")
    assert member_claim([Selector.claim("org")], {Source.OPAQUE: "acme!x"}, bytes) == MISSING
    assert granted_scopes([Selector.claim("org")], {Source.OPAQUE: "acme!x"}) == frozenset()
    assert granted_scopes([opaque], {Source.OPAQUE: "acme!x"}) == {b"acme"}


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        ('"read write"', {b"read", b"write"}),
        ('" read  read "', {b"read"}),
        ('"read,write"', {b"read,write"}),
        ('"read\\twrite"', {b"read\twrite"}),
        ('["read", "write"]', {b"read", b"write"}),
        ('["read write"]', {b"read write"}),
        ('["read", 7, null, true, ["x"], {"y": 1}, "\\ud800", ""]', {b"read"}),
        ('"\\ud800 read"', {b"read"}),
        ('""', set()),
        ("[]", set()),
        ('{"read": true}', set()),
        ("null", set()),
        ("true", set()),
        ("7", set()),
    ],
)
def test_scopes_are_a_string_or_a_list(value: str, scopes: set[bytes]) -> None:
    """RFC 6749 parts a string at spaces only; what has another shape grants nothing."""
    assert granted_scopes([Selector.claim("scope")], {Source.CLAIM: json.loads(f'{{"scope": {value}}}')}) == scopes


def test_scopes_are_a_union_and_split_as_the_policy_says() -> None:
    """As in Clerk's `per`, and in issuers that have both `scope` and `scp`."""
    claims = {"scope": "a b", "scp": ["c"], "per": "read, manage"}
    selectors = [Selector.claim("scope"), Selector.claim("scp"), Selector.claim("absent")]
    assert granted_scopes(selectors, {Source.CLAIM: claims}) == {b"a", b"b", b"c"}
    assert granted_scopes([Selector.claim("per", split=",")], {Source.CLAIM: claims}) == {b"read", b"manage"}


class Preset(NamedTuple):
    """How one issuer's tokens name orgs, an example of them, and what it grants."""

    active: list[Selector]
    member: list[Selector]
    claims: dict[str, Any]
    acts_in: set[bytes]
    may_act_in: set[bytes]
    jose: dict[str, Any] | None = None


def claim(text: str, template: str | None = None) -> Selector:
    return Selector.claim(text, template=None if template is None else TextTemplate.parse(template))


def jose(name: str, template: str) -> Selector:
    return Selector(Source.JOSE, parse_pointer(name), template=TextTemplate.parse(template))


GENESYS_GUEST = {
    "data": {"jid": "acd-1@conference.TEST-1.orgspan.com"},
    "exp": 1563649410,
    "iat": 1563564352,
    "iss": "urn:purecloud:conversation",
    "org": "80883333-8617-472f-8274-58d5b9a10033",
}
AUTH0 = {
    "iss": "https://acme.eu.auth0.com/",
    "sub": "auth0|64f0",
    "aud": ["https://api.acme.test"],
    "azp": "Cl1",
    "scope": "read:q",
    "org_id": "org_9ybsU1dN2dKfDkBi",
    "org_name": "acme",
}
OKTA = {
    "ver": 1,
    "iss": "https://acme.okta.com/oauth2/aus1",
    "aud": "api://acme",
    "cid": "0oa1",
    "scp": ["queues.read"],
    "tenant": "t-17",
}
ENTRA = {
    "aud": "api://7c1e",
    "iss": "https://login.microsoftonline.com/3f0c9a52-6a1e-4b0d-9f7e-0c1d2e3f4a5b/v2.0",
    "tid": "3f0c9a52-6a1e-4b0d-9f7e-0c1d2e3f4a5b",
    "scp": "Queues.Read",
}
KEYCLOAK_DEFAULT = {
    "iss": "https://kc.test/realms/main",
    "organization": ["acme", "globex"],
    "scope": "openid organization:*",
}
KEYCLOAK_RICH = {
    "iss": "https://kc.test/realms/main",
    "organization": {"acme": {"id": "42c3e46f-2477-44d7-a85b-d3b43f6b31fa", "groups": ["/eng"]}},
}
WORKOS = {"iss": "https://api.workos.com", "sub": "user_01HB", "org_id": "org_01HRDMC6CM", "role": "member"}
CLERK_2 = {
    "v": 2,
    "iss": "https://clerk.acme.test",
    "fva": [7, -1],
    "o": {"id": "org_2b", "slg": "acme", "rol": "admin", "per": "read,manage", "fpm": "3"},
}
CLERK_1 = {
    "iss": "https://clerk.acme.test",
    "org_id": "org_2b",
    "org_slug": "acme",
    "org_role": "org:admin",
    "org_permissions": ["org:q:read"],
}
DESCOPE = {
    "iss": "https://api.descope.com/P2abc",
    "dct": "T2acme",
    "tenants": {"T2acme": {"roles": ["admin"], "permissions": []}, "T2globex": {}},
}
FRONTEGG = {"iss": "https://acme.frontegg.com", "type": "userToken", "tenantId": "8c7d", "tenantIds": ["8c7d", "9e0f"]}
PROPELAUTH_ALL = {
    "iss": "https://auth.acme.test",
    "org_id_to_org_member_info": {
        "1189c444-8a2d-4c41-8b4b-ae43ce79a492": {
            "org_id": "1189c444-8a2d-4c41-8b4b-ae43ce79a492",
            "org_name": "Acme",
            "user_role": "Admin",
        }
    },
}
PROPELAUTH_ACTIVE = {
    "iss": "https://auth.acme.test",
    "org_member_info": {"org_id": "1189c444-8a2d-4c41-8b4b-ae43ce79a492", "org_name": "Acme"},
}
STYTCH = {
    "iss": "stytch.com/project-test-1",
    "https://stytch.com/organization": {"organization_id": "organization-test-07971b06", "slug": "acme"},
    "https://stytch.com/session": {"id": "member-session-test-1"},
}
KINDE = {"iss": "https://acme.kinde.com", "aud": [], "org_code": "org_1234", "scp": ["openid", "offline"]}
LOGTO = {"iss": "https://acme.logto.app/oidc", "aud": "urn:logto:organization:o34567", "scope": "read:q"}
FUSIONAUTH = {"iss": "acme.com", "aud": "e9fd", "tid": "d7d09513-a3f5-401c-9685-34ab6c552453", "roles": []}
ZITADEL = {
    "iss": "https://acme.zitadel.cloud",
    "urn:zitadel:iam:user:resourceowner:id": "165301",
    "urn:zitadel:iam:org:project:roles": {"agent": {"165301": "acme.zitadel.cloud", "165302": "globex.zitadel.cloud"}},
}
COGNITO = {
    "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf",
    "token_use": "access",
    "cognito:groups": ["tenant-acme"],
}
GOOGLE = {"iss": "https://accounts.google.com", "aud": "1.apps.googleusercontent.com", "hd": "acme.test"}
SALESFORCE_JOSE = {
    "tnk": "core/prod/00D5g00000AbCdEEAV",
    "ver": "1.0",
    "kid": "CORE_ATJWT.00D5g00000AbCdE.1725579420125",
    "tty": "sfdc-core-token",
    "typ": "JWT",
    "alg": "RS256",
}
SALESFORCE = {"iss": "https://acme.my.salesforce.com", "sub": "uid:0055", "scp": "refresh_token api"}
PINGONE = {
    "iss": "https://auth.pingone.eu/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6/as",
    "env": "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6",
    "org": "97ba44f2-f7ee-4144-aa95-9e636b57c096",
}
CLERK = [claim("/o/id"), claim("org_id")]
KEYCLOAK = [claim("organization"), claim("/organization/*/id")]
PROPELAUTH = [claim("/org_member_info/org_id")], [claim("org_id_to_org_member_info")]
ZITADEL_ROLES = [claim("/urn:zitadel:iam:org:project:roles/*")]
LOGTO_AUDIENCE = [claim("aud", "urn:logto:organization:{org}"), claim("organization_id")]
COGNITO_POOL = [claim("iss", "https://cognito-idp.{region}.amazonaws.com/{org}")]
PINGONE_ENVIRONMENT = [claim("env"), claim("iss", "https://auth.pingone.{tld}/{org}/as")]
ENVIRONMENT = b"abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
PROPELAUTH_ORG = b"1189c444-8a2d-4c41-8b4b-ae43ce79a492"
RICH_ORG = b"42c3e46f-2477-44d7-a85b-d3b43f6b31fa"


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(
            Preset([claim("org")], [], GENESYS_GUEST, {b"80883333-8617-472f-8274-58d5b9a10033"}, set()),
            id="genesys-guest",
        ),
        pytest.param(Preset([], [claim("org_ids")], {"org_ids": ["acme"]}, set(), {b"acme"}), id="generic-org-ids"),
        pytest.param(Preset([claim("org_id")], [], AUTH0, {b"org_9ybsU1dN2dKfDkBi"}, set()), id="auth0"),
        pytest.param(
            Preset([claim("iss", "https://{org}/**")], [claim("tenant")], OKTA, {b"acme.okta.com"}, {b"t-17"}),
            id="okta-host",
        ),
        pytest.param(Preset([claim("tid")], [], ENTRA, {b"3f0c9a52-6a1e-4b0d-9f7e-0c1d2e3f4a5b"}, set()), id="entra"),
        pytest.param(Preset([], KEYCLOAK, KEYCLOAK_DEFAULT, set(), {b"acme", b"globex"}), id="keycloak list"),
        pytest.param(Preset([], KEYCLOAK, KEYCLOAK_RICH, set(), {b"acme", RICH_ORG}), id="keycloak map"),
        pytest.param(Preset([], KEYCLOAK, {"organization": "acme"}, set(), {b"acme"}), id="keycloak string"),
        pytest.param(Preset([claim("org_id")], [], WORKOS, {b"org_01HRDMC6CM"}, set()), id="workos"),
        pytest.param(Preset(CLERK, [], CLERK_2, {b"org_2b"}, set()), id="clerk v2"),
        pytest.param(Preset(CLERK, [], CLERK_1, {b"org_2b"}, set()), id="clerk v1"),
        pytest.param(
            Preset([claim("dct")], [claim("tenants")], DESCOPE, {b"T2acme"}, {b"T2acme", b"T2globex"}), id="descope"
        ),
        pytest.param(
            Preset([claim("tenantId")], [claim("tenantIds")], FRONTEGG, {b"8c7d"}, {b"8c7d", b"9e0f"}), id="frontegg"
        ),
        pytest.param(Preset(*PROPELAUTH, PROPELAUTH_ALL, set(), {PROPELAUTH_ORG}), id="propelauth, all"),
        pytest.param(Preset(*PROPELAUTH, PROPELAUTH_ACTIVE, {PROPELAUTH_ORG}, set()), id="propelauth, active"),
        pytest.param(
            Preset(
                [claim("/https:~1~1stytch.com~1organization/organization_id")],
                [],
                STYTCH,
                {b"organization-test-07971b06"},
                set(),
            ),
            id="stytch-b2b",
        ),
        pytest.param(Preset([claim("org_code")], [claim("org_codes")], KINDE, {b"org_1234"}, set()), id="kinde"),
        pytest.param(Preset(LOGTO_AUDIENCE, [claim("organizations")], LOGTO, {b"o34567"}, set()), id="logto"),
        pytest.param(
            Preset([claim("tid")], [], FUSIONAUTH, {b"d7d09513-a3f5-401c-9685-34ab6c552453"}, set()), id="fusionauth"
        ),
        pytest.param(
            Preset(
                [claim("urn:zitadel:iam:user:resourceowner:id")],
                ZITADEL_ROLES,
                ZITADEL,
                {b"165301"},
                {b"165301", b"165302"},
            ),
            id="zitadel",
        ),
        pytest.param(Preset(COGNITO_POOL, [], COGNITO, {b"eu-west-1_AbCdEf"}, set()), id="cognito-pool"),
        pytest.param(
            Preset([], [claim("cognito:groups", "tenant-{org}")], COGNITO, set(), {b"acme"}), id="cognito, groups"
        ),
        pytest.param(
            Preset([claim("custom:tenant_id")], [], {"custom:tenant_id": "acme"}, {b"acme"}, set()),
            id="cognito-custom",
        ),
        pytest.param(Preset([claim("hd")], [], GOOGLE, {b"acme.test"}, set()), id="google-id-token"),
        pytest.param(
            Preset(
                [jose("tnk", "core/{instance}/{org}")],
                [],
                SALESFORCE,
                {b"00D5g00000AbCdEEAV"},
                set(),
                jose=SALESFORCE_JOSE,
            ),
            id="salesforce-jwt",
        ),
        pytest.param(Preset(PINGONE_ENVIRONMENT, [], PINGONE, {ENVIRONMENT}, set()), id="pingone"),
    ],
)
def test_real_issuers_tokens_yield_their_orgs(preset: Preset) -> None:
    """Each example of a known issuer's token, read as that issuer names orgs."""
    documents = {Source.CLAIM: preset.claims, Source.JOSE: preset.jose or {"alg": "RS256"}}
    assert active_claim(preset.active, documents, bytes).orgs == preset.acts_in
    assert member_claim(preset.member, documents, bytes).orgs == preset.may_act_in


def read(selectors: list[Selector], value: str) -> OrgClaim:
    """Read a claim `org` of a JSON value."""
    return member_claim(selectors, {Source.CLAIM: json.loads(f'{{"org": {value}}}')}, bytes)


def members(value: str) -> OrgClaim:
    return read([Selector.claim("org")], value)
