"""What two templates have to do with each other: all, some or none of what they match."""

import pytest

from orgfence.core.routing.overlap import host_covers, hosts_overlap, path_covers, paths_overlap, texts_overlap
from orgfence.core.routing.templates import HostTemplate, PathTemplate, TextTemplate


def parse_path(text: str) -> PathTemplate:
    """A leading `i` says that case is ignored."""
    return PathTemplate.parse(text.removeprefix("i"), ignore_case=text.startswith("i"))


# Of each pair: whether the first covers the second, the second the first, and whether they overlap.
ALL = True, True, True
FIRST, SECOND = (True, False, True), (False, True, True)
SOME, NONE = (False, False, True), (False, False, False)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("/", "/", ALL),
        ("/", "/a", NONE),
        ("/a", "/b", NONE),
        ("/a/b", "/a", NONE),
        ("/{x}", "/{y}", ALL),
        ("/{x}", "/*", ALL),
        ("/*", "/a", FIRST),
        ("/a{x}", "/a", NONE),
        ("/a{x}", "/ab", FIRST),
        ("/a{x}", "/ab{x}", FIRST),
        ("/a{x}", "/b{x}", NONE),
        ("/{x}a", "/{x}b", NONE),
        ("/a{x}", "/{x}b", SOME),
        ("/a{x}b", "/a{x}", SECOND),
        ("/aa{x}", "/{x}aa", SOME),
        ("/**", "/", FIRST),
        ("/**", "/a/{x}/**", FIRST),
        ("/a/**", "/a", FIRST),
        ("/a/**", "/**", SECOND),
        ("/a/**", "/{x}/b/**", SOME),
        ("/a/b/**", "/a", NONE),
        ("/a/*", "/a/**", SECOND),
        ("/a/b/**", "/a/**", SECOND),
        ("/a/{x}/c", "/a/b/{y}", SOME),
        ("/{x}/b", "/a/c", NONE),
        # Where case is ignored.
        ("i/Orgs", "i/oRGS", ALL),
        ("i/Orgs", "/oRGS", FIRST),
        ("i/orgs", "/acme", NONE),
        ("i/1", "/1", ALL),
        ("i/{x}", "/{x}", ALL),
        ("i/k{x}", "/\u212a2", FIRST),
        ("i/k{x}", "/\u212a{x}", FIRST),
        ("i/1{x}", "/1{x}", ALL),
        ("i/1a{x}", "/1{x}", SECOND),
        ("i/1a", "/1{x}", SECOND),
        ("i/a1", "/a{x}", SOME),
        ("i/Ab{x}", "/a{x}", SOME),
        ("i/a{x}", "i/A2", FIRST),
        ("i/\u0130", "/\u0131", FIRST),
        ("i/{x}/b", "/a/**", SOME),
    ],
)
def test_paths_are_held_against_each_other(first: str, second: str, expected: tuple[bool, bool, bool]) -> None:
    """Segment by segment, whatever varies, and however long what follows."""
    one, other = parse_path(first), parse_path(second)
    assert (path_covers(one, other), path_covers(other, one), paths_overlap(one, other)) == expected
    assert paths_overlap(other, one) is expected[2]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("*", "*", ALL),
        ("*", "10.0.0.1", FIRST),
        ("*", "*.example.com", FIRST),
        ("*", "{x}", FIRST),
        ("10.0.0.1", "10.1", ALL),
        ("10.0.0.1", "10.0.0.2", NONE),
        ("10.0.0.1", "{a}.{b}.{c}.{d}", NONE),
        ("example.com", "EXAMPLE.com.", ALL),
        ("example.com", "example.org", NONE),
        ("example.com", "api.example.com", NONE),
        ("{x}.example.com", "api.example.com", FIRST),
        ("{x}.example.com", "api.{x}.com", SOME),
        ("api-{x}.example.com", "{x}.example.com", SECOND),
        ("*.example.com", "example.com", NONE),
        ("*.example.com", "api.example.com", FIRST),
        ("*.example.com", "{x}.example.com", FIRST),
        ("*.example.com", "*.api.example.com", FIRST),
        ("*.example.com", "a.b.example.org", NONE),
        ("*.{x}.com", "*.example.com", FIRST),
        ("*.com", "*.{x}", SECOND),
        ("*.example.com", "{x}.{y}", NONE),
        ("*.example.com", "{x}.{y}.{z}", SOME),
        ("*.example.com", "*.b.{y}.com", SOME),
        ("*.example.com", "*.{x}.example.org", NONE),
        ("*.b.{y}.com", "*.{x}.com", SECOND),
        # Ports.
        ("a", "a:443", FIRST),
        ("a:80", "a:443", NONE),
        ("a:443", "a:443", ALL),
        ("*:443", "a", SOME),
        ("*:443", "a:443", FIRST),
        ("*:443", "10.0.0.1:80", NONE),
    ],
)
def test_hosts_are_held_against_each_other(first: str, second: str, expected: tuple[bool, bool, bool]) -> None:
    """Label by label from the right, addresses whole, ports beside them."""
    one, other = HostTemplate.parse(first), HostTemplate.parse(second)
    assert (host_covers(one, other), host_covers(other, one), hosts_overlap(one, other)) == expected
    assert hosts_overlap(other, one) is expected[2]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://a.example/", False),
        ("https://kc.example/realms/{realm}", "https://kc.example/realms/acme", True),
        ("https://kc.example/realms/{realm}", "https://kc.example/realms/acme/x", False),
        ("https://kc.example/realms/{realm}", "https://kc.example/realms/{org}/x", False),
        ("https://kc.example/realms/{realm}", "https://{host}/realms/{realm}", True),
        ("https://kc.example/realms/{realm}", "https://kc.example/realms?{realm}", False),
        ("https://{org}.okta.com", "https://login-{org}", True),
        ("https://{org}.okta.com", "https://{org}.auth0.com", False),
        ("{a}x", "xx", True),
        ("{a}x", "x", False),
        ("a{a}b", "ab", False),
        ("ab{a}", "a{b}b", True),
        ("{a}", "", False),
        ("{a}", "a\n", True),
        ("{a}", "a b", False),
        ("{a}/{b}", "{a}?{b}", False),
        ("{a}/{b}", "a/{b}/c", False),
        # With a rest.
        ("**", "", True),
        ("**", "{a}", True),
        ("**", "**", True),
        ("a**", "", False),
        ("a**", "ab/c", True),
        ("a**", "b**", False),
        ("a**", "ab**", True),
        ("a**", "{x}!**", True),
        ("ab**", "a{x}", True),
        ("ab**", "b{x}", False),
        ("a/**", "a", False),
        ("a/**", "{x}", False),
        ("a/**", "{x}/", True),
        ("a/**", "b/{x}", False),
        ("a/b**", "a/{x}/c", True),
        ("{x}!**", "!", False),
        ("{x}!**", "!!", True),
        ("{x}!**", "a/!", False),
        ("{x}!**", "a!/b", True),
        ("b{x}!**", "aa!", False),
        ("b{x}!**", "b!!", True),
        ("{x}!**", "a{y}", True),
        ("a{x}!**", "b{y}", False),
        ("a{x}!**", "ab{y}?**", True),
        ("{x}!**", "a?**", False),
        ("{x}!**", "a**", True),
        ("https://{org}/**", "https://login.example", False),
        ("https://{org}/**", "https://login.example/oauth2", True),
        ("\ud800{x}", "{x}\udc00", True),
    ],
)
def test_texts_overlap_where_some_text_matches_both(first: str, second: str, expected: bool) -> None:
    """Exact texts, captures that hold no separator, and a rest that holds anything."""
    one, other = TextTemplate.parse(first), TextTemplate.parse(second)
    assert texts_overlap(one, other) is expected
    assert texts_overlap(other, one) is expected
