"""One request for each template: what matches all that a template matches is found by what it matches of one.

So the rules that may make another redundant are looked up as for a request, and not compared each with each.
"""

from urllib.parse import quote

from orgfence.core.request import Authority
from orgfence.core.routing.templates import HostTemplate, PathTemplate, Segment

_VARYING = b"x"


def sample_authority(host: HostTemplate) -> Authority:
    """Return a name that matches."""
    if host.address is not None:
        name = b"[%s]" % host.address if b":" in host.address else host.address
    else:
        name = b".".join([*[_VARYING] * (host.wildcard or not host.labels), *map(_filled, host.labels)])
    return Authority(name if host.port is None else b"%s:%d" % (name, host.port), 443)


def sample_segments(path: PathTemplate) -> tuple[bytes, ...]:
    """Return the segments of a path that matches."""
    return (*map(_filled, path.segments), *[_VARYING] * path.rest)


def sample_url(host: HostTemplate, path: PathTemplate) -> str:
    """Return a URL that matches, in which each capture holds its own name, for a person to go on from."""
    if host.labels:
        name = ".".join([*["www"] * host.wildcard, *map(_named, host.labels)])
        name += "" if host.port is None else f":{host.port}"
    else:
        name = "api.example.com" if host.address is None else sample_authority(host).name.decode()
    return f"https://{name}/" + "/".join(quote(_named(segment)) for segment in path.segments)


def _filled(segment: Segment) -> bytes:
    return segment.prefix + _VARYING + segment.suffix if segment.literal is None else segment.literal


def _named(segment: Segment) -> str:
    if segment.literal is not None:
        return segment.literal.decode()
    return (segment.prefix + (segment.name or _VARYING) + segment.suffix).decode()
