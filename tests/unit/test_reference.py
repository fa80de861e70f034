"""The documentation that is made from the code, and the policies that are there to start from."""

import re
from pathlib import Path

import pytest
from tests import reference
from tests.guarding import load
from tests.reference import CONFIG, SECTIONS

from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.policy.outside import Outside
from orgfence.core.policy.section import Section
from orgfence.policy_source.files import shipped_presets

README = (CONFIG / "README.md").read_text()
STALE = "stale: run `uv run python -m tests.reference`"
POLICIES = [*sorted(CONFIG.glob("*.yaml")), CONFIG / "teams"]


def texts_of(path: Path) -> list[PolicyText]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return [PolicyText(str(file), file.read_bytes()) for file in files]


def test_the_reference_has_every_section_of_the_language() -> None:
    """No key is left out because its section has no table."""
    assert set(SECTIONS) == set(Section.__subclasses__())
    assert sorted(reference.marks(README)) == sorted(reference.tables())


def test_the_references_tables_are_those_of_the_code() -> None:
    """Keys, defaults, descriptions and reasons in `config/README.md` are what the models and the catalogue say."""
    assert reference.rendered(README) == README, STALE


def test_the_schema_for_editors_is_that_of_the_code() -> None:
    """`config/policy.schema.json` is what the models say."""
    assert (CONFIG / "policy.schema.json").read_text() == reference.schema(), STALE


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_each_policy_to_start_from_is_one(path: Path) -> None:
    """The policies under `config/` load without a fault, guard something, and are in the reference's list."""
    assert load_policy(texts_of(path), Outside(presets=shipped_presets())).ruleset.rules
    assert f"[{path.name}" in README


def test_the_policies_to_start_from_show_the_language() -> None:
    """Whoever looks for a key finds it at work; those that are left out are the rare ones."""
    texts = [*(file.data for path in POLICIES for file in texts_of(path)), *shipped_presets().values()]
    used = {key for text in texts for key in re.findall(rb"(\w+):(?=\s)", text)}
    known = {key.encode() for section in SECTIONS for key in section.keys()}  # noqa: SIM118 - a section is no mapping

    rare = {b"ids", b"jose", b"opaque", b"par", b"block_responses", b"method", b"timeout", b"content_type", b"names"}
    rare |= {b"held_bodies_limit"}
    assert known - used == rare


def test_every_policy_in_the_documentation_is_one() -> None:
    """What the READMEs say to write loads; what begins with `version` there is a policy."""
    texts = [(CONFIG.parent / "README.md").read_text(), README]
    policies = [text for readme in texts for text in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)]

    rulesets = [load(text) for text in policies if text.startswith("version:")]

    assert [rule.id for rule in rulesets[0].rules] == ["org-in-path"]
