"""The index finds every route that matches, by host and by path, and no other."""

import pytest

from orgfence.core.reason import Enforcement
from orgfence.core.request import Authority
from orgfence.core.routing import index
from orgfence.core.routing.index import Guarded, PathIndex, Route, RouteIndex
from orgfence.core.routing.templates import HostTemplate, PathTemplate
from orgfence.core.rule import Rule


def make_rule(name: str = "rule") -> Rule:
    return Rule(
        id=name,
        methods=None,
        listen=None,
        except_paths=(),
        org=(),
        issuer=None,
        places=(),
        scopes=frozenset(),
        coverage=None,
        pass_without_token=False,
        pass_without_org=False,
        pass_without_claim=False,
        enforcement=Enforcement.BLOCK,
        undetermined=Enforcement.BLOCK,
        unauthenticated=Enforcement.BLOCK,
    )


def make_route(host: str, path: str = "/**", rule: Rule | None = None) -> Route:
    return Route(rule or make_rule(), HostTemplate.parse(host), PathTemplate.parse(path))


def split(path: str) -> tuple[bytes, ...]:
    return tuple(path.encode().split(b"/")[1:]) if path != "/" else ()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"/", "/**"}),
        ("/orgs", {"/**", "/{kind}", "/orgs/**"}),
        ("/orgs/acme", {"/**", "/orgs/**", "/orgs/{org}", "/orgs/acme", "/{kind}/*", "/orgs/{org}/**"}),
        ("/orgs/globex", {"/**", "/orgs/**", "/orgs/{org}", "/{kind}/*", "/orgs/{org}/**"}),
        ("/orgs/acme/users", {"/**", "/orgs/**", "/orgs/{org}/**", "/*/{org}/users", "/orgs/*/{what}"}),
        ("/orgs//users", {"/**", "/orgs/**"}),
        ("/v2/x", {"/**", "/{kind}/*", "/v{n}/x"}),
        ("/v/x", {"/**", "/{kind}/*"}),
        ("/v2.json/x", {"/**", "/{kind}/*", "/v{n}/x", "/v{n}.json/x"}),
        ("//x", {"/**"}),
        ("/x/y/z/a/b/c", {"/**"}),
    ],
)
def test_find_returns_every_route_that_matches(path: str, expected: set[str]) -> None:
    """Literals, captures, partial captures, `*` and `**` that overlap are all found, each once."""
    templates = [
        "/",
        "/**",
        "/{kind}",
        "/{kind}/*",
        "/*/{org}/users",
        "/orgs/**",
        "/orgs/{org}",
        "/orgs/acme",
        "/orgs/{org}/**",
        "/orgs/*/{what}",
        "/v{n}/x",
        "/v{n}.json/x",
    ]
    paths = PathIndex(make_route("*", template) for template in templates)
    found = [route.path.text for route in paths.find(split(path))]
    assert sorted(found) == sorted(expected)


def test_find_returns_routes_that_ignore_case_beside_those_that_do_not() -> None:
    """Each by its own way to compare, and each once."""
    routes = [
        Route(make_rule(), HostTemplate.parse("*"), PathTemplate.parse(text, ignore_case=ignore_case))
        for text in ("/Orgs/{org}", "/orgs/v{n}", "/**")
        for ignore_case in (False, True)
    ]
    paths = PathIndex(routes)

    def found(path: str) -> list[tuple[str, bool]]:
        return sorted((route.path.text, route.path.ignore_case) for route in paths.find(split(path)))

    everywhere = [("/**", False), ("/**", True)]
    assert found("/acme") == everywhere
    assert found("/Orgs/acme") == [*everywhere, ("/Orgs/{org}", False), ("/Orgs/{org}", True)]
    assert found("/ORGS/\u212a") == [*everywhere, ("/Orgs/{org}", True)]
    assert found("/orgs/v2") == [*everywhere, ("/Orgs/{org}", True), ("/orgs/v{n}", False), ("/orgs/v{n}", True)]
    assert found("/orgs/V2") == [*everywhere, ("/Orgs/{org}", True), ("/orgs/v{n}", True)]


def test_only_hosts_with_such_routes_fold_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those fold each segment once."""
    folded: list[bytes] = []

    def fold(segment: bytes) -> bytes:
        folded.append(segment)
        return segment.lower()

    monkeypatch.setattr(index, "fold_case", fold)
    route = make_route("*", "/orgs/{org}")
    PathIndex([route]).find([b"Orgs", b"acme"])
    assert folded == []
    PathIndex([route, *(route._replace(path=PathTemplate.parse(f"/{x}/{{y}}", ignore_case=True)) for x in "abc")]).find(
        [b"Orgs", b"acme"]
    )
    assert folded == [b"Orgs", b"acme"]


def test_many_segments_that_are_fixed_in_part_are_told_apart() -> None:
    """Whether they differ in prefix, in suffix or in how long these are."""
    templates = [f"/{prefix}{{x}}{suffix}" for prefix in ("", "a", "b", "ab") for suffix in ("", "-a", "-b", "a")]
    paths = PathIndex(make_route("*", template) for template in templates)
    assert {route.path.text for route in paths.find([b"ab-a"])} == {
        *("/{x}", "/{x}-a", "/{x}a", "/a{x}", "/a{x}-a", "/a{x}a", "/ab{x}", "/ab{x}a"),
    }
    assert {route.path.text for route in paths.find([b"a"])} == {"/{x}"}
    assert paths.find([b""]) == []


def test_routes_with_one_path_are_all_found() -> None:
    """Two rules on one template, or on templates that differ in names alone, both decide."""
    routes = [make_route("*", "/orgs/{org}"), make_route("*", "/orgs/{org}"), make_route("*", "/orgs/{id}/")]
    paths = PathIndex(routes)
    assert paths.routes == tuple(routes)
    assert paths.find([b"orgs", b"acme"]) == routes


def hosts_of(routes: RouteIndex, name: bytes, port: int = 443) -> dict[str, dict[bytes, bytes]]:
    """What each matching host template captured, by its text."""
    return {match.paths.routes[0].host.text: dict(match.captures) for match in routes.hosts(Authority(name, port))}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"other.org", {"*": {}}),
        (
            b"api.example.com",
            {
                "*": {},
                "api.example.com": {},
                "*.example.com": {},
                "*.com": {},
                "{tenant}.example.com": {b"tenant": b"api"},
                "{org}.example.com": {b"org": b"api"},
            },
        ),
        (
            b"API-eu.Example.com.:8443",
            {
                "*": {},
                "*.example.com": {},
                "*.com": {},
                "{tenant}.example.com": {b"tenant": b"api-eu"},
                "{org}.example.com": {b"org": b"api-eu"},
                "api-{region}.example.com:8443": {b"region": b"eu"},
            },
        ),
        (b"example.com", {"*": {}, "*.com": {}}),
        (b".example.com", {"*": {}, "*.com": {}, "*.example.com": {}}),
        (b"c.b.a.example.com", {"*": {}, "*.com": {}, "*.example.com": {}, "*.{x}.example.com": {b"x": b"a"}}),
        (b"10.0.0.1", {"*": {}, "10.0.0.1": {}}),
        (b"10.1:80", {"*": {}, "10.0.0.1": {}}),
        (b"10.0.0.1:8080", {"*": {}, "10.0.0.1": {}, "10.0.0.1:8080": {}}),
        (b"10.0.0.2", {"*": {}}),
        (b"[0::1]", {"*": {}, "[::1]:443": {}}),
        (b"[::1]:80", {"*": {}}),
        (b"", {"*": {}}),
        (b"w.x.y.z", {"*": {}, "{a}.{b}.{c}.{d}": {b"a": b"w", b"b": b"x", b"c": b"y", b"d": b"z"}}),
    ],
)
def test_hosts_returns_every_template_that_matches(name: bytes, expected: dict[str, dict[bytes, bytes]]) -> None:
    """Each with its own captures; an address has no labels, and a leading `*.` is one label at least."""
    templates = [
        "*",
        "api.example.com",
        "*.example.com",
        "*.com",
        "{tenant}.example.com",
        "{org}.example.com",
        "api-{region}.example.com:8443",
        "*.{x}.example.com",
        "10.0.0.1",
        "10.0.0.1:8080",
        "[::1]:443",
        "{a}.{b}.{c}.{d}",
    ]
    routes = RouteIndex(make_route(template) for template in templates)
    assert hosts_of(routes, name) == expected


def test_an_unguarded_host_matches_nothing() -> None:
    """Neither a neighbour's name, nor one that only begins or ends like a guarded one."""
    routes = RouteIndex([make_route("api.example.com"), make_route("*.internal.example.com:443")])
    for name in (
        b"example.com",
        b"xapi.example.com",
        b"api.example.com.evil",
        b"internal.example.com",
        b"a.internal.example.com:80",
        b"",
    ):
        assert routes.hosts(Authority(name, 443)) == ()


def test_the_default_port_counts_where_none_is_named() -> None:
    """`api.example.com` over TLS is `api.example.com:443`."""
    routes = RouteIndex([make_route("api.example.com:443")])
    assert routes.hosts(Authority(b"api.example.com", 443))
    assert not routes.hosts(Authority(b"api.example.com", 80))
    assert routes.hosts(Authority(b"api.example.com:443", 80))
    assert not routes.hosts(Authority(b"api.example.com:80", 443))
    assert routes.hosts(Authority(b"api.example.com:nonsense", 443))


def test_an_odd_authority_matches_each_host_once() -> None:
    """Both hosts that it may be taken for are matched, and what either matches is not doubled."""
    routes = RouteIndex([make_route("a.example.com"), make_route("b.example.com"), make_route("*")])
    assert hosts_of(routes, b"a.example.com@b.example.com") == {"b.example.com": {}, "*": {}}
    assert hosts_of(routes, b"a.example.com/@b.example.com") == {
        "a.example.com": {},
        "b.example.com": {},
        "*": {},
    }
    assert len(routes.hosts(Authority(b"a.example.com:x", 443))) == 2


def test_one_template_with_two_captures_is_two_matches() -> None:
    """Where an authority can be taken for two tenants' hosts, both are."""
    routes = RouteIndex([make_route("{tenant}.example.com")])
    found = routes.hosts(Authority(b"globex.example.com/@acme.example.com", 443))
    assert [match.captures[b"tenant"] for match in found] == [b"globex", b"acme"]


def test_routes_of_one_host_pattern_share_one_match() -> None:
    """However a template is spelled, its routes are one path index, in the order they came."""
    routes = [
        make_route("{tenant}.example.com", "/a"),
        make_route("{tenant}.EXAMPLE.com.", "/b"),
        make_route("{org}.example.com", "/c"),
    ]
    found = RouteIndex(routes).hosts(Authority(b"acme.example.com", 443))
    assert [match.paths.routes for match in found] == [tuple(routes[:2]), tuple(routes[2:])]


def test_answers_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients choose the names, so neither their number nor their length may fill the memory."""
    monkeypatch.setattr(index, "_MAX_CACHED", 3)
    routes = RouteIndex([make_route("{tenant}.example.com")])

    def guarded(name: bytes, *fields: bytes) -> Guarded:
        return routes.guarded((Authority(name, 443),), fields, 443)

    def kept(name: bytes, *fields: bytes) -> bool:
        return guarded(name, *fields) is guarded(name, *fields)

    names = [b"%d.example.com" % number for number in range(10)]
    assert all(kept(name) for name in names)
    answers = [guarded(name) for name in names]
    again = [guarded(name) for name in names]
    assert answers == again
    assert sum(one is other for one, other in zip(answers, again, strict=True)) <= 3
    assert not kept(b"a" * 1020 + b".example.com")
    assert kept(names[0], b"a.example.com")
    assert not kept(names[0], b"a.example.com", b"b.example.com")
    assert not kept(b"a" * 600 + b".example.com", b"b" * 600 + b".example.com")


def test_what_is_kept_goes_by_every_name_and_port() -> None:
    """What one request was found to be for says nothing of one that differs in any of its names."""
    routes = RouteIndex([make_route("{tenant}.example.com:443")])

    def tenants(name: bytes, port: int, fields: tuple[bytes, ...], default_port: int) -> list[bytes]:
        found = routes.guarded((Authority(name, port),), fields, default_port)
        return [match.captures[b"tenant"] for matches in found for match in matches]

    asked: list[tuple[bytes, int, tuple[bytes, ...], int, list[bytes]]] = [
        (b"a.example.com", 443, (), 443, [b"a"]),
        (b"a.example.com", 80, (), 443, []),
        (b"a.example.com", 443, (b"b.example.com",), 443, [b"a", b"b"]),
        (b"a.example.com", 443, (b"b.example.com",), 80, [b"a"]),
        (b"a.example.com", 443, (b"b.example.com:443",), 80, [b"a", b"b"]),
        (b"a.example.com", 443, (b"b.example.com", b"c.example.com"), 443, [b"a", b"b", b"c"]),
        (b"x.test", 443, (b"a.example.com",), 443, [b"a"]),
    ]
    for _ in range(2):
        for name, port, fields, default_port, expected in asked:
            assert tenants(name, port, fields, default_port) == expected
