"""What an issuer answers: tokens, an error, or the way back to the client with a code or a token in it.

Clients differ in which of two members of one name they read, and in whether its letter case matters. So each that some
client may read is found; an answer that some may read in another way still is not read at all.
"""

import math
from collections.abc import Iterable
from itertools import islice, product
from typing import NamedTuple
from urllib.parse import parse_qsl

from orgfence.core.body import RequestBody
from orgfence.core.escapes import unescaped
from orgfence.core.json_document import Json, resembles_json
from orgfence.core.oauth.exchange import Redirect, TokenResponse
from orgfence.core.oauth.names import folded, form_text
from orgfence.core.oauth.parameters import MAX_ESCAPES
from orgfence.core.oauth.requests import without_query
from orgfence.core.oauth.scopes import scopes_of


class ErrorResponse(NamedTuple):
    """An error of a token endpoint (https://www.rfc-editor.org/rfc/rfc6749#section-5.2)."""

    error: str
    description: str


class Issued(NamedTuple):
    """The tokens in an answer."""

    #: Each that a client may read; one, unless the answer says something twice.
    responses: tuple[TokenResponse, ...]
    #: The access tokens that stand deeper in it, as a user's beside an app's. Secret.
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave out what is secret."""
        return f"Issued(responses={self.responses!r})"


type _Object = dict[str, list[Json]]


def token_answer(body: RequestBody) -> Issued | ErrorResponse | None:
    """Read the answer of a token endpoint; None where it is neither tokens nor an error that is read for certain.

    Section 5.1 has it be JSON; some issuers answer with a form.
    """
    objects = _objects(body)
    if objects is None:
        return None
    issuing = [(depth, each) for depth, each in objects if _texts(each, "access_token")]
    if not issuing:
        return _error(each for depth, each in objects if depth == 0)
    least = issuing[0][0]
    main = [response for depth, each in issuing if depth == least for response in _responses(each)]
    responses = tuple(dict.fromkeys(main))
    others = [token for depth, each in issuing if depth > least for token in _texts(each, "access_token")]
    others = list(dict.fromkeys(others))
    if len(responses) > _MAX_RESPONSES or len(others) > _MAX_RESPONSES:
        return None
    return Issued(responses, tuple(others))


# Whoever says one member twice has two; each costs as much as reading a token.
_MAX_RESPONSES = 8


def pushed_answer(body: RequestBody) -> str | None:
    """Return the `request_uri` that stands for a pushed authorize request (RFC 9126 section 2.2)."""
    uris = [uri for depth, each in _objects(body) or () if depth == 0 for uri in _texts(each, "request_uri")]
    return uris[0] if len(uris) == 1 else None


# https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2: a code, in the query; section 4.2.2: a token, in the fragment.
# https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html lets a code be in the fragment too.
def redirect_of(location: str) -> Redirect | None:
    """Read where an answer to an authorize request leads; None where it is no such answer, or one that is unclear."""
    if len(location) > _MAX_LOCATION:
        return None
    rest, _, fragment = location.partition("#")
    query = rest.partition("?")[2]
    members: dict[str, list[str]] = {}
    try:
        pairs = [pair for part in (query, fragment) for pair in parse_qsl(part, max_num_fields=_MAX_MEMBERS)]
    except ValueError:
        return None
    for name, value in dict.fromkeys(pairs):
        members.setdefault(name, []).append(value)
    codes, states, tokens = (members.get(name, []) for name in ("code", "state", "access_token"))
    if not tokens and not codes and "error" not in members:
        return None
    expires_in = _seconds(members.get("expires_in", [None])[0])
    scopes = _scopes(members.get("scope", [None])[0])
    issued = tuple(TokenResponse(token, None, expires_in, scopes) for token in tokens)
    if len(codes) > 1 or len(states) > 1 or len(tokens) > 1:
        return Redirect(without_query(location), "", None, None, unclear=issued) if issued else None
    state, code = "".join(states), "".join(codes) or None
    return Redirect(without_query(location), state, code, issued[0] if issued else None)


def repeats(redirect: Redirect, target: bytes) -> bool:
    """Return whether what comes with a redirect stands in the request's own target already.

    Then whoever wrote that URL has chosen it, and not the issuer: sign-out pages redirect to where they are told.
    """
    issued = redirect.unclear if redirect.issued is None else (redirect.issued,)
    values = [value.encode() for value in (redirect.code, *(each.access_token for each in issued)) if value]
    if len(target) > _MAX_LOCATION:
        return True
    for _ in range(_MOST_ESCAPED):
        if any(value in target for value in values):
            return True
        target = unescaped(target)
    return False


# As it stands, in a parameter, and in a parameter of a URL in a parameter.
_MOST_ESCAPED = 3
# Browsers take URLs of some ten KiB from most servers.
_MAX_LOCATION = 32 * 1024
# Answers have some ten.
_MAX_MEMBERS = 100
# The answer with all that an issuer says of a user has some hundred.
_MAX_VALUES = 10_000


def _objects(body: RequestBody) -> list[tuple[int, _Object]] | None:
    """Return all objects of an answer, with their depths, from the outside in; None where it is not read for certain.

    Members are under their folded names.
    """
    parts = body.as_form_or_json()
    if parts is None:
        return None
    has_json = any(isinstance(document, tuple | list) for _, document in parts)
    found: list[tuple[int, _Object]] = []
    for form, document in parts:
        if isinstance(document, tuple | list):
            objects = _objects_in(document)
            if objects is None:
                return None
            found += objects
        elif has_json and resembles_json(form):
            return None
        # What still has its content coding is neither.
        elif not has_json and form.isascii():
            if form.count(b"&") > _MAX_MEMBERS or form.count(b"%") > MAX_ESCAPES:
                return None
            pairs = (pair.partition(b"=") for pair in form.split(b"&"))
            found.append((0, _members((form_text(name), form_text(value)) for name, _, value in pairs)))
    return sorted(found, key=lambda each: each[0])


def _objects_in(document: Json) -> list[tuple[int, _Object]] | None:
    found: list[tuple[int, _Object]] = []
    level: list[Json] = [document]
    depth = count = 0
    while level:
        below: list[Json] = []
        for item in level:
            count += len(item) if isinstance(item, tuple | list) else 0
            if count > _MAX_VALUES:
                return None
            if isinstance(item, tuple):
                found.append((depth, _members(item)))
                below += [value for _, value in item]
            elif isinstance(item, list):
                below += item
        level = below
        depth += 1
    return found


def _members(pairs: Iterable[tuple[str, Json]]) -> _Object:
    members: _Object = {}
    for name, value in pairs:
        members.setdefault(folded(name), []).append(value)
    return members


def _responses(members: _Object) -> list[TokenResponse]:
    """Return what an object issues, in each way to read it."""
    refresh_tokens: list[str | None] = [*_texts(members, "refresh_token")]
    ways = product(
        _texts(members, "access_token"),
        refresh_tokens or [None],
        dict.fromkeys(map(_seconds, members.get(folded("expires_in"), [None]))),
        dict.fromkeys(map(_scopes, members.get("scope", [None]))),
    )
    return [TokenResponse(*way) for way in islice(ways, _MAX_RESPONSES + 1)]


def _error(objects: Iterable[_Object]) -> ErrorResponse | None:
    for each in objects:
        for error in _texts(each, "error"):
            return ErrorResponse(error, next(iter(_texts(each, "error_description")), ""))
    return None


def _texts(members: _Object, name: str) -> list[str]:
    """Return the texts that are members of a name, each once; an empty one is none."""
    found = members.get(folded(name), ())
    return list(dict.fromkeys(value for value in found if isinstance(value, str) and value))


def _scopes(scope: object) -> tuple[str, ...] | None:
    """Return scopes; some issuers write them as a list, and GitHub, Slack and LinkedIn part them by commas."""
    if isinstance(scope, str):
        # A scope may have a comma in it, too.
        return scopes_of(f"{scope} {scope.replace(',', ' ')}") if "," in scope else scopes_of(scope)
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
