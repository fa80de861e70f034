"""HAProxy as a peer: alone, and with the same check by its own converters for JWTs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.contenders import Upstream
from tests.bench.machine import program
from tests.bench.policies import public_key
from tests.bench.processes import Running, free_port, running

MISSING = "haproxy is not here. Install haproxy (Debian), 2.5 or newer"

_CONFIGURATION = """
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 10m
  timeout server 10m
  timeout connect 5s
frontend bench
  bind 127.0.0.1:{port}
{check}
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:{upstream}
"""
# It cannot go through a list of any length: the org is looked for in the first two places.
_CHECK = """
  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.org) path,field(5,/)
  http-request deny unless {{ var(txn.token),jwt_verify(RS256,"{key}") 1 }}
  http-request set-var(txn.first) var(txn.token),jwt_payload_query('$.org_ids[0]')
  http-request set-var(txn.second) var(txn.token),jwt_payload_query('$.org_ids[1]')
  http-request deny unless {{ var(txn.first),strcmp(txn.org) eq 0 }} || {{ var(txn.second),strcmp(txn.org) eq 0 }}
"""


def is_here() -> bool:
    """Return whether it can be run."""
    return program("haproxy") is not None


@contextmanager
def haproxy(upstream: Upstream, folder: Path, *, checking: bool) -> Iterator[Running]:
    """Run HAProxy with one thread."""
    port = free_port()
    key = folder / "public.pem"
    key.write_bytes(public_key())
    file = folder / f"haproxy-{port}.cfg"
    check = _CHECK.format(key=key) if checking else ""
    file.write_text(_CONFIGURATION.format(port=port, upstream=urlsplit(upstream.url).port, check=check))
    with running([program("haproxy") or "haproxy", "-db", "-f", str(file)], port) as process:
        yield process
