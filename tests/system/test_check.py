"""`orgfence check` as people and programs meet it: a process, what it writes, its exit code."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.proxy import starts

ORGFENCE = [sys.executable, "-m", "orgfence"]
DEADLINE = 60.0

TOP = """\
version: 1
issuers:
  corp: {iss: https://login.example.com, claims: {member: org_ids}}
rules:
"""
RULE = """\
  - id: org-in-path
    match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"], methods: [GET], listen: [8080]}
    except: [{paths: [/orgs/me]}]
    org: {path: org}
    enforcement: block
"""
PASSING = f"""\
{TOP}{RULE}\
    examples:
      - {{request: GET https://api.example.com/orgs/acme, token: {{org_ids: [acme]}}, verdict: allow}}
"""
FAILING = f"""\
{TOP}{RULE}\
    examples:
      - {{request: GET https://api.example.com/orgs/acme, token: {{org_ids: [acme]}}, verdict: allow}}
      - {{request: GET https://api.example.com/orgs/acme, token: {{org_ids: [globex]}}, verdict: allow}}
      - {{request: GET https://api.example.org/orgs/acme?access_token=s3cret, verdict: mismatch, reason: token_missing}}
"""
WARNING = f"{TOP}{RULE}"
BROKEN = f"""\
{TOP}{RULE}\
    examples:
      - {{request: GET https://api.example.com/, verdict: alow, headers: {{Authorization: Bearer s3cret}}}}
"""


class Checked(NamedTuple):
    """How a check ended."""

    code: int
    out: str
    err: str


def check(folder: Path, *arguments: str, **environment: str) -> Checked:
    """Run the command in a folder, as at a prompt that is no CI's."""
    ended = subprocess.run(
        [*ORGFENCE, "check", *arguments],
        cwd=folder,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return Checked(ended.returncode, ended.stdout, ended.stderr)


def _environment(more: dict[str, str]) -> dict[str, str]:
    outer = {name: value for name, value in os.environ.items() if name not in {"GITHUB_ACTIONS", "NO_COLOR"}}
    return outer | {"TERM": "xterm"} | more


def test_a_policy_that_does_what_it_says_is_fine(tmp_path: Path) -> None:
    """One line, exit 0, and nothing on stderr."""
    (tmp_path / "policy.yaml").write_text(PASSING)

    assert check(tmp_path) == Checked(0, "1 file, 1 rule, 1 example: all fine\n", "")


def test_a_failing_example_is_told_with_what_decided_and_why(tmp_path: Path) -> None:
    """Its place, what was expected and what came, the rule and its place, the fix; and no credential."""
    (tmp_path / "p.yaml").write_text(FAILING)

    assert check(tmp_path, "p.yaml") == Checked(
        1,
        """\
p.yaml:12:19: error: this example expects `allow`, but the policy says `mismatch` (`org_not_granted`). \
Correct the policy, or the example [example_failed]
    request     GET https://api.example.com/orgs/acme
    decided by  `org-in-path` (line 5)
    because     The request is about `acme`; the token is good for `globex`.
    advice      Use a token that was issued for the org that this request is about.
    advice      If the app has just one token, sign in again and name the org in the authorize request: \
most issuers mint a token for the orgs that were asked for there, and for no others.
    advice      If the token is right, the request names the wrong org: compare the id in it with the token's.
p.yaml:13:19: error: this example expects `mismatch` (`token_missing`), but no rule matches it. \
Correct the policy, or the example [example_failed]
    request     GET https://api.example.org/orgs/acme?access_token=[redacted]
    because     No rule matches this request: `api.example.org` is none of the hosts of `org-in-path`. \
Did you mean `api.example.com`?
1 file, 1 rule, 3 examples: 2 failed
""",
        "",
    )


@pytest.mark.parametrize(
    ("example", "why"),
    [
        ("GET https://api.example.com/users", "`/users` matches none of the paths of `org-in-path`."),
        (
            "GET https://api.example.com/orgs/me",
            "`/orgs/me` under `except` of `org-in-path` leaves `/orgs/me` out.",
        ),
        ("PUT https://api.example.com/orgs/acme", "`org-in-path` is for `GET` only, not for `PUT`."),
        (
            "GET https://api.example.com/orgs/acme, listen: 9000",
            "`org-in-path` is for the port `8080` only, not for `9000`; `listen` names the example's.",
        ),
    ],
)
@pytest.mark.parametrize("unmatched", ["observe", "block"])
def test_an_example_that_no_rule_matches_is_told_why(tmp_path: Path, example: str, why: str, unmatched: str) -> None:
    """Host, path, exception, method or port: whichever keeps the rule that it stands in from matching."""
    text = f"unmatched: {unmatched}\n{TOP}{RULE}    examples: [{{request: {example}, verdict: allow}}]\n"
    (tmp_path / "p.yaml").write_text(text)

    checked = check(tmp_path, "p.yaml")

    assert checked.code == 1
    assert f"    because     No rule matches this request: {why}\n" in checked.out


def test_what_the_other_rules_say_is_told_too(tmp_path: Path) -> None:
    """The strictest decides, which need not be the rule that the example stands in."""
    other = RULE.replace("org-in-path", "other").replace("{path: org}", "{header: X-Org}")
    (tmp_path / "p.yaml").write_text(
        f"{FAILING.split('      - {request', maxsplit=1)[0]}"
        "      - {request: GET https://api.example.com/orgs/acme, token: {org_ids: [acme]}, verdict: allow}\n"
        f"{other}    examples: [{{request: GET https://api.example.com/orgs/a, verdict: mismatch}}]\n"
    )

    assert (
        """\
    decided by  `other` (line 12)
    because     None of the places where the rule reads the org gave one, so nothing can be compared.
    others      `org-in-path` says `allow` (`org_granted`)
    advice      Send the org where the rule reads it, or add `pass_without: [org]` to the rule if it may be missing.
"""
        in check(tmp_path, "p.yaml").out
    )


def test_an_issuer_whose_exchange_it_is_may_decide(tmp_path: Path) -> None:
    """It is named like a rule, with the place where it stands."""
    issuer = "corp: {oauth: {hosts: [login.example.com], org_parameter: org_id}, "
    (tmp_path / "p.yaml").write_text(
        f"{TOP.replace('corp: {', issuer)}{RULE}"
        "    examples: [{request: GET https://login.example.com/oauth/authorize, verdict: allow}]\n"
    )

    told = check(tmp_path, "p.yaml")

    assert told.code == 1
    assert "but the policy says `mismatch` (`authorize_org_missing`)" in told.out
    assert "decided by  `oauth/corp` (line 3)" in told.out


def test_a_warning_counts_only_where_it_is_asked_to(tmp_path: Path) -> None:
    """`--strict` is for CI; the words are the same."""
    (tmp_path / "p.yaml").write_text(WARNING)
    out = """\
p.yaml:5:9: warning: `org-in-path` has no examples. Begin with \
`examples: [{request: GET https://api.example.com/orgs/org, verdict: mismatch}]` [no_examples]
      - id: org-in-path
            ^
1 file, 1 rule, 0 examples: 1 warning
"""

    assert check(tmp_path, "p.yaml") == Checked(0, out, "")
    assert check(tmp_path, "--strict", "p.yaml") == Checked(1, out, "")


def test_a_policy_that_cannot_be_loaded_is_told_with_all_its_faults(tmp_path: Path) -> None:
    """Exit 2, whatever else was checked; what an example's headers hold is starred out."""
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "fine.yaml").write_text(PASSING)

    checked = check(tmp_path, "broken.yaml", "nowhere.yaml", "fine.yaml")

    assert checked == Checked(
        2,
        """\
broken.yaml:11:58: error: unknown verdict `alow`. Use `allow`, `mismatch` or `undetermined` [invalid_policy]
          - {request: GET https://api.example.com/, verdict: alow, headers: {Authorization: ***************
                                                             ^
nowhere.yaml: error: there is no such file. Write a policy there, or name another [unreadable_policy]
3 files, 1 rule, 1 example: 2 errors
""",
        "",
    )


def test_the_policy_of_the_current_folder_is_checked_if_none_is_named(tmp_path: Path) -> None:
    """`policy.yaml` before the folder `policy`; without either the fix is said."""
    assert check(tmp_path) == Checked(
        2,
        "",
        "Usage: orgfence check [OPTIONS] [PATH]...\n"
        "Try 'orgfence check --help' for help.\n\n"
        "Error: no `policy.yaml` and no folder `policy` here. Name the policy: `orgfence check PATH`\n",
    )

    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "b.yml").write_text(RULE.join(["version: 1\nrules:\n", ""]))
    (tmp_path / "policy" / "a.yaml").write_text(PASSING.replace("org-in-path", "a"))
    assert check(tmp_path).out.splitlines()[-1] == "2 files, 2 rules, 1 example: 2 warnings"

    (tmp_path / "policy.yaml").write_text(PASSING)
    assert check(tmp_path).out == "1 file, 1 rule, 1 example: all fine\n"


def test_json_holds_everything_under_stable_keys(tmp_path: Path) -> None:
    """One object, for a program; no credential in it either."""
    (tmp_path / "p.yaml").write_text(f"{FAILING}{RULE.replace('org-in-path', 'again')}")
    (tmp_path / "broken.yaml").write_text(BROKEN)

    checked = check(tmp_path, "--json", "p.yaml", "nowhere.yaml", "broken.yaml", GITHUB_ACTIONS="true")
    document: dict[str, Any] = json.loads(checked.out)
    fine, missing, broken = document["policies"]

    assert checked.code == document["exit_code"] == 2
    assert (document["version"], document["strict"]) == (1, False)
    assert document["summary"] == {"files": 3, "rules": 2, "examples": 3, "errors": 2, "failed": 2, "warnings": 2}
    assert len(fine.pop("generation")) == 12
    redundant, untried = fine["problems"][2:]
    assert [problem["code"] for problem in fine.pop("problems")[:2]] == ["example_failed"] * 2
    assert fine == {
        "path": "p.yaml",
        "loaded": True,
        "files": ["p.yaml"],
        "rules": 2,
        "examples": 3,
        "is_cut": False,
    }
    assert {redundant["code"], untried["code"]} == {"redundant_rule", "no_examples"}
    assert missing["problems"] == [
        {
            "severity": "error",
            "code": "unreadable_policy",
            "file": "nowhere.yaml",
            "line": None,
            "column": None,
            "message": "there is no such file. Write a policy there, or name another",
            "source": None,
            "example": None,
        }
    ]
    assert (broken["loaded"], broken["generation"], broken["rules"]) == (False, None, 0)
    assert (broken["problems"][0]["line"], broken["problems"][0]["code"]) == (11, "invalid_policy")
    assert "s3cret" not in checked.out


def test_an_example_in_json_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    """Verdicts, reasons and the rule as words of their own; null where no rule matched."""
    (tmp_path / "p.yaml").write_text(FAILING)

    problems = json.loads(check(tmp_path, "--json", "p.yaml").out)["policies"][0]["problems"]

    told, unmatched = (problem["example"] for problem in problems)
    assert len(told.pop("advice")) == 3
    assert told == {
        "rule": "org-in-path",
        "request": "GET https://api.example.com/orgs/acme",
        "expected": {"verdict": "allow", "reason": None},
        "actual": {"rule": "org-in-path", "verdict": "mismatch", "reason": "org_not_granted"},
        "detail": "The request is about `acme`; the token is good for `globex`.",
        "others": [],
    }
    assert (unmatched["actual"], unmatched["expected"]["reason"]) == (None, "token_missing")


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--github"], {}), ([], {"GITHUB_ACTIONS": "true"})], ids=["asked", "in Actions"]
)
def test_github_shows_each_problem_beside_its_line(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    """Workflow commands: `%`, line ends and, in properties, `:` and `,` are escaped."""
    name = "a,b:100%.yaml"
    (tmp_path / name).write_text(FAILING.replace("orgs/acme, token: {org_ids: [globex]}", "orgs/a%20b, token: {}"))

    checked = check(tmp_path, *arguments, name, **environment)

    assert checked.code == 1
    assert checked.out == (
        "::error file=a%2Cb%3A100%25.yaml,line=12,col=19,title=orgfence%3A example_failed::this example expects "
        "`allow`, but the policy says `mismatch` (`org_claim_missing`). Correct the policy, or the example%0A"
        "GET https://api.example.com/orgs/a%2520b: Decided by `org-in-path`. The claim in which the issuer names the "
        "token's orgs is not in the token. The request is about `a b`.%0AAsk for the org when the token is requested; "
        "without it many issuers leave the claim out.%0AIf this issuer's tokens name orgs elsewhere, correct `claims` "
        "of the issuer in the policy.\n"
        "::error file=a%2Cb%3A100%25.yaml,line=13,col=19,title=orgfence%3A example_failed::this example expects "
        "`mismatch` (`token_missing`), but no rule matches it. Correct the policy, or the example%0A"
        "GET https://api.example.org/orgs/acme?access_token=[redacted]: No rule matches this request: "
        "`api.example.org` is none of the hosts of `org-in-path`. Did you mean `api.example.com`?\n"
        "1 file, 1 rule, 3 examples: 2 failed\n"
    )


def test_a_warning_and_a_missing_file_are_annotations_too(tmp_path: Path) -> None:
    """A warning is one, and what has no line is about the file."""
    (tmp_path / "p.yaml").write_text(WARNING)

    checked = check(tmp_path, "--github", "p.yaml", "nowhere.yaml")

    assert [line.partition("::")[2].partition("::")[0] for line in checked.out.splitlines()[:2]] == [
        "warning file=p.yaml,line=5,col=9,title=orgfence%3A no_examples",
        "error file=nowhere.yaml,title=orgfence%3A unreadable_policy",
    ]


def test_two_forms_at_once_are_refused(tmp_path: Path) -> None:
    """Rather than one of them chosen."""
    checked = check(tmp_path, "--json", "--github")

    assert checked.code == 2
    assert "`--json` and `--github` at once. Use one of them" in checked.err


@pytest.mark.parametrize(("environment", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_whose_user_has_not_refused_it(
    tmp_path: Path, environment: dict[str, str], has_colour: bool
) -> None:
    """And never in a file or a pipe, as all other tests here see."""
    (tmp_path / "p.yaml").write_text(FAILING)
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [*ORGFENCE, "check", "p.yaml"],
            cwd=tmp_path,
            env=_environment(environment),
            stdout=theirs,
            timeout=DEADLINE,
            check=False,
        )
        written = os.read(ours, 100_000)
    finally:
        os.close(theirs)
        os.close(ours)

    assert (b"\x1b[" in written) is has_colour
    assert b"example_failed" in written


def test_very_many_faults_are_cut_and_it_says_so(tmp_path: Path) -> None:
    """Nobody reads further."""
    (tmp_path / "p.yaml").write_text(TOP + "  - {}\n" * 300)

    checked = check(tmp_path, "p.yaml")

    assert checked.out.splitlines()[-2:] == [
        "There may be more: of a policy, the first 100 faults are shown",
        "1 file, 0 rules, 0 examples: 100 errors",
    ]


#: Policies by name, each a file or a folder of files.
POLICIES: dict[str, str | dict[str, str]] = {
    "passing.yaml": PASSING,
    "failing.yaml": FAILING,
    "broken.yaml": BROKEN,
    "bad-example.yaml": PASSING.replace("GET https", "get https"),
    "empty.yaml": "",
    "no-environment.yaml": PASSING.replace("[acme]}, v", '["${ORGFENCE_UNSET}"]}, v').replace(
        "api.example.com]", '"${ORGFENCE_UNSET}"]'
    ),
    "folder": {"a.yaml": PASSING, "b.yml": "version: 1\nenforcement: block\n", ".c.yaml": "no"},
    "twice": {"a.yaml": PASSING, "b.yaml": WARNING.replace("corp", "other")},
    "nothing": {},
}


def test_check_refuses_exactly_what_run_does_not_start_with(tmp_path: Path) -> None:
    """The same files, both commands, as processes."""
    for name, text in POLICIES.items():
        path = tmp_path / name
        if isinstance(text, str):
            path.write_text(text)
        else:
            path.mkdir()
            for file, held in text.items():
                (path / file).write_text(held)
    names = [*POLICIES, "nowhere.yaml"]

    refused = [name for name in names if check(tmp_path, name).code == 2]
    accepted = [name for name in names if name not in refused]

    assert sorted(accepted) == ["failing.yaml", "folder", "passing.yaml"]
    assert run_exit_codes(tmp_path, refused) == dict.fromkeys(refused, 2)
    assert [name for name in accepted if not has_started(tmp_path, name)] == []


OPTIONS = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", "confdir=ca"]


def run_exit_codes(folder: Path, policies: list[str]) -> dict[str, int]:
    """Return how `orgfence run` ends with policies that it must not start with."""
    arguments = [["run", "--policy", policy, *OPTIONS] for policy in policies]
    process = subprocess.Popen(
        [sys.executable, starts.__file__],
        cwd=folder,
        env=_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(json.dumps(arguments).encode(), DEADLINE)
    finally:
        # One that has started by mistake would stay.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return dict(zip(policies, [code for code, _, _ in json.loads(out)], strict=True))


def has_started(folder: Path, policy: str) -> bool:
    """Return whether `orgfence run` starts with a policy; and end it."""
    log = folder / "run.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*ORGFENCE, "run", "--policy", policy, *OPTIONS], cwd=folder, env=_environment({}), stderr=written
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while process.poll() is None and time.monotonic() < deadline:
            if '"listening"' in log.read_text():
                process.send_signal(signal.SIGTERM)
                return process.wait(DEADLINE) == 0
            time.sleep(0.05)
        return False
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_the_hook_of_pre_commit_runs_the_check() -> None:
    """Its definition names a command that exists, for the files that a policy is made of."""
    definition = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
    (hook,) = yaml.safe_load(definition.read_text())

    assert hook["entry"].split() == ["orgfence", "check"]
    assert hook["pass_filenames"] is False
    assert hook["files"] == r"\.ya?ml$"
