"""The way from a request to the rules that apply to it."""

import pytest
from tests.guarding import load, request_of, ruleset_of

from orgfence.core.reason import Enforcement
from orgfence.core.request import Authority, Request, scan_headers
from orgfence.core.ruleset import Ruleset


def matched(ruleset: Ruleset, request: Request) -> set[str]:
    """Return the ids of the rules that match in some reading."""
    fields = scan_headers(request.headers, ruleset.wanted_headers)
    guarded = ruleset.hosts_of(request, fields)
    matches = ruleset.matching(request, fields, guarded + ruleset.overriding(request, fields, guarded))
    return {match.route.rule.id for match in matches}


@pytest.mark.parametrize(
    ("name", "port", "rules"),
    [
        (b"api.example.com", 443, {"exact", "any", "port"}),
        (b"API.Example.COM.", 443, {"exact", "any", "port"}),
        (b"api.example.com:443", 80, {"exact", "any", "port"}),
        (b"api.example.com:8443", 443, {"exact", "any"}),
        (b"api.example.com", 80, {"exact", "any"}),
        (b"acme.api.example.com", 443, {"template", "any"}),
        (b"a.acme.api.example.com", 443, {"any"}),
        (b"example.com", 443, set()),
        (b"", 443, set()),
    ],
)
def test_a_rule_is_for_the_hosts_that_it_names(name: bytes, port: int, rules: set[str]) -> None:
    """In any case, with or without a port or a last dot."""
    ruleset = ruleset_of(
        "id: exact, match: {hosts: [api.example.com]}",
        "id: port, match: {hosts: ['api.example.com:443']}",
        "id: template, match: {hosts: ['{tenant}.api.example.com']}",
        "id: any, match: {hosts: ['*.example.com']}",
    )
    request = request_of()._replace(authorities=(Authority(name, port),))
    assert matched(ruleset, request) == rules
    assert ruleset.guards(Authority(name, port)) == bool(rules)


@pytest.mark.parametrize(
    ("hosts", "headers", "scheme", "rules"),
    [
        ((b"a.test", b"b.test"), [], b"https", {"a", "b"}),
        ((b"a.test", b"other.test"), [], b"https", {"a"}),
        ((b"a.test",), [(b"Host", b"b.test")], b"https", {"a", "b"}),
        ((), [(b"Host", b"a.test"), (b"hOST", b"b.test")], b"https", {"a", "b"}),
        # An application may read it there; it takes its port from elsewhere.
        ((b"other.test",), [(b"X-Host", b"a.test")], b"https", {"a"}),
        ((b"other.test",), [(b"X-Forwarded-Host", b"port.test")], b"https", {"443", "80"}),
        ((b"other.test",), [(b"Origin", b"https://a.test")], b"https", set()),
        # Where the Host header has no port, it is the scheme's.
        ((), [(b"Host", b"port.test")], b"https", {"443"}),
        ((), [(b"Host", b"port.test")], b"http", {"80"}),
        ((), [(b"Host", b"port.test:80")], b"https", {"80"}),
    ],
)
def test_every_name_of_the_host_counts(
    hosts: tuple[bytes, ...], headers: list[tuple[bytes, bytes]], scheme: bytes, rules: set[str]
) -> None:
    """The address dialled, the SNI, the absolute form's and each Host header: the server may go by any of them."""
    ruleset = ruleset_of(
        "id: a, match: {hosts: [a.test]}",
        "id: b, match: {hosts: [b.test]}",
        "id: '443', match: {hosts: ['port.test:443']}",
        "id: '80', match: {hosts: ['port.test:80']}",
    )
    assert matched(ruleset, request_of(b"/", *headers, hosts=hosts, scheme=scheme)) == rules


def test_a_name_that_is_given_twice_is_judged_once() -> None:
    """Most requests name their host three times over."""
    ruleset = ruleset_of("id: a")
    request = request_of(b"/", (b"Host", b"API.example.com"), hosts=(b"api.example.com", b"api.example.com:443"))
    assert len(ruleset.hosts_of(request, scan_headers(request.headers, ruleset.wanted_headers))) == 1


@pytest.mark.parametrize(
    ("method", "headers", "rules"),
    [
        (b"GET", [], {"get", "all"}),
        (b"HEAD", [], {"get", "head", "all"}),
        (b"head", [], {"get", "head", "all"}),
        (b"get", [], {"get", "all"}),
        (b"POST", [], {"post", "all"}),
        (b"PROPFIND", [], {"all"}),
        (b"GET", [(b"X-HTTP-Method-Override", b"POST")], {"get", "post", "all"}),
        (b"GET", [(b"X-Http-Method", b"x"), (b"x_method_override", b" post ")], {"get", "post", "all"}),
        (b"POST", [(b"X-Method-Override", b"HEAD")], {"get", "head", "post", "all"}),
        (b"GET", [(b"X-Method", b"POST")], {"get", "all"}),
    ],
)
def test_a_rule_is_for_its_methods(method: bytes, headers: list[tuple[bytes, bytes]], rules: set[str]) -> None:
    """HEAD counts as GET, and a method that a header puts in place of the other counts as well."""
    ruleset = ruleset_of(
        *(
            f"id: {name}, match: {{hosts: [api.example.com], methods: [{name.upper()}]}}"
            for name in ("get", "head", "post")
        ),
        "id: all",
    )
    assert matched(ruleset, request_of(b"/", *headers, method=method)) == rules


@pytest.mark.parametrize(
    ("method", "target", "rules"),
    [
        (b"POST", b"/?_method=DELETE", {"post", "delete", "all"}),
        (b"POST", b"/?a=b&_method=+delete%20&c=d", {"post", "delete", "all"}),
        (b"POST", b"/?a=b;_Method=delete", {"post", "delete", "all"}),
        (b"POST", b"/?_method=get&_method=DELETE", {"post", "get", "delete", "all"}),
        (b"GET", b"/?_method=HEAD", {"get", "all"}),
        (b"POST", b"/?_method=HEAD", {"post", "get", "all"}),
        # Escaped, and as PHP makes its name.
        (b"POST", b"/?%5fmethod=%44elete", {"post", "delete", "all"}),
        (b"POST", b"/?_%6Deth%6fd=delete", {"post", "delete", "all"}),
        (b"POST", b"/?%25%35fm%2565thod=delete", {"post", "delete", "all"}),
        (b"POST", b"/?.method=delete", {"post", "delete", "all"}),
        (b"POST", b"/?%u005f%u006dethod[]=delete", {"post", "delete", "all"}),
        # In the query of another reading of the path, or of another path.
        (b"POST", b"/x%3F_method=delete", {"post", "delete", "all"}),
        (b"POST", b"/;x?_method=delete", {"post", "delete", "all"}),
        # Another parameter, or none.
        (
            b"POST",
            b"/?method=delete&x_method=delete&_methods=delete&-method=delete&q=_method%3Ddelete",
            {"post", "all"},
        ),
        (b"POST", b"/?_method", {"post", "all"}),
        (b"POST", b"/?q=100%25&r=%44&_method=", {"post", "all"}),
        (b"POST", b"/_method=delete", {"post", "all"}),
        # More than is read.
        (b"POST", b"/?_method=x" + b"&a=b" * 513, {"post", "get", "delete", "all"}),
        (b"POST", b"/?_method=x&a=" + b"b" * 16384, {"post", "get", "delete", "all"}),
        (b"POST", b"/?a=method%2D" + b"&a=b" * 20, {"post", "all"}),
        (b"POST", b"/?x=" + b"&a=b" * 2049, {"post", "all"}),
        # A path that nobody can read.
        (b"POST", b"/" + b"a/" * 20000 + b"%3f_%256dethod=delete", {"post", "get", "delete", "all"}),
        (b"POST", b"/" + b"a%2f..//b;c" * 50 + b"?_method=delete", {"post", "get", "delete", "all"}),
        (b"POST", b"/" + b"a/" * 20000 + b"%41", {"post", "all"}),
        (b"POST", b"/" + b"a%2f..//b;c" * 50 + b"?%25method", {"post", "get", "delete", "all"}),
        (b"POST", b"/" + b"a%2f..//b;c" * 50 + b"?%25m", {"post", "all"}),
    ],
)
def test_a_query_may_name_a_method(method: bytes, target: bytes, rules: set[str]) -> None:
    """It counts beside the request's own, as frameworks read `_method` there."""
    ruleset = ruleset_of(
        *(
            f"id: {name}, match: {{hosts: [api.example.com], methods: [{name.upper()}]}}"
            for name in ("get", "post", "delete")
        ),
        "id: all",
    )
    assert matched(ruleset, request_of(target, method=method)) == rules


def test_the_query_of_another_path_may_name_a_method() -> None:
    """A field that puts another path in the place of the request's own brings its query."""
    ruleset = ruleset_of("id: delete, match: {hosts: [api.example.com], methods: [DELETE]}", "id: all")
    request = request_of(b"/", (b"X-Original-URL", b"/x?_method=delete"), method=b"POST")
    assert matched(ruleset, request) == {"delete", "all"}


def test_a_rule_is_for_the_ports_that_it_listens_on() -> None:
    """None means every port of the proxy."""
    ruleset = ruleset_of("id: one, match: {hosts: [api.example.com], listen: [8081]}", "id: all")
    assert matched(ruleset, request_of(listen_port=8081)) == {"one", "all"}
    assert matched(ruleset, request_of(listen_port=8080)) == {"all"}


@pytest.mark.parametrize(
    ("target", "headers", "rules"),
    [
        (b"/orgs/acme/users", [], {"orgs"}),
        (b"/orgs/acme/users/?a=/orgs/me", [], {"orgs"}),
        (b"/orgs/me/users", [], set()),
        (b"/orgs/me", [], set()),
        (b"/orgs/me/../acme", [], {"orgs"}),
        (b"/orgs/acme/../me", [], {"orgs"}),
        (b"/public/%2e%2e/orgs/acme", [], {"orgs"}),
        (b"/public/%252e%252e%252forgs%255cacme", [], {"orgs"}),
        (b"/public", [], set()),
        (b"/public", [(b"X-Original-URL", b"/orgs/acme")], {"orgs"}),
        (b"/public", [(b"X-Rewrite-URL", b"/orgs/me")], set()),
        (b"/public", [(b"X_Rewrite_URL", b"/x/../orgs/acme ")], {"orgs"}),
        (b"/public", [(b"X-Rewrite-URL", b"/x"), (b"X-Rewrite-URL", b"/orgs/acme")], {"orgs"}),
        (b"/public", [(b"X-Original-Path", b"/orgs/acme")], set()),
    ],
)
def test_a_rule_is_for_its_paths_in_every_reading(
    target: bytes, headers: list[tuple[bytes, bytes]], rules: set[str]
) -> None:
    """A reading that is excepted adds nothing, nor does one that no rule matches."""
    rule = "id: orgs, match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, except: [{paths: ['/orgs/me/**']}]"
    assert matched(ruleset_of(rule), request_of(target, *headers)) == rules


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 3, []),
        (b"/public/%2e" + b"/x" * 4096, []),
        (b"/public", [(b"X-Original-URL", b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 3)]),
    ],
)
def test_a_path_with_too_many_readings_matches_every_path(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """But no other host, method or port."""
    ruleset = ruleset_of(
        "id: a, match: {hosts: [api.example.com], paths: [/a, /b]}, except: [{paths: [/a]}]",
        "id: b, match: {hosts: [api.example.com], methods: [GET]}",
        "id: other-method, match: {hosts: [api.example.com], methods: [POST]}",
        "id: other-host, match: {hosts: [other.test]}",
        "id: other-port, match: {hosts: [api.example.com], listen: [8081]}",
    )
    assert matched(ruleset, request_of(target, *headers)) == {"a", "b"}


def test_a_path_override_keeps_the_query() -> None:
    """Servers that take the path from a header take the query from either."""
    ruleset = ruleset_of("id: a, match: {hosts: [api.example.com], paths: [/b]}")
    request = request_of(b"/a?x=1", (b"X-Original-URL", b"/b?y=2"))
    fields = scan_headers(request.headers, ruleset.wanted_headers)
    (match,) = ruleset.matching(request, fields, ruleset.hosts_of(request, fields))
    assert match.reading is not None
    assert match.reading.query == b"x=1&y=2"
    assert not match.plain


def test_all_fields_that_some_rule_reads_are_wanted() -> None:
    """What no rule reads costs nothing."""
    wanted = ruleset_of(
        "org: {header: X_Org-ID}, token: {from: [{header: X-Api-Token}, {cookie: sid}, {query: token}]}"
    ).wanted_headers.names
    assert {b"x-org-id", b"x-api-token", b"cookie", b"host", b"connection"} <= wanted
    assert wanted.isdisjoint({b"sid", b"token", b"accept", b"user-agent"})


def test_observing_caps_every_enforcement() -> None:
    """And nothing else: the same rules, hosts, issuers and generation."""
    ruleset = ruleset_of(
        "id: a, match: {hosts: [a.test]}, token: {unauthenticated: block}", "id: b", top="unmatched: block\n"
    )
    observing = ruleset.observing()
    for rule in observing.rules:
        assert {rule.enforcement, rule.undetermined, rule.unauthenticated} == {Enforcement.OBSERVE}
    assert [rule.id for rule in observing.rules] == ["a", "b"]
    assert [rule.uncapped for rule in observing.rules] == [rule.uncapped for rule in observing.observing().rules]
    assert observing.guards(Authority(b"a.test", 443))
    assert observing.generation == ruleset.generation
    assert (ruleset.cap, observing.cap) == (Enforcement.BLOCK, Enforcement.OBSERVE)


@pytest.mark.parametrize(
    ("rules", "top", "strictest"),
    [
        (["undetermined: observe", "undetermined: annotate"], "", Enforcement.ANNOTATE),
        (["undetermined: observe", "id: blocking"], "", Enforcement.BLOCK),
        (["undetermined: observe"], "unmatched: block\n", Enforcement.BLOCK),
    ],
)
def test_a_failure_without_a_rule_gets_the_strictest(rules: list[str], top: str, strictest: Enforcement) -> None:
    """Of what is done where no verdict is reached, unless the ruleset only observes."""
    ruleset = ruleset_of(*rules, top=top)
    assert ruleset.strictest is strictest
    assert ruleset.observing().strictest is Enforcement.OBSERVE


def test_a_ruleset_may_be_empty() -> None:
    """It guards nothing, and fails as its `unmatched` says."""
    ruleset = ruleset_of("id: a")
    empty = Ruleset.build(routes=(), issuers={}, orgs=ruleset.orgs, unmatched=Enforcement.OBSERVE, generation="empty")
    assert not empty.guards(Authority(b"api.example.com", 443))
    assert empty.strictest is Enforcement.OBSERVE


def test_an_issuer_is_known_by_every_name_of_the_host() -> None:
    """Behind an address that was dialled, by its SNI or by the Host that the client gives."""
    ruleset = load("version: 1\nissuers: {corp: {iss: https://login.test, oauth: {hosts: [login.test]}}}")
    assert ruleset.issuers_of(request_of(hosts=(b"192.0.2.1", b"login.test"))) == {"corp"}
    assert ruleset.issuers_of(request_of(b"/", (b"Host", b"login.test"), hosts=(b"192.0.2.1",))) == {"corp"}
    assert ruleset.issuers_of(request_of(hosts=(b"api.test",))) == frozenset()
