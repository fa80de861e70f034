"""From a credential to a token: whose it is, what it says, and what it costs to be wrong."""

import json
import re

import pytest
from tests.tokens import issuer_of, jwt_of

from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.rule import Issuer
from orgfence.core.tokens import reader as reader_module
from orgfence.core.tokens.cache import TokenCache
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.reader import TokenReader
from orgfence.core.tokens.selectors import Selector, Source
from orgfence.core.tokens.token import OrgClaim, Token, TokenKind

ORG_IDS = (Selector.claim("org_ids"),)
CORP = "https://login.example.com"
NO_ORGS = OrgNames({})


def read(raw: bytes, *issuers: Issuer, named: str | None = None, orgs: OrgNames = NO_ORGS) -> Token | Reason:
    return TokenReader(issuers, orgs, "generation").read(raw, named, TokenCache())


def token_of(raw: bytes, *issuers: Issuer, named: str | None = None, orgs: OrgNames = NO_ORGS) -> Token:
    token = read(raw, *issuers, named=named, orgs=orgs)
    assert isinstance(token, Token)
    return token


def test_a_jwt_says_all_that_a_rule_asks_for() -> None:
    """Issuer, subject, orgs, scopes and lifetime, from the claims that the issuer is known to use."""
    issuer = issuer_of(
        iss=CORP,
        member=ORG_IDS,
        active=(Selector.claim("current_org"),),
        scopes=(Selector.claim("scope"),),
    )
    raw = jwt_of(
        {
            "iss": CORP,
            "sub": "user-1",
            "org_ids": ["acme", "globex"],
            "current_org": "acme",
            "scope": "users:read users:write",
            "exp": 2000,
            "nbf": 1000,
            "iat": 990,
        }
    )

    assert read(raw, issuer) == Token(
        kind=TokenKind.JWT,
        issuer="corp",
        subject="user-1",
        active=OrgClaim(frozenset({b"acme"}), None),
        member=OrgClaim(frozenset({b"acme", b"globex"}), None),
        scopes=frozenset({b"users:read", b"users:write"}),
        expires=2030.0,
        not_before=970.0,
        verified=False,
        salesforce_ids=False,
    )


@pytest.mark.parametrize(
    ("claims", "expires", "not_before"),
    [
        ({}, None, None),
        ({"exp": 2000}, 2000.5, None),
        ({"nbf": 1000}, None, 999.5),
        ({"iat": 1000}, None, 999.5),
        ({"nbf": 1000, "iat": 1500.25}, None, 1499.75),
        ({"nbf": 1500, "iat": 1000}, None, 1499.5),
        ({"exp": -1}, -0.5, None),
    ],
)
def test_leeway_is_in_the_lifetime(claims: dict[str, float], expires: float | None, not_before: float | None) -> None:
    """Later to expire, earlier to begin; a time that is not named sets no bound."""
    token = token_of(jwt_of(claims), issuer_of(leeway=0.5))
    assert (token.expires, token.not_before) == (expires, not_before)


@pytest.mark.parametrize(
    ("iss", "named", "whose"),
    [
        # The one whose `iss` it carries, to the letter.
        (CORP, None, "corp"),
        (CORP, "corp", "corp"),
        (CORP, "other", Reason.ISSUER_UNTRUSTED),
        (CORP, "rest", Reason.ISSUER_UNTRUSTED),
        (CORP + "/", "corp", Reason.ISSUER_UNTRUSTED),
        (CORP.upper(), "corp", Reason.ISSUER_UNTRUSTED),
        # What nobody claims.
        (CORP + "/", None, "rest"),
        ("https://unknown.example.com", None, "rest"),
        ("https://unknown.example.com", "rest", "rest"),
        ("https://unknown.example.com", "corp", Reason.ISSUER_UNTRUSTED),
        ("", None, "rest"),
        # A rule that names an issuer which the policy does not have.
        (CORP, "absent", Reason.ISSUER_UNTRUSTED),
        ("https://unknown.example.com", "absent", Reason.ISSUER_UNTRUSTED),
        # No string.
        (None, None, Reason.ISSUER_UNTRUSTED),
        (7, "rest", Reason.ISSUER_UNTRUSTED),
        ([CORP], None, Reason.ISSUER_UNTRUSTED),
        ({CORP: 1}, "corp", Reason.ISSUER_UNTRUSTED),
    ],
)
def test_a_jwt_belongs_to_one_issuer(iss: object, named: str | None, whose: str | Reason) -> None:
    """The one whose `iss` it carries, else the one without; and no other than the rule names."""
    issuers = (issuer_of(iss=CORP), issuer_of("other", iss="https://other.example.com"), issuer_of("rest"))
    found = read(jwt_of({"iss": iss}), *issuers, named=named)
    assert (found.issuer if isinstance(found, Token) else found) == whose


def test_a_jwt_without_iss_belongs_to_the_issuer_without() -> None:
    """Where there is none, or the rule names another, it is nobody's."""
    raw = jwt_of({})
    assert token_of(raw, issuer_of(iss=CORP), issuer_of("rest")).issuer == "rest"
    assert token_of(raw, issuer_of(iss=CORP), issuer_of("rest"), named="rest").issuer == "rest"
    assert read(raw, issuer_of(iss=CORP), issuer_of("rest"), named="corp") is Reason.ISSUER_UNTRUSTED
    assert read(raw, issuer_of(iss=CORP)) is Reason.ISSUER_UNTRUSTED
    assert read(raw) is Reason.ISSUER_UNTRUSTED


def test_of_several_issuers_without_iss_the_rule_names_one() -> None:
    """Otherwise nobody could say which of them reads the token."""
    several = (issuer_of("one"), issuer_of("two"))
    raw = jwt_of({"iss": CORP})
    assert read(raw, *several) is Reason.ISSUER_UNTRUSTED
    assert token_of(raw, *several, named="two").issuer == "two"
    assert read(raw, *several, issuer_of(iss=CORP), named="two") is Reason.ISSUER_UNTRUSTED


SALESFORCE = issuer_of(
    "salesforce",
    active=(Selector(Source.OPAQUE, template=TextTemplate.parse("{org}!**")),),
    salesforce_ids=True,
)


def test_an_opaque_token_may_name_its_org_itself() -> None:
    """As Salesforce's do; the org is all that is kept of it."""
    token = token_of(b"00D5g00000AbCdE!AQ4AQPq.uX_1", SALESFORCE)
    assert token.kind is TokenKind.OPAQUE
    assert token.active.orgs == {b"00D5g00000AbCdEEAV"}
    assert token.member.fault is Reason.ORG_CLAIM_MISSING
    assert (token.subject, token.expires, token.not_before, token.scopes) == (None, None, None, frozenset())
    assert token.salesforce_ids


def test_an_opaque_token_may_name_orgs_that_it_is_a_member_of() -> None:
    """It need not be the active one."""
    issuer = issuer_of(member=(Selector(Source.OPAQUE, template=TextTemplate.parse("key-{org}/**")),))
    assert token_of(b"key-acme/secret", issuer).member.orgs == {b"acme"}


@pytest.mark.parametrize(
    ("raw", "issuers", "named"),
    [
        pytest.param(b"secret", [issuer_of(member=ORG_IDS)], None, id="its issuer reads claims only"),
        pytest.param(b"secret", [SALESFORCE], None, id="its issuer's template does not match"),
        pytest.param(b"\xff!secret", [SALESFORCE], None, id="no UTF-8"),
        pytest.param(b"acme!x", [SALESFORCE, issuer_of("rest")], None, id="two that it may belong to"),
        pytest.param(b"acme!x", [SALESFORCE, issuer_of("rest")], "rest", id="the rule names another"),
        pytest.param(b"acme!x", [SALESFORCE], "absent", id="the rule names one that is not there"),
        pytest.param(b"acme!x", [issuer_of(iss=CORP)], None, id="no issuer without iss"),
        pytest.param(b"acme!x", [], None, id="no issuer"),
    ],
)
def test_an_opaque_token_that_says_nothing_stays_opaque(raw: bytes, issuers: list[Issuer], named: str | None) -> None:
    """Only a lookup could tell what it stands for."""
    assert read(raw, *issuers, named=named) is Reason.TOKEN_OPAQUE


def test_a_rule_may_name_whose_opaque_token_it_is() -> None:
    """Also an issuer with an `iss`, which an opaque token cannot carry."""
    claimed = issuer_of("salesforce", iss=CORP, active=SALESFORCE.active)
    assert token_of(b"acme!x", claimed, issuer_of("rest"), named="salesforce").active.orgs == {b"acme"}


def test_a_malformed_jwt_is_never_taken_for_an_opaque_token() -> None:
    """Whatever a template for opaque tokens would find in it."""
    issuer = issuer_of(active=(Selector(Source.OPAQUE, template=TextTemplate.parse("{org}.**")),))
    assert read(jwt_of(b"{"), issuer) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    ("org_id", "granted"),
    [
        ("acme", {b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}),
        ("acme-inc", {b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}),
        ("8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01", {b"8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}),
        ("AAAAAAAA-2D5E-4A58-9A51-0C7D9A1F2E01", {b"aaaaaaaa-2d5e-4a58-9a51-0c7d9a1f2e01"}),
        ("acme-prod", {b"acme-prod"}),
        ("ACME", {b"ACME"}),
        ("ac", {b"ac"}),
        ("00D5g00000AbCdE", {b"00D5g00000AbCdE"}),
    ],
)
def test_granted_orgs_are_normalised(org_id: str, granted: set[bytes]) -> None:
    """Names and aliases to ids, UUIDs to lower case; anything else is compared whole, as it is."""
    orgs = OrgNames({"acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}, [("acme-inc", "acme")])
    issuer = issuer_of(member=ORG_IDS, active=(Selector.claim("/org_ids/0"),))
    token = token_of(jwt_of({"org_ids": [org_id]}), issuer, orgs=orgs)
    assert token.member.orgs == token.active.orgs == granted


def test_salesforce_ids_are_kept_in_their_long_form() -> None:
    """The 15-character form of an id, also one that the policy gives a name, is the 18-character one."""
    issuer = issuer_of(member=ORG_IDS, salesforce_ids=True)
    raw = jwt_of({"org_ids": ["acme", "00D5g00000AbCdE", "00D5g00000AbCdEEAV", "00D5g00000XyZzz"]})
    token = token_of(raw, issuer, orgs=OrgNames({"acme": "00D5g00000AbCdE"}))
    assert token.member.orgs == {b"00D5g00000AbCdEEAV", b"00D5g00000XyZzzEAF"}


def test_a_jose_header_may_name_the_org() -> None:
    """As Salesforce's `tnk` does."""
    selector = Selector(Source.JOSE, ("tnk",), template=TextTemplate.parse("core/{instance}/{org}"))
    raw = jwt_of({}, {"alg": "RS256", "tnk": "core/prod/00D5g00000AbCdEEAV"})
    assert token_of(raw, issuer_of(active=(selector,))).active.orgs == {b"00D5g00000AbCdEEAV"}


@pytest.mark.parametrize(
    ("sub", "subject"),
    [
        ("user", "user"),
        ("é" * 255, "é" * 255),
        ("x" * 256, None),
        ("\ud800", None),
        (7, None),
        (None, None),
        (["user"], None),
    ],
)
def test_a_subject_can_be_shown(sub: object, subject: str | None) -> None:
    """One that is no string, cannot be encoded or is longer than OpenID Connect allows is left out."""
    assert token_of(jwt_of({"sub": sub}), issuer_of()).subject == subject


def test_a_credential_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is remembered, faults included, for as long as the rule and the policy are the same."""
    seen: list[bytes] = []

    def counting(raw: bytes) -> object:
        seen.append(raw)
        return read_json_web_token(raw)

    monkeypatch.setattr(reader_module, "read_json_web_token", counting)
    cache = TokenCache()
    good, bad, opaque = jwt_of({"org_ids": ["acme"]}), jwt_of(b"{"), b"secret"
    reader = TokenReader([issuer_of(member=ORG_IDS)], NO_ORGS, "one")

    for raw in (good, bad, opaque):
        first = reader.read(raw, None, cache)
        assert reader.read(raw, None, cache) is first
    assert seen == [good, bad, opaque]

    reader.read(good, "corp", cache)
    TokenReader([issuer_of()], NO_ORGS, "two").read(good, None, cache)
    assert seen == [good, bad, opaque, good, good]


def test_a_new_policy_does_not_read_by_the_old_ones_findings() -> None:
    """The same token, cached under one generation, is read afresh under the next."""
    cache = TokenCache()
    raw = jwt_of({"org_ids": ["acme"], "orgs": ["globex"]})
    old = TokenReader([issuer_of(member=ORG_IDS)], NO_ORGS, "old").read(raw, None, cache)
    new = TokenReader([issuer_of(member=(Selector.claim("orgs"),))], NO_ORGS, "new").read(raw, None, cache)
    assert isinstance(old, Token)
    assert isinstance(new, Token)
    assert old.member.orgs == {b"acme"}
    assert new.member.orgs == {b"globex"}


def test_a_token_does_not_show_the_credential() -> None:
    """Whatever is logged of it."""
    raw = jwt_of({"org_ids": ["acme"], "sub": "user", "jti": "secret"})
    shown = repr(token_of(raw, issuer_of(member=ORG_IDS)))
    assert not [part for part in re.split(rb"[.!]", raw) if part.decode() in shown]
    assert "secret" not in shown
    assert "acme" in shown


def test_a_big_claim_is_read_whole() -> None:
    """As many orgs as fit into a credential."""
    orgs = [f"org-{number}" for number in range(1000)]
    token = token_of(jwt_of(json.dumps({"org_ids": orgs}).encode()), issuer_of(member=ORG_IDS))
    assert token.member.orgs == {org.encode() for org in orgs}
