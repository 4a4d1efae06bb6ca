"""`make openapi`: write docs/openapi.json, from the operators' routes as they are registered and from openapi.yaml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from devstack.template import read_template
from leadbridge.api.params import PATH_PARAMETERS, PLACEHOLDER, QueryParams
from leadbridge.api.router import Route, all_routes
from leadbridge.api.schemas import LeadId
from leadbridge.domain.errors.error_codes import ErrorCode
from tools.config import read_toml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "openapi.json"
OTHER_ROUTES = Path(__file__).with_suffix(".yaml")
ALWAYS = {429, 500, 503}  # a limit, a fault of this stack, AWS is busy
PLACE = "#/components/schemas/{model}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": PLACE.format(model="Problem")}}}
VIEW = "View"  # ends the names of types that are answers; a schema's name is without it


class Schemas(GenerateJsonSchema):
    """Schemas of answers: objects without other members."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return {**super().typed_dict_schema(schema), "additionalProperties": False}


def document() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    others = yaml.safe_load(OTHER_ROUTES.read_text(encoding="utf-8"))
    routes, names = all_routes(), names_by_parameter()
    paths: dict[str, Any] = others["paths"]
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, names)
    for methods in paths.values():
        for each in methods.values():
            add_problems(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": project["name"], "version": project["version"], "summary": project["description"]},
        "servers": [{"url": "https://{api}/v1", "variables": {"api": {"default": "api.example.com"}}}],
        "paths": {path: dict(sorted(methods.items())) for path, methods in sorted(paths.items())},
        "components": {**others["components"], "schemas": schemas(routes, others["components"]["schemas"])},
    }


def operation(route: Route, names: dict[str, list[str]]) -> dict[str, Any]:
    """Describe a route by its handler's annotations."""
    query, body = route.types.get("query"), route.types.get("body")
    path = [path_parameter(name, names.get(name)) for name in PLACEHOLDER.findall(route.path)]
    first, *others = route.handler.__name__.split("_")
    found: dict[str, Any] = {"operationId": first + "".join(map(str.title, others)), "summary": route.summary}
    if not route.is_open:
        found["security"] = [{"Operator": []}]
    if path or query:
        found["parameters"] = [*path, *(query_parameters(query) if query else ())]
    if body:
        is_required = any(one.is_required() for one in body.model_fields.values())
        found["requestBody"] = {"required": is_required, "content": {"application/json": {"schema": reference(body)}}}
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if types := returned(route):
        one, *more = map(reference, types)
        success["content"] = {"application/json": {"schema": {"anyOf": [one, *more]} if more else one}}
    found["responses"] = {str(route.status): success}
    found["x-problems"] = {*route.problems, *([404] if path else []), *([400] if query else [])}
    found["x-problems"] |= {400, 413, 422} if body else set()
    return found


def add_problems(operation: dict[str, Any]) -> None:
    statuses = {*operation.pop("x-problems", ()), *ALWAYS, *([401] if "security" in operation else [])}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"description": HTTPStatus(status).phrase, "content": PROBLEM}


def returned(route: Route) -> tuple[Any, ...]:
    """Return the types of a route's answers; none for an empty body."""
    kind = route.types["return"]
    return get_args(kind) if isinstance(kind, UnionType) else () if kind is type(None) else (kind,)


def path_parameter(name: str, names: list[str] | None) -> dict[str, Any]:
    """Describe a parameter of a path by its names, where they are known, or by its pattern."""
    known = PATH_PARAMETERS[name]
    allowed: dict[str, Any] = {"enum": names} if names else {"pattern": f"^{known.pattern}$"}
    schema = {"type": "string", **allowed}
    return {"name": name, "in": "path", "description": known.description, "schema": schema, "required": True}


def query_parameters(model: type[QueryParams]) -> Iterator[dict[str, Any]]:
    """Describe the parameters of a query: types without the null of an optional field, references resolved."""
    schema = model.model_json_schema()
    for name, found in schema.get("properties", {}).items():
        kind = next(one for one in found.get("anyOf", [found]) if one.get("type") != "null")
        if "$ref" in kind:
            kind = schema["$defs"][kind["$ref"].rpartition("/")[2]]
        kept = {key: value for key, value in kind.items() if key not in {"default", "description", "title"}}
        yield {"name": name, "in": "query", "description": found["description"], "schema": kept or {"type": "string"}}


def names_by_parameter() -> dict[str, list[str]]:
    """Return the names that a path may have: partners of the configuration, dead-letter queues of the template."""
    environment = read_template(ROOT / "template.yaml")["Resources"]["ManageLeads"]["Properties"]["Environment"]
    return {
        "partner": list(read_toml(ROOT / "config", "prod")["partners"]),
        "queue": list(json.loads(environment["Variables"]["DEAD_LETTER_QUEUES"]["Fn::Sub"])),
    }


def reference(model: Any) -> dict[str, str]:
    return {"$ref": PLACE.format(model=model.__name__.removesuffix(VIEW))}


def schemas(routes: Iterable[Route], others: dict[str, Any]) -> dict[str, Any]:
    requests = [body for route in routes if (body := route.types.get("body"))]
    answers = [kind for route in routes for kind in returned(route)]
    _, schema = TypeAdapter.json_schemas(
        [(kind.__name__, "validation", TypeAdapter(kind)) for kind in dict.fromkeys(requests)]
        + [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in dict.fromkeys(answers)],
        ref_template=PLACE,
        schema_generator=Schemas,
    )
    text = re.sub(rf'("{PLACE.format(model="")}\w+){VIEW}"', r'\1"', json.dumps(schema["$defs"]))
    found = {name.removesuffix(VIEW): plain(one) for name, one in json.loads(text).items()}
    found = {**found, **others, "LeadId": TypeAdapter(LeadId).json_schema()}
    if len(found) < len(schema["$defs"]) + len(others) + 1:
        raise ValueError("two schemas have the same name")
    found["ErrorCode"]["description"] = " ".join(f"`{code}`: {code.meaning}" for code in ErrorCode)
    return dict(sorted(found.items()))


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


def written() -> str:
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
