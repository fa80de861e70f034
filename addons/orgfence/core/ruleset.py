"""The compiled, immutable whole of a policy, and the way from a request to the rules that apply to it.

A rule applies when its host, path, method and listen port do. A request may name several hosts, and a path may be
read in several ways; each is matched on its own, because nobody can know which one the server will go by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from orgfence.core.decision import Enforcement
from orgfence.core.orgs import OrgNames
from orgfence.core.policy.index import HostMatch, Route, RouteIndex
from orgfence.core.policy.readings import Reading, has_other_readings, other_readings, plain_reading
from orgfence.core.request import Authority, Request, is_token
from orgfence.core.rule import Issuer, PlaceKind, Rule
from orgfence.core.tokens.reader import TokenReader

#: A request's wanted header fields: canonical name to every value, in wire order.
type Fields = dict[bytes, list[bytes]]

# What frameworks let a client put in place of the method that stands in the request line (Rack, Symfony, ASP.NET).
METHOD_OVERRIDES = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
# What frameworks let a client put in place of the path (Symfony, Zend, IIS rewrites behind a proxy).
_PATH_OVERRIDES = (b"x-original-url", b"x-rewrite-url")
_ALWAYS_WANTED = frozenset(
    {
        b"host",
        b"connection",
        b"origin",
        b"access-control-request-method",
        b"authorization",
        b"cookie",
        *METHOD_OVERRIDES,
        *_PATH_OVERRIDES,
    }
)


class Match(NamedTuple):
    """A rule that applies to a request, under one name of its host and one reading of its path."""

    route: Route
    #: The host pattern that matched, with what it captured.
    host: HostMatch
    #: None: the path has more readings than are tried.
    reading: Reading | None
    #: Whether the reading is the path as it stands.
    plain: bool
    #: The rule's other hosts and paths that match under the same name in the same reading: what any of them captures
    #: is about the request.
    also: tuple["Match", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Ruleset:
    """What a policy compiles to."""

    rules: tuple[Rule, ...]
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
    #: The canonical names of all header fields that some rule may ask for.
    wanted_headers: frozenset[bytes]

    @classmethod
    def build(
        cls,
        *,
        routes: Iterable[Route],
        issuers: Mapping[str, Issuer],
        orgs: OrgNames,
        unmatched: Enforcement,
        generation: str,
        cap: Enforcement = Enforcement.BLOCK,
    ) -> Self:
        """Index the routes, each of which holds its rule; the rules are those that have one."""
        routes = tuple(routes)
        rules = tuple(dict.fromkeys(route.rule for route in routes))
        return cls(
            rules=rules,
            routes=routes,
            index=RouteIndex(routes),
            issuers=issuers,
            orgs=orgs,
            tokens=TokenReader(issuers.values(), orgs, generation),
            unmatched=unmatched,
            cap=cap,
            generation=generation,
            wanted_headers=_ALWAYS_WANTED.union(*(_headers_of(rule) for rule in rules)),
        )

    def observing(self) -> Self:
        """Return the same ruleset with every enforcement capped at observe."""
        capped = {
            rule: replace(
                rule,
                enforcement=Enforcement.OBSERVE,
                undetermined=Enforcement.OBSERVE,
                unauthenticated=Enforcement.OBSERVE,
                uncapped=rule.uncapped or rule,
            )
            for rule in self.rules
        }
        return self.build(
            routes=[route._replace(rule=capped[route.rule]) for route in self.routes],
            issuers=self.issuers,
            orgs=self.orgs,
            unmatched=self.unmatched,
            generation=self.generation,
            cap=Enforcement.OBSERVE,
        )

    @property
    def strictest(self) -> Enforcement:
        """The strictest that is done where no verdict can be reached: what a failure without a rule gets."""
        return min(self.cap, max([self.unmatched, *(rule.undetermined for rule in self.rules)]))

    def guards(self, authority: Authority) -> bool:
        """Return whether some rule's hosts include this one."""
        return bool(self.index.hosts(authority))

    def hosts_of(self, request: Request, fields: Fields) -> list[tuple[HostMatch, ...]]:
        """Return, for each name of the request's host that is guarded, the host patterns that match it."""
        default_port = 443 if request.scheme == b"https" else 80
        names = fields.get(b"host", [])
        if len(names) > _HOSTS_READ:
            # RFC 9112 section 3.2 allows one; a server that takes more goes by the first or by the last.
            names = [*names[: _HOSTS_READ // 2], *names[-_HOSTS_READ // 2 :]]
        found: list[tuple[HostMatch, ...]] = []
        for authority in (*request.authorities, *(Authority(name, default_port) for name in names)):
            hosts = self.index.hosts(authority)
            if hosts and hosts not in found:
                found.append(hosts)
        return found

    def matching(self, request: Request, fields: Fields, guarded: list[tuple[HostMatch, ...]]) -> list[Match]:
        """Return what applies under any of the guarded names, the plain reading's matches first."""
        methods = methods_of(request.method, fields)
        plain = plain_reading(request.target)
        matches = _matching_as(plain, True, request, methods, guarded)
        if is_token(request.method):
            if not has_other_readings(request.target) and not any(name in fields for name in _PATH_OVERRIDES):
                return matches
            readings = _other_readings(request.target, fields)
        else:
            # In HTTP/1 a space in the method ends it there, and what follows is the path.
            readings, methods = None, ANY_METHOD
        if readings is None:
            return matches + [
                Match(route, host, None, False)
                for hosts in guarded
                for host in hosts
                for route in host.paths.routes
                if _applies(route.rule, methods, request.listen_port, None)
            ]
        for reading in readings:
            matches += _matching_as(reading, False, request, methods, guarded)
        return matches


def _matching_as(
    reading: Reading, plain: bool, request: Request, methods: frozenset[bytes], guarded: list[tuple[HostMatch, ...]]
) -> list[Match]:
    """Return what applies in one reading: one match for each rule under each name."""
    found: list[Match] = []
    for hosts in guarded:
        matches = [
            Match(route, host, reading, plain)
            for host in hosts
            for route in host.paths.find(reading.segments)
            if _applies(route.rule, methods, request.listen_port, reading)
        ]
        found += matches if len(matches) < 2 else _joined(matches)
    return found


def _joined(matches: list[Match]) -> Iterable[Match]:
    """Join the matches of each rule: one of its paths may name the org, and another that matches too may not."""
    joined: dict[Rule, Match] = {}
    for match in matches:
        first = joined.setdefault(match.route.rule, match)
        if first is not match:
            joined[match.route.rule] = first._replace(also=(*first.also, match))
    return joined.values()


def _headers_of(rule: Rule) -> set[bytes]:
    """Return the fields that a rule reads its org or its credential from."""
    wanted = {source.name for source in rule.org if source.kind is PlaceKind.HEADER}
    for place in rule.places:
        if place.kind is PlaceKind.HEADER:
            wanted.add(place.name)
        elif place.kind is PlaceKind.COOKIE:
            wanted.add(b"cookie")
    return wanted


# The sets for what nearly all requests use, so that these cost one look-up.
_PLAIN_METHODS = {
    method: frozenset({method, b"GET"}) if method == b"HEAD" else frozenset({method})
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")
}


def methods_of(method: bytes, fields: Fields) -> frozenset[bytes]:
    """Return every method that the server may take this request for; HEAD is GET without a body."""
    methods = _PLAIN_METHODS.get(method)
    if methods is not None and METHOD_OVERRIDES.isdisjoint(fields):
        return methods
    overrides = [value.strip().upper() for name in METHOD_OVERRIDES for value in fields.get(name, ())]
    methods = frozenset({method, method.upper(), *overrides})
    return methods | {b"GET"} if b"HEAD" in methods else methods


def takes_one_of(rule: Rule, methods: frozenset[bytes]) -> bool:
    """Return whether a rule is for requests with one of these methods."""
    return rule.methods is None or methods is ANY_METHOD or not rule.methods.isdisjoint(methods)


#: Stands for whatever method the server may find.
ANY_METHOD = frozenset({b"*"})
# More than anybody sends, and few enough for all of them to be read.
_HOSTS_READ, _MAX_OVERRIDES = 16, 4
# Each reading of a path is judged with the query once more. Servers stop near 8 KiB for a request line.
_MAX_TARGET = 32 * 1024


def _applies(rule: Rule, methods: frozenset[bytes], listen_port: int, reading: Reading | None) -> bool:
    """Return whether a rule whose host and path match applies in the other respects too."""
    if not takes_one_of(rule, methods):
        return False
    if rule.listen is not None and listen_port not in rule.listen:
        return False
    return reading is None or not any(path.matches(reading.segments) for path in rule.except_paths)


def _other_readings(target: bytes, fields: Fields) -> list[Reading] | None:
    """Return all readings but the plain one, those that a path-override header gives included; None: too many."""
    overriding_paths = [value.strip() for name in _PATH_OVERRIDES for value in fields.get(name, ())]
    if len(target) > _MAX_TARGET or len(overriding_paths) > _MAX_OVERRIDES:
        return None
    readings = other_readings(target)
    if readings is None:
        return None
    found = list(readings)
    query = plain_reading(target).query
    for path in overriding_paths:
        others = other_readings(path)
        if others is None:
            return None
        # The server that takes this path in place of the other may still take the other's query.
        overriding = (plain_reading(path), *others)
        found += (reading._replace(query=query + b"&" + reading.query) for reading in overriding)
    return found
