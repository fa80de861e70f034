"""The record of a read credential."""

import pytest

from orgfence.core.reason import Reason
from orgfence.core.tokens.token import Coverage, OrgClaim, Token, TokenError, TokenKind

MEMBER = OrgClaim(frozenset({b"acme", b"globex"}), None)
ACTIVE = OrgClaim(frozenset({b"acme"}), None)
MISSING = OrgClaim(frozenset(), Reason.ORG_CLAIM_MISSING)
EMPTY = OrgClaim(frozenset(), Reason.ORG_CLAIM_EMPTY)
MALFORMED = OrgClaim(frozenset(), Reason.ORG_CLAIM_MALFORMED)


@pytest.mark.parametrize(
    ("coverage", "active", "held_against"),
    [
        (Coverage.ACTIVE, ACTIVE, ACTIVE),
        (Coverage.ACTIVE, MISSING, MISSING),
        (Coverage.MEMBER, ACTIVE, MEMBER),
        (Coverage.MEMBER, MALFORMED, MEMBER),
        (None, ACTIVE, ACTIVE),
        (None, MISSING, MEMBER),
        (None, EMPTY, EMPTY),
        (None, MALFORMED, MALFORMED),
    ],
)
def test_the_active_org_counts_where_the_token_has_one(
    coverage: Coverage | None, active: OrgClaim, held_against: OrgClaim
) -> None:
    """Unless the rule says otherwise; one that names no usable org is no reason to fall back on the others."""
    token = Token(
        kind=TokenKind.JWT,
        issuer="corp",
        subject=None,
        active=active,
        member=MEMBER,
        scopes=frozenset(),
        expires=None,
        not_before=None,
        verified=False,
        salesforce_ids=False,
    )
    assert token.claim_for(coverage) is held_against


def test_an_error_says_its_reason() -> None:
    """And nothing else, so that it may be logged."""
    error = TokenError(Reason.TOKEN_OPAQUE)
    assert error.reason is Reason.TOKEN_OPAQUE
    assert str(error) == "token_opaque"
