"""An API's own form of an error: its SDKs read no other, and would show nothing of what stopped a request."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

#: What may stand, in braces, in the texts of an envelope.
PLACEHOLDERS = ("title", "detail", "reason", "status", "rule", "id", "advice")
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Said(NamedTuple):
    """What is said of a request that was stopped."""

    title: str
    #: What was found.
    detail: str
    #: The reason's slug.
    reason: str
    status: int
    #: The id of the rule that decided.
    rule: str
    #: That of the inspection.
    id: str
    #: What mends it, in sentences.
    advice: str


class ErrorEnvelope(NamedTuple):
    """The body of an answer that stops a request."""

    #: JSON with placeholders in its texts.
    body: Mapping[str, Any]
    content_type: str

    def filled(self, said: Said) -> bytes:
        """Return it with what is said in the place of the placeholders."""
        return json.dumps(_filled(self.body, said), indent=2).encode() + b"\n"


def _filled(node: object, said: Said) -> object:
    if isinstance(node, Mapping):
        return {str(key): _filled(value, said) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_filled(item, said) for item in node]
    if node == "{status}":
        return said.status
    # What is filled in is not looked through again: it may hold anything that the request held.
    return PLACEHOLDER.sub(lambda found: str(getattr(said, found[1])), node) if isinstance(node, str) else node
