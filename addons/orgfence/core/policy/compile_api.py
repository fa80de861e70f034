"""From what an issuer says of its API to records: its hosts, whose orgs it names, how it words errors and is asked."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from orgfence.core.error_envelope import PLACEHOLDER, PLACEHOLDERS, ErrorEnvelope
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model_issuers import ErrorsEntry, IssuerEntry, LookupEntry, OtherPartyEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import did_you_mean, listed, refusal, shown
from orgfence.core.routing.templates import HostTemplate, PathTemplate, TextTemplate
from orgfence.core.rule import Lookup, OtherParty
from orgfence.core.tokens.selectors import Selector, Source, parse_pointer


def compile_hosts(entry: IssuerEntry, faults: Faults) -> tuple[HostTemplate, ...]:
    """Return the hosts of an issuer's API."""
    parsed = (_parsed(HostTemplate.parse, text, faults) for text in entry.hosts or ())
    return tuple(dict.fromkeys(host for host in parsed if host is not None))


def compile_other_party(entries: Iterable[OtherPartyEntry], faults: Faults) -> tuple[OtherParty, ...]:
    """Return where an API names orgs that are not the token's."""
    parties = []
    for entry in entries:
        path = _parsed(PathTemplate.parse, entry.path, faults)
        if path is None:
            continue
        if not path.names and not entry.query:
            message = f"{shown(entry.path)} does not say where the other org stands"
            faults.add(entry.path.place, f"{message}. Write `{{org}}` there, or name its parameter by `query`")
        segments = frozenset(path.position(name) for name in path.names)
        parties.append(OtherParty(path, segments, frozenset(name.encode() for name in entry.query)))
    return tuple(parties)


# https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1, with parameters that are tokens.
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *; *[\w-]+=[\w.-]+)*", re.ASCII)


def compile_errors(entry: ErrorsEntry, faults: Faults) -> ErrorEnvelope:
    """Return how an API words its errors."""
    for text in _texts_in(entry.body):
        for name in PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                hint = did_you_mean(name, PLACEHOLDERS) or f" Use {listed(PLACEHOLDERS)}"
                faults.add(text.place, f"`{{{name}}}` stands for nothing.{hint}")
    content_type = entry.content_type
    if content_type is not None and not _MEDIA_TYPE.fullmatch(content_type):
        faults.add(content_type.place, f"{shown(content_type)} is no media type. Write one such as `application/json`")
    return ErrorEnvelope(entry.body, str(content_type or "application/json"))


def _texts_in(node: Any) -> Iterator[Scalar]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _texts_in(item)
    elif isinstance(node, Scalar):
        yield node


_DEFAULT_TIMEOUT = 2.0
# A request waits for the answer, and SDKs give up after some 16 s.
_MAX_TIMEOUT = 15.0


def compile_lookup(
    entry: LookupEntry, hosts: Sequence[HostTemplate], iss: Iterable[TextTemplate], faults: Faults
) -> Lookup:
    """Return how an API with these hosts says whose token it was called with."""
    url = entry.url
    captured = {"host", *(name.decode() for host in hosts for name in host.names)}.union(*(each.names for each in iss))
    template = _parsed(TextTemplate.parse, url, faults)
    if not url.startswith(("https://", "http://")):
        faults.add(url.place, f"{shown(url)} is no URL. Begin with `https://`")
    elif template is not None and (unknown := sorted(template.names - captured)):
        hint = did_you_mean(unknown[0], captured) or f" Use {listed(f'{{{name}}}' for name in sorted(captured))}"
        faults.add(url.place, f"no host and no `iss` of this issuer captures `{{{unknown[0]}}}`.{hint}")
    elif template is not None and "host" in template.names and not hosts:
        faults.add(url.place, "`{host}` is one of the issuer's `hosts`, and it has none. Add them")
    if not entry.active and not entry.member:
        faults.add(url.place, "`lookup` does not say where the answer names the org. Add `active` or `member`")
    timeout = _DEFAULT_TIMEOUT if entry.timeout is None else entry.timeout
    if not 0 < timeout <= _MAX_TIMEOUT:
        faults.add(url.place, f"`timeout` is no time to wait. Write one up to `{_MAX_TIMEOUT:g}s`")
    return Lookup(
        url=str(url),
        method=str(entry.method or "GET"),
        timeout=timeout,
        active=_pointers(entry.active, faults),
        member=_pointers(entry.member, faults),
        scopes=_pointers(entry.scopes, faults),
    )


def _pointers(texts: Iterable[Scalar], faults: Faults) -> tuple[Selector, ...]:
    pointers = (_parsed(parse_pointer, text, faults) for text in texts)
    return tuple(Selector(Source.CLAIM, pointer) for pointer in pointers if pointer is not None)


def _parsed[T](parse: Callable[[str], T], text: Scalar, faults: Faults) -> T | None:
    """Return what a text says, or None after a fault."""
    try:
        return parse(str(text))
    except ValueError as error:
        faults.add(text.place, refusal(text, error))
        return None
