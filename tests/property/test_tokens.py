"""What holds for every credential, however it was made."""

import binascii
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tokens import HEADER, issuer_of, jwt_of, part

from orgfence.core.credential import find_credential
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.routing.templates import TextTemplate
from orgfence.core.rule import CredentialPlace, PlaceKind
from orgfence.core.tokens.cache import TokenCache
from orgfence.core.tokens.reader import TokenReader
from orgfence.core.tokens.selectors import Selector, Source
from orgfence.core.tokens.token import Token, Trait
from orgfence.core.values import query_values

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

NAMES = ("org_ids", "org", "scope", "iss", "sub", "exp", "nbf", "iat")
SELECTORS = (
    Selector.claim("org_ids"),
    Selector.claim("org", split=" ", template=TextTemplate.parse("{org}")),
    Selector.claim("/org_ids/*/org"),
    Selector.claim("/*/*"),
    Selector(Source.JOSE, ("org",)),
    Selector(Source.OPAQUE, template=TextTemplate.parse("{org}!**")),
)
READER = TokenReader(
    [
        issuer_of(
            member=SELECTORS[:1], active=SELECTORS[1:], scopes=(Selector.claim("scope"), Selector.claim("/org/*"))
        ),
        issuer_of("salesforce", iss="a", member=SELECTORS, salesforce_ids=True),
        replace(issuer_of("keycloak"), iss_templates=(TextTemplate.parse("a{realm}"), TextTemplate.parse("o**"))),
    ],
    OrgNames({"acme": "8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01"}),
    "generation",
    TRAITS := [Trait(("org_ids",), b"acme"), Trait(("*", "*"), b"true"), Trait(("scope",), b"1"), Trait(("*",), b"a")],
)

TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from([*NAMES, "acme", "a"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=8,
)
CLAIMS = st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES, max_size=5)
HEADERS = st.just({"alg": "RS256"}) | CLAIMS | CLAIMS.map(lambda claims: claims | {"alg": "none"})
ISSUERS = st.sampled_from([None, "corp", "salesforce", "keycloak", "absent"])


@given(st.binary(max_size=64) | st.text('eyJ.-_=!{}"alg \n').map(str.encode), ISSUERS)
def test_no_bytes_raise(raw: bytes, issuer: str | None) -> None:
    """Whatever stands where a credential belongs, the answer is a token or a reason."""
    read_well(raw, issuer)


@given(st.lists(st.binary(max_size=32).map(part) | st.just(part(HEADER)), min_size=2, max_size=5), ISSUERS)
def test_no_parts_raise(parts: list[bytes], issuer: str | None) -> None:
    """Nor does what is built like a JWT from the outside."""
    read_well(b".".join(parts), issuer)


@given(CLAIMS, HEADERS, ISSUERS)
def test_no_json_raises(claims: dict[str, Any], header: dict[str, Any], issuer: str | None) -> None:
    """Nor does any JSON in a well-formed JWT: lone surrogates, NaN, wrong types, names that repeat."""
    read_well(jwt_of(claims, header), issuer)


@given(st.text(st.sampled_from('{}[]":,\\ \n01e.-\u00e9utrnasl'), max_size=24), ISSUERS)
def test_no_text_in_place_of_json_raises(text: str, issuer: str | None) -> None:
    """Nor what is almost JSON."""
    read_well(jwt_of(text.encode()), issuer)


ORG_READER = TokenReader([issuer_of(member=(Selector.claim("org_ids"),))], OrgNames({}), "generation")
GRANTED = ["acme", "acme-prod"]
CREDENTIAL = jwt_of({"org_ids": GRANTED, "exp": 1900000000})
PLACES = st.integers(0, len(CREDENTIAL) - 1)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Draw a sound credential to which something has been done."""
    raw = CREDENTIAL
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(start + 4, len(raw))) | st.just(len(raw)))
        raw = (
            raw[:start] + draw(st.binary(max_size=4) | st.text("AZaz09-_=+/. ", max_size=4).map(str.encode)) + raw[end:]
        )
    return raw


@given(mutations())
def test_a_changed_token_grants_only_what_its_payload_spells(raw: bytes) -> None:
    """Nobody gains an org by damage: what is granted stands, to the letter, in the payload that a server would read."""
    read = ORG_READER.read(raw, None, TokenCache())
    if isinstance(read, Reason):
        assert read in {Reason.TOKEN_MALFORMED, Reason.TOKEN_OPAQUE, Reason.ISSUER_UNTRUSTED}
        return
    _, payload, _ = raw.split(b".")
    spelt = json.loads(binascii.a2b_base64(payload.replace(b"-", b"+").replace(b"_", b"/") + b"=="))
    granted = {org.decode() for org in read.member.orgs}
    claim = spelt.get("org_ids", [])
    assert granted <= set(map(str, claim if isinstance(claim, list | dict) else [claim]))


@given(PLACES, st.integers(0, 255))
def test_one_flipped_byte_in_what_is_signed_is_noticed_or_spelt(place: int, byte: int) -> None:
    """One byte of a token changed leaves its orgs as they were, or is a fault, or changes what the payload says."""
    raw = CREDENTIAL[:place] + bytes([byte]) + CREDENTIAL[place + 1 :]
    read = ORG_READER.read(raw, None, TokenCache())
    header, payload, _ = CREDENTIAL.split(b".")
    if raw == CREDENTIAL or not len(header) < place < len(header) + 1 + len(payload):
        assert isinstance(read, Reason) or read.member.orgs == {b"acme", b"acme-prod"}


@given(st.integers(0, len(CREDENTIAL) - 1))
def test_a_truncated_token_grants_nothing_that_it_did_not(length: int) -> None:
    """Cut anywhere before its signature it is no token at all."""
    read = ORG_READER.read(CREDENTIAL[:length], None, TokenCache())
    if length <= CREDENTIAL.rindex(b"."):
        assert read in {Reason.TOKEN_MALFORMED, Reason.TOKEN_OPAQUE}
    else:
        assert isinstance(read, Reason) or read.member.orgs == {b"acme", b"acme-prod"}


@given(st.text(min_size=1, max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_orgs_compare_whole(org: str, before: str, behind: str) -> None:
    """`acme-prod` never admits `acme`, nor `acme` `ACME`: what is granted is what is written, and nothing inside it."""
    longer = before + org + behind
    read = ORG_READER.read(jwt_of({"org_ids": [longer]}), None, TokenCache())
    assert isinstance(read, Token)
    assert read.member.orgs == {longer.encode()}


@given(mutations() | st.binary(max_size=64) | CLAIMS.map(jwt_of), ISSUERS)
def test_nothing_that_is_kept_shows_the_credential(raw: bytes, issuer: str | None) -> None:
    """Neither the token nor the cache, nor anything in it."""
    cache = TokenCache()
    shown = [repr(READER.read(raw, issuer, cache)), repr(cache), repr(cache._entries), repr(cache._shared)]
    if len(raw) > 16:
        assert not [text for text in shown if repr(raw)[2:-1] in text]


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"cookie", b"connection"]), st.binary(max_size=24))))
def test_no_headers_raise(fields: list[tuple[bytes, bytes]]) -> None:
    """Whatever fields a request has, a credential is found, or a reason why not."""
    headers: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        headers.setdefault(name, []).append(b"Bearer " + value if name == b"authorization" else value)
    places = (
        CredentialPlace(PlaceKind.HEADER, b"authorization", b"bearer"),
        CredentialPlace(PlaceKind.COOKIE, b"sid"),
        CredentialPlace(PlaceKind.QUERY, b"t"),
    )
    found = find_credential(headers, b";".join(value for _, value in fields), places)
    assert isinstance(found, bytes | Reason)
    assert found or isinstance(found, Reason)


@pytest.mark.parametrize("separator", [b"&", b";"])
@given(data=st.data())
def test_every_query_value_is_seen(separator: bytes, data: st.DataObject) -> None:
    """Whatever is around it, however it is escaped."""
    texts = st.binary(max_size=6)
    pairs = data.draw(st.lists(st.tuples(st.just(b"org") | texts, texts), max_size=4))
    escaped = separator.join(escape(data, name) + b"=" + escape(data, value) for name, value in pairs)
    assert set(query_values(escaped, b"org")) >= {value for name, value in pairs if name == b"org"}


def escape(data: st.DataObject, text: bytes) -> bytes:
    """Write each byte as an escape, unless it may stand for itself and the draw says so."""
    return b"".join(
        bytes([byte]) if chr(byte).isalnum() and byte < 128 and data.draw(st.booleans()) else b"%%%02x" % byte
        for byte in text
    )


def read_well(raw: bytes, issuer: str | None) -> None:
    """Read a credential twice, and check that the answer is one that the rest can rely on."""
    cache = TokenCache()
    read = READER.read(raw, issuer, cache)
    assert READER.read(raw, issuer, cache) is read
    if isinstance(read, Reason):
        assert read in {Reason.TOKEN_MALFORMED, Reason.TOKEN_OPAQUE, Reason.ISSUER_UNTRUSTED}
        return
    assert len(read.active.orgs) <= 1
    for claim in (read.active, read.member):
        assert (claim.fault is None) == bool(claim.orgs)
        assert b"" not in claim.orgs
    assert all(text.decode() for text in (*read.active.orgs, *read.member.orgs, *read.scopes))
    assert read.subject is None or read.subject.encode()
    assert issuer in {None, read.issuer}
    assert read.traits <= set(TRAITS)
    assert not read.verified
