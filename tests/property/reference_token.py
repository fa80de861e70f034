"""How the reference reads a credential, and what is an org to it."""

import base64
import json
import re
from typing import Any, NamedTuple

#: What a policy file says, as plain data.
type Policy = dict[str, Any]


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and one value as a list of one."""
    return value if isinstance(value, list) else [value]


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


def salesforce_org(value: bytes) -> bytes:
    """Return a Salesforce id in its long form: letters behind it say which characters are upper case."""
    if not re.fullmatch(rb"[0-9A-Za-z]{15}", value):
        return value
    bits = "".join("1" if chr(byte).isupper() else "0" for byte in value)
    letters = ["ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[int(bits[start : start + 5][::-1], 2)] for start in (0, 5, 10)]
    return value + "".join(letters).encode()


class Token(NamedTuple):
    """A token that was read; orgs are a set, or the reason why there are none."""

    issuer: str
    #: All that it says, where it is a JWT.
    claims: Policy
    is_salesforce: bool
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
    if isinstance(decoded, str):
        return decoded
    without_iss = [name for name, issuer in issuers.items() if "iss" not in issuer]
    if decoded is None:
        candidates = [named] if named else without_iss
        documents: Policy = {"opaque": credential.decode()} if is_text(credential) else {}
    else:
        header, claims = decoded
        claimants = [name for name, issuer in issuers.items() if is_iss_of(issuer, claims.get("iss"))]
        candidates = claimants or (without_iss if isinstance(claims.get("iss", ""), str) else [])
        documents = {"claim": claims, "jose": header}
        if named is not None:
            candidates = [name for name in candidates if name == named]
    if len(candidates) != 1:
        return "token_opaque" if decoded is None else "issuer_untrusted"

    issuer = issuers[candidates[0]]
    named_orgs = issuer.get("claims", {})
    active = orgs_in(policy, issuer, listed(named_orgs.get("active", [])), documents)
    member = orgs_in(policy, issuer, listed(named_orgs.get("member", [])), documents)
    if decoded is None and active == member == "org_claim_missing":
        return "token_opaque"
    claims = documents.get("claim", {})
    return Token(
        issuer=candidates[0],
        claims=claims,
        is_salesforce="ids" in issuer,
        active="org_claim_malformed" if not isinstance(active, str) and len(active) > 1 else active,
        member=member,
        scopes=scopes_in(listed(named_orgs.get("scopes", [])), documents),
        starts=[claims[name] for name in ("nbf", "iat") if name in claims],
        ends=[claims["exp"]] if "exp" in claims else [],
        leeway=float(issuer.get("leeway", "30s").removesuffix("s")),
    )


def is_iss_of(issuer: Policy, iss: Any) -> bool:
    """Return whether an issuer's tokens carry this `iss`."""
    return isinstance(iss, str) and any(
        captures_of(template, iss) is not None for template in listed(issuer.get("iss", []))
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
    if claims is None or not all(re.fullmatch(rb"[A-Za-z0-9_-]*", part) and len(part) % 4 != 1 for part in parts):
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


def orgs_in(policy: Policy, issuer: Policy, selectors: list[Any], documents: Policy) -> frozenset[bytes] | str:
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
    if "ids" in issuer:
        orgs = frozenset(salesforce_org(org) for org in orgs)
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
            items += held_by(value)
    if template is None:
        return items if values else None
    if not all(is_id(item) for item in items):
        return items
    return [found["org"] for item in items if (found := captures_of(template, str(item))) is not None] or None


def is_excepted(exception: Policy, token: Token) -> bool:
    """Return whether a token has, in each claim that an exception names, one of the values that it lists."""
    return all(
        not words_in(token.claims, claim).isdisjoint(str(value) for value in listed(values))
        for claim, values in exception["claims"].items()
    )


def words_in(claims: Policy, claim: str) -> set[str]:
    """Return the values of a claim as a policy writes them."""
    words: set[str] = set()
    for value in follow(claims, steps_of(claim)):
        for item in held_by(value):
            if is_id(item):
                words.add(str(item))
            elif isinstance(item, bool):
                words.add("true" if item else "false")
    return words


def held_by(value: Any) -> list[Any]:
    """Return the items of a list, or the keys of a map that it does not deny."""
    if isinstance(value, dict):
        return [key for key, held in value.items() if held is not False and held is not None]
    return listed(value)


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


def captures_of(template: str, text: str) -> dict[str, str] | None:
    """Return what a text template captures; None where the text does not match."""
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/?#@\\\\ ]+?)", re.escape(template))
    matched = re.fullmatch(pattern.replace(re.escape("**"), "(?s:.*)"), text)
    return matched.groupdict() if matched else None
