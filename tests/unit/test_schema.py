"""The JSON Schema that editors go by: it is the models', and says of a policy's shape what the loader says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from tests.guarding import load

from orgfence.cli.schema import command
from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.schema import policy_schema
from orgfence.core.policy.section import Section
from orgfence.policy_source.files import shipped_presets

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "policy.schema.json"
PRESETS = sorted(path for path in ROOT.glob("addons/orgfence/issuers/*.yaml") if path.stem in shipped_presets())
POLICIES = sorted({*ROOT.glob("config/**/*.yaml"), *ROOT.glob("addons/orgfence/**/*.yaml")} - set(PRESETS))
VALIDATOR = Draft202012Validator(policy_schema())

CORP = "version: 1\nissuers: {corp: {claims: {member: org_ids, scopes: scope}}}\n"


def rule(keys: str, match: str = "hosts: [a.test]") -> str:
    return f"{CORP}rules: [{{id: a, match: {{{match}}}, {keys}}}]\n"


def document(text: str) -> Any:
    return yaml.safe_load(text)


def test_the_schema_in_config_is_the_models() -> None:
    """When this fails: `uv run orgfence schema > config/policy.schema.json`."""
    assert json.loads(FILE.read_text()) == policy_schema()


def test_the_command_prints_it() -> None:
    """What is installed can give it to an editor, too."""
    result = CliRunner().invoke(command)
    assert (result.exit_code, result.output) == (0, FILE.read_text())


def test_it_is_a_schema() -> None:
    """By the meta-schema that it names."""
    Draft202012Validator.check_schema(policy_schema())


def test_every_key_has_a_description_and_no_key_that_is_not_built_is_offered() -> None:
    """That is what an editor shows while somebody writes."""
    sections = [policy_schema(), *policy_schema()["$defs"].values()]
    properties = {key: field for section in sections for key, field in section.get("properties", {}).items()}
    assert all(field.get("description") for field in properties.values())
    assert set(properties) == set().union(*(section.keys() for section in Section.__subclasses__()))


@pytest.mark.parametrize("path", POLICIES, ids=[path.name for path in POLICIES])
def test_it_finds_nothing_wrong_with_the_policies_that_are_there(path: Path) -> None:
    """An editor that marks what is right would be switched off."""
    assert list(VALIDATOR.iter_errors(document(path.read_text()))) == []


@pytest.mark.parametrize("path", PRESETS, ids=[path.name for path in PRESETS])
def test_a_preset_is_an_issuer(path: Path) -> None:
    """What it holds could stand in a policy."""
    policy = {"version": 1, "issuers": {"it": document(path.read_text())}}
    assert list(VALIDATOR.iter_errors(policy)) == []


@pytest.mark.parametrize(
    "text",
    [
        rule("org: {value: 42}, agree: true, enforcement: block"),
        rule("org: [{header: X, strip: true, split: ','}, {body: /a}]"),
        rule("except: [{claims: {role: admin}}, {paths: [/a]}]"),
        rule("token: {from: [{form: t}], scopes: [a]}, pass_without: [token]"),
        rule("examples: [{request: GET https://a.test/, token: {a: 1}, verdict: allow}]"),
        rule("org: {path: o}", "hosts: [a], paths: ['/{o}'], listen: [80], ignore_case: true, encoded_slash: data"),
        "version: 1\norgs: {a: {id: x, aliases: [b]}}\n",
        "version: 1\nissuers: {a: {iss: x, claims: {member: [a, {claim: b, split: ' '}], active: {jose: c}}}}\n",
        "version: 1\nissuers: {a: {iss: [x, z], leeway: 30s, ids: salesforce}}\n",
        "version: 1\nissuers: {a: {preset: generic, oauth: {hosts: [a], flags: {b: c}, clients: {d: e}}}}\n",
        "version: 1\nissuers: {a: {hosts: [a], other_party: ['/{o}', {path: /b, query: c}]}}\n",
        "version: 1\nissuers: {a: {errors: {body: {a: [1, '{status}']}, content_type: a/b}}}\n",
        "version: 1\nissuers: {a: {lookup: {url: 'https://a', method: POST, timeout: 1s, active: /a, member: [/b]}}}\n",
        "version: 1\nlog_repeat: 1m\nbody_limit: 64KiB\ndisclose: all\nannotate_request: false\nunmatched: block\n",
    ],
)
def test_what_the_loader_takes_the_schema_takes(text: str) -> None:
    """Each key in a form that a policy may have."""
    load(text)
    assert list(VALIDATOR.iter_errors(document(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "rules: []\n",
        "version: 2\n",
        f"{CORP}rulez: []\n",
        rule("enforcement: blok"),
        rule("org: {heder: X}"),
        rule("org: {header: X, query: y}"),
        rule("org: {}"),
        rule("org: []"),
        rule("token: {from: [{}]}"),
        rule("examples: [{request: GET https://a.test/}]"),
        rule("examples: [{request: GET https://a.test/, verdict: deny}]"),
        rule("", "paths: [/a]"),
        rule("", "hosts: a.test"),
        rule("", "hosts: [a], listen: [0]"),
        rule("", "hosts: [a], ignore_case: 1"),
        rule("agree: maybe"),
        "version: 1\nissuers: {a: {verify: none}}\n",
        "version: 1\nissuers: {a: {claims: {member: {claim: a, jose: b}}}}\n",
        "version: 1\nissuers: {a: {preset: [generic]}}\n",
        "version: 1\nissuers: {a: {other_party: /a}}\n",
        "version: 1\nissuers: {a: {errors: {body: a}}}\n",
        "version: 1\nissuers: {a: {lookup: {member: /a}}}\n",
        "version: 1\nlog_repeat: 60\n",
        "version: 1\nbody_limit: 1MB\n",
        "version: 1\norgs: {a: {}}\n",
    ],
)
def test_what_the_loader_refuses_for_its_shape_the_schema_refuses(text: str) -> None:
    """The mistakes that an editor can mark while somebody types."""
    with pytest.raises(PolicyError):
        load(text)
    assert list(VALIDATOR.iter_errors(document(text)))
