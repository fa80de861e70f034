"""A policy of several files, its values from elsewhere, and its global keys."""

from collections.abc import Mapping

import pytest

from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.policy.model import PolicyFile
from orgfence.core.policy.outside import NOTHING_OUTSIDE, Outside
from orgfence.core.reason import Enforcement
from orgfence.core.ruleset import Handling, Ruleset

ISSUERS = "issuers: {corp: {claims: {member: org_ids}}}\n"


def rule(rule_id: str, keys: str = "org: {value: acme}") -> str:
    return f"  - {{id: {rule_id}, match: {{hosts: [api.example.com]}}, {keys}}}\n"


def load(files: Mapping[str, str], outside: Outside = NOTHING_OUTSIDE) -> Ruleset:
    texts = [PolicyText(name, f"version: 1\n{text}".encode()) for name, text in files.items()]
    return load_policy(texts, outside).ruleset


def faults_of(files: Mapping[str, str], outside: Outside = NOTHING_OUTSIDE) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(files, outside)
    return [str(fault).splitlines()[0] for fault in caught.value.faults]


def test_files_share_names_and_keep_their_own_defaults() -> None:
    """Issuers and orgs of any file serve all rules; what a file says of enforcement is for its own rules."""
    ruleset = load(
        {
            "a.yaml": f"enforcement: block\nundetermined: observe\nrules:\n{rule('a')}",
            "b.yaml": f"rules:\n{rule('b')}",
            "common.yaml": f"{ISSUERS}orgs: {{acme: {{id: '1'}}}}\nunmatched: block\n",
        }
    )
    assert [(each.id, each.enforcement.word, each.undetermined.word, each.org[0].name) for each in ruleset.rules] == [
        ("a", "block", "observe", b"1"),
        ("b", "annotate", "annotate", b"1"),
    ]
    assert ruleset.unmatched is Enforcement.BLOCK


def test_of_files_that_differ_about_unmatched_requests_block_wins() -> None:
    """Whatever their order."""
    files = {"a": "unmatched: observe\n", "b": "unmatched: block\n", "c": ""}
    assert load(files).unmatched is Enforcement.BLOCK
    assert load(dict(reversed(files.items()))).unmatched is Enforcement.BLOCK
    assert load({"a": "unmatched: observe\n", "c": ""}).unmatched is Enforcement.OBSERVE


def test_names_are_given_once_in_all_files() -> None:
    """Two teams that mean different things by one name are told, each with the place of the other."""
    files = {
        "a.yaml": f"{ISSUERS}orgs: {{acme: {{id: '1'}}}}\ndisclose: all\nrules:\n{rule('a')}",
        "b.yaml": f"{ISSUERS}orgs: {{acme: {{id: '1'}}, b: {{id: '1'}}}}\ndisclose: all\nrules:\n{rule('a')}",
    }
    assert faults_of(files) == [
        "b.yaml:2:11: the issuer `corp` is in a.yaml:2 already. Keep one of them",
        "b.yaml:3:8: the org `acme` is in a.yaml:3 already. Keep one of them",
        "b.yaml:3:33: `1` stands for the org `acme` (a.yaml:3) already. Let each word stand for one org",
        "b.yaml:4:1: `disclose` is for the whole policy, and a.yaml:4 has it. Keep one of them",
        "b.yaml:6:10: the rule on a.yaml:6 has the id `a` already. Choose another",
    ]


def test_a_file_that_cannot_be_read_hides_no_other_faults_and_invents_none() -> None:
    """Its issuers may be what the other file's rules name."""
    files = {"a.yaml": "rules: [\n", "b.yaml": f"rules:\n{rule('a b', 'token: {issuer: elsewhere}')}"}
    assert faults_of(files) == [
        "a.yaml:3:1: expected a value here. Write one, or quote it if this is its beginning",
        "b.yaml:3:10: `a b` is no rule id. Use letters, digits and `-_./`, 64 at most",
    ]


def test_after_a_hundred_faults_no_other_file_is_read() -> None:
    """Nobody reads further."""
    many = "".join(f"key{number}: 1\n" for number in range(200))
    assert len(faults_of({"a": many, "b": "x: 1\n"})) == 100
    hidden = "".join(f"# \x07{number}\n" for number in range(200))
    assert len(faults_of({"a": hidden, "b": "x: 1\n"})) == 100


def test_the_global_keys() -> None:
    """One file has each of them."""
    files = {
        "a": "disclose: reason\nannotate_request: false\n",
        "b": "log_repeat: 1500ms\nbody_limit: 64KiB\nheld_bodies_limit: 1MiB\n",
    }
    assert load(files).handling == Handling(
        disclose_orgs=False, annotate_request=False, log_repeat=1.5, body_limit=65536, held_bodies_limit=1024 * 1024
    )
    assert load({"a": "disclose: all\nannotate_request: true\nbody_limit: 7B\n"}).handling == Handling(body_limit=7)
    assert load({"a": ""}).handling == load({"a": ""}).observing().handling == Handling()


@pytest.mark.parametrize(
    ("written", "environment", "org"),
    [
        ("${ORG}", {"ORG": "acme"}, b"acme"),
        ("'${ORG}'", {"ORG": "no"}, b"no"),
        ("${ORG}", {"ORG": "010"}, b"010"),
        ("${ORG:-acme}", {}, b"acme"),
        ("${ORG:-acme}", {"ORG": ""}, b"acme"),
        ("${ORG:-acme}", {"ORG": "globex"}, b"globex"),
        ("a-${X}-${Y:-c}", {"X": "b"}, b"a-b-c"),
        ("$ORG", {"ORG": "acme"}, b"$ORG"),
        ("${ORG}", {"ORG": "${OTHER}"}, b"${OTHER}"),
    ],
)
def test_values_from_the_environment(written: str, environment: dict[str, str], org: bytes) -> None:
    """As a shell writes them, whatever YAML would make of what they hold."""
    text = f"{ISSUERS}rules:\n  - id: a\n    match: {{hosts: [api.example.com]}}\n    org:\n      value: {written}\n"
    assert load({"a": text}, Outside(environment)).rules[0].org[0].name == org


@pytest.mark.parametrize(
    ("written", "environment", "message"),
    [
        ("${ORG}", {}, "`ORG` is not in the environment. Set it, or write `${ORG:-default}`"),
        ("${ORG}", {"ORG": ""}, "`ORG` is empty in the environment. Set it, or write `${ORG:-default}`"),
        ("${1}", {}, "`${1}` has a `${` that names nothing. Write `${NAME}` or `${NAME:-default}`"),
        ("${A", {"A": "b"}, "`${A` has a `${` that names nothing. Write `${NAME}` or `${NAME:-default}`"),
        ("${A:-}", {}, "`${A:-}` holds nothing. Put the value into it"),
        (
            "${A}",
            {"A": "a\nb"},
            "a line break, tab or another character that does not print. Write the value without it",
        ),
    ],
)
def test_what_is_wrong_with_a_value_from_the_environment(
    written: str, environment: dict[str, str], message: str
) -> None:
    """The name is told, and never what it holds."""
    files = {"a": f"{ISSUERS}orgs: {{acme: {{id: '{written}'}}}}\n"}
    assert faults_of(files, Outside(environment)) == [f"a:3:19: {message}"]


def test_numbers_and_flags_from_the_environment() -> None:
    """What the environment holds is text, and becomes what belongs there."""
    keys = "org: {header: X, strip: '${STRIP}'}, enforcement: '${E}'"
    text = f"log_repeat: ${{R}}\n{ISSUERS}rules:\n" + rule("a", keys).replace(
        "hosts: [api.example.com]", "hosts: ['${HOST}'], listen: ['${PORT}']"
    )
    environment = {"STRIP": "true", "E": "block", "R": "2m", "HOST": "x.test", "PORT": "8081"}
    ruleset = load({"a": text}, Outside(environment))
    (only,) = ruleset.rules
    assert only.listen == frozenset({8081})
    assert ruleset.stripped_headers == {only: frozenset({b"x"})}
    assert (ruleset.rules[0].enforcement, ruleset.handling.log_repeat) == (Enforcement.BLOCK, 120.0)
    assert ruleset.routes[0].host.text == "x.test"


def _read(path: str, policy_file: str) -> str:
    if path == "missing":
        raise FileNotFoundError(2, "No such file or directory")
    if path == "odd":
        raise OSError("it broke")
    if path == "large":
        raise ValueError("`large` is larger than anybody's")
    return {"org": "globex", "empty": "", "secret": "hunter2/{"}[path] + ("" if policy_file == "a" else "?")


def test_values_from_files() -> None:
    """The file is looked for as seen from the policy's."""
    assert load({"a": f"{ISSUERS}rules:\n{rule('a', 'org: {value: {file: org}}')}"}, Outside({}, _read)).rules[0].org[
        0
    ].name == (b"globex")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "`missing` cannot be read: no such file or directory. Name a file that is readable here"),
        ("odd", "`odd` cannot be read: it cannot be read. Name a file that is readable here"),
        ("large", "`large` is larger than anybody's"),
        ("empty", "`{file: empty}` holds nothing. Put the value into it"),
    ],
)
def test_what_is_wrong_with_a_value_from_a_file(path: str, message: str) -> None:
    """The path is told, and where it is asked for."""
    files = {"a": f"orgs: {{acme: {{id: {{file: {path}}}}}}}\n"}
    assert faults_of(files, Outside({}, _read)) == [f"a:2:19: {message}"]


def test_a_value_from_a_file_hides_no_other_fault() -> None:
    """Nor is it one itself beside others."""
    files = {"a": "log_repeat: {file: org}\nrules: [{}]\n"}
    assert [fault.partition(":3:")[0] for fault in faults_of(files, Outside({}, lambda *_: "5s"))] == ["a"] * 2


@pytest.mark.parametrize(
    "keys",
    [
        "org: {path: {file: secret}}",
        "org: {header: {file: secret}}",
        "org: {body: {file: secret}}",
        "token: {issuer: {file: secret}}",
        "enforcement: {file: secret}",
        "match: {hosts: [{file: secret}]}",
        "match: {hosts: [a], paths: [{file: secret}]}",
        "match: {hosts: [a], methods: [{file: secret}]}",
        "examples: [{request: {file: secret}, verdict: allow}]",
    ],
)
def test_what_a_file_holds_is_in_no_message(keys: str) -> None:
    """It may be a secret that stands in the wrong place."""
    text = f"{ISSUERS}rules: [{{id: a, {keys}}}]" if "match" in keys else f"{ISSUERS}rules:\n{rule('a', keys)}"
    with pytest.raises(PolicyError) as caught:
        load({"a": text}, Outside({}, _read))
    assert "hunter2" not in str(caught.value)


def test_the_generation_tells_all_that_a_policy_depends_on() -> None:
    """Another file's text, another value in the environment or in a file is another policy."""
    text = f"{ISSUERS}orgs: {{a: {{id: '${{A}}'}}, b: {{id: {{file: org}}}}}}\n"

    def read(value: str) -> Outside:
        return Outside({"A": "1", "UNUSED": value}, lambda _path, _file: value)

    one, two = load({"a": text}, read("x")), load({"a": text}, read("y"))
    assert one.generation != two.generation
    assert one.generation != load({"a": text}, Outside({"A": "2"}, lambda *_: "x")).generation
    assert one.generation == load({"a": text}, read("x")).generation
    assert load({"a": "", "b": text}, read("x")).generation != one.generation


def test_every_key_says_what_it_is_for() -> None:
    """Editors show it, by the schema that is made of the models."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    for section in [schema, *schema["$defs"].values()]:
        for key, field in section["properties"].items():
            assert field.get("description") or field.get("type") == "null", key


def test_examples_take_the_environments_values_too() -> None:
    """What an example spells out is what the rule beside it says."""
    example = "request: 'GET https://${HOST}/', token: {org_ids: ['${ORG}'], n: [1, '2']}, verdict: allow"
    keys = f"org: {{value: '${{ORG}}'}}, examples: [{{{example}, body: {{a: '${{ORG}}'}}}}]"
    policy = load_policy(
        [PolicyText("a", f"version: 1\n{ISSUERS}rules:\n{rule('a', keys)}".encode())],
        Outside({"ORG": "acme", "HOST": "api.example.com"}),
    )
    ((compiled,),) = [each.examples for each in policy.rules]
    assert compiled.token is not None
    assert (compiled.token.claims["org_ids"], compiled.token.claims["n"]) == (["acme"], [1, "2"])
    assert compiled.body == b'{"a": "acme"}'
