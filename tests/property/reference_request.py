"""How the reference reads a request: what it is for, by the rule's templates, and what stands in it."""

import re

from tests.property.reference_body import Body, form_values, json_values
from tests.property.reference_names import Values, cookies, decode_form, decoded, is_taken_for_cookie, parameters
from tests.property.reference_path import Reading, Slash, every_reading, every_state, read
from tests.property.reference_token import Policy, listed

from orgfence.core.request import Request

#: Normalised host and port; `ANY_PORT`: at whichever it was asked.
type Name = tuple[bytes, int]
ANY_PORT = -1

METHOD_OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override"]
PATH_OVERRIDES = ["x-original-url", "x-rewrite-url"]
HOST_OVERRIDES = ["x-forwarded-host", "x-original-host", "x-forwarded-server", "x-host", "x-http-host-override"]


def guarded_names(policy: Policy, request: Request) -> list[Name]:
    """Return every host that the request names, as far as some rule is for it."""
    default = 443 if request.scheme == b"https" else 80
    named = [(authority.name, authority.default_port) for authority in request.authorities]
    named += [(value, default) for value in values_of(request, "host")]
    return _guarded(policy, {read_name(name, port) for name, port in named})


def own_hosts(request: Request) -> set[bytes]:
    """Return every host that the request names itself, without the ports."""
    named = [*(authority.name for authority in request.authorities), *values_of(request, "host")]
    return {read_name(name, 0)[0] for name in named}


def overriding_names(policy: Policy, request: Request) -> list[Name]:
    """Return every other host that a field puts in the place of the request's own, as far as some rule is for it."""
    named = [item for field in HOST_OVERRIDES for value in values_of(request, field) for item in value.split(b",")]
    pairs = [pair for value in values_of(request, "forwarded") for pair in re.split(b"[,;]", value)]
    named += [pair.partition(b"=")[2] for pair in pairs if pair.partition(b"=")[0].strip().lower() == b"host"]
    hosts = {read_name(name.strip(b'" '), 0)[0] for name in named} - own_hosts(request)
    return _guarded(policy, {(host, ANY_PORT) for host in hosts})


def _guarded(policy: Policy, hosts: set[Name]) -> list[Name]:
    templates = [template for rule in policy["rules"] for template in rule["match"]["hosts"]]
    return [host for host in hosts if any(host_captures(template, host) is not None for template in templates)]


def read_name(name: bytes, default_port: int) -> Name:
    """Split a host from its port. Only plain names with or without a port are read here."""
    host, _, port = name.partition(b":")
    return host.lower().removesuffix(b"."), int(port or default_port)


def host_captures(template: str, name: Name) -> dict[str, bytes] | None:
    """Return what a host template captures; None: it does not match."""
    host, port = name
    pattern, _, wanted_port = template.lower().partition(":")
    if wanted_port and port not in {int(wanted_port), ANY_PORT}:
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


def path_captures(rule: Policy, template: str, reading: Reading) -> dict[str, bytes] | None:
    """Return what a path template of a rule captures; None: it does not match."""
    pattern, segments = template.removesuffix("/").split("/")[1:], reading.segments
    if pattern[-1:] == ["**"]:
        pattern = pattern[:-1]
        segments = segments[: len(pattern)]
    return captures(pattern, segments, ignore_case=rule["match"].get("ignore_case", False))


def captures(pattern: list[str], parts: tuple[bytes, ...], *, ignore_case: bool = False) -> dict[str, bytes] | None:
    """Compare part by part."""
    if len(pattern) != len(parts):
        return None
    captured: dict[str, bytes] = {}
    for template, part in zip(pattern, parts, strict=True):
        before, brace, rest = template.replace("*", "{}").partition("{")
        name, _, behind = rest.partition("}")
        matched = re.fullmatch(
            re.escape(before) + "((?s:.+))" * bool(brace) + re.escape(behind),
            part.decode("utf-8", "surrogateescape"),
            re.IGNORECASE if ignore_case else re.NOFLAG,
        )
        if matched is None:
            return None
        if brace:
            captured[name] = matched[1].encode("utf-8", "surrogateescape")
    return captured


def applies(rule: Policy, request: Request, name: Name, reading: Reading, *, any_path: bool = False) -> bool:
    """Return whether a rule is for a request by one of its names and one of its readings."""
    match = rule["match"]
    if all(host_captures(template, name) is None for template in match["hosts"]):
        return False
    is_anything = any_path and may_name_any_method(request)
    if "methods" in match and not is_anything and not set(match["methods"]) & methods_of(request, reading.query):
        return False
    if "listen" in match and request.listen_port not in match["listen"]:
        return False
    if any_path:
        return True
    exceptions = [exception for exception in rule.get("except", []) if "claims" not in exception]
    if any(is_at_one_of(rule, exception["paths"], reading) for exception in exceptions):
        return False
    return is_at_one_of(rule, match.get("paths", ["/**"]), reading)


def is_at_one_of(rule: Policy, paths: list[str], reading: Reading) -> bool:
    """Return whether a path, read so, is one of these."""
    return any(path_captures(rule, path, reading) is not None for path in paths)


def is_matched(policy: Policy, request: Request, name: Name) -> bool:
    """Return whether a rule is for the request just as it stands, under one of its names."""
    as_it_stands = request._replace(
        headers=tuple(item for item in request.headers if canonical(item[0]) not in METHOD_OVERRIDES)
    )
    readings = [(rule, read(request.target, slash_of(rule))._replace(query=b"")) for rule in policy["rules"]]
    return any(applies(rule, as_it_stands, name, reading) for rule, reading in readings)


def slash_of(rule: Policy) -> Slash:
    """Return what a rule says of encoded slashes."""
    slash: Slash = rule["match"].get("encoded_slash")
    return slash


def methods_of(request: Request, query: bytes) -> set[str]:
    """Return every method that the request may be taken for, in a reading with this query."""
    overrides = [value for name in METHOD_OVERRIDES for value in values_of(request, name)]
    methods = {method.decode("latin-1") for method in (request.method, request.method.upper())}
    methods |= {override.decode("latin-1").upper() for override in [*overrides, *named_methods(query)]}
    return methods | {"GET"} if "HEAD" in methods else methods


def named_methods(query: bytes) -> list[bytes]:
    """Return the methods that a query names by `_method`, as PHP makes names."""
    pairs = [piece.partition(b"=") for pieces in (query.split(b"&"), re.split(b"[&;]", query)) for piece in pieces]
    return [decode_form(value).strip() for name, _, value in pairs if is_taken_for_cookie(name, b"_method")]


def may_name_any_method(request: Request) -> bool:
    """Return whether a method may be named in a path that nobody can read, or in what stands in its place."""
    paths = [request.target, *(value for name in PATH_OVERRIDES for value in values_of(request, name))]
    return any("method" in decoded(path).lower() for path in paths)


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks what it may ask. It sends no credential with that, and overrides nothing."""
    names = {canonical(name) for name, _ in request.headers}
    asks = request.method == b"OPTIONS" and {"origin", "access-control-request-method"} <= names
    overrides = bool(named_methods(request.target.partition(b"?")[2]))
    return asks and names.isdisjoint({"authorization", "cookie", *METHOD_OVERRIDES}) and not overrides


def readings_of(rule: Policy, request: Request) -> tuple[Reading, list[Reading] | None]:
    """Return the reading of the path as it stands, and all others; None: too many."""
    slash = slash_of(rule)
    plain, readings = read(request.target, slash), every_reading(request.target, slash)
    if readings is None:
        return plain, None
    others = [reading for reading in readings if reading != plain]
    for name in PATH_OVERRIDES:
        for value in values_of(request, name):
            overriding = every_reading(value, slash)
            if overriding is None:
                return plain, None
            others += [reading._replace(query=plain.query + b"&" + reading.query) for reading in overriding]
    return plain, others


def may_give_up(policy: Policy, request: Request) -> bool:
    """Return whether paths have so many states, if not readings, or so long ones, that the engine may give up."""
    paths = [request.target, *(value for name in PATH_OVERRIDES for value in values_of(request, name))]
    slashes = {slash_of(rule) for rule in policy["rules"]}
    both = [(path, slash) for path in paths for slash in slashes]
    work = sum(
        100 + len(each) + len(query) + 12 * each.count(b"%") for one in both for each, query in every_state(*one)
    )
    is_much = work > 40_000 or any(len(every_state(*one)) > 250 for one in both)
    return is_much and any(every_reading(*one) is not None for one in both)


def canonical(name: bytes) -> str:
    """Return a field's name as names are compared."""
    return name.decode("latin-1").lower().replace("_", "-")


def values_of(request: Request, field: str) -> list[bytes]:
    """Return every value of a field."""
    return [value.strip() for name, value in request.headers if canonical(name) == field.lower().replace("_", "-")]


def is_dropped(request: Request, field: str) -> bool:
    """Return whether a field is there that `Connection` names, so that nobody knows whether it arrives."""
    return bool(values_of(request, field)) and canonical(field.encode()) in named_by_connection(request)


def named_by_connection(request: Request) -> list[str]:
    """Return the fields that a hop is to take out."""
    values = [*values_of(request, "connection"), *values_of(request, "proxy-connection")]
    return [canonical(name.strip()) for value in values for name in value.split(b",")]


def is_too_long(text: bytes, pieces: int) -> bool:
    """Return whether a query, or the cookies, are longer than servers read."""
    return len(text) > 64 * 1024 or pieces > 2048


def query_values(query: bytes, wanted: str) -> Values | None:
    """Find a query parameter; None: the query is too long."""
    return None if is_too_long(query, len(re.findall(b"[&;]", query))) else parameters(query, wanted.encode())


def cookie_values(request: Request, wanted: str) -> Values | None:
    """Find a cookie; None: there are too many."""
    fields = values_of(request, "cookie")
    joined = b"".join(fields)
    return (
        None if is_too_long(joined, max(joined.count(b"="), joined.count(b";"))) else cookies(fields, wanted.encode())
    )


def body_of(policy: Policy, rule: Policy, request: Request) -> Body:
    """Return the body, and what a rule takes it for."""
    units = {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}
    number, unit = re.findall("[0-9]+|[A-Za-z]+", policy.get("body_limit", "1MiB"))
    sources, places = listed(rule.get("org", [])), rule.get("token", {}).get("from", [])
    return Body(
        raw=request.body,
        types=values_of(request, "content-type"),
        codings=values_of(request, "content-encoding"),
        is_uncertain=not {"content-type", "content-encoding"}.isdisjoint(named_by_connection(request)),
        limit=int(number) * units[unit],
        may_be_json=any("body" in source for source in sources),
        may_be_form=any("form" in place for place in [*sources, *places]),
    )


def credential_of(rule: Policy, request: Request, query: bytes, body: Body) -> bytes | str:
    """Return the one credential, or the reason why there is none to judge by."""
    found: list[bytes] = []
    others: list[bytes] = []
    places = rule.get("token", {}).get("from", [{"header": "Authorization", "scheme": "Bearer"}])
    names = [name.encode() for place in places for name in place.values()]
    for place in places:
        here: list[bytes] = []
        field = None
        if "header" in place:
            field, values = place["header"], values_of(request, place["header"])
            if len(values) > 1:
                return "credential_ambiguous"
            here = [value for value in values if value]
            if "scheme" in place:
                words = [word for value in values for word in value.split()]
                here = words[1:] if words and words[0].lower() == place["scheme"].lower().encode() else []
        else:
            named = named_at(place, request, query, body)
            if named is None:
                return "body_unread" if "form" in place else "credential_ambiguous"
            field = "cookie" if "cookie" in place else None
            here = [value for value in named.exactly if value]
            (wanted,) = place.values()
            others += [
                value for name, value in named.otherwise if value and (name == wanted.encode() or name not in names)
            ]
        found += here
        if len(found) > 1 or (here and field is not None and is_dropped(request, field)):
            return "credential_ambiguous"
    if found and len(found[0]) > 16 * 1024:
        return "credential_too_large"
    if others and "names" not in rule["match"]:
        return "credential_ambiguous"
    return found[0] if found else "token_missing"


def named_at(place: Policy, request: Request, query: bytes, body: Body) -> Values | None:
    """Find what has a place's name in the query, the cookies or the form; None: it cannot be read."""
    if "query" in place:
        return query_values(query, place["query"])
    if "cookie" in place:
        return cookie_values(request, place["cookie"])
    return form_values(body, place["form"])


def is_org_dropped(rule: Policy, request: Request) -> bool:
    """Return whether nobody knows if a field that names the org arrives, and it matters whether it does."""
    sources = listed(rule["org"])
    fields = [source["header"] for source in sources if "header" in source and not source.get("strip")]
    fields += ["cookie" for source in sources if "cookie" in source]
    return any(is_dropped(request, field) for field in fields)


def requested_orgs(
    rule: Policy, request: Request, name: Name, reading: Reading, body: Body
) -> tuple[list[bytes], list[bytes]] | str:
    """Return every org that a source gives, and those that only another reading of a name gives; or what is wrong."""
    found: list[bytes] = []
    others: list[bytes] = []
    faults: list[str] = []
    for source in listed(rule["org"]):
        values = values_at(source, rule, request, name, reading, body)
        if values is None:
            faults.append("body_unread" if "body" in source or "form" in source else "org_ambiguous")
            continue
        found += parted(values.exactly, source)
        if "names" not in rule["match"]:
            others += parted([value for _, value in values.otherwise], source)
    if faults:
        return "body_unread" if "body_unread" in faults else faults[0]
    return found, others


def parted(values: list[bytes], source: Policy) -> list[bytes]:
    """Part the orgs that stand in one value."""
    if "split" not in source:
        return values
    return [part.strip(b" ") for value in values for part in value.split(source["split"].encode())]


def values_at(
    source: Policy, rule: Policy, request: Request, name: Name, reading: Reading, body: Body
) -> Values | None:
    """Return what one source gives: whatever any template of the rule that matches captures, for one."""
    match source:
        case {"query": parameter}:
            return query_values(reading.query, parameter)
        case {"cookie": cookie}:
            return cookie_values(request, cookie)
        case {"body": pointer}:
            return json_values(body, pointer, is_exact="names" in rule["match"])
        case {"form": field}:
            return form_values(body, field)
    return Values(unnamed_values(source, rule, request, name, reading), [])


def unnamed_values(source: Policy, rule: Policy, request: Request, name: Name, reading: Reading) -> list[bytes]:
    """Return what a source gives in which servers look for no name, or for one that all of them read alike."""
    match source:
        case {"path": capture}:
            by_path = [path_captures(rule, path, reading) or {} for path in rule["match"].get("paths", ["/**"])]
            return [captured[capture] for captured in by_path if capture in captured]
        case {"host": capture}:
            by_host = [host_captures(host, name) or {} for host in rule["match"]["hosts"]]
            return [captured[capture] for captured in by_host if capture in captured]
        case {"header": field}:
            return values_of(request, field)
    return [source["value"].encode()]
