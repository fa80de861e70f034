"""Which values look like a credential, and which are ids of orgs that people must see."""

import base64
import random
import string

import pytest

from orgfence.core.showing.credential_shapes import is_id, looks_like_credential

BASE64URL = string.ascii_letters + string.digits + "-_"

# The forms of real issuers: their ids are in the documentation of each.
IDS = (
    "acme",
    "acme-staging",
    "acme.eu.auth0.com",
    "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01",  # Genesys Cloud, Entra ID, FusionAuth, PingOne, Frontegg
    "8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01",
    "8b1f0c1e2d5e4a589a510c7d9a1f2e01",
    "023e105f4ecef8ad9ca31a8372d0c353",  # Cloudflare
    "AC1234567890abcdef1234567890abcdef",  # Twilio
    "org_9ybsU1dN2dKfDkBi",  # Auth0
    "org_01EHWNCE74X7JSDV0X3SZ3KJNY",  # WorkOS
    "org_2bTRM2ZSMPcXa7dL3Vq0kT9zZzQ",  # Clerk
    "organization-test-07971b06-ac8b-4cdb-9c15-63b17e653931",  # Stytch
    "T2SrweL5J2y8YOh8DyDviGpZXejA",  # Descope
    "urn:logto:organization:o34567abcdef",
    "165301",  # Zitadel
    "69234237810729019",
    "eu-west-1_AbCdEf123",  # Cognito
    "00D5g00000AbCdE",  # Salesforce
    "00D5g00000AbCdEEAV",
    "core/prod/00D5g00000AbCdEEAV",
    "00o1a2b3c4d5e6f7g8h9",  # Okta
    "T0123ABCD",  # Slack
    "E0123ABCDEF",
    "customers/C03az79cb",  # Google
    "organizations/123456789012",
    "123456789012",  # AWS
    "o-a1b2c3d4e5",
    "acct_1032D82eZvKYlo2C",  # Stripe
    "org-4xV7oW9kQpLmNzRtYbCsDfGh",  # OpenAI
    "5f8d0d55b54764421b7156c9",  # MongoDB Atlas
    "V1StGXR8_Z5jdHi6B-myT",  # a nanoid
    "1-5759e988-bd862e3fe1be46a994272793",  # AWS X-Ray
    "acme-international-customer-success-department-emea-2024",
    "AcmeInternationalHoldingsGroupGmbH",
    "donaudampfschifffahrtsgesellschaft",
    "api-gateway.payments-production-eu.svc.cluster.local",
    "https://login.microsoftonline.com/3f0c9a52-6a1e-4b0d-9f7e-0c1d2e3f4a5b/v2.0",
    "x" * 200,
    "sk-telecom-international-holdings",
    "secret_escapes_uk_holdings_ltd",
    "hf_industrial_equipment_ltd",
    "MDEyOk9yZ2FuaXphdGlvbjEzNDQyMjU3",  # GitHub's older node ids
    base64.b64encode(b"Organization:4711").decode(),  # Relay
    base64.b64encode(b"gid://shopify/Shop/548380009").decode(),
)
KNOWN_FORMS = (
    "eyJhbGciOiJSUzI1NiJ9.eyJvcmciOiJhY21lIn0.Zm9vYmFyc2VjcmV0",
    "eyJhbGciOiJSUzI1NiJ9",
    base64.b64encode(b"alice:opensesame").decode(),
    base64.b64encode(b"alice:opensesame").decode().rstrip("="),
    base64.b64encode(b"Organization:opensesame").decode(),
    "secret_abcdefghijklmnopqrstuvwxyz",
    base64.urlsafe_b64encode(b"client:~~~???>>>").decode(),
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl",
    "glpat-abcdefghijklmnopqrst",
    "xoxb-1234567890-abcdefghij",
    "xoxe.xoxp-1-Mi0yLTEyMzQ",
    "sk_live_abcdefghijklmnop",
    "sk-proj-abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "ya29.a0AfH6SMBx-abc",
    "00D5g00000AbCdE!AQ4AQFtl0",
    "SG.abcdefghijklmnop.qrst",
    "hvs.CAESIJabcdefghijkl",
    "npm_abcdefghijklmnopqrstuvwxyz",
    "ory_at_abcdefghijklmnopqrst",
)


@pytest.mark.parametrize("text", IDS)
def test_ids_of_real_issuers_are_no_credentials(text: str) -> None:
    """A message that hides which org is wrong helps nobody."""
    assert not looks_like_credential(text)


@pytest.mark.parametrize("text", KNOWN_FORMS)
def test_credentials_of_known_forms_are_found(text: str) -> None:
    """JWTs and their parts, `Basic`, and tokens that begin by their issuer's prefix; also inside of something."""
    assert looks_like_credential(text)
    assert looks_like_credential(text.strip("=") + "!")


@pytest.mark.parametrize(
    ("alphabet", "length"),
    [
        (string.ascii_letters + string.digits, 32),
        (string.ascii_letters + string.digits, 39),
        (string.ascii_lowercase, 39),
        ("abcdef" + string.digits, 40),
        ("abcdef" + string.digits, 64),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 39),
        (BASE64URL, 39),
        (BASE64URL, 43),
        (BASE64URL, 86),
        (string.ascii_letters + string.digits + "+/", 40),
    ],
)
def test_long_random_texts_are_credentials(alphabet: str, length: int) -> None:
    """Of the random texts of each alphabet that tokens are made of, at most one in a hundred passes for words."""
    random_texts = random.Random(14)
    passed = [
        text
        for text in ("".join(random_texts.choices(alphabet, k=length)) for _ in range(1000))
        if not looks_like_credential(text)
    ]
    assert len(passed) <= 10, passed[:3]


def test_texts_of_any_length_are_judged() -> None:
    """Many pieces are one long text, and a long text in base64 is no password."""
    assert looks_like_credential("A1b2C3d4-" * 100)
    assert looks_like_credential(base64.b64encode(b"alice:" + bytes(range(33, 127)) * 10).decode())


def test_ids_are_told_from_random_texts() -> None:
    """By a prefix, by a form, by words, or because nothing so short says anything."""
    assert all(map(is_id, ("acme", "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "org_9ybsU1dN2dKfDkBi", "acme-corporation")))
    assert not is_id("9ybsU1dN2dKfDkBi")
