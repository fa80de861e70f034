"""From the examples of a rule to requests that the policy can be asked about, as it would be by the proxy.

A rule that nobody has tried is a guess. What an author wrote down as an example is held against the whole policy by
`orgfence check`; what is wrong with an example itself is a fault of the policy, wherever that is loaded.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from orgfence.core.policy.compile_places import TOKEN
from orgfence.core.policy.example_token import ExampleToken, example_token, with_token
from orgfence.core.policy.faults import Faults, Place
from orgfence.core.policy.model import ExampleEntry, RuleEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import did_you_mean, refusal, shown
from orgfence.core.reason import Reason, Verdict, verdict_of
from orgfence.core.request import Authority, Request, canonical_name
from orgfence.core.rule import CredentialPlace, Issuer, PlaceKind, Rule
from orgfence.core.values import cookie_values, query_values

#: The port that an example comes in on where neither it nor its rule names one.
DEFAULT_PORT = 8080
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class Example(NamedTuple):
    """A request, and what the policy is to say of it."""

    #: Method and URL, as written.
    written: Scalar
    #: Still without the token.
    request: Request
    body: bytes
    token: ExampleToken | None
    #: Where the token is put.
    token_place: CredentialPlace
    verdict: Verdict
    #: None: any of the verdict's.
    reason: Reason | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.written.place

    def sent(self, now: float) -> tuple[Request, bytes]:
        """Return the request as it would be sent at this moment, and its body."""
        if self.token is None:
            return self.request, self.body
        return with_token(self.request, self.body, self.token_place, self.token.encoded(now))


def compile_examples(
    entry: RuleEntry, rule: Rule, issuers: Mapping[str, Issuer], faults: Faults
) -> tuple[Example, ...]:
    """Return the examples of one rule, but for those with a fault."""
    examples = [_example(written, entry, rule, issuers, faults) for written in entry.examples]
    return tuple(example for example in examples if example is not None)


def _example(
    entry: ExampleEntry, holder: RuleEntry, rule: Rule, issuers: Mapping[str, Issuer], faults: Faults
) -> Example | None:
    reason = _reason(entry, faults)
    body, media_type = _body(entry.body)
    headers = _headers(entry, faults)
    request = _request(entry.request, rule, faults)
    if request is None:
        return None
    given = {canonical_name(name) for name, _ in headers}
    if b"host" not in given:
        headers.insert(0, (b"Host", request.authorities[0].name))
    place = rule.places[0]
    if media_type is None and entry.token is not None and place.kind is PlaceKind.FORM:
        media_type = _FORM
    if media_type is not None and b"content-type" not in given:
        headers.append((b"Content-Type", media_type.encode()))
    request = request._replace(
        headers=tuple(headers), listen_port=entry.listen or (holder.match.listen or [DEFAULT_PORT])[0]
    )
    token = None
    if entry.token is not None:
        _check_token_fits(entry, request, body, place, faults)
        token = example_token(rule, issuers, entry.token)
    return Example(entry.request, request, body, token, place, Verdict(entry.verdict), reason)


def _reason(entry: ExampleEntry, faults: Faults) -> Reason | None:
    if entry.reason is None:
        return None
    try:
        reason = Reason(entry.reason)
    except ValueError:
        hint = did_you_mean(entry.reason, list(Reason)) or " See the table of reasons in the reference"
        faults.add(entry.reason.place, f"unknown reason {shown(entry.reason)}.{hint}")
        return None
    verdict = verdict_of(reason)
    if str(verdict) != entry.verdict:
        message = f"`{reason}` is a reason of `{verdict}`, not of `{entry.verdict}`"
        faults.add(entry.reason.place, f"{message}. Write `verdict: {verdict}`, or another reason")
    return reason


def _body(body: Any) -> tuple[bytes, str | None]:
    """Return the bytes that are sent, and what they are unless the headers say."""
    if body is None:
        return b"", None
    if isinstance(body, dict | list):
        return json.dumps(body, ensure_ascii=False).encode(), _JSON
    text = body if isinstance(body, str) else json.dumps(body)
    return text.encode(), _JSON if text.lstrip()[:1] in {"{", "["} else _FORM


def _headers(entry: ExampleEntry, faults: Faults) -> list[tuple[bytes, bytes]]:
    for name in entry.headers:
        if not TOKEN.fullmatch(name):
            faults.add(name.place, f"{shown(name)} is no header name. Use letters, digits and `-`")
    return [(name.encode(), value.encode()) for name, values in entry.headers.items() for value in values]


# https://www.rfc-editor.org/rfc/rfc9110#section-4.2.1, without the userinfo and fragment that no request carries:
#   http-URI = "http" "://" authority path-abempty [ "?" query ]
# Path and query may hold what is no URI character: how odd targets are judged can be an example too.
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^][:@/?#\s\\]+)(?::([0-9]{1,5}))?((?:[/?].*)?)")
_MAX_PORT = 65_535


def _request(written: Scalar, rule: Rule, faults: Faults) -> Request | None:
    """Return the request without headers, or None after a fault."""
    try:
        return _parsed(written, rule)
    except ValueError as error:
        faults.add(written.place, refusal(written, error))
        return None


def _parsed(written: str, rule: Rule) -> Request:
    """Read `METHOD URL`. `ValueError` says what is wrong with it."""
    method, _, url = written.partition(" ")
    if "://" in method:
        raise ValueError(f"{shown(written)} has no method. Write `GET` before the URL")
    _check_method(method, rule)
    _check_characters(url)
    found = _URL.fullmatch(url)
    if found is None or not 1 <= int(found[3] or 1) <= _MAX_PORT:
        message = f"{shown(written)} has no URL that names a host"
        raise ValueError(f"{message}. Write it as in `GET https://api.example.com/orgs/acme`")
    scheme, host, port, target = found.groups()
    name = host if port is None else f"{host}:{port}"
    # What a client percent-encodes before it sends it.
    sent = quote(target, safe=_ASCII)
    return Request(
        method=method.encode(),
        scheme=scheme.encode(),
        authorities=(Authority(name.encode(), 443 if scheme == "https" else 80),),
        listen_port=DEFAULT_PORT,
        target=(sent if sent.startswith("/") else f"/{sent}").encode(),
        headers=(),
    )


_ASCII = "".join(map(chr, range(128)))

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
# Of the others that are registered (https://www.iana.org/assignments/http-methods) these look like one of those.
_RARE_METHODS = frozenset({"ORDERPATCH", "PROPPATCH", "REPORT"})


def _check_method(method: str, rule: Rule) -> None:
    """Refuse what is no method. One that nobody knows is right if it is not near to one that exists."""
    if not TOKEN.fullmatch(method):
        raise ValueError(f"{shown(method)} is no method. Write one such as `GET`, a space and the URL")
    if method != method.upper():
        raise ValueError(f"methods are in upper case. Write `{method.upper()}`")
    listed = {known.decode() for known in rule.methods or ()}
    if method not in _METHODS | _RARE_METHODS | listed and (hint := did_you_mean(method, sorted(_METHODS | listed))):
        raise ValueError(f"unknown method {shown(method)}.{hint}")


def _check_characters(url: str) -> None:
    """Refuse what an author of policies may write in a URL and no client sends."""
    if "{" in url or "}" in url:
        raise ValueError(f"an example is a real request, and a brace in {shown(url)} captures nothing. Write a value")
    if " " in url:
        raise ValueError(f"a space in {shown(url)} ends the URL. Write `%20`")
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("what stands before `@` in this URL is not sent with it. Put the credential into `headers`")
    if "#" in url:
        raise ValueError(f"what follows `#` in {shown(url)} is not sent. Remove it, or write `%23`")


def _check_token_fits(
    entry: ExampleEntry, request: Request, body: bytes, place: CredentialPlace, faults: Faults
) -> None:
    """Refuse a token where the request has one already, or cannot take one."""
    name = place.name.decode()
    what = f"`token` goes into the {place.kind} {shown(name)}"
    types = [value.lower() for header, value in request.headers if canonical_name(header) == b"content-type"]
    if place.kind is PlaceKind.FORM and not all(value.startswith(_FORM.encode()) for value in types):
        faults.add(
            entry.request.place, f"{what}, where this rule looks for it first, and this body is no form. Make it one"
        )
    elif _has_credential(request, body, place):
        faults.add(entry.request.place, f"{what}, which this request has already. Keep one of the two")


def _has_credential(request: Request, body: bytes, place: CredentialPlace) -> bool:
    if place.kind is PlaceKind.QUERY:
        return bool(query_values(request.target.partition(b"?")[2], place.name))
    if place.kind is PlaceKind.FORM:
        return bool(query_values(body, place.name))
    if place.kind is PlaceKind.COOKIE:
        cookies = [value for name, value in request.headers if canonical_name(name) == b"cookie"]
        return bool(cookie_values(cookies, place.name))
    return any(canonical_name(name) == place.name for name, _ in request.headers)
