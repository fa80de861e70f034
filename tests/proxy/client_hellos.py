"""ClientHellos as no TLS library sends them: with any extensions that one likes, in any pieces."""

import ssl
import struct
from contextlib import suppress

#: What a browser sends to everybody (GREASE), and what one sends that hides its host: the same to those who look on.
ENCRYPTED_CLIENT_HELLO = (0xFE0D, b"\x00\x00\x01\x00\x01\x2a\x00\x20" + b"\x07" * 32 + b"\x00\x10" + b"\x09" * 16)

type Extension = tuple[int, bytes]


def server_name(*names: bytes, kind: int = 0) -> Extension:
    """Return the extension that names these hosts; one is all that a server has to understand."""
    entries = b"".join(struct.pack("!BH", kind, len(name)) + name for name in names)
    return 0, struct.pack("!H", len(entries)) + entries


def client_hello(*extensions: Extension, record: int = 1 << 14) -> bytes:
    """Return a ClientHello of OpenSSL's with these extensions before its own, in records of so many bytes."""
    message = _openssls()
    # https://www.rfc-editor.org/rfc/rfc8446#section-4.1.2
    at = 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2])
    at += 1 + message[at]
    own = message[at + 2 :]
    all_extensions = b"".join(struct.pack("!HH", kind, len(body)) + body for kind, body in extensions) + own
    body = message[4:at] + struct.pack("!H", len(all_extensions)) + all_extensions
    message = b"\x01" + len(body).to_bytes(3) + body
    pieces = [message[start : start + record] for start in range(0, len(message), record)]
    return b"".join(struct.pack("!BHH", 0x16, 0x0301, len(piece)) + piece for piece in pieces)


def random_of(hello: bytes) -> bytes:
    """Return what no other ClientHello has in it."""
    return hello[5 + 4 + 2 :][:32]


def _openssls() -> bytes:
    """Return a handshake message without SNI."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    written = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), written).do_handshake()
    return written.read()[5:]
