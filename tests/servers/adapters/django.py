"""Django's requests, as its WSGI and its ASGI handler make them."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from tests.servers.server import Channel, PythonServer, Sent, Server, environ_of, joined_fields


def start() -> Server:
    """Return the server."""
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], USE_X_FORWARDED_HOST=True, DEFAULT_CHARSET="utf-8")
    return PythonServer(
        "Django",
        django.get_version(),
        {
            Channel.QUERY: {"WSGI GET": _wsgi_query, "ASGI GET": _asgi_query},
            Channel.FORM: {"WSGI POST": _wsgi_form, "ASGI POST": _asgi_form},
            Channel.COOKIE: {"WSGI COOKIES": _wsgi_cookie, "ASGI COOKIES": _asgi_cookie},
            Channel.HOST: {"get_host": _host},
        },
    )


def _wsgi(body: bytes, environ: Mapping[str, str]) -> WSGIRequest:
    given = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80"}
    return WSGIRequest({**given, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body), **environ})


def _asgi(query: bytes = b"", body: bytes = b"", **headers: bytes) -> ASGIRequest:
    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return ASGIRequest(
        {"type": "http", "method": "POST", "path": "/", "query_string": query, "headers": named}, BytesIO(body)
    )


def _wsgi_query(sent: Sent, name: str) -> Any:
    return _wsgi(b"", {"QUERY_STRING": sent.data.decode("latin-1")}).GET.getlist(name)


def _asgi_query(sent: Sent, name: str) -> Any:
    return _asgi(query=sent.data).GET.getlist(name)


def _wsgi_form(sent: Sent, name: str) -> Any:
    return _wsgi(sent.data, {"CONTENT_TYPE": sent.content_type.decode("latin-1")}).POST.getlist(name)


def _asgi_form(sent: Sent, name: str) -> Any:
    request = _asgi(body=sent.data, content_type=sent.content_type, content_length=str(len(sent.data)).encode())
    return request.POST.getlist(name)


def _wsgi_cookie(sent: Sent, name: str) -> Any:
    return _wsgi(b"", {"HTTP_COOKIE": sent.data.decode("latin-1")}).COOKIES[name]


def _asgi_cookie(sent: Sent, name: str) -> Any:
    return _asgi(cookie=sent.data).COOKIES[name]


def _host(sent: Sent, name: str) -> Any:
    return _wsgi(b"", environ_of(joined_fields(sent))).get_host()
