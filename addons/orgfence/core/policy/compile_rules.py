"""From the rules of a policy to records, and to the routes that lead to them."""

import re
from collections.abc import Callable, Iterable
from itertools import product

from orgfence.core.decision import Enforcement
from orgfence.core.orgs import OrgNames
from orgfence.core.policy.compile_places import TOKEN, Captures, credential_places, org_sources
from orgfence.core.policy.compile_tokens import check_token
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.index import Route
from orgfence.core.policy.model import PolicyFile, RuleEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.templates import HostTemplate, PathTemplate
from orgfence.core.policy.wording import shown
from orgfence.core.rule import Coverage, PlaceKind, Rule

# Ten thousand rules with twenty pairs of host and path each; the index of so many takes some 100 MB.
MAX_ROUTES = 200_000

_DEFAULT = "annotate"


def compile_rules(policy: PolicyFile, orgs: OrgNames, faults: Faults, *, all_issuers: bool) -> list[Route]:
    """Return the routes to all rules. `all_issuers`: the policy has all the issuers that the file has."""
    if policy.rules and not policy.issuers and all_issuers:
        faults.add(policy.rules[0].id.place, "rules, and no issuer to read their tokens by. Add `issuers`")
    known: dict[str, Scalar] = {}
    routes: list[Route] = []
    for entry in policy.rules:
        _check_id(entry.id, known, faults)
        if policy.issuers:
            check_token(entry, policy.issuers, faults, complete=all_issuers)
        pairs = len(entry.match.hosts) * len(entry.match.paths or [None])
        if len(routes) + pairs > MAX_ROUTES:
            faults.stop(
                entry.id.place,
                f"more than {MAX_ROUTES} pairs of host and path. Use `{{name}}`, `*` and `**` for several",
            )
        routes += _routes(entry, policy, orgs, faults)
    return routes


# Rule ids are labels of metrics, and stand in the header that marks a request.
_ID = re.compile(r"[A-Za-z0-9._/-]{1,64}")


def _check_id(rule_id: Scalar, known: dict[str, Scalar], faults: Faults) -> None:
    first = known.setdefault(rule_id, rule_id)
    if not _ID.fullmatch(rule_id):
        faults.add(rule_id.place, f"{shown(rule_id)} is no rule id. Use letters, digits and `-_./`, 64 at most")
    elif rule_id.startswith("oauth/"):
        faults.add(rule_id.place, "ids that begin with `oauth/` are for OAuth decisions. Choose another")
    elif first is not rule_id:
        faults.add(
            rule_id.place, f"the rule on line {first.place.line} has the id {shown(rule_id)} already. Choose another"
        )


_EVERY_PATH = PathTemplate.parse("/**")


def _routes(entry: RuleEntry, policy: PolicyFile, orgs: OrgNames, faults: Faults) -> list[Route]:
    """Return the routes to one rule: each of its hosts with each of its paths."""
    host_texts, path_texts = entry.match.hosts, entry.match.paths or ()
    hosts = _parsed(HostTemplate.parse, host_texts, faults)
    paths = _parsed(PathTemplate.parse, path_texts, faults)
    captures = {
        # What a template with a fault captures is not known.
        PlaceKind.HOST: _names(hosts) if len(hosts) == len(host_texts) else None,
        PlaceKind.PATH: _names(paths) if len(paths) == len(path_texts) else None,
    }
    rule = _rule(entry, policy, orgs, captures, faults)
    # A template that is listed twice must not make the rule decide twice.
    pairs = product(dict.fromkeys(hosts), dict.fromkeys(paths or [_EVERY_PATH]))
    return [Route(rule, host, path) for host, path in pairs]


def _rule(entry: RuleEntry, policy: PolicyFile, orgs: OrgNames, captures: Captures, faults: Faults) -> Rule:
    match, token = entry.match, entry.token
    excepted = [path for exception in entry.exceptions for path in exception.paths or ()]
    places = credential_places(token.places, faults)
    enforcement = entry.enforcement or policy.enforcement or _DEFAULT
    return Rule(
        id=str(entry.id),
        methods=None if match.methods is None else _methods(match.methods, faults),
        listen=None if match.listen is None else frozenset(match.listen),
        except_paths=tuple(_parsed(PathTemplate.parse, excepted, faults)),
        org=org_sources(entry.org, captures, places, orgs, faults),
        issuer=None if token.issuer is None else str(token.issuer),
        places=places,
        scopes=frozenset(scope.encode() for scope in token.scopes),
        coverage=None if token.coverage is None else Coverage(token.coverage),
        pass_without_token="token" in entry.pass_without,
        pass_without_org="org" in entry.pass_without,
        pass_without_claim="claim" in entry.pass_without,
        enforcement=Enforcement[enforcement.upper()],
        undetermined=Enforcement[(entry.undetermined or policy.undetermined or enforcement).upper()],
        unauthenticated=Enforcement[(token.unauthenticated or _DEFAULT).upper()],
    )


def _parsed[T](parse: Callable[[str], T], texts: Iterable[Scalar], faults: Faults) -> list[T]:
    """Return the templates, but for those with a fault."""
    templates = []
    for text in texts:
        try:
            templates.append(parse(str(text)))
        except ValueError as error:
            faults.add(text.place, str(error))
    return templates


def _names(templates: Iterable[HostTemplate | PathTemplate]) -> frozenset[bytes]:
    return frozenset().union(*(template.names for template in templates))


def _methods(texts: Iterable[Scalar], faults: Faults) -> frozenset[bytes]:
    for text in texts:
        if text == "*":
            faults.add(text.place, "`*` is no method. Leave out `methods` for every method")
        elif not TOKEN.fullmatch(text):
            faults.add(text.place, f"{shown(text)} is no method. Write one such as `GET`")
        elif text != text.upper():
            # https://www.rfc-editor.org/rfc/rfc9110#section-9.1: case-sensitive, and those that exist are upper case.
            faults.add(text.place, f"methods are in upper case. Write `{text.upper()}`")
    return frozenset(text.encode() for text in texts)
