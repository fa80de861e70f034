"""What an issuer answers: tokens, an error, or the way back to the client with a code or a token in it."""

import json
import math
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from orgfence.core.oauth.exchange import Redirect, TokenResponse
from orgfence.core.oauth.parameters import without_query
from orgfence.core.oauth.scopes import scopes_of


class TokenError(NamedTuple):
    """An error of a token endpoint (https://www.rfc-editor.org/rfc/rfc6749#section-5.2)."""

    error: str
    description: str


def token_answer(body: bytes, content_type: str) -> TokenResponse | TokenError | None:
    """Read the answer of a token endpoint; None where it is neither tokens nor an error.

    Section 5.1 has it be JSON; some issuers answer with a form.
    """
    members = _members(body, content_type)
    access_token = _text(members, "access_token")
    if access_token:
        scope = members.get("scope")
        return TokenResponse(
            access_token=access_token,
            refresh_token=_text(members, "refresh_token") or None,
            expires_in=_seconds(members.get("expires_in")),
            scopes=_scopes(scope),
        )
    error = _text(members, "error")
    if error:
        return TokenError(error, _text(members, "error_description"))
    return None


def pushed_answer(body: bytes) -> str | None:
    """Return the `request_uri` that stands for a pushed authorize request (RFC 9126 section 2.2)."""
    return _text(_members(body, "application/json"), "request_uri") or None


# https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2: a code, in the query; section 4.2.2: a token, in the fragment.
# https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html lets a code be in the fragment too.
def redirect_of(location: str) -> Redirect | None:
    """Read where an answer to an authorize request leads; None where it is no such answer."""
    rest, _, fragment = location.partition("#")
    query = rest.partition("?")[2]
    members: dict[str, str] = {}
    for part in (query, fragment):
        try:
            members |= {name: values[0] for name, values in parse_qs(part, max_num_fields=_MAX_MEMBERS).items()}
        except ValueError:
            return None
    token = members.get("access_token")
    if not token and "code" not in members and "error" not in members:
        return None
    issued = None
    if token:
        expires_in = _seconds(members.get("expires_in"))
        issued = TokenResponse(token, None, expires_in, _scopes(members.get("scope")))
    return Redirect(without_query(location), members.get("state", ""), members.get("code"), issued)


# Answers have some ten.
_MAX_MEMBERS = 100


def _members(body: bytes, content_type: str) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            found = parse_qs(body.decode(), max_num_fields=_MAX_MEMBERS)
        except (UnicodeDecodeError, ValueError):
            return {}
        return {name: values[0] for name, values in found.items()}
    try:
        document = json.loads(body)
    # An answer may hold anything: no UTF-8, no JSON, a nesting without end.
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _scopes(scope: object) -> tuple[str, ...] | None:
    """Return scopes; some issuers write them as a list."""
    if isinstance(scope, str):
        return scopes_of(scope)
    if isinstance(scope, list):
        return tuple(each for each in scope if isinstance(each, str))
    return None


def _seconds(value: object) -> float | None:
    """Return a lifetime; some issuers write it as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
