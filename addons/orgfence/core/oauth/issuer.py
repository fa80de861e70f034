"""How an issuer's authorize and token endpoints are spoken with: what each of its clients has to ask for."""

from collections.abc import Mapping
from dataclasses import dataclass

from orgfence.core.oauth.scopes import KnownScopes
from orgfence.core.orgs import OrgNames, salesforce_id


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OAuthIssuer:
    """The compiled `oauth` of one issuer."""

    #: The issuer's, as the policy names it.
    name: str
    #: The parameters of an authorize request any of which names the org (`org_id`, `target`, `organization`), the one
    #: to be used first. Empty: the issuer takes none, so that none is missed.
    org_parameters: tuple[str, ...] = ()
    #: What an authorize request must carry beside it, by parameter: `{multi_org: "true"}`.
    flags: Mapping[str, str]
    #: Whether it strips the scopes that a refresh does not repeat.
    refresh_needs_scope: bool = False
    #: Of clients that are for one org alone, that org, normalised, by client id.
    clients: Mapping[str, bytes]
    #: All scopes that it knows; None: nobody has said.
    scopes: KnownScopes | None = None
    #: The orgs that the policy names, by their ids, normalised: what an org parameter may say. Empty: any.
    known_orgs: Mapping[bytes, str]
    #: Whether its org ids are Salesforce's, whose 15- and 18-character forms are one.
    salesforce_ids: bool = False
    #: Whether a token response may be blocked, which burns the code or the refresh token that bought it.
    block_responses: bool = False

    def org_id(self, value: bytes, orgs: OrgNames) -> bytes:
        """Return the org that a value stands for, in the form in which it is compared with this issuer's tokens."""
        org = orgs.normalise(value)
        return salesforce_id(org) if self.salesforce_ids else org


# What issuers call the parameter that names the org: Genesys Cloud `target`, Auth0 `organization`, Kinde `org_code`,
# WorkOS and Logto `organization_id`, Descope `tenant`. An issuer ignores another one's name for it without a word.
ORG_PARAMETERS = (
    "org_id",
    "organization_id",
    "organization",
    "org_code",
    "org",
    "orgId",
    "target",
    "tenant",
    "tenant_id",
)
