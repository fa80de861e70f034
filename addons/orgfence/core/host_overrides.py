"""Header fields by which a client can put another host in the place of the one that its request is for.

Frameworks read them for the host that a client had named to a proxy before them. Nobody keeps a client from sending
one itself, so each host in them counts as one more name of the request.
"""

import re
from collections.abc import Iterable, Iterator

from orgfence.core.request import Fields

#: By canonical name, as they are shown. Rack, Django, Werkzeug, Express, Spring, Symfony and ASP.NET read the first;
#: Rack 3, Spring, Symfony and Jetty the second; Yii the third, Jetty and PasteDeploy the fourth. The other two are
#: read by single applications (https://portswigger.net/web-security/host-header/exploiting). Of the last two, Starlette
#: and hypercorn put a URL together: `https://globex.example.com/` as the scheme becomes the host.
HOST_OVERRIDES = {
    b"x-forwarded-host": "X-Forwarded-Host",
    b"forwarded": "Forwarded",
    b"x-original-host": "X-Original-Host",
    b"x-forwarded-server": "X-Forwarded-Server",
    b"x-host": "X-Host",
    b"x-http-host-override": "X-HTTP-Host-Override",
    b"x-forwarded-proto": "X-Forwarded-Proto",
    b"x-forwarded-scheme": "X-Forwarded-Scheme",
}
_SCHEMES = frozenset({b"x-forwarded-proto", b"x-forwarded-scheme"})
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
            read = _forwarded_hosts if name == b"forwarded" else _hosts_in_urls if name in _SCHEMES else _listed_hosts
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
    return [_host_of_url(item) or item for item in items if item]


# Blanks are also those that Python strips from text whose bytes are characters.
_BLANK_OR_COMMA = re.compile(rb"[,\s\x1c-\x1f\x85\xa0]+")


def _hosts_in_urls(value: bytes) -> list[bytes]:
    """Return the hosts of a list's URLs; a scheme alone names none."""
    return [host for item in _BLANK_OR_COMMA.split(value) if (host := _host_of_url(item.strip(b"\"'")))]


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
            host = _host_of_url(host)
        elif name.endswith(b"host"):
            host = _host_of_url(host) or host
        else:
            continue
        if host:
            yield host


_SEPARATOR = re.compile(rb"[,;\s\x1c-\x1f\x85\xa0]")
_AROUND_EQUALS = re.compile(rb"(?<![\s\x1c-\x1f\x85\xa0])[\s\x1c-\x1f\x85\xa0]*=[\s\x1c-\x1f\x85\xa0]*")
_PAIR = re.compile(rb'(?:[^,;"]|"(?:[^"\\]|\\.)*+"?+)++', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
