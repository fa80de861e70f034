"""From an issuer's `oauth` to the rules that stand for its endpoints, and to the routes that lead to them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from orgfence.core.oauth.clients import plain_client
from orgfence.core.oauth.exchange import Endpoint, ExchangeRule
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.scopes import KnownScopes
from orgfence.core.orgs import OrgNames, canonical_id, salesforce_id
from orgfence.core.policy.compile_templates import parsed
from orgfence.core.policy.faults import Faults
from orgfence.core.policy.merged import Merged
from orgfence.core.policy.model import PolicyFile
from orgfence.core.policy.model_issuers import OAuthEntry
from orgfence.core.policy.wording import shown
from orgfence.core.reason import Enforcement
from orgfence.core.routing.index import Route
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import Rule

_DEFAULT = "annotate"
_PATHS = {
    Endpoint.AUTHORIZE: ("/oauth/authorize", "/oauth2/authorize"),
    Endpoint.PAR: ("/oauth/par", "/oauth2/par"),
    Endpoint.TOKEN: ("/oauth/token", "/oauth2/token"),
}
_METHODS = {
    Endpoint.AUTHORIZE: frozenset({b"GET", b"POST"}),
    Endpoint.PAR: frozenset({b"POST"}),
    Endpoint.TOKEN: frozenset({b"POST"}),
}


class Exchanges(NamedTuple):
    """What the policy's issuers make of the exchanges with them."""

    routes: tuple[Route, ...]
    #: By issuer, what decides on the answers of its token endpoint.
    answer_rules: Mapping[str, Rule]


def compile_oauth(name: str, entry: OAuthEntry, orgs: OrgNames, faults: Faults, *, salesforce_ids: bool) -> OAuthIssuer:
    """Return how an issuer's endpoints are spoken with."""
    for scope in entry.scopes or ():
        if " " in scope:
            faults.add(scope.place, f"{shown(scope)} is more than one scope. Make each a list item of its own")
    for parameter in entry.flags:
        if parameter in (entry.org_parameter or ()):
            faults.add(parameter.place, f"{shown(parameter)} is the `org_parameter` already. Keep one of them")
    in_form = salesforce_id if salesforce_ids else canonical_id
    return OAuthIssuer(
        name=name,
        org_parameters=tuple(map(str, entry.org_parameter or ())),
        flags={str(parameter): str(value) for parameter, value in entry.flags.items()},
        refresh_needs_scope=bool(entry.refresh_needs_scope),
        clients={
            plain_client(str(client)): in_form(orgs.normalise(org.encode())) for client, org in entry.clients.items()
        },
        scopes=None if entry.scopes is None else KnownScopes(map(str, entry.scopes)),
        known_orgs={in_form(org): name for org, name in orgs.ids.items()},
        salesforce_ids=salesforce_ids,
        block_responses=bool(entry.block_responses),
    )


def compile_exchanges(policy: Merged, issuers: Mapping[str, OAuthIssuer], faults: Faults) -> Exchanges:
    """Return the routes to the endpoints of these issuers."""
    routes: list[Route] = []
    answer_rules = {}
    for file, name, entry in (
        (read.model, name, issuer.oauth) for read in policy.files for name, issuer in read.model.issuers.items()
    ):
        if entry is None or name not in issuers:
            continue
        if entry.hosts is None:
            faults.add(
                name.place, f"`oauth` of {shown(name)} does not say where. Add `hosts: [login.example.com]` to it"
            )
            continue
        oauth = issuers[name]
        hosts = list(dict.fromkeys(parsed(HostTemplate.parse, entry.hosts, faults)))
        # What could be for any of them is answered by the first: a browser can read an OAuth error, and a client's
        # library nothing else.
        for endpoint, texts in (
            (Endpoint.TOKEN, entry.token),
            (Endpoint.PAR, entry.par),
            (Endpoint.AUTHORIZE, entry.authorize),
        ):
            paths = [PathTemplate.parse(text) for text in _PATHS[endpoint]]
            paths = paths if texts is None else parsed(PathTemplate.parse, texts, faults)
            rule = _rule(oauth, endpoint, entry, file)
            routes += [Route(rule, host, path) for host, path in product(hosts, dict.fromkeys(paths))]
        answer_rules[str(name)] = _answer_rule(_rule(oauth, Endpoint.TOKEN, entry, file))
    return Exchanges(tuple(routes), answer_rules)


def _rule(oauth: OAuthIssuer, endpoint: Endpoint, entry: OAuthEntry, file: PolicyFile) -> Rule:
    enforcement = entry.enforcement or file.enforcement or _DEFAULT
    return Rule(
        id=f"oauth/{oauth.name}",
        methods=_METHODS[endpoint],
        listen=None,
        except_paths=(),
        org=(),
        issuer=oauth.name,
        places=(),
        scopes=frozenset(),
        coverage=None,
        pass_without_token=False,
        pass_without_org=False,
        pass_without_claim=False,
        enforcement=Enforcement[enforcement.upper()],
        undetermined=Enforcement[(file.undetermined or enforcement).upper()],
        unauthenticated=Enforcement.OBSERVE,
        exchange=ExchangeRule(oauth, endpoint),
    )


def _answer_rule(rule: Rule) -> Rule:
    """Return what decides on an answer: no block of one burns what bought it, unless the policy wants that."""
    assert rule.exchange is not None
    most = Enforcement.BLOCK if rule.exchange.issuer.block_responses else Enforcement.ANNOTATE
    return replace(rule, enforcement=min(rule.enforcement, most), undetermined=min(rule.undetermined, most))
