"""What the models of a policy are made of beside single values: sections, and lists that may be one item."""

from types import NoneType
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic import model_validator as validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from orgfence.core.policy.scalars import TEXT_SCHEMA, Text, fault
from orgfence.core.policy.strict_yaml import Scalar, Sequence
from orgfence.core.policy.wording import listed


class Section(BaseModel):
    """A mapping of the policy: it takes its own keys and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: What a message calls it.
    called: ClassVar[str]
    #: The keys of which exactly one belongs in it.
    choice: ClassVar[tuple[str, ...]] = ()

    @validator(mode="after")
    def _check_choice(self) -> Self:
        given = [key for key in self.choice if getattr(self, key) is not None]
        if self.choice and not given:
            raise fault(f"{self.called} without {listed(self.choice)}. Add {'one' if self.choice[1:] else 'it'}")
        if len(given) > 1:
            raise fault(f"{self.called} with {listed(given, 'and')} at once. Keep one of them")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say in the schema, too, which keys exclude each other."""
        section = handler.resolve_ref_schema(handler(schema))
        if cls.choice:
            section["oneOf"] = [{"required": [key]} for key in cls.choice]
        return section

    @property
    def given(self) -> tuple[str, Any]:
        """The key of its choice that it has, and what that holds."""
        return next((key, held) for key in self.choice if (held := getattr(self, key)) is not None)

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """Return the keys that it takes in this version, as a policy spells them."""
        fields = cls.model_fields.items()
        return {field.alias or name: field for name, field in fields if field.annotation is not NoneType}


class OneOrSome:
    """Lets a list of one be written without its brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        some = handler(schema)
        return {"anyOf": [some["items"], some]}


def _list(node: object) -> object:
    return node if isinstance(node, Sequence) else [node]


class OrKey:
    """Takes a text for what one of a section's keys holds."""

    def __init__(self, key: str) -> None:
        """Take the key."""
        self._key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._keyed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [TEXT_SCHEMA, handler(schema)]}

    def _keyed(self, node: object) -> object:
        return {self._key: node} if isinstance(node, Scalar) else node


SOME = Field(min_length=1)
ONE_OR_SOME = OneOrSome()
Texts = Annotated[list[Text], SOME]
OneOrSomeTexts = Annotated[list[Text], SOME, ONE_OR_SOME]
