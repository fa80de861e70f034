"""Requests for acme that some server reads as globex's, and who reads them so. Each of them once passed."""

from typing import NamedTuple

from tests.servers.judging import ACME_TOKEN, FORM, GLOBEX_TOKEN, JSON, Written
from tests.servers.server import Channel


class Case(NamedTuple):
    """Bytes, and who reads `globex` from them."""

    channel: Channel
    name: str
    data: bytes
    #: The servers here that do; empty: those that do cannot run here.
    servers: tuple[str, ...]
    #: Where it is written that they do.
    source: str = ""
    #: Whether it is the credential that is read; then `acme` and `globex` in the data stand for tokens.
    is_token: bool = False

    @property
    def written(self) -> Written:
        """The request."""
        data = self.data
        if self.is_token:
            data = data.replace(b"acme", ACME_TOKEN.encode()).replace(b"globex", GLOBEX_TOKEN.encode())
        return Written((data,), {Channel.FORM: FORM, Channel.JSON: JSON}.get(self.channel, b""))

    def __str__(self) -> str:
        """Name it as tests show it."""
        return f"{'token in ' * self.is_token}{self.channel} {self.data.decode('latin-1')!r}"


def _cookies(*cases: tuple[bytes, tuple[str, ...]]) -> list[Case]:
    return [Case(Channel.COOKIE, "org", data, servers) for data, servers in cases]


def _tokens(channel: Channel, name: str, *cases: tuple[bytes, tuple[str, ...]]) -> list[Case]:
    return [Case(channel, name, data, servers, is_token=True) for data, servers in cases]


def _parameters(*cases: tuple[bytes, tuple[str, ...]]) -> list[Case]:
    """Return each as a query and as a form, alone and beside the pair of what is granted."""
    return [
        Case(channel, "org_id", data, servers)
        for pair, servers in cases
        for channel in (Channel.QUERY, Channel.FORM)
        for data in (pair, b"org_id=acme&" + pair)
        if channel is Channel.QUERY or servers != ("protobuf",)
    ]


def _heads(*cases: tuple[bytes, tuple[str, ...]]) -> list[Case]:
    host = b"Host: acme.t.example.com\r\n"
    return [Case(Channel.HOST, "tenant", host + field + b"\r\n", servers) for field, servers in cases]


_OF_STRIP = ("Starlette", "Tornado")
_UTF_8 = "\u00a0".encode()

#: What servers that run here read.
KNOWN = [
    *_cookies(
        (b"org=acme; x=y org=globex", ("CPython",)),
        (b"org=acme; x=y\torg=globex", ("CPython",)),
        (b"org=acme; x=y\x0borg=globex", ("CPython",)),
        (b"org=acme; x=y, org=globex", ("CPython", "aiohttp")),
        (b"org=acme; \xa0org=globex", _OF_STRIP),
        (b"org=acme; org\xa0=globex", _OF_STRIP),
        (b"org=acme; %borg=globex" % _UTF_8, ("Django",)),
        (b"org=acme; org%b=globex" % "\u2003".encode(), ("Django",)),
        (b"org=acme; \x1forg=globex", ("Django", *_OF_STRIP)),
        (b"org=acme; \x85org=globex", ("Django", *_OF_STRIP)),
        (b"x=y,org=globex; org=acme", ("CGI",)),
        (b"%6frg=globex; org=acme", ("CGI",)),
        (b"x=y,org=acme &globex; org=acme", ("CGI",)),
        (b"org[a]=globex; org=acme", ("PHP",)),
    ),
    *(
        Case(Channel.COOKIE, "org_id", b"%b=globex; org_id=acme" % name, ("PHP",))
        for name in (b"org.id", b"org id", b"org[id", b"org_id[]", b"org.id[a]")
    ),
    Case(Channel.COOKIE, "org_id", b"org%5Fid=globex; org_id=acme", ("CGI",)),
    Case(Channel.COOKIE, "org_id", b"org%u005fid=globex; org_id=acme", ("CGI",)),
    Case(Channel.COOKIE, "org_", b"org =globex; org_=acme", ("PHP",)),
    *_parameters(
        (b"org.id=globex", ("PHP",)),
        (b"org+id=globex", ("PHP",)),
        (b"org%20id=globex", ("PHP",)),
        (b"org[id=globex", ("PHP",)),
        (b"+org_id=globex", ("PHP",)),
        (b"org_id%00x=globex", ("PHP",)),
        (b"org_id[]=globex", ("PHP", "Express")),
        (b"org_id%5B%5D=globex", ("PHP", "Express")),
        (b"org_id[0]=globex", ("PHP", "Express")),
        (b"org_id[a]=globex", ("PHP", "Express")),
        (b"org_id[a][b]=globex", ("PHP", "Express")),
        (b"[org_id]=globex", ("Rack",)),
        (b"]org_id=globex", ("Rack",)),
        (b"org_id]=globex", ("Rack",)),
        (b"%20org_id=globex", ("PHP",)),
        (b"org%u005fid=globex", ("CGI",)),
        (b"orgId=globex", ("protobuf",)),
        (b"x=y;org_id=globex", ("CPython", "CGI")),
    ),
    Case(Channel.QUERY, "org_id", b"org_id.a=globex", ("Express",)),
    Case(Channel.QUERY, "org_id", b"org_id[]=globex", ("Rack",)),
    Case(Channel.QUERY, "org_id", b"org_id=acme;org_id=globex", ("Rack",)),
    Case(Channel.QUERY, "org_id", b"org_id].a=globex", ("Rack",)),
    Case(Channel.QUERY, "org_id", b"?org_id=globex&org_id=acme", ("Express",)),
    Case(Channel.QUERY, "filter[org]", b"filter[org]x=globex", ("Express", "PHP")),
    Case(Channel.QUERY, "filter[org]", b"filter%5Borg%5D=acme&filter[org][]=globex", ("Express",)),
    Case(Channel.QUERY, "filter[org]", b"%20filter[org]=globex", ("PHP",)),
    *_tokens(
        Channel.COOKIE,
        "sid",
        (b"x=y,sid=globex; sid=acme", ("CGI",)),
        (b"sid=acme; x=y sid=globex", ("CPython",)),
        (b"sid=acme; \xa0sid=globex", ("Starlette", "Tornado")),
        (b"x=y sid=globex", ("CPython",)),
        (b"%73id=globex; sid=acme", ("CGI",)),
    ),
    *_tokens(
        Channel.QUERY,
        "access_token",
        (b"access_token=acme&access.token=globex", ("PHP",)),
        (b"access_token[]=globex", ("PHP", "Express", "Rack")),
        (b"access_token=acme&accessToken=globex", ("protobuf",)),
        (b"access%u005ftoken=globex", ("CGI",)),
    ),
    *_tokens(Channel.FORM, "access_token", (b"access_token=acme&access.token=globex", ("PHP",))),
    Case(Channel.JSON, "org_id", b'{"orgId": "globex"}', ("protobuf",)),
    Case(Channel.JSON, "org_id", b'{"org_id": "acme", "org_id": "globex"}', ("CPython", "Express", "PHP", "Rack")),
    *_heads(
        (b"X-Forwarded-Host: globex.t.example.com", ("Django", "Starlette", "Werkzeug", "Express", "Rack")),
        (b"X_Forwarded_Host: globex.t.example.com", ("Django", "Werkzeug", "Rack")),
        (b"X-Forwarded-Host: acme.t.example.com, globex.t.example.com", ("Starlette", "Werkzeug")),
        (b"X-Forwarded-Host: globex.t.example.com, acme.t.example.com", ("Express", "Rack")),
        (b"X-Forwarded-Host: globex.t.example.com acme.t.example.com", ("Rack",)),
        (b'X-Forwarded-Host: "globex.t.example.com"', ("Werkzeug",)),
        (b"X-Forwarded-Host: x.example.com\r\nX-Forwarded-Host: globex.t.example.com", ("Starlette", "Werkzeug")),
        (b"X-Forwarded-Host: globex.t.example.com:443;http://acme.t.example.com/", ("Express",)),
        (b"X-Forwarded-Host: globex.t.example.com://acme.t.example.com/", ("Express",)),
        (b"Forwarded: host=globex.t.example.com", ("Starlette",)),
        (b"Forwarded: for=1.2.3.4;host=globex.t.example.com;proto=https", ("Starlette",)),
        (b"X-Forwarded-Proto: https://globex.t.example.com/", ("Starlette",)),
        (b"Forwarded: proto=https://globex.t.example.com/", ("Starlette",)),
    ),
]

_ASP_NET = "https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.webutilities.queryhelpers.parsequery"
_ASP_NET_U = "https://github.com/dotnet/dotnet-api-docs/issues/5119: `HttpUtility.ParseQueryString` reads `%u00a9`"
_ASP_NET_NAMES = "https://github.com/dotnet/aspnetcore/issues/23578: before 5.0 names of cookies are decoded"
_ASP_NET_CASE = (
    "https://github.com/dotnet/aspnetcore/blob/main/src/Http/Http/src/Internal/RequestCookieCollection.cs:"
    " `StringComparer.OrdinalIgnoreCase`"
)
_RACK_COMMA = (
    "https://github.com/rack/rack/blob/main/CHANGELOG.md 2.2.0: `Only accept ; as delimiter when parsing cookies`"
)
_RACK_NAMES = "https://nvd.nist.gov/vuln/detail/CVE-2020-8184: before 2.1.4 and 2.2.3 names of cookies are decoded"
_PHP_NAMES = (
    "https://nvd.nist.gov/vuln/detail/CVE-2020-7070: before 7.2.34, 7.3.23 and 7.4.11 names of cookies are decoded"
)
_RUBY_NAMES = "https://nvd.nist.gov/vuln/detail/CVE-2021-41819: Ruby's `CGI::Cookie` before cgi 0.3.1 decodes names"
_RFC_2965 = "https://www.rfc-editor.org/rfc/rfc2965#section-3.3.4: a server should also accept a comma between cookies"
_YII = "https://github.com/yiisoft/yii2/blob/master/framework/web/Request.php `getHostInfo`"
_PASTE = "https://github.com/Pylons/pastedeploy/blob/main/src/paste/deploy/config.py `PrefixMiddleware`"
_JETTY = "https://javadoc.jetty.org/ `ForwardedRequestCustomizer.setForwardedServerHeader`"
_RFC_7239 = "https://www.rfc-editor.org/rfc/rfc7239#section-4: names ignore case, a value may be a quoted string"
_PORTSWIGGER = "https://portswigger.net/web-security/host-header/exploiting: fields that override the host"


def _elsewhere(channel: Channel, name: str, *cases: tuple[bytes, str]) -> list[Case]:
    return [Case(channel, name, data, (), source) for data, source in cases]


#: What servers read that cannot run here.
ELSEWHERE = [
    *_elsewhere(
        Channel.QUERY,
        "org_id",
        (b"ORG_ID=globex", _ASP_NET),
        (b"org_id=acme&Org_Id=globex", _ASP_NET),
        (b"org_id=acme&org%u005fid=globex", _ASP_NET_U),
        (b"org%u005Fid=globex", _ASP_NET_U),
        (b"%u006frg_id=globex", _ASP_NET_U),
    ),
    *_elsewhere(
        Channel.FORM,
        "org_id",
        (b"ORG_ID=globex", _ASP_NET),
        (b"org_id=acme&ORG_ID=globex", _ASP_NET),
        (b"org_id=acme&org%u005fid=globex", _ASP_NET_U),
    ),
    *_elsewhere(
        Channel.COOKIE,
        "org",
        (b"x=y,org=globex; org=acme", _RACK_COMMA),
        (b"org=acme; x=y, org=globex", _RACK_COMMA),
        (b"$Version=1, org=globex; org=acme", _RFC_2965),
        (b"%6frg=globex; org=acme", _RACK_NAMES),
        (b"org=acme; %6Frg=globex", _PHP_NAMES),
        (b"or%67=globex", _RUBY_NAMES),
        (b"%6f%72%67=globex", _ASP_NET_NAMES),
        (b"org=acme; Org=globex", _ASP_NET_CASE),
        (b"ORG=globex", _ASP_NET_CASE),
        (b"org=acme; %20org=globex", _PHP_NAMES),
        (b"org=acme; +org=globex", _PHP_NAMES),
    ),
    *_elsewhere(
        Channel.COOKIE,
        "org_id",
        (b"org_id=acme; org+id=globex", _PHP_NAMES),
        (b"org_id=acme; org%2Eid=globex", _PHP_NAMES),
        (b"org_id=acme; org%5bid=globex", _PHP_NAMES),
    ),
    *_elsewhere(
        Channel.HOST,
        "tenant",
        (b"Host: acme.t.example.com\r\nX-Original-Host: globex.t.example.com\r\n", _YII),
        (b"Host: acme.t.example.com\r\nX-Original-Host: globex.t.example.com, x\r\n", _YII),
        (b"Host: acme.t.example.com\r\nX-Forwarded-Server: globex.t.example.com\r\n", _PASTE),
        (b"Host: acme.t.example.com\r\nX-Forwarded-Server: globex.t.example.com, x\r\n", _JETTY),
        (b'Host: acme.t.example.com\r\nForwarded: for=x;Host="globex.t.example.com:443"\r\n', _RFC_7239),
        (b'Host: acme.t.example.com\r\nForwarded: for=x, HOST="glob\\ex.t.example.com"\r\n', _RFC_7239),
        (b"Host: acme.t.example.com\r\nX-Host: globex.t.example.com\r\n", _PORTSWIGGER),
        (b"Host: acme.t.example.com\r\nX-HTTP-Host-Override: globex.t.example.com\r\n", _PORTSWIGGER),
    ),
]
