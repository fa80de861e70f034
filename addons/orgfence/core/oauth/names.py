"""The names of parameters and members, in every way in which servers and clients read them."""

import re

from orgfence.core.escapes import text_of, unescaped
from orgfence.core.names import decoded, flat, forms_of

# `%uXXXX`: what JavaScript's `escape` writes and ASP.NET still reads.
_UNICODE_ESCAPE = re.compile(rb"%u([0-9A-Fa-f]{4})")


def folded(name: str) -> str:
    """Return what all spellings of a name have in common that some reader takes for the same name.

    That is one of its forms (`core.names`): behind an index, `client_id[a]`, the first; of `client[id`, which is one
    name to PHP, the whole.
    """
    # To no issuer a hyphen is an underscore: `client-id` is another parameter.
    raw = name.encode("utf-8", "surrogatepass").replace(b"-", b"~")
    # Nearly all names are plain, and an answer may have thousands.
    if (form := flat(raw)).isascii():
        return form.decode()
    sent = decoded(raw).partition(b"\0")[0].lstrip(b" [")
    forms = forms_of(sent)
    return text_of(forms[0] if b"]" in sent else forms[-1])


def form_text(raw: bytes) -> str:
    """Decode one name or value of a form: percent escapes, and `+` for a space. What is no UTF-8 is shown escaped."""
    if b"%" in raw or b"+" in raw:
        raw = unescaped(raw.replace(b"+", b" "))
    return text_of(raw)


def with_unicode_escapes(raw: bytes) -> bytes:
    """Return one name or value of a form with what `%uXXXX` stands for in its place."""
    if b"%u" not in raw:
        return raw
    return _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "backslashreplace"), raw)
