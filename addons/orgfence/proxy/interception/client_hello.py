"""What a TLS ClientHello tells of the host that it is for, and how far that can be believed.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from mitmproxy.tls import ClientHello

# https://www.iana.org/assignments/tls-extensiontype-values
_SERVER_NAME = 0
_ENCRYPTED_CLIENT_HELLO = 0xFE0D


def names_of(hello: ClientHello) -> list[bytes]:
    """Return every host that the ClientHello names, also where mitmproxy takes the SNI for malformed.

    It then reads none. A server that is less strict would go by one of these.
    """
    found = [name for kind, body in hello.extensions if kind == _SERVER_NAME for name in _server_names(body)]
    return list(dict.fromkeys(found))


def hides_its_host(hello: ClientHello) -> bool:
    """Return whether the SNI may not be the real one, since another can stand in an encrypted ClientHello.

    Browsers send the extension with nothing in it, too (GREASE), so that nobody can tell.
    """
    return any(kind == _ENCRYPTED_CLIENT_HELLO for kind, _ in hello.extensions)


# https://www.rfc-editor.org/rfc/rfc6066#section-3
#   struct { NameType name_type; opaque HostName<1..2^16-1>; } ServerName;
#   struct { ServerName server_name_list<1..2^16-1> } ServerNameList;
def _server_names(body: object) -> list[bytes]:
    if not isinstance(body, bytes):
        return []
    found: list[bytes] = []
    place = 2
    while place + 3 <= len(body):
        end = place + 3 + int.from_bytes(body[place + 1 : place + 3])
        found.append(body[place + 3 : end])
        place = end
    return [name for name in found if name]
