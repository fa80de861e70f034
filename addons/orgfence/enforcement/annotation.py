"""The `Orgfence` header: what was found, for upstream and for the client to read; and nobody else's to send."""

import re
from collections.abc import Callable, Iterable, Set

from orgfence.core.request import OF_THE_CONNECTION, Spellings, canonical_name
from orgfence.enforcement.call import Fields
from orgfence.enforcement.report import Report

HEADER = b"Orgfence"
# What servers accept as one header field starts near 4 KiB; an annotation is a small guest among the others.
MAX_HEADER_BYTES = 1024
# Two lists of this length and the rest of the item stay within the maximum.
_MAX_LIST_CHARACTERS = 300


def header_value(report: Report) -> bytes:
    """Return the field value for an inspection that is not `allow`.

    https://www.rfc-editor.org/rfc/rfc9651#section-3.3: an item, here a token, with parameters.
    """
    decision, told = report.decision, report.told
    value = f"{decision.verdict}; reason={decision.reason}"
    if report.rule_id is not None:
        value += f"; rule={_string(report.rule_id)}"
    value += f'; id="{report.id}"'
    for key, orgs in (("requested", told.requested_orgs), ("granted", told.granted_orgs)):
        if orgs:
            value += f"; {key}={_string(_listed(orgs))}"
    return value.encode("ascii")


def outcome_value(rule_id: str, status: int) -> bytes:
    """Return the field value for an allowed request that upstream itself answered with 401 or 403."""
    return f"allow; outcome={status}; rule={_string(rule_id)}".encode("ascii")


def stripped(fields: Fields) -> Fields:
    """Return the fields without any `Orgfence`, its look-alikes, and its name in what would have it removed.

    The same object where there is nothing of this.
    """
    harmless = _HARMLESS.known
    for name, value in fields:
        if name in harmless:
            continue
        is_connection = _is_connection(name)
        if _names_us(value) if is_connection else _is_ours(name):
            return tuple(_without(_is_ours, fields))
        if not is_connection:
            _HARMLESS.learn(name)
    return fields


#: What needs no look, so that a field which passes costs one look-up.
_HARMLESS = Spellings()


def without(fields: Fields, names: Set[bytes]) -> Fields:
    """Return the fields without these canonical names, however they are spelled, and what would have them removed."""
    return tuple(_without(lambda name: canonical_name(name) in names, fields))


def _is_ours(name: bytes) -> bool:
    return name[:8].lower() == b"orgfence"


def _names_us(value: bytes) -> bool:
    """Return whether an option of the connection may have ours removed on the way."""
    return value not in OF_THE_CONNECTION and b"orgfence" in value.lower()


def _is_connection(name: bytes) -> bool:
    """Return whether a field names others that the next hop is to remove.

    `Proxy-Connection` does for those that read it as `Connection`: RFC 9112 appendix C.2.2.
    """
    return canonical_name(name) in _CONNECTION


_CONNECTION = frozenset({b"connection", b"proxy-connection"})
# Options stand between commas. White space and `;` are for whoever is not so strict.
_SEPARATORS = re.compile(rb"[\s;]+")


def _without(unwanted: Callable[[bytes], bool], fields: Fields) -> Iterable[tuple[bytes, bytes]]:
    for name, value in fields:
        if unwanted(name):
            continue
        if _is_connection(name):
            options = [option.strip() for option in value.split(b",")]
            kept = [option for option in options if not any(map(unwanted, _SEPARATORS.split(option)))]
            if kept == options:
                yield name, value
            elif kept:
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


_UNPRINTABLE = re.compile("[^ -~]")


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub("?", text).replace("\\", "\\\\").replace('"', '\\"')
