"""Hides what a name or a scheme before it says is a credential: `Bearer …`, `access_token=…`, `Cookie: …`."""

import re

HIDDEN = "[redacted]"
# Text is cut before it is searched: a message may quote megabytes, and the proxy waits meanwhile.
MAX_SEARCHED = 16 * 1024

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


def hide_named(text: str) -> str:
    """Replace what reads like a credential by the name or the scheme before it."""
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
