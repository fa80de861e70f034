"""Makes text that came from elsewhere fit to be logged: no credential in it, nothing that steers a terminal.

Redaction by pattern is a last line of defence, for text whose author could not know what it would hold. What
orgfence itself logs is safe because its records have no field for a secret.
"""

import re

_HIDDEN = "[redacted]"
#: Longer texts are cut to this many characters; what helps a reader stands at the start.
MAX_TEXT = 512
# Text is cut before it is searched, too: a message may quote megabytes, and the proxy waits meanwhile.
_MAX_SEARCHED = 16 * 1024

# A base64url JSON object (`{"`, `{ "`, `{\n`, …) and all dotted parts behind it (RFC 7515 section 7.1).
_JWT = re.compile(r"(?:ey[JA]|ewo[gJi]|ewki|ew0K)[\w-]{12,}(?:\.[\w-]*)*", re.ASCII)

# Each is replaced by its first group and the word that says so. None takes more than linear time.
_CREDENTIALS = (
    # Fields that carry credentials: a header line with its folds (RFC 9112 section 5.2), or in a dict's repr.
    re.compile(r"((?:authorization|cookies?)['\"]?\s*[:=,])[^\r\n]*(?:(?:\r\n|\r|\n)[ \t][^\r\n]*)*", re.IGNORECASE),
    # credentials = auth-scheme 1*SP token68 (RFC 9110 section 11.4); a fold or an escape may be the space.
    re.compile(r"\b((?:bearer|basic|digest|dpop|negotiate|ntlm)(?:\s|\+|%20|\\[nrt])+)[^\s'\"]+", re.IGNORECASE),
    # Parameters and members such as `access_token=…`, `"client_secret": "…"`, `X-Api-Key: …`.
    re.compile(
        r"((?:token|secret|passw(?:or)?d|passphrase|assertion|credentials?|api[-_]?key|session(?:[-_]?id)?"
        r"|samlresponse|code_verifier|(?:device|user|auth|authorization)_code)['\"]?\s*(?:=|:|%3d)\s*)"
        r"(?:b?\"[^\"]*\"?|b?'[^']*'?|[^\s&;,]+)",
        re.IGNORECASE,
    ),
    # These words are common outside of queries: only with `=`.
    re.compile(r"((?<![a-z_])(?:code|sid|sig|pwd)(?:=|%3d))[^\s&;,'\"]+", re.IGNORECASE),
    # userinfo in a URL (RFC 3986 section 3.2.1).
    re.compile(r"(://)[^/?#\s@'\"]+(?=@)"),
)
# Opaque tokens have no common form but length. A UUID has 36 characters and stays readable.
_OPAQUE = re.compile(r"[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}|[\w+=~!-]{40,}", re.ASCII)


def redact_jwts(text: str) -> str:
    """Replace JWTs. Nothing else is mistaken for one, so this may run over any text."""
    return _JWT.sub(_HIDDEN, text)


def redact(text: str) -> str:
    """Replace what reads like a credential by its form or by the name before it."""
    text = redact_jwts(text[:_MAX_SEARCHED])
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return text


def redact_strictly(text: str) -> str:
    """Replace also what might be an opaque token: harmless long words go with it."""
    return _OPAQUE.sub(_HIDDEN, redact(text))


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text cut to the limit, with everything escaped that is not seen as itself.

    That is what breaks a line, steers a terminal (ESC, C1), turns the reading direction or has no encoding.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
