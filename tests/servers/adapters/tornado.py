"""Tornado's requests and the arguments that its handlers read."""

from typing import Any

import tornado
from tests.servers.server import Channel, PythonServer, Sent, Server, header_fields
from tornado.escape import json_decode
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, RequestHandler


def start() -> Server:
    """Return the server."""
    return PythonServer(
        "Tornado",
        tornado.version,
        {
            Channel.QUERY: {"get_query_arguments": _query},
            Channel.FORM: {"get_body_arguments": _form},
            Channel.COOKIE: {"get_cookie": _cookie},
            Channel.JSON: {"json_decode": lambda sent, name: json_decode(sent.data)[name]},
            Channel.HOST: {"host_name": _host},
        },
    )


_APPLICATION = Application()


class _Connection:
    """As much of a connection as a handler asks for."""

    def set_close_callback(self, callback: Any) -> None:
        """Take what is called at its end."""


def _handler(uri: str = "/", headers: HTTPHeaders | None = None, body: bytes = b"") -> RequestHandler:
    connection: Any = _Connection()
    given = headers or HTTPHeaders()
    request = HTTPServerRequest("POST", uri, headers=given, body=body, host="x", connection=connection)
    request._parse_body()
    return RequestHandler(_APPLICATION, request)


def _query(sent: Sent, name: str) -> Any:
    return _handler("/?" + sent.data.decode("latin-1")).get_query_arguments(name)


def _form(sent: Sent, name: str) -> Any:
    headers = HTTPHeaders({"Content-Type": sent.content_type.decode("latin-1")})
    return _handler(headers=headers, body=sent.data).get_body_arguments(name)


def _cookie(sent: Sent, name: str) -> Any:
    return _handler(headers=HTTPHeaders({"Cookie": sent.data.decode("latin-1")})).get_cookie(name)


def _host(sent: Sent, name: str) -> Any:
    headers = HTTPHeaders()
    for key, value in header_fields(sent):
        headers.add(key.decode("latin-1"), value.decode("latin-1"))
    connection: Any = _Connection()
    return HTTPServerRequest("GET", "/", headers=headers, connection=connection).host_name
