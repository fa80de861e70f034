"""Issuer, API and proxy as processes of their own, and a browser that signs somebody in through the proxy."""

import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import httpx
from tests.oauth.serving import Received
from tests.proxy.guarding import FORWARD_H1, GuardingProxy, Way
from tests.proxy.harness import DEADLINE, Address, CertificateAuthority, client_context

#: Where the app has itself called back; nothing listens there.
REDIRECT_URI = "https://app.test/callback"
SCOPE = "users:read users:write"
_ROOT = Path(__file__).parents[2]


class Server:
    """One of the programs in this folder, running."""

    def __init__(self, ports: dict[str, int], ca_file: Path) -> None:
        self.ca_file = ca_file
        self.address: Address = ("127.0.0.1", ports["plain"])
        self.tls_address: Address = ("127.0.0.1", ports["tls"])

    @property
    def url(self) -> str:
        """The plain address."""
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def tls_url(self) -> str:
        """The same with TLS."""
        return f"https://localhost:{self.tls_address[1]}"

    @property
    def received(self) -> list[Received]:
        """What has come since it was last forgotten, by no way but the proxy's."""
        answer = httpx.get(f"{self.url}/_received", trust_env=False, timeout=DEADLINE)
        return [Received(*each) for each in answer.json()["received"]]

    def forget(self) -> None:
        """Forget what has come."""
        httpx.delete(f"{self.url}/_received", trust_env=False, timeout=DEADLINE)


class Servers(NamedTuple):
    """Both programs."""

    issuer: Server
    api: Server

    def policy(self, enforcement: str, oauth: str = "refresh_needs_scope: true", top: str = "") -> str:
        """Return a policy for them; `oauth` holds lines of the issuer's, and `top` of the file's own."""
        return _POLICY.format(
            enforcement=enforcement,
            issuer_ports=f"localhost:{self.issuer.tls_address[1]}, localhost:{self.issuer.address[1]}",
            api_port=self.api.tls_address[1],
            oauth=oauth.replace("\n", "\n      "),
            top=top,
        )


_POLICY = """
version: 1
enforcement: {enforcement}
log_repeat: 0s
{top}
orgs:
  acme: {{id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01}}
  globex: {{id: 1f6d7c35-44c1-4a0e-8f6b-6a3f1f3f9b02}}
issuers:
  corp:
    iss: https://issuer.test
    claims: {{member: org_ids, scopes: scope}}
    oauth:
      hosts: [{issuer_ports}]
      org_parameter: org_id
      flags: {{multi_org: "true"}}
      {oauth}
rules:
  - id: users
    match: {{hosts: ["localhost:{api_port}"], paths: ["/orgs/{{org}}/**"]}}
    org: {{path: org}}
    token: {{issuer: corp, scopes: [users:read]}}
"""


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Run both."""
    with tempfile.TemporaryDirectory(prefix="orgfence-oauth-") as name, ExitStack() as stack:
        folder = Path(name)
        authority = CertificateAuthority(folder)
        files = authority.issue(["localhost", "127.0.0.1"])
        # Both begin at once: a Python process takes its time.
        processes = [stack.enter_context(_running(program, *files)) for program in ("issuer", "api")]
        yield Servers(*(Server(_ports(process), authority.file) for process in processes))


@contextmanager
def _running(program: str, *files: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"tests.oauth.{program}", *map(str, files)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _ports(process: subprocess.Popen[bytes]) -> dict[str, int]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the server has ended before it listened"
    ports: dict[str, int] = json.loads(line)
    return ports


class Stage(NamedTuple):
    """Servers with a proxy before them."""

    servers: Servers
    proxy: GuardingProxy

    @property
    def authorize_url(self) -> str:
        return f"{self.servers.issuer.tls_url}/oauth/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.servers.issuer.tls_url}/oauth/token"

    @property
    def proxies(self) -> dict[str, str]:
        """The proxy, as `requests` wants to be told."""
        proxy = "http://%s:%d" % self.proxy.forward
        return {"http": proxy, "https": proxy}

    @property
    def ca(self) -> str:
        """What clients have to trust."""
        return str(self.proxy.ca_file)

    def users(self, org: str) -> str:
        """Return the URL of an org's users at the API."""
        return f"{self.servers.api.tls_url}/orgs/{org}/users"

    @contextmanager
    def browser(self, way: Way = FORWARD_H1, accept: str = "text/html") -> Iterator["Browser"]:
        """Open one."""
        context: ssl.SSLContext = client_context(self.proxy.ca_file, http2=way.http2)
        with httpx.Client(
            proxy="http://%s:%d" % self.proxy.forward,
            verify=context,
            http1=not way.http2,
            http2=way.http2,
            trust_env=False,
            timeout=DEADLINE,
            headers={"Accept": accept},
        ) as client:
            yield Browser(client)

    def sign_in(self, url: str) -> str:
        """Sign somebody in at an authorize URL, and return the URL at which the app is called back."""
        with self.browser() as browser:
            return browser.sign_in(url)

    def exchanges(self) -> dict[tuple[str, str, str], int]:
        """Return how many exchanges were counted, by step, verdict and reason."""
        found = {}
        for name, value in self.proxy.metrics().items():
            family, _, labels = name.partition("{")
            if family == "orgfence_oauth_exchanges_total" and value:
                given = dict(pair.split("=", 1) for pair in labels.rstrip("}").split(","))
                assert given["issuer"] == '"corp"'
                step, verdict, reason = (given[label].strip('"') for label in ("step", "verdict", "reason"))
                found[step, verdict, reason] = int(value)
        return found

    def faults(self) -> dict[str, int]:
        """Return how many faulty exchanges were counted, by reason."""
        return {reason: count for (_, verdict, reason), count in self.exchanges().items() if verdict != "allow"}

    def findings(self) -> list[dict[str, Any]]:
        """Return all that was logged of inspections so far."""
        return self.proxy.events("inspection")


class Browser:
    """Follows redirects as long as they lead somewhere."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def open(self, url: str) -> httpx.Response:
        """Return the last answer before the way leads back to the app."""
        response = self._client.get(url)
        while response.has_redirect_location and not response.headers["Location"].startswith(REDIRECT_URI):
            response = self._client.get(response.url.join(response.headers["Location"]))
        return response

    def sign_in(self, url: str) -> str:
        """Return the URL at which the app is called back."""
        response = self.open(url)
        assert response.is_redirect, response.text
        return str(response.headers["Location"])


@contextmanager
def staged(servers: Servers, policy: str, *arguments: str) -> Iterator[Stage]:
    """Run the proxy by this policy before these servers."""
    for server in servers:
        server.forget()
    with GuardingProxy(servers.issuer, policy, *arguments) as proxy:
        yield Stage(servers, proxy)


def authorize_query(client: str, **more: str) -> str:
    """Return the query of an authorize request."""
    common = {"response_type": "code", "client_id": client, "redirect_uri": REDIRECT_URI, "scope": SCOPE}
    return urlencode({**common, "state": "a-state", **more})


def query_of(url: str) -> dict[str, str]:
    """Return the parameters in a URL."""
    return dict(parse_qsl(httpx.URL(url).query.decode()))
