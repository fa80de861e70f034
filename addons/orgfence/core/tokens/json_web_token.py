"""Reading a JWT without trust in it: what it says, or that it is malformed, or that it is none.

PyJWT takes the signed form apart. What it lets through although two readers could read it differently (a
name twice, padding, UTF-16, an `exp` in quotes) is malformed here, because the API behind the guard may be
the other one. For the same reason what only a lenient reader takes for a JWT is malformed too, not opaque.
"""

import binascii
import json
import string
import sys
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import jwt

from orgfence.core.reason import Reason
from orgfence.core.tokens.token import TokenError


class JsonWebToken(NamedTuple):
    """A JWT, decoded and not verified."""

    #: The JOSE header.
    header: dict[str, Any]
    claims: dict[str, Any]


def read_json_web_token(raw: bytes) -> JsonWebToken | None:
    """Return what a JWT says, or None for a credential that is none. `TokenError`: it is malformed."""
    try:
        payload = _JWS.decode_complete(raw)["payload"]
        # PyJWT has read the header too, but a name that stands there twice only once.
        header = _jose_header(raw.partition(b".")[0])
        claims = _json_object(payload)
    except Exception:  # noqa: BLE001 - PyJWT's are no closed set: 2.12 leaked TypeError and RecursionError
        if _resembles_jwt(raw):
            raise TokenError(Reason.TOKEN_MALFORMED) from None
        return None

    if "alg" not in header:
        return None
    # https://www.rfc-editor.org/rfc/rfc7515#section-2: base64url "with all trailing '=' characters omitted".
    if b"=" in raw or not isinstance(header["alg"], str) or not _has_sound_times(claims):
        raise TokenError(Reason.TOKEN_MALFORMED)
    return JsonWebToken(header, claims)


_JWS = jwt.PyJWS(options={"verify_signature": False})


def _jose_header(part: bytes) -> dict[str, Any]:
    """Return what the first part of a JWT says, for nobody to change: most JWTs of an issuer have the same."""
    return _known_jose_header(part) if len(part) <= _MAX_KNOWN_BYTES else _json_object(_base64url(part))


# It says how the rest is signed and is no secret; but clients choose it, so number and length have a bound.
_MAX_KNOWN_BYTES = 512


@lru_cache(maxsize=256)
def _known_jose_header(part: bytes) -> dict[str, Any]:
    return _json_object(_base64url(part))


def _base64url(part: bytes) -> bytes:
    """Decode a part whose alphabet PyJWT has already checked."""
    return binascii.a2b_base64(part.translate(_URL_ALPHABET) + b"==")


_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")


def _json_object(data: bytes) -> dict[str, Any]:
    """Parse what every reader of JSON reads alike."""
    parsed = _STRICT.decode(data.decode())
    if not isinstance(parsed, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the input is at fault, as in all other refusals
    return parsed


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: which of the two counts is up to each reader."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_number(text: str) -> NoReturn:
    """Refuse `NaN` and `Infinity`, which are no JSON."""
    raise ValueError(text)


_STRICT = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)

_TIMES = ("exp", "nbf", "iat")


def _has_sound_times(claims: dict[str, Any]) -> bool:
    """Tell whether those times that a token names are finite numbers, which a boolean is not."""
    for name in _TIMES:
        if name in claims:
            value = claims[name]
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            if abs(value) > sys.float_info.max:
                return False
    return True


def _resembles_jwt(raw: bytes) -> bool:
    """Tell whether a lenient reader might take for a JWT what is not well-formed.

    That is something of several parts whose first decodes somehow to a JSON object with `alg`: padded, in the
    other alphabet, with quotes or spaces around it, in UTF-16, or not to its end. A JWE is none: nobody can
    read its claims without a key: https://www.rfc-editor.org/rfc/rfc7516 gives it five parts and `enc`.
    """
    first, *others = raw.split(b".")
    part = first.translate(_URL_ALPHABET, _OUTSIDE_ALPHABETS)
    part = part[: -1 if len(part) % 4 == 1 else None]
    data = binascii.a2b_base64(part + b"==")
    text = data.decode(json.detect_encoding(data), errors="replace").lstrip()
    if not others or not text.startswith("{"):
        return False
    try:
        header, _ = _LENIENT.raw_decode(text)
    except json.JSONDecodeError:
        return False
    except (RecursionError, ValueError):  # too deep, or a number of too many digits: JSON none the less
        return True
    return "alg" in header and not (len(others) == 4 and "enc" in header)


_ALPHABETS = string.ascii_letters + string.digits + "-_+/"
_OUTSIDE_ALPHABETS = bytes(set(range(256)) - set(_ALPHABETS.encode()))
_LENIENT = json.JSONDecoder(strict=False)
