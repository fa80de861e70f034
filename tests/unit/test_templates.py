"""Templates: what each matches and captures, and what their authors are told."""

import re

import pytest

from orgfence.core.routing.templates import HostTemplate, PathTemplate, Segment, TextTemplate


def split(path: str) -> list[bytes]:
    return path.encode().split(b"/")[1:] if path != "/" else []


@pytest.mark.parametrize(
    ("template", "path", "captures"),
    [
        ("/", "/", {}),
        ("/", "/a", None),
        ("/a/b", "/a/b", {}),
        ("/a/b/", "/a/b", {}),
        ("/a/b", "/a/c", None),
        ("/a/b", "/a/b/c", None),
        ("/a/b", "/a", None),
        ("/a/b", "/A/b", None),
        ("/café/ü", "/café/ü", {}),
        ("/100%/50%-off", "/100%/50%-off", {}),
        ("/a;b/c,d", "/a;b/c,d", {}),
        ("/orgs/{org}", "/orgs/acme", {"org": "acme"}),
        ("/orgs/{org}", "/orgs/", None),
        ("/orgs/{org}", "/orgs/a/b", None),
        ("/orgs/{org}/users/{user_id}", "/orgs/acme/users/4 2", {"org": "acme", "user_id": "4 2"}),
        ("/api/v{n}", "/api/v2", {"n": "2"}),
        ("/api/v{n}", "/api/v", None),
        ("/api/v{n}", "/api/x2", None),
        ("/files/{name}.json", "/files/a.b.json", {"name": "a.b"}),
        ("/files/{name}.json", "/files/.json", None),
        ("/files/{name}.json", "/files/a.jsonl", None),
        ("/p-{x}-s", "/p-a-s", {"x": "a"}),
        ("/aa{x}aa", "/aaa", None),
        ("/é{x}ü", "/é1ü", {"x": "1"}),
        ("/*/b", "/a/b", {}),
        ("/*/b", "//b", None),
        ("/a/*", "/a", None),
        ("/**", "/", {}),
        ("/**", "/a/b/c", {}),
        ("/a/**", "/a", {}),
        ("/a/**/", "/a/b//c", {}),
        ("/a/**", "/b", None),
        ("/a/{x}/**", "/a", None),
        ("/a/{x}/**", "/a/b/c/d", {"x": "b"}),
        ("/{_a}/{B9}", "/x/y", {"_a": "x", "B9": "y"}),
    ],
)
def test_a_path_template_matches_whole_segments(template: str, path: str, captures: dict[str, str] | None) -> None:
    """A capture is one or more bytes within a segment, `*` one segment, a final `**` any number of them."""
    parsed = PathTemplate.parse(template)
    assert parsed.text == template
    segments = split(path)
    assert parsed.matches(segments) is (captures is not None)
    if captures is not None:
        assert parsed.names == {name.encode() for name in captures}
        found = {name.decode(): parsed.captured(name, segments).decode() for name in parsed.names}
        assert found == captures


@pytest.mark.parametrize(
    ("template", "path", "captures"),
    [
        ("/Orgs/{Org}", "/oRGS/Acme", {"Org": "Acme"}),
        ("/orgs/{org}/**", "/ORGS/ACME/USERS", {"org": "ACME"}),
        ("/orgs", "/org", None),
        ("/orgs", "/Orgs/x", None),
        ("/Api-V{n}.JSON", "/aPI-v2X.json", {"n": "2X"}),
        ("/v{n}", "/V", None),
        ("/CAFÉ", "/café", {}),
        # As long in characters, but not in bytes.
        ("/k{x}k", "/\u212aKk\u212a", {"x": "Kk"}),
        ("/\u212a{x}\u212a", "/kÉK", {"x": "É"}),
        ("/k{x}", "/\u212a", None),
        ("/i{x}", "/\u0130\u0131", {"x": "\u0131"}),
        ("/{x}", "/ÄÖ", {"x": "ÄÖ"}),
        ("/*/a", "/X/A", {}),
        ("/*/a", "//A", None),
    ],
)
def test_a_path_template_may_ignore_case(template: str, path: str, captures: dict[str, str] | None) -> None:
    """Of its fixed text; what it captures is what was sent."""
    parsed, segments = PathTemplate.parse(template, ignore_case=True), split(path)
    assert parsed.text == template
    assert parsed.ignore_case
    assert parsed.matches(segments) is (captures is not None)
    if captures is not None:
        found = {name.decode(): parsed.captured(name, segments).decode() for name in parsed.names}
        assert found == captures


def test_a_capture_keeps_bytes_that_are_no_text() -> None:
    """Also where the text before them is compared without regard to case."""
    parsed = PathTemplate.parse("/é{x}é", ignore_case=True)
    segments = ["É".encode() + b"\xc3\xff" + "É".encode()]
    assert parsed.matches(segments)
    assert parsed.captured(b"x", segments) == b"\xc3\xff"


def test_templates_that_regard_case_and_those_that_do_not_are_two() -> None:
    """Even where no letter stands in them."""
    for text in ("/{x}", "/1", "/a"):
        assert PathTemplate.parse(text, ignore_case=True) != PathTemplate.parse(text)
        assert PathTemplate.parse(text, ignore_case=True) == PathTemplate.parse(text, ignore_case=True)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", "Write `/`"),
        ("orgs/{org}", "Write `/orgs/{org}`"),
        ("/a?b=c", "`?` in `/a?b=c` ends a path. Write `/a`"),
        ("/a#b", "`#` in `/a#b` ends a path. Write `/a`"),
        ("/a//b", "no segment ``"),
        ("//", "no segment ``"),
        ("/a/./b", "no segment `.`"),
        ("/a/../b", "no segment `..`"),
        ("/a%20b", "`%20` is percent-encoded"),
        ("/{x}%2F", "`%2F` is percent-encoded"),
        ("/v*", "as in `v*`. Write `{name}` there"),
        ("/**/b", "as in `**`"),
        ("/a/{x}**", "as in `{x}**`"),
        ("/a/***", "as in `***`"),
        ("/{a}{b}", "`{a}{b}` does not say where a capture ends"),
        ("/{a}-{b}", "at most one"),
        ("/{a", "without its partner"),
        ("/a}", "without its partner"),
        ("/{{a}}", "without its partner"),
        ("/{}", "`{}` is no capture"),
        ("/{org-id}", "`{org-id}` is no capture"),
        ("/{a/b}", "`{a/b}` is no capture"),
        ("/{2}", "no digit first"),
        ("/{é}", "`{é}` is no capture"),
        ("/{a}/{a}", "`{a}` twice"),
    ],
)
def test_a_bad_path_template_is_told_its_fix(template: str, told: str) -> None:
    """The message says what is wrong, and what to write."""
    with pytest.raises(ValueError, match=re.escape(told)):
        PathTemplate.parse(template)


@pytest.mark.parametrize(
    ("template", "address", "labels", "wildcard", "port"),
    [
        ("api.example.com", None, ["api", "example", "com"], False, None),
        ("API.Example.COM.", None, ["api", "example", "com"], False, None),
        ("localhost:08443", None, ["localhost"], False, 8443),
        ("my_host", None, ["my_host"], False, None),
        ("bücher.example", None, ["xn--bcher-kva", "example"], False, None),
        ("*.example.com:1", None, ["example", "com"], True, 1),
        ("*", None, [], True, None),
        ("*:65535", None, [], True, 65535),
        ("10.0.0.1", b"10.0.0.1", [], False, None),
        ("10.1:80", b"10.0.0.1", [], False, 80),
        ("[::1]", b"::1", [], False, None),
        ("[0:0:0:0:0:0:0:1]:443", b"::1", [], False, 443),
        ("[FE80::1%eth0]", b"fe80::1", [], False, None),
    ],
)
def test_a_host_template_is_kept_normalised(
    template: str, address: bytes | None, labels: list[str], wildcard: bool, port: int | None
) -> None:
    """Lower-case, in punycode, without a trailing dot; addresses in their canonical form."""
    parsed = HostTemplate.parse(template)
    assert parsed.text == template
    assert parsed.address == address
    assert parsed.labels == tuple(Segment(label.encode()) for label in labels)
    assert (parsed.wildcard, parsed.port) == (wildcard, port)
    assert parsed.names == frozenset()


def test_a_host_template_captures_labels() -> None:
    """A capture is one label, or what fixed text beside it leaves of one; a leading `*` shifts none of them."""
    parsed = HostTemplate.parse("*.API-{region}.{tenant}.Example.com")
    assert parsed.names == {b"region", b"tenant"}
    labels = b"x.y.api-eu.acme.example.com".split(b".")
    assert parsed.captures(labels) == {b"region": b"eu", b"tenant": b"acme"}
    assert [parsed.takes(count) for count in (3, 4, 5, 6)] == [False, False, True, True]
    assert [HostTemplate.parse("{a}.b").takes(count) for count in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", "no empty label"),
        (".", "no empty label"),
        ("*.", "no empty label"),
        ("a..b", "no empty label"),
        (
            "preset:genesys-cloud",
            "`preset:genesys-cloud` stands for hosts in a rule. Write out the hosts that are meant",
        ),
        ("https://api.example.com/v2", "Write only its host: `api.example.com`"),
        ("api.example.com/v2", "`com/v2` is no part"),
        ("user@api.example.com", "`user@api` is no part"),
        ("a.example.com, b.example.com", "`com, b` is no part"),
        ("-é{x}.example.com", "or punycode"),
        ("💩.la", "or punycode"),
        ("api.*.com", "`*` stands alone or leads"),
        ("*api.example.com", "`*` stands alone or leads"),
        ("*.*.com", "`*` stands alone or leads"),
        ("**", "`*` stands alone or leads"),
        ("a.com:0", "`0` is no port"),
        ("a.com:65536", "`65536` is no port"),
        ("a.com:https", "`https` is no port"),
        ("a.com:", "`` is no port"),
        ("a.com:{port}", "`{port}` is no port"),
        ("::1", "Write an IPv6 address as `[::1]` or `[::1]:443`"),
        ("[::1]x", "too many colons"),
        ("[::x]", "`[::x]` is no part"),
        ("*.0.0.1", "Write an address whole"),
        ("{a}.0.0.1", "Write an address whole"),
        ("999.0.0.1", "Write an address whole"),
        ("{a}{b}.example.com", "at most one"),
        ("{a}.{a}.com", "`{a}` twice"),
        ("{a.b}.com", "`{a.b}` is no capture"),
        ("{a.com", "without its partner"),
    ],
)
def test_a_bad_host_template_is_told_its_fix(template: str, told: str) -> None:
    """The message says what is wrong, and what to write."""
    with pytest.raises(ValueError, match=re.escape(told)):
        HostTemplate.parse(template)


@pytest.mark.parametrize(
    ("template", "value", "captures"),
    [
        ("https://login.example.com", "https://login.example.com", {}),
        ("https://login.example.com", "https://login-example.com", None),
        ("https://login.example.com", "https://login.example.com/", None),
        ("", "", {}),
        ("", "a", None),
        ("{org}", "acme", {"org": "acme"}),
        ("{org}", "", None),
        ("{org}", "a b", None),
        ("{org}", "acme\n", {"org": "acme\n"}),
        ("https://kc.example.com/realms/{realm}", "https://kc.example.com/realms/acme", {"realm": "acme"}),
        ("https://kc.example.com/realms/{realm}", "https://kc.example.com/realms/acme/x", None),
        ("https://kc.example.com/realms/{realm}", "xhttps://kc.example.com/realms/acme", None),
        ("https://{org}/**", "https://acme.okta.com/", {"org": "acme.okta.com"}),
        ("https://{org}/**", "https://acme.okta.com/oauth2/default", {"org": "acme.okta.com"}),
        ("https://{org}/**", "https://acme.okta.com", None),
        ("https://{org}.okta.com/**", "https://evil@acme.okta.com/", None),
        ("https://{org}.okta.com/**", "https://evil?acme.okta.com/", None),
        ("https://{org}.okta.com/**", "https://evil#acme.okta.com/", None),
        ("https://{org}.okta.com/**", "https://evil\\acme.okta.com/", None),
        ("core/{instance}/{org}", "core/eu1/00D", {"instance": "eu1", "org": "00D"}),
        ("core/{instance}/{org}", "core/eu1", None),
        ("https://idp.{region}.aws.com/{org}", "https://idp.eu.aws.com/pool", {"region": "eu", "org": "pool"}),
        ("https://p.{tld}/{org}/as", "https://p.eu/acme/as", {"tld": "eu", "org": "acme"}),
        ("{a}-x/y-{b}", "1-x-x/y-y-2", {"a": "1-x", "b": "y-2"}),
        ("{org}!**", "00D!AQ!AQ/b c", {"org": "00D"}),
        ("{org}!**", "00D!", {"org": "00D"}),
        ("{org}!**", "!x!y", {"org": "!x"}),
        ("{org}!**", "00D", None),
        ("{org}-x", "a-x-x", {"org": "a-x"}),
        ("urn:**", "urn:a/b\nc", {}),
        ("**", "", {}),
        ("urn:zitadel:{org}:aud", "urn:zitadel:1.2:aud", {"org": "1.2"}),
    ],
)
def test_a_text_template_matches_whole_values(template: str, value: str, captures: dict[str, str] | None) -> None:
    """A capture holds none of `/ ? # @ \\` and space; a final `**` is the rest, which may be empty."""
    parsed = TextTemplate.parse(template)
    assert parsed.text == template
    assert parsed.match(value) == captures
    if captures is not None:
        assert parsed.names == set(captures)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{a}{b}", "`{a}{b}` does not say where the first capture ends"),
        ("x/{a}.{b}/{c}", "`{a}.{b}` does not say where the first capture ends"),
        ("{org}**", "`{org}**` does not say where the capture ends"),
        ("a*b", "`*` in `a*b` stands for nothing"),
        ("**/{org}", "`*` in `**/{org}` stands for nothing"),
        ("{a}/{a}", "twice"),
        ("{a", "without its partner"),
    ],
)
def test_a_text_template_that_could_match_in_two_ways_is_told_its_fix(template: str, told: str) -> None:
    """Whoever mints a token must not choose which part of it is taken for the org."""
    with pytest.raises(ValueError, match=re.escape(told)):
        TextTemplate.parse(template)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{a}x/{b}x/{c}x/{d}", "x" * 16_384),
        ("{a}!!!!!!!!/**", "!" * 16_384),
        ("{a}/{b}/{c}/{d}/z", "a/" * 8_192),
        ("{a}aaaa", "a" * 16_383 + "b"),
    ],
)
def test_a_text_template_does_not_blow_up(template: str, value: str) -> None:
    """The longest credential that is read takes milliseconds; with ways to try in turn it would take minutes."""
    assert TextTemplate.parse(template).match(value) is None
