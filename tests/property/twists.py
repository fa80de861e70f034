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
    connection = draw(st.sampled_from([b"Connection", b"Connection", b"Proxy-Connection"]))
    return request._replace(headers=(*request.headers, (connection, draw(st.sampled_from(named)))))


@st.composite
def _other_method(draw: st.DrawFn, request: Request, _: str) -> Request:
    """Ask for another method in a header, or in the query."""
    names = [b"X-HTTP-Method-Override", b"x_http_method", b"X-Method-Override"]
    method = draw(st.sampled_from([*METHODS, "delete"])).encode()
    if draw(chance(2)):
        name = draw(st.sampled_from([b"_method", b"_method", b"%5fmeth%6fd", b".method", b"method", b"%3f_method"]))
        pair = draw(st.sampled_from([b"&", b"?", b";"])) + name + b"=" + method
        return request._replace(target=request.target + pair)
    return request._replace(headers=(*request.headers, (draw(st.sampled_from(names)), method)))


@st.composite
def _other_path(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Ask for another path in a header."""
    path = f"/orgs/{org}/users".encode()
    others = [path, path + b"/%2e%2e/x?org_id=globex", b"/orgs/globex", b"/public/x", TANGLED]
    field = draw(st.sampled_from([b"X-Original-URL", b"x_rewrite_url"])), draw(st.sampled_from(others))
    return request._replace(headers=(*request.headers, field))


@st.composite
def _other_host(draw: st.DrawFn, request: Request, org: str) -> Request:
    """Ask for another host in a header."""
    label = org if org.isascii() and org.replace("-", "").isalnum() else "acme"
    names = ["api.example.com", f"{label}.api.example.com", "globex.test", f"{label}.test:8443", "lb.internal"]
    hosts = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
    name = draw(st.sampled_from(["X-Forwarded-Host", "x_host", "X-Original-Host", "X-Forwarded-Server", "Forwarded"]))
    if name == "Forwarded":
        hosts = [draw(st.sampled_from(["for=x;host={}", 'Host="{}";proto=http'])).format(host) for host in hosts]
    return request._replace(headers=(*request.headers, (name.encode(), ", ".join(hosts).encode())))


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
    *[_preflight, _preflight, dropped, _other_method, _other_method, _other_path, _another_field, _another_field],
    *[_other_host, _other_host, _disguise, _disguise, _disguise, _tangle],
]
