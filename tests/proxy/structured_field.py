"""A strict parser for what `Orgfence` holds: an RFC 9651 item, which is a token with parameters."""

import re
from typing import NamedTuple

# https://www.rfc-editor.org/rfc/rfc9651#section-4.2
#   sf-token   = ( ALPHA / "*" ) *( tchar / ":" / "/" )
#   sf-string  = DQUOTE *chr DQUOTE, chr = unescaped / escaped
#   parameters = *( ";" *SP parameter ), param-key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*")
_KEY = re.compile(r"; *([a-z*][a-z0-9_.*-]*)")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_INTEGER = re.compile(r"-?[0-9]{1,15}(?![0-9.])")


class Item(NamedTuple):
    """A token and its parameters."""

    token: str
    parameters: dict[str, str | int | bool]


def parse_item(field: bytes) -> Item:
    """Return the item that is the whole of this field; anything else raises ValueError."""
    text = field.decode("ascii")
    token = _TOKEN.match(text)
    if token is None:
        raise ValueError(f"no token: {text}")
    parameters: dict[str, str | int | bool] = {}
    at = token.end()
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            raise ValueError(f"no parameter at {at}: {text}")
        if key[1] in parameters:
            raise ValueError(f"`{key[1]}` stands twice: {text}")
        parameters[key[1]], at = _bare_item(text, key.end())
    return Item(token[0], parameters)


def _bare_item(text: str, at: int) -> tuple[str | int | bool, int]:
    """Return a parameter's value and where it ends."""
    if text[at : at + 1] != "=":
        return True, at
    at += 1
    if string := _STRING.match(text, at):
        return re.sub(r"\\(.)", r"\1", string[1]), string.end()
    if integer := _INTEGER.match(text, at):
        return int(integer[0]), integer.end()
    if token := _TOKEN.match(text, at):
        return token[0], token.end()
    raise ValueError(f"no value at {at}: {text}")
