"""The table of routes and the models, put together as OpenAPI 3.1."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from leadbridge.domain.error_codes import ErrorCode
from tools.openapi.answers import Problem
from tools.openapi.routes import JSON, PROBLEM, ROUTES, Parameter, Route

PLACE = "#/components/schemas/{model}"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def written() -> str:
    """The document as docs/openapi.json has it."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def document() -> dict[str, Any]:
    """The document."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": project["name"], "version": project["version"], "summary": project["description"]},
        "servers": [{"url": "https://{api}/v1", "variables": {"api": {"default": "api.example.com"}}}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"Operator": {"type": "http", "scheme": "bearer", "description": "An operator's token"}},
        },
    }


def operation(route: Route) -> dict[str, Any]:
    """One route's part of the document. Every route may answer 429, 500 (a fault of ours) and 503 (AWS is busy)."""
    problems = sorted({*route.problems, 429, 500, 503, *([401] if route.is_operators else [])})
    found: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
    if route.is_operators:
        found["security"] = [{"Operator": []}]
    if route.parameters:
        found["parameters"] = [parameter(one) for one in route.parameters]
    if route.body is not None:
        found["requestBody"] = request_body(route.body)
    found["responses"] = {str(status): success(status, told) for status, told in route.answers.items()}
    found["responses"] |= {str(status): problem(status) for status in problems}
    return found


def parameter(one: Parameter) -> dict[str, Any]:
    """One parameter; those of a path are always there."""
    found = {"name": one.name, "in": one.place, "description": one.description, "schema": one.schema}
    return {**found, "required": True} if one.place == "path" else found


def request_body(body: type[BaseModel] | tuple[str, ...]) -> dict[str, Any]:
    """A model as JSON, or whatever forms send."""
    if isinstance(body, tuple):
        return {"required": True, "content": {media: {"schema": {"type": "object"}} for media in body}}
    wanted = [name for name, one in body.model_fields.items() if one.is_required()]
    return {"required": bool(wanted), "content": {JSON: {"schema": reference(body)}}}


def success(status: int, told: tuple[type[BaseModel], ...] | str | None) -> dict[str, Any]:
    """An answer that is no problem."""
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    match told:
        case None:
            return found
        case str():
            found["content"] = {told: {"schema": {"type": "string"}}}
        case (one,):
            found["content"] = {JSON: {"schema": reference(one)}}
        case several:
            found["content"] = {JSON: {"schema": {"anyOf": [reference(one) for one in several]}}}
    return found


def problem(status: int) -> dict[str, Any]:
    """Problem details."""
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": reference(Problem)}}}


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Where a model's schema is."""
    return {"$ref": PLACE.format(model=model.__name__)}


def schemas() -> dict[str, Any]:
    """The schemas of all models, by name."""
    requests = [route.body for route in ROUTES if isinstance(route.body, type)]
    told = [model for route in ROUTES for one in route.answers.values() if isinstance(one, tuple) for model in one]
    _, found = models_json_schema(
        [(model, "validation") for model in unique(requests)] + [(model, "serialization") for model in unique(told)],
        ref_template=PLACE,
    )
    _, of_problems = models_json_schema([(Problem, "validation")], ref_template=PLACE)
    definitions: dict[str, Any] = {**found["$defs"], **of_problems["$defs"]}
    definitions["ErrorCode"]["description"] = " ".join(f"`{code}`: {code.meaning}" for code in ErrorCode)
    return {name: plain(schema) for name, schema in sorted(definitions.items())}


def plain(schema: Any) -> Any:
    """A schema without Python's words: titles that repeat names, and docstrings' markup."""
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


def unique(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    """Each once, in order."""
    return list(dict.fromkeys(models))
