"""The JSON Schemas of `config/*.toml`, for editors: generated from the settings models.

Each table has two: `{table}.json`, and `{table}.overlay.json` for `{table}.{environment}.toml`, where nothing is
required. `make check-config` checks more than their shape.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from leadbridge.domain.routing.rules import FORM_PREFIX, TIME
from leadbridge.partners.registry import kind_names
from leadbridge.settings import Settings
from tools.config.checks import SOURCE_NAME, TABLES, UTM_TAG, adapters, fields_of_a_lead

FOLDER = Path(__file__).parents[2] / "config" / "schemas"

Schema = dict[str, Any]


class _GenerateTomlSchema(GenerateJsonSchema):
    """Describes durations and times as the files write them, and leaves out null, which TOML does not have."""

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002 - Pydantic's signature
        return {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smhd]$", "examples": ["30s", "5m", "2h", "7d"]}

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:  # noqa: ARG002 - Pydantic's signature
        return {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["21:00"]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if (key, value) != ("default", None)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - Pydantic's signature
        return False


def schemas() -> dict[str, Schema]:
    """Return the content of each file of `config/schemas/`, by its name."""
    found = {}
    for table in TABLES:
        annotation = Settings.model_fields[table].annotation
        schema = TypeAdapter(annotation).json_schema(by_alias=True, schema_generator=_GenerateTomlSchema)
        _add_names(schema)
        if table == "sources":
            schema["propertyNames"] = {"pattern": _whole(SOURCE_NAME.pattern)}
        schema = {"$schema": GenerateJsonSchema.schema_dialect, "title": f"config/{table}.toml", **schema}
        found[f"{table}.json"] = schema
        overlay = {**_without_required(schema), "title": f"config/{table}.{{environment}}.toml"}
        found[f"{table}.overlay.json"] = overlay
    return found


def as_text(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _add_names(schema: Schema) -> None:
    """Add what only the code knows: adapters, partner kinds, a lead's fields, and the short forms of a route."""
    models: dict[str, Schema] = {name: model["properties"] for name, model in schema["$defs"].items()}
    field = {"$ref": "#/$defs/LeadField"}
    if {"Source", "Partner"} & models.keys():
        schema["$defs"]["LeadField"] = {"anyOf": [{"enum": fields_of_a_lead()}, {"pattern": _whole(UTM_TAG.pattern)}]}
    if source := models.get("Source"):
        source["adapter"]["enum"] = adapters()
        source["fields"]["additionalProperties"] = field
        source["defaults"]["propertyNames"] = field
        source["partners"]["items"] = {"anyOf": [{"type": "string"}, source["partners"]["items"]]}
        rule = models["RoutingRule"]
        target = {"anyOf": [{"type": "string"}, rule["to"]["items"]]}
        rule["to"] = {"anyOf": [*target["anyOf"], {**rule["to"], "items": target}]}
        hours = models["Condition"]
        for name in ("within", "outside"):
            hours[name] = {"anyOf": [hours[name]["items"], hours[name]]}
        names = [field, {"const": TIME}, {"pattern": f"^{re.escape(FORM_PREFIX)}"}]
        rule["when"]["propertyNames"] = {"anyOf": names}
    if partner := models.get("Partner"):
        partner["kind"]["enum"] = [*kind_names()]
        partner["requires"]["items"] = field
        models["AccountFields"]["fields"]["additionalProperties"] = field


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _without_required(schema: Any) -> Any:
    """Return the schema of a file that is laid over another: any setting may be missing."""
    match schema:
        case dict():
            kept = {key: value for key, value in schema.items() if key != "required" or not isinstance(value, list)}
            return {key: _without_required(value) for key, value in kept.items()}
        case list():
            return [_without_required(item) for item in schema]
    return schema


def main() -> None:
    """Write every schema and remove files that are none."""
    FOLDER.mkdir(exist_ok=True)
    written = schemas()
    for name, schema in written.items():
        (FOLDER / name).write_text(as_text(schema), encoding="utf-8")
    for file in FOLDER.iterdir():
        if file.name not in written:
            file.unlink()


if __name__ == "__main__":
    main()
