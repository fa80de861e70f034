"""The kinds of single values that a policy holds, and what is wrong with a value that is not of its kind.

Each is a pydantic field type that hands on the `Scalar` itself, so that later checks know where it stands.
"""

import re
from typing import Annotated, NoReturn

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from orgfence.core.policy.strict_yaml import Mapping, Scalar
from orgfence.core.policy.wording import listed, shown

#: The type of a pydantic error that is worded for the policy's author already.
FAULT = "fault"
#: The type of a pydantic error for a key that the language has and this version does not.
NOT_YET = "not_yet"
#: What to say of a key with nothing behind it.
NOTHING = "no value. Write one, or remove the key"

# No id, host, path or name comes near it; a value this long is something pasted in the wrong place.
_MAX_TEXT = 1000

# What some YAML reader takes for something other than text, so that it may not mean what it looks like.
# https://yaml.org/type/ (YAML 1.1) and https://yaml.org/spec/1.2.2/#1032-tag-resolution
_NOT_TEXT = re.compile(
    r"""
    ~ | null | true | false | yes | no | on | off | y | n       # nothing, or a boolean
    | = | <<
    | [-+]? ( 0[0-9_]+ | 0o[0-7]+ | 0x[0-9a-f_]+ | 0b[01_]+ )   # in eights, sixteens, twos
    | [-+]? [0-9]+ _ [0-9_]*                                    # 1_000
    | \+ [0-9]+
    | [-+]? [0-9][0-9_]* ( : [0-5]?[0-9] )+ ( \. [0-9_]* )?     # 12:30:45 counts in sixties
    | [-+]? ( \. [0-9_]+ | [0-9][0-9_]* \. [0-9_]* | [0-9]+ (?=e) ) ( e [-+]? [0-9]+ )?
    | [-+]? \.inf | \.nan
    | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} ( ([Tt]|[ \t]+) [0-9:. \tZz+-]* )?
    """,
    re.VERBOSE | re.IGNORECASE,
)


def fault(message: str) -> PydanticCustomError:
    """Return the error that says this to the policy's author."""
    return PydanticCustomError(FAULT, "{message}", {"message": message})


def scalar(node: object) -> Scalar:
    """Return a single value that is there, quoted or not."""
    if not isinstance(node, Scalar):
        _refuse_collection(node)
    if not node:
        raise fault(NOTHING)
    if "${" in node:
        raise fault("`${…}` is not supported yet. Write the value itself")
    if len(node) > _MAX_TEXT:
        raise fault(f"{len(node)} characters, more than the {_MAX_TEXT} of any value here. Write a shorter one")
    if not node.isprintable():
        raise fault("a line break, tab or another character that does not print. Write the value without it")
    return node


def text(node: object) -> Scalar:
    """Return a single value that every YAML reader takes for the text that it looks like."""
    value = scalar(node)
    if not value.quoted and _NOT_TEXT.fullmatch(value):
        raise fault(f'{shown(value)} is not text unless it is quoted. Quote it: `"{value}"`')
    return value


def number(node: object) -> int:
    """Return a whole number written in digits alone."""
    value = scalar(node)
    if value.quoted:
        raise fault(f"{shown(value)} in quotes is text. Write the number without quotes")
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", value):
        raise fault(f"{shown(value)} is no whole number. Write it in digits")
    return int(value)


def one_of(what: str, *words: str) -> PlainValidator:
    """Return a check that a value is one of these words."""

    def check(node: object) -> Scalar:
        value = scalar(node)
        if value not in words:
            raise fault(f"unknown {what} {shown(value)}. Use {listed(words)}")
        return value

    return PlainValidator(check)


def _not_yet(_: object) -> NoReturn:
    raise PydanticCustomError(NOT_YET, "not supported yet")


def _refuse_collection(node: object) -> NoReturn:
    if not isinstance(node, Mapping):
        raise fault("a list, where one value belongs. Write that value alone")
    if list(node) == ["file"]:
        raise fault("`{file: …}` is not supported yet. Write the value itself")
    raise fault("keys and values, where text belongs. Quote it if `{` is part of the text")


Text = Annotated[Scalar, PlainValidator(text)]
#: A key that the language has and this version does not: a fault of its own, never accepted and ignored.
NotYet = Annotated[None, BeforeValidator(_not_yet)]
