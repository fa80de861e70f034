"""The compiled, immutable whole of a policy.

A policy is compiled once, and while it is in force every request is judged by the same object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from orgfence.core.body import NEEDED_HEADERS
from orgfence.core.decision import Decision, Inspection, allowed_by
from orgfence.core.error_envelope import ErrorEnvelope
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Enforcement, Reason
from orgfence.core.request import Authority, Fields, Request, WantedFields, scan_headers
from orgfence.core.routing.host_names import host_readings, without_many_international
from orgfence.core.routing.host_overrides import HOST_OVERRIDES, overriding_hosts
from orgfence.core.routing.index import Guarded, HostMatch, Route, RouteIndex
from orgfence.core.routing.matching import PATH_OVERRIDES, Match, matches_of
from orgfence.core.routing.methods import METHOD_OVERRIDES, NO_METHODS
from orgfence.core.routing.readings import EncodedSlash
from orgfence.core.rule import Issuer, PlaceKind, Rule
from orgfence.core.tokens.reader import TokenReader
from orgfence.core.tokens.token import Trait

_ALWAYS_WANTED = frozenset(
    {
        b"host",
        b"connection",
        b"proxy-connection",
        b"origin",
        b"access-control-request-method",
        b"authorization",
        b"cookie",
        *METHOD_OVERRIDES,
        *PATH_OVERRIDES,
        *HOST_OVERRIDES,
    }
)


class Handling(NamedTuple):
    """How much of an inspection is told to whom, and how much of a body is read: the policy's global keys."""

    #: Whether clients are told the orgs that were requested and granted.
    disclose_orgs: bool = True
    #: Whether the request that goes upstream is annotated, not only the response.
    annotate_request: bool = True
    #: For so many seconds the same log line is not written again.
    log_repeat: float = 60.0
    #: Bytes of a request's body, as sent and without its content codings.
    body_limit: int = 1024 * 1024
    #: Bytes of all bodies that wait at one time.
    held_bodies_limit: int = 64 * 1024 * 1024


_DEFAULT_HANDLING = Handling()
_NO_ANSWER_RULES: Mapping[str, Rule] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Ruleset:
    """What a policy compiles to."""

    #: Those that the policy has written.
    rules: tuple[Rule, ...]
    #: Those that stand for the endpoints of its issuers.
    exchange_rules: tuple[Rule, ...]
    #: By rule and reason, the inspection of a request that this rule alone matches and allows: made once, shared.
    allowed: Mapping[Rule, Mapping[Reason, Inspection]]
    #: By issuer, what decides on the answers of its token endpoint.
    answer_rules: Mapping[str, Rule]
    routes: tuple[Route, ...]
    index: RouteIndex
    issuers: Mapping[str, Issuer]
    orgs: OrgNames
    tokens: TokenReader
    #: What becomes of requests to guarded hosts that no rule matches: OBSERVE or BLOCK.
    unmatched: Enforcement
    #: The most that is done about anything.
    cap: Enforcement
    #: A short hash of what was loaded, which caches, log and metrics carry.
    generation: str
    #: The header fields that some rule may ask for.
    wanted_headers: WantedFields
    #: What the rules say of encoded slashes: each of these once.
    slashes: tuple[EncodedSlash, ...]
    #: Whether some rule reads its org or its credential from a request's body.
    reads_bodies: bool
    #: Whether some rule reads what rules share while they judge a request.
    reads_parts: bool
    #: For each rule that has any: the canonical names of the header fields that are not forwarded.
    stripped_headers: Mapping[Rule, frozenset[bytes]]
    handling: Handling

    @classmethod
    def build(
        cls,
        *,
        routes: Iterable[Route],
        issuers: Mapping[str, Issuer],
        orgs: OrgNames,
        unmatched: Enforcement,
        generation: str,
        answer_rules: Mapping[str, Rule] = _NO_ANSWER_RULES,
        cap: Enforcement = Enforcement.BLOCK,
        handling: Handling = _DEFAULT_HANDLING,
    ) -> Self:
        """Index the routes, each of which holds its rule; the rules are those that have one."""
        routes = tuple(routes)
        rules = tuple(dict.fromkeys(route.rule for route in routes))
        return cls(
            rules=tuple(rule for rule in rules if rule.exchange is None),
            exchange_rules=tuple(rule for rule in rules if rule.exchange is not None),
            allowed={rule: allowed_by(rule) for rule in rules},
            answer_rules=answer_rules,
            routes=routes,
            index=RouteIndex(routes),
            issuers=issuers,
            orgs=orgs,
            tokens=TokenReader(issuers.values(), orgs, generation, _traits_of(rules)),
            unmatched=unmatched,
            cap=cap,
            generation=generation,
            wanted_headers=WantedFields(_ALWAYS_WANTED.union(*(_headers_of(rule) for rule in rules))),
            slashes=tuple(dict.fromkeys(rule.encoded_slash for rule in rules)),
            reads_bodies=any(rule.reads_form or rule.reads_json for rule in rules),
            reads_parts=any(rule.reads_parts for rule in rules),
            stripped_headers={rule: stripped for rule in rules if (stripped := _stripped_headers(rule))},
            handling=handling,
        )

    def observing(self) -> Self:
        """Return the same ruleset with every enforcement capped at observe."""
        capped = {rule: _observing(rule) for rule in (*self.rules, *self.exchange_rules)}
        return self.build(
            routes=[route._replace(rule=capped[route.rule]) for route in self.routes],
            issuers=self.issuers,
            orgs=self.orgs,
            unmatched=self.unmatched,
            generation=self.generation,
            answer_rules={issuer: _observing(rule) for issuer, rule in self.answer_rules.items()},
            cap=Enforcement.OBSERVE,
            handling=self.handling,
        )

    @property
    def strictest(self) -> Enforcement:
        """The strictest that is done where no verdict can be reached: what a failure without a rule gets."""
        return min(
            self.cap, max([self.unmatched, *(rule.undetermined for rule in (*self.rules, *self.exchange_rules))])
        )

    def errors_of(self, decision: Decision) -> ErrorEnvelope | None:
        """Return how the API that a decision is about words its errors: that of the issuer whose tokens it takes."""
        rule, token = decision.rule, decision.token
        if rule is None or rule.exchange is not None:
            return None
        # Where there is one only, what could not be read was for its API as well.
        sole = next(iter(self.issuers)) if len(self.issuers) == 1 else None
        name = rule.issuer or (sole if token is None else token.issuer)
        issuer = None if name is None else self.issuers.get(name)
        return None if issuer is None else issuer.errors

    def guards(self, authority: Authority) -> bool:
        """Return whether some rule's hosts include this one."""
        return bool(self.index.hosts(authority))

    def hosts_of(self, request: Request, fields: Fields) -> Guarded:
        """Return, for each name of the request's host that is guarded, the host patterns that match it."""
        names: Sequence[bytes] = fields.get(b"host", ())
        if len(names) > 1:
            if len(names) > _HOSTS_READ:
                # RFC 9112 section 3.2 allows one; a server that takes more goes by the first or by the last.
                names = [*names[: _HOSTS_READ // 2], *names[-_HOSTS_READ // 2 :]]
            names = without_many_international(names)
        return self.index.guarded(request.authorities, tuple(names), 443 if request.scheme == b"https" else 80)

    def overriding(self, request: Request, fields: Fields, guarded: Guarded) -> Guarded:
        """Return the same for each host that a header field puts in the place of the request's own, but for those.

        An application takes its port from elsewhere, so such a host counts at every port.
        """
        port = 443 if request.scheme == b"https" else 80
        overriding = overriding_hosts(fields)
        own = _names_of(
            (*request.authorities, *(Authority(host, port) for host in fields.get(b"host", ())[:_HOSTS_READ]))
        )
        found: list[tuple[HostMatch, ...]] = []
        for host in without_many_international([*overriding]):
            authority = Authority(host, port)
            # A proxy before this one names the host that the request is for anyhow, or its own, which is unguarded.
            if _names_of((authority,)) <= own:
                continue
            new = tuple(
                match._replace(override=overriding[host])
                for match in self.index.hosts(authority, any_port=True)
                if not any(match in known for known in guarded)
            )
            if new and new not in found:
                found.append(new)
        return tuple(found)

    def issuers_of(self, request: Request) -> frozenset[str]:
        """Return the issuers that have an endpoint under any name of the request's host."""
        guarded = self.hosts_of(request, scan_headers(request.headers, self.wanted_headers))
        return frozenset(name for hosts in guarded for host in hosts for name in host.paths.issuers)

    def matching(
        self,
        request: Request,
        fields: Fields,
        guarded: Guarded,
        *,
        is_overridden: bool = True,
        other_methods: frozenset[bytes] = NO_METHODS,
    ) -> list[Match]:
        """Return what applies to a request under any of the guarded names of its host.

        `is_overridden`: whether a field may put another method or path in the place of the request's own.
        `other_methods`: those that its body names.
        """
        return matches_of(
            request, fields, guarded, self.slashes, is_overridden=is_overridden, other_methods=other_methods
        )


def _names_of(authorities: Iterable[Authority]) -> frozenset[bytes]:
    return frozenset(name for authority in authorities for name, _ in host_readings(authority))


# More Host fields than anybody sends, and few enough for all of them to be read.
_HOSTS_READ = 16


def _observing(rule: Rule) -> Rule:
    return replace(
        rule,
        enforcement=Enforcement.OBSERVE,
        undetermined=Enforcement.OBSERVE,
        unauthenticated=Enforcement.OBSERVE,
        uncapped=rule.uncapped or rule,
    )


def _stripped_headers(rule: Rule) -> frozenset[bytes]:
    return frozenset(source.name for source in rule.org if source.strip)


def _traits_of(rules: Iterable[Rule]) -> set[Trait]:
    """Return all traits that some rule makes an exception for."""
    exceptions = [exception for rule in rules for exception in rule.except_claims]
    return {trait for exception in exceptions for traits in exception.claims for trait in traits}


def _headers_of(rule: Rule) -> set[bytes]:
    """Return the fields that a rule reads its org or its credential from."""
    wanted = {source.name for source in rule.org if source.kind is PlaceKind.HEADER}
    for place in rule.places:
        if place.kind is PlaceKind.HEADER:
            wanted.add(place.name)
        elif place.kind is PlaceKind.COOKIE:
            wanted.add(b"cookie")
    return wanted | NEEDED_HEADERS if rule.reads_form or rule.reads_json else wanted
