"""Hides credentials in a policy's lines before they are shown: messages end in logs, where no secret may.

An example may carry one in its headers; and a policy that spells out a secret has yet to be told so.
"""

import re
from collections.abc import Sequence

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


# A key with nothing behind it, or with what only begins there: its value stands in the lines that follow.
_OPEN = re.compile(r"[\"']?\s*:\s*(?:[|>][+-]?[0-9]?|\[)?\s*(?:#.*)?")
_NAME = re.compile(
    r"[\s{,-]*[\"']?(?:(?:proxy-)?authorization|set-cookie|cookie|[\w-]*-(?:token|key|secret|session|auth)[\w-]*"
    r"|\w*(?:secret|password))(?=[\"']?\s*:)",
    re.IGNORECASE,
)
_INDENT = re.compile(r"[\s-]*")


def masked(lines: Sequence[str], index: int) -> str:
    """Return one of a file's lines with its credentials starred out; it keeps its length, so that columns stay."""
    line = lines[index]
    if _continues_credential(lines, index):
        indent = _indent(line)
        return line[:indent] + "*" * (len(line) - indent)
    return _masked(line)


def _continues_credential(lines: Sequence[str], index: int) -> bool:
    """Return whether a line belongs to the value of a credential's key that stands above it."""
    indent = _indent(lines[index])
    for before in range(index - 1, max(-1, index - 1 - _MAX_LINES), -1):
        above = lines[before]
        if not above.strip() or _indent(above) >= indent:
            continue
        indent = _indent(above)
        found = _NAME.match(above)
        if found is not None and _OPEN.fullmatch(above, found.end()):
            return True
    return False


# Values of headers are no longer; and each line that is shown is looked at from here.
_MAX_LINES = 20


def _indent(line: str) -> int:
    found = _INDENT.match(line)
    return 0 if found is None else found.end()


def _masked(line: str) -> str:
    line = _JWT.sub(lambda found: "*" * len(found[0]), line)
    for named in (_HEADER, _SECRET):
        line = named.sub(lambda found: found[1] + "*" * len(found[2]), line)
    return line
