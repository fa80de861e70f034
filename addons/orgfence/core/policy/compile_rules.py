"""From the rules of a policy to records, and to the routes that lead to them."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import product
from typing import NamedTuple

from orgfence.core.orgs import OrgNames
from orgfence.core.policy.compile_places import TOKEN, Captures, credential_places, org_sources
from orgfence.core.policy.compile_templates import parsed
from orgfence.core.policy.compile_tokens import check_token
from orgfence.core.policy.examples import Example, compile_examples
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.merged import Merged
from orgfence.core.policy.model import ExceptEntry, PolicyFile, RuleEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import refusal, shown
from orgfence.core.reason import Enforcement
from orgfence.core.routing.index import Route
from orgfence.core.routing.readings import EncodedSlash
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import ClaimsException, Issuer, PlaceKind, Rule
from orgfence.core.tokens.selectors import parse_pointer
from orgfence.core.tokens.token import Coverage, Trait

# Ten thousand rules with twenty pairs of host and path each; the index of so many takes some 100 MB.
MAX_ROUTES = 200_000

_DEFAULT = "annotate"


class CompiledRule(NamedTuple):
    """A rule, with what it was made of."""

    rule: Rule
    #: Each of its hosts with each of its paths.
    routes: tuple[Route, ...]
    entry: RuleEntry
    examples: tuple[Example, ...]


def compile_rules(policy: Merged, issuers: Mapping[str, Issuer], orgs: OrgNames, faults: Faults) -> list[CompiledRule]:
    """Return the rules of all files."""
    complete = "issuers" not in policy.incomplete
    known: dict[str, Scalar] = {}
    pairs = 0
    rules: list[CompiledRule] = []
    for file, entry in ((read.model, entry) for read in policy.files for entry in read.model.rules):
        if not known and not policy.issuers and complete:
            faults.add(entry.id.place, "rules, and no issuer to read their tokens by. Add `issuers`")
        _check_id(entry.id, known, faults)
        if policy.issuers:
            check_token(entry, policy.issuers, faults, complete=complete)
        pairs += len(entry.match.hosts) * len(entry.match.paths or [None])
        if pairs > MAX_ROUTES:
            faults.stop(
                entry.id.place,
                f"more than {MAX_ROUTES} pairs of host and path. Use `{{name}}`, `*` and `**` for several",
            )
        rule, routes = _rule_and_routes(entry, file, orgs, faults)
        rules.append(CompiledRule(rule, routes, entry, compile_examples(entry, rule, issuers, faults)))
    return rules


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
            rule_id.place,
            f"the rule on {first.place.seen_from(rule_id.place)} has the id {shown(rule_id)} already. Choose another",
        )


_EVERY_PATH = PathTemplate.parse("/**")


def _rule_and_routes(
    entry: RuleEntry, file: PolicyFile, orgs: OrgNames, faults: Faults
) -> tuple[Rule, tuple[Route, ...]]:
    """Return one rule, and each of its hosts with each of its paths."""
    host_texts, path_texts = entry.match.hosts, entry.match.paths or ()
    hosts = parsed(HostTemplate.parse, host_texts, faults)
    parse_path = partial(PathTemplate.parse, ignore_case=bool(entry.match.ignore_case))
    paths = parsed(parse_path, path_texts, faults)
    captures = {
        # What a template with a fault captures is not known.
        PlaceKind.HOST: _names(hosts) if len(hosts) == len(host_texts) else None,
        PlaceKind.PATH: _names(paths) if len(paths) == len(path_texts) else None,
    }
    rule = _rule(entry, file, orgs, captures, parse_path, faults)
    # A template that is listed twice must not make the rule decide twice.
    pairs = product(dict.fromkeys(hosts), dict.fromkeys(paths or [_EVERY_PATH]))
    return rule, tuple(Route(rule, host, path) for host, path in pairs)


type _ParsePath = Callable[[str], PathTemplate]


def _rule(
    entry: RuleEntry, file: PolicyFile, orgs: OrgNames, captures: Captures, parse_path: _ParsePath, faults: Faults
) -> Rule:
    match, token = entry.match, entry.token
    excepted = [path for exception in entry.exceptions if exception.claims is None for path in exception.paths or ()]
    places = credential_places(token.places, faults)
    enforcement = entry.enforcement or file.enforcement or _DEFAULT
    return Rule(
        id=str(entry.id),
        methods=None if match.methods is None else _methods(match.methods, faults),
        listen=None if match.listen is None else frozenset(match.listen),
        except_paths=tuple(parsed(parse_path, excepted, faults)),
        except_claims=tuple(
            _claims_exception(exception, parse_path, faults)
            for exception in entry.exceptions
            if exception.claims is not None
        ),
        encoded_slash=EncodedSlash(match.encoded_slash or EncodedSlash.BOTH),
        exact_names=match.names is not None,
        org=org_sources(entry.org, captures, places, orgs, faults),
        agree=bool(entry.agree),
        issuer=None if token.issuer is None else str(token.issuer),
        places=places,
        scopes=frozenset(scope.encode() for scope in token.scopes),
        coverage=None if token.coverage is None else Coverage(token.coverage),
        pass_without_token="token" in entry.pass_without,
        pass_without_org="org" in entry.pass_without,
        pass_without_claim="claim" in entry.pass_without,
        enforcement=Enforcement[enforcement.upper()],
        undetermined=Enforcement[(entry.undetermined or file.undetermined or enforcement).upper()],
        unauthenticated=Enforcement[(token.unauthenticated or _DEFAULT).upper()],
    )


def _claims_exception(entry: ExceptEntry, parse_path: _ParsePath, faults: Faults) -> ClaimsException:
    claims = []
    for name, values in (entry.claims or {}).items():
        try:
            pointer = parse_pointer(name)
        except ValueError as error:
            faults.add(name.place, refusal(name, error))
            continue
        claims.append(frozenset(Trait(pointer, value.encode()) for value in values))
    return ClaimsException(tuple(claims), tuple(parsed(parse_path, entry.paths or (), faults)))


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
