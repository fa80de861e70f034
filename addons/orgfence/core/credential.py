"""Finding the one credential that a request carries where a rule looks for it.

Two of them are refused rather than chosen from: nobody can know which one the API will go by.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from orgfence.core.body import RequestBody
from orgfence.core.names import Found, OtherName
from orgfence.core.parts import Parts
from orgfence.core.reason import Reason
from orgfence.core.request import AWAITED, Body, Fields, named_by_connection
from orgfence.core.rule import CredentialPlace, PlaceKind

# nginx and Apache stop near 8 KiB for a header line; double leaves room for fat claims.
MAX_CREDENTIAL_BYTES = 16 * 1024

# What may stand beside the credential in its field: the scheme, and blanks.
_MAX_BESIDE = 1024


def find_credential(
    headers: Fields,
    query: bytes,
    places: tuple[CredentialPlace, ...],
    body: RequestBody | None = None,
    parts: Parts | None = None,
    *,
    or_json: bool = False,
    exact_names: bool = False,
) -> bytes | Reason | OtherName | Literal[Body.AWAITED]:
    """Return the credential, the reason why there is none to judge by, or the one that only some servers find.

    `headers` holds, by canonical name, all values of the fields in question, of `cookie` and of `connection`.
    `AWAITED`: a place is a form, and there is no `body` yet; `or_json`: the body may be JSON instead. `parts` are the
    request's.
    """
    found: bytes | None = None
    other: OtherName | None = None
    for place in places:
        credential: bytes | Reason | None
        if place.kind is PlaceKind.HEADER:
            credential = _in_header(place, headers)
        else:
            named = _named(place, headers, query, body, parts or Parts(), or_json)
            if not isinstance(named, Found):
                return named
            if not exact_names and other is None:
                other = next((each for each in named.others if each.value and not _is_place(each, places)), None)
            credential = _only(named.values)
            if credential is not None and place.kind is PlaceKind.COOKIE and named_by_connection(headers, b"cookie"):
                return Reason.CREDENTIAL_AMBIGUOUS
        if isinstance(credential, Reason):
            return credential
        if credential is not None:
            if found is not None:
                return Reason.CREDENTIAL_AMBIGUOUS
            found = credential

    if found is not None and len(found) > MAX_CREDENTIAL_BYTES:
        return Reason.CREDENTIAL_TOO_LARGE
    return other or found or Reason.TOKEN_MISSING


def _is_place(other: OtherName, places: tuple[CredentialPlace, ...]) -> bool:
    """Return whether this is the name of another place of the rule, where it is found as it stands."""
    return other.sent != other.read_as and any(place.name == other.sent for place in places)


def _named(
    place: CredentialPlace,
    headers: Fields,
    query: bytes,
    body: RequestBody | None,
    parts: Parts,
    or_json: bool,
) -> Found | Reason | Literal[Body.AWAITED]:
    """Return what has the place's name in the query, the cookies or the form."""
    if place.kind is PlaceKind.FORM:
        if body is None:
            return AWAITED
        return body.find_fields(place.name, or_json=or_json) or Reason.BODY_UNREAD
    found = (
        parts.parameter(query, place.name)
        if place.kind is PlaceKind.QUERY
        else parts.cookie(headers.get(b"cookie", ()), place.name)
    )
    return found or Reason.CREDENTIAL_AMBIGUOUS


def _in_header(place: CredentialPlace, headers: Fields) -> bytes | Reason | None:
    """Return the credential in a header field, `CREDENTIAL_AMBIGUOUS`, or None."""
    credential = _in_field(headers.get(place.name, ()), place.scheme)
    if credential is not None and named_by_connection(headers, place.name):
        return Reason.CREDENTIAL_AMBIGUOUS
    return credential


def _only(values: list[bytes]) -> bytes | Reason | None:
    """Return the one value that is not empty."""
    credentials = [value for value in values if value]
    if len(credentials) > 1:
        return Reason.CREDENTIAL_AMBIGUOUS
    return credentials[0] if credentials else None


def _in_field(values: Sequence[bytes], scheme: bytes) -> bytes | Reason | None:
    """Return the credential in a header field, of which there must not be two, whatever they hold."""
    if not values:
        return None
    if len(values) > 1:
        return Reason.CREDENTIAL_AMBIGUOUS
    # Before it is taken apart: a client decides how long that takes.
    if len(values[0]) > MAX_CREDENTIAL_BYTES + _MAX_BESIDE:
        return Reason.CREDENTIAL_TOO_LARGE
    if scheme:
        return _after_scheme(values[0], scheme)
    return values[0].strip() or None


# A scheme that something else than a space ends, or that something stands before. Python's `str.split` takes 0x1C to
# 0x1F, 0x85 and 0xA0 for white space, and so does an API that reads its token by it.
_GLUED_SCHEME = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[^!#$%&'*+.^_`|~0-9A-Za-z-]")


# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
#   credentials = "Bearer" 1*SP b64token
# RFC 9110 section 11.1 makes the scheme case-insensitive; so do we. A folded line reaches us with its CR, LF
# and tabs, which are as good as a space to whoever unfolds it.
def _after_scheme(value: bytes, scheme: bytes) -> bytes | Reason | None:
    """Return what follows the scheme, if it is the one that is looked for."""
    words = value.split(None, 2)
    if words and words[0].lower() == scheme:
        if len(words) > 2:
            return Reason.CREDENTIAL_AMBIGUOUS
        return words[1] if len(words) == 2 else None
    glued = _GLUED_SCHEME.match(value)
    if glued and glued[1].lower() == scheme:
        return Reason.CREDENTIAL_AMBIGUOUS
    # `Basic AAA, Bearer BBB`: two fields that someone on the way joined, and some servers see the second.
    return Reason.CREDENTIAL_AMBIGUOUS if _behind_comma(scheme).search(value) else None


@lru_cache(maxsize=256)  # schemes come from the policy
def _behind_comma(scheme: bytes) -> re.Pattern[bytes]:
    """Return what finds a scheme at the head of a list's later item."""
    return re.compile(rb",\s*+" + re.escape(scheme) + rb"(?=[\s,]|\Z)", re.IGNORECASE)
