"""Why a client's TLS handshake with the proxy failed: which clients do not trust its CA, and what mends it.

Only the alerts say so for sure that a client sends when it has looked at the certificate. Some send none: Node.js and
Java's HttpClient hang up in the handshake, GnuTLS and .NET end it first and look then. One that goes away like that may
also have lost interest, and is told of as one that may not trust. A scanner or an old program fails before there is any
certificate.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import re
from enum import Enum, auto
from pathlib import Path

from mitmproxy.options import CONF_BASENAME

from orgfence.proxy.wire.client_hellos import UNREADABLE


class TlsFailure(Enum):
    """What became of a handshake."""

    #: The client has refused the certificate.
    DISTRUST = auto()
    #: There is no TLS version, or cipher, that both would speak.
    INCOMPATIBLE = auto()
    #: mitmproxy could not read the ClientHello.
    UNREADABLE = auto()
    #: It was no TLS, or broken.
    MALFORMED = auto()
    #: The client has closed the connection without a word, after it was sent the certificate.
    WENT_AWAY = auto()
    #: The same before that.
    WENT_EARLY = auto()


# The alerts about certificates (RFC 8446 section 6.2) by OpenSSL's names for them, which differ by version in what
# stands before. `unsupported certificate` and `revoked` are about a certificate that was understood, too.
_DISTRUST = re.compile(
    r"alert (?:bad certificate|certificate (?:unknown|expired|revoked)|unknown ca|unsupported certificate)"
)
_INCOMPATIBLE = re.compile(
    r"unsupported protocol|no shared cipher|version too low|alert protocol version|no protocols available"
    r"|no suitable (?:key share|signature algorithm)|inappropriate fallback|cannot agree on a TLS version"
)
_WENT_EARLY = re.compile(r"connection closed early")
_WENT_AWAY = re.compile(r"disconnected during the handshake|connection closed|unexpected eof", re.IGNORECASE)


def failure_of(error: str | None) -> TlsFailure:
    """Return what mitmproxy's words for a failed handshake mean."""
    error = error or ""
    if _DISTRUST.search(error):
        return TlsFailure.DISTRUST
    if _INCOMPATIBLE.search(error):
        return TlsFailure.INCOMPATIBLE
    if error.startswith(UNREADABLE):
        return TlsFailure.UNREADABLE
    if _WENT_EARLY.search(error):
        return TlsFailure.WENT_EARLY
    return TlsFailure.WENT_AWAY if _WENT_AWAY.search(error) else TlsFailure.MALFORMED


def trust_advice(confdir: str) -> str:
    """Return what makes a client trust the CA."""
    file = Path(confdir).expanduser() / f"{CONF_BASENAME}-ca-cert.pem"
    return (
        f"Have this client trust `{file}`: name it in SSL_CERT_FILE (curl, httpx, Go, Ruby), REQUESTS_CA_BUNDLE "
        "(requests), NODE_EXTRA_CA_CERTS (Node.js) or the system's or Java's trust store. If the client pins "
        "certificates, leave this host out of the policy."
    )
