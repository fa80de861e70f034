"""The policies that people start from: each passes its check, starts, and does through the real proxy what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.proxy.guarding import address_of, announced, free_port
from tests.proxy.harness import DEADLINE, ProxyProcess, Upstream, unsigned_token

CONFIG = Path(__file__).parents[2] / "config"
POLICIES = [*sorted(CONFIG.glob("*.yaml")), CONFIG / "teams"]
ACME_STAGING = "1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02"


def test_each_passes_its_check() -> None:
    """All examples pass, and there is nothing to warn of."""
    checked = subprocess.run(
        [sys.executable, "-m", "orgfence", "check", "--strict", *map(str, POLICIES)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert re.fullmatch(r"\d+ files, \d+ rules, \d+ examples: all fine\n", checked.stdout)


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_each_starts_as_its_first_lines_say(path: Path) -> None:
    """The command that its comment holds is one, but for the ports, which may be somebody else's here."""
    with ProxyProcess(arguments_in(path), ready=announced) as process:
        told = process.ready_value

    assert told["policy"] == str(path)
    assert told["rules"] > 0
    assert told.get("policy_files") == (len(list(path.glob("*.yaml"))) if path.is_dir() else None)


def test_the_partners_app_is_held_to_its_org() -> None:
    """Only its org's tokens pass; which org it expects stays here, and whose token it had is not told."""
    with Upstream() as upstream:
        arguments = ["--policy", str(CONFIG / "partner-app.yaml"), "--mode", f"reverse:{upstream.url}"]
        with ProxyProcess(arguments, ready=announced) as process, client_of(process) as client:
            expected = {"Host": "api.example.com", "X-Expected-Org": "acme-staging"}
            passed = client.get("/api/v2/users", headers=expected | authorization(org_id=ACME_STAGING))
            stopped = client.get("/api/v2/users", headers=expected | authorization(org_id="acme"))

    assert (passed.status_code, stopped.status_code) == (200, 403)
    assert stopped.json()["reason"] == "org_not_granted"
    assert "granted_orgs" not in stopped.json()
    assert [request.values(b"x-expected-org") for request in upstream.requests] == [[]]


def test_the_sidecar_tells_its_services_apart_by_their_ports(tmp_path: Path) -> None:
    """On one port the org is read from JSON, on the next from a form, and the environment says whose hosts they are."""
    ports = [free_port() for _ in range(3)]
    text = (CONFIG / "sidecar-three-services.yaml").read_text()
    for number, port in enumerate(ports):
        text = text.replace(f"listen: [{8081 + number}]", f"listen: [{port}]")
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    hosts = dict.fromkeys(("ORDERS_HOST", "PAYMENTS_HOST", "PACKAGES_HOST"), "127.0.0.1")
    with Upstream() as upstream:
        modes = [word for port in ports for word in ("--mode", f"reverse:{upstream.url}@127.0.0.1:{port}")]
        with ProxyProcess(["--policy", str(policy), *modes], ready=announced, environment=hosts):
            orders, payments, packages = (f"http://127.0.0.1:{port}" for port in ports)
            order, form = {"customer": {"organization": "acme"}}, {"account": "globex"}
            headers = authorization(org_ids=["acme"])
            answers = [
                httpx.post(f"{orders}/orders", headers=headers, json=order, trust_env=False),
                httpx.post(f"{payments}/charges", headers=headers, data=form, trust_env=False),
                httpx.get(f"{packages}/@acme%2Fwidgets", headers=headers, trust_env=False),
                httpx.get(f"{packages}/-/all", headers=headers, trust_env=False),
            ]

    assert [answer.status_code for answer in answers] == [200, 403, 200, 403]
    assert [answers[1].json()["reason"], answers[3].json()["reason"]] == ["org_not_granted", "no_rule"]
    assert [request.target for request in upstream.requests] == [b"/orders", b"/@acme%2Fwidgets"]


def arguments_in(path: Path) -> list[str]:
    """Return the arguments of the command in a policy's comment, with ports that are free."""
    first = path / "common.yaml" if path.is_dir() else path
    comment = "\n".join(line.removeprefix("#") for line in first.read_text().partition("\nversion:")[0].splitlines())
    command = re.search(r"^ +orgfence run ((?:.*\\\n)*.*)$", comment, re.MULTILINE)
    assert command is not None, comment
    arguments = shlex.split(command[1].replace("\\\n", " "))
    assert CONFIG.parent / arguments[arguments.index("--policy") + 1] == path
    free = [re.sub(r"@\d+$", lambda _: f"@127.0.0.1:{free_port()}", word) for word in arguments]
    return [str(path) if word == f"config/{path.name}" else word for word in free]


def authorization(**claims: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {unsigned_token(iss='https://login.example.com', **claims)}"}


def client_of(process: ProxyProcess) -> httpx.Client:
    """Return a client of its only listener."""
    host, port = address_of(process.ready_value["proxy"][0]["addresses"][0])
    return httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=DEADLINE)
