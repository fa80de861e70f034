"""Makes text that came from elsewhere fit to be logged: no credential in it, nothing that steers a terminal.

Redaction by pattern is a last line of defence, for text whose author could not know what it would hold. What
orgfence itself logs is safe because its records have no field for a secret.
"""

import re

from orgfence.core.showing.credential_shapes import JWT, looks_like_credential
from orgfence.core.showing.named_credentials import HIDDEN, MAX_SEARCHED, hide_named
from orgfence.core.showing.visible import visible

#: Longer texts are cut to this many characters; what helps a reader stands at the start.
MAX_TEXT = 512

# Opaque tokens have no common form but length. A UUID has 36 characters and stays readable.
_OPAQUE = re.compile(r"[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}|[\w+=~!-]{40,}", re.ASCII)
_WORD = re.compile(r"[\w+=~!.-]{16,512}", re.ASCII)


def redact_jwts(text: str) -> str:
    """Replace JWTs. Nothing else is mistaken for one, so this may run over any text."""
    return JWT.sub(HIDDEN, text)


def redact(text: str) -> str:
    """Replace what reads like a credential by its form or by the name before it."""
    return hide_named(redact_jwts(text[:MAX_SEARCHED]))


def redact_strictly(text: str) -> str:
    """Replace also what might be an opaque token: harmless long words go with it."""
    text = _WORD.sub(lambda word: HIDDEN if looks_like_credential(word[0]) else word[0], redact(text))
    return _OPAQUE.sub(HIDDEN, text)


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Return the text cut to the limit, with everything escaped that is not seen as itself.

    That is what breaks a line, steers a terminal (ESC, C1), turns the reading direction or has no encoding.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return visible(text)
