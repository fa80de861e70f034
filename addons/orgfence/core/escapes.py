"""Percent escapes, undone at a cost that no client can raise: a run of them in one step. And bytes as text.

`urllib.parse.unquote_to_bytes` does the same, and takes a step for each `%`.
"""

import re

_RUN = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


# https://www.rfc-editor.org/rfc/rfc3986#section-2.1
#   pct-encoded = "%" HEXDIG HEXDIG
def unescaped(text: bytes) -> bytes:
    """Return a text with its escapes undone; a `%` that begins none stays."""
    return _RUN.sub(_bytes_of, text) if b"%" in text else text


def _bytes_of(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode())


def unescaped_text(text: str) -> str:
    """Return the same for a text; what is no UTF-8 is shown escaped."""
    return text_of(unescaped(text.encode("utf-8", "backslashreplace")))


def text_of(value: bytes) -> str:
    """Return bytes as text. A byte that is not valid UTF-8 becomes an escape such as `\\xf0`.

    It is shown so in values of any length: a secret is looked for in longer texts.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        # `backslashreplace` takes 250 ns to decode such a byte, and 14 to encode what stands for it: `\udcf0`.
        text = value.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()
        return text.replace("\\udc", "\\x")
