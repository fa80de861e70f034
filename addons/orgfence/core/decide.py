"""What one rule says of one request: the checks in their order, and the first that fails is the reason.

Credential, reading, exceptions by claims, requested org, granted org, scope, expiry. Allow is returned only where all
of it was proved, or the policy says that it is not to be judged.
"""

from functools import partial

from orgfence.core.body import RequestBody
from orgfence.core.credential import find_credential
from orgfence.core.decision import ALLOWING, Decision, NeedBody, Reason, verdict_of
from orgfence.core.known import Known
from orgfence.core.matching import Match
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.opaque import token_by_grant
from orgfence.core.once import Once
from orgfence.core.orgs import salesforce_id
from orgfence.core.other_party import compared_sources
from orgfence.core.policy.readings import Reading
from orgfence.core.request import Fields, named_by_connection
from orgfence.core.rule import OrgSource, PlaceKind, Rule
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.token import Token
from orgfence.core.values import cookie_values, query_values


def decide(
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    known: Known,
    now: float,
    body: RequestBody | None = None,
    once: Once | None = None,
    *,
    tokenless: bool = False,
) -> Decision | NeedBody:
    """Hold one request against one rule that matches it; `now` is in seconds since the epoch.

    `NeedBody` where the rule reads the body and that is still awaited: None. `once`: what was found for other rules.
    `tokenless`: it is of a kind that carries no token.
    """
    rule, reading = match.route.rule, match.reading
    if reading is None:
        return failure(match, Reason.PATH_AMBIGUOUS)

    if body is None and rule.token_in_form:
        return NeedBody(ruleset.handling.body_limit)
    if once is None:
        credential = find_credential(fields, reading.query, rule.places, body, or_json=rule.reads_json)
    else:
        find = partial(find_credential, fields, reading.query, rule.places, body, or_json=rule.reads_json)
        credential = once(("credential", rule.places, rule.reads_json, reading.query), find)
    if not isinstance(credential, bytes):
        if credential is Reason.TOKEN_MISSING and (tokenless or rule.pass_without_token):
            return _allow(rule, Reason.NOT_JUDGED)
        return failure(match, credential)

    if once is None:
        token = ruleset.tokens.read(credential, rule.issuer, known.tokens)
    else:
        read = partial(ruleset.tokens.read, credential, rule.issuer, known.tokens)
        token = once(("token", credential, rule.issuer), read)
    if token is Reason.TOKEN_OPAQUE and known.grants is not None:
        find_grant = partial(token_by_grant, credential, rule.issuer, ruleset.issuers, known.grants, now)
        token = (find_grant() if once is None else once(("grant", credential, rule.issuer), find_grant)) or token
    if not isinstance(token, Token):
        return failure(match, token)
    decision = _judge_token(fields, match, ruleset, token, now, body, once)
    if known.grants is not None and isinstance(decision, Decision) and decision.reason in _MADE_BY_GRANTS:
        find_lineage = partial(_lineage, credential, ruleset, known.grants, now)
        return decision._replace(
            lineage=find_lineage() if once is None else once(("lineage", credential), find_lineage)
        )
    return decision


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
    once: Once | None,
) -> Decision | NeedBody:
    """Make the checks that a token which could be read goes through."""
    rule, reading = match.route.rule, match.reading
    assert reading is not None
    if rule.except_claims and _is_excepted(rule, reading, token):
        return _allow(rule, Reason.NOT_JUDGED)
    if body is None and rule.org_in_body:
        return NeedBody(ruleset.handling.body_limit)
    issuer = ruleset.issuers[token.issuer]
    sources = compared_sources(match, issuer) if issuer.other_party else rule.org
    if once is None and len(sources) == 1:
        requested = _orgs_of(sources[0], fields, match, ruleset, token, body)
    else:
        requested = _requested_orgs(sources, fields, match, ruleset, token, body, once)
    if isinstance(requested, Reason):
        return failure(match, requested, token)
    standing = _judge_orgs(rule, requested, token, is_complete=len(sources) == len(rule.org))
    if standing not in ALLOWING:
        return failure(match, standing, token, requested)
    if not rule.scopes <= token.scopes:
        return failure(match, Reason.SCOPE_MISSING, token, requested)
    if token.not_before is not None and now < token.not_before:
        return failure(match, Reason.TOKEN_NOT_YET_VALID, token, requested)
    if token.expires is None or now < token.expires:
        return _allow(rule, standing)
    return failure(match, Reason.TOKEN_EXPIRED, token, requested)


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


def _is_excepted(rule: Rule, reading: Reading, token: Token) -> bool:
    """Return whether the rule has an exception for such a token here."""
    return any(
        all(not traits.isdisjoint(token.traits) for traits in exception.claims)
        and (not exception.paths or any(path.matches(reading.segments) for path in exception.paths))
        for exception in rule.except_claims
    )


def _requested_orgs(
    sources: tuple[OrgSource, ...],
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    token: Token,
    body: RequestBody | None,
    once: Once | None,
) -> tuple[bytes, ...] | Reason:
    """Return every org that these sources give, normalised, or the reason why that cannot be said."""
    rule = match.route.rule
    requested: tuple[bytes, ...] = ()
    fault: Reason | None = None
    for source in sources:
        if once is None or source.kind in _BY_MATCH:
            found = _orgs_of(source, fields, match, ruleset, token, body)
        else:
            assert match.reading is not None
            query = match.reading.query if source.kind is PlaceKind.QUERY else b""
            question = "orgs", source, query, rule.reads_form, rule.reads_json, id(token)
            found = once(question, partial(_orgs_of, source, fields, match, ruleset, token, body))
        if isinstance(found, Reason):
            fault = found if fault is not Reason.BODY_UNREAD else fault
        else:
            # Of the same rule no two sources give the same, most often.
            requested = tuple(dict.fromkeys(requested + found)) if requested else found
    return requested if fault is None else fault


# What they give depends on how the rule matches.
_BY_MATCH = frozenset({PlaceKind.PATH, PlaceKind.HOST})
#: How many orgs a request may name by separators. Nobody asks for a hundred.
MAX_ORGS = 1000


def _orgs_of(
    source: OrgSource, fields: Fields, match: Match, ruleset: Ruleset, token: Token, body: RequestBody | None
) -> tuple[bytes, ...] | Reason:
    """Return every org that one source gives, normalised, each once."""
    values = (
        _in_body(source, match.route.rule, body)
        if source.kind in _IN_BODY
        else _values_of(source, fields, match, ruleset, token)
    )
    if isinstance(values, Reason):
        return values
    if source.split:
        parts: list[bytes] = []
        for value in values:
            parts += value.split(source.split, MAX_ORGS)
            if len(parts) > MAX_ORGS:
                return Reason.ORG_AMBIGUOUS
        values = [part.strip(b" ") for part in parts]
    normalised = [ruleset.orgs.normalise(value) for value in values]
    if token.salesforce_ids:
        normalised = [salesforce_id(value) for value in normalised]
    return tuple(dict.fromkeys(normalised)) if len(normalised) > 1 else tuple(normalised)


_IN_BODY = frozenset({PlaceKind.BODY, PlaceKind.FORM})


def _in_body(source: OrgSource, rule: Rule, body: RequestBody | None) -> list[bytes] | Reason:
    """Return what the request's body gives."""
    assert body is not None
    if source.kind is PlaceKind.BODY:
        values = body.json_values(source.pointer, or_form=rule.reads_form)
    else:
        values = body.form_values(source.name, or_json=rule.reads_json)
    return Reason.BODY_UNREAD if values is None else values


def _values_of(source: OrgSource, fields: Fields, match: Match, ruleset: Ruleset, token: Token) -> list[bytes] | Reason:
    """Return what one source gives: an empty value is a value."""
    kind, name = source.kind, source.name
    assert match.reading is not None
    if kind is PlaceKind.PATH:
        paths = [each.route.path for each in (match, *match.also)]
        return [path.captured(name, match.reading.segments) for path in paths if name in path.names]
    if kind is PlaceKind.HEADER:
        if name not in fields:
            return []
        # RFC 9110 section 7.6.1: a hop may or may not remove what Connection names, so upstream may or may not see it.
        # To one that goes no further than here that makes no difference.
        if not source.strip and named_by_connection(fields, name):
            return Reason.ORG_AMBIGUOUS
        return [value.strip() for value in fields[name]]
    if kind is PlaceKind.QUERY:
        return query_values(match.reading.query, name)
    if kind is PlaceKind.COOKIE:
        if b"cookie" in fields and named_by_connection(fields, b"cookie"):
            return Reason.ORG_AMBIGUOUS
        return cookie_values(fields.get(b"cookie", ()), name)
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
