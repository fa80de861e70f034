"""Scopes: what an issuer knows, what comes close to one that it cannot know, and which never come back."""

from collections.abc import Iterable
from difflib import get_close_matches

# https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims and section 11. They say what a client wants to be
# told of the user, not what a token is good for: issuers leave them out of the token's scopes and of their answer's.
OPENID_SCOPES = frozenset({"openid", "offline_access", "profile", "email", "address", "phone"})


class KnownScopes:
    """All scopes that an issuer knows."""

    __slots__ = ("_all", "_sorted")

    def __init__(self, scopes: Iterable[str]) -> None:
        """Take them; those of OpenID Connect are known to all."""
        self._all = frozenset(scopes) | OPENID_SCOPES
        self._sorted = sorted(self._all)

    def unknown(self, scopes: Iterable[str]) -> list[str]:
        """Return those of these that the issuer cannot know."""
        return [scope for scope in scopes if scope not in self._all]

    def nearest(self, scope: str) -> str | None:
        """Return the known scope that was probably meant; None where none comes near."""
        if not scope:
            return None
        # Of `organization:read`, `organization:readonly` is the first that begins alike.
        longer = [known for known in self._sorted if known.startswith(scope)]
        if longer:
            return min(longer, key=len)
        found = get_close_matches(scope, self._sorted, n=1, cutoff=0.75)
        if found:
            return found[0]
        domain = scope.partition(":")[0]
        return domain if domain in self._all else None


def scopes_of(text: str) -> tuple[str, ...]:
    """Return the scopes of a parameter's value, each once: https://www.rfc-editor.org/rfc/rfc6749#section-3.3."""
    return tuple(dict.fromkeys(scope for scope in text.split(" ") if scope))


def that_come_back(scopes: Iterable[str]) -> frozenset[str]:
    """Return those that an issuer names again in what it issues."""
    return frozenset(scope for scope in scopes if scope not in OPENID_SCOPES and not scope.endswith(_ALL_CONSENTED))


# https://learn.microsoft.com/entra/identity-platform/scopes-oidc#the-default-scope: `RESOURCE/.default` stands for all
# scopes of a resource that were consented to, and it is those that are issued.
_ALL_CONSENTED = "/.default"
