"""From the TOML that people write in `config/` to the JSON that the layer ships, checked on the way.

python -m leadbridge.shipping CONFIG INTO
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from leadbridge.forms.adapter import Named, adapter_named
from leadbridge.leads.lead import Asked
from leadbridge.settings import Settings

ENVIRONMENTS = ("local", "dev", "prod")
TABLES = ("sources", "partners", "messages")


def read_toml(folder: Path, environment: str) -> dict[str, Any]:
    """Read the tables in a folder, each with its `*.{environment}.toml` laid over it where that exists."""
    tables: dict[str, Any] = {}
    for table in TABLES:
        tables[table] = tomllib.loads((folder / f"{table}.toml").read_text(encoding="utf-8"))
        overlay = folder / f"{table}.{environment}.toml"
        if overlay.exists():
            _lay_over(tables[table], tomllib.loads(overlay.read_text(encoding="utf-8")))
    return tables


def ship(folder: Path, into: Path) -> None:
    """Check the configuration in `folder` for every environment and write `into/{environment}.json` for each."""
    into.mkdir(parents=True, exist_ok=True)
    for environment in ENVIRONMENTS:
        tables = read_toml(folder, environment)
        check_names(Settings.model_validate(tables))
        (into / f"{environment}.json").write_text(json.dumps(tables, ensure_ascii=False), encoding="utf-8")


def check_names(settings: Settings) -> None:
    """Raise ValueError where the configuration names what does not exist: an adapter, a field of a lead, a fetch."""
    for name, source in settings.sources.items():
        try:
            adapter = adapter_named(source.adapter)
        except ModuleNotFoundError:
            raise ValueError(f"source {name}: there is no adapter {source.adapter!r}") from None
        if isinstance(adapter, Named) is (source.fetch is None):
            raise ValueError(f"source {name}: a section [{name}.fetch] goes with adapters whose posts only name leads")
        for path in (*source.fields.values(), *source.defaults):
            _check_field(f"source {name}", path)
    for name, partner in settings.partners.items():
        for path in partner.requires:
            _check_field(f"partner {name}", path)


def _check_field(where: str, path: str) -> None:
    section, _, name = path.partition(".")
    part = getattr(Asked(), section, None)
    if not isinstance(part, BaseModel) or name not in type(part).model_fields:
        raise ValueError(f"{where}: a lead has no field {path!r}")


def _lay_over(table: dict[str, Any], overlay: dict[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _lay_over(table[key], value)
        else:
            table[key] = value


if __name__ == "__main__":
    ship(Path(sys.argv[1]), Path(sys.argv[2]))
