"""Everything that the stories need, up and running, and gone without a trace afterwards."""

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import httpx

from orgfence.demo.certificates import CA_FILE, write_certificates
from orgfence.demo.proxy_process import ProxyProcess, running_proxy
from orgfence.demo.servers import Servers, running_servers

# All of it is on this machine.
_TIMEOUT_SECONDS = 10


class Stage(NamedTuple):
    """What is running."""

    servers: Servers
    proxy: ProxyProcess
    #: An app that is sent through the proxy.
    client: httpx.AsyncClient
    #: The same before there was a proxy.
    direct: httpx.AsyncClient
    #: The policy that the proxy goes by.
    policy: Path
    #: Removed at the end, with all that is in it.
    folder: Path
    #: The CAs that the app trusts: the proxy's, and the demo's own for what passes undecrypted.
    trusted: Path


@asynccontextmanager
async def set_up() -> AsyncIterator[Stage]:
    """Start servers, proxy and client. Raises `DemoError` if the proxy does not come up."""
    with (
        tempfile.TemporaryDirectory(prefix="orgfence-demo-", ignore_cleanup_errors=True) as name,
        resources.as_file(resources.files("orgfence.demo") / "policy.yaml") as policy,
    ):
        folder = Path(name)
        write_certificates(folder)
        async with running_servers(folder) as servers, running_proxy(folder, policy) as proxy:
            trusted = folder / "trusted.pem"
            trusted.write_bytes(proxy.ca.read_bytes() + (folder / CA_FILE).read_bytes())
            context = ssl.create_default_context(cafile=str(trusted))
            async with _client(context, proxy.url) as client, _client(context, None) as direct:
                yield Stage(servers, proxy, client, direct, policy, folder, trusted)


def _client(trusted: ssl.SSLContext, proxy: str | None) -> httpx.AsyncClient:
    # Whatever the environment says of proxies, and of hosts to reach without one.
    return httpx.AsyncClient(proxy=proxy, verify=trusted, trust_env=False, timeout=_TIMEOUT_SECONDS)
