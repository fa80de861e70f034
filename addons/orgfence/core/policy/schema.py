"""The JSON Schema of a policy file, made of the models, by which editors complete keys and mark mistakes.

It knows the shape and not the meaning: what `orgfence check` says goes further. What has a default or stands for a
list of one is written out here, because that is decided by validators that no schema can show.
"""

from typing import Any

from orgfence.core.policy.model import PolicyFile
from orgfence.core.policy.scalars import TEXT_SCHEMA

_ID = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """Return the schema of one policy file."""
    schema = PolicyFile.model_json_schema(by_alias=True)
    sections = {name: _tidied(section) for name, section in sorted(schema.pop("$defs").items())}
    whole = _with_text_named({**_tidied(schema), "$defs": sections})
    whole["$defs"]["Text"] = {"description": "Text; or `{file: PATH}`, where a file holds it.", **TEXT_SCHEMA}
    return {"$schema": _ID, "title": "orgfence policy", **whole}


def _tidied(section: dict[str, Any]) -> dict[str, Any]:
    """Return a section without the keys that are not built yet, and without what pydantic says of Python."""
    properties = {
        key: _shape({name: value for name, value in field.items() if name not in {"title", "default"}})
        for key, field in section["properties"].items()
        if field.get("type") != "null"
    }
    return {name: section[name] for name in _KEPT if name in section} | {"properties": properties}


_KEPT = ("description", "type", "required", "oneOf", "additionalProperties")


def _with_text_named(schema: Any) -> Any:
    """Say once what a text is, and refer to it everywhere else."""
    if isinstance(schema, list):
        return [_with_text_named(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("anyOf") == TEXT_SCHEMA["anyOf"]:
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        return {"$ref": "#/$defs/Text", **rest}
    return {name: _with_text_named(value) for name, value in schema.items()}


def _shape(field: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema without `null`, which a policy never writes."""
    options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        rest = {name: value for name, value in field.items() if name != "anyOf"}
        return {**options[0], **rest}
    return {**field, "anyOf": options} if options else field
