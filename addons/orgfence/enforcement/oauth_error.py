"""The error of a token endpoint, as OAuth clients read it."""

from orgfence.core.catalogue import Explanation
from orgfence.core.reason import Reason


def oauth_error_document(reason: Reason, told: Explanation) -> dict[str, object]:
    """Return the members of https://www.rfc-editor.org/rfc/rfc6749#section-5.2."""
    return {"error": _OAUTH_ERRORS.get(reason, "invalid_request"), "error_description": _described(told)}


_OAUTH_ERRORS = {
    Reason.GRANT_LACKS_ORG: "invalid_grant",
    Reason.ISSUED_ORG_MISSING: "invalid_grant",
    Reason.ISSUED_LIFETIME_WRONG: "invalid_grant",
    Reason.ORG_CLAIM_EMPTY: "invalid_grant",
    Reason.REFRESH_SCOPE_MISSING: "invalid_scope",
    Reason.ISSUED_SCOPE_REDUCED: "invalid_scope",
    Reason.SCOPE_FORM: "invalid_scope",
}


def _described(told: Explanation) -> str:
    """Return what was found and what to do first, in the characters that section 5.2 has: no quotes, no backslash."""
    text = " ".join((told.detail, *told.advice[:1]))
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "?" for character in text)
