"""From the bytes of a credential to a token: which issuer it belongs to, and what that one's tokens say.

Whatever the bytes are, the answer is a token or a reason, and the same bytes are read once.
"""

from collections.abc import Iterable
from typing import Any

from orgfence.core.orgs import OrgNames, salesforce_id
from orgfence.core.reason import Reason
from orgfence.core.rule import Issuer
from orgfence.core.tokens.cache import TokenCache
from orgfence.core.tokens.claims import Documents, active_claim, encoded, granted_scopes, member_claim, traits_of
from orgfence.core.tokens.json_web_token import JsonWebToken, read_json_web_token
from orgfence.core.tokens.selectors import Source
from orgfence.core.tokens.token import Token, TokenError, TokenKind, Trait

# https://openid.net/specs/openid-connect-core-1_0.html#IDToken: `sub` is at most 255 characters.
_MAX_IDENTIFIER = 255


class TokenReader:
    """Reads the tokens of a policy's issuers."""

    __slots__ = ("_by_iss", "_by_template", "_generation", "_issuers", "_orgs", "_traits", "_without_iss")

    def __init__(
        self, issuers: Iterable[Issuer], orgs: OrgNames, generation: str, traits: Iterable[Trait] = ()
    ) -> None:
        """Take the issuers and org names of one generation of the policy, and the traits that its rules ask for."""
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._by_iss = {iss: issuer for issuer in self._issuers.values() for iss in issuer.iss}
        self._by_template = [
            (template, issuer) for issuer in self._issuers.values() for template in issuer.iss_templates
        ]
        without_iss = [issuer for issuer in self._issuers.values() if not (issuer.iss or issuer.iss_templates)]
        #: The one that reads what no other claims. Where there are several, the rule has to name one.
        self._without_iss = without_iss[0] if len(without_iss) == 1 else None
        self._orgs = orgs
        self._generation = generation
        wanted: dict[tuple[str, ...], set[bytes]] = {}
        for pointer, value in traits:
            wanted.setdefault(pointer, set()).add(value)
        self._traits = {pointer: frozenset(values) for pointer, values in wanted.items()}

    def read(self, raw: bytes, issuer: str | None, cache: TokenCache) -> Token | Reason:
        """Return what a credential says, or why it cannot be read. `issuer` is whom the rule names."""
        key = cache.key(raw, self._generation, issuer)
        known = cache.get(key)
        if known is None:
            known = cache.keep(key, self._read(raw, issuer))
        return known

    def _read(self, raw: bytes, issuer: str | None) -> Token | Reason:
        try:
            decoded = read_json_web_token(raw)
            if decoded is None:
                return self._opaque_token(raw, issuer)
            return self._jwt_token(decoded, issuer)
        except TokenError as error:
            return error.reason

    def _jwt_token(self, decoded: JsonWebToken, named: str | None) -> Token:
        """Read a JWT as its issuer's tokens are read."""
        header, claims = decoded
        issuer = self._issuer_of(claims, named)
        if issuer is None:
            raise TokenError(Reason.ISSUER_UNTRUSTED)
        return self._token(TokenKind.JWT, issuer, claims, {Source.CLAIM: claims, Source.JOSE: header})

    def _issuer_of(self, claims: dict[str, Any], named: str | None) -> Issuer | None:
        """Return the issuer whose `iss` a JWT carries, else one without; None if the rule names another."""
        claimant = None
        if "iss" in claims:
            iss = claims["iss"]
            if not isinstance(iss, str):
                return None
            claimant = self._claimant(iss)
        if named is None:
            return claimant or self._without_iss
        issuer = self._issuers.get(named)
        if claimant is None and issuer is not None and not (issuer.iss or issuer.iss_templates):
            return issuer
        return claimant if issuer is claimant else None

    def _claimant(self, iss: str) -> Issuer | None:
        """Return the issuer whose `iss` this is: the policy sees to it that there is one at most."""
        issuer = self._by_iss.get(iss)
        if issuer is None:
            matching = (issuer for template, issuer in self._by_template if template.match(iss) is not None)
            issuer = next(matching, None)
        return issuer

    def _opaque_token(self, raw: bytes, named: str | None) -> Token:
        """Read a credential that is no JWT by its own text, in which few issuers name the org."""
        issuer = self._without_iss if named is None else self._issuers.get(named)
        text = _text(raw)
        if issuer is None or text is None:
            raise TokenError(Reason.TOKEN_OPAQUE)
        token = self._token(TokenKind.OPAQUE, issuer, {}, {Source.OPAQUE: text})
        if token.active.fault is token.member.fault is Reason.ORG_CLAIM_MISSING:
            raise TokenError(Reason.TOKEN_OPAQUE)
        return token

    def _token(self, kind: TokenKind, issuer: Issuer, claims: dict[str, Any], documents: Documents) -> Token:
        """Read the registered claims, and what the issuer's selectors find."""
        normalise = self._normalise_salesforce if issuer.salesforce_ids else self._orgs.normalise
        starts = [float(claims[name]) for name in ("nbf", "iat") if name in claims]
        return Token(
            kind=kind,
            issuer=issuer.name,
            subject=_identifier(claims, "sub"),
            active=active_claim(issuer.active, documents, normalise),
            member=member_claim(issuer.member, documents, normalise),
            scopes=granted_scopes(issuer.scopes, documents),
            expires=float(claims["exp"]) + issuer.leeway if "exp" in claims else None,
            not_before=max(starts) - issuer.leeway if starts else None,
            verified=False,
            salesforce_ids=issuer.salesforce_ids,
            traits=traits_of(claims, self._traits) if self._traits else frozenset(),
            client=_identifier(claims, "client_id") or _identifier(claims, "azp"),
        )

    def _normalise_salesforce(self, value: bytes) -> bytes:
        return salesforce_id(self._orgs.normalise(value))


def _identifier(claims: dict[str, Any], name: str) -> str | None:
    """Return whom a token was issued to, if that can be encoded and is no longer than it may be."""
    identifier = claims.get(name)
    if isinstance(identifier, str) and len(identifier) <= _MAX_IDENTIFIER and encoded(identifier) is not None:
        return identifier
    return None


def _text(raw: bytes) -> str | None:
    """Return an opaque credential as text, None if it is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
