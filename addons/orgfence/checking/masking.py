"""Hides credentials in a policy's lines before they are shown: an example may carry one in its headers."""

import re

# A base64url JSON object and all dotted parts behind it.
_JWT = re.compile(r"\bey[JA][\w-]{8,}(?:\.[\w-]*)*", re.ASCII)
# What stands behind the name of a header that carries credentials, up to the line's end: values may hold any character.
# A policy's own keys have no dash; its `cookie: sid` names a cookie and holds none.
_HEADER = re.compile(
    r"((?:authorization|set-cookie|[\w-]*-(?:token|key|secret|session|auth)[\w-]*)[\"']?\s*:\s*|cookie[\"']?\s*:(?=[^,}]*=))(.+)",
    re.IGNORECASE,
)


def masked(line: str) -> str:
    """Return a line of the same length with its credentials starred out, so that columns stay what they are."""
    line = _JWT.sub(lambda found: "*" * len(found[0]), line)
    return _HEADER.sub(lambda found: found[1] + "*" * len(found[2]), line)
