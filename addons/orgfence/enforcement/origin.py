"""Tells answers that a page of another origin could read although it knows nothing of the credential.

A browser sends cookies, and the credentials of `Basic` and its like, with the requests of every page. The CORS fields
of an answer let that page read it, so it must not say whose token it was. A page that has a bearer token put it there
itself.
"""

from orgfence.core.rule import PlaceKind, Rule
from orgfence.enforcement.call import Call, values_of


def is_readable_by_others(call: Call, rule: Rule | None) -> bool:
    """Return whether the answer goes to a page of another origin that may not know what the browser has sent."""
    origins = values_of(call.request.headers, b"origin")
    if not origins or rule is None or not _is_sent_by_browser(call, rule):
        return False
    return not _is_own_origin(call, origins)


def _is_sent_by_browser(call: Call, rule: Rule) -> bool:
    """Return whether the rule may have read its credential, or the org, from what a browser adds by itself."""
    kinds = {*(place.kind for place in rule.places), *(source.kind for source in rule.org)}
    headers = call.request.headers
    if PlaceKind.COOKIE in kinds and values_of(headers, b"cookie"):
        return True
    schemes = [value.split(None, 1)[:1] for value in values_of(headers, b"authorization")]
    return any(words and words[0].lower() in _SENT_BY_BROWSERS for words in schemes)


# Browsers ask their user for these, keep them, and send them with each request to the same server
# (https://fetch.spec.whatwg.org/#authentication-entries).
_SENT_BY_BROWSERS = frozenset({"basic", "digest", "negotiate", "ntlm"})


def _is_own_origin(call: Call, origins: list[str]) -> bool:
    """Return whether the page is the called server's own."""
    headers = call.request.headers
    # No script can set this field: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    if values_of(headers, b"sec-fetch-site") == ["same-origin"]:
        return True
    # In HTTP/2 the last name of the host is `:authority`.
    hosts = values_of(headers, b"host") or [call.request.authorities[-1].name.decode("utf-8", "surrogateescape")]
    # Towards the client: what a proxy in front of this one has unwrapped is not known here.
    scheme = "https" if call.is_tls else "http"
    own = {f"{scheme}://{host}".lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}") for host in hosts}
    return len(own) == 1 and {origin.strip().lower() for origin in origins} == own


_DEFAULT_PORTS = {"http": 80, "https": 443}
