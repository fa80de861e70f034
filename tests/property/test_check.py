"""`orgfence check` refuses what `orgfence run` refuses, and whoever follows its warnings changes nothing."""

import copy
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import event, example, given, reject
from hypothesis import strategies as st
from tests.property.credentials import NOW
from tests.property.policies import compiled, policies, rules
from tests.property.reference_token import Policy
from tests.property.strategies import Case, cases

from orgfence.checking.as_annotations import as_annotations
from orgfence.checking.as_json import as_json
from orgfence.checking.as_text import as_text
from orgfence.checking.check import check_policies
from orgfence.checking.report import ExitCode
from orgfence.core.decision import Inspection
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.lint import lint
from orgfence.core.policy.load import Policy as LoadedPolicy
from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.request import Request
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache
from orgfence.errors import StartError
from orgfence.policy_source.files import open_policy

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

WITH_EXAMPLES = """\
version: 1
orgs:
  acme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01, aliases: [acme-inc]}
issuers:
  corp: {iss: "https://{realm}.example.com", claims: {member: org_ids, scopes: {claim: scp, template: "x/{org}"}}}
rules:
  - id: org-in-path
    match: {hosts: ["{tenant}.example.com", api.example.com], paths: ["/orgs/{org}/**"], methods: [GET, POST]}
    except: [{paths: [/orgs/me]}, {claims: {role: [admin]}}]
    org: [{path: org}, {body: /org}]
    token: {scopes: [read], from: [{form: t}, {header: Authorization, scheme: Bearer}]}
    enforcement: block
    examples:
      - {request: GET https://api.example.com/orgs/acme, token: {org_ids: [acme]}, verdict: allow, reason: org_granted}
      - request: POST https://api.example.com:8443/orgs/acme/%2e%2e/x?y=1
        headers: {Content-Type: application/json, X-A: [b, c]}
        body: {org: [acme, 1, null]}
        listen: 8081
        verdict: mismatch
  - {id: pinned, match: {hosts: [api.example.com], paths: [/x]}, org: {value: acme}}
"""
PIECES = st.one_of(
    st.sampled_from(
        [
            *"\n\t :,-{}[]\"'#&*0",
            *(
                "\n  ",
                "\n- ",
                "${X}",
                "{file: x}",
                "GET ",
                "https://",
                "token: {}",
                "body: x",
                "{org}",
                "null",
                "010",
                "%",
            ),
            *sorted(set(re.findall(r"[a-z_]+", WITH_EXAMPLES))),
        ]
    ),
    st.text(max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Change a right policy in some places."""
    text = WITH_EXAMPLES
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + draw(st.sampled_from([0, 1, 5, 60])), len(text))))
        text = text[:start] + draw(PIECES) + text[end:]
    return text


def holds(data: bytes) -> None:
    """Hold the check of a policy to what `orgfence run` makes of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "policy.yaml")
        path.write_bytes(data)
        try:
            open_policy(path)
        except (PolicyError, StartError):
            is_refused = True
        else:
            is_refused = False
        report = check_policies([path], NOW, strict=False)

    assert (report.exit_code is ExitCode.UNUSABLE) == is_refused
    for written in (as_text(report), as_annotations(report)):
        assert written.endswith(f"{report.summary}\n")
    assert json.loads(as_json(report))["exit_code"] == report.exit_code


@given(mutated())
@example(WITH_EXAMPLES)
def test_check_refuses_a_policy_with_mistakes_as_run_does(text: str) -> None:
    """Exit code 2 is said of exactly the policies that `run` does not start with; the rest is checked to its end."""
    holds(text.encode(errors="surrogatepass"))


@given(policies())
def test_check_accepts_every_right_policy_as_run_does(policy: Policy) -> None:
    """So it is for policies that use the whole language."""
    holds(json.dumps(policy).encode())


def acted(ruleset: Ruleset, request: Request) -> tuple[str, set[str]]:
    """Return what becomes of a request, and what the rules said of it."""
    inspection = inspect(request, ruleset, Known(TokenCache(64)), NOW)
    assert isinstance(inspection, Inspection)
    return inspection.action.value, {
        f"{'' if decision.rule is None else decision.rule.id} {decision.reason} {decision.enforcement}"
        for decision in inspection.decisions
    }


def loaded(files: list[Policy]) -> LoadedPolicy:
    """Load a policy of files that need not fit together."""
    try:
        return load_policy(
            [PolicyText(f"{number}.yaml", json.dumps(file).encode()) for number, file in enumerate(files)]
        )
    except PolicyError:
        reject()


@st.composite
def resembling(draw: st.DrawFn, case: Case, rule: Policy) -> Policy:
    """Draw a rule that is like another one of a policy but for a few keys."""
    other = draw(rules(case.policy["issuers"], "more"))
    like = copy.deepcopy(rule) | {"id": "more"}
    for key in draw(
        st.lists(st.sampled_from(["except", "token", "pass_without", "enforcement", "agree", "org"]), max_size=2)
    ):
        like.pop(key, None)
        like |= {key: other[key]} if key in other else {}
    for key in draw(st.lists(st.sampled_from(["hosts", "paths", "methods", "listen", "encoded_slash"]), max_size=2)):
        if key in other["match"]:
            like["match"][key] = other["match"][key]
        elif key != "hosts":
            like["match"].pop(key, None)
    return like


@given(cases(), st.data())
def test_a_rule_that_is_called_redundant_changes_nothing(case: Case, data: st.DataObject) -> None:
    """Without all rules that the lint calls redundant, every request gets what it got."""
    files = copy.deepcopy(case.files)
    file = data.draw(st.sampled_from([file for file in files if file["rules"]]), label="file")
    file["rules"].append(data.draw(resembling(case, data.draw(st.sampled_from(file["rules"]))), label="more"))
    policy = loaded(files)
    found = [fault.message for code, fault in lint(policy) if code == "redundant_rule"]
    redundant = {message.split("`")[1] for message in found}
    event(f"redundant: {len(redundant)}")
    rest = [file | {"rules": [rule for rule in file["rules"] if rule["id"] not in redundant]} for file in files]

    assert acted(policy.ruleset, case.request)[0] == acted(compiled(*rest), case.request)[0]


@given(cases(), st.data())
def test_an_entry_that_is_called_covered_changes_nothing(case: Case, data: st.DataObject) -> None:
    """Without the hosts and paths that the lint says add nothing, every rule says what it said."""
    files = copy.deepcopy(case.files)
    # What is drawn seldom repeats itself: let it.
    for rule in [rule for file in files for rule in file["rules"]]:
        match, other = (
            rule["match"],
            data.draw(st.sampled_from(files[0]["rules"] + files[-1]["rules"] + [rule]))["match"],
        )
        for key in ("hosts", "paths"):
            if key in match and key in other:
                match[key] = data.draw(st.permutations([*match[key], *other[key]]), label=key)
    policy = loaded(files)
    covered = {fault.place for code, fault in lint(policy) if code in {"covered_path", "covered_host"}}
    event(f"covered: {min(len(covered), 3)}")
    entries = {rule.rule.id: rule.entry.match for rule in policy.rules}
    for rule in [rule for file in files for rule in file["rules"]]:
        for key in ("hosts", "paths"):
            texts = getattr(entries[rule["id"]], key) or []
            if key in rule["match"]:
                rule["match"][key] = [str(text) for text in texts if text.place not in covered]

    assert acted(policy.ruleset, case.request) == acted(compiled(*files), case.request)


@given(cases())
def test_a_rule_that_is_said_never_to_match_never_does(case: Case) -> None:
    """And no request is about a path of which the lint says that its rule never judges it."""
    policy = loaded(case.files)
    dead = {fault.message.split("`")[1] for code, fault in lint(policy) if code == "never_matches"}
    event(f"dead: {len(dead)}")

    said = [each.split(" ") for each in acted(policy.ruleset, case.request)[1]]
    # A path of more readings than are tried is ambiguous to all rules of its host, whatever they except.
    assert not {rule for rule, reason, _ in said if reason != "path_ambiguous"} & dead
