"""CPython: `http.cookies`, `urllib.parse` and `json`, which many small servers are made of."""

import json
import platform
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from tests.servers.server import Channel, PythonServer, Sent, Server


def start() -> Server:
    """Return the server."""
    forms = {"parse_qs": _parse_qs, "parse_qs at `;`": _parse_qs_at_semicolons}
    return PythonServer(
        "CPython",
        platform.python_version(),
        {
            Channel.QUERY: forms,
            Channel.FORM: forms,
            Channel.COOKIE: {"SimpleCookie": _cookie_latin1, "SimpleCookie of UTF-8": _cookie_utf8},
            Channel.JSON: {"json.loads": _json},
        },
    )


def _parse_qs(sent: Sent, name: str) -> Any:
    return parse_qs(sent.data, keep_blank_values=True).get(name.encode())


def _parse_qs_at_semicolons(sent: Sent, name: str) -> Any:
    """Read as until 3.10, and as `separator=";"` still does."""
    return parse_qs(sent.data.replace(b"&", b";"), keep_blank_values=True, separator=";").get(name.encode())


def _cookie_latin1(sent: Sent, name: str) -> Any:
    return SimpleCookie(sent.data.decode("latin-1"))[name].value


def _cookie_utf8(sent: Sent, name: str) -> Any:
    return SimpleCookie(sent.data.decode("utf-8", "replace"))[name].value


def _json(sent: Sent, name: str) -> Any:
    return json.loads(sent.data)[name]
