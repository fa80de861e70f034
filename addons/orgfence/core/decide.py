"""What one rule says of one request: the checks in their order, and the first that fails is the reason.

Credential, reading, requested org, granted org, scope, expiry. Allow is returned only where all of it was proved.
"""

from orgfence.core.credential import find_credential, named_by_connection
from orgfence.core.decision import ALLOWING, Decision, Reason, verdict_of
from orgfence.core.known import Known
from orgfence.core.orgs import salesforce_id
from orgfence.core.rule import OrgSource, PlaceKind, Rule
from orgfence.core.ruleset import Fields, Match, Ruleset
from orgfence.core.tokens.token import Token
from orgfence.core.values import query_values


def decide(
    fields: Fields, match: Match, ruleset: Ruleset, known: Known, now: float, *, preflight: bool = False
) -> Decision:
    """Hold one request against one rule that matches it. `now` is in seconds since the epoch."""
    rule, reading = match.route.rule, match.reading
    if reading is None:
        return failure(match, Reason.PATH_AMBIGUOUS)

    credential = find_credential(fields, reading.query, rule.places)
    if not isinstance(credential, bytes):
        if credential is Reason.TOKEN_MISSING and (preflight or rule.pass_without_token):
            return _allow(rule, Reason.NOT_JUDGED)
        return failure(match, credential)

    token = ruleset.tokens.read(credential, rule.issuer, known.tokens)
    if not isinstance(token, Token):
        return failure(match, token)

    requested = _requested_orgs(fields, match, ruleset, token)
    standing = _judge_orgs(rule, requested, token)
    if standing not in ALLOWING:
        return failure(match, standing, token, requested or ())
    if not rule.scopes <= token.scopes:
        return failure(match, Reason.SCOPE_MISSING, token, requested or ())
    if token.not_before is not None and now < token.not_before:
        return failure(match, Reason.TOKEN_NOT_YET_VALID, token, requested or ())
    if token.expires is None or now < token.expires:
        return _allow(rule, standing)
    return failure(match, Reason.TOKEN_EXPIRED, token, requested or ())


def failure(
    match: Match,
    reason: Reason,
    token: Token | None = None,
    requested: tuple[bytes, ...] = (),
    error: Exception | None = None,
) -> Decision:
    """Return a decision that is not `allow`."""
    return Decision(
        rule=match.route.rule,
        verdict=verdict_of(reason),
        reason=reason,
        path_template=match.route.path.text,
        requested=requested,
        token=token,
        error=error,
    )


def _allow(rule: Rule, reason: Reason) -> Decision:
    return rule.allowed[reason].decisions[0]


def _requested_orgs(fields: Fields, match: Match, ruleset: Ruleset, token: Token) -> tuple[bytes, ...] | None:
    """Return every org that the rule's sources give, normalised; None where it is unclear whether one arrives."""
    requested: list[bytes] = []
    for source in match.route.rule.org:
        values = _values_of(source, fields, match)
        if values is None:
            return None
        requested += values
    normalised = [ruleset.orgs.normalise(value) for value in requested]
    if token.salesforce_ids:
        normalised = [salesforce_id(value) for value in normalised]
    return tuple(dict.fromkeys(normalised)) if len(normalised) > 1 else tuple(normalised)


def _values_of(source: OrgSource, fields: Fields, match: Match) -> list[bytes] | None:
    """Return what one source gives: an empty value is a value."""
    kind, name = source
    assert match.reading is not None
    if kind is PlaceKind.PATH:
        paths = [each.route.path for each in (match, *match.also)]
        return [path.captured(name, match.reading.segments) for path in paths if name in path.names]
    if kind is PlaceKind.HEADER:
        if name not in fields:
            return []
        # RFC 9110 section 7.6.1: a hop may or may not remove what Connection names, so upstream may or may not see it.
        if named_by_connection(fields, name):
            return None
        return [value.strip() for value in fields[name]]
    if kind is PlaceKind.QUERY:
        return query_values(match.reading.query, name)
    if kind is PlaceKind.HOST:
        captures = [each.host.captures for each in (match, *match.also)]
        return [captured[name] for captured in captures if name in captured]
    return [name]


def _judge_orgs(rule: Rule, requested: tuple[bytes, ...] | None, token: Token) -> Reason:
    """Return the fault of the requested or the granted orgs, or the reason why there is none."""
    if not rule.org:
        return Reason.TOKEN_ACCEPTED
    if requested is None:
        return Reason.ORG_AMBIGUOUS
    if not requested:
        return Reason.NOT_JUDGED if rule.pass_without_org else Reason.ORG_ABSENT
    claim = token.claim_for(rule.coverage)
    if claim.fault is not None:
        missing_passes = rule.pass_without_claim and token.names_no_org
        return Reason.NOT_JUDGED if missing_passes else claim.fault
    if claim.orgs.issuperset(requested):
        return Reason.ORG_GRANTED
    return Reason.ORG_NOT_GRANTED
