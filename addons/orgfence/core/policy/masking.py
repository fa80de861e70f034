"""Hides credentials in a policy's lines before they are shown: messages end in logs, where no secret may.

An example may carry one in its headers; and a policy that spells out a secret has yet to be told so.
"""

import re

# A base64url JSON object and all dotted parts behind it.
_JWT = re.compile(r"\bey[JA][\w-]{8,}(?:\.[\w-]*)*", re.ASCII)
# What stands behind the name of a header that carries credentials, up to the line's end: values may hold any character.
# A policy's own keys have no dash; its `cookie: sid` names a cookie and holds none.
_HEADER = re.compile(
    r"((?:authorization|set-cookie|[\w-]*-(?:token|key|secret|session|auth)[\w-]*)[\"']?\s*:\s*"
    r"|cookie[\"']?\s*:(?=[^,}]*=)\s*)(.+)",
    re.IGNORECASE,
)
_SECRET = re.compile(r"((?:secret|password)[\"']?\s*:\s*)(.+)", re.IGNORECASE)


def masked(line: str) -> str:
    """Return a line of the same length with its credentials starred out, so that columns stay what they are."""
    line = _JWT.sub(lambda found: "*" * len(found[0]), line)
    for named in (_HEADER, _SECRET):
        line = named.sub(lambda found: found[1] + "*" * len(found[2]), line)
    return line
