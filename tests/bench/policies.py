"""The policies and the token that the benchmarks judge by."""

import time

import jwt

ISSUER = "https://login.example.com"


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


#: What the rules of `policy` allow.
PATH = "/api/v2/service-7/acme/users?limit=25"


def token(subject: str = "someone") -> str:
    """Return a JWT that is good for the org in `PATH`."""
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": "api",
        "iat": int(time.time()),
        "exp": int(time.time()) + 3600,
        "org_ids": ["acme", "globex"],
        "scope": "users queues",
    }
    return jwt.encode(claims, "a key that nobody checks, of a fair length")
