"""Applies what was decided to a flow: the denial, the annotation, the fields that are removed."""

from collections.abc import Set

from mitmproxy import http

from orgfence.enforcement import annotation
from orgfence.enforcement.call import Answer, Call
from orgfence.enforcement.denial import Denial
from orgfence.proxy.request_of import request_of


def call_of(flow: http.HTTPFlow) -> Call:
    """Return what a report says of a flow."""
    request, response = flow.request, flow.response
    return Call(
        request=request_of(flow)._replace(body=request.raw_content or b""),
        client=str(flow.client_conn.peername[0]),
        host=request.host,
        is_tls=flow.client_conn.tls_established,
        answer=None if response is None else Answer(response.headers.fields, response.raw_content or b""),
    )


def response_of(denial: Denial) -> http.Response:
    """Return the response that a denial is."""
    response = http.Response.make(denial.status)
    response.headers.fields = denial.fields
    # As it stands: of an answer to HEAD, `Content-Length` says how long the body would be.
    response.raw_content = denial.body
    return response


def strip(headers: http.Headers) -> None:
    """Remove every `Orgfence` field that is not ours."""
    fields = annotation.stripped(headers.fields)
    if fields is not headers.fields:
        headers.fields = fields


def strip_named(headers: http.Headers, names: Set[bytes]) -> None:
    """Remove every field of these canonical names."""
    headers.fields = annotation.without(headers.fields, names)


def annotate(headers: http.Headers, value: bytes) -> None:
    """Add the `Orgfence` field; `strip` has removed all others."""
    headers.fields = (*headers.fields, (annotation.HEADER, value))
