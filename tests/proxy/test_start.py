"""How `orgfence run` starts, how it refuses to, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from mitmproxy.certs import CertStore
from mitmproxy.options import CONF_BASENAME
from tests.proxy import starts as starts_of
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    REVERSE_PLAIN,
    GuardingProxy,
    authorized,
    free_port,
    paths_of,
)
from tests.proxy.harness import DEADLINE, START_DEADLINE, RawClient, Upstream

from orgfence.proxy.options import REFUSABLE

ORGFENCE = [sys.executable, "-m", "orgfence"]

RULE = """
version: 1
issuers:
  corp: {iss: https://login.example.com, claims: {member: org_ids}}
rules:
  - id: block
    match: {hosts: [localhost], paths: ["/*/block/{org}/**"]}
    org: {path: org}
    enforcement: block
"""
EXCHANGES_ONLY = """
version: 1
issuers:
  corp: {iss: https://login.example.com, oauth: {hosts: [login.example.com]}}
  partner: {iss: https://login.example.net, oauth: {hosts: [login.example.net]}}
"""


class Start(NamedTuple):
    """Arguments with which orgfence must not start."""

    arguments: Sequence[str]
    #: What the one line that says why must hold, in this order.
    said: Sequence[str]
    exit_code: int = 2


#: An option that may not be set, as it would be set.
REFUSED = {
    "allow_hosts": "allow_hosts=example",
    "emudhra": "emudhra=true",
    "emudhra_old": "emudhra_old=true",
    "ignore_hosts": "ignore_hosts=example",
    "map_remote": "map_remote=|//a.example/|//b.example/",
    "modify_headers": "modify_headers=/~q/Authorization/Bearer x",
    "proxyauth": "proxyauth=user:password",
    "rawtcp": "rawtcp=true",
    "stickyauth": "stickyauth=.*",
    "stream_large_bodies": "stream_large_bodies=1m",
    "tcp_hosts": "tcp_hosts=example",
    "udp_hosts": "udp_hosts=example",
    "stickycookie": "stickycookie=.",
    "upstream_auth": "upstream_auth=user:password",
    "validate_inbound_headers": "validate_inbound_headers=false",
}

STARTS = {
    "no such policy": Start(["--policy", "{folder}/nowhere.yaml"], ["nowhere.yaml", "no such file", "Write a policy"]),
    "a folder without a policy": Start(
        ["--policy", "{folder}/broken"], ["broken", "no policy in this folder", "*.yaml"]
    ),
    "a folder in a folder": Start(
        ["--policy", "{folder}/teams"], ["{folder}/teams/b.yaml", "is a folder", "Rename it"]
    ),
    "a link to nothing in a folder": Start(["--policy", "{folder}/links"], ["{folder}/links/b.yml", "no such file"]),
    "a policy below a file": Start(["--policy", "{folder}/rule.yaml/x"], ["rule.yaml/x", "cannot be read"]),
    "no address": Start(["--listen", "8080"], ["--listen", "`8080`", "127.0.0.1:8080"]),
    "no port": Start(["--listen", "127.0.0.1:http"], ["--listen", "HOST:PORT"]),
    "a port too high": Start(["--admin", "127.0.0.1:70000"], ["--admin", "HOST:PORT"]),
    "no such mode": Start(["--mode", "nonsense"], ["`nonsense`", "Use `regular`"]),
    "a mode without its URL": Start(["--mode", "reverse:"], ["`reverse:`", "reverse:URL"]),
    "a mode of another scheme": Start(["--mode", "reverse:ftp://example.com"], ["ftp", "reverse:URL"]),
    "two modes without a port": Start(
        ["--mode", "regular", "--mode", "socks5"], ["`regular` and `socks5`", "`--listen`", "`MODE@8081`"]
    ),
    "two modes at one port": Start(
        ["--mode", "regular@18080", "--mode", "socks5@18080"], ["`regular@18080` and `socks5@18080`", "own port"]
    ),
    "an unknown option": Start(["--set", "nonsense=1"], ["`nonsense`", "--options"]),
    "a misspelt option": Start(["--set", "conf_dir=/x"], ["`conf_dir`", "Did you mean `confdir`?"]),
    "an option of an addon that is not here": Start(["--set", "server_replay=x"], ["`server_replay`"]),
    "an option of a wrong type": Start(["--set", "keep_host_header=maybe"], ["keep_host_header", "true"]),
    "an option that has a flag": Start(["--set", "listen_port=1"], ["`listen_port`", "`--listen`"]),
    "a credential that cannot be used": Start(
        ["--set", "proxyauth=ldap:localhost:dc=hidden-user:hidden-password"], ["`proxyauth`", "mitmdump --options"]
    ),
    "a credential in a mode": Start(
        ["--mode", "upstream:http://hidden-user:hidden-password@proxy.example.com:3128"],
        ["upstream:http://...@proxy.example.com:3128", "no user and password"],
    ),
    "a credential in a reverse mode": Start(
        ["--mode", "reverse:https://hidden-user:hidden-password@api.example.com"],
        ["reverse:https://...@api.example.com", "no user and password"],
    ),
    "a credential for a proxy that is not there": Start(
        ["--set", "upstream_auth=hidden-user:hidden-password"], ["`upstream_auth`", "`--mode upstream:URL`"]
    ),
    "no such CA to trust": Start(
        ["--set", "ssl_verify_upstream_trusted_ca=/nowhere/ca.pem"],
        ["/nowhere/ca.pem", "no such file", "--set ssl_verify_upstream_trusted_ca="],
    ),
    "no CA to trust": Start(
        ["--set", "ssl_verify_upstream_trusted_ca={folder}/rule.yaml"], ["rule.yaml", "no certificate", "a PEM file"]
    ),
    "a mode as an option": Start(["--set", "mode=regular"], ["`mode`", "`--mode`"]),
    "proxy port in use": Start(["--listen", "{taken}"], ["{taken}", "address already in use", "--listen"], 1),
    "a mode's port in use": Start(["--mode", "regular@{taken}"], ["{taken}", "address already in use"], 1),
    "admin port in use": Start(["--admin", "{taken}"], ["{taken}", "address already in use", "--admin"], 1),
    "mitmweb's port in use": Start(
        ["--web", "--set", "web_open_browser=false", "--set", "web_port={taken_port}"],
        ["mitmweb", "{taken}", "address already in use", "--set web_port="],
        1,
    ),
    "no such address": Start(["--listen", "host.invalid:0"], ["host.invalid", "--listen"], 1),
    "a file as confdir": Start(["--set", "confdir={folder}/rule.yaml"], ["rule.yaml", "CA", "--set confdir="], 1),
    "a confdir that cannot be": Start(["--set", "confdir=/proc/nowhere"], ["/proc/nowhere", "CA", "confdir="], 1),
    "no CA in confdir": Start(["--set", "confdir={folder}/broken"], ["broken", "CA", "--set confdir="], 1),
    **{
        f"refused: {name}": Start(["--mode", "reverse:http://127.0.0.1:1", "--set", option], [f"`{name}`", ". "])
        for name, option in REFUSED.items()
    },
    **{
        f"refused with mitmweb: {name}": Start(
            [
                "--web",
                "--set",
                "web_open_browser=false",
                "--mode",
                "reverse:http://127.0.0.1:1",
                "--set",
                REFUSED[name],
            ],
            [f"`{name}`", ". "],
        )
        for name in ("map_remote", "modify_headers", "proxyauth", "stickyauth", "stickycookie", "upstream_auth")
    },
}

#: Nothing of this may be said again.
HIDDEN = "hidden-"

#: A policy with a fault; where it is, and what the message says.
FAULTS: Mapping[str, tuple[str, str, str]] = {
    "unknown key": (RULE.replace("enforcement: block", "enforcment: block"), "9:5", "Did you mean `enforcement`?"),
    "unknown enforcement": (RULE.replace("enforcement: block", "enforcement: blok"), "9:18", "`blok`"),
    "impossible rule": (RULE.replace("org: {path: org}", "org: {path: orgs}"), "8:17", "`{orgs}`"),
    "no YAML": (RULE.replace("hosts: [localhost]", "hosts: [localhost"), "7:", ""),
    "empty": ("", "1:1", "version: 1"),
    "no UTF-8": ("\udcff", "1:1", "UTF-8"),
}


class Ended(NamedTuple):
    """A process that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    #: What stood in the place of `{folder}` and `{taken}`.
    named: Mapping[str, str]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How all bad starts ended."""
    folder = tmp_path_factory.mktemp("starts")
    (folder / "rule.yaml").write_text(RULE)
    (folder / "broken").mkdir()
    (folder / "broken" / "mitmproxy-ca.pem").write_text("no key")
    (folder / "teams" / "b.yaml").mkdir(parents=True)
    (folder / "links").mkdir()
    (folder / "links" / "a.yaml").write_text(RULE)
    (folder / "links" / "b.yml").symlink_to("nowhere")
    # Beforehand, because several starts share it: mitmproxy writes a new one bit by bit.
    CertStore.from_store(folder / "confdir", CONF_BASENAME, 2048)
    arguments = {name: start.arguments for name, start in STARTS.items()}
    for name, (policy, _, _) in FAULTS.items():
        file = folder / f"{name}.yaml"
        file.write_bytes(policy.encode("utf-8", "surrogateescape"))
        arguments[name] = ["--policy", str(file)]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        named = {"folder": str(folder), "taken": f"127.0.0.1:{port}", "taken_port": str(port)}
        given = [[word.format_map(named) for word in words] for words in arguments.values()]
        process = subprocess.run(
            [sys.executable, starts_of.__file__],
            input=json.dumps([_complete(words, folder) for words in given]),
            stdout=subprocess.PIPE,
            check=True,
            cwd=folder,
            text=True,
            timeout=3 * START_DEADLINE,
        )
    results = zip(arguments, json.loads(process.stdout), strict=True)
    return {name: Ended(code, stdout, stderr, named) for name, (code, stdout, stderr) in results}


def _complete(arguments: Sequence[str], folder: Path) -> list[str]:
    """Return the arguments of a start at which nothing else is wrong."""
    # What stands last counts, except for an option that is set twice.
    free = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    confdir = [] if any("confdir=" in argument for argument in arguments) else ["--set", f"confdir={folder}/confdir"]
    return ["run", *free, *confdir, *arguments]


@pytest.mark.parametrize("name", STARTS)
def test_a_bad_start_is_one_clear_line(starts: dict[str, Ended], name: str) -> None:
    """What is wrong, where, and what to do about it; nothing listens, and there is no traceback."""
    ended = starts[name]
    assert ended.exit_code == STARTS[name].exit_code, ended
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert HIDDEN not in line
    at = 0
    for said in STARTS[name].said:
        words = said.format_map(ended.named)
        assert words in line[at:], line
        at = line.index(words, at) + len(words)


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_policy_is_shown_with_its_place(starts: dict[str, Ended], name: str) -> None:
    """File, line, column and the fix; then the line itself and a caret below the place."""
    _, place, said = FAULTS[name]
    ended = starts[name]
    assert (ended.exit_code, ended.stdout) == (2, "")
    message, *shown = ended.stderr.splitlines()
    assert message.startswith(f"{ended.named['folder']}/{name}.yaml:{place}")
    assert said in message
    if name != "empty":
        line, caret = shown
        assert caret.strip() == "^"
        assert not line or caret.index("^") >= len(line) - len(line.lstrip())


def test_every_refused_option_is_tried() -> None:
    """The table above has all of them."""
    assert set(REFUSED) == REFUSABLE


def test_all_faults_of_a_folder_are_shown(shared_upstream: Upstream, tmp_path: Path) -> None:
    """Each with its own file, as a person would open it from where they are."""
    (tmp_path / "teams").mkdir()
    for name in ("a.yaml", "b.yml"):
        (tmp_path / "teams" / name).write_text("version: 2\n")
    process = subprocess.run(
        [*ORGFENCE, "run", "--policy", "teams"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_DEADLINE,
    )
    assert (process.returncode, process.stdout) == (2, "")
    shown = [line for line in process.stderr.splitlines() if line.startswith("teams/")]
    assert [line.partition(": ")[0] for line in shown] == ["teams/a.yaml:1:10", "teams/b.yml:1:10"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "Commands:"),
        (["-h"], "Commands:"),
        (["run", "--help"], "--policy"),
        (["--version"], "orgfence"),
    ],
    ids=str,
)
def test_help_is_given(arguments: list[str], said: str) -> None:
    """On stdout, with exit code 0."""
    process = subprocess.run(
        [*ORGFENCE, *arguments], capture_output=True, text=True, check=False, timeout=START_DEADLINE
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert said in process.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["run", "--polcy", "x"], "--policy"), (["runn"], "runn"), (["run", "stray"], "stray")],
    ids=str,
)
def test_usage_errors_exit_2(arguments: list[str], said: str) -> None:
    """A flag or command that does not exist is named."""
    process = subprocess.run(
        [*ORGFENCE, *arguments], capture_output=True, text=True, check=False, timeout=START_DEADLINE
    )
    assert process.returncode == 2
    assert said in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(shared_upstream: Upstream, number: signal.Signals) -> None:
    """Exit code 0 within moments, while connections of every kind are open; nothing but JSON is written."""
    with GuardingProxy(shared_upstream, RULE, "--drain", "1") as proxy:
        with _open_connections(proxy):
            proxy.signal(number)
            assert proxy.wait() == 0
        for address in (proxy.forward, proxy.reverse, proxy.reverse_tls, proxy.admin):
            with pytest.raises(ConnectionError), RawClient(address):
                pass
    assert proxy.stdout == []
    assert all(line.startswith('{"ts": ') for line in proxy.stderr)
    assert not [line for line in proxy.stderr if '"level": "error"' in line or "Traceback" in line]


@contextmanager
def _open_connections(proxy: GuardingProxy) -> Iterator[None]:
    """Hold an idle client, a tunnel, an endless answer, an upload that is let through and one that is blocked."""
    token = authorized("acme")
    sized = (b"content-length", b"1000000")
    with (
        RawClient(proxy.forward),
        proxy.raw(FORWARD_H1),
        proxy.raw(FORWARD_PLAIN) as events,
        proxy.raw(REVERSE_PLAIN) as upload,
        proxy.raw(FORWARD_PLAIN) as blocked,
        proxy.http2() as stream,
    ):
        events.send(proxy.head(FORWARD_PLAIN, b"GET", b"/sse/block/acme/x", token))
        events.take_until(b"data: 2")
        upload.send(proxy.head(REVERSE_PLAIN, b"PUT", b"/echo/block/acme/x", token, sized) + b"begun")
        upload.take_until(b"begun")
        blocked.send(proxy.head(FORWARD_PLAIN, b"PUT", b"/echo/block/globex/x", token, sized) + b"begun")
        assert blocked.read_answer().status == 403
        fields = proxy.pseudo(FORWARD_H2, b"POST", b"/echo/block/acme/x", token)
        stream_id = stream.request(fields, end=False)
        stream.send_data(stream_id, b"begun")
        stream.wait(stream_id, lambda it: it.body)
        yield


def test_says_where_everything_is(proxy: GuardingProxy) -> None:
    """One event once it is up: each mode with its addresses, admin, policy, rules, generation, the CA to trust."""
    (event,) = proxy.events("listening")
    assert event["proxy"][0]["mode"].partition("@")[0] == "regular"
    assert all(not address.endswith(":0") for mode in event["proxy"] for address in mode["addresses"])
    assert event["policy"] == str(proxy.policy_file)
    assert (event["rules"], event["observe_override"]) == (5, False)
    assert Path(event["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert proxy.metrics()[f'orgfence_policy_info{{generation="{event["generation"]}"}}'] == 1

    with httpx.Client(base_url="http://%s:%d" % proxy.admin, trust_env=False, timeout=DEADLINE) as admin:
        assert admin.get("/healthz").text == "ok\n"
        ready = admin.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["ready"] is True
    assert ready.json()["generation"] == event["generation"]


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ("policy.yaml", "policy.yaml: 1 rule, 1 block"),
        (".", ". (2 files): 2 rules, 2 block"),
        ("exchanges/only.yaml", "and the OAuth exchanges with corp, partner"),
    ],
)
def test_a_person_is_told_in_words(tmp_path: Path, policy: str, shown: str) -> None:
    """On a terminal: where it listens, by which policy, where metrics are, what to trust, how to end it."""
    (tmp_path / "policy.yaml").write_text(RULE)
    (tmp_path / "second.yaml").write_text("version: 1\n" + RULE[RULE.index("rules:") :].replace("id: block", "id: two"))
    (tmp_path / "exchanges").mkdir()
    (tmp_path / "exchanges" / "only.yaml").write_text(EXCHANGES_ONLY)
    ours, theirs = os.openpty()
    arguments = ["--policy", policy, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*ORGFENCE, "run", *arguments, "--set", "confdir=ca"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        cwd=tmp_path,
    )
    os.close(theirs)
    said = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while b"Ctrl-C" not in said:
            said += terminal.read(4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
    text = said.decode()
    for words in (
        "regular proxy on 127.0.0.1:",
        shown,
        "http://127.0.0.1:",
        "/metrics",
        "mitmproxy-ca-cert.pem",
        "--cacert",
    ):
        assert words in text
    assert "{" not in text
    assert "guards nothing" not in text


def test_a_folder_is_announced_and_holds_as_one_policy(
    shared_upstream: Upstream, upstream: Upstream, tmp_path: Path
) -> None:
    """Each file's own defaults are for its own rules; issuers are for all; what is in no file of it is not read."""
    (tmp_path / "a.yaml").write_text(RULE.replace("    enforcement: block\n", ""))
    rest = RULE[RULE.index("rules:") :].replace("    enforcement: block\n", "")
    (tmp_path / "b.yml").write_text("version: 1\nenforcement: block\n" + rest.replace("block", "second"))
    (tmp_path / "c.yaml.off").write_text("nonsense")
    with GuardingProxy(shared_upstream, None, "--policy", str(tmp_path)) as proxy:
        (event,) = proxy.events("listening")
        annotated = proxy.call(FORWARD_H1, b"/api/block/globex/x", authorized("acme"))
        blocked = proxy.call(FORWARD_H1, b"/api/second/globex/x", authorized("acme"))
        allowed = proxy.call(FORWARD_H1, b"/api/second/acme/x", authorized("acme"))
    assert (event["policy"], event["policy_files"], event["rules"]) == (str(tmp_path), 2, 2)
    assert (annotated.status, len(annotated.values(b"orgfence"))) == (200, 1)
    assert (blocked.status, allowed.status) == (403, 200)
    assert paths_of(upstream) == [b"/api/block/globex/x", b"/api/second/acme/x"]


def test_the_break_glass_enforces_nothing(shared_upstream: Upstream, upstream: Upstream) -> None:
    """`--observe` caps rules and `unmatched`; what would have been blocked is logged, and a metric says so."""
    policy = RULE.replace("version: 1", "version: 1\nunmatched: block")
    with GuardingProxy(shared_upstream, policy, "--observe") as proxy:
        for path in (b"/api/block/globex/x", b"/no/rule", b"/api/block/acme/../globex"):
            answer = proxy.call(FORWARD_H1, path, authorized("acme"))
            assert (answer.status, answer.values(b"orgfence")) == (200, [])
        metrics = proxy.metrics()
        assert proxy.events("listening")[0]["observe_override"] is True
        logged = proxy.wait_for_event("inspection")
    assert len(upstream.requests) == 3
    assert not any(request.values(b"orgfence") for request in upstream.requests)
    assert metrics["orgfence_observe_override"] == 1
    assert metrics['orgfence_requests_total{action="blocked"}'] == 0
    assert metrics[
        'orgfence_decisions_total{enforcement="observe",reason="org_not_granted",rule="block",verdict="mismatch"}'
    ]
    assert (logged["verdict"], logged["action"]) == ("mismatch", "forwarded")


def test_without_a_policy_the_starter_watches(shared_upstream: Upstream, upstream: Upstream) -> None:
    """Every host is decrypted and nothing is enforced; a mismatch of the common claims is seen."""
    with GuardingProxy(shared_upstream, None) as proxy:
        for path in (b"/api/orgs/globex/x", b"/v1/tenants/globex", b"/elsewhere"):
            with RawClient(proxy.forward) as client:
                client.send(b"GET %s%s HTTP/1.1\r\nHost: x\r\n" % (upstream.url.encode(), path))
                client.send(b"Authorization: %s\r\n\r\n" % authorized("acme", iss="https://anybody.example")[1])
                answer = client.read_answer()
            assert (answer.status, answer.values(b"orgfence")) == (200, [])
        metrics = proxy.metrics()
        assert proxy.events("listening")[0]["policy"] == "starter policy"
        logged = proxy.wait_for_event("inspection")
    assert paths_of(upstream) == [b"/api/orgs/globex/x", b"/v1/tenants/globex", b"/elsewhere"]
    assert (logged["requested_orgs"], logged["granted_orgs"]) == (["globex"], ["acme"])
    assert metrics['orgfence_requests_total{action="forwarded"}'] == 2
    assert metrics['orgfence_requests_total{action="unmatched"}'] == 1


def test_a_rule_is_for_the_port_that_it_names(shared_upstream: Upstream, upstream: Upstream) -> None:
    """Of several modes at once, `match.listen` picks one; and `unmatched: block` stops what no rule is about."""
    first, second = free_port(), free_port()
    while second == first:
        second = free_port()
    policy = RULE.replace("version: 1", "version: 1\nunmatched: block")
    policy = policy.replace("hosts: [localhost]", f"hosts: [127.0.0.1], listen: [{first}]")
    modes = [f"reverse:{upstream.url}@{port}" for port in (first, second)]
    with GuardingProxy(shared_upstream, policy, modes=modes):
        for port, path, status in (
            (first, b"/api/block/acme/x", 200),
            (first, b"/api/block/globex/x", 403),
            (first, b"/other", 403),
            (second, b"/api/block/acme/x", 403),
            (second, b"/api/block/globex/x", 403),
        ):
            with RawClient(("127.0.0.1", port)) as client:
                client.send(b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (path, authorized("acme")[1]))
                assert client.read_answer().status == status, (port, path)
    assert paths_of(upstream) == [b"/api/block/acme/x"]
