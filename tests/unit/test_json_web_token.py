"""What is a JWT, what is a malformed one, and what is none."""

import json
from base64 import b64encode
from collections.abc import Callable

import jwt
import pytest
from tests.tokens import HEADER, jwt_of, part

from orgfence.core.reason import Reason
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import TokenError

CLAIMS = {"iss": "https://login.example.com", "org_ids": ["acme"], "exp": 1900000000}
JWT = jwt_of(CLAIMS)
FIRST, SECOND, THIRD = JWT.split(b".")


def test_reads_what_pyjwt_writes() -> None:
    """A real signed token comes back with its claims and the header that PyJWT gave it."""
    raw = jwt.encode(CLAIMS, "secret" * 8, algorithm="HS256", headers={"kid": "key-1"}).encode()

    token = read_json_web_token(raw)

    assert token is not None
    assert token.claims == CLAIMS
    assert token.header == {"alg": "HS256", "kid": "key-1", "typ": "JWT"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(jwt_of({"exp": 1.5e9, "nbf": 0, "iat": -1}), id="times are numbers of any kind"),
        pytest.param(jwt_of(b' {"a": 1}\r\n'), id="space around JSON"),
        pytest.param(jwt_of({"org": "Zürich"}), id="UTF-8"),
        pytest.param(jwt_of({}, {"alg": "none"})[: -len(THIRD)], id="no signature"),
    ],
)
def test_reads_every_sound_jwt(raw: bytes) -> None:
    """What all readers agree on is read, whether or not its signature is any good."""
    assert read_json_web_token(raw) is not None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a":1}{}',
        b"{'a':1}",
        b'{"org":"acme","org":"globex"}',
        b'{"org":"acme","\\u006frg":"globex"}',
        b'{"a":[{"b":{"c":1,"c":1}}]}',
        b'{"exp":NaN}',
        b'{"a":NaN}',
        b'{"a":[Infinity]}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\x00"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        pytest.param(b"[" * 100_000, id="deep list"),
        pytest.param(b'{"a":' * 30_000 + b"1" + b"}" * 30_000, id="deep object"),
        pytest.param(b'{"a":' + b"1" * 5000 + b"}", id="huge number"),
    ],
)
def test_a_payload_that_readers_may_read_differently_is_malformed(payload: bytes) -> None:
    """No JSON object, a name twice, no number, no UTF-8, too deep or too big: nobody knows what the API reads."""
    assert reason_of(jwt_of(payload)) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["null", "true", "[]", "{}", '"1900000000"', "1e400", "-1e400", "1" + "0" * 400])
def test_a_time_that_is_no_finite_number_is_malformed(name: str, value: str) -> None:
    """Readers that bend it into a number disagree on which."""
    assert reason_of(jwt_of(f'{{"{name}":{value}}}'.encode())) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"RS256","alg":"none"}',
        b'{"alg":"RS256","kid":"a","kid":"b"}',
        b'{"alg":"RS256","x":{"y":1,"y":2}}',
        b'{"alg":null}',
        b'{"alg":["RS256"]}',
        b'{"alg":"RS256","kid":7}',
        b'{"alg":"RS256","crit":["unheard-of"],"unheard-of":1}',
        b'{"alg":"RS256","b64":false,"crit":["b64"]}',
        b'{"alg":"RS256","a":NaN}',
        b'{"alg":"RS256","a":"\xff"}',
        b'{"alg":"RS256"}{}',
        b'{"alg":"RS256","a":"\t"}',
        b'\n {"alg":"RS256","alg":"RS256"}',
        b'\xef\xbb\xbf{"alg":"RS256"}',
        HEADER.decode().encode("utf-16"),
        HEADER.decode().encode("utf-32-be"),
        pytest.param(b'{"alg":"RS256","a":' + b"1" * 5000 + b"}", id="huge number"),
        pytest.param(b'{"a":' * 30_000 + b"1" + b"}" * 30_000, id="too deep to tell"),
    ],
)
def test_a_header_that_readers_may_read_differently_is_malformed(header: bytes) -> None:
    """It is no way out to be opaque: some server takes each of these for a JWT."""
    assert reason_of(jwt_of(CLAIMS, header)) is Reason.TOKEN_MALFORMED


# Holds both characters in which the standard alphabet differs from the one for URLs.
STANDARD = b64encode(b'{"alg":"RS256","a":">>>???"}').rstrip(b"=")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(JWT + b"=", id="padding that does not fit"),
        pytest.param(b".".join((FIRST, SECOND + b"=" * (-len(SECOND) % 4), THIRD)), id="padded payload"),
        pytest.param(b64encode(b'{"alg":"RS256"}\n') + b"." + SECOND + b".", id="padded header that PyJWT takes"),
        pytest.param(b".".join((FIRST + b"==", SECOND, THIRD)), id="padded header"),
        pytest.param(b".".join((FIRST + b"A", SECOND, THIRD)), id="one character too many"),
        pytest.param(b".".join((b"\t" + FIRST + b"\r\n", SECOND, THIRD)), id="space around it"),
        pytest.param(b".".join((FIRST[:5] + b" " + FIRST[5:], SECOND, THIRD)), id="space in it"),
        pytest.param(b'"' + JWT + b'"', id="quotes around it"),
        pytest.param(b".".join((FIRST[:6] + b"\x00\xff" + FIRST[6:], SECOND, THIRD)), id="bytes between"),
        pytest.param(b".".join((STANDARD, SECOND, THIRD)), id="standard alphabet"),
        pytest.param(b".".join((FIRST, SECOND + b"!", THIRD)), id="payload of another alphabet"),
        pytest.param(b".".join((FIRST, SECOND, THIRD + b",x")), id="something after it"),
        pytest.param(b".".join((FIRST, SECOND, THIRD[:-1] + b"B")), id="bits after the last byte"),
        pytest.param(b".".join((FIRST, SECOND)), id="no third part"),
        pytest.param(JWT + b".x", id="a fourth part"),
        pytest.param(JWT + b".x.y", id="five parts, but no JWE"),
        pytest.param(JWT + b"," + JWT, id="two of them"),
        pytest.param(jwt_of(b"{", b'{"alg":"dir","enc":"A256GCM"}'), id="three parts that claim to be a JWE"),
        pytest.param(JWT + b"." * 1000, id="many parts"),
    ],
)
def test_what_a_lenient_server_takes_for_a_jwt_is_malformed(raw: bytes) -> None:
    """A token cannot be bent until it counts as opaque here and is still good for the API."""
    assert {*b"+/"} <= {*STANDARD}
    assert reason_of(raw) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b"..",
        b"....",
        b"=.=.=",
        b"opaque",
        b"ya29.a0AfH6SMBx",
        b"a.b.c",
        b"AAAA.AAAA.AAAA",
        b"00D5g00000AbCdE!AQ4AQPq.uX_1",
        b"\x00\xff\xfe.\x80.\x81",
        b"\xf0\x9f\x8e\xab",
        pytest.param(FIRST, id="only a header"),
        pytest.param(jwt_of(CLAIMS, {"typ": "JWT"}), id="a header without alg"),
        pytest.param(jwt_of(b"{", {"typ": "JWT"}), id="neither alg nor payload"),
        pytest.param(jwt_of(CLAIMS, b'["alg"]'), id="a list"),
        pytest.param(jwt_of(CLAIMS, b'"alg"'), id="a string"),
        pytest.param(jwt_of(CLAIMS, b'{"alg":'), id="no JSON"),
        pytest.param(jwt_of(CLAIMS, b"[" * 100_000), id="deep, but no object"),
        pytest.param(part(b'{"alg":"dir","enc":"A256GCM"}') + b"..aXY.Y2lwaGVy.dGFn", id="a JWE"),
    ],
)
def test_all_else_is_opaque(raw: bytes) -> None:
    """Random text, a JWE and what has no `alg` are no JWTs, well-formed or not."""
    assert read_json_web_token(raw) is None


@pytest.mark.parametrize("error", [TypeError, RecursionError, OverflowError, MemoryError, KeyError])
def test_whatever_pyjwt_raises_is_the_tokens_fault(
    error: Callable[[str], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the library is no way through, and no crash."""

    def crash(*_: object, **__: object) -> None:
        raise error("secret")

    monkeypatch.setattr(jwt.PyJWS, "decode_complete", crash)

    assert reason_of(JWT) is Reason.TOKEN_MALFORMED


def test_the_error_does_not_hold_the_token() -> None:
    """What is raised may be logged."""
    raw = jwt_of({"exp": "secret"})
    with pytest.raises(TokenError) as raised:
        read_json_web_token(raw)
    assert str(raised.value) == "token_malformed"
    assert repr(raised.value) == "TokenError('token_malformed')"


def test_numbers_keep_their_exact_value() -> None:
    """An org id above 2**53 is not rounded to its neighbour."""
    token = read_json_web_token(jwt_of({"org": 2**63 + 1}))
    assert token is not None
    assert json.dumps(token.claims) == '{"org": 9223372036854775809}'


@pytest.mark.parametrize("size", [1, 4096], ids=["short", "long"])
def test_each_header_is_read_as_what_it_says(size: int) -> None:
    """Whether one like it was read before, or nearly like it, and however long it is."""
    for _ in range(2):
        for key_id in ("a" * size, "b" * size, "a" * size + "b"):
            token = read_json_web_token(jwt.encode({"sub": key_id}, "", "none", {"kid": key_id}).encode())
            assert token is not None
            assert (token.header["kid"], token.claims) == (key_id, {"sub": key_id})


def reason_of(raw: bytes) -> Reason | None:
    try:
        read_json_web_token(raw)
    except TokenError as error:
        return error.reason
    return None
