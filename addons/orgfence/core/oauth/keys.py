"""Keys that the grant ledger finds things by: keyed hashes, from which nothing can be got back."""

import hashlib
import secrets

# 128 bits: without the secret nobody can even look for two tokens of the same key.
_DIGEST_SIZE = 16


class Keys:
    """Makes keys with a secret that lives and dies with the process."""

    __slots__ = ("_access", "_others")

    def __init__(self) -> None:
        """Draw the secret."""
        secret = secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)
        self._others = hashlib.blake2b(key=secret, digest_size=_DIGEST_SIZE)
        # Apart from the others, so that no access token can be written that has the key of something else.
        self._access = hashlib.blake2b(key=secret, digest_size=_DIGEST_SIZE, person=b"access token")

    def pushed(self, issuer: str, request_uri: str) -> bytes:
        """Return the key of a pushed authorize request."""
        return self._key("pushed", issuer, request_uri)

    def pending(self, issuer: str, redirect_uri: str | None, state: str) -> bytes:
        """Return the key of an authorize request that waits for its answer."""
        return self._key("pending", issuer, redirect_uri, state)

    def unseen(self, issuer: str, client: str | None) -> bytes:
        """Return the key of a client that has opened what was pushed unseen; None: any client."""
        return self._key("unseen", issuer, client)

    def grant(self, grant_type: str, issuer: str, client: str, grant: str) -> bytes:
        """Return the key of a code or a refresh token, which means nothing in the hands of another client."""
        return self._key("grant", grant_type, issuer, client, grant)

    def access(self, raw: bytes) -> bytes:
        """Return the key of an access token."""
        digest = self._access.copy()
        digest.update(raw)
        return digest.digest()

    def _key(self, *parts: str | None) -> bytes:
        digest = self._others.copy()
        # `repr` quotes, so that no two tuples are the same bytes.
        digest.update(repr(parts).encode())
        return digest.digest()
