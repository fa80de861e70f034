"""Tokens and issuers to test with, made by hand so that they can be as wrong as a test needs them."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from orgfence.core.rule import Issuer
from orgfence.core.tokens.selectors import Selector

HEADER = b'{"alg":"RS256","typ":"JWT"}'


def part(data: bytes) -> bytes:
    """Encode one part of a JWT."""
    return urlsafe_b64encode(data).rstrip(b"=")


def jwt_of(claims: Mapping[str, object] | bytes, header: Mapping[str, object] | bytes = HEADER) -> bytes:
    """Return a JWT of claims and header, given as mappings or as the bytes to encode. Its signature is invented."""
    return b".".join(part(_json(document)) for document in (header, claims, b"invented"))


def issuer_of(
    name: str = "corp",
    *,
    iss: str | None = None,
    member: tuple[Selector, ...] = (),
    active: tuple[Selector, ...] = (),
    scopes: tuple[Selector, ...] = (),
    leeway: float = 30.0,
    salesforce_ids: bool = False,
) -> Issuer:
    """Return an issuer that reads nothing but what is asked for."""
    return Issuer(
        name=name,
        iss=() if iss is None else (iss,),
        member=member,
        active=active,
        scopes=scopes,
        leeway=leeway,
        salesforce_ids=salesforce_ids,
    )


def _json(document: Mapping[str, object] | bytes) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()
