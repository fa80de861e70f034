"""Why an issuer may have refused a token request: issuers say `invalid_grant`, whatever it was."""

from orgfence.core.oauth.exchange import Exchange, TokenRequest
from orgfence.core.oauth.judge_token_request import wanted_orgs
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.words import code, listed
from orgfence.core.orgs import OrgNames


def explain_refusal(exchange: Exchange, error: str, orgs: OrgNames) -> str:
    """Return a few sentences on a refused request. `error`: the issuer's code (RFC 6749 section 5.2), if it has one."""
    assert isinstance(exchange.request, TokenRequest)
    said = f"The issuer has refused with {code(error)}." if error else "The issuer has refused."
    found = [fault.detail for fault in exchange.faults]
    steps = [step for fault in exchange.faults for step in fault.advice[:1]]
    if not found:
        wanted = wanted_orgs(exchange.request, exchange.grant, exchange.issuer)
        if wanted:
            found.append(f"The request is for {listed([orgs.shown(org) for org in wanted])}.")
        if exchange.grant is not None:
            found.append(lineage(exchange.grant, exchange.issuer, orgs))
        elif exchange.request.grant is not None:
            found.append("Where the code or refresh token comes from was not seen here.")
    return " ".join([said, *found, *steps])
