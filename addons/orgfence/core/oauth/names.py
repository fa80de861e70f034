"""The names of parameters and members, in every way in which servers and clients read them."""

import re
from urllib.parse import unquote_to_bytes

# `%uXXXX`: what JavaScript's `escape` writes and ASP.NET still reads.
_UNICODE_ESCAPE = re.compile(rb"%u([0-9A-Fa-f]{4})")
_BRACKET = re.compile(r"[\[\]]")
_DROPPED = dict.fromkeys(map(ord, " \t\r\n\v\f._["))


def folded(name: str) -> str:
    """Return what all spellings of a name have in common that some reader takes for the same name.

    Letter case (ASP.NET, Go); `clientId` (protobuf); `client.id`, `client id`, `client[id` (PHP); `client_id[]`,
    `client_id[0]`, `client_id[a]` (PHP, Rack, Express); the name cut at a NUL (PHP).
    """
    name = name.partition("\0")[0].lstrip(" [")
    if "]" in name:
        name = _BRACKET.split(name, maxsplit=1)[0]
    name = name.casefold().translate(_DROPPED)
    # To readers that compare by upper case, the Turkish i with and without a dot is an i.
    return name if name.isascii() else name.replace("i\u0307", "i").replace("\u0131", "i")


def form_text(raw: bytes) -> str:
    """Decode one name or value of a form: percent escapes, and `+` for a space. What is no UTF-8 is shown escaped."""
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    return raw.decode("utf-8", "backslashreplace")


def with_unicode_escapes(raw: bytes) -> bytes:
    """Return one name or value of a form with what `%uXXXX` stands for in its place."""
    if b"%u" not in raw:
        return raw
    return _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "backslashreplace"), raw)
