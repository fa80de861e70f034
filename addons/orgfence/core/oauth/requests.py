"""What an OAuth request asks for, in each way in which an issuer may read it."""

from collections.abc import Iterable
from itertools import islice, product
from typing import NamedTuple

from orgfence.core.oauth.clients import client_id, clients_of, said_clients
from orgfence.core.oauth.exchange import AuthorizeRequest, TokenRequest
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.parameters import Parameters
from orgfence.core.oauth.scopes import scopes_of
from orgfence.core.orgs import OrgNames
from orgfence.core.request import Fields
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import TokenError

# A request that says everything twice has eight readings.
_MAX_READINGS = 16


class Asked(NamedTuple):
    """A token request, in each way to read it."""

    #: What holds in every reading; what does not is empty or None.
    request: TokenRequest
    #: At least one.
    readings: tuple[TokenRequest, ...]
    #: Whether it names two clients that cannot be one, or has more readings than are judged.
    is_contradictory: bool


def authorize_request(
    parameters: Parameters, issuer: OAuthIssuer, orgs: OrgNames, *, is_pushed: bool = False
) -> AuthorizeRequest:
    """Read an authorize request, opened or pushed. It has no client where it cannot be told whose it is."""
    clients, states = said_clients(parameters), parameters.meant("state")
    redirect_uris = list(dict.fromkeys(map(without_query, parameters.meant("redirect_uri"))))
    # One that is pushed may have none: https://www.rfc-editor.org/rfc/rfc9126#section-2.1.
    request_uris = [] if is_pushed else [uri for uri in parameters.exact("request_uri") if ":" in uri]
    is_one = all(len(values) <= 1 for values in (clients, states, redirect_uris, request_uris))
    read = AuthorizeRequest(
        client=client_id(clients[0]) if clients and is_one else None,
        orgs=_orgs(parameters, issuer.org_parameters, issuer, orgs),
        scopes=_scopes(parameters),
        redirect_uri=redirect_uris[0] if redirect_uris else None,
        state=states[0] if states else "",
        response_type=parameters.first("response_type"),
        request_uri=request_uris[0] if request_uris else "",
    )
    if is_one:
        return read
    places: list[str | None] = [*redirect_uris]
    ways = islice(product(places or [None], states or [""], request_uris or [""]), _MAX_RIVALS)
    others = [
        read._replace(redirect_uri=redirect_uri, state=state, request_uri=request_uri)
        for redirect_uri, state, request_uri in ways
    ]
    return read._replace(rivals=tuple(others))


# Each costs some ten microseconds. Real issuers take only redirect URIs that are registered.
_MAX_RIVALS = 256


def add_request_objects(parameters: Parameters) -> bool:
    """Add what request objects say (RFC 9101); return whether there is one that nobody can read here."""
    is_sealed = False
    for value in parameters.meant("request"):
        try:
            decoded = read_json_web_token(value.encode())
        except TokenError:
            continue
        if decoded is not None:
            parameters.add(decoded.claims)
        # https://www.rfc-editor.org/rfc/rfc7516#section-3.1: what is encrypted has five parts.
        is_sealed |= decoded is None and value.count(".") == _DOTS_OF_JWE
    return is_sealed


_DOTS_OF_JWE = 4


def token_request(parameters: Parameters, fields: Fields, issuer: OAuthIssuer, orgs: OrgNames) -> Asked:
    """Read a token request. `fields` holds its `Authorization` fields, by canonical name."""
    clients = clients_of(parameters, fields, issuer)
    grant_types = parameters.meant("grant_type") or [""]
    named = issuer.org_parameters if _SAML2.isdisjoint(grant_types) else (*issuer.org_parameters, *_ORG_NAME)
    read = TokenRequest(
        grant_type=grant_types[0],
        client=None,
        orgs=_orgs(parameters, named, issuer, orgs),
        scopes=_scopes(parameters),
    )
    read = read._replace(
        orgs=read.orgs if any(read.orgs) else (),
        lacks_scope=read.scopes is not None and parameters.may_lack("scope"),
    )
    every = ((kind, grant) for kind in grant_types for grant in _grants(parameters, kind))
    grants = list(islice(every, _MAX_READINGS + 1))
    ways = list(islice(product(grants, clients.named or (None,)), _MAX_READINGS + 1))
    readings = [
        read._replace(grant_type=grant_type, client=client, grant=grant)
        for (grant_type, grant), client in ways[:_MAX_READINGS]
    ]
    is_one = len(grants) == 1
    request = readings[0]._replace(
        client=clients.sender if is_one else None, grant=readings[0].grant if is_one else None
    )
    return Asked(request, tuple(readings), clients.contradict or len(ways) > _MAX_READINGS)


# https://www.rfc-editor.org/rfc/rfc7522#section-2.1; some write `grant_type` in it.
_SAML2 = frozenset({"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant_type:saml2-bearer"})
# Where Genesys Cloud reads the org of an assertion.
_ORG_NAME = ("orgName",)


def without_query(uri: str) -> str:
    """Return a URI without its query and fragment, by which a redirect is known again."""
    return uri.partition("#")[0].partition("?")[0]


# https://www.rfc-editor.org/rfc/rfc6749#section-6 and section 4.1.3
def _grants(parameters: Parameters, grant_type: str) -> list[str | None]:
    """Return the codes or refresh tokens that a request may go by."""
    found: list[str | None] = [*parameters.meant("refresh_token" if grant_type == "refresh_token" else "code")]
    return found or [None]


def _orgs(parameters: Parameters, names: tuple[str, ...], issuer: OAuthIssuer, orgs: OrgNames) -> tuple[bytes, ...]:
    """Return the orgs that it names, and an empty one where some server finds others or none in what is there."""
    values = [value for name in names for value in parameters.values(name)]
    found = _normalised(values, issuer, orgs)
    lacks = all(map(parameters.may_lack, names))
    exact = _normalised((value for name in names for value in parameters.exact(name)), issuer, orgs)
    return (*found, b"") if values and (lacks or set(exact) != set(found)) else found


def _normalised(values: Iterable[str], issuer: OAuthIssuer, orgs: OrgNames) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(issuer.org_id(value.encode(), orgs) for value in values if value))


def _scopes(parameters: Parameters) -> tuple[str, ...] | None:
    """Return what is asked for; an empty `scope` asks for nothing, as none does."""
    return scopes_of(" ".join(parameters.values("scope")))[:_MAX_SCOPES] or None


# Genesys Cloud and Google, which have the most, know some hundreds.
_MAX_SCOPES = 1_000
