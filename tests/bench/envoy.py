"""Envoy as a peer: alone, and with the same check by its filter for JWTs and a few lines of Lua."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jwt.algorithms import RSAAlgorithm
from tests.bench.contenders import Upstream
from tests.bench.machine import program
from tests.bench.policies import ISSUER, KEY_ID, signing_key
from tests.bench.processes import Running, free_port, running

MISSING = "envoy is not here. Install the group `bench`: `uv run --group bench …`"

_LUA = """
function envoy_on_request(handle)
  local token = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")["token"]
  local org = string.match(handle:headers():get(":path"), "^/api/v2/[^/]+/([^/]+)/")
  for _, each in ipairs(token["org_ids"]) do
    if each == org then return end
  end
  handle:respond({[":status"] = "403"}, "the token is for another org")
end
"""
_TYPES = "type.googleapis.com/envoy.extensions.filters"


def is_here() -> bool:
    """Return whether it can be run."""
    return program("envoy") is not None


@contextmanager
def envoy(upstream: Upstream, folder: Path, *, checking: bool, caching: bool = False) -> Iterator[Running]:
    """Run Envoy with one worker; `caching` has it keep the tokens that it has verified."""
    port = free_port()
    filters = [_verifying(caching), _comparing()] if checking else []
    file = folder / f"envoy-{port}.json"
    file.write_text(json.dumps(_configuration(port, upstream, filters)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    with running([program("envoy") or "envoy", "-c", str(file), *options], port) as process:
        yield process


def _configuration(port: int, upstream: Upstream, filters: list[Any]) -> dict[str, Any]:
    routes = {
        "name": "all",
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
            }
        ],
    }
    manager = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": routes,
        "http_filters": [
            *filters,
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "bench", "address": _address(port), "filter_chains": [chain]}
    endpoint = {"endpoint": {"address": _address(urlsplit(upstream.url).port or 0)}}
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _verifying(caching: bool) -> dict[str, Any]:
    """Return the filter that verifies the token and hands on what it says."""
    key = {**RSAAlgorithm.to_jwk(signing_key().public_key(), as_dict=True), "kid": KEY_ID, "alg": "RS256"}
    provider = {
        "issuer": ISSUER,
        "local_jwks": {"inline_string": json.dumps({"keys": [key]})},
        "forward": True,
        "payload_in_metadata": "token",
        **({"jwt_cache_config": {"jwt_cache_size": 1000}} if caching else {}),
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "corp"}}
    config = {
        "@type": f"{_TYPES}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"corp": provider},
        "rules": [rule],
    }
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": config}


def _comparing() -> dict[str, Any]:
    config = {"@type": f"{_TYPES}.http.lua.v3.Lua", "default_source_code": {"inline_string": _LUA}}
    return {"name": "envoy.filters.http.lua", "typed_config": config}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
