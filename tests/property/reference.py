"""What orgfence decides, written as plainly as it can be said: the oracle that the engine is held to.

It reads a policy as plain data, as the YAML file says it, and walks over everything: no index, no cache, no compiled
template. It is slow, and it shares no code with the engine but the record of a request and its parts.
"""

import base64
import json
import re
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from orgfence.core.request import Request

type Policy = dict[str, Any]
#: Normalised host and port.
type Name = tuple[bytes, int]

OBSERVE, ANNOTATE, BLOCK = "observe", "annotate", "block"
STRICTNESS = [OBSERVE, ANNOTATE, BLOCK]
ALLOWING = ["org_granted", "token_accepted", "not_judged"]
UNDETERMINED = ["token_opaque"]
UNAUTHENTICATED = ["token_expired", "token_not_yet_valid", "token_missing"]
#: The catalogue's order: of two failures that are enforced alike the earlier decides.
CATALOGUE = [
    *ALLOWING,
    *["org_not_granted", "org_claim_missing", "org_claim_empty", "org_claim_malformed", "org_absent"],
    *["org_ambiguous", "scope_missing", "token_malformed", "issuer_untrusted", "credential_too_large", "no_rule"],
    *[*UNAUTHENTICATED, "credential_ambiguous", "path_ambiguous", "token_opaque"],
]


class Said(NamedTuple):
    """What one rule says."""

    #: Empty for `no_rule`, which no rule says.
    rule: str
    reason: str
    enforcement: str

    @property
    def verdict(self) -> str:
        """The verdict that the reason belongs to."""
        if self.reason in ALLOWING:
            return "allow"
        return "undetermined" if self.reason in UNDETERMINED else "mismatch"

    @property
    def order(self) -> tuple[int, int, str]:
        """The place among those of which the first decides."""
        return -STRICTNESS.index(self.enforcement), CATALOGUE.index(self.reason), self.rule


class Judgement(NamedTuple):
    """All that is said of a request, and what becomes of it."""

    said: frozenset[Said]
    deciding: Said | None
    action: str


class Reading(NamedTuple):
    """One way to read the request: a path in segments and a query."""

    segments: tuple[bytes, ...]
    query: bytes


class Answer(NamedTuple):
    """What one rule says of one reading under one name of the host, and the orgs that it compared."""

    reason: str
    requested: frozenset[bytes] = frozenset()
    granted: frozenset[bytes] = frozenset()


def judge(policy: Policy, request: Request, now: float) -> Judgement:
    """Decide a request."""
    names = guarded_names(policy, request)
    said = {judge_by(policy, rule, request, now) for rule in policy["rules"]} - {None}
    if policy.get("unmatched") == BLOCK and not is_preflight(request):
        if any(not is_matched(policy, request, name) for name in names):
            said.add(Said("", "no_rule", BLOCK))

    failing = [one for one in said if one is not None and one.verdict != "allow"]
    allowing = [one for one in said if one is not None and one.verdict == "allow"]
    if failing:
        deciding = min(failing, key=lambda one: one.order)
        action = {OBSERVE: "forwarded", ANNOTATE: "annotated", BLOCK: "blocked"}[deciding.enforcement]
    elif allowing:
        deciding, action = min(allowing, key=lambda one: one.order), "forwarded"
    else:
        return Judgement(frozenset(), None, "unmatched")
    return Judgement(frozenset(failing + allowing), deciding, action)


def judge_by(policy: Policy, rule: Policy, request: Request, now: float) -> Said | None:
    """Decide by one rule; None: it does not match."""
    found = [
        (Said(rule["id"], reason, enforcement(policy, rule, reason)), is_plain)
        for reason, is_plain in reasons(policy, rule, request, now)
    ]
    failing = [(one, is_plain) for one, is_plain in found if one.verdict != "allow"]
    if failing:
        # The strictest; then that of the path as it stands; then the catalogue's order.
        return min(failing, key=lambda item: (item[0].order[0], not item[1], item[0].order[1]))[0]
    # It is granted only if it is in every reading.
    return max((one for one, _ in found), key=lambda one: one.order, default=None)


def reasons(policy: Policy, rule: Policy, request: Request, now: float) -> list[tuple[str, bool]]:
    """Return what a rule says of each reading, and whether that is the path as it stands."""
    plain, others = readings_of(request)
    found = [(answer.reason, True) for answer in answers(policy, rule, request, plain, now)]
    if others is None:
        anything = Reading((), b"")
        matches = [
            name for name in guarded_names(policy, request) if applies(rule, request, name, anything, any_path=True)
        ]
        return found + [("path_ambiguous", False) for _ in matches]
    for reading in others:
        for answer in answers(policy, rule, request, reading, now):
            stays = answer.reason in [*ALLOWING, *UNDETERMINED, *UNAUTHENTICATED]
            found.append((answer.reason if stays else "path_ambiguous", False))
    return found


def answers(policy: Policy, rule: Policy, request: Request, reading: Reading, now: float) -> list[Answer]:
    """Return what a rule that matches says of one reading, under each name of the host that it is for."""
    return [
        answer(policy, rule, request, name, reading, now)
        for name in guarded_names(policy, request)
        if applies(rule, request, name, reading)
    ]


def answer(policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, now: float) -> Answer:
    """Make the checks in their order; the first that fails is the reason."""
    passing = rule.get("pass_without", [])
    credential = credential_of(rule, request, reading.query)
    if credential == "token_missing" and ("token" in passing or is_preflight(request)):
        return Answer("not_judged")
    if isinstance(credential, str):
        return Answer(credential)

    token = read_token(policy, credential, rule.get("token", {}).get("issuer"))
    if isinstance(token, str):
        return Answer(token)

    orgs = judge_orgs(policy, rule, request, name, reading, token)
    if orgs.reason not in ALLOWING:
        return orgs
    if not set(rule.get("token", {}).get("scopes", [])) <= token.scopes:
        return Answer("scope_missing")
    if any(now < start - token.leeway for start in token.starts):
        return Answer("token_not_yet_valid")
    if any(now >= end + token.leeway for end in token.ends):
        return Answer("token_expired")
    return orgs


def judge_orgs(policy: Policy, rule: Policy, request: Request, name: Name, reading: Reading, token: "Token") -> Answer:
    """Compare the requested with the granted orgs."""
    if "org" not in rule:
        return Answer("token_accepted")
    passing = rule.get("pass_without", [])
    if any(is_dropped(request, source["header"]) for source in listed(rule["org"]) if "header" in source):
        return Answer("org_ambiguous")
    requested = frozenset(same_org(policy, value) for value in requested_orgs(rule, request, name, reading))
    if not requested:
        return Answer("not_judged" if "org" in passing else "org_absent")

    coverage = rule.get("token", {}).get("coverage") or ("member" if token.active == "org_claim_missing" else "active")
    granted = token.active if coverage == "active" else token.member
    if granted == "org_claim_missing" and "claim" in passing:
        return Answer("not_judged", requested)
    if isinstance(granted, str):
        return Answer(granted, requested)
    return Answer("org_granted" if requested <= granted else "org_not_granted", requested, granted)


def enforcement(policy: Policy, rule: Policy, reason: str) -> str:
    """Return what a rule does for a reason."""
    usual: str = rule.get("enforcement") or policy.get("enforcement") or ANNOTATE
    if reason in UNDETERMINED:
        return rule.get("undetermined") or policy.get("undetermined") or usual
    if reason in UNAUTHENTICATED:
        at_most = rule.get("token", {}).get("unauthenticated", ANNOTATE)
        return min(at_most, usual, key=STRICTNESS.index)
    return usual


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and one value as a list of one."""
    return value if isinstance(value, list) else [value]


# What a rule is for.


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


METHOD_OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override"]
PATH_OVERRIDES = ["x-original-url", "x-rewrite-url"]


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


# What stands in a request.


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
        found += [value for value in values if not found or value not in found] if found else values
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


def same_org(policy: Policy, value: bytes) -> bytes:
    """Return the id that a value stands for."""
    for name, entry in policy.get("orgs", {}).items():
        if lower_uuid(value) in [lower_uuid(word.encode()) for word in (name, *entry.get("aliases", []))]:
            value = entry["id"].encode()
    return lower_uuid(value)


def lower_uuid(value: bytes) -> bytes:
    """Return a UUID in lower case, anything else as it is."""
    is_uuid = re.fullmatch(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value)
    return value.lower() if is_uuid else value


# What stands in a credential.


class Token(NamedTuple):
    """A token that was read; orgs are a set, or the reason why there are none."""

    active: frozenset[bytes] | str
    member: frozenset[bytes] | str
    scopes: set[str]
    starts: list[float]
    ends: list[float]
    leeway: float


def read_token(policy: Policy, credential: bytes, named: str | None) -> Token | str:
    """Read a credential as its issuer's tokens are read, or say why it cannot be."""
    issuers: Policy = policy["issuers"]
    decoded = read_jwt(credential)
    if decoded == "token_malformed":
        return decoded
    without_iss = [name for name, issuer in issuers.items() if "iss" not in issuer]
    if decoded is None:
        candidates = [named] if named else without_iss
        documents: Policy = {"opaque": credential.decode()} if is_text(credential) else {}
    else:
        header, claims = decoded
        claimants = [name for name, issuer in issuers.items() if "iss" in issuer and issuer["iss"] == claims.get("iss")]
        candidates = claimants or (without_iss if isinstance(claims.get("iss", ""), str) else [])
        documents = {"claim": claims, "jose": header}
        if named is not None:
            candidates = [name for name in candidates if name == named]
    if len(candidates) != 1:
        return "token_opaque" if decoded is None else "issuer_untrusted"

    issuer = issuers[candidates[0]]
    named_orgs = issuer.get("claims", {})
    active = orgs_in(policy, listed(named_orgs.get("active", [])), documents)
    member = orgs_in(policy, listed(named_orgs.get("member", [])), documents)
    if decoded is None and active == member == "org_claim_missing":
        return "token_opaque"
    claims = documents.get("claim", {})
    return Token(
        active="org_claim_malformed" if not isinstance(active, str) and len(active) > 1 else active,
        member=member,
        scopes=scopes_in(listed(named_orgs.get("scopes", [])), documents),
        starts=[claims[name] for name in ("nbf", "iat") if name in claims],
        ends=[claims["exp"]] if "exp" in claims else [],
        leeway=float(issuer.get("leeway", "30s").removesuffix("s")),
    )


def is_text(credential: bytes) -> bool:
    """Return whether it is UTF-8."""
    try:
        credential.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_jwt(credential: bytes) -> tuple[Policy, Policy] | str | None:
    """Decode a JWT: its header and claims, `token_malformed`, or None for what is no JWT."""
    parts = credential.split(b".")
    if len(parts) != 3:
        return None
    header = read_part(parts[0])
    if header is None or "alg" not in header:
        return None
    claims = read_part(parts[1])
    if claims is None or b"=" in credential:
        return "token_malformed"
    times = [claims[name] for name in ("exp", "nbf", "iat") if name in claims]
    if not all(type(time) in (int, float) for time in times):
        return "token_malformed"
    return header, claims


def read_part(part: bytes) -> Policy | None:
    """Decode one part of a JWT; None if that is no JSON object, or has a name twice."""
    try:
        text = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)).decode()
        items = json.loads(text, object_pairs_hook=Items)
    except ValueError:
        return None
    return plain_json(items) if isinstance(items, Items) and not has_name_twice(items) else None


class Items(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def plain_json(value: Any) -> Any:
    """Make dicts of objects."""
    if isinstance(value, Items):
        return {name: plain_json(item) for name, item in value}
    return [plain_json(item) for item in value] if isinstance(value, list) else value


def has_name_twice(value: Any) -> bool:
    """Return whether some object has two members of one name."""
    if isinstance(value, Items):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(has_name_twice(item) for _, item in value)
    return isinstance(value, list) and any(has_name_twice(item) for item in value)


def orgs_in(policy: Policy, selectors: list[Any], documents: Policy) -> frozenset[bytes] | str:
    """Return the union of the orgs that the selectors find."""
    texts: list[str] = []
    is_there = False
    for selector in selectors:
        found = select(selector, documents)
        is_there = is_there or found is not None
        if not all(is_id(value) for value in found or []):
            return "org_claim_malformed"
        texts += [str(value) for value in found or []]
    orgs = frozenset(same_org(policy, text.encode()) for text in texts if text)
    if not orgs:
        return "org_claim_empty" if is_there else "org_claim_missing"
    return orgs


def scopes_in(selectors: list[Any], documents: Policy) -> set[str]:
    """Return the union of the scopes that the selectors find."""
    found = [value for selector in selectors for value in select(selector, documents) or []]
    return {scope for value in found if isinstance(value, str) for scope in value.split(" ") if scope}


def select(selector: Any, documents: Policy) -> list[Any] | None:
    """Return the single values that a selector finds, None where it finds nothing."""
    if isinstance(selector, str):
        selector = {"claim": selector}
    source = next(name for name in ("claim", "jose", "opaque") if name in selector)
    if source not in documents:
        return None
    template = selector.get("template")
    values = [documents[source]]
    if source == "opaque":
        template = selector["opaque"]
    else:
        values = follow(documents[source], steps_of(selector[source]))

    items: list[Any] = []
    for value in values:
        if isinstance(value, str) and "split" in selector:
            items += [part.strip(" ") for part in value.split(selector["split"])]
        else:
            items += value if isinstance(value, list | dict) else [value]
    if template is None:
        return items if values else None
    if not all(is_id(item) for item in items):
        return items
    return [org for item in items if (org := org_in(template, str(item))) is not None] or None


def is_id(value: Any) -> bool:
    """Return whether a value is of a kind that an org id can be."""
    return isinstance(value, str) or type(value) is int


def steps_of(pointer: str) -> list[str]:
    """Return the steps to a claim, by its name or by a JSON Pointer."""
    if not pointer.startswith("/"):
        return [pointer]
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def follow(value: Any, steps: list[str]) -> list[Any]:
    """Return every value at the end of the steps; where `*` is for the items of nothing, that nothing."""
    if not steps:
        return [value]
    if steps[0] == "*" and value in ([], {}):
        return [[]]
    children: list[Any] = []
    if isinstance(value, dict):
        children = [item for name, item in value.items() if steps[0] in ("*", name)]
    elif isinstance(value, list):
        children = [item for index, item in enumerate(value) if steps[0] in ("*", str(index))]
    return [found for child in children for found in follow(child, steps[1:])]


def org_in(template: str, text: str) -> str | None:
    """Return what `{org}` captures; None where the text does not match."""
    pattern = re.escape(template).replace(r"\{org\}", "(?P<org>ONE)").replace(r"\{any\}", "ONE")
    pattern = pattern.replace("ONE", r"[^/?#@\\ ]+?").replace(re.escape("**"), "(?s:.*)")
    matched = re.fullmatch(pattern, text)
    return matched["org"] if matched else None


# How a path may be read.


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


def read(target: bytes) -> Reading:
    """Read a path as it stands, each segment decoded once; a slash at the end makes no difference."""
    path, _, query = target.partition(b"?")
    segments = path.removesuffix(b"/").removeprefix(b"/").split(b"/")
    empty = not path.removesuffix(b"/")
    return Reading(() if empty else tuple(unquote_to_bytes(segment) for segment in segments), query)


def every_reading(target: bytes) -> list[Reading] | None:
    """Return what every composition of steps leads to; None: more than 64, or the path has over 8 KiB."""
    states = every_state(target)
    readings = {read_state(*state) for state in states}
    if len(readings) > 64 or (len(readings) > 1 and len(target.partition(b"?")[0]) > 8192):
        return None
    return list(readings)


def every_state(target: bytes) -> dict[tuple[bytes, bytes], None]:
    """Return the paths, still encoded, that compositions of steps lead to; no more than it takes to see 65 readings."""
    path, _, query = target.partition(b"?")
    # A space ends the target where it is written into a request line.
    states = {(path, query): None, (path.partition(b" ")[0], query): None}
    waiting = list(states)
    for state in waiting:
        for step in steps(*state):
            if step not in states:
                states[step] = None
                waiting.append(step)
        if len({read_state(*each) for each in states}) > 64:
            break
    return states


def may_give_up(request: Request) -> bool:
    """Return whether a path has so many states, if not readings, that the engine may leave them untried."""
    paths = [request.target, *(value for name in PATH_OVERRIDES for value in values_of(request, name))]
    return any(len(every_state(path)) > 250 and every_reading(path) is not None for path in paths)


def read_state(path: bytes, query: bytes) -> Reading:
    """Read a path that is apart from its query, and may hold a `?` of its own."""
    return read(path.replace(b"?", b"%3F"))._replace(query=query)


def steps(path: bytes, query: bytes) -> list[tuple[bytes, bytes]]:
    """Return what a server might make of a path that is still encoded."""
    taken = [
        unquote_to_bytes(path),  # decoded before it is split
        re.sub(rb"(?i)%2f", b"/", path),  # separators
        path.replace(b"\\", b"/"),
        re.sub(rb"(?i)%5c", b"/", path),
        resolved(path, path),  # dot segments
        resolved(path, re.sub(rb"(?i)%2e", b".", path)),
        re.sub(rb"//+", b"/", path),  # empty segments
        re.sub(rb"\A//[^/]*", b"", path),  # an authority
        re.sub(rb"\A//+[^/]+", b"", path),
        re.sub(rb";[^/]*", b"", path),  # parameters
        re.sub(rb"(?i)(;|%3b)[^/]*", b"", path),
        re.sub(rb"(?s)#.*", b"", path),  # the end
        re.sub(rb"(?is)%23.*", b"", path),
        re.sub(rb"(?s)\0.*", b"", path),
        re.sub(rb"(?s)%00.*", b"", path),
        re.sub(rb"[\t\r\n]", b"", path),  # taken out
        re.sub(rb"\A[A-Za-z][A-Za-z0-9+.-]*:", b"", path),  # an absolute URL
        re.sub(rb"\A[A-Za-z][A-Za-z0-9+.-]*:/*[^/]*", b"", path),
        without_overlong_forms(path),  # ASCII in disguise
        re.sub(rb"(?i)%u([0-9a-f]{4})", u_escape, path),
    ]
    ended = [re.split(mark, path, maxsplit=1) for mark in (rb"\?", rb"(?i)%3f")]
    return [(one, query) for one in taken] + [
        (parts[0], parts[1] + b"&" + query if query else parts[1]) for parts in ended if len(parts) == 2
    ]


def resolved(path: bytes, as_seen: bytes) -> bytes:
    """Resolve the dot segments that are seen in a path."""
    kept: list[bytes] = []
    for segment, seen in zip(path.split(b"/"), as_seen.split(b"/"), strict=True):
        if seen == b"..":
            kept = kept[:1] if path.startswith(b"/") and len(kept) == 1 else kept[:-1]
        elif seen != b".":
            kept.append(segment)
    return b"/".join(kept)


def without_overlong_forms(path: bytes) -> bytes:
    """Put ASCII for the longer forms of it that UTF-8 forbids."""
    for code in range(128):
        last = 0x80 | code & 0x3F
        for form in ([0xC0 | code >> 6, last], [0xE0, 0x80 | code >> 6, last], [0xF0, 0x80, 0x80 | code >> 6, last]):
            path = path.replace(bytes(form), bytes([code]))
    return path


def u_escape(escape: re.Match[bytes]) -> bytes:
    """Write `%u002F` as `%2F`."""
    return b"".join(b"%%%02X" % byte for byte in chr(int(escape[1], 16)).encode("utf-8", "surrogatepass"))
