"""Selectors: where a token says what it says. The policy writes them, the token reader runs them.

Issuers agree on no claim, so selectors cover what they are known to do: a name with dots, slashes or colons
in it, a string, a list, a map whose keys are the orgs, a value deep inside, a part of a longer string, the
JOSE header, the text of an opaque token. What the values then mean is the business of `claims`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from orgfence.core.routing.templates import TextTemplate

#: The pointer step that stands for every value of a map or item of a list.
EVERY = "*"
#: The capture that is the org, in a selector's template.
ORG = "org"


class Source(StrEnum):
    """The part of a credential that a selector reads."""

    CLAIM = "claim"
    #: The JOSE header of a JWT.
    JOSE = "jose"
    #: The text of an opaque credential.
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Selector:
    """One place where a token may name its orgs or its scopes."""

    source: Source
    #: The steps from the top of the claims or of the JOSE header; empty where the source is the text itself.
    pointer: tuple[str, ...] = ()
    #: The separator, where one string holds several values.
    split: str | None = None
    #: What a string has to look like; its capture `org` is the value.
    template: TextTemplate | None = None

    def __post_init__(self) -> None:
        """Refuse a selector that cannot work. `ValueError` says what is wrong with it."""
        if self.split == "":
            raise ValueError("an empty `split` separates nothing. Leave it out, or name the separator")
        if self.template is not None and ORG not in self.template.names:
            raise ValueError(f"`{self.template.text}` does not say where the org is. Put `{{{ORG}}}` there")
        # Orgs are shown and logged, secrets never.
        if self.source is Source.OPAQUE and (self.template is None or self.template.match("x") is not None):
            raise ValueError("an opaque token as a whole is no org. Set the org apart, as in `{org}!**`")

    @classmethod
    def claim(cls, text: str, *, split: str | None = None, template: TextTemplate | None = None) -> Self:
        """Select a claim by its name or its pointer. `ValueError` says what is wrong with it."""
        return cls(Source.CLAIM, parse_pointer(text), split, template)

    def find(self, document: object) -> list[object] | None:
        """Return every value that the pointer leads to, or None where it leads nowhere.

        The list is empty where a `*` stands for the items of an empty list or map: there, but empty.
        """
        values = [document]
        met_empty = False
        for step in self.pointer:
            reached: list[object] = []
            for value in values:
                children = _children(value, step)
                if children is not None:
                    met_empty = met_empty or not children
                    reached.extend(children)
            values = reached
        return values if values or met_empty else None


# https://www.rfc-editor.org/rfc/rfc6901#section-3
#   json-pointer    = *( "/" reference-token )
#   reference-token = *( unescaped / escaped )
#   escaped         = "~" ( "0" / "1" )
_BAD_ESCAPE = re.compile(r"~(?![01])")


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the steps to a claim: those of a JSON Pointer, else one that is the claim's name as it stands.

    `ValueError` says, to the policy's author, what is wrong with it.
    """
    if not text:
        raise ValueError("a claim needs a name. Use its name, or a JSON Pointer such as `/org/id`")
    if text == EVERY:
        raise ValueError("`*` is no claim. Use a claim's name, or a JSON Pointer such as `/orgs/*`")
    if not text.startswith("/"):
        return (text,)
    if _BAD_ESCAPE.search(text):
        raise ValueError(f"bad escape in `{text}`. Write `~0` for `~` and `~1` for `/` inside a name")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


# https://www.rfc-editor.org/rfc/rfc6901#section-4
#   array-index = %x30 / ( %x31-39 *(%x30-39) )
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


def _children(value: object, step: str) -> Collection[object] | None:
    """Return what one step leads to from a value; None where it leads nowhere."""
    if isinstance(value, dict):
        if step == EVERY:
            return value.values()
        return (value[step],) if step in value else None
    if isinstance(value, list):
        if step == EVERY:
            return value
        if _INDEX.fullmatch(step) and int(step) < len(value):
            return (value[int(step)],)
    return None
