"""Twists: each changes how a request is judged, or looks as if it did."""

from collections.abc import Callable

from hypothesis import strategies as st
from tests.property.disguises import DISGUISES
from tests.property.policies import ISS, METHODS, chance
from tests.tokens import jwt_of

from orgfence.core.request import Request


@st.composite
def _preflight(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Make it what a browser asks first, or nearly."""
    fields = [(b"Origin", b"https://app.example.com"), (b"Access-Control-Request-Method", b"POST")]
    kept = request.headers if draw(chance(3)) else ()
    return request._replace(
        method=draw(st.sampled_from([b"OPTIONS"] * 4 + [b"GET"])),
        headers=(*kept, *draw(st.sampled_from([fields, fields, fields, fields[:1], [*fields, (b"cookie", b"sid=")]]))),
    )


@st.composite
def dropped(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Let a hop drop some field."""
    named = [
        b"X-Org-Id",
        b"close, x_org_id",
        b"authorization",
        b"Cookie ,te",
        b"X-Api-Token",
        b"keep-alive",
        b"content_type",
    ]
    return request._replace(headers=(*request.headers, (b"Connection", draw(st.sampled_from(named)))))


@st.composite
def _other_method(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Ask for another method in a header."""
    names = [b"X-HTTP-Method-Override", b"x_http_method", b"X-Method-Override"]
    field = draw(st.sampled_from(names)), draw(st.sampled_from([*METHODS, "delete"])).encode()
    return request._replace(headers=(*request.headers, field))


@st.composite
def _other_path(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Ask for another path in a header."""
    path = f"/orgs/{org}/users".encode()
    others = [path, path + b"/%2e%2e/x?org_id=globex", b"/orgs/globex", b"/public/x", TANGLED]
    field = draw(st.sampled_from([b"X-Original-URL", b"x_rewrite_url"])), draw(st.sampled_from(others))
    return request._replace(headers=(*request.headers, field))


@st.composite
def _other_host(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Name another host in a header, or the same once more."""
    named = [
        draw(st.sampled_from(request.authorities)).name,
        b"api.example.com",
        b"Acme.api.example.com",
        b"globex.api.example.com",
    ]
    host = draw(st.sampled_from([*named, b"elsewhere.example.net"]))
    names = [b"X-Forwarded-Host", b"x_forwarded_host", b"X-Original-Host", b"X-Forwarded-Server", b"X-Host"]
    fields = [
        (draw(st.sampled_from(names)), host),
        (draw(st.sampled_from(names)), b"elsewhere.example.net, " + host),
        (b"Forwarded", b"for=192.0.2.1;host=" + host),
        (b"forwarded", b'for=192.0.2.1, proto=https;Host="' + host + b'"'),
    ]
    return request._replace(headers=(*request.headers, draw(st.sampled_from(fields))))


@st.composite
def _another_field(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Repeat a field, or add one that resembles it."""
    others = [
        (b"Host", draw(st.sampled_from(request.authorities)).name),
        (b"host", b"api.example.com"),
        (b"Authorization", b"Basic dTpw"),
        (b"authorization", b"Bearer " + jwt_of({"iss": ISS["corp"], "org_ids": org})),
        (b"Cookie", b"sid=; org_id=acme"),
        (b"X_Org_Id", b"acme"),
        (b"User-Agent", b"test"),
    ]
    return request._replace(headers=(*request.headers, draw(st.sampled_from(others))))


@st.composite
def _disguise(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Write the path in another way."""
    path, mark, query = request.target.partition(b"?")
    for disguise in draw(st.lists(st.sampled_from(DISGUISES), min_size=1, max_size=2)):
        path = draw(disguise(path, True))
    return request._replace(target=path + mark + query)


@st.composite
def _tangle(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Give the path more readings than anyone tries."""
    return request._replace(target=draw(st.sampled_from([request.target + TANGLED, TANGLED + request.target])))


TANGLED = b"/;a/.;b/%2e/%252e%2f..%5c%3b//..;" * 2

TWISTS: list[Callable[[Request, str], st.SearchStrategy[Request]]] = [
    *[
        _preflight,
        _preflight,
        dropped,
        _other_method,
        _other_method,
        _other_path,
        _other_host,
        _another_field,
        _another_field,
    ],
    *[_disguise, _disguise, _disguise, _tangle],
]
