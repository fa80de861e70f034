"""The `Orgfence` header: what was found, for upstream and for the client to read; and nobody else's to send."""

from collections.abc import Iterable

from mitmproxy import http

from orgfence.core.catalogue import Explanation
from orgfence.core.decision import Decision

HEADER = b"Orgfence"
# What servers accept as one header field starts near 4 KiB; an annotation is a small guest among the others.
MAX_HEADER_BYTES = 1024
# Two lists of this length and the rest of the item stay within the maximum.
_MAX_LIST_CHARACTERS = 300

type Headers = tuple[tuple[bytes, bytes], ...]


def header_value(decision: Decision, explanation: Explanation, inspection_id: str) -> bytes:
    """Return the field value for a decision that is not `allow`.

    https://www.rfc-editor.org/rfc/rfc9651#section-3.3: an item, here a token, with parameters.
    """
    value = f"{decision.verdict}; reason={decision.reason}"
    if decision.rule is not None:
        value += f"; rule={_string(decision.rule.id)}"
    value += f'; id="{inspection_id}"'
    for key, orgs in (("requested", explanation.requested_orgs), ("granted", explanation.granted_orgs)):
        if orgs:
            value += f"; {key}={_string(_listed(orgs))}"
    return value.encode("ascii")


def outcome_value(rule_id: str, status: int) -> bytes:
    """Return the field value for an allowed request that upstream itself answered with 401 or 403."""
    return f"allow; outcome={status}; rule={_string(rule_id)}".encode("ascii")


def strip(headers: http.Headers) -> None:
    """Remove every `Orgfence` field, its look-alikes, and its name from `Connection`, which would have it removed."""
    fields: Headers = headers.fields
    suspects = [name for name, value in fields if name[:8].lower() == b"orgfence" or _is_connection(name, value)]
    if suspects:
        headers.fields = tuple(_stripped(fields))


def annotate(headers: http.Headers, value: bytes) -> None:
    """Add the field; `strip` has removed all others."""
    headers.fields = (*headers.fields, (HEADER, value))


def _is_connection(name: bytes, value: bytes) -> bool:
    return len(name) == 10 and name.lower() == b"connection" and b"orgfence" in value.lower()


def _stripped(fields: Headers) -> Iterable[tuple[bytes, bytes]]:
    for name, value in fields:
        if name[:8].lower() == b"orgfence":
            continue
        if _is_connection(name, value):
            options = [option.strip() for option in value.split(b",")]
            kept = [option for option in options if option[:8].lower() != b"orgfence"]
            if kept:
                yield name, b", ".join(kept)
            continue
        yield name, value


def _listed(orgs: tuple[str, ...]) -> str:
    """Join as many as fit once they are escaped, and count the rest."""
    shown = ""
    for index, org in enumerate(orgs):
        longer = f"{shown}, {org}" if shown else org
        if len(longer) > _MAX_LIST_CHARACTERS or len(_escaped(longer)) > _MAX_LIST_CHARACTERS:
            rest = len(orgs) - index
            # An escaped character takes two.
            return f"{shown} and {rest} more" if shown else f"{org[: _MAX_LIST_CHARACTERS // 2]}..."
        shown = longer
    return shown


def _string(text: str) -> str:
    """Return an RFC 9651 string: printable ASCII, quotes and backslashes escaped; other characters as `?`."""
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')
