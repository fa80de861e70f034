"""How the reference reads a request: what it is for, by the rule's templates, and what stands in it."""

import re
from urllib.parse import unquote_to_bytes

from tests.property.reference_path import Reading, every_reading, every_state, read
from tests.property.reference_token import Policy, listed

from orgfence.core.request import Request

#: Normalised host and port.
type Name = tuple[bytes, int]

METHOD_OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override"]
PATH_OVERRIDES = ["x-original-url", "x-rewrite-url"]


def guarded_names(policy: Policy, request: Request) -> list[Name]:
    """Return every host that the request names, as far as some rule is for it."""
    default = 443 if request.scheme == b"https" else 80
    named = [(authority.name, authority.default_port) for authority in request.authorities]
    named += [(value, default) for value in values_of(request, "host")]
    hosts = {read_name(name, port) for name, port in named}
    return [
        host
        for host in hosts
        if any(
            host_captures(template, host) is not None for rule in policy["rules"] for template in rule["match"]["hosts"]
        )
    ]


def read_name(name: bytes, default_port: int) -> Name:
    """Split a host from its port. Only plain names with or without a port are read here."""
    host, _, port = name.partition(b":")
    return host.lower().removesuffix(b"."), int(port or default_port)


def host_captures(template: str, name: Name) -> dict[str, bytes] | None:
    """Return what a host template captures; None: it does not match."""
    host, port = name
    pattern, _, wanted_port = template.lower().partition(":")
    if wanted_port and int(wanted_port) != port:
        return None
    if pattern == "*":
        return {}
    labels = host.split(b".")
    if pattern.startswith("*."):
        pattern = pattern.removeprefix("*.")
        above = len(labels) - len(pattern.split("."))
        if above < 1:
            return None
        labels = labels[above:]
    return captures(pattern.split("."), tuple(labels))


def path_captures(template: str, segments: tuple[bytes, ...]) -> dict[str, bytes] | None:
    """Return what a path template captures; None: it does not match."""
    pattern = template.removesuffix("/").split("/")[1:]
    if pattern[-1:] == ["**"]:
        pattern = pattern[:-1]
        segments = segments[: len(pattern)]
    return captures(pattern, segments)


def captures(pattern: list[str], parts: tuple[bytes, ...]) -> dict[str, bytes] | None:
    """Compare part by part."""
    if len(pattern) != len(parts):
        return None
    captured: dict[str, bytes] = {}
    for template, part in zip(pattern, parts, strict=True):
        before, brace, rest = template.replace("*", "{}").partition("{")
        name, _, behind = rest.partition("}")
        if not brace:
            if part != template.encode():
                return None
            continue
        if not re.fullmatch(re.escape(before.encode()) + b"(?s:.+)" + re.escape(behind.encode()), part):
            return None
        captured[name] = part[len(before.encode()) : len(part) - len(behind.encode())]
    return captured


def applies(rule: Policy, request: Request, name: Name, reading: Reading, *, any_path: bool = False) -> bool:
    """Return whether a rule is for a request by one of its names and one of its readings."""
    match = rule["match"]
    if all(host_captures(template, name) is None for template in match["hosts"]):
        return False
    if "methods" in match and not set(match["methods"]) & methods_of(request):
        return False
    if "listen" in match and request.listen_port not in match["listen"]:
        return False
    if any_path:
        return True
    excepted = [path for exception in rule.get("except", []) for path in exception["paths"]]
    if any(path_captures(path, reading.segments) is not None for path in excepted):
        return False
    return any(path_captures(path, reading.segments) is not None for path in match.get("paths", ["/**"]))


def is_matched(policy: Policy, request: Request, name: Name) -> bool:
    """Return whether a rule is for the request just as it stands, under one of its names."""
    as_it_stands = request._replace(
        headers=tuple(item for item in request.headers if canonical(item[0]) not in METHOD_OVERRIDES)
    )
    plain, _ = readings_of(request)
    return any(applies(rule, as_it_stands, name, plain) for rule in policy["rules"])


def methods_of(request: Request) -> set[str]:
    """Return every method that the request may be taken for."""
    overrides = [value for name in METHOD_OVERRIDES for value in values_of(request, name)]
    methods = {method.decode("latin-1") for method in (request.method, request.method.upper())}
    methods |= {override.decode("latin-1").upper() for override in overrides}
    return methods | {"GET"} if "HEAD" in methods else methods


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks what it may ask. It sends no credential with that, and overrides nothing."""
    names = {canonical(name) for name, _ in request.headers}
    asks = request.method == b"OPTIONS" and {"origin", "access-control-request-method"} <= names
    return asks and names.isdisjoint({"authorization", "cookie", *METHOD_OVERRIDES})


def readings_of(request: Request) -> tuple[Reading, list[Reading] | None]:
    """Return the reading of the path as it stands, and all others; None: too many."""
    plain = read(request.target)
    others = every_reading(request.target)
    if others is not None:
        others.remove(plain)
    for name in PATH_OVERRIDES:
        for value in values_of(request, name):
            overriding = every_reading(value)
            if others is None or overriding is None:
                return plain, None
            both = [reading._replace(query=plain.query + b"&" + reading.query) for reading in overriding]
            others = others + (both if plain.query else overriding)
    return plain, others


def may_give_up(request: Request) -> bool:
    """Return whether a path has so many states, if not readings, that the engine may leave them untried."""
    paths = [request.target, *(value for name in PATH_OVERRIDES for value in values_of(request, name))]
    return any(len(every_state(path)) > 250 and every_reading(path) is not None for path in paths)


def canonical(name: bytes) -> str:
    """Return a field's name as names are compared."""
    return name.decode("latin-1").lower().replace("_", "-")


def values_of(request: Request, field: str) -> list[bytes]:
    """Return every value of a field."""
    return [value.strip() for name, value in request.headers if canonical(name) == field.lower().replace("_", "-")]


def is_dropped(request: Request, field: str) -> bool:
    """Return whether a field is there that `Connection` names, so that nobody knows whether it arrives."""
    named = [canonical(name.strip()) for value in values_of(request, "connection") for name in value.split(b",")]
    return bool(values_of(request, field)) and canonical(field.encode()) in named


def parameters(query: bytes, wanted: str) -> list[bytes]:
    """Return every value of a query parameter, parted at `&` and, where that gives others, at `;` too."""
    found: list[bytes] = []
    for pairs in (query.split(b"&"), re.split(b"[&;]", query)):
        split = [pair.partition(b"=") for pair in pairs]
        values = [decode_form(value) for name, _, value in split if decode_form(name) == wanted.encode()]
        found += [value for value in values if value not in found]
    return found


def decode_form(text: bytes) -> bytes:
    """Decode a part of a query."""
    return unquote_to_bytes(text.replace(b"+", b" "))


def cookies(request: Request, wanted: str) -> list[bytes]:
    """Return every value of a cookie."""
    pairs = [pair.partition(b"=") for field in values_of(request, "cookie") for pair in field.split(b";")]
    return [value.strip() for name, equals, value in pairs if equals and name.strip() == wanted.encode()]


def credential_of(rule: Policy, request: Request, query: bytes) -> bytes | str:
    """Return the one credential, or the reason why there is none to judge by."""
    found: list[bytes] = []
    for place in rule.get("token", {}).get("from", [{"header": "Authorization", "scheme": "Bearer"}]):
        here: list[bytes] = []
        field = None
        if "query" in place:
            here = [value for value in parameters(query, place["query"]) if value]
        elif "cookie" in place:
            field, here = "cookie", [value for value in cookies(request, place["cookie"]) if value]
        else:
            field, values = place["header"], values_of(request, place["header"])
            if len(values) > 1:
                return "credential_ambiguous"
            here = [value for value in values if value]
            if "scheme" in place:
                words = [word for value in values for word in value.split()]
                here = words[1:] if words and words[0].lower() == place["scheme"].lower().encode() else []
        if here and field is not None and is_dropped(request, field):
            return "credential_ambiguous"
        found += here
    if len(found) > 1:
        return "credential_ambiguous"
    if not found:
        return "token_missing"
    return "credential_too_large" if len(found[0]) > 16 * 1024 else found[0]


def requested_orgs(rule: Policy, request: Request, name: Name, reading: Reading) -> list[bytes]:
    """Return every org that a source gives: whatever any template of the rule that matches captures, for one."""
    by_path = [path_captures(path, reading.segments) or {} for path in rule["match"].get("paths", ["/**"])]
    by_host = [host_captures(host, name) or {} for host in rule["match"]["hosts"]]
    found: list[bytes] = []
    for source in listed(rule["org"]):
        match source:
            case {"path": capture}:
                found += [captured[capture] for captured in by_path if capture in captured]
            case {"host": capture}:
                found += [captured[capture] for captured in by_host if capture in captured]
            case {"header": field}:
                found += values_of(request, field)
            case {"query": parameter}:
                found += parameters(reading.query, parameter)
            case {"value": value}:
                found.append(value.encode())
    return found
