"""The hosts that a request names beside its `Host`, where an application behind a proxy reads its host from."""

import re

from orgfence.core.request import Fields

# X-Forwarded-Host: Django, Rack, Express, Spring, ASP.NET, Symfony, … X-Original-Host: Yii. X-Forwarded-Server: Jetty,
# PasteDeploy. The others are read by applications (https://portswigger.net/web-security/host-header/exploiting).
_PLAIN = (
    b"x-forwarded-host",
    b"x-original-host",
    b"x-forwarded-server",
    b"x-host",
    b"x-http-host-override",
)
_FORWARDED = b"forwarded"
# Of these an application puts its URL together: `https://globex.example.com/` as the scheme becomes the host of that
# (hypercorn and Starlette).
_SCHEMES = (b"x-forwarded-proto", b"x-forwarded-scheme")
#: The canonical names of the fields that are read.
HOST_OVERRIDES = frozenset({*_PLAIN, _FORWARDED, *_SCHEMES})

# Each proxy on the way adds one; applications go by the first or by the last of them, or count a few from the end.
_READ = 16


def overriding_hosts(fields: Fields) -> tuple[bytes, ...]:
    """Return each host that some application may read in place of `Host`."""
    hosts: list[bytes] = []
    for name in _PLAIN:
        for value in fields.get(name, ()):
            hosts += [_of_url(item) or item for item in _BETWEEN.split(value.replace(b'"', b""))]
    for value in fields.get(_FORWARDED, ()):
        hosts += _hosts_forwarded(value)
    for name in _SCHEMES:
        hosts += [_of_url(value) for value in fields.get(name, ()) if b"//" in value]
    named = [host for host in hosts if host]
    if len(named) > _READ:
        named = [*named[: _READ // 2], *named[-_READ // 2 :]]
    return tuple(dict.fromkeys(named))


# What stands between the items of a list, or is stripped from an item: blanks are also those of Python's text.
_BETWEEN = re.compile(rb"[,\s\x1c-\x1f\x85\xa0]+")


# https://www.rfc-editor.org/rfc/rfc7239#section-4
#   forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
#   forwarded-pair = token "=" value
#   value = token / quoted-string
# Not every reader heeds the quotes, so a `host=` within them is one as well.
def _hosts_forwarded(value: bytes) -> list[bytes]:
    """Return the value of each `host` in a `Forwarded` field."""
    text = _ESCAPE.sub(rb"\1", value).replace(b'"', b"")
    pairs = [pair.partition(b"=") for pair in _BETWEEN_PAIRS.split(_EQUALS.sub(b"=", text))]
    hosts = [_of_url(host) or host for name, _, host in pairs if name.lower() == b"host"]
    return hosts + [_of_url(scheme) for name, _, scheme in pairs if name.lower() == b"proto"]


def _of_url(text: bytes) -> bytes:
    """Return what stands for the host in an absolute URL; empty: it is none."""
    return text.partition(b"//")[2]


_ESCAPE = re.compile(rb"\\(.)")
_EQUALS = re.compile(rb"[\s\x1c-\x1f\x85\xa0]*=[\s\x1c-\x1f\x85\xa0]*")
_BETWEEN_PAIRS = re.compile(rb"[,;\s\x1c-\x1f\x85\xa0]+")
