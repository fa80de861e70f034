"""The token of an example: what its author did not write is made up as the rule's issuer would have written it.

It is unsigned: an example says what a policy makes of a token's claims, not whose they are.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import jwt

from orgfence.core.request import Request, canonical_name
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.rule import CredentialPlace, Issuer, PlaceKind, Rule
from orgfence.core.tokens.selectors import EVERY, ORG, Selector, Source

#: Seconds for which such a token is good.
LIFETIME = 3600


class ExampleToken(NamedTuple):
    """All that a token says but for its times."""

    #: What stands in the JOSE header beside `alg`.
    header: Mapping[str, object]
    claims: Mapping[str, object]

    def encoded(self, now: float) -> bytes:
        """Return the JWT as it would have been issued at this moment (seconds since the epoch)."""
        claims = {"iat": int(now), "exp": int(now) + LIFETIME, **self.claims}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), "", "none", dict(self.header)).encode()


def example_token(rule: Rule, issuers: Mapping[str, Issuer], given: Mapping[str, object]) -> ExampleToken:
    """Return a token of the rule's issuer, with the rule's scopes and no orgs; what is given lies over its claims."""
    issuer = _issuer_of(rule, issuers)
    if issuer is None:
        return ExampleToken({}, dict(given))
    header: dict[str, object] = {}
    claims: dict[str, object] = {}
    selector = next((selector for selector in issuer.scopes if selector.source is not Source.OPAQUE), None)
    if rule.scopes and selector is not None:
        scopes = sorted(scope.decode() for scope in rule.scopes)
        said = _document(selector.pointer, _written(scopes, selector))
        (header if selector.source is Source.JOSE else claims).update(said)
    if issuer.iss:
        claims["iss"] = issuer.iss[0]
    elif issuer.iss_templates:
        claims["iss"] = _filled(issuer.iss_templates[0], {})
    return ExampleToken(header, {**claims, **given})


def with_token(request: Request, body: bytes, place: CredentialPlace, token: bytes) -> tuple[Request, bytes]:
    """Return a request and its body with a credential put where a rule looks for it."""
    pair = quote_from_bytes(place.name, safe="").encode() + b"=" + token
    if place.kind is PlaceKind.QUERY:
        mark = b"&" if b"?" in request.target else b"?"
        return request._replace(target=request.target + mark + pair), body
    if place.kind is PlaceKind.FORM:
        return request, body + b"&" * bool(body) + pair
    if place.kind is PlaceKind.COOKIE:
        others = [value for name, value in request.headers if canonical_name(name) == b"cookie"]
        headers = [(name, value) for name, value in request.headers if canonical_name(name) != b"cookie"]
        cookies = b"; ".join([*others, place.name + b"=" + token])
        return request._replace(headers=(*headers, (b"Cookie", cookies))), body
    value = place.scheme + b" " + token if place.scheme else token
    return request._replace(headers=(*request.headers, (place.name, value))), body


def _issuer_of(rule: Rule, issuers: Mapping[str, Issuer]) -> Issuer | None:
    """Return the issuer that a rule names, else the first that a token can name by its `iss`."""
    if rule.issuer is not None:
        return issuers.get(rule.issuer)
    named = (issuer for issuer in issuers.values() if issuer.iss or issuer.iss_templates)
    return next(named, next(iter(issuers.values()), None))


def _written(scopes: list[str], selector: Selector) -> list[str] | str:
    """Return scopes as a claim holds them that this selector reads."""
    if selector.template is not None:
        return [_filled(selector.template, {ORG: scope}) for scope in scopes]
    return scopes if selector.pointer[-1:] == (EVERY,) else (selector.split or " ").join(scopes)


def _document(pointer: tuple[str, ...], value: object) -> dict[str, object]:
    """Return claims in which the pointer leads to the value."""
    # A list that `*` stands for the items of is there already.
    steps = pointer[:-1] if isinstance(value, list) and pointer[-1] == EVERY else pointer
    for step in reversed(steps):
        value = [value] if step == EVERY else {step: value}
    assert isinstance(value, dict), "a pointer begins with a claim's name"
    return value


_CAPTURE = re.compile(r"\{(\w+)\}")


def _filled(template: TextTemplate, captures: Mapping[str, str]) -> str:
    """Return a text that a template matches; a capture that nobody gives holds its own name."""
    return _CAPTURE.sub(lambda found: captures.get(found[1], found[1]), template.text.removesuffix("**"))
