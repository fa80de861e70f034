"""Holds what a rule asks of tokens to what its issuers' tokens can say: what can never pass is a mistake."""

from collections.abc import Mapping

from orgfence.core.policy.faults import Faults
from orgfence.core.policy.model import RuleEntry
from orgfence.core.policy.model_issuers import IssuerEntry
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import did_you_mean, listed, shown

type Issuers = Mapping[Scalar, IssuerEntry]


def check_token(rule: RuleEntry, issuers: Issuers, faults: Faults, *, complete: bool) -> None:
    """Check one rule. `complete`: these are all the issuers that the file has."""
    if not rule.org:
        _check_without_org(rule, faults)
    for scope in rule.token.scopes:
        if " " in scope:
            faults.add(scope.place, f"{shown(scope)} is more than one scope. Make each a list item of its own")
    token = rule.token
    usable = _usable(rule, issuers, faults, complete=complete)
    claims = [issuer.claims for issuer in usable]
    if not claims:
        return

    by_client = next((source.client for source in rule.org if source.client is not None), None)
    if by_client is not None and not any(issuer.oauth is not None and issuer.oauth.clients for issuer in usable):
        message = "no issuer of this rule says which org a client is for"
        faults.add(by_client.place, f"{message}. Add `oauth: {{clients: {{my-client-id: acme}}}}` to one")
    lacking = "no issuer of this rule has"
    if rule.org and not any(claim.member or claim.active for claim in claims):
        _, org = rule.org[0].given
        faults.add(
            org.place, f"{lacking} `member` or `active` claims, so no org is ever granted. Add them under `claims`"
        )
    elif rule.org and token.coverage is not None and not any(getattr(claim, token.coverage) for claim in claims):
        faults.add(token.coverage.place, f"{lacking} `{token.coverage}` claims. Add them, or leave out `coverage`")
    if token.scopes and not any(claim.scopes for claim in claims):
        faults.add(
            token.scopes[0].place, f"{lacking} `scopes` claims, so no scope is ever granted. Add them under `claims`"
        )


def _check_without_org(rule: RuleEntry, faults: Faults) -> None:
    """Point out what is about orgs only."""
    remedy = "says nothing in a rule without `org`. Add `org`, or remove it"
    for missing in rule.pass_without:
        if missing != "token":
            faults.add(missing.place, f"{shown(missing)} {remedy}")
    if rule.token.coverage is not None:
        faults.add(rule.token.coverage.place, f"`coverage` {remedy}")


def _usable(rule: RuleEntry, issuers: Issuers, faults: Faults, *, complete: bool) -> list[IssuerEntry]:
    """Return the issuers whose tokens a rule takes; none if that cannot be said."""
    named = rule.token.issuer
    if named is not None and named in issuers:
        return [issuers[named]]
    if not complete:
        return []
    if named is not None:
        hint = did_you_mean(named, issuers) or " Add it under `issuers`"
        faults.add(named.place, f"unknown issuer {shown(named)}.{hint}")
        return []

    without_iss = [name for name, issuer in issuers.items() if not issuer.iss]
    if len(without_iss) > 1:
        whose = f"a token may be of {listed(without_iss)}, which all lack `iss`"
        faults.add(rule.id.place, f"{whose}. Name the one that is meant: `token: {{issuer: {without_iss[0]}}}`")
    return list(issuers.values())
