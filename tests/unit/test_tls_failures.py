"""What mitmproxy's words for a failed handshake mean: those that it has for each, and OpenSSL's in them."""

from pathlib import Path

import pytest

from orgfence.proxy.interception.tls_failures import TlsFailure, failure_of, trust_advice

_DISTRUST = "The client does not trust the proxy's certificate for api.test ({})"
_PERHAPS = "The client may not trust the proxy's certificate for api.test ({})"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (_DISTRUST.format("tlsv1 alert unknown ca"), TlsFailure.DISTRUST),
        (_DISTRUST.format("sslv3 alert bad certificate"), TlsFailure.DISTRUST),
        (_DISTRUST.format("ssl/tls alert bad certificate"), TlsFailure.DISTRUST),
        (
            _DISTRUST.format("OpenSSL Error([('SSL routines', '', 'ssl/tls alert certificate unknown')])"),
            TlsFailure.DISTRUST,
        ),
        (
            _PERHAPS.format("OpenSSL Error([('SSL routines', '', 'sslv3 alert certificate expired')])"),
            TlsFailure.DISTRUST,
        ),
        (
            _PERHAPS.format("OpenSSL Error([('SSL routines', '', 'sslv3 alert unsupported certificate')])"),
            TlsFailure.DISTRUST,
        ),
        ("Client and mitmproxy cannot agree on a TLS version to use. You may …", TlsFailure.INCOMPATIBLE),
        (_PERHAPS.format("OpenSSL Error([('SSL routines', '', 'no shared cipher')])"), TlsFailure.INCOMPATIBLE),
        (
            "The client disconnected during the handshake. If this happens consistently for api.test, this may …",
            TlsFailure.WENT_AWAY,
        ),
        (
            _PERHAPS.format("OpenSSL Error([('SSL routines', '', 'unexpected eof while reading')])"),
            TlsFailure.WENT_AWAY,
        ),
        ("connection closed early", TlsFailure.WENT_EARLY),
        ("Cannot parse ClientHello: 160301", TlsFailure.UNREADABLE),
        (_PERHAPS.format("OpenSSL Error([('SSL routines', '', 'decryption failed')])"), TlsFailure.MALFORMED),
        ("", TlsFailure.MALFORMED),
        (None, TlsFailure.MALFORMED),
    ],
)
def test_what_a_failure_means(error: str | None, failure: TlsFailure) -> None:
    """Only a client that has looked at the certificate distrusts it."""
    assert failure_of(error) is failure


def test_the_advice_names_the_file() -> None:
    """As a path that stands for itself, for every kind of client."""
    advice = trust_advice("~/ca")
    assert f"`{Path.home()}/ca/mitmproxy-ca-cert.pem`" in advice
    for fix in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "Java"):
        assert fix in advice
