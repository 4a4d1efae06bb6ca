"""The operations and the schemas of their types, put together as OpenAPI 3.1."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from leadbridge.domain.errors.error_codes import ErrorCode
from tools.openapi.operations import JSON, OPERATIONS, ROOT, Operation, ProblemView, operators_operations

PROBLEM = "application/problem+json"
PLACE = "#/components/schemas/{model}"
VIEW = "View"  # ends the names of types that are answers; a schema's name is without it


class Schemas(GenerateJsonSchema):
    """Schemas of answers: objects without other members."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        """Return the schema of a TypedDict."""
        return {**super().typed_dict_schema(schema), "additionalProperties": False}


def operations() -> list[Operation]:
    """Return all operations, by path and method."""
    return sorted([*OPERATIONS, *operators_operations()], key=lambda one: (one.path, one.method))


def document() -> dict[str, Any]:
    """Return the document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    paths: dict[str, Any] = {}
    found = operations()
    for one in found:
        paths.setdefault(one.path, {})[one.method.lower()] = operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": project["name"], "version": project["version"], "summary": project["description"]},
        "servers": [{"url": "https://{api}/v1", "variables": {"api": {"default": "api.example.com"}}}],
        "paths": paths,
        "components": {
            "schemas": schemas(found),
            "securitySchemes": {"Operator": {"type": "http", "scheme": "bearer", "description": "An operator's token"}},
        },
    }


def operation(one: Operation) -> dict[str, Any]:
    """Describe an operation. Each may return 429, 500 (a fault of this stack) and 503 (AWS is busy)."""
    problems = sorted({*one.problems, 429, 500, 503, *([401] if one.is_operators else [])})
    found: dict[str, Any] = {"operationId": one.name, "summary": one.summary}
    if one.is_operators:
        found["security"] = [{"Operator": []}]
    if one.parameters:
        found["parameters"] = list(one.parameters)
    if one.body is not None:
        found["requestBody"] = request_body(one.body)
    found["responses"] = {str(status): success(status, content) for status, content in one.answers.items()}
    content = {PROBLEM: {"schema": reference(ProblemView)}}
    found["responses"] |= {
        str(status): {"description": HTTPStatus(status).phrase, "content": content} for status in problems
    }
    return found


def request_body(body: type[BaseModel] | tuple[str, ...]) -> dict[str, Any]:
    """Describe a body: a model as JSON, or the media types of a form."""
    if isinstance(body, tuple):
        return {"required": True, "content": {media: {"schema": {"type": "object"}} for media in body}}
    required = [name for name, one in body.model_fields.items() if one.is_required()]
    return {"required": bool(required), "content": {JSON: {"schema": reference(body)}}}


def success(status: int, content: tuple[Any, ...] | str | None) -> dict[str, Any]:
    """Describe an answer that is not a problem."""
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(content, str):
        found["content"] = {content: {"schema": {"type": "string"}}}
    elif content is not None:
        one, *others = map(reference, content)
        found["content"] = {JSON: {"schema": {"anyOf": [one, *others]} if others else one}}
    return found


def reference(model: Any) -> dict[str, str]:
    """Return the reference to a type's schema."""
    return {"$ref": PLACE.format(model=model.__name__.removesuffix(VIEW))}


def schemas(found: Iterable[Operation]) -> dict[str, Any]:
    """Return the schemas of all types, by name."""
    requests = [one.body for one in found if isinstance(one.body, type)]
    answers = [kind for one in found for kinds in one.answers.values() if isinstance(kinds, tuple) for kind in kinds]
    _, schema = TypeAdapter.json_schemas(
        [(kind.__name__, "validation", TypeAdapter(kind)) for kind in dict.fromkeys(requests)]
        + [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in dict.fromkeys([*answers, ProblemView])],
        ref_template=PLACE,
        schema_generator=Schemas,
    )
    text = re.sub(rf'("{PLACE.format(model="")}\w+){VIEW}"', r'\1"', json.dumps(schema["$defs"]))
    named = {name.removesuffix(VIEW): plain(one) for name, one in sorted(json.loads(text).items())}
    if len(named) < len(schema["$defs"]):
        raise ValueError("two schemas have the same name")
    named["ErrorCode"]["description"] = " ".join(f"`{code}`: {code.meaning}" for code in ErrorCode)
    return named


def plain(schema: Any) -> Any:
    """Return a schema without titles that repeat names, and with docstrings on one line."""
    match schema:
        case dict():
            kept = {name: plain(value) for name, value in schema.items() if name != "title" or isinstance(value, dict)}
            if isinstance(text := kept.get("description"), str):
                kept["description"] = re.sub(r"\s+", " ", text)
            return kept
        case list():
            return [plain(one) for one in schema]
        case _:
            return schema
