"""What is said of two templates is what shows when everything is tried that they could match."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.test_index import RULE

from orgfence.core.request import Authority
from orgfence.core.routing.index import Route, RouteIndex
from orgfence.core.routing.overlap import host_covers, hosts_overlap, path_covers, paths_overlap, texts_overlap
from orgfence.core.routing.templates import HostTemplate, PathTemplate, TextTemplate

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)


def words(alphabet: str, longest: int) -> list[str]:
    """Every word that short."""
    return ["".join(letters) for length in range(longest + 1) for letters in product(alphabet, repeat=length)]


def parts(alphabet: str) -> st.SearchStrategy[str]:
    """Segments or labels of a template, such that two that differ do so in a word of three letters."""
    fixed = st.sampled_from([word for word in words(alphabet, 2) if word])
    beside = st.sampled_from(["", *alphabet])
    return fixed | st.tuples(beside, beside).map("{}".join)


def named(pieces: list[str]) -> list[str]:
    return [piece.replace("{}", f"{{x{number}}}") for number, piece in enumerate(pieces)]


@st.composite
def path_templates(draw: st.DrawFn) -> PathTemplate:
    pieces = named(draw(st.lists(parts("aA1"), max_size=2))) + draw(st.sampled_from([[], [], ["**"]]))
    return PathTemplate.parse("/" + "/".join(pieces), ignore_case=draw(st.booleans()))


SEGMENTS = [word.encode() for word in words("aA1", 3)]
# What stands at the third place only `**` sees.
PATHS = [(), *product(SEGMENTS), *product(SEGMENTS, SEGMENTS), *product(SEGMENTS, SEGMENTS, [b""])]


@given(path_templates(), path_templates())
def test_path_relations_are_what_all_paths_show(a: PathTemplate, b: PathTemplate) -> None:
    """Covering and overlapping, both ways round, with case and without."""
    by_a = {path for path in PATHS if a.matches(path)}
    by_b = {path for path in PATHS if b.matches(path)}
    assert (path_covers(a, b), path_covers(b, a)) == (by_a >= by_b, by_b >= by_a)
    assert paths_overlap(a, b) is paths_overlap(b, a) is not by_a.isdisjoint(by_b)


@st.composite
def host_templates(draw: st.DrawFn) -> HostTemplate:
    labels = draw(st.just("*.") | st.just("")) + ".".join(named(draw(st.lists(parts("ab"), min_size=1, max_size=2))))
    host = draw(st.sampled_from([labels] * 8 + ["*", "10.0.0.1", "[::1]"]))
    return HostTemplate.parse(host + draw(st.sampled_from(["", "", ":80", ":443"])))


LABELS = words("ab", 3)[1:]
HOSTS = [
    *LABELS,
    *map(".".join, product(LABELS, LABELS)),
    *map(".".join, product(["a"], LABELS, LABELS)),
    *("10.0.0.1", "[::1]", "10.0.0.2"),
]
AUTHORITIES = [Authority(host.encode(), port) for host, port in product(HOSTS, (80, 443))]


def hosts_of(template: HostTemplate) -> set[Authority]:
    index = RouteIndex([Route(RULE, template, PathTemplate.parse("/**"))])
    return {authority for authority in AUTHORITIES if index.hosts(authority)}


@given(host_templates(), host_templates())
def test_host_relations_are_what_all_hosts_show(a: HostTemplate, b: HostTemplate) -> None:
    """As the index finds them: addresses, names, and ports."""
    by_a, by_b = hosts_of(a), hosts_of(b)
    assert (host_covers(a, b), host_covers(b, a)) == (by_a >= by_b, by_b >= by_a)
    assert hosts_overlap(a, b) is hosts_overlap(b, a) is not by_a.isdisjoint(by_b)


@st.composite
def text_templates(draw: st.DrawFn) -> TextTemplate:
    """Of four signs at most, so that whatever two of them match, they match some text of eight characters."""
    text = ""
    for number, sign in enumerate(draw(st.lists(st.sampled_from("aab/{{"), max_size=4))):
        behind_capture = "}" in text and "/" not in text.rpartition("}")[2]
        text += sign if sign != "{" else "/" if behind_capture else f"{{x{number}}}"
    rest = draw(st.sampled_from(["", "", "**"]))
    return TextTemplate.parse(text + "a" * (rest != "" and text.endswith("}")) + rest)


TEXTS = words("ab/", 8)


@given(text_templates(), text_templates())
def test_texts_overlap_where_one_of_all_texts_matches_both(a: TextTemplate, b: TextTemplate) -> None:
    """No two issuers are told apart that could claim one token, and none are refused that could not."""
    expected = any(a.match(text) is not None and b.match(text) is not None for text in TEXTS)
    assert texts_overlap(a, b) is texts_overlap(b, a) is expected
