"""How it is found out what mitmproxy's own objects do: messages, headers, contexts, certificates."""

# mypy: allow-untyped-calls

from collections.abc import Sequence
from types import SimpleNamespace

from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.http import Headers, MessageData
from mitmproxy.optmanager import OptManager, unset
from mitmproxy.optmanager import _Option as Option

from orgfence.proxy.relied_on.driven import context, differs, first_difference


def messages_hold_types() -> str | None:
    names = set(MessageData.__post_init__.__code__.co_names)
    return differs(names, {"fields", "getattr", "name", "typecheck", "check_option_type", "type"})


def contexts_fork() -> str | None:
    below = context()
    forked = below.fork()
    return first_difference(
        (vars(below).keys(), {"client", "server", "options", "layers"}),
        ({name: value for name, value in vars(forked).items() if vars(below)[name] is not value}, {"layers": []}),
    )


def headers_are_fields() -> str | None:
    headers = Headers([(b"A", b"1"), (b"b", b"2"), (b"a", b"\xff")])
    return first_difference(
        ((headers.get_all("a"), headers.get(b"A")), (["1", "\udcff"], "1, \udcff")),
        (("c" in headers, headers.get("c", "none")), (False, "none")),
        (headers.fields[1], (b"b", b"2")),
    )


def options_are_copied() -> str | None:
    value = ["x"]
    option = Option("some", Sequence[str], value, "", None)
    options = OptManager()
    options.add_option("some", str, "default", "")
    vars(options)["_options"]["some"].value = "set"
    return first_difference(
        ((option.current(), option.current() is value), (["x"], False)),
        (option.value is unset, True),
        (options.some, "set"),
    )


def crl_by_store() -> str | None:
    config = TlsConfig()
    paths = []
    for serial in (1, 2):
        vars(config)["certstore"] = SimpleNamespace(default_ca=SimpleNamespace(serial=serial))
        paths.append(config.crl_path())
    names = set(TlsConfig.crl_path.__code__.co_names)
    return first_difference((len(set(paths)), 2), (names, {"certstore", "default_ca", "serial"}))
