"""Every way to read a path: hostile paths are seen through, normal ones stay cheap."""

import pytest

from orgfence.core.routing import readings
from orgfence.core.routing.readings import EncodedSlash, Reading, has_other_readings, other_readings, plain_reading

AIM = (b"api", b"v2", b"organizations", b"globex", b"users")

# Each is read as `AIM` by some server, or by a proxy and the server behind it, though it looks like another path.
HOSTILE = [
    # Dot segments, plain and encoded.
    rb"/api/v2/organizations/acme/../globex/users",
    rb"/api/v2/organizations/acme/%2e%2e/globex/users",
    rb"/api/v2/organizations/acme/%2E%2E/globex/users",
    rb"/api/v2/organizations/acme/.%2e/globex/users",
    rb"/api/v2/organizations/acme/%2e./globex/users",
    rb"/api/v2/organizations/./globex/users",
    rb"/api/v2/organizations/%2e/globex/users",
    rb"/api/v2/organizations/globex/./users",
    rb"/api/v2/organizations/globex/users/.",
    rb"/api/v2/organizations/globex/users/%2e",
    rb"/api/v2/organizations/globex/users/x/..",
    rb"/api/v2/organizations/globex/users/x/%2E%2e",
    rb"/api/v2/organizations/globex/acme/../users",
    rb"/public/../api/v2/organizations/globex/users",
    rb"/../api/v2/organizations/globex/users",
    rb"/../../../api/v2/organizations/globex/users",
    rb"/api/v2/organizations/acme/users/../../globex/users",
    rb"/api/v2/organizations/acme/x/y/../../../globex/users",
    rb"/api/v2/organizations/me/%2e%2e/globex/users",
    rb"/api/v2/organizations/globex/%2e%2e/../users",
    rb"/api/v2/organizations/globex/x/%2e%2e/y/../users",
    # Encoded slashes.
    rb"/api/v2/organizations%2fglobex/users",
    rb"/api/v2/organizations%2Fglobex%2Fusers",
    rb"/api%2fv2%2forganizations%2fglobex%2fusers",
    rb"/%2fapi/v2/organizations/globex/users",
    rb"/api/v2/organizations/acme%2f..%2fglobex/users",
    rb"/api/v2/organizations/acme%2F%2e%2e%2Fglobex/users",
    rb"/api/v2/organizations/acme/..%2fglobex/users",
    rb"/api/v2/organizations/acme%2f../globex/users",
    rb"/api/v2/organizations/acme/%2e%2e%2fglobex/users",
    rb"/api/v2/organizations/acme/x%2f..%2f..%2fglobex/users",
    rb"/api/v2/organizations/globex%2fusers%2f",
    rb"/api/v2/organizations/globex%2f%2fusers",
    rb"/api/v2/organizations/globex/x%2f../users",
    # Backslashes.
    rb"/api/v2/organizations\globex\users",
    rb"\api\v2\organizations\globex\users",
    rb"/api/v2/organizations/acme\..\globex/users",
    rb"/api/v2/organizations/acme/..\globex/users",
    rb"/api/v2/organizations%5cglobex%5Cusers",
    rb"/api/v2/organizations/acme%5c..%5cglobex/users",
    rb"/api/v2/organizations/acme/..%5cglobex/users",
    rb"/api/v2/organizations/acme\%2e%2e\globex/users",
    rb"/api/v2/organizations/acme%5c%2e%2e%5cglobex/users",
    rb"/api/v2/organizations\\globex/users",
    rb"/api/v2/organizations/acme%2f..%5cglobex\users",
    rb"/api/v2/organizations/acme\..%2fglobex%5cusers",
    # Encoded twice and more.
    rb"/api/v2/organizations/%2567lobex/users",
    rb"/api/v2/organizations/%67%6c%6f%62%65%78/users",
    rb"/api/v2/organizations/%2567%256c%256f%2562%2565%2578/users",
    rb"/api/v2/organizations/%252567lobex/users",
    rb"/api/v2/organizations/%25252567lobex/users",
    rb"/%61pi/v2/organi%7aations/glob%65x/users",
    rb"/api/v2/organizations%252fglobex/users",
    rb"/api/v2/organizations%25252fglobex/users",
    rb"/api/v2/organizations/acme%252f..%252fglobex/users",
    rb"/api/v2/organizations/acme%252f%252e%252e%252fglobex/users",
    rb"/api/v2/organizations/acme/%252e%252e/globex/users",
    rb"/api/v2/organizations/acme/%252e%252e%2fglobex/users",
    rb"/api/v2/organizations/acme/.%252e/globex/users",
    rb"/api/v2/organizations/acme/%25252e%25252e/globex/users",
    rb"/api/v2/organizations/acme/..%255cglobex/users",
    rb"/api/v2/organizations%255cglobex%255cusers",
    rb"/api/v2/organizations/glo%25%36%32ex/users",
    rb"/api/v2/organizations/%%367lobex/users",
    rb"/api/v2/organizations/%25%36%37lobex/users",
    rb"/api/v2/organizations/acme/%%32e%%32e/globex/users",
    rb"/api/v2/organizations%%32fglobex/users",
    # Empty segments.
    rb"//api/v2/organizations/globex/users",
    rb"/api//v2/organizations/globex/users",
    rb"/api/v2/organizations//globex/users",
    rb"/api/v2///organizations////globex//users//",
    rb"/api/v2/organizations/acme//../globex/users",
    rb"/api/v2/organizations/acme/x//../../../globex/users",
    rb"/api/v2/organizations/globex//users%2f%2f",
    rb"/api/v2/organizations/acme/..//globex/users",
    # Taken for an authority.
    rb"//evil/api/v2/organizations/globex/users",
    rb"//evil:8080/api/v2/organizations/globex/users",
    rb"//user@evil/api/v2/organizations/globex/users",
    rb"///evil/api/v2/organizations/globex/users",
    rb"/\evil/api/v2/organizations/globex/users",
    rb"\\evil\api\v2\organizations\globex\users",
    rb"/%2fevil/api/v2/organizations/globex/users",
    rb"/%5cevil/api/v2/organizations/globex/users",
    rb"//evil//api/v2/organizations/globex/users",
    rb"//evil/x/../api/v2/organizations/globex/users",
    rb"/./%2fevil/api/v2/organizations/globex/users",
    rb"/x/..//evil/api/v2/organizations/globex/users",
    # An absolute URL, and other targets without a leading slash.
    rb"http://api.example.com/api/v2/organizations/globex/users",
    rb"HTTPS://api.example.com:443/api/v2/organizations/globex/users",
    rb"http:/api.example.com/api/v2/organizations/globex/users",
    rb"http:api.example.com/api/v2/organizations/globex/users",
    rb"http:///api.example.com/api/v2/organizations/globex/users",
    rb"http:\\api.example.com\api\v2\organizations\globex\users",
    rb"http:/api/v2/organizations/globex/users",
    rb"http://x/api/v2/organizations/acme/%2e%2e/globex/users",
    rb"http%3a//x/api/v2/organizations/globex/users",
    rb"api/v2/organizations/acme/../globex/users",
    rb"../api/v2/organizations/globex/users",
    rb"./api/v2/organizations/globex/users",
    # Parameters.
    rb"/api/v2/organizations/globex;acme/users",
    rb"/api/v2/organizations/globex;x=1;y=2/users;z",
    rb"/api;a/v2;b/organizations;c/globex;d/users;e",
    rb"/api/v2/organizations/acme/..;/globex/users",
    rb"/api/v2/organizations/acme/..;x=y/globex/users",
    rb"/api/v2/organizations/acme/%2e%2e;/globex/users",
    rb"/api/v2/organizations/acme/.;/..;/globex/users",
    rb"/api/v2/organizations/acme/..%3b/globex/users",
    rb"/api/v2/organizations/acme/..%3Bx/globex/users",
    rb"/api/v2/organizations/globex%3bacme/users",
    rb"/api/v2/organizations/globex%253bacme/users",
    rb"/;/api/v2/organizations/globex/users",
    rb"/api/v2/organizations/;acme/globex/users",
    rb"/api/v2/organizations/acme/..;%2f..;/organizations/globex/users",
    rb"/api/v2/organizations/globex;%2facme/users",
    rb"/api/v2/organizations/acme;/..;/globex/users",
    # Ended early.
    rb"/api/v2/organizations/globex/users#/acme",
    rb"/api/v2/organizations/globex/users%23/acme",
    rb"/api/v2/organizations/globex/users%2523",
    rb"/api/v2/organizations/globex/users%23/../../acme/users",
    rb"/api/v2/organizations/globex/users%3f/acme",
    rb"/api/v2/organizations/globex/users%3F/../../acme/users",
    rb"/api/v2/organizations/globex/users%253fx=1",
    rb"/api/v2/organizations/globex/users%00",
    rb"/api/v2/organizations/globex/users%00.json",
    rb"/api/v2/organizations/globex/users%00/../../acme/users",
    rb"/api/v2/organizations/globex/users%2500.json",
    b"/api/v2/organizations/globex/users\0.json",
    b"/api/v2/organizations/globex/users\0/../../acme/users",
    rb"/api/v2/organizations/globex/users;%23/x",
    rb"/api/v2/organizations/globex/users/..%2fusers%23",
    # Taken out, overlong and of old.
    b"/api/v2/organizations/glo\tbex/users",
    b"/api/v2/organizations/acme/.\t./globex/users",
    b"/api/v2/organizations/glo\rbex\n/users",
    rb"/api/v2/organizations/acme/.%09./globex/users",
    rb"/api/v2/organizations%c0%afglobex/users",
    rb"/api/v2/organizations/acme/%c0%ae%c0%ae/globex/users",
    rb"/api/v2/organizations/acme/..%c1%9cglobex/users",
    rb"/api/v2/organizations%e0%80%afglobex/users",
    rb"/api/v2/organizations%f0%80%80%afglobex/users",
    b"/api/v2/organizations\xc0\xafglobex/users",
    rb"/api/v2/organizations%25c0%25afglobex/users",
    rb"/api/v2/organizations%u002fglobex/users",
    rb"/api/v2/organizations/acme/%u002e%u002e/globex/users",
    rb"/api/v2/organizations/acme/..%U005cglobex/users",
    rb"/api/v2/organizations/%u0067lobex/users",
    rb"/api/v2/organizations%25u002fglobex/users",
    # Several at once.
    rb"//evil\api;x/v2/organizations/acme/..;/globex/users",
    rb"/api/v2//organizations/acme%2f%2e%2e%2fglobex/users#x",
    rb"/api/v2/organizations/acme/%252e%252e%252fglobex//users%3fx",
    rb"/api;/v2/organizations/acme%5c..;y%5cglobex/users",
    rb"/api/v2/organizations/acme/..%2f%2fglobex\users%00x",
]

# What programs really send, by the families of APIs that do.
NORMAL = [
    rb"/",
    rb"/api/v2/organizations/acme",
    rb"/api/v2/organizations/acme/",
    rb"/api/v2/organizations/acme/users/42?expand=groups&pageSize=25",
    rb"/api/v2/organizations/8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01/users",
    rb"/files/annual%20report.pdf",
    rb"/files/annual+report.pdf",
    rb"/files/a%20b%20c%20d%20e%20f",
    rb"/caf%C3%A9/menu",
    rb"/caf%c3%a9/menu",
    "/café/menü".encode(),
    rb"/%E6%97%A5%E6%9C%AC%E8%AA%9E",
    rb"/%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80",
    rb"/%F0%9F%98%80/reactions",
    "/हिन्दी/😀".encode(),
    rb"/users/jane.doe@example.com",
    rb"/users/jane.doe%40example.com",
    rb"/users/jane.doe%2Btest%40example.com",
    rb"/users/o'brien",
    rb"/users/~jane/profile",
    rb"/api/v4/projects/group%2Fproject",
    rb"/api/v4/projects/group%2Fsub%2Fproject/repository/files/src%2Fmain%2Epy/raw?ref=main",
    rb"/api/v4/projects/42/repository/branches/feature%2Flogin%20form",
    rb"/@scope%2fname",
    rb"/@scope%2Fname/-/name-1.2.3.tgz",
    rb"/@types/node",
    rb"/v2/library/ubuntu/manifests/sha256:abcdef0123456789",
    rb"/v2/library/ubuntu/manifests/sha256%3Aabcdef0123456789",
    rb"/weather;city=Berlin;units=metric",
    rb"/weather;city=Berlin/today;units=metric",
    rb"/app/page;jsessionid=1A2B3C4D5E?x=1",
    rb"/odata/Products(1)/Category",
    rb"/odata/Products('a%20b')",
    rb"/odata/Products('a%2Fb')?$select=Name",
    rb"/odata/People(FirstName='Jane',LastName='Doe')",
    rb"/odata/$metadata",
    rb"/odata/Orders/$count?$filter=Total%20gt%205",
    rb"/v1/projects/p/locations/l/keyRings/k:setIamPolicy",
    rb"/v1/messages:batchGet?ids=1&ids=2",
    rb"/sheets/A1%3AB2",
    rb"/sheets/'My%20Sheet'!A1:B2",
    rb"/.well-known/openid-configuration",
    rb"/.well-known/jwks.json",
    rb"/static/app.min.js",
    rb"/static/app..js",
    rb"/static/...",
    rb"/packages/left-pad/1.0.0-beta.1+build.5",
    rb"/packages/left-pad/1.0.0-beta.1%2Bbuild.5",
    rb"/compare/main...feature",
    rb"/compare/v1.0..v1.1",
    rb"/search/c%23",
    rb"/search/what%3F",
    rb"/search/100%25",
    rb"/search/50%25%20off",
    rb"/search/50%-off",
    rb"/search/a;b",
    rb"/search/a%3Bb",
    rb"/search/AC%2FDC",
    rb"/search/C%3A%5CUsers",
    rb"/search/tcp%2Fip%20%26%20more",
    rb"/tags/c%2B%2B",
    rb"/tags/c++",
    rb"/tags/%23topic",
    rb"/tags/a,b,c",
    rb"/tags/[a]",
    rb"/tags/%5Ba%5D",
    rb"/tags/%7Ba%7D",
    rb"/tags/a|b",
    rb"/tags/%22quoted%22",
    rb"/line%0Abreak",
    rb"/proxy/https://example.com/x",
    rb"/proxy/https%3A%2F%2Fexample.com%2Fx",
    rb"/proxy/https%3A%2F%2Fexample.com%2Fx%3Fa%3Db",
    rb"/proxy/https%3A%2F%2Fexample.com%2Fx%3Fa%3Db%26c%3Dd",
    rb"/proxy/https%253A%252F%252Fexample.com",
    rb"/arn/arn:aws:iam::123456789012:role%2Fadmin",
    rb"/arn/arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fadmin",
    rb"/buckets/b/o/folder%2Ffile.txt?alt=media",
    rb"/buckets/b/o/folder%2Fsub%20folder%2Ffile%20(1).txt",
    rb"/repos/o/r/contents/docs/read%20me.md",
    rb"/api//users",
    rb"//api/users",
    rb"/api/users//",
    rb"/api/v2/",
    rb"/ids/dGVzdA==",
    rb"/ids/dGVzdA%3D%3D",
    rb"/ids/a/b+c/d==",
    rb"/ids/a%2Fb%2Bc%2Fd%3D%3D",
    rb"/ids/urn:uuid:8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01",
    rb"/ids/urn%3Auuid%3A8b1f0c1e",
    rb"/ids/-/_/.x/x.",
    rb"/time/2024-01-01T00:00:00Z",
    rb"/time/2024-01-01T00%3A00%3A00%2B02%3A00",
    rb"/map/48.137,11.575",
    rb"/map/@48.137,11.575,15z",
    rb"/grpc.health.v1.Health/Check",
    rb"/users?redirect=https%3A%2F%2Fexample.com%2F..%2F%3B%23",
    rb"/users?path=../../x;y//z\w#",
    rb"?only=query",
    rb"*",
]


def all_readings(target: bytes, slash: EncodedSlash = EncodedSlash.BOTH) -> tuple[Reading, ...]:
    others = other_readings(target, slash)
    assert others is not None, target
    return (plain_reading(target, slash), *others)


@pytest.mark.parametrize("target", HOSTILE)
def test_a_hostile_path_is_seen_through(target: bytes) -> None:
    """Among its readings is the path that it aims at."""
    assert AIM in {reading.segments for reading in all_readings(target)}


def test_the_hostile_paths_look_like_others() -> None:
    """Each is one that servers differ about, but for those that only spell their letters otherwise."""
    undisputed = [target for target in HOSTILE if not has_other_readings(target)]
    assert undisputed == [
        rb"/api/v2/organizations/%67%6c%6f%62%65%78/users",
        rb"/%61pi/v2/organi%7aations/glob%65x/users",
    ]


@pytest.mark.parametrize("target", NORMAL)
def test_a_normal_path_has_few_readings(target: bytes) -> None:
    """What programs really send stays far below the limit."""
    assert len(all_readings(target)) <= 19


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/api/v2/organizations/acme/",
        b"/files/annual%20report.pdf",
        b"/caf%C3%A9/%E0%A4%B9/%F0%9F%98%80",
        "/café/हि/😀".encode(),
        b"/users/jane.doe%40example.com",
        b"/.well-known/...",
        b"/x?path=../../x;y//z\\w#%2e%2e%2f",
        b"/x/?path=//",
        b"?x=//",
        b"",
    ],
)
def test_a_path_that_all_read_alike_costs_nothing(target: bytes) -> None:
    """Encoded spaces, e-mail addresses, UTF-8 and whatever stands in the query open no other reading."""
    assert not has_other_readings(target)
    assert other_readings(target) == ()


@pytest.mark.parametrize(
    ("target", "segments", "query"),
    [
        (b"/", (), b""),
        (b"", (), b""),
        (b"?a=b", (), b"a=b"),
        (b"/a/b", (b"a", b"b"), b""),
        (b"/a/b/?c?d#e", (b"a", b"b"), b"c?d#e"),
        (b"/a%2Fb/%2e%2E/c%20d", (b"a/b", b"..", b"c d"), b""),
        (b"/a%2fb", (b"a/b",), b""),
        (b"/%2f", (b"/",), b""),
        (b"/a%25%32%46", (b"a%2F",), b""),
        (b"//a//", (b"", b"a", b""), b""),
        (b"//", (b"",), b""),
        (b"/50%-off/%zz/%", (b"50%-off", b"%zz", b"%"), b""),
        (b"/a#b", (b"a#b",), b""),
        (b"*", (b"*",), b""),
        (b"a/b", (b"a", b"b"), b""),
        (b"http://h/p", (b"http:", b"", b"h", b"p"), b""),
        (b"/\xff\0%ff", (b"\xff\0\xff",), b""),
    ],
)
def test_the_plain_reading_decodes_each_segment_once(target: bytes, segments: tuple[bytes, ...], query: bytes) -> None:
    """It splits at raw slashes, decodes what is between them, and drops one empty segment at the end."""
    assert plain_reading(target) == Reading(segments, query)


@pytest.mark.parametrize(
    ("target", "reading"),
    [
        (b"/a%3Fb=c", Reading((b"a",), b"b=c")),
        (b"/a%3fb=c%26d?e=f", Reading((b"a",), b"b=c%26d&e=f")),
        (b"/a%253Fb=c?e=f", Reading((b"a",), b"b=c&e=f")),
        (b"/a%3Fb%3Dc", Reading((b"a",), b"b=c")),
        (b"/a%3Fb=c%23d", Reading((b"a",), b"b=c")),
        (b"/a%23b?c=d", Reading((b"a",), b"c=d")),
        (b"/a b?c=d", Reading((b"a",), b"c=d")),
    ],
)
def test_other_readings_keep_the_query(target: bytes, reading: Reading) -> None:
    """A query that an encoded `?` begins comes before the target's own; a path cut elsewhere keeps what it had."""
    assert reading in all_readings(target)


@pytest.mark.parametrize(
    ("target", "segment"),
    [
        (b"/a%u00e9", "aé".encode()),
        (b"/a%u20AC", "a€".encode()),
        (b"/a%ud800", b"a\xed\xa0\x80"),
        (b"/%c1%a1cme", b"acme"),
        (b"/%e0%81%a1cme", b"acme"),
        (b"/%f0%80%81%a1cme", b"acme"),
        (b"/\xe0\x81\xa1cme", b"acme"),
    ],
)
def test_old_escapes_are_read_as_old_servers_did(target: bytes, segment: bytes) -> None:
    """`%uXXXX` is the character, and an overlong form the ASCII character that it spells."""
    assert (segment,) in {reading.segments for reading in all_readings(target)}


@pytest.mark.parametrize(
    ("target", "segments"),
    [
        (rb"/a%2fb/%2541", (b"a", b"b", b"%41")),
        (rb"/a%5cb/%2541", (b"a", b"b", b"%41")),
        (rb"/x/%2e%2e/a/%2e/b/%2541", (b"a", b"b", b"%41")),
        (rb"/a%3bx/b/%2541", (b"a", b"b", b"%41")),
        (rb"/a/b/%2541%23x", (b"a", b"b", b"%41")),
        (rb"/a/b/%2541%00x", (b"a", b"b", b"%41")),
        (rb"/a/b/%2541%3fx", (b"a", b"b", b"%41")),
        (rb"/a%u002fb/%2541", (b"a", b"b", b"%41")),
        (rb"/a//b/%2f", (b"a", b"b", b"/")),
        (rb"/x/../a/%2e%2e/b", (b"a", b"..", b"b")),
        (rb"///a//b", (b"a", b"", b"b")),
        (rb"/a%2fb/%2541", (b"a/b", b"A")),
        (rb"/x%2fy/%252e%252e/a", (b"a",)),
        (b"/a%2\tfb/%2541", (b"a", b"b", b"%41")),
        (b"/a%2\xc1\xa6b/%2541", (b"a", b"b", b"%41")),
        (b"/a\xc0\xafb/c", (b"a/b", b"c")),
    ],
)
def test_one_turn_more_is_not_two(target: bytes, segments: tuple[bytes, ...]) -> None:
    """A server that does one of these things, and all else as it should, is seen through as well."""
    assert segments in {reading.segments for reading in all_readings(target)}


@pytest.mark.parametrize(
    ("target", "both", "data", "separator"),
    [
        (rb"/a/b", {"a b"}, {"a b"}, {"a b"}),
        (
            rb"/a//b;x",
            {"a  b;x", "a  b", "a b;x", "a b"},
            {"a  b;x", "a  b", "a b;x", "a b"},
            {"a  b;x", "a  b", "a b;x", "a b"},
        ),
        (rb"/a%2Fb", {"a/b", "a b"}, {"a/b"}, {"a b"}),
        (rb"/a%2fb", {"a/b", "a b"}, {"a/b"}, {"a b"}),
        (rb"/a%2F", {"a/", "a"}, {"a/"}, {"a"}),
        (rb"/a%252Fb", {"a%2Fb", "a/b", "a b"}, {"a%2Fb", "a/b"}, {"a%2Fb", "a b"}),
        (rb"/a%2%46b", {"a%2Fb", "a/b", "a b"}, {"a%2Fb", "a/b"}, {"a%2Fb", "a b"}),
        (b"/a%2\tfb", {"a%2\tfb", "a/b", "a b"}, {"a%2\tfb", "a/b"}, {"a%2\tfb", "a b"}),
        (rb"/a%u002Fb", {"a%u002Fb", "a/b", "a b"}, {"a%u002Fb", "a/b"}, {"a%u002Fb", "a b"}),
        (rb"/a\b", {"a\\b", "a b"}, {"a\\b", "a b"}, {"a\\b", "a b"}),
        (rb"/a%5Cb", {"a\\b", "a b"}, {"a\\b", "a b"}, {"a\\b", "a b"}),
        (rb"/x/..%2Fa", {"x ../a", "x .. a", "a"}, {"x ../a"}, {"x .. a", "a"}),
    ],
)
def test_a_rule_may_say_how_encoded_slashes_are_read(
    target: bytes, both: set[str], data: set[str], separator: set[str]
) -> None:
    """As characters of their segment in every way that they can be written, or as separators; else as both."""
    for slash, expected in zip(EncodedSlash, (both, data, separator), strict=True):
        found = {b" ".join(reading.segments).decode() for reading in all_readings(target, slash)}
        assert found == expected, slash


@pytest.mark.parametrize("overlong", [b"%c0%af", b"\xe0\x80\xaf", b"%F0%80%80%AF"])
def test_an_overlong_slash_is_an_encoded_one(overlong: bytes) -> None:
    """Where slashes are data, it is taken for a slash as well, and for no separator."""
    target = b"/a" + overlong + b"b"
    segments = {
        slash: {reading.segments for reading in all_readings(target, slash)} - {plain_reading(target).segments}
        for slash in EncodedSlash
    }
    assert segments[EncodedSlash.DATA] == {(b"a/b",)}
    assert segments[EncodedSlash.SEPARATOR] == {(b"a", b"b")}
    assert segments[EncodedSlash.BOTH] == {(b"a/b",), (b"a", b"b")}


def test_a_proxy_may_take_for_data_what_the_server_takes_for_a_separator() -> None:
    """It has resolved dot segments, and cut parameters, by the time the server splits the path."""
    for target in (rb"/orgs/acme/x%2Fy/../../globex", rb"/orgs/globex;x%2Fy"):
        segments = {reading.segments for reading in all_readings(target, EncodedSlash.SEPARATOR)}
        assert (b"orgs", b"globex") in segments
        assert not any(b"x/y" in segment for found in segments for segment in found)


def test_a_query_keeps_its_encoded_slashes() -> None:
    """It is for the path alone that a rule says how they are read."""
    for slash in EncodedSlash:
        assert {reading.query for reading in all_readings(b"/a%2Fb?c=%2F", slash)} == {b"c=%2F"}


def test_the_limits_hold_however_slashes_are_read() -> None:
    """Readings under either are counted on their own."""
    target = b"/%" + b"25" * 70 + b"2F"
    assert [other_readings(target, slash) for slash in EncodedSlash] == [None, None, None]
    many = b"/a%2F%252F%25252F%2525252F;x//y/..%2F"
    assert [other_readings(many, slash) is None for slash in EncodedSlash] == [True, False, False]


def test_an_encoded_space_ends_nothing() -> None:
    """Only a raw space can end a target on its way."""
    assert (b"a",) not in {reading.segments for reading in all_readings(b"/a%20b%2Fc")}


def test_readings_are_distinct_and_none_is_the_plain_one() -> None:
    """What two ways lead to is judged once."""
    target = b"/a/..//b;x/%2e%2e%2fc%23d"
    others = other_readings(target)
    assert others is not None
    assert len({plain_reading(target), *others}) == 1 + len(others)


def test_over_64_readings_there_is_none_to_go_by() -> None:
    """The limit counts the plain reading as well."""
    assert len(all_readings(b"/%" + b"25" * 63 + b"20")) == 64
    assert other_readings(b"/%" + b"25" * 64 + b"20") is None
    assert other_readings(b"/a%23b%3Fc;d%2Fe%5Cf\\g/../h//i%00j#k%252F") is None


def test_a_long_path_that_servers_differ_about_is_not_taken_apart() -> None:
    """It may have 8 KiB, without its query; a path that all read alike has no limit."""
    start = b"/a%2Fb/"
    longest = start + b"x" * (8 * 1024 - len(start))
    assert other_readings(longest + b"?" + b"q" * 10_000)
    assert other_readings(longest + b"x") is None
    assert other_readings(b"/" + b"x" * 100_000) == ()


def test_the_work_on_one_path_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few readings of a long path cost as much as many of a short one, and so do states that read alike."""
    nested = b"/%" + b"25" * 20
    assert len(all_readings(nested + b"20")) == 21
    assert other_readings(nested + b"20/" + b"x" * 8000) is None
    assert len(all_readings(b"/a//b")) == 2
    monkeypatch.setattr(readings, "_MAX_STATES", 1)
    assert other_readings(b"/a//b") is None
