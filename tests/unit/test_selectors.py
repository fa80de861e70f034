"""Where a selector leads: pointers, wildcards, and the selectors that are refused."""

import re

import pytest

from orgfence.core.routing.templates import TextTemplate
from orgfence.core.tokens.selectors import Selector, Source, parse_pointer


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("org_id", ("org_id",)),
        ("custom:tenant_id", ("custom:tenant_id",)),
        ("a.b", ("a.b",)),
        ("a/b", ("a/b",)),
        ("a~2b", ("a~2b",)),
        ("/o/id", ("o", "id")),
        ("/organization/*/id", ("organization", "*", "id")),
        ("/https:~1~1stytch.com~1organization/organization_id", ("https://stytch.com/organization", "organization_id")),
        ("/a~0b", ("a~b",)),
        ("/~01", ("~1",)),
        ("/", ("",)),
        ("/a//b", ("a", "", "b")),
    ],
)
def test_a_name_is_one_key_and_a_pointer_is_its_steps(text: str, pointer: tuple[str, ...]) -> None:
    """RFC 6901 behind a slash; without one, whatever the claim is called."""
    assert parse_pointer(text) == pointer


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a claim needs a name"),
        ("*", "`*` is no claim"),
        ("/a~", "bad escape in `/a~`"),
        ("/a~2/b", "bad escape in `/a~2/b`"),
    ],
)
def test_a_pointer_that_cannot_be_meant_is_refused(text: str, told: str) -> None:
    """The message is for the policy's author."""
    with pytest.raises(ValueError, match="^" + re.escape(told)):
        parse_pointer(text)


DOCUMENT = {
    "org": "acme",
    "a/b": {"": 1, "*": 2},
    "list": [{"id": "x"}, {"id": "y"}, {"no": "z"}, "text"],
    "map": {"one": {"id": "x"}, "two": {"id": ["y"]}, "three": {}},
    "empty": [],
    "nothing": {},
    "null": None,
}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("org", ["acme"]),
        ("absent", None),
        ("null", [None]),
        ("a/b", [{"": 1, "*": 2}]),
        ("/a~1b/", [1]),
        ("/list/0/id", ["x"]),
        ("/list/1/id", ["y"]),
        ("/list/01/id", None),
        ("/list/4", None),
        ("/list/-", None),
        ("/list/-1", None),
        ("/list/99999999999999999999", None),
        ("/list/\u0661", None),
        ("/list/*/id", ["x", "y"]),
        ("/map/*/id", ["x", ["y"]]),
        ("/map/*/absent", None),
        ("/*/*/id", ["x", "y", "x", ["y"]]),
        ("/org/acme", None),
        ("/org/0", None),
        ("/org/*", None),
        ("/null/*", None),
        ("/empty/*", []),
        ("/empty/*/id", []),
        ("/nothing/*", []),
        ("/nothing/id", None),
    ],
)
def test_a_pointer_finds_every_value_that_it_leads_to(text: str, values: list[object] | None) -> None:
    """None where it meets nothing or another type on its way; an empty list where `*` meets an empty one."""
    assert Selector.claim(text).find(DOCUMENT) == values


@pytest.mark.parametrize("template", [None, "{org}"])
def test_an_opaque_token_is_never_an_org_as_a_whole(template: str | None) -> None:
    """An org is shown and logged; the token is a secret."""
    with pytest.raises(ValueError, match="an opaque token as a whole is no org"):
        Selector(Source.OPAQUE, template=None if template is None else TextTemplate.parse(template))


def test_a_template_has_to_capture_the_org() -> None:
    """Else it could never yield one."""
    with pytest.raises(ValueError, match=r"^`core/\{instance\}` does not say where the org is\. Put `\{org\}` there$"):
        Selector.claim("iss", template=TextTemplate.parse("core/{instance}"))


def test_an_empty_separator_is_refused() -> None:
    """It would be an error at each token instead."""
    with pytest.raises(ValueError, match="an empty `split` separates nothing"):
        Selector.claim("orgs", split="")
