"""Header fields by which a client can put another host in the place of the one that its request is for.

Frameworks read them for the host that a client had named to a proxy before them. Nobody keeps a client from sending
one itself, so each host in them counts as one more name of the request.
"""

import re
from collections.abc import Iterable, Iterator

from orgfence.core.request import Fields

#: The fields by canonical name, as messages show them. Beside each: who reads it.
HOST_OVERRIDES = {
    # Rack, Django, Werkzeug, Express, Spring, Symfony, ASP.NET.
    b"x-forwarded-host": "X-Forwarded-Host",
    # Rack 3, Spring, Symfony, Jetty.
    b"forwarded": "Forwarded",
    # Yii.
    b"x-original-host": "X-Original-Host",
    # Jetty, PasteDeploy.
    b"x-forwarded-server": "X-Forwarded-Server",
    # Single applications (https://portswigger.net/web-security/host-header/exploiting).
    b"x-host": "X-Host",
    b"x-http-host-override": "X-HTTP-Host-Override",
    # Starlette behind hypercorn: `https://globex.example.com/` as the scheme becomes the host.
    b"x-forwarded-proto": "X-Forwarded-Proto",
    b"x-forwarded-scheme": "X-Forwarded-Scheme",
    # Servers that authorize requests for nginx, such as Authelia: the host of a whole URL.
    b"x-original-url": "X-Original-URL",
    b"x-rewrite-url": "X-Rewrite-URL",
}
#: How many hosts of one field are read. A server goes by the first of a list (Rack, Express), by the last (Werkzeug),
#: or by the one that its nearest proxies have added.
MAX_HOSTS = 8
# A whole list of hosts; servers stop near 8 KiB for a header line.
_MAX_BYTES = 8 * 1024


def overriding_hosts(fields: Fields) -> dict[bytes, bytes]:
    """Return each host that an overriding field names, as it is written there, with the canonical name of the field."""
    found: dict[bytes, bytes] = {}
    for name in HOST_OVERRIDES:
        if name in fields:
            read = _READERS.get(name, _listed_hosts)
            for host in _outermost([host for value in _outermost(fields[name]) for host in read(_ends_of(value))]):
                found.setdefault(host, name)
    return found


def _outermost(values: list[bytes]) -> list[bytes]:
    """Return the first and the last of many."""
    half = MAX_HOSTS // 2
    return values if len(values) <= MAX_HOSTS else [*values[:half], *values[-half:]]


def _ends_of(value: bytes) -> bytes:
    """Return a field's value; of an endless one its two ends, parted."""
    half = _MAX_BYTES // 2
    return value if len(value) <= _MAX_BYTES else value[:half] + b"," + value[-half:]


def _listed_hosts(value: bytes) -> list[bytes]:
    """Return the hosts of a list; Rack parts it at white space too, Werkzeug takes off quotes."""
    items = [item.strip(b"\"'") for item in _BLANK_OR_COMMA.split(value)]
    return [host for item in items for host in _hosts_in(item)]


def _hosts_in(item: bytes) -> list[bytes]:
    """Return the hosts of an item that may be a URL; to Express it is one up to its first colon."""
    host = _host_of_url(item)
    return [each for each in ((host,) if _PLAIN_URL.match(item) else (host, item)) if each]


_PLAIN_URL = re.compile(rb"(?:(?:https?|wss?):)?//.", re.IGNORECASE | re.DOTALL)


# Blanks are also those that Python strips from text whose bytes are characters.
_BLANK_OR_COMMA = re.compile(rb"[,\s\x1c-\x1f\x85\xa0]+")


def _hosts_in_urls(value: bytes) -> list[bytes]:
    """Return the hosts of a list's URLs; a scheme alone names none."""
    return [host for item in _BLANK_OR_COMMA.split(value) if (host := _host_of_url(item.strip(b"\"'")))]


def _host_of_target(value: bytes) -> list[bytes]:
    """Return the host of a whole URL; a path that holds one names none."""
    return [_host_of_url(value)] if _WHOLE_URL.match(value) else []


_WHOLE_URL = re.compile(rb"\s*[A-Za-z][A-Za-z0-9+.-]*://")


def _host_of_url(text: bytes) -> bytes:
    return text.partition(b"//")[2]


# https://www.rfc-editor.org/rfc/rfc7239#section-4
#   Forwarded         = 1#forwarded-element
#   forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
#   forwarded-pair    = token "=" ( token / quoted-string )
# Parameter names are case-insensitive. Readers differ in whether a separator ends a quoted string, whether they take
# off quotes and backslashes, and whether there may be white space; so the field is read in both ways.
def _forwarded_hosts(value: bytes) -> list[bytes]:
    """Return the value of every `host` in a `Forwarded` field."""
    found = list(_hosts_of_pairs(_SEPARATOR.split(_AROUND_EQUALS.sub(b"=", value))))
    if b'"' in value:
        pairs = [_ESCAPED.sub(rb"\1", pair[0]) for pair in _PAIR.finditer(value)]
        found += _hosts_of_pairs(pairs)
    return found


def _hosts_of_pairs(pairs: Iterable[bytes]) -> Iterator[bytes]:
    for pair in pairs:
        name, _, host = pair.partition(b"=")
        name, host = name.strip(b"\"' \t").lower(), host.strip(b"\"' \t")
        if name.endswith(b"proto"):
            yield from filter(None, (_host_of_url(host),))
        elif name.endswith(b"host"):
            yield from _hosts_in(host)


_SEPARATOR = re.compile(rb"[,;\s\x1c-\x1f\x85\xa0]")
_AROUND_EQUALS = re.compile(rb"(?<![\s\x1c-\x1f\x85\xa0])[\s\x1c-\x1f\x85\xa0]*=[\s\x1c-\x1f\x85\xa0]*")
_PAIR = re.compile(rb'(?:[^,;"]|"(?:[^"\\]|\\.)*+"?+)++', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_READERS = {
    b"forwarded": _forwarded_hosts,
    b"x-forwarded-proto": _hosts_in_urls,
    b"x-forwarded-scheme": _hosts_in_urls,
    b"x-original-url": _host_of_target,
    b"x-rewrite-url": _host_of_target,
}
