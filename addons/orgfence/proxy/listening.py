"""Where the proxy can be reached, and whether it should be.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.master import Master
from mitmproxy.options import CONF_BASENAME
from mitmproxy.proxy.mode_specs import ReverseMode

from orgfence.addresses import Address, shown
from orgfence.errors import StartError
from orgfence.observe.admin import Readiness
from orgfence.policy_source.in_force import PolicyInForce


@dataclass(frozen=True, slots=True)
class Listening:
    """What is announced once the proxy is up."""

    #: Each mode with the addresses that it listens on.
    proxy: tuple[tuple[str, tuple[Address, ...]], ...]
    admin: Address
    #: The certificate to trust; None where no client has to.
    ca: Path | None
    #: mitmweb's page, where there is one.
    web_url: str | None


def listening_of(master: Master, admin: Address) -> Listening:
    """Return where a running master listens."""
    servers = proxyserver_of(master).servers
    only_reverse = all(isinstance(server.mode, ReverseMode) for server in servers)
    confdir = Path(master.options.confdir).expanduser()
    return Listening(
        proxy=tuple(
            (server.mode.full_spec, tuple((address[0], address[1]) for address in server.listen_addrs))
            for server in servers
        ),
        admin=admin,
        ca=None if only_reverse else confdir / f"{CONF_BASENAME}-ca-cert.pem",
        web_url=getattr(master, "web_url", None),
    )


def readiness_of(master: Master, policy: PolicyInForce, not_ready: tuple[str, ...]) -> Readiness:
    """Return whether requests would be served and judged now; `not_ready` says what stands in the way."""
    addresses = [address for server in proxyserver_of(master).servers for address in server.listen_addrs]
    return Readiness(
        generation=policy.ruleset.generation,
        rules=len(policy.ruleset.rules),
        listening=tuple(shown(address) for address in addresses),
        policy=policy.state,
        reasons=not_ready if addresses else (*not_ready, "the proxy does not listen"),
    )


def proxyserver_of(master: Master) -> Proxyserver:
    """Return the addon that holds the listening sockets."""
    proxyserver = master.addons.get("proxyserver")
    assert isinstance(proxyserver, Proxyserver)
    return proxyserver


def cannot_listen(address: Address, error: Exception, option: str) -> StartError:
    """Return the error for an address that cannot be had."""
    return StartError(
        f"cannot listen on {shown(address)}: {why(error)}. "
        f"Stop what uses it, or choose another by `{option} HOST:PORT`",
        exit_code=1,
    )


def why(error: Exception) -> str:
    """Return the system's own words, which asyncio and mitmproxy have each wrapped in theirs."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    # Of a name that does not resolve the number is negative, and the words stand last.
    return str(error).splitlines()[0].rpartition("] ")[2].rstrip(".").lower()
