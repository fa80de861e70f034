"""What one rule says of one request: the checks in their order, and the first that fails is the reason.

Credential, reading, exceptions by claims, requested org, granted org, scope, expiry. Allow is returned only where all
of it was proved, or the policy says that it is not to be judged.
"""

from functools import partial
from typing import Literal

from orgfence.core.body import RequestBody
from orgfence.core.credential import find_credential
from orgfence.core.decision import Decision, NeedBody
from orgfence.core.known import Known
from orgfence.core.names import Found, OtherName
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.opaque import token_by_grant
from orgfence.core.other_party import compared_sources
from orgfence.core.parts import Parts, Requested
from orgfence.core.reason import ALLOWING, UNAUTHENTICATED, Reason, Verdict, verdict_of
from orgfence.core.request import AWAITED, Body, Fields, named_by_connection
from orgfence.core.requested import normalised, requested_by
from orgfence.core.routing.matching import Match
from orgfence.core.routing.readings import Reading
from orgfence.core.rule import OrgSource, PlaceKind, Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.token import Token


def decide(
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    known: Known,
    now: float,
    body: RequestBody | None = None,
    parts: Parts | None = None,
    *,
    tokenless: bool = False,
) -> Decision | NeedBody:
    """Hold one request against one rule that matches it; `now` is in seconds since the epoch.

    `NeedBody` where the rule reads the body and that is still awaited: None. `parts` are shared by all rules that
    judge the request. `tokenless`: it is of a kind that carries no token.
    """
    rule, reading = match.route.rule, match.reading
    if reading is None:
        return failure(match, Reason.PATH_AMBIGUOUS)

    credential = _find_credential(fields, reading.query, rule, body, parts)
    if isinstance(credential, OtherName):
        return _by_other_name(failure(match, Reason.CREDENTIAL_AMBIGUOUS), credential)
    if credential is AWAITED:
        return NeedBody(ruleset.handling.body_limit)
    if not isinstance(credential, bytes):
        if credential is Reason.TOKEN_MISSING and (tokenless or rule.pass_without_token):
            return _allow(ruleset, rule, Reason.NOT_JUDGED)
        return failure(match, credential)

    token = _read_token(credential, rule, ruleset, known, now, parts)
    if not isinstance(token, Token):
        return failure(match, token)
    decision = _judge_token(fields, match, ruleset, token, now, body, parts)
    if known.grants is not None and isinstance(decision, Decision) and decision.reason in _MADE_BY_GRANTS:
        find_lineage = partial(_lineage, credential, ruleset, known.grants, now)
        return decision._replace(
            lineage=find_lineage() if parts is None else parts.once(("lineage", credential), find_lineage)
        )
    return decision


def _find_credential(
    fields: Fields, query: bytes, rule: Rule, body: RequestBody | None, parts: Parts | None
) -> bytes | Reason | OtherName | Literal[Body.AWAITED]:
    """Find the credential; with `parts` once for all rules that look for it in the same places."""
    if parts is None and not rule.reads_parts:
        return find_credential(fields, query, rule.places)
    find = partial(
        find_credential,
        fields,
        query,
        rule.places,
        body,
        parts,
        or_json=rule.reads_json,
        exact_names=rule.exact_names,
    )
    if parts is None:
        return find()
    return parts.once(("credential", rule.places, rule.reads_json, rule.exact_names, query), find)


def _read_token(
    credential: bytes, rule: Rule, ruleset: Ruleset, known: Known, now: float, parts: Parts | None
) -> Token | Reason:
    """Read what a credential says, by its own words or by how it was seen issued; with `parts` once for all rules."""
    if parts is None:
        token = ruleset.tokens.read(credential, rule.issuer, known.tokens)
    else:
        read = partial(ruleset.tokens.read, credential, rule.issuer, known.tokens)
        token = parts.once(("token", credential, rule.issuer), read)
    if token is not Reason.TOKEN_OPAQUE or known.grants is None:
        return token
    find_grant = partial(token_by_grant, credential, rule.issuer, ruleset.issuers, known.grants, now)
    return (find_grant() if parts is None else parts.once(("grant", credential, rule.issuer), find_grant)) or token


def _lineage(credential: bytes, ruleset: Ruleset, grants: GrantLedger, now: float) -> str:
    """Say where a token comes from, as far as that was seen."""
    grant = grants.grant_of_token(credential, now)
    if grant is None or grant.issuer not in ruleset.issuers:
        return ""
    return lineage(grant, ruleset.issuers[grant.issuer].oauth, ruleset.orgs)


# What a token lacks that was asked for, or not, when it was minted.
_MADE_BY_GRANTS = frozenset(
    {Reason.ORG_NOT_GRANTED, Reason.ORG_CLAIM_MISSING, Reason.ORG_CLAIM_EMPTY, Reason.SCOPE_MISSING}
)


def _judge_token(
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    token: Token,
    now: float,
    body: RequestBody | None,
    parts: Parts | None,
) -> Decision | NeedBody:
    """Make the checks that a token which could be read goes through."""
    rule, reading = match.route.rule, match.reading
    assert reading is not None
    if rule.except_claims and _is_excepted(rule, reading, token):
        return _allow(ruleset, rule, Reason.NOT_JUDGED)
    if body is None and rule.org_in_body:
        return NeedBody(ruleset.handling.body_limit)
    issuer = ruleset.issuers[token.issuer]
    sources = compared_sources(match, issuer) if issuer.other_party else rule.org
    requested: Requested | tuple[bytes, ...] | Reason
    if rule.reads_parts:
        requested = _requested_orgs(sources, fields, match, ruleset, token, body, parts or Parts())
    else:
        requested = _plain_orgs(sources, fields, match, ruleset, token)
    if isinstance(requested, Reason):
        return failure(match, requested, token)
    is_complete = len(sources) == len(rule.org)
    if not isinstance(requested, Requested):
        return _judge_requested(match, ruleset, token, now, requested, is_complete=is_complete)
    decision = _judge_requested(match, ruleset, token, now, requested.orgs, is_complete=is_complete)
    # What the API answers with its own 401 may be let through, and the API need not read the token as it is read here.
    if requested.others and (decision.verdict is Verdict.ALLOW or decision.reason in UNAUTHENTICATED):
        return _judge_others(match, token, requested, is_complete=is_complete) or decision
    return decision


def _judge_requested(
    match: Match, ruleset: Ruleset, token: Token, now: float, requested: tuple[bytes, ...], *, is_complete: bool
) -> Decision:
    """Hold the requested orgs against the token. `is_complete`: none of those that are named is another party's."""
    rule = match.route.rule
    standing = _judge_orgs(rule, requested, token, is_complete=is_complete)
    if standing not in ALLOWING:
        return failure(match, standing, token, requested)
    if not rule.scopes <= token.scopes:
        return failure(match, Reason.SCOPE_MISSING, token, requested)
    if token.not_before is not None and now < token.not_before:
        return failure(match, Reason.TOKEN_NOT_YET_VALID, token, requested)
    if token.expires is None or now < token.expires:
        return _allow(ruleset, rule, standing)
    return failure(match, Reason.TOKEN_EXPIRED, token, requested)


def _judge_others(match: Match, token: Token, requested: Requested, *, is_complete: bool) -> Decision | None:
    """Return the fault that only another reading of a name shows, None where there is none."""
    rule = match.route.rule
    orgs = tuple(dict.fromkeys((*requested.orgs, *(org for org, _ in requested.others))))
    if _judge_orgs(rule, orgs, token, is_complete=is_complete) in ALLOWING:
        return None
    granted = token.claim_for(rule.coverage).orgs
    not_granted = [other for org, other in requested.others if org not in granted]
    # Where all are granted, they do not agree.
    at_fault = not_granted or [other for org, other in requested.others if org != orgs[0]]
    return _by_other_name(failure(match, Reason.ORG_AMBIGUOUS, token, orgs), at_fault[0])


def _by_other_name(decision: Decision, other: OtherName) -> Decision:
    # Without the value, which may be a secret.
    return decision._replace(other_name=(other.sent, other.read_as))


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


def _allow(ruleset: Ruleset, rule: Rule, reason: Reason) -> Decision:
    return ruleset.allowed[rule][reason].decisions[0]


def _is_excepted(rule: Rule, reading: Reading, token: Token) -> bool:
    """Return whether the rule has an exception for such a token here."""
    return any(
        all(not traits.isdisjoint(token.traits) for traits in exception.claims)
        and (not exception.paths or any(path.matches(reading.segments) for path in exception.paths))
        for exception in rule.except_claims
    )


def _plain_orgs(
    sources: tuple[OrgSource, ...], fields: Fields, match: Match, ruleset: Ruleset, token: Token
) -> tuple[bytes, ...] | Reason:
    """Return every org that these sources give. All servers read such sources (path, header, host, …) alike."""
    requested: list[bytes] = []
    for source in sources:
        values = _values_of(source, fields, match, ruleset, token)
        if isinstance(values, Reason):
            return values
        requested += values
    return normalised(requested, ruleset.orgs, salesforce_ids=token.salesforce_ids)


def _requested_orgs(
    sources: tuple[OrgSource, ...],
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    token: Token,
    body: RequestBody | None,
    parts: Parts,
) -> Requested | Reason:
    """Return every org that these sources give, or the reason why that cannot be said."""
    rule = match.route.rule
    requested = _NO_ORGS
    fault: Reason | None = None
    for source in sources:
        found = _find(source, fields, match, ruleset, token, body, parts)
        given: Requested | Reason | None = (
            found
            if isinstance(found, Reason)
            else requested_by(
                found, source, ruleset.orgs, parts, salesforce_ids=token.salesforce_ids, exact_names=rule.exact_names
            )
        )
        if isinstance(given, Requested):
            requested = given if requested is _NO_ORGS else requested.joined(given)
        elif fault is not Reason.BODY_UNREAD:
            fault = given or Reason.ORG_AMBIGUOUS
    return fault or requested


_NO_ORGS = Requested()


def _find(
    source: OrgSource,
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    token: Token,
    body: RequestBody | None,
    parts: Parts,
) -> Found | Reason:
    """Return what one source gives."""
    rule, kind, name = match.route.rule, source.kind, source.name
    assert match.reading is not None
    if kind is PlaceKind.QUERY:
        return parts.parameter(match.reading.query, name) or Reason.ORG_AMBIGUOUS
    if kind is PlaceKind.COOKIE:
        if b"cookie" in fields and named_by_connection(fields, b"cookie"):
            return Reason.ORG_AMBIGUOUS
        return parts.cookie(fields.get(b"cookie", ()), name) or Reason.ORG_AMBIGUOUS
    if kind is PlaceKind.BODY:
        assert body is not None
        found = body.find_members(source.pointer, or_form=rule.reads_form)
        is_read = found is not None and (rule.exact_names or found.others_are_read)
        return found if found is not None and is_read else Reason.BODY_UNREAD
    if kind is PlaceKind.FORM:
        assert body is not None
        return body.find_fields(name, or_json=rule.reads_json) or Reason.BODY_UNREAD
    values = _values_of(source, fields, match, ruleset, token)
    return values if isinstance(values, Reason) else parts.listed(values)


def _values_of(source: OrgSource, fields: Fields, match: Match, ruleset: Ruleset, token: Token) -> list[bytes] | Reason:
    """Return what a source gives that is found by no name in the query, the cookies or the body."""
    kind, name = source.kind, source.name
    assert match.reading is not None
    if kind is PlaceKind.PATH:
        path, segments = match.route.path, match.reading.segments
        captured = [path.captured(name, segments)] if name in path.names else []
        if match.also:
            others = [each.route.path for each in match.also]
            captured += [path.captured(name, segments) for path in others if name in path.names]
        return captured
    if kind is PlaceKind.HEADER:
        if name not in fields:
            return []
        # RFC 9110 section 7.6.1: a hop may or may not remove what Connection names, so upstream may or may not see it.
        # To one that goes no further than here that makes no difference.
        if not source.strip and named_by_connection(fields, name):
            return Reason.ORG_AMBIGUOUS
        return [value.strip() for value in fields[name]]
    if kind is PlaceKind.CLIENT:
        org = _org_of_client(token, ruleset)
        return [] if org is None else [org]
    if kind is PlaceKind.HOST:
        captures = [each.host.captures for each in (match, *match.also)]
        return [captured[name] for captured in captures if name in captured]
    return [name]


def _org_of_client(token: Token, ruleset: Ruleset) -> bytes | None:
    """Return the org that the token's client is for, None where the policy does not say."""
    oauth = ruleset.issuers[token.issuer].oauth
    return None if oauth is None or token.client is None else oauth.clients.get(token.client)


def _judge_orgs(rule: Rule, requested: tuple[bytes, ...], token: Token, *, is_complete: bool) -> Reason:
    """Return the fault of the requested or the granted orgs, or the reason why there is none.

    `is_complete`: no org that the request names is another party's.
    """
    if not rule.org:
        return Reason.TOKEN_ACCEPTED
    if not requested:
        return Reason.ORG_ABSENT if is_complete and not rule.pass_without_org else Reason.NOT_JUDGED
    if rule.agree and len(requested) > 1:
        return Reason.ORG_AMBIGUOUS
    claim = token.claim_for(rule.coverage)
    if claim.fault is not None:
        missing_passes = rule.pass_without_claim and token.names_no_org
        return Reason.NOT_JUDGED if missing_passes else claim.fault
    if claim.orgs.issuperset(requested):
        return Reason.ORG_GRANTED
    return Reason.ORG_NOT_GRANTED
