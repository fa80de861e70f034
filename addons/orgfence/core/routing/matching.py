"""From a request and the names of its host to the rules that apply to it.

A rule applies when its host, path, method and listen port do. A request may name several hosts, and a path may be
read in several ways; each is matched on its own, because nobody can know which one the server will go by.
"""

from collections.abc import Iterable
from heapq import nsmallest
from typing import NamedTuple

from orgfence.core.request import Fields, Request, is_token
from orgfence.core.routing.index import Guarded, HostMatch, Route, strictest_first
from orgfence.core.routing.methods import (
    ANY_METHOD,
    METHOD_OVERRIDES,
    NO_METHODS,
    PLAIN_METHODS,
    MethodsByQuery,
    joined,
    may_name_method,
    methods_of,
)
from orgfence.core.routing.readings import (
    EncodedSlash,
    Reading,
    Work,
    has_other_readings,
    other_readings,
    plain_reading,
)
from orgfence.core.rule import Rule

# What frameworks let a client put in place of the path (Symfony, Zend, IIS rewrites behind a proxy).
PATH_OVERRIDES = frozenset({b"x-original-url", b"x-rewrite-url"})
OVERRIDES = METHOD_OVERRIDES | PATH_OVERRIDES


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

    @property
    def as_it_stands(self) -> bool:
        """Whether neither the path nor the host is another than the request's own."""
        return self.plain and not self.host.override


def matches_of(
    request: Request,
    fields: Fields,
    guarded: Guarded,
    slashes: tuple[EncodedSlash, ...],
    *,
    is_overridden: bool,
    other_methods: frozenset[bytes] = NO_METHODS,
) -> list[Match]:
    """Return what applies under any of the guarded names, the plain readings' matches first.

    `slashes`: what the rules say of encoded slashes, each of these once. `is_overridden`: whether there may be fields
    that put another method or path in the place of the request's own. `other_methods`: those that its body names.
    """
    target, plain_methods = request.target, PLAIN_METHODS.get(request.method)
    plain = not other_methods and (not is_overridden or OVERRIDES.isdisjoint(fields))
    is_long = len(target) > MAX_PATH and len(target.partition(b"?")[0]) > MAX_PATH
    # Nearly all requests go no further than this.
    if plain and plain_methods is not None and not is_long and not has_other_readings(target):
        reading = plain_reading(target)
        if not reading.query or not may_name_method(reading.query):
            return _matching_as(reading, True, request, plain_methods, guarded, None)

    methods = MethodsByQuery(joined(methods_of(request.method, fields), other_methods))
    if is_long:
        return _in_any_reading(request, methods.in_any_reading(_targets(request, fields)), guarded, slashes)
    readable = plain_methods is not None or is_token(request.method)
    if readable and not has_other_readings(target) and PATH_OVERRIDES.isdisjoint(fields):
        reading = plain_reading(target)
        return _matching_as(reading, True, request, methods.under(reading.query), guarded, None)

    matches: list[Match] = []
    for slash in slashes:
        reading = plain_reading(target, slash)
        matches += _matching_as(reading, True, request, methods.under(reading.query), guarded, slash)
    work, most = Work(), len(matches) + MAX_OTHER_MATCHES
    for slash in slashes:
        # In HTTP/1 a space in the method ends it there, and what follows is the path.
        readings = _other_readings(target, fields, slash, work) if readable else None
        found = (
            None
            if readings is None
            else _matching_other(readings, request, methods, guarded, slash, most - len(matches))
        )
        if found is None:
            unread = methods.in_any_reading(_targets(request, fields)) if readable else ANY_METHOD
            found = _in_any_reading(request, unread, guarded, (slash,))
        matches += found
    return matches


def _targets(request: Request, fields: Fields) -> list[bytes]:
    """Return the request's target and those that fields put in its place."""
    return [request.target, *(value for name in PATH_OVERRIDES for value in fields.get(name, ()))]


def _matching_other(
    readings: list[Reading],
    request: Request,
    methods: MethodsByQuery,
    guarded: Guarded,
    slash: EncodedSlash,
    most: int,
) -> list[Match] | None:
    """Return what applies in any of these readings; None: more than may be judged."""
    found: list[Match] = []
    for reading in readings:
        found += _matching_as(reading, False, request, methods.under(reading.query), guarded, slash)
        if len(found) > most:
            return None
    return found


def _in_any_reading(
    request: Request, methods: frozenset[bytes], guarded: Guarded, slashes: tuple[EncodedSlash, ...]
) -> list[Match]:
    """Return one match for each rule that may apply, where nobody knows how the path is read.

    Of hundreds the strictest, which decide.
    """
    found: dict[Rule, Match] = {}
    for host in (host for hosts in one_name(guarded) for host in hosts):
        most = len(found) + MAX_UNREAD_MATCHES
        for route in host.paths.routes:
            rule = route.rule
            if (
                rule not in found
                and rule.encoded_slash in slashes
                and _applies(rule, methods, request.listen_port, None)
            ):
                found[rule] = Match(route, host, None, False)
                if len(found) == most:
                    break
    if len(found) <= MAX_UNREAD_MATCHES:
        return list(found.values())
    return [found[rule] for rule in nsmallest(MAX_UNREAD_MATCHES, found, key=strictest_first)]


def one_name(guarded: Guarded) -> Guarded:
    """Return each of the host patterns once, whatever number of names match it."""
    patterns = {id(host.paths): host for hosts in reversed(guarded) for host in hosts}
    return (tuple(patterns.values()),) if patterns else ()


def _matching_as(
    reading: Reading,
    plain: bool,
    request: Request,
    methods: frozenset[bytes],
    guarded: Guarded,
    slash: EncodedSlash | None,
) -> list[Match]:
    """Return what applies in one reading: one match for each rule under each name. `slash`: whose reading it is."""
    found: list[Match] = []
    for hosts in guarded:
        matches = [
            Match(route, host, reading, plain)
            for host in hosts
            for route in host.paths.find(reading.segments)
            if _applies(route.rule, methods, request.listen_port, reading)
            and (slash is None or route.rule.encoded_slash is slash)
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


def takes_one_of(rule: Rule, methods: frozenset[bytes]) -> bool:
    """Return whether a rule is for requests with one of these methods."""
    return rule.methods is None or methods is ANY_METHOD or not rule.methods.isdisjoint(methods)


# More than anybody sends, and few enough for all of them to be read.
_MAX_OVERRIDES = 4
#: Bytes of a path. Servers stop near 8 KiB for a request line.
MAX_PATH = 32 * 1024
# Each reading of a path is judged with the query once more.
_MAX_TARGET = 32 * 1024
#: How many matches are judged beside those of the path as it stands: those of sixteen rules for one path, in as many
#: readings as any normal path has. Each takes some twenty microseconds.
MAX_OTHER_MATCHES = 320
#: Of how many rules it is said that nobody knows how the path is read.
MAX_UNREAD_MATCHES = 400


def _applies(rule: Rule, methods: frozenset[bytes], listen_port: int, reading: Reading | None) -> bool:
    """Return whether a rule whose host and path match applies in the other respects too."""
    if not takes_one_of(rule, methods):
        return False
    if rule.listen is not None and listen_port not in rule.listen:
        return False
    if reading is None or not rule.except_paths:
        return True
    return not any(path.matches(reading.segments) for path in rule.except_paths)


def _other_readings(target: bytes, fields: Fields, slash: EncodedSlash, work: Work) -> list[Reading] | None:
    """Return all readings but the plain one, those that a path-override header gives included; None: too many."""
    overriding_paths = [value.strip() for name in PATH_OVERRIDES for value in fields.get(name, ())]
    if len(target) > _MAX_TARGET or len(overriding_paths) > _MAX_OVERRIDES:
        return None
    readings = other_readings(target, slash, work)
    if readings is None:
        return None
    found = list(readings)
    query = plain_reading(target, slash).query
    for path in overriding_paths:
        others = other_readings(path, slash, work) if len(path) <= _MAX_TARGET else None
        if others is None:
            return None
        # The server that takes this path in place of the other may still take the other's query.
        overriding = (plain_reading(path, slash), *others)
        found += (reading._replace(query=query + b"&" + reading.query) for reading in overriding)
    return found
