"""From the places that a rule names, for the requested org and for the credential, to the records of both."""

import re
from collections.abc import Iterable, Mapping

from orgfence.core.orgs import OrgNames
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model import OrgSourceEntry, PlaceEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import did_you_mean, refusal, shown
from orgfence.core.request import canonical_name
from orgfence.core.rule import CredentialPlace, OrgSource, PlaceKind
from orgfence.core.tokens.selectors import parse_pointer

#: Where a rule looks that does not say it (RFC 6750 section 2.1).
BEARER = CredentialPlace(PlaceKind.HEADER, b"authorization", b"bearer")

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
#   token = 1*tchar
# Methods, field names, schemes and (RFC 6265 section 4.1.1) cookie names are tokens.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What they hold is a secret, and a requested org is shown and logged.
_SECRET_HEADERS = frozenset({b"authorization", b"proxy-authorization", b"cookie"})


def credential_places(entries: Iterable[PlaceEntry], faults: Faults) -> tuple[CredentialPlace, ...]:
    """Return where a rule looks for the credential."""
    places: list[CredentialPlace] = []
    for entry in entries:
        kind: str
        name: Scalar
        kind, name = entry.given
        if kind in {"header", "cookie"}:
            _check_token(name, f"{kind} name", faults)
        if entry.scheme is not None:
            _check_scheme(entry.scheme, kind, faults)
        written = canonical_name(name.encode()) if kind == "header" else name.encode()
        place = CredentialPlace(PlaceKind(kind), written, (entry.scheme or "").lower().encode())
        if place in places:
            faults.add(name.place, f"{shown(name)} is listed twice. Keep one of them")
        places.append(place)
    return tuple(places) or (BEARER,)


#: The names that a rule's paths and hosts capture; None where a fault keeps them from being known.
type Captures = Mapping[PlaceKind, frozenset[bytes] | None]


def org_sources(
    entries: Iterable[OrgSourceEntry],
    captures: Captures,
    places: Iterable[CredentialPlace],
    orgs: OrgNames,
    faults: Faults,
) -> tuple[OrgSource, ...]:
    """Return where a rule, which looks for its credential in `places`, reads the requested org."""
    secrets = {(place.kind, place.name) for place in places}
    sources = []
    for entry in entries:
        kind: str
        name: Scalar
        kind, name = entry.given
        source = OrgSource(
            kind=PlaceKind(kind),
            name=_name_of(kind, name, orgs),
            split=b"" if entry.split is None else entry.split.encode(),
            pointer=_pointer(name, faults) if kind == "body" else (),
            strip=bool(entry.strip),
        )
        if source.kind in captures:
            _check_captured(source, name, captures[source.kind], faults)
        if (source.kind, source.name) in secrets:
            faults.add(name.place, f"{shown(name)} holds this rule's credential. Name what holds the org")
        elif source.kind is PlaceKind.HEADER:
            _check_org_header(source.name, name, faults)
        elif source.kind is PlaceKind.COOKIE:
            _check_token(name, "cookie name", faults)
        _check_options(source, entry, name, faults)
        sources.append(source)
    return tuple(sources)


def _pointer(text: Scalar, faults: Faults) -> tuple[str, ...]:
    """Return the steps of a JSON Pointer, which always has a slash in front, so that nobody wonders."""
    if not text.startswith("/"):
        faults.add(text.place, f"{shown(text)} is no JSON Pointer. Write {shown('/' + text)}")
        return ()
    try:
        return parse_pointer(text)
    except ValueError as error:
        faults.add(text.place, refusal(text, error))
        return ()


def _check_options(source: OrgSource, entry: OrgSourceEntry, name: Scalar, faults: Faults) -> None:
    """Point out what says nothing where it stands."""
    if source.strip and source.kind is not PlaceKind.HEADER:
        faults.add(name.place, "`strip` goes with `header` only. Remove it")
    if entry.split is not None and source.kind in {PlaceKind.VALUE, PlaceKind.CLIENT}:
        message = f"`split` goes with what a request holds, not with `{source.kind}`. Remove it"
        faults.add(entry.split.place, message)


def _name_of(kind: str, name: Scalar, orgs: OrgNames) -> bytes:
    if kind == "header":
        return canonical_name(name.encode())
    if kind == "client":
        return b""
    return orgs.normalise(name.encode()) if kind == "value" else name.encode()


_EXAMPLES = {PlaceKind.PATH: "/orgs/{%s}/**", PlaceKind.HOST: "{%s}.example.com"}


def _check_captured(source: OrgSource, name: Scalar, captured: frozenset[bytes] | None, faults: Faults) -> None:
    """Refuse a capture that none of the templates has; one that lacks it gives no org there."""
    if captured is None or source.name in captured:
        return
    words = sorted(word.decode() for word in captured)
    example = _EXAMPLES[source.kind] % name
    hint = did_you_mean(name, words) or f" Write it into one, as in {shown(example)}"
    faults.add(name.place, f"no {source.kind} of this rule captures `{{{name}}}`.{hint}")


def _check_org_header(canonical: bytes, name: Scalar, faults: Faults) -> None:
    _check_token(name, "header name", faults)
    if canonical in _SECRET_HEADERS:
        faults.add(name.place, f"{shown(name)} holds a secret. Name the header that holds the org")
    elif canonical == b"host":
        faults.add(name.place, "`Host` is a host like any other. Write `{host: name}`, and `{name}` in `hosts`")


def _check_scheme(scheme: Scalar, kind: str, faults: Faults) -> None:
    if kind != "header":
        faults.add(scheme.place, "`scheme` goes with `header` only. Remove it")
    _check_token(scheme, "scheme", faults)


def _check_token(text: Scalar, what: str, faults: Faults) -> None:
    if not TOKEN.fullmatch(text):
        faults.add(text.place, f"{shown(text)} is no {what}. Use letters, digits and `-`")
