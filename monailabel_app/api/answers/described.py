"""Types of answers whose fields are described in OpenAPI."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, WithJsonSchema, with_config

_Answer = TypeVar("_Answer", bound=type[Any])

described: Callable[[_Answer], _Answer] = with_config(ConfigDict(use_attribute_docstrings=True))
"""Marks a `TypedDict` whose fields are described by the text below each of them."""


def schema_of(*answers: Any) -> WithJsonSchema:
    """The description of what was stored earlier, perhaps by another version: it is not checked.

    Args:
        *answers: types without types of our own inside, of which it is one.
    """
    schemas = [TypeAdapter(answer).json_schema() for answer in answers]
    return WithJsonSchema(schemas[0] if len(schemas) == 1 else {"anyOf": schemas})
