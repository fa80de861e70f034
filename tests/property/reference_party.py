"""Whose org a request names, and for whom its client is, as plainly as it can be said: part of the oracle."""

from tests.property.reference_path import Reading
from tests.property.reference_request import Name, host_captures, path_captures
from tests.property.reference_token import Policy, Token, listed

#: Which of the hosts of these policies others are covered by, beside themselves; `*` covers all.
COVERED = {
    "*.example.com": ["api.example.com", "{tenant}.api.example.com", "api.example.com:8443"],
    "api.example.com": ["api.example.com:8443"],
}


def compared(policy: Policy, rule: Policy, name: Name, reading: Reading, token: Token) -> list[Policy]:
    """Return the sources of a rule that are compared: not those that name another party here."""
    sources = listed(rule["org"])
    issuer = policy["issuers"][token.issuer]
    if not is_own_api(issuer, token.issuer, rule, name):
        return sources
    here = [entry if isinstance(entry, dict) else {"path": entry} for entry in issuer.get("other_party", [])]
    here = [entry for entry in here if captured(entry["path"], reading)]
    return [source for source in sources if not names_another(source, here, rule, reading)]


def is_own_api(issuer: Policy, issuer_name: str, rule: Policy, name: Name) -> bool:
    """Return whether the hosts by which the rule matches are the issuer's, or the rule says whose tokens it takes."""
    if "hosts" not in issuer or rule.get("token", {}).get("issuer") == issuer_name:
        return True
    matching = [host for host in rule["match"]["hosts"] if host_captures(host, name) is not None]
    return all(any(own in {host, "*"} or host in COVERED.get(own, []) for own in issuer["hosts"]) for host in matching)


def captured(template: str, reading: Reading) -> bool:
    """Return whether a path of an issuer's matches: case makes a difference."""
    return path_captures({"match": {}}, template, reading) is not None


def names_another(source: Policy, here: list[Policy], rule: Policy, reading: Reading) -> bool:
    """Return whether a source gives nothing but what one of these paths says is another's."""
    if "query" in source:
        return any(source["query"] in listed(entry.get("query", [])) for entry in here)
    if "path" not in source:
        return False
    paths = [path for path in rule["match"].get("paths", ["/**"]) if path_captures(rule, path, reading) is not None]
    own = {number for path in paths for number in numbers(path, f"{{{source['path']}}}")}
    others = {number for entry in here for number in numbers(entry["path"], "{")}
    return own != set() and own <= others


def numbers(template: str, wanted: str) -> set[int]:
    """Return which segments hold some text."""
    return {number for number, segment in enumerate(template.split("/")) if wanted in segment}


def with_client(policy: Policy, source: Policy, token: Token) -> list[Policy]:
    """Return a source as it is but for the client's: that is pinned to the client's org, if it has one."""
    if "client" not in source:
        return [source]
    clients = policy["issuers"][token.issuer].get("oauth", {}).get("clients", {})
    named = [client for client in (token.claims.get("client_id"), token.claims.get("azp")) if isinstance(client, str)]
    client = next(iter(named), None)
    return [{"value": clients[client]}] if client in clients else []
