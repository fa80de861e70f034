"""orgfence in stock mitmdump: `mitmdump -s addons/orgfence_addon.py --set orgfence_policy=FILE`."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from tests.proxy.guarding import POLICY, address_of, authorized, paths_of, problem
from tests.proxy.harness import (
    DEADLINE,
    START_DEADLINE,
    Address,
    Answer,
    ProxyProcess,
    RawClient,
    Upstream,
    client_context,
)
from tests.proxy.structured_field import parse_item

MITMDUMP = str(Path(sys.executable).with_name("mitmdump"))
ADDON = str(Path(__file__).parents[2] / "addons" / "orgfence_addon.py")


class Mitmdump(NamedTuple):
    """A stock mitmdump that has loaded the addon."""

    process: ProxyProcess
    address: Address
    admin: Address
    upstream: Upstream

    def call(
        self, path: bytes, *fields: tuple[bytes, bytes], tls: bool, method: bytes = b"GET", body: bytes = b""
    ) -> Answer:
        """Send one request, plain or through a tunnel."""
        lines = b"".join(b"\r\n%s: %s" % field for field in (authorized("acme"), *fields))
        with RawClient(self.address) as client:
            base = b"http://localhost:%d" % self.upstream.address[1]
            if tls:
                assert client.tunnel("localhost", self.upstream.tls_address[1]).status == 200
                context = client_context(self.process.confdir / "mitmproxy-ca-cert.pem")
                client.start_tls(context, "localhost")
                base = b""
            client.send(b"%s %s%s HTTP/1.1\r\nHost: localhost%s\r\n\r\n%s" % (method, base, path, lines, body))
            return client.read_answer()

    def metrics(self) -> Counter[str]:
        """Return its samples."""
        text = httpx.get("http://%s:%d/metrics" % self.admin, trust_env=False, timeout=DEADLINE).text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return Counter({name: float(value) for name, _, value in lines})


def command(confdir: Path, *arguments: str) -> list[str]:
    """Return what starts it, on free ports."""
    free = ["--listen-host", "127.0.0.1", "--listen-port", "0"]
    # mitmproxy takes an option that is set twice before its addon is loaded for a fault that it only logs.
    if not any("orgfence_admin" in argument for argument in arguments):
        free += ["--set", "orgfence_admin=127.0.0.1:0"]
    return [MITMDUMP, "-s", ADDON, "--set", f"confdir={confdir}", *free, *arguments]


@pytest.fixture(scope="module", params=["enforcing", "observing"])
def mitmdump(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_upstream: Upstream
) -> Iterator[Mitmdump]:
    """By the policy that most tests share, also with `orgfence_observe`."""
    observe = f"orgfence_observe={request.param == 'observing'}".lower()
    with running(tmp_path_factory.mktemp("script"), shared_upstream, POLICY, "--set", observe) as mitmdump:
        yield mitmdump


@contextmanager
def running(folder: Path, upstream: Upstream, policy: str, *arguments: str) -> Iterator[Mitmdump]:
    """Run it by a policy."""
    file = folder / "policy.yaml"
    file.write_text(policy)
    rules = policy.count("- id:")
    options = [f"orgfence_policy={file}", f"ssl_verify_upstream_trusted_ca={upstream.ca_file}"]
    given = [*(word for option in options for word in ("--set", option)), *arguments]
    with ProxyProcess(given, command=command, ready=re.compile(r"proxy listening at (\S+)\.$").search) as process:
        admin = process.wait_for_line(re.compile(rf"metrics at http://([^/]+)/metrics, {rules} rules").search)
        yield Mitmdump(process, address_of(process.ready_value[1]), address_of(str(admin and admin[1])), upstream)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_enforces_as_orgfence_run_does(mitmdump: Mitmdump, upstream: Upstream, tls: bool) -> None:
    """Block, annotate and observe, the outcome of an allow, and a hundred other addons none the wiser."""
    observing = mitmdump.metrics()["orgfence_observe_override"] == 1
    blocked = mitmdump.call(b"/api/block/globex/x", tls=tls)
    if observing:
        assert (blocked.status, blocked.values(b"orgfence")) == (200, [])
        assert paths_of(upstream) == [b"/api/block/globex/x"]
    else:
        assert problem(blocked)["reason"] == "org_not_granted"
        assert not upstream.requests
    upstream.requests.clear()

    for path, status, said in (
        (b"/api/block/acme/x", 200, None),
        (b"/api/annotate/globex/x", 200, "mismatch"),
        (b"/api/observe/globex/x", 200, None),
        (b"/status/block/acme/403", 403, "allow"),
    ):
        answer = mitmdump.call(path, (b"orgfence", b"the client's own"), tls=tls)
        assert answer.status == status
        told = [parse_item(value).token for value in answer.values(b"orgfence")]
        assert told == ([said] if said and not observing else [])
    marks = [len(request.values(b"orgfence")) for request in upstream.requests]
    assert marks == ([0, 0, 0, 0] if observing else [0, 1, 0, 0])


BODIES = f"""{POLICY.replace("version: 1", "version: 1\nbody_limit: 1KiB").rstrip()}
  - id: held
    match: {{hosts: [localhost], paths: ["/*/held/**"]}}
    org: [{{body: /org}}, {{header: X-Org-Id, strip: true}}]
    enforcement: block
  - id: told
    match: {{hosts: [localhost], paths: ["/*/told/**"]}}
    org: {{body: /org}}
    enforcement: annotate
"""


def test_reads_bodies_as_orgfence_run_does(tmp_path: Path, shared_upstream: Upstream) -> None:
    """With a length and without, within the limit and over it; only that over the limit it answers later."""
    right, wrong, long = b'{"org": "acme"}', b'{"org": "globex"}', b'{"org": "acme"}'.ljust(1025)
    with running(tmp_path, shared_upstream, BODIES) as mitmdump:
        for tls in (False, True):
            for chunked in (False, True):
                for kind, body, reason in (
                    (b"held", right, None),
                    (b"held", wrong, "org_not_granted"),
                    (b"held", long, "body_unread"),
                    (b"told", right, None),
                    (b"told", wrong, "org_not_granted"),
                    (b"told", long, "body_unread"),
                ):
                    shared_upstream.requests.clear()
                    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
                    length = (b"content-length", b"%d" % len(body))
                    framing = (b"transfer-encoding", b"chunked") if chunked else length
                    fields = framing, (b"x-org-id", b"acme"), (b"content-type", b"application/json")
                    answer = mitmdump.call(b"/echo/%s/x" % kind, *fields, tls=tls, method=b"POST", body=sent)
                    if kind == b"held" and reason:
                        assert problem(answer)["reason"] == reason
                        assert not shared_upstream.requests
                        continue
                    assert answer.body == body
                    (received,) = shared_upstream.requests
                    told = [parse_item(value).parameters["reason"] for value in received.values(b"orgfence")]
                    assert told == ([reason] if reason else [])
                    assert len(received.values(b"x-org-id")) == (kind == b"told")


def test_counts_logs_and_answers_for_its_health(mitmdump: Mitmdump) -> None:
    """The admin server has the same pages; the event log gets the same lines, without a secret."""
    before = mitmdump.metrics()
    mitmdump.call(b"/api/annotate/initech/x", tls=True)
    grown = mitmdump.metrics()
    grown.subtract(before)
    action = "forwarded" if before["orgfence_observe_override"] else "annotated"
    assert grown[f'orgfence_requests_total{{action="{action}"}}'] == 1
    assert grown['orgfence_org_mismatches_total{org="other",rule="annotate"}'] == 1
    line = str(mitmdump.process.wait_for_line(lambda line: '"initech"' in line and line))
    assert '"event": "inspection"' in line
    assert authorized("acme")[1].decode().removeprefix("Bearer ") not in mitmdump.process.output
    base = "http://%s:%d" % mitmdump.admin
    assert httpx.get(f"{base}/readyz", trust_env=False).json()["ready"] is True


def test_an_unguarded_host_is_not_decrypted(mitmdump: Mitmdump, upstream: Upstream) -> None:
    """Also here the client sees upstream's own certificate."""
    with RawClient(mitmdump.address) as client:
        assert client.tunnel("127.0.0.1", upstream.tls_address[1]).status == 200
        client.start_tls(client_context(upstream.ca_file), "127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "orgfence_policy={folder}/nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["--set", "orgfence_policy={folder}/faulty.yaml"], "faulty.yaml:2:1: unknown key `nonsense`"),
        (["--set", "orgfence_admin=8080"], "`8080` is no HOST:PORT"),
        (["--map-remote", "|//a.example/|//b.example/"], "`map_remote` cannot be used with orgfence"),
        (["--modify-headers", "/~q/Authorization/x"], "`modify_headers` cannot be used with orgfence"),
        (["--allow-hosts", "example"], "`allow_hosts` cannot be used with orgfence"),
        (
            ["--mode", "reverse:http://127.0.0.1:1", "--set", "proxyauth=a:b"],
            "`proxyauth` cannot be used with orgfence",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_does_not_start_without_the_guard(tmp_path: Path, arguments: list[str], said: str) -> None:
    """A policy that cannot be used, or an option that would undo it, ends mitmdump and says why."""
    (tmp_path / "faulty.yaml").write_text("version: 1\nnonsense: 1\n")
    ended = subprocess.run(
        command(tmp_path, *(argument.replace("{folder}", str(tmp_path)) for argument in arguments)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_DEADLINE,
    )
    assert ended.returncode == 1
    assert said in ended.stdout + ended.stderr
