"""The demo's app: it is for both orgs, and written as if there were one."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from orgfence.demo import expect
from orgfence.demo.servers import Servers

_CLIENT = {"client_id": "demo-app", "client_secret": "the-right-one"}
_REDIRECT_URI = "https://app.example/callback"
SCOPE = "organization:read"


def authorize_url(servers: Servers) -> str:
    """Return where the app sends the browser, whichever org its user has chosen."""
    wanted = {"response_type": "code", "client_id": _CLIENT["client_id"], "redirect_uri": _REDIRECT_URI}
    return f"{servers.issuer_url}/oauth/authorize?{urlencode({**wanted, 'scope': SCOPE, 'state': 'af0ifjsldkj'})}"


def token_url(servers: Servers) -> str:
    """Return where the app gets its tokens."""
    return f"{servers.issuer_url}/oauth/token"


async def sign_in(client: httpx.AsyncClient, servers: Servers, url: str) -> tuple[httpx.Response, dict[str, Any]]:
    """Open an authorize URL, as a browser would, and return the answer and the tokens that its code buys."""
    opened = await client.get(url)
    expect(opened.status_code == 302, f"the issuer answered {opened.status_code} to a sign-in")
    code = parse_qs(urlsplit(opened.headers["Location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _REDIRECT_URI}
    issued = await ask_for_token(client, servers, form)
    expect(issued.status_code == 200, f"the issuer gave no token: it answered {issued.status_code}")
    expect("Orgfence" not in issued.headers, "a sound exchange was marked")
    return opened, issued.json()


async def ask_for_token(client: httpx.AsyncClient, servers: Servers, form: Mapping[str, str]) -> httpx.Response:
    """Send a token request."""
    return await client.post(token_url(servers), data={**_CLIENT, **form})


async def call(client: httpx.AsyncClient, servers: Servers, token: str, path: str) -> httpx.Response:
    """Call the API."""
    return await client.get(servers.api_url + path, headers={"Authorization": f"Bearer {token}"})
