"""Tells answers that a page of another origin could read although it knows nothing of the credential.

A browser sends cookies, and the credentials of `Basic` and its like, with the requests of every page. The CORS fields
of an answer let that page read it, so it must not say whose token it was. A page that has a bearer token put it there
itself.
"""

from mitmproxy import http

from orgfence.core.rule import PlaceKind, Rule


def is_readable_by_others(flow: http.HTTPFlow, rule: Rule | None) -> bool:
    """Return whether the answer goes to a page of another origin that may not know what the browser has sent."""
    headers = flow.request.headers
    origins = headers.get_all("origin")
    if not origins or rule is None or not _is_sent_by_browser(headers, rule):
        return False
    return not _is_own_origin(flow, origins)


def _is_sent_by_browser(headers: http.Headers, rule: Rule) -> bool:
    """Return whether the rule may have read its credential, or the org, from what a browser adds by itself."""
    kinds = {*(place.kind for place in rule.places), *(source.kind for source in rule.org)}
    if "cookie" in headers and PlaceKind.COOKIE in kinds:
        return True
    schemes = [value.split(None, 1)[:1] for value in headers.get_all("authorization")]
    return any(words and words[0].lower() in _SENT_BY_BROWSERS for words in schemes)


# Browsers ask their user for these, keep them, and send them with each request to the same server
# (https://fetch.spec.whatwg.org/#authentication-entries).
_SENT_BY_BROWSERS = frozenset({"basic", "digest", "negotiate", "ntlm"})


def _is_own_origin(flow: http.HTTPFlow, origins: list[str]) -> bool:
    """Return whether the page is the called server's own."""
    headers = flow.request.headers
    # No script can set this field: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    if headers.get_all("sec-fetch-site") == ["same-origin"]:
        return True
    hosts = headers.get_all("host") or [flow.request.authority]
    # Towards the client: what a proxy in front of this one has unwrapped is not known here.
    scheme = "https" if flow.client_conn.tls_established else "http"
    own = {f"{scheme}://{host}".lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}") for host in hosts}
    return len(own) == 1 and {origin.strip().lower() for origin in origins} == own


_DEFAULT_PORTS = {"http": 80, "https": 443}
