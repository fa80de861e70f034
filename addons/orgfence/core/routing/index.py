"""From a request's hosts and the segments of its path to the routes that match, however many rules there are.

Hosts and paths are looked up in tries, so a look-up costs what the request is long. A walk over all rules would make
every team's rules slow down every other team's requests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from orgfence.core.request import Authority
from orgfence.core.routing.host_names import host_readings, read_address
from orgfence.core.routing.letter_case import fold_case
from orgfence.core.routing.templates import HostTemplate, PathTemplate, Segment
from orgfence.core.rule import Rule

# A program calls a few hosts and a browser some hundreds, so this holds them all; but clients choose the names, so
# their number and length need a bound. Measured when full of the worst that was tried: 7 MiB.
_MAX_CACHED = 1024
_MAX_NAME_BYTES = 1024


class Route(NamedTuple):
    """One way to a rule: one of its hosts and one of its paths."""

    rule: Rule
    host: HostTemplate
    path: PathTemplate


class _Node[T]:
    """What can follow one beginning of a sequence."""

    __slots__ = ("anything", "ends", "literals", "partly", "rests")

    def __init__(self) -> None:
        #: The node behind each segment that is fixed.
        self.literals: dict[bytes, _Node[T]] = {}
        #: The node behind a segment that is fixed in part, by its prefix and suffix, those by how long they are. Few
        #: lengths, so they are tried in turn.
        self.partly: dict[tuple[int, int], dict[tuple[bytes, bytes], _Node[T]]] = {}
        #: The node behind any segment but an empty one.
        self.anything: _Node[T] | None = None
        #: The values whose template ends here.
        self.ends: list[T] = []
        #: The values whose template takes whatever follows.
        self.rests: list[T] = []

    def behind_partly(self, segment: bytes) -> list["_Node[T]"]:
        length = len(segment)
        return [
            nodes[ends]
            for (before, behind), nodes in self.partly.items()
            if length > before + behind and (ends := (segment[:before], segment[length - behind :])) in nodes
        ]


class _Trie[T]:
    """Values by sequences of template segments."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def insert(self, segments: Iterable[Segment], value: T, *, rest: bool) -> None:
        node = self._root
        for segment in segments:
            if segment.literal is not None:
                node = node.literals.setdefault(segment.literal, _Node())
            elif segment.prefix or segment.suffix:
                nodes = node.partly.setdefault((len(segment.prefix), len(segment.suffix)), {})
                node = nodes.setdefault((segment.prefix, segment.suffix), _Node())
            else:
                node.anything = following = node.anything or _Node()
                node = following
        (node.rests if rest else node.ends).append(value)

    def find(self, segments: Sequence[bytes]) -> list[T]:
        """Return every value whose template matches.

        Of the nodes that a segment leads to one is followed at once and the others wait. A node has one way in, so
        none is visited twice, and all visited match the segments so far.
        """
        found: list[T] = []
        waiting: list[tuple[_Node[T], int]] = []
        node, depth, length = self._root, 0, len(segments)
        while True:
            if node.rests:
                found += node.rests
            if depth == length:
                found += node.ends
            else:
                segment = segments[depth]
                depth += 1
                if node.partly:
                    waiting += [(following, depth) for following in node.behind_partly(segment)]
                literal = node.literals.get(segment)
                if node.anything is not None and segment:
                    if literal is not None:
                        waiting.append((literal, depth))
                    node = node.anything
                    continue
                if literal is not None:
                    node = literal
                    continue
            if not waiting:
                return found
            node, depth = waiting.pop()


class PathIndex:
    """The routes of one host template, by their paths."""

    __slots__ = ("find", "issuers", "only_exchanges", "routes")

    #: Takes a reading's segments and returns every route whose path template matches.
    find: Callable[[Sequence[bytes]], list[Route]]

    def __init__(self, routes: Iterable[Route]) -> None:
        """Index the routes by their path templates."""
        in_order = tuple(routes)
        #: Those of the strictest rules first.
        self.routes = tuple(sorted(in_order, key=lambda route: strictest_first(route.rule)))
        exchanges = [route.rule.exchange for route in self.routes if route.rule.exchange is not None]
        #: Whether they lead to endpoints of issuers only, and to none of the policy's rules.
        self.only_exchanges = len(exchanges) == len(self.routes)
        #: The issuers whose endpoints they lead to.
        self.issuers = frozenset(exchange.issuer.name for exchange in exchanges)
        exact: _Trie[Route] = _Trie()
        folded: _Trie[Route] = _Trie()
        for route in in_order:
            trie = folded if route.path.ignore_case else exact
            trie.insert(route.path.segments, route, rest=route.path.rest)
        # Where all routes regard case, nobody pays for those that do not.
        ignores_case = any(route.path.ignore_case for route in self.routes)
        self.find = partial(_find_in_any_case, exact, folded) if ignores_case else exact.find


def strictest_first(rule: Rule) -> tuple[int, str]:
    """Sort rules by what the policy has them do, however it is capped."""
    return -(rule.uncapped or rule).enforcement, rule.id


def _find_in_any_case(exact: _Trie[Route], folded: _Trie[Route], segments: Sequence[bytes]) -> list[Route]:
    return exact.find(segments) + folded.find([fold_case(segment) for segment in segments])


class HostMatch(NamedTuple):
    """A host template that an authority matches."""

    #: What the template's captures hold.
    captures: Mapping[bytes, bytes]
    #: The routes that name it.
    paths: PathIndex
    #: The canonical name of the header field that puts this host in the place of the request's own; empty: none does.
    override: bytes = b""


#: For each name of a request's host that is guarded: the matches of the templates that it matches.
type Guarded = tuple[tuple[HostMatch, ...], ...]


class _Host(NamedTuple):
    template: HostTemplate
    paths: PathIndex


class RouteIndex:
    """All routes of a ruleset, by their hosts."""

    __slots__ = ("_addresses", "_cache", "_everywhere", "_names")

    def __init__(self, routes: Iterable[Route]) -> None:
        """Index the routes by their host templates."""
        self._everywhere: list[_Host] = []
        self._addresses: dict[bytes, list[_Host]] = {}
        #: By labels from the right, as the names of hosts branch.
        self._names: _Trie[_Host] = _Trie()
        self._cache: dict[tuple[tuple[Authority, ...], tuple[bytes, ...], int], Guarded] = {}

        groups: dict[object, list[Route]] = {}
        for route in routes:
            # Patterns that differ in the names of their captures alone stay apart: each match has its own captures.
            pattern = (route.host.address, route.host.labels, route.host.wildcard, route.host.port)
            groups.setdefault(pattern, []).append(route)
        for group in groups.values():
            self._insert(_Host(group[0].host, PathIndex(group)))

    def _insert(self, host: _Host) -> None:
        template = host.template
        if template.address is not None:
            self._addresses.setdefault(template.address, []).append(host)
        elif template.labels:
            self._names.insert(reversed(template.labels), host, rest=template.wildcard)
        else:
            self._everywhere.append(host)

    def guarded(self, authorities: tuple[Authority, ...], fields: tuple[bytes, ...], default_port: int) -> Guarded:
        """Return what the names of a request's host match: its authorities, and what its `Host` fields say."""
        key = authorities, fields, default_port
        guarded = self._cache.get(key)
        return self._look_up(*key) if guarded is None else guarded

    def _look_up(self, authorities: tuple[Authority, ...], fields: tuple[bytes, ...], default_port: int) -> Guarded:
        names = (*authorities, *(Authority(field, default_port) for field in fields))
        found: list[tuple[HostMatch, ...]] = []
        for name in names:
            hosts = self.hosts(name)
            if hosts and hosts not in found:
                found.append(hosts)
        guarded = tuple(found)

        # RFC 9112 section 3.2 allows one `Host` field: more of them are nobody's habit.
        if len(fields) < 2 and sum(len(name.name) for name in names) <= _MAX_NAME_BYTES:
            if len(self._cache) >= _MAX_CACHED:
                # Filling it again costs some microseconds a host, less than to keep account of what was used last.
                self._cache.clear()
            self._cache[authorities, fields, default_port] = guarded
        return guarded

    def hosts(self, authority: Authority, *, any_port: bool = False) -> tuple[HostMatch, ...]:
        """Return a match for each host template that an authority matches; none: the host is unguarded.

        `any_port`: whatever port the template names.
        """
        found: dict[object, HostMatch] = {}
        for name, port in dict.fromkeys(host_readings(authority)):
            labels = name.split(b".")
            for template, paths in self._candidates(name, labels):
                if any_port or template.port in {None, port}:
                    captures = template.captures(labels)
                    found[id(paths), *captures.values()] = HostMatch(captures, paths)
        return tuple(found.values())

    def _candidates(self, name: bytes, labels: list[bytes]) -> list[_Host]:
        if read_address(name) is not None:
            # An address has no labels: `*.0.0.1` or `{a}.{b}.{c}.{d}` would name no one's host.
            return self._everywhere + self._addresses.get(name, [])
        named = self._names.find(labels[::-1])
        # `*.example.com` is one label more at least, where `**` in a path may be none.
        return self._everywhere + [host for host in named if host.template.takes(len(labels))]
