"""`orgfence demo` as a newcomer meets it: a process of its own, its output, its end."""

import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from tests.guarding import load

from orgfence.cli.demo import command
from orgfence.demo import stage
from orgfence.demo.issuer import ISSUER, ORGS
from orgfence.demo.proxy_process import running_proxy

DEADLINE = 60.0
KEPT = "Ctrl-C ends the demo"


class Demo:
    """A running demo whose temporary folder lies in one of the test's own, so that leftovers are its own too."""

    def __init__(self, temporary: Path, *arguments: str, **environment: str) -> None:
        self.temporary = temporary
        temporary.mkdir(exist_ok=True)
        self._out, self._err = temporary.with_suffix(".out"), temporary.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orgfence", "demo", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "TMPDIR": str(temporary), "COLUMNS": "80", **environment},
            )

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        return self._err.read_text()

    def helpers(self) -> list[int]:
        """Return the processes that work in the demo's folder: the proxy, and its keeper."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.temporary).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def leftovers(self) -> list[object]:
        return [*self.helpers(), *self.temporary.iterdir()]

    def wait_for(self, what: Callable[[], object]) -> None:
        until = time.monotonic() + DEADLINE
        while not what():
            assert time.monotonic() < until, f"timed out:\n{self.stdout}\n{self.stderr}"
            time.sleep(0.05)

    def wait_until_kept(self) -> None:
        self.wait_for(lambda: KEPT in self.stdout or self.process.poll() is not None)
        assert self.process.poll() is None, self.stderr


@contextmanager
def running(temporary: Path, *arguments: str, **environment: str) -> Iterator[Demo]:
    demo = Demo(temporary, *arguments, **environment)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait(DEADLINE)
        # The keeper puts everything away even then.
        demo.wait_for(lambda: not demo.leftovers())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one whole demo has printed."""
    with running(tmp_path_factory.mktemp("demo") / "tmp") as demo:
        assert demo.process.wait(DEADLINE) == 0, demo.stderr
        assert not demo.stderr
        assert not demo.leftovers()
        return demo.stdout


def part(told: str, heading: str) -> str:
    """Return what stands below a heading."""
    start = told.index(f"\n{heading}")
    return told[start:].split("\n\n\n", maxsplit=1)[0]


def test_the_right_token_passes(told: str) -> None:
    """The first story shows a request and the API's own answer to it."""
    story = part(told, "1. Allow")
    assert "/api/v2/organizations/acme/users\n" in story
    assert "< HTTP/1.1 200 OK\n" in story
    assert '< {"organization": "acme", "users": ["Ada", "Grace"]}\n' in story


def test_a_wrong_token_is_stopped_with_the_whole_problem_document(told: str) -> None:
    """The second story shows the block, member by member, and that the API saw nothing of it."""
    story = part(told, "2. Block")
    assert "/api/v2/organizations/globex/users\n" in story
    assert "< HTTP/1.1 403 Forbidden\n" in story
    answer = re.findall(r"^  < ?(.*)$", story, re.MULTILINE)
    problem = json.loads(" ".join(line.strip() for line in answer[answer.index("") :]))
    assert problem["title"] == "The token is for another org"
    assert problem["reason"] == "org_not_granted"
    assert problem["rule"] == "users"
    assert problem["requested_orgs"] == ["globex"]
    assert problem["granted_orgs"] == ["acme"]
    assert problem["status"] == 403
    assert problem["advice"]
    assert problem.keys() >= {"type", "detail", "instance"}
    assert "The API never saw this request" in story


def test_a_wrong_token_is_marked_where_the_rule_says_so(told: str) -> None:
    """The third story shows the header as the API received it."""
    story = " ".join(part(told, "3. Annotate").split())
    assert re.search(
        r"GET /api/v2/reports/globex Orgfence: mismatch; reason=org_not_granted; "
        r'rule="reports"; id="[0-9a-f-]{36}"; requested="globex"; granted="acme" ',
        story,
    )
    assert '"code": "not.authorized"' in story


def test_a_useless_token_is_marked_as_it_comes(told: str) -> None:
    """The fourth story shows a 200 with one more token for the first org, and what the log says of it."""
    story = part(told, "4. The refresh")
    assert "> grant_type=refresh_token\n" in story
    assert "< HTTP/1.1 200 OK\n" in story
    assert re.search(
        r'Orgfence: mismatch; reason=issued_org_missing; rule="oauth/toy-issuer"; id="[0-9a-f-]{36}"; '
        r'requested="globex"; granted="acme"',
        re.sub(r"\s+<\s+", " ", story),
    )
    assert "Sign in again for `globex`, naming it by `org_id` in the authorize request." in story


def test_a_sign_in_without_an_org_is_stopped(told: str) -> None:
    """The fifth story shows the authorize request that caused it, and a corrected URL for each org."""
    story = part(told, "5. The cause")
    assert "< HTTP/1.1 400 Bad Request\n" in story
    assert "The request has no `org_id`" in story
    asked, *corrected = urls(story)
    assert [url.removeprefix(asked) for url in corrected] == [f"&org_id={org_id}" for org_id in ORGS.values()]


def test_the_advice_mends_it(told: str) -> None:
    """The sixth story opens the URL of the advice for the second org, and calls that org with what comes of it."""
    story = part(told, "6. Mended")
    assert urls(story)[0] == urls(part(told, "5. The cause"))[-1]
    assert "/api/v2/organizations/globex/users\n" in story
    assert '< {"organization": "globex", "users": ["Ada", "Grace"]}' in story


def urls(story: str) -> list[str]:
    """Return the authorize URLs that a story shows, each over some lines."""
    return re.findall(r"https://\S+/oauth/authorize\S+", re.sub(r"\n(  >)? {4,}(?=[?&])", "", story))


def test_all_of_it_is_counted(told: str) -> None:
    """The metrics at the end are those of eight requests, three of which were exchanges that went to the issuer."""
    counted = part(told, "All of it is counted")
    for line in (
        'orgfence_requests_total{action="forwarded"} 5.0',
        'orgfence_requests_total{action="blocked"} 2.0',
        'orgfence_requests_total{action="annotated"} 1.0',
    ):
        assert f"    {line}\n" in counted
    rows = [line.split() for line in counted.splitlines()]
    assert ["users", "allow", "org_granted", "block", "2"] in rows
    assert ["users", "mismatch", "org_not_granted", "block", "1"] in rows
    assert ["reports", "mismatch", "org_not_granted", "annotate", "1"] in rows
    assert ["authorize", "mismatch", "authorize_org_missing", "1"] in rows
    assert ["authorize", "allow", "exchange_sound", "1"] in rows
    assert ["token_response", "mismatch", "issued_org_missing", "1"] in rows


def test_reads_well_where_there_is_no_terminal(told: str) -> None:
    """Plain text in 80 columns, but for the policy's path, which is to be copied."""
    assert told.isascii()
    assert "\x1b" not in told
    wide = [line for line in told.splitlines() if len(line) > 80 and not line.startswith("  policy")]
    assert not wide
    assert all(line == line.rstrip() for line in told.splitlines())


def test_shows_no_token(told: str) -> None:
    """A JWT begins with the base64 of `{"`, and none is printed."""
    assert "eyJ" not in told


def test_the_policy_to_start_from_has_ten_lines_and_loads(told: str) -> None:
    """What the demo tells its reader to save is a policy, and does what it says."""
    text = resources.files("orgfence.demo").joinpath("your-api.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 10
    assert "\n".join(f"    {line}" for line in text.splitlines()) in told
    ruleset = load(text)
    assert [rule.id for rule in ruleset.rules] == ["org-in-path"]


def test_servers_and_policy_name_the_same_issuer_and_orgs() -> None:
    """What the demo's issuer puts into a token is what its policy reads."""
    ruleset = load(resources.files("orgfence.demo").joinpath("policy.yaml").read_bytes())
    assert [issuer.iss for issuer in ruleset.issuers.values()] == [(ISSUER,)]
    assert {name: ruleset.orgs.name_of(org_id.encode()) for name, org_id in ORGS.items()} == {
        name: name for name in ORGS
    }


def test_two_run_side_by_side_whatever_the_environment_says(tmp_path: Path) -> None:
    """No port and no file is fixed, and the shell's proxies and exceptions from them make no difference."""
    nowhere = "http://127.0.0.1:9"
    environment = {"HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere, "ALL_PROXY": nowhere, "NO_PROXY": "localhost"}
    with running(tmp_path / "one") as one, running(tmp_path / "two", **environment) as two:
        for demo in (one, two):
            assert demo.process.wait(DEADLINE) == 0, demo.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_keep_leaves_it_running_until_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    """The commands that it prints do what their comments say; then it ends well and leaves nothing."""
    with running(tmp_path / "a tmp", "--keep") as demo:
        demo.wait_until_kept()
        answers = dict(_send_printed(demo.stdout))
        assert {name: answer.status_code for name, answer in answers.items()} == {
            "allowed": 200,
            "blocked": 403,
            "marked": 403,
            "allowed, with the other org's token": 200,
            "stopped, with the URLs that are right": 400,
            "counted": 200,
        }
        assert answers["blocked"].json()["reason"] == "org_not_granted"
        assert answers["marked"].headers["Orgfence"].startswith("mismatch; ")
        assert answers["stopped, with the URLs that are right"].json()["reason"] == "authorize_org_missing"
        assert 'orgfence_requests_total{action="blocked"} 4.0' in answers["counted"].text

        demo.process.send_signal(number)
        assert demo.process.wait(DEADLINE) == 0
        assert not demo.stderr
        assert '"event": "inspection"' in demo.stdout
        assert "eyJ" not in demo.stdout
        assert not demo.leftovers()


def test_keep_ends_when_its_proxy_does(tmp_path: Path) -> None:
    """A demo without its proxy is no demo: it says so, and ends."""
    with running(tmp_path / "tmp", "--keep") as demo:
        demo.wait_until_kept()
        for pid in demo.helpers():
            os.kill(pid, signal.SIGTERM)
        assert demo.process.wait(DEADLINE) == 1
        assert "the proxy has ended by itself" in demo.stderr
        assert not demo.leftovers()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_in_the_middle_ends_it_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Whatever has been started is put away, without a traceback; a second signal changes nothing."""
    if signal.getsignal(number) is signal.SIG_IGN:
        # Under `nohup` the demo would inherit that, and rightly go on.
        signal.signal(number, signal.SIG_DFL)
    with running(tmp_path / "tmp") as demo:
        demo.wait_for(demo.helpers)
        demo.process.send_signal(number)
        demo.process.send_signal(number)
        assert demo.process.wait(DEADLINE) == code
        assert not demo.stderr
        assert not demo.leftovers()


def test_nothing_is_left_when_it_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time for anything; the keeper sees it all the same."""
    with running(tmp_path / "tmp", "--keep") as demo:
        demo.wait_until_kept()
        assert len(demo.helpers()) == 2
        demo.process.kill()
        demo.wait_for(lambda: not demo.leftovers())


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    """`orgfence demo --keep | head` puts everything away, too."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "orgfence", "demo", "--keep"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(DEADLINE) == 1
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert not list(temporary.iterdir())


def test_a_proxy_that_does_not_start_is_shown_in_full(tmp_path: Path) -> None:
    """What the proxy wrote, and what to try: here for a mitmproxy that cannot be imported."""
    broken = tmp_path / "site" / "mitmproxy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('broken for this test')\n")
    with running(tmp_path / "tmp", PYTHONPATH=str(broken.parent)) as demo:
        assert demo.process.wait(DEADLINE) == 1
        assert "the proxy ended before it listened. Try `orgfence run" in demo.stderr
        assert "ImportError: broken for this test" in demo.stderr
        assert not demo.leftovers()


def test_says_so_when_the_proxy_does_not_do_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim is checked before it is printed: with a policy that only observes, there is no block to tell of."""
    lenient = tmp_path / "policy.yaml"
    text = resources.files("orgfence.demo").joinpath("policy.yaml").read_text(encoding="utf-8")
    lenient.write_text(text.replace("    enforcement: block", "    enforcement: observe"), encoding="utf-8")
    monkeypatch.setattr(stage, "running_proxy", lambda folder, _: running_proxy(folder, lenient))

    result = CliRunner().invoke(command)

    assert result.exit_code == 1
    assert "1. Allow" in result.stdout
    assert "2. Block" not in result.stdout
    assert "the request that was to be blocked reached the API" in result.stderr


def _send_printed(told: str) -> Iterator[tuple[str, httpx.Response]]:
    """Do what the printed curl commands say, so that the test needs no curl."""
    commands = re.findall(r"^    # (.*)\n    (curl (?:.*\\\n)*.*)$", told, re.MULTILINE)
    for comment, text in commands:
        words = shlex.split(text.replace("\\\n", " "))
        options = dict(pairwise(words))
        if "--cacert" not in options:
            yield comment, httpx.get(words[-1], trust_env=False)
            continue
        assert options["--noproxy"] == ""
        header = Path(options["-H"].removeprefix("@")).read_text().strip() if "-H" in options else "Accept: */*"
        name, _, value = header.partition(": ")
        trusted = ssl.create_default_context(cafile=options["--cacert"])
        with httpx.Client(proxy=options["--proxy"], verify=trusted, trust_env=False) as client:
            yield comment, client.get(words[-1], headers={name: value})
