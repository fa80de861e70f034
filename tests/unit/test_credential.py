"""Where a request carries its credential, and when it carries one too many."""

import pytest

from orgfence.core.credential import MAX_CREDENTIAL_BYTES, find_credential
from orgfence.core.reason import Reason
from orgfence.core.request import WantedFields, named_by_connection, scan_headers
from orgfence.core.rule import CredentialPlace, PlaceKind

BEARER = CredentialPlace(PlaceKind.HEADER, b"authorization", b"bearer")
TOKEN_SCHEME = CredentialPlace(PlaceKind.HEADER, b"authorization", b"token")
API_TOKEN = CredentialPlace(PlaceKind.HEADER, b"x-api-token")
QUERY = CredentialPlace(PlaceKind.QUERY, b"access_token")
COOKIE = CredentialPlace(PlaceKind.COOKIE, b"sid")

MISSING = Reason.TOKEN_MISSING
AMBIGUOUS = Reason.CREDENTIAL_AMBIGUOUS


def find(fields: list[tuple[bytes, bytes]], *places: CredentialPlace, query: bytes = b"") -> object:
    wanted = WantedFields({b"authorization", b"x-api-token", b"cookie", b"connection", b"proxy-connection"})
    return find_credential(scan_headers(fields, wanted), query, places)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer abc", b"abc"),
        (b"BEARER abc", b"abc"),
        # RFC 6750 has one space; whoever unfolds a line or trims it makes the rest the same.
        (b"  Bearer   abc  ", b"abc"),
        (b"Bearer\tabc", b"abc"),
        (b"Bearer\r\n abc", b"abc"),
        (b"Bearer \r\n\tabc\r\n", b"abc"),
        (b"Bearer \x00\xff", b"\x00\xff"),
        (b"Bearer abc==", b"abc=="),
        # No credential.
        (b"", MISSING),
        (b"  ", MISSING),
        (b"Bearer", MISSING),
        (b"Bearer \t", MISSING),
        (b"Basic dXNlcjpwYXNz", MISSING),
        (b"Negotiate abc def", MISSING),
        (b'Digest username="Mufasa", realm="bearer", uri="/"', MISSING),
        (b"abc", MISSING),
        (b"Bearerabc", MISSING),
        (b"Bearer:abc", AMBIGUOUS),
        (b"Bearer\x00abc", AMBIGUOUS),
        (b",", MISSING),
        # One too many.
        (b"Bearer abc def", AMBIGUOUS),
        (b"Bearer abc, Bearer def", AMBIGUOUS),
        (b"Bearer abc,Bearer def", AMBIGUOUS),
        (b"Bearer abc\r\n def", AMBIGUOUS),
        (b"Basic dXNlcjpwYXNz, Bearer def", AMBIGUOUS),
        (b"Basic dXNlcjpwYXNz,bearer def", AMBIGUOUS),
        (b", Bearer abc", AMBIGUOUS),
        # Python's `str.split` takes these for white space.
        (b"Bearer\x1cabc", AMBIGUOUS),
        (b"Bearer\x85abc", AMBIGUOUS),
        (b"\xa0Bearer abc", AMBIGUOUS),
    ],
)
def test_a_bearer_token(value: bytes, found: bytes | Reason) -> None:
    """What follows the scheme, where it is the scheme and one word follows."""
    assert find([(b"Authorization", value)], BEARER) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([], MISSING),
        ([(b"X-Authorization", b"Bearer abc")], MISSING),
        ([(b"AUTHORIZATION", b"Bearer abc")], b"abc"),
        ([(b"Authorization", b"Bearer abc")] * 2, AMBIGUOUS),
        ([(b"Authorization", b"Bearer abc"), (b"authorization", b"Basic x")], AMBIGUOUS),
        ([(b"Authorization", b"Basic x"), (b"authorization", b"Basic x")], AMBIGUOUS),
        ([(b"Authorization", b"Bearer abc"), (b"Authorization", b"")], AMBIGUOUS),
    ],
)
def test_one_field_of_that_name(fields: list[tuple[bytes, bytes]], found: bytes | Reason) -> None:
    """Two are one too many, whatever they hold."""
    assert find(fields, BEARER) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([(b"X-Api-Token", b" abc\t")], b"abc"),
        ([(b"x_api_token", b"abc")], b"abc"),
        ([(b"X-Api-Token", b"Bearer abc")], b"Bearer abc"),
        ([(b"X-Api-Token", b" ")], MISSING),
        ([(b"X-Api-Token", b"abc"), (b"X_Api_Token", b"abc")], AMBIGUOUS),
    ],
)
def test_a_header_of_its_own(fields: list[tuple[bytes, bytes]], found: bytes | Reason) -> None:
    """Without a scheme the whole value is the credential."""
    assert find(fields, API_TOKEN) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"access_token=abc", b"abc"),
        (b"a=1&access%5Ftoken=a%62c", b"abc"),
        (b"", MISSING),
        (b"access_token=", MISSING),
        (b"access_token=&access_token=abc", b"abc"),
        (b"access_token=abc&access_token=abc", AMBIGUOUS),
        (b"a=1;access_token=abc", b"abc"),
        (b"access_token=abc;a=1", AMBIGUOUS),
        (b"access_token=abc&a=1;access_token=def", AMBIGUOUS),
    ],
)
def test_a_query_parameter(query: bytes, found: bytes | Reason) -> None:
    """One value that is not empty, in whatever way the query is taken apart."""
    assert find([], QUERY, query=query) == found


@pytest.mark.parametrize(
    ("cookies", "found"),
    [
        ([b"sid=abc"], b"abc"),
        ([b'a=1; sid="abc"'], b"abc"),
        ([b"a=1", b"sid=abc"], b"abc"),
        ([b"a=1"], MISSING),
        ([b"sid="], MISSING),
        ([b"sid=; sid=abc"], b"abc"),
        ([b"sid=abc; sid=abc"], AMBIGUOUS),
        ([b"sid=abc", b"sid=def"], AMBIGUOUS),
    ],
)
def test_a_cookie(cookies: list[bytes], found: bytes | Reason) -> None:
    """There may be several `Cookie` fields, but not several cookies of the name."""
    assert find([(b"Cookie", cookie) for cookie in cookies], COOKIE) == found


def test_two_places_are_one_too_many() -> None:
    """Where a rule looks in several places, exactly one of them holds the credential."""
    header, cookie = (b"Authorization", b"Bearer abc"), (b"Cookie", b"sid=abc")
    assert find([header], BEARER, QUERY, COOKIE) == b"abc"
    assert find([cookie], BEARER, QUERY, COOKIE) == b"abc"
    assert find([], BEARER, QUERY, COOKIE, query=b"access_token=abc") == b"abc"
    assert find([], BEARER, QUERY, COOKIE) is MISSING
    assert find([header, cookie], BEARER, QUERY, COOKIE) is AMBIGUOUS
    assert find([header], BEARER, QUERY, COOKIE, query=b"access_token=abc") is AMBIGUOUS
    assert find([header, header], QUERY, BEARER, query=b"access_token=abc") is AMBIGUOUS
    # Where the rule does not look there may be anything.
    assert find([header, cookie], BEARER, query=b"access_token=abc") == b"abc"


def test_one_field_may_be_looked_at_for_two_schemes() -> None:
    """It has only one of them."""
    assert find([(b"Authorization", b"Token abc")], BEARER, TOKEN_SCHEME) == b"abc"
    assert find([(b"Authorization", b"Bearer abc")], BEARER, TOKEN_SCHEME) == b"abc"
    assert find([(b"Authorization", b"Basic abc")], BEARER, TOKEN_SCHEME) is MISSING


@pytest.mark.parametrize(
    ("connection", "found"),
    [
        ([b"keep-alive"], b"abc"),
        ([b"x-authorization, close"], b"abc"),
        ([b"authorization"], AMBIGUOUS),
        ([b"keep-alive,\tAuthorization ,x"], AMBIGUOUS),
        ([b"close", b"AUTHORIZATION"], AMBIGUOUS),
    ],
)
def test_a_credential_that_may_not_arrive(connection: list[bytes], found: bytes | Reason) -> None:
    """A field that `Connection` names is removed on the way, or it is not."""
    fields = [(b"Connection", value) for value in connection]
    assert find([(b"Authorization", b"Bearer abc"), *fields], BEARER) == found


def test_connection_matters_only_where_there_is_a_credential() -> None:
    """Cookies are a field like any other; a query is none."""
    connection = (b"Connection", b"Cookie, X_Api_Token, Authorization")
    assert find([connection], BEARER, API_TOKEN, COOKIE) is MISSING
    assert find([connection, (b"Authorization", b"Basic x")], BEARER) is MISSING
    assert find([connection, (b"Cookie", b"a=1")], COOKIE) is MISSING
    assert find([connection, (b"Cookie", b"sid=abc")], COOKIE) is AMBIGUOUS
    assert find([connection, (b"X-Api-Token", b"abc")], API_TOKEN) is AMBIGUOUS
    assert find([connection], QUERY, query=b"access_token=abc") == b"abc"
    assert not named_by_connection({}, b"cookie")


@pytest.mark.parametrize("hop", [b"Connection", b"Proxy-Connection", b"proxy_connection"])
def test_what_a_hop_may_remove_is_ambiguous(hop: bytes) -> None:
    """Some proxies remove what `Proxy-Connection` names as they do what `Connection` names."""
    credential = (b"Authorization", b"Bearer abc")
    for value, found in ((b"keep-alive", b"abc"), (b"te, x-other", b"abc"), (b"close, authorization", AMBIGUOUS)):
        assert find([(hop, value), credential], BEARER) == found


def test_of_endless_connections_nobody_knows_what_they_name() -> None:
    """They are taken to name any field, as nobody sends more than a few options."""
    fields = {b"connection": [b"te"] * 16, b"proxy-connection": [b"x" * 4096]}
    assert not named_by_connection(fields, b"cookie")
    assert named_by_connection(fields | {b"connection": [b"te"] * 17}, b"cookie")
    assert named_by_connection(fields | {b"proxy-connection": [b"x" * 4097]}, b"cookie")


def test_a_credential_has_a_size_that_can_be_meant() -> None:
    """Over 16 KiB it is not looked at, wherever it stands."""
    largest = b"x" * MAX_CREDENTIAL_BYTES
    for larger, found in ((largest, largest), (largest + b"x", Reason.CREDENTIAL_TOO_LARGE)):
        assert find([(b"Authorization", b"Bearer " + larger)], BEARER) == found
        assert find([(b"X-Api-Token", larger)], API_TOKEN) == found
        assert find([(b"Cookie", b"sid=" + larger)], COOKIE) == found
        assert find([], QUERY, query=b"access_token=" + larger) == found


def test_huge_fields_are_answered_like_others() -> None:
    """Whatever they are filled with."""
    for filling in (b" ", b",", b";", b"&", b"a=", b"Bearer ", b"\x00", b"%41", b"\r\n"):
        value = filling * (1 << 16)
        fields = [(b"Authorization", b"Bearer a" + value), (b"Cookie", b"sid=a;" + value), (b"Connection", value)]
        for place in (BEARER, API_TOKEN, QUERY, COOKIE):
            assert isinstance(find(fields, place, query=b"access_token=" + value), bytes | Reason)
