"""The policies and the tokens that the benchmarks judge by."""

import time
from functools import cache

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://login.example.com"
KEY_ID = "bench"


def policy(rules: int, host: str = "api.example.com") -> bytes:
    """Return a policy of this many rules, each for a path of its own."""
    lines = [
        "version: 1",
        "enforcement: block",
        f"issuers: {{corp: {{iss: {ISSUER}, claims: {{member: org_ids, scopes: scope}}}}}}",
        "rules:",
    ]
    lines += (
        f'  - {{id: rule-{number}, match: {{hosts: [{host}], paths: ["/api/v2/service-{number}/{{org}}/**"]}}, '
        f"org: {{path: org}}, token: {{issuer: corp, scopes: [users]}}}}"
        for number in range(rules)
    )
    return "\n".join(lines).encode()


#: Below this the rules of `policy` allow what is about `acme` or `globex`.
SERVICE = "/api/v2/service-7"
#: What the rules of `policy` allow.
PATH = f"{SERVICE}/acme/users?limit=25"
#: What they block.
FOREIGN_PATH = f"{SERVICE}/initech/users?limit=25"


def token(subject: str = "someone") -> str:
    """Return a JWT that is good for the org in `PATH`."""
    return jwt.encode(_claims(subject), "a key that nobody checks, of a fair length")


def signed_token() -> str:
    """Return the same signed by `signing_key`, for who verifies it."""
    return jwt.encode(_claims("someone"), signing_key(), "RS256", headers={"kid": KEY_ID})


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """Return a key of the kind that most issuers sign with."""
    return rsa.generate_private_key(65537, 2048)


def public_key() -> bytes:
    """Return what verifies the signed token, as PEM."""
    key = signing_key().public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _claims(subject: str) -> dict[str, object]:
    return {
        "iss": ISSUER,
        "sub": subject,
        "aud": "api",
        "iat": int(time.time()),
        "exp": int(time.time()) + 4 * 3600,
        "org_ids": ["acme", "globex"],
        "scope": "users queues",
    }
