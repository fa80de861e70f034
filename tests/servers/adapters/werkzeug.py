"""Werkzeug's requests, which Flask's are too, and its middleware for proxies."""

from collections.abc import Mapping
from importlib.metadata import version
from io import BytesIO
from typing import Any

from tests.servers.server import Channel, PythonServer, Sent, Server, environ_of, joined_fields
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request


def start() -> Server:
    """Return the server."""
    return PythonServer(
        "Werkzeug",
        version("werkzeug"),
        {
            Channel.QUERY: {"args": _query},
            Channel.FORM: {"form": _form},
            Channel.COOKIE: {"cookies": _cookie},
            Channel.JSON: {"get_json": _json},
            Channel.HOST: {"host": _host, "host, ProxyFix": _host_behind_proxy},
        },
    )


def _environ(body: bytes, given: Mapping[str, str]) -> dict[str, Any]:
    plain = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    length = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body), "wsgi.url_scheme": "https"}
    return {**plain, **length, **given}


def _query(sent: Sent, name: str) -> Any:
    return Request(_environ(b"", {"QUERY_STRING": sent.data.decode("latin-1")})).args.getlist(name)


def _form(sent: Sent, name: str) -> Any:
    return Request(_environ(sent.data, {"CONTENT_TYPE": sent.content_type.decode("latin-1")})).form.getlist(name)


def _json(sent: Sent, name: str) -> Any:
    return Request(_environ(sent.data, {"CONTENT_TYPE": "application/json"})).get_json()[name]


def _cookie(sent: Sent, name: str) -> Any:
    return Request(_environ(b"", {"HTTP_COOKIE": sent.data.decode("latin-1")})).cookies.getlist(name)


def _host(sent: Sent, name: str) -> Any:
    return Request(_environ(b"", environ_of(joined_fields(sent)))).host


def _host_behind_proxy(sent: Sent, name: str) -> Any:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(Request(environ).host)
        return []

    ignored: Any = None
    ProxyFix(app, x_host=1)(_environ(b"", environ_of(joined_fields(sent))), ignored)
    return seen
