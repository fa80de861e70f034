"""Which client sends a request: by `Authorization: Basic`, by the parameters, or by an assertion."""

import base64
import binascii
from typing import NamedTuple

from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.names import form_text
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.orgs import canonical_id
from orgfence.core.request import Fields
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import TokenError

# What a client would have to be called to be longer is no client's id.
_MAX_CLIENT = 255
# https://www.rfc-editor.org/rfc/rfc7523#section-2.1
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Clients(NamedTuple):
    """All clients that a request may be sent by."""

    #: None: it cannot be told, or there is none.
    sender: str | None
    #: Each that some server may take for the sender.
    named: tuple[str, ...]
    #: Whether they cannot all be one client.
    contradict: bool


def clients_of(parameters: Parameters, fields: Fields, issuer: OAuthIssuer) -> Clients:
    """Return who sends a token request. `fields` holds its `Authorization` fields, by canonical name."""
    said = said_clients(parameters)
    also: list[str] = []
    for raw in _basic_clients(fields):
        decoded = plain_client(form_text(raw.encode("utf-8", "backslashreplace")))
        # RFC 6749 section 2.3.1 has it encoded as a form's values are; not all clients do that.
        said.append(raw if raw in said else decoded)
        also += [raw, decoded]
    asserted = _subjects(parameters, "client_assertion", ("sub",))
    also += _subjects(parameters, "client_assertion", ("sub", "iss"))
    if _JWT_BEARER in parameters.values("grant_type"):
        also += _subjects(parameters, "assertion", ("iss",))

    said = list(dict.fromkeys(said))
    senders = {*said, *asserted}
    named = list(dict.fromkeys([*said, *asserted, *(each for each in also if each in issuer.clients)]))
    orgs = {issuer.clients[each] for each in named if each in issuer.clients}
    return Clients(
        sender=client_id(senders.pop()) if len(senders) == 1 else None,
        named=tuple(each for each in named if client_id(each)),
        # An assertion may be another system's, whose subject is no client's id (workload identity federation).
        contradict=len(said) > 1 or len(orgs) > 1,
    )


def client_id(value: str) -> str | None:
    """Return a client's id, None where it is none."""
    return value if 0 < len(value) <= _MAX_CLIENT else None


def said_clients(parameters: Parameters) -> list[str]:
    """Return what the parameters say of who sends a request, each once."""
    return list(dict.fromkeys(filter(None, map(plain_client, parameters.meant("client_id")))))


def plain_client(client: str) -> str:
    """Return a client's id as servers read it that strip it, end it at NUL, or compare UUIDs in either case."""
    plain = client.partition("\0")[0].strip()
    return canonical_id(plain.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


# https://www.rfc-editor.org/rfc/rfc7617#section-2: user-pass = user-id ":" password, in base64.
def _basic_clients(fields: Fields) -> list[str]:
    found = []
    for value in fields.get(b"authorization", ()):
        scheme, *credentials = value.split(None, 1)[:2] or [b""]
        if scheme.lower() == b"basic" and credentials:
            try:
                # Many servers take it without padding, or in the alphabet for URLs.
                decoded = base64.b64decode(credentials[0].translate(_STANDARD_ALPHABET) + b"==")
                # The password, which is left out, may be in any encoding.
                client = decoded.partition(b":")[0].decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
            found.append(plain_client(client))
    return [client for client in found if client]


_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")


# https://www.rfc-editor.org/rfc/rfc7523#section-3: the subject is the client's id, and so should the issuer be.
def _subjects(parameters: Parameters, name: str, claims: tuple[str, ...]) -> list[str]:
    """Return what the assertions under a name say of who sends them."""
    found = []
    for assertion in parameters.meant(name):
        try:
            decoded = read_json_web_token(assertion.encode())
        except TokenError:
            continue
        if decoded is not None:
            found += [decoded.claims.get(claim) for claim in claims]
    return [plain_client(subject) for subject in found if isinstance(subject, str) and subject]
