"""The kinds of single values that a policy holds, and what is wrong with a value that is not of its kind.

Each is a pydantic field type that hands on the `Scalar` itself, so that later checks know where it stands.
"""

import json
import re
from typing import Annotated, Any, NoReturn, cast

from pydantic import BeforeValidator, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import with_info_plain_validator_function

from orgfence.core.policy.outside import OutsideValues
from orgfence.core.policy.strict_yaml import Mapping, Node, Scalar, Sequence
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


def scalar(node: object, info: ValidationInfo) -> Scalar:
    """Return a single value that is there, quoted or not, or what it stands for."""
    outside = cast("OutsideValues", info.context)
    try:
        if isinstance(node, Mapping) and list(node) == ["file"] and isinstance(path := node["file"], Scalar):
            node = outside.read(path)
        # What is too long is refused below, and not searched.
        elif isinstance(node, Scalar) and len(node) <= _MAX_TEXT and "${" in node:
            node = outside.substitute(node)
    except ValueError as error:
        raise fault(str(error)) from None
    return _sound(node)


def _sound(node: object) -> Scalar:
    if not isinstance(node, Scalar):
        _refuse_collection(node)
    if not node:
        raise fault(f"{shown(node)} holds nothing. Put the value into it" if node.stands_for else NOTHING)
    if len(node) > _MAX_TEXT:
        raise fault(f"{len(node)} characters, more than the {_MAX_TEXT} of any value here. Write a shorter one")
    if not node.isprintable():
        raise fault("a line break, tab or another character that does not print. Write the value without it")
    return node


def text(node: object, info: ValidationInfo) -> Scalar:
    """Return a single value that every YAML reader takes for the text that it looks like."""
    return _as_text(scalar(node, info))


def name(node: object) -> Scalar:
    """Return a key: text, as it stands in the policy."""
    if isinstance(node, Scalar) and "${" in node:
        raise fault(f"{shown(node)} stands for a value, not for a name. Write the name itself")
    return _as_text(_sound(node))


def _as_text(value: Scalar) -> Scalar:
    if not value.quoted and not value.stands_for and _NOT_TEXT.fullmatch(value):
        raise fault(f'{shown(value)} is not text unless it is quoted. Quote it: `"{value}"`')
    return value


def number(node: object, info: ValidationInfo) -> int:
    """Return a whole number written in digits alone."""
    value = scalar(node, info)
    if value.quoted and not value.stands_for:
        raise fault(f"{shown(value)} in quotes is text. Write the number without quotes")
    if not re.fullmatch(r"0|[1-9][0-9]{0,8}", value):
        raise fault(f"{shown(value)} is no whole number. Write it in digits")
    return int(value)


def flag(node: object, info: ValidationInfo) -> bool:
    """Return `true` or `false`."""
    value = scalar(node, info)
    if value not in {"true", "false"}:
        raise fault(f"{shown(value)} is neither `true` nor `false`. Write one of them")
    if value.quoted and not value.stands_for:
        raise fault(f"{shown(value)} in quotes is text. Write it without quotes")
    return value == "true"


type JsonSchema = dict[str, Any]


def _or_variable(schema: JsonSchema) -> JsonSchema:
    """Let a value that is no plain text come from the environment, too."""
    return {"anyOf": [schema, {"type": "string", "pattern": r"^\$\{.*\}$"}]}


class OneOf:
    """The kind of a value that is one of some words, as metadata of its type."""

    def __init__(self, what: str, *words: str) -> None:
        """Take what messages call it, and the words."""
        self._what, self._words = what, words

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return with_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> JsonSchema:
        return _or_variable({"enum": list(self._words)})

    def _check(self, node: object, info: ValidationInfo) -> Scalar:
        value = scalar(node, info)
        if value not in self._words:
            raise fault(f"unknown {self._what} {shown(value)}. Use {listed(self._words)}")
        return value


class Measure:
    """The kind of a number with its unit, read in the unit that counts 1: `2m` is 120.0."""

    def __init__(self, what: str, units: dict[str, float], examples: str) -> None:
        """Take what messages call it, what one of each unit counts, and examples."""
        self._what, self._units, self._examples = what, units, examples
        self._pattern = re.compile(rf"([0-9]{{1,6}})({'|'.join(units)})")

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return with_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> JsonSchema:
        return _or_variable({"type": "string", "pattern": f"^{self._pattern.pattern}$"})

    def _check(self, node: object, info: ValidationInfo) -> float:
        value = scalar(node, info)
        found = self._pattern.fullmatch(value)
        if found is None:
            raise fault(f"{shown(value)} is no {self._what}. Write one such as {self._examples}")
        return int(found[1]) * self._units[found[2]]


def json_value(node: Node, info: ValidationInfo) -> object:
    """Return a node as the JSON that it reads like: `42`, `1.5`, `true`, `false` and `null` unquoted are themselves."""
    return _plain(json_tree(node, info))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Scalar) else value


def json_tree(node: Node, info: ValidationInfo) -> object:
    """Return the same, with texts that know where they stand."""
    if isinstance(node, Mapping):
        return {key: json_tree(value, info) for key, value in node.items()}
    if isinstance(node, Sequence):
        return [json_tree(item, info) for item in node]
    if "${" in node:
        return scalar(node, info)
    if node.quoted:
        return node
    if node in _JSON_WORDS:
        return _JSON_WORDS[node]
    # https://www.rfc-editor.org/rfc/rfc8259#section-6, without exponents, and shorter than what Python refuses to read
    if len(node) <= _MAX_NUMBER and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", node):
        return json.loads(node)
    return _as_text(_sound(node))


_JSON_WORDS = {"true": True, "false": False, "null": None}
_MAX_NUMBER = 100


def _not_yet(_: object) -> NoReturn:
    raise PydanticCustomError(NOT_YET, "not supported yet")


def _refuse_collection(node: object) -> NoReturn:
    if not isinstance(node, Mapping):
        raise fault("a list, where one value belongs. Write that value alone")
    raise fault("keys and values, where text belongs. Quote it if `{` is part of the text")


#: How a text is written: a plain `42` equals "42", and a file may hold it.
TEXT_SCHEMA: JsonSchema = {
    "anyOf": [
        {"type": ["string", "integer"]},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}

Text = Annotated[Scalar, PlainValidator(text), WithJsonSchema(TEXT_SCHEMA)]
#: A key that the policy's author chooses.
Name = Annotated[Scalar, PlainValidator(name), WithJsonSchema({"type": "string"})]
Flag = Annotated[bool, PlainValidator(flag), WithJsonSchema(_or_variable({"type": "boolean"}))]


def _port(node: object, info: ValidationInfo) -> int:
    port = number(node, info)
    if not 1 <= port <= 65_535:
        raise fault(f"{shown(str(port))} is no port. Use one from `1` to `65535`")
    return port


Port = Annotated[
    int,
    PlainValidator(_port),
    WithJsonSchema(_or_variable({"type": "integer", "minimum": 1, "maximum": 65_535})),
]
Duration = Annotated[
    float, Measure("duration", {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}, "`500ms`, `30s`, `2m` or `1h`")
]
Size = Annotated[float, Measure("size", {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}, "`64KiB` or `1MiB`")]
#: What is done with what a rule, or an issuer, finds.
Enforcing = Annotated[Scalar, OneOf("enforcement", "block", "annotate", "observe")]
#: A key that the language has and this version does not: a fault of its own, never accepted and ignored.
NotYet = Annotated[None, BeforeValidator(_not_yet)]
