"""Hides credentials in a policy's lines before they are shown: messages end in logs, where no secret may.

An example may carry one in its headers; and a policy that spells out a secret has yet to be told so.
"""

import re
from collections.abc import Sequence

# Every expression here takes linear time, whatever the line holds: repeats are possessive, and what begins with a
# repeat begins at the first character of a word only.

# A base64url JSON object and all dotted parts behind it.
_JWT = re.compile(r"\bey[JA][\w-]{8,}(?:\.[\w-]*)*", re.ASCII)
# A key, and what stands before its value. Values may hold any character, so they are not looked for.
_KEY = re.compile(r"(?<![\w-])([\w-]++)[\"']?\s*+:\s*+")
# The names of headers that carry credentials. A policy's own keys have no dash.
_CREDENTIAL = re.compile(
    r"-(?:token|key|secret|session|auth)|(?:authorization|set-cookie|secret|password)\Z", re.IGNORECASE
)

# A key with nothing behind it, or with what only begins there: its value stands in the lines that follow.
_OPEN = re.compile(r"[\"']?\s*+:\s*+(?:[|>][+-]?[0-9]?|\[)?+\s*+(?:#.*+)?+")
_NAME = re.compile(r"[\s{,-]*+[\"']?([\w-]++)")
_INDENT = re.compile(r"[\s-]*+")


def masked(lines: Sequence[str], index: int) -> str:
    """Return one of a file's lines with its credentials starred out; it keeps its length, so that columns stay.

    Of a longer line only the first `MAX_LINE` characters are returned.
    """
    line = lines[index][:MAX_LINE]
    if _continues_credential(lines, index):
        indent = _indent(line)
        return line[:indent] + "*" * (len(line) - indent)
    return _masked(line)


#: Longer than any line that a person writes. Lines are masked in one piece, and requests wait meanwhile.
MAX_LINE = 16 * 1024


def _continues_credential(lines: Sequence[str], index: int) -> bool:
    """Return whether a line belongs to the value of a credential's key that stands above it."""
    indent = _indent(lines[index][:MAX_LINE])
    for before in range(index - 1, max(-1, index - 1 - _MAX_LINES), -1):
        above = lines[before][:MAX_LINE]
        if not above.strip() or _indent(above) >= indent:
            continue
        indent = _indent(above)
        found = _NAME.match(above)
        if found is None or not _OPEN.fullmatch(above, found.end()):
            continue
        if _CREDENTIAL.search(found[1]) or _is_cookie(found[1]):
            return True
    return False


# Values of headers are no longer; and each line that is shown is looked at from here.
_MAX_LINES = 20


def _indent(line: str) -> int:
    found = _INDENT.match(line)
    return 0 if found is None else found.end()


def _masked(line: str) -> str:
    line = _JWT.sub(lambda found: "*" * len(found[0]), line)
    for key in _KEY.finditer(line):
        # A policy's `cookie: sid` names a cookie and holds none.
        if _CREDENTIAL.search(key[1]) or (_is_cookie(key[1]) and _assigns(line, key.end())):
            return line[: key.end()] + "*" * (len(line) - key.end())
    return line


def _is_cookie(name: str) -> bool:
    return name.lower().endswith("cookie")


def _assigns(line: str, start: int) -> bool:
    """Return whether the value that starts there, up to the next `,` or `}`, holds a `=`, or may hold one."""
    end = _VALUE_END.search(line, start, start + _MAX_VALUE)
    if end is None and len(line) > start + _MAX_VALUE:
        return True
    return "=" in line[start : end.start() if end else None]


_VALUE_END = re.compile(r"[,}]")
# The name of a cookie that a policy's author chose is shorter.
_MAX_VALUE = 1000
