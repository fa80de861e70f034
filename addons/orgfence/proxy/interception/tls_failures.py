"""Why a client's TLS handshake with the proxy failed: which clients do not trust its CA, and what mends it.

Only the alerts say so that a client sends when it has looked at the certificate. One that merely goes away may have
lost interest, and a scanner or an old program fails before there is any certificate.
"""

import re
from enum import Enum, auto
from pathlib import Path

from mitmproxy.options import CONF_BASENAME


class TlsFailure(Enum):
    """What became of a handshake."""

    #: The client has refused the certificate.
    DISTRUST = auto()
    #: There is no TLS version, or cipher, that both would speak.
    INCOMPATIBLE = auto()
    #: It was no TLS, or broken.
    MALFORMED = auto()
    #: The client has closed the connection without a word.
    WENT_AWAY = auto()


# The alerts about certificates (RFC 8446 section 6.2) by OpenSSL's names for them, which differ by version in what
# stands before. `unsupported certificate` and `revoked` are about a certificate that was understood, too.
_DISTRUST = re.compile(
    r"alert (?:bad certificate|certificate (?:unknown|expired|revoked)|unknown ca|unsupported certificate)"
)
_INCOMPATIBLE = re.compile(
    r"unsupported protocol|no shared cipher|version too low|alert protocol version|no protocols available"
    r"|no suitable (?:key share|signature algorithm)|inappropriate fallback|cannot agree on a TLS version"
)
_WENT_AWAY = re.compile(r"connection closed|unexpected eof", re.IGNORECASE)


def failure_of(error: str | None) -> TlsFailure:
    """Return what mitmproxy's words for a failed handshake mean."""
    error = error or ""
    if _DISTRUST.search(error):
        return TlsFailure.DISTRUST
    if _INCOMPATIBLE.search(error):
        return TlsFailure.INCOMPATIBLE
    return TlsFailure.WENT_AWAY if _WENT_AWAY.search(error) else TlsFailure.MALFORMED


def trust_advice(confdir: str) -> str:
    """Return what makes a client trust the CA."""
    file = Path(confdir).expanduser() / f"{CONF_BASENAME}-ca-cert.pem"
    return (
        f"Have this client trust `{file}`: name it in SSL_CERT_FILE (curl, httpx, Go, Ruby), REQUESTS_CA_BUNDLE "
        "(requests), NODE_EXTRA_CA_CERTS (Node.js) or the system's or Java's trust store. If the client pins "
        "certificates, leave this host out of the policy."
    )
