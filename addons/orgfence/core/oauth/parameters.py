"""What an OAuth request says, wherever its client has put it: the query, a form, or JSON as some SDKs send it."""

import base64
import binascii
from typing import NamedTuple
from urllib.parse import unquote_plus

from orgfence.core.body import RequestBody
from orgfence.core.oauth.exchange import AuthorizeRequest, TokenRequest
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.scopes import scopes_of
from orgfence.core.orgs import OrgNames
from orgfence.core.request import Fields
from orgfence.core.tokens.json_web_token import read_json_web_token
from orgfence.core.tokens.token import TokenError
from orgfence.core.values import query_values

# What a client would have to be called to be longer is no client's id.
_MAX_CLIENT = 255


class Parameters(NamedTuple):
    """The parameters of one request: issuers read a POST's from its body, and many of them from its query as well."""

    query: bytes
    #: None: they are in the query alone.
    body: RequestBody | None = None

    @property
    def are_readable(self) -> bool:
        """Whether they are there to be read; if not, `values` finds none."""
        return self.body is None or self.body.form_values(b"client_id", or_json=True) is not None

    def values(self, name: str) -> list[str]:
        """Return every value of a parameter, empty ones included. What is no UTF-8 is shown escaped."""
        found = query_values(self.query, name.encode())
        if self.body is not None:
            in_form = self.body.form_values(name.encode(), or_json=True) or []
            in_json = self.body.json_values((name,), or_form=True) or []
            # What more than one of them finds counts once.
            found = list(dict.fromkeys((*in_form, *in_json, *found)))
        return [value.decode("utf-8", "backslashreplace") for value in found]

    def first(self, name: str) -> str:
        """Return the first value of a parameter that holds something, else an empty one."""
        return next((value for value in self.values(name) if value), "")


def authorize_request(parameters: Parameters, issuer: OAuthIssuer, orgs: OrgNames) -> AuthorizeRequest:
    """Read an authorize request, opened or pushed."""
    redirect_uri = parameters.first("redirect_uri")
    return AuthorizeRequest(
        client=_client_id(parameters.first("client_id")),
        orgs=_orgs(parameters, issuer.org_parameters, issuer, orgs),
        scopes=_scopes(parameters),
        redirect_uri=without_query(redirect_uri) if redirect_uri else None,
        state=parameters.first("state"),
        response_type=parameters.first("response_type"),
        request_uri=parameters.first("request_uri"),
    )


def token_request(parameters: Parameters, fields: Fields, issuer: OAuthIssuer, orgs: OrgNames) -> TokenRequest:
    """Read a token request. `fields` holds its `Authorization` fields, by canonical name."""
    grant_type = parameters.first("grant_type")
    # https://www.rfc-editor.org/rfc/rfc6749#section-6 and section 4.1.3
    grant = parameters.first("refresh_token" if grant_type == "refresh_token" else "code")
    named = (*issuer.org_parameters, *_ORG_NAME) if grant_type in _SAML2 else issuer.org_parameters
    return TokenRequest(
        grant_type=grant_type,
        client=_client_of(parameters, fields),
        orgs=tuple(org for org in _orgs(parameters, named, issuer, orgs) if org),
        scopes=_scopes(parameters),
        grant=grant or None,
    )


# https://www.rfc-editor.org/rfc/rfc7522#section-2.1; some write `grant_type` in it.
_SAML2 = frozenset({"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant_type:saml2-bearer"})
# Where Genesys Cloud reads the org of an assertion.
_ORG_NAME = ("orgName",)


def without_query(uri: str) -> str:
    """Return a URI without its query and fragment, by which a redirect is known again."""
    return uri.partition("#")[0].partition("?")[0]


def _orgs(parameters: Parameters, names: tuple[str, ...], issuer: OAuthIssuer, orgs: OrgNames) -> tuple[bytes, ...]:
    values = [value for name in names for value in parameters.values(name)]
    return tuple(dict.fromkeys(issuer.org_id(value.encode(), orgs) for value in values))


def _scopes(parameters: Parameters) -> tuple[str, ...] | None:
    """Return what is asked for; an empty `scope` asks for nothing, as none does."""
    values = parameters.values("scope")
    return scopes_of(" ".join(values)) or None


def _client_id(value: str) -> str | None:
    return value if 0 < len(value) <= _MAX_CLIENT else None


def _client_of(parameters: Parameters, fields: Fields) -> str | None:
    """Return who asks; None where it says so in two ways that differ."""
    said = {client for client in (_basic_client(fields), _asserted_client(parameters)) if client is not None}
    said |= {value for value in parameters.values("client_id") if value}
    return _client_id(said.pop()) if len(said) == 1 else None


# https://www.rfc-editor.org/rfc/rfc7617#section-2: user-pass = user-id ":" password, in base64;
# https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1: both encoded as a form's values before that.
def _basic_client(fields: Fields) -> str | None:
    for value in fields.get(b"authorization", ()):
        scheme, _, credentials = value.strip().partition(b" ")
        if scheme.lower() == b"basic":
            try:
                decoded = base64.b64decode(credentials.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
            return unquote_plus(decoded.partition(":")[0]) or None
    return None


# https://www.rfc-editor.org/rfc/rfc7523#section-3: the subject is the client's id.
def _asserted_client(parameters: Parameters) -> str | None:
    assertion = parameters.first("client_assertion")
    if not assertion:
        return None
    try:
        decoded = read_json_web_token(assertion.encode())
    except TokenError:
        return None
    subject = None if decoded is None else decoded[1].get("sub")
    return subject if isinstance(subject, str) and subject else None
