"""Policies of a rule or two, and requests to hold against them."""

from collections.abc import Mapping
from typing import Literal

from tests.tokens import jwt_of

from orgfence.core.decision import Inspection
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.policy.outside import Outside
from orgfence.core.request import AWAITED, Authority, Body, Request
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache
from orgfence.policy_source.files import shipped_presets

NOW = 1_800_000_000.0
CORP = "https://login.example.com"
ORIGIN = (b"Origin", b"https://app.example.com")
ASKS_FOR_POST = (b"Access-Control-Request-Method", b"POST")

_TOP = f"""
version: 1
enforcement: block
orgs:
  acme: {{id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01}}
issuers:
  corp: {{iss: "{CORP}", claims: {{member: org_ids, active: org_id, scopes: scope}}}}
rules:
"""


def load(text: str | bytes, name: str = "policy.yaml") -> Ruleset:
    """Return the ruleset of a policy of one file."""
    data = text.encode() if isinstance(text, str) else text
    return load_policy([PolicyText(name, data)], Outside(presets=shipped_presets())).ruleset


def ruleset_of(*rules: str, top: str = "") -> Ruleset:
    """Return the ruleset of rules in YAML's flow style. A rule without `match` is for `api.example.com`."""
    written = []
    for number, rule in enumerate(rules):
        given = rule if "match:" in rule else f"match: {{hosts: [api.example.com]}}, {rule}"
        written.append(f"  - {{{given}}}" if "id:" in rule else f"  - {{id: rule-{number}, {given}}}")
    return load(top + _TOP + "\n".join(written))


def bearer(claims: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Return the header that carries a token of the one issuer."""
    return b"Authorization", b"Bearer " + jwt_of({"iss": CORP, **claims})


def request_of(
    target: bytes = b"/",
    *headers: tuple[bytes, bytes],
    method: bytes = b"GET",
    hosts: tuple[bytes, ...] = (b"api.example.com",),
    scheme: bytes = b"https",
    listen_port: int = 8080,
    body: bytes | Literal[Body.AWAITED, Body.UNREAD] = AWAITED,
) -> Request:
    """Return a request."""
    authorities = tuple(Authority(host, 443) for host in hosts)
    return Request(method, scheme, authorities, listen_port, target, headers, body)


def inspected(ruleset: Ruleset, request: Request, now: float = NOW) -> Inspection:
    """Judge a request, whose body is there if it is needed, with nothing known yet."""
    inspection = inspect(request, ruleset, Known(TokenCache()), now)
    assert isinstance(inspection, Inspection)
    return inspection


def said(ruleset: Ruleset, request: Request, now: float = NOW) -> str:
    """Return what becomes of a request and by which reason, as in `blocked: token_missing`."""
    inspection = inspected(ruleset, request, now)
    reason = "" if inspection.deciding is None else f": {inspection.deciding.reason}"
    return f"{inspection.action}{reason}"
