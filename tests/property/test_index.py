"""The index is the walk over all rules that it saves."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from orgfence.core.reason import Enforcement
from orgfence.core.request import Authority
from orgfence.core.routing.index import PathIndex, Route, RouteIndex
from orgfence.core.routing.templates import HostTemplate, PathTemplate, TextTemplate
from orgfence.core.rule import Rule

RULE = Rule(
    id="rule",
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


# A small alphabet throughout, so that templates and what they are held against often meet.
@st.composite
def pieces(draw: st.DrawFn, least: int, most: int) -> list[str]:
    """Path segments or host labels of a template: fixed, captured, or captured beside fixed text."""
    drawn: list[str] = []
    for number in range(draw(st.integers(least, most))):
        name = draw(st.sampled_from(["x", "y"])) + str(number)
        before, behind = draw(st.text("ab", max_size=1)), draw(st.text("ab", max_size=1))
        drawn.append(draw(st.sampled_from(["a", "b", "ab", f"{{{name}}}", f"{before}{{{name}}}{behind}"])))
    return drawn


@st.composite
def path_templates(draw: st.DrawFn) -> str:
    segments = draw(pieces(0, 4))
    starred = ["*" if draw(st.integers(0, 5)) == 0 else segment for segment in segments]
    return "/" + "/".join(starred + draw(st.sampled_from([[], ["**"]])))


paths = st.lists(st.text("ab", max_size=3).map(str.encode), max_size=5)


def piece_matches(template: str, value: bytes) -> bool:
    if template == "*":
        return value != b""
    if "{" not in template:
        return value == template.encode()
    before, behind = template.partition("{")[0].encode(), template.partition("}")[2].encode()
    return value.startswith(before) and value.endswith(behind) and len(value) > len(before) + len(behind)


def path_matches(template: str, segments: list[bytes]) -> bool:
    wanted = [segment for segment in template.split("/") if segment]
    if wanted[-1:] == ["**"]:
        wanted.pop()
        segments = segments[: len(wanted)]
    return len(wanted) == len(segments) and all(map(piece_matches, wanted, segments))


@given(st.lists(path_templates(), max_size=12), paths)
def test_find_is_a_walk_over_all_templates(templates: list[str], segments: list[bytes]) -> None:
    """Whatever is indexed, what is found is what matches on its own, each route once."""
    host = HostTemplate.parse("*")
    routes = [Route(RULE, host, PathTemplate.parse(template)) for template in templates]
    expected = [template for template in templates if path_matches(template, segments)]
    assert sorted(route.path.text for route in PathIndex(routes).find(segments)) == sorted(expected)


# Letters of which some are one where case is ignored, though not as long in bytes, and a byte that is no text.
letters = st.sampled_from(["k", "K", "\u212a", "é", "É", "\udcff"])
any_case = st.lists(st.lists(letters, min_size=1, max_size=3).map("".join), max_size=2)


@st.composite
def templates_of_any_case(draw: st.DrawFn) -> PathTemplate:
    segments: list[str] = []
    for number in range(draw(st.integers(0, 2))):
        fixed = st.text("kK\u212aÉ", max_size=1)
        capture = draw(st.sampled_from(["", f"{{x{number}}}"]))
        segments.append(draw(fixed) + capture + draw(fixed) or "k")
    return PathTemplate.parse(
        "/" + "/".join(segments + draw(st.sampled_from([[], ["**"]]))), ignore_case=draw(st.booleans())
    )


def captured_in(template: PathTemplate, segments: list[str]) -> dict[str, str] | None:
    """Match by characters: Python's own lower case is right for these."""
    wanted = [segment for segment in template.text.split("/") if segment]
    if wanted[-1:] == ["**"]:
        wanted.pop()
        segments = segments[: len(wanted)]
    if len(wanted) != len(segments):
        return None
    captured: dict[str, str] = {}
    for piece, segment in zip(wanted, segments, strict=True):
        before, brace, rest = piece.partition("{")
        name, _, behind = rest.partition("}")
        middle = segment[len(before) : len(segment) - len(behind)]
        whole, expected = segment, before + middle + behind
        if template.ignore_case:
            whole, expected = whole.lower(), expected.lower()
        if whole != expected or bool(middle) is not bool(brace):
            return None
        if brace:
            captured[name] = middle
    return captured


@given(st.lists(templates_of_any_case(), max_size=8), any_case)
def test_case_is_ignored_by_those_templates_alone_that_do(templates: list[PathTemplate], texts: list[str]) -> None:
    """Alone and in the index, side by side; and what is captured is what was sent."""
    segments = [text.encode(errors="surrogateescape") for text in texts]
    expected = [template for template in templates if captured_in(template, texts) is not None]
    assert [template for template in templates if template.matches(segments)] == expected
    found = PathIndex(Route(RULE, HostTemplate.parse("*"), template) for template in templates).find(segments)
    assert sorted(map(id, (route.path for route in found))) == sorted(map(id, expected))
    for template in expected:
        captured = {name.decode(): template.captured(name, segments) for name in template.names}
        wanted = captured_in(template, texts) or {}
        assert captured == {name: text.encode(errors="surrogateescape") for name, text in wanted.items()}


@given(path_templates(), paths)
def test_a_template_matches_as_the_index_finds(template: str, segments: list[bytes]) -> None:
    """A rule's `except` by path, which is matched without an index, means the same."""
    assert PathTemplate.parse(template).matches(segments) == path_matches(template, segments)


@given(path_templates(), paths)
def test_captures_put_back_give_the_path(template: str, segments: list[bytes]) -> None:
    """What is captured is all that the template leaves open."""
    parsed = PathTemplate.parse(template)
    if parsed.matches(segments):
        filled = template.encode()
        for name in parsed.names:
            filled = filled.replace(b"{%b}" % name, parsed.captured(name, segments))
        for wanted, segment in zip([part for part in filled.split(b"/") if part], segments, strict=False):
            assert wanted in {segment, b"*", b"**"}


@st.composite
def host_templates(draw: st.DrawFn) -> str:
    labels = draw(pieces(1, 3))
    host = draw(
        st.sampled_from(["*", "10.0.0.1", "[::1]", ".".join(labels), ".".join(labels), "*." + ".".join(labels)])
    )
    return host + draw(st.sampled_from(["", "", ":443", ":80"]))


@st.composite
def authorities(draw: st.DrawFn) -> tuple[str, int, Authority]:
    """A host, its port, and one of the ways to write them."""
    labels = draw(st.lists(st.text("ab", max_size=3), min_size=1, max_size=4))
    host = draw(st.sampled_from([".".join(labels), ".".join(labels), "10.0.0.1", "[::1]"])).rstrip(".")
    port = draw(st.sampled_from([80, 443, 8080]))
    written = draw(st.sampled_from([host, host.upper()]))
    if draw(st.booleans()):
        return host, port, Authority(f"{written}:{port}".encode(), draw(st.sampled_from([80, 443])))
    return host, port, Authority(written.encode(), port)


def host_matches(template: str, host: str, port: int) -> bool:
    for number in (80, 443):
        if template.endswith(f":{number}"):
            template = template.removesuffix(f":{number}")
            if port != number:
                return False
    if template == "*" or "10.0.0.1" in {template, host} or "[::1]" in {template, host}:
        return template in {"*", host}
    wanted, labels = template.split("."), host.encode().split(b".")
    if wanted[0] == "*":
        if len(labels) < len(wanted):
            return False
        wanted = wanted[1:]
        labels = labels[-len(wanted) :]
    return len(wanted) == len(labels) and all(map(piece_matches, wanted, labels))


@given(st.lists(host_templates(), max_size=12, unique=True), authorities())
def test_hosts_is_a_walk_over_all_templates(templates: list[str], authority: tuple[str, int, Authority]) -> None:
    """Whatever is indexed, the hosts that match are those that match on their own, now and from the cache."""
    path = PathTemplate.parse("/**")
    routes = RouteIndex(Route(RULE, HostTemplate.parse(template), path) for template in templates)
    host, port, spoken = authority
    expected = [template for template in templates if host_matches(template, host, port)]
    for _ in range(2):
        found = [route.host.text for match in routes.hosts(spoken) for route in match.paths.routes]
        assert sorted(found) == sorted(expected)


@given(st.binary(max_size=60), st.integers(0, 65_535))
def test_hosts_answers_for_any_bytes(name: bytes, port: int) -> None:
    """A Host header is whatever the client sends, and a rule for every host is for that as well."""
    routes = RouteIndex([Route(RULE, HostTemplate.parse("*"), PathTemplate.parse("/**"))])
    assert len(routes.hosts(Authority(name, port))) == 1


@given(st.text(max_size=40), st.integers(0, 65_535))
def test_hosts_answers_for_any_text(name: str, port: int) -> None:
    """So are names that IDNA has an opinion on."""
    routes = RouteIndex([Route(RULE, HostTemplate.parse("*"), PathTemplate.parse("/**"))])
    assert len(routes.hosts(Authority(name.encode(), port))) == 1


@given(st.text(st.sampled_from("ab{}*/.:%;?#[]é 1"), max_size=12))
def test_a_template_is_read_or_refused_with_words(text: str) -> None:
    """No text of a policy's author raises anything but `ValueError` with a message."""
    for parse in (PathTemplate.parse, HostTemplate.parse, TextTemplate.parse):
        assert refusal(parse, text) != ""


def refusal(parse: Callable[[str], object], text: str) -> str | None:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None
