"""Another front end than the proxy can be built on the core and on enforcement alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.proxy.guarding import free_port
from tests.tokens import jwt_of

POLICY = """
version: 1
enforcement: block
issuers: {corp: {iss: "https://login.example.com", claims: {member: org_ids}}}
rules:
  - {id: in-path, match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"]}, org: {path: org}}
  - {id: in-body, match: {hosts: [api.example.com], paths: [/search]}, org: {body: /org}}
  - {id: marked, match: {hosts: [api.example.com], paths: ["/marked/{org}"]}, org: {path: org}, enforcement: annotate}
"""
ACME = {"Authorization": "Bearer " + jwt_of({"iss": "https://login.example.com", "org_ids": ["acme"]}).decode()}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of the front end, which runs in a process of its own."""
    policy, port = tmp_path_factory.mktemp("front") / "policy.yaml", free_port()
    policy.write_text(POLICY)
    command = [sys.executable, "-m", "tests.enforcement.front_end", str(policy), str(port)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    url, name = f"http://127.0.0.1:{port}", {"Host": "api.example.com"}
    try:
        # Until it listens.
        with httpx.Client(base_url=url, headers=name, timeout=10, transport=httpx.HTTPTransport(retries=6)) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_it_judges_and_denies(client: httpx.Client) -> None:
    """By path and by body, in the form that the client reads; with the annotation where the rule says so."""
    assert client.get("/orgs/acme/users", headers=ACME).status_code == 200
    denied = client.get("/orgs/globex/users", headers=ACME)
    assert denied.status_code == 403
    assert denied.headers["content-type"] == "application/problem+json"
    assert denied.headers["proxy-status"] == 'orgfence; error=http_request_denied; details="org_not_granted"'
    assert (denied.json()["reason"], denied.json()["rule"]) == ("org_not_granted", "in-path")
    assert denied.json()["requested_orgs"] == ["globex"]

    assert client.post("/search", json={"org": "acme"}, headers=ACME).status_code == 200
    assert client.post("/search", json={"org": "globex"}, headers=ACME).json()["rule"] == "in-body"
    page = client.get("/orgs/globex/users", headers=ACME | {"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.head("/orgs/globex/users", headers=ACME).headers["content-length"] == denied.headers["content-length"]
    assert client.get("/marked/globex", headers=ACME).headers["orgfence"].startswith("mismatch; reason=org_not_granted")


def test_it_never_imports_mitmproxy(client: httpx.Client) -> None:
    """Nor what the edge is made of."""
    assert client.get("/imported/orgfence.enforcement.denial").text == "True"
    for name in ("mitmproxy", "orgfence.proxy", "orgfence.observe", "prometheus_client"):
        assert client.get(f"/imported/{name}").text == "False"
