"""The mitmproxy options that would undo the guard, and why; and those that it needs.

Checked at start, and again at every change: mitmweb can change options while it runs.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from collections.abc import Callable
from typing import NamedTuple

from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

#: What the guard needs, as options: all can be seen and some changed by `--set`.
NEEDED = {
    # Bytes that look like no HTTP would become raw TCP, forwarded without any hook.
    "rawtcp": False,
    # Rules that go by the Host header must see the client's.
    "keep_host_header": True,
}


class _Check(NamedTuple):
    undoes: Callable[[object], bool]
    why: str
    fix: str


def _is_set(value: object) -> bool:
    return bool(value)


def _is_off(value: object) -> bool:
    return value is False


_LEAVE_OUT = "Leave it out"
_HOSTS = "Name the hosts to guard in the policy: all others pass through undecrypted"
_CHECKS: dict[str, _Check] = {
    "validate_inbound_headers": _Check(
        _is_off, "malformed requests could then be read in one way here and in another upstream", _LEAVE_OUT
    ),
    "emudhra": _Check(_is_set, "it signs certificates with a key that anybody can have", _LEAVE_OUT),
    "emudhra_old": _Check(_is_set, "it signs certificates with a key that anybody can have", _LEAVE_OUT),
    "map_remote": _Check(_is_set, "it changes where a request goes after it was judged", _LEAVE_OUT),
    "modify_headers": _Check(_is_set, "it changes headers after they were judged", _LEAVE_OUT),
    "stickyauth": _Check(_is_set, "it adds a credential after the request was judged", _LEAVE_OUT),
    "stickycookie": _Check(_is_set, "it adds cookies after the request was judged", _LEAVE_OUT),
    "ignore_hosts": _Check(_is_set, "what it names is never judged", _HOSTS),
    "allow_hosts": _Check(_is_set, "what it does not name is never judged", _HOSTS),
    "tcp_hosts": _Check(_is_set, "what it names is never judged", _HOSTS),
    "udp_hosts": _Check(_is_set, "what it names is never judged", _HOSTS),
    "rawtcp": _Check(_is_set, "bytes that look like no HTTP would be forwarded unjudged", _LEAVE_OUT),
    "stream_large_bodies": _Check(
        _is_set,
        "a blocked large upload would hang",
        "Leave it out: orgfence streams every allowed body by itself",
    ),
}
_PROXYAUTH = _Check(
    _is_set,
    "outside regular and upstream mode it takes the API's own `Authorization` for the proxy's",
    "Leave it out, or use `--mode regular` or `--mode upstream:URL`",
)
_UPSTREAM_AUTH = _Check(
    _is_set,
    "it is for the proxy of `--mode upstream:URL`, and in reverse mode it replaces `Authorization` after the request "
    "was judged",
    "Leave it out, or use it with `--mode upstream:URL` and without reverse modes",
)
_BY_MODE = {"proxyauth": _PROXYAUTH, "upstream_auth": _UPSTREAM_AUTH}
#: All options that may be refused, whether mitmproxy's addon for them is loaded or not.
REFUSABLE = frozenset(_CHECKS) | frozenset(_BY_MODE)


def refusals(options: Options) -> list[str]:
    """Return one line for every option that is set so as to undo the guard."""
    found = [name for name, check in _CHECKS.items() if name in options and check.undoes(getattr(options, name))]
    if "proxyauth" in options and options.proxyauth and not _takes_proxy_credentials(options.mode):
        found.append("proxyauth")
    if "upstream_auth" in options and options.upstream_auth and not _has_proxy_upstream(options.mode):
        found.append("upstream_auth")
    return [refusal_of(name) for name in found]


def refusal_of(name: str) -> str:
    """Return the line that says why this option is refused and what to do."""
    check = _CHECKS.get(name) or _BY_MODE[name]
    return f"mitmproxy's option `{name}` cannot be used with orgfence: {check.why}. {check.fix}"


def _takes_proxy_credentials(modes: list[str]) -> bool:
    return _kinds_of(modes) <= {"regular", "upstream"}


def _has_proxy_upstream(modes: list[str]) -> bool:
    kinds = _kinds_of(modes)
    return "upstream" in kinds and "reverse" not in kinds


def _kinds_of(modes: list[str]) -> set[str]:
    return {ProxyMode.parse(mode).type_name for mode in modes}
