"""The whole way of a request on one screen: from its rules to what should be done with it.

Pure: the proxy, a capture reader and every other front end call the same function.
"""

from orgfence.core.body import RequestBody
from orgfence.core.decide import decide, failure
from orgfence.core.decision import Decision, Inspection, NeedBody
from orgfence.core.known import Known
from orgfence.core.oauth.decide import decide_exchange
from orgfence.core.parts import Parts
from orgfence.core.reason import UNAUTHENTICATED, Action, Enforcement, Reason, Verdict
from orgfence.core.request import AWAITED, UNREAD, Fields, Request, is_ambiguous_head, scan_headers
from orgfence.core.routing.host_overrides import HOST_OVERRIDES
from orgfence.core.routing.index import Guarded
from orgfence.core.routing.matching import OVERRIDES, Match, one_name, takes_one_of
from orgfence.core.routing.methods import METHOD_OVERRIDES, NO_METHODS, MethodsByQuery, methods_in_body, methods_of
from orgfence.core.rule import Rule
from orgfence.core.ruleset import Ruleset

# A request names one host, at times two. Beside its own it may have the one that was dialled, and an SNI.
_MAX_NAMES = 4
# Rules that match one request are few; of more, many ask for the same.
_FEW = 8
# Bytes and segments of a path.
_MAX_SHOWN, _MAX_SEGMENTS = 512, 64

_OVERRIDES = OVERRIDES.union(HOST_OVERRIDES)

UNMATCHED = Inspection((), None, Action.UNMATCHED)
_NO_RULE = Decision(None, Verdict.MISMATCH, Reason.NO_RULE)


def inspect(request: Request, ruleset: Ruleset, known: Known, now: float) -> Inspection | NeedBody:
    """Take one request from its rules to what should be done with it. `now` is in seconds since the epoch.

    `NeedBody` where that depends on the body, which is still awaited; a block that does not is not kept waiting.
    """
    fields = scan_headers(request.headers, ruleset.wanted_headers)
    guarded = ruleset.hosts_of(request, fields)
    is_overridden = not _OVERRIDES.isdisjoint(fields)
    names = guarded + ruleset.overriding(request, fields, guarded) if is_overridden else guarded
    if not names:
        return UNMATCHED
    if is_ambiguous_head(request.headers, fields) or len(names) > _MAX_NAMES:
        return _inspect_ambiguous(request, fields, guarded, names, ruleset)

    body = _body_of(request, ruleset, fields)
    matches = ruleset.matching(request, fields, names, is_overridden=is_overridden)
    if body is not None and (others := _methods_in_body(request, body, matches)):
        matches = ruleset.matching(request, fields, names, is_overridden=is_overridden, other_methods=others)
    preflight = _is_preflight(request, fields)
    answers = _answers(request, fields, matches, ruleset, known, now, body, preflight=preflight)

    judged = [(match, answer) for match, answer in answers if isinstance(answer, Decision)]
    decisions = _one_a_rule(judged)
    if ruleset.unmatched is Enforcement.BLOCK and not preflight:
        decisions += _no_rule(request, guarded, matches, ruleset)
    inspection = _inspection_of(decisions, ruleset)
    if len(judged) == len(answers) or inspection.action is Action.BLOCKED:
        return inspection
    return next(answer for _, answer in answers if isinstance(answer, NeedBody))


def _inspect_ambiguous(
    request: Request, fields: Fields, guarded: Guarded, names: Guarded, ruleset: Ruleset
) -> Inspection:
    """Decide where servers may find other fields, or another host, than those that stand in the head."""
    matches = ruleset.matching(request, fields, one_name(names))
    decisions = _one_a_rule([(match, failure(match, Reason.CREDENTIAL_AMBIGUOUS)) for match in matches])
    if ruleset.unmatched is Enforcement.BLOCK and not _is_preflight(request, fields):
        decisions += _no_rule(request, one_name(guarded), matches, ruleset)
    return _inspection_of(decisions, ruleset)


def _answers(
    request: Request,
    fields: Fields,
    matches: list[Match],
    ruleset: Ruleset,
    known: Known,
    now: float,
    body: RequestBody | None,
    *,
    preflight: bool,
) -> list[tuple[Match, Decision | NeedBody]]:
    """Decide each match."""
    parts = Parts() if len(matches) > (1 if ruleset.reads_parts else _FEW) else None
    exchange = bool(ruleset.exchange_rules) and _is_exchange(request, matches)
    return [
        (
            match,
            _judge(
                request,
                fields,
                match,
                ruleset,
                known,
                now,
                body,
                parts,
                tokenless=preflight or (exchange and match.as_it_stands),
            ),
        )
        for match in matches
    ]


def _inspection_of(decisions: tuple[Decision, ...], ruleset: Ruleset) -> Inspection:
    if not decisions:
        return UNMATCHED
    first = decisions[0]
    if len(decisions) == 1 and first.verdict is Verdict.ALLOW and first.rule is not None and first.exchange is None:
        return ruleset.allowed[first.rule][first.reason]
    return Inspection.of(decisions)


def _body_of(request: Request, ruleset: Ruleset, fields: Fields) -> RequestBody | None:
    """Return the request's body, to be read where a rule asks for it; None while it is awaited."""
    if request.body is AWAITED:
        return None
    return RequestBody(None if request.body is UNREAD else request.body, fields, ruleset.handling.body_limit)


def _methods_in_body(request: Request, body: RequestBody, matches: list[Match]) -> frozenset[bytes]:
    """Return the methods that the body of a POST names, if a rule reads it: for this alone no body is read."""
    # Symfony takes `post` for it too.
    if request.method.upper() != b"POST":
        return NO_METHODS
    is_form = any(match.route.rule.reads_form for match in matches)
    return methods_in_body(body, is_form=is_form, is_json=any(match.route.rule.reads_json for match in matches))


def _is_preflight(request: Request, fields: Fields) -> bool:
    # https://fetch.spec.whatwg.org/#cors-preflight-request: the browser sends no credential with it, and nothing that
    # would make it another request.
    return (
        request.method == b"OPTIONS"
        and b"origin" in fields
        and b"access-control-request-method" in fields
        and b"authorization" not in fields
        and b"cookie" not in fields
        and METHOD_OVERRIDES.isdisjoint(fields)
        and not MethodsByQuery().under(request.target.partition(b"?")[2])
    )


def _is_exchange(request: Request, matches: list[Match]) -> bool:
    """Return whether a request, as it stands, is for an issuer's endpoint: `Basic` there is a client, and no token."""
    return any(match.route.rule.exchange is not None for match in _own(request, matches))


def _own(request: Request, matches: list[Match]) -> list[Match]:
    """Return the matches of the request as it stands: by its own path, host and method.

    Not by a header that puts another method in the place of its own: the API may not go by that.
    """
    methods = methods_of(request.method, {})
    return [match for match in matches if match.as_it_stands and takes_one_of(match.route.rule, methods)]


def _judge(
    request: Request,
    fields: Fields,
    match: Match,
    ruleset: Ruleset,
    known: Known,
    now: float,
    body: RequestBody | None,
    parts: Parts | None,
    *,
    tokenless: bool,
) -> Decision | NeedBody:
    """Decide one match; a bug is a decision, and so is a fault that only another reading of the path shows.

    A fault of a host that a header field puts in the place of the request's own says which field that is.
    """
    try:
        if match.route.rule.exchange is not None:
            decision = decide_exchange(request, fields, match, ruleset, known, now, body)
        else:
            decision = decide(fields, match, ruleset, known, now, body, parts, tokenless=tokenless)
    except Exception as error:  # noqa: BLE001 - whatever a bug of ours raises, the request must not pass unjudged
        return failure(match, Reason.INTERNAL_ERROR, error=error)
    if match.host.override and isinstance(decision, Decision) and decision.verdict is not Verdict.ALLOW:
        decision = decision._replace(override=match.host.override)
    # What has an enforcement of its own keeps its reason, or an odd path alone would make it stricter.
    if (
        match.plain
        or isinstance(decision, NeedBody)
        or decision.verdict is not Verdict.MISMATCH
        or decision.reason in UNAUTHENTICATED
    ):
        return decision
    # More than is shown: a path may be read in many ways, and have thousands of segments.
    read_as = b"" if match.reading is None else (b"/" + b"/".join(match.reading.segments[:_MAX_SEGMENTS]))[:_MAX_SHOWN]
    return decision._replace(verdict=Verdict.MISMATCH, reason=Reason.PATH_AMBIGUOUS, read_as=read_as)


def _one_a_rule(judged: list[tuple[Match, Decision]]) -> tuple[Decision, ...]:
    """Keep one decision for each rule: the failure that weighs most, or an allow that holds for every match."""
    if len(judged) == 1:
        return (judged[0][1],)
    kept: dict[Rule, tuple[_Weight, Decision]] = {}
    for match, decision in judged:
        weighed = _weight(match, decision), decision
        before = kept.setdefault(match.route.rule, weighed)
        if weighed[0] > before[0]:
            kept[match.route.rule] = weighed
    return tuple(decision for _, decision in kept.values())


type _Weight = tuple[bool, int, bool, int]


def _weight(match: Match, decision: Decision) -> _Weight:
    """Weigh a decision among those of its rule; of two allows the one that proved less weighs more."""
    if decision.verdict is Verdict.ALLOW:
        return False, 0, False, decision.reason.rank
    # Then the strictest, then that of the request as it stands, then the catalogue's order.
    return True, decision.strictness, match.as_it_stands, -decision.reason.rank


def _no_rule(request: Request, guarded: Guarded, matches: list[Match], ruleset: Ruleset) -> tuple[Decision, ...]:
    """Return a decision where no rule matches the request as it stands under some guarded name."""
    matched = [match.host for match in _own(request, matches)]
    # What an issuer serves beside its endpoints (its sign-in pages, say) is nothing that a rule would have to name.
    ruled = [hosts for hosts in guarded if not all(host.paths.only_exchanges for host in hosts)]
    if all(any(host in matched for host in hosts) for hosts in ruled):
        return ()
    return (_NO_RULE._replace(imposed=ruleset.cap),)
