"""The JSON Schemas of `config/`: up to date, named in every file, and right about what they accept and refuse."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quality.testkit.template import ROOT
from tools.config import TABLES
from tools.config.schema import FOLDER, as_text, schemas

FILES = sorted((ROOT / "config").glob("*.toml"))


def errors(schema: str, toml: str) -> list[str]:
    content = json.loads(json.dumps(tomllib.loads(toml), default=str))
    return [error.message for error in Draft202012Validator(schemas()[schema]).iter_errors(content)]


def test_the_schemas_are_up_to_date() -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
    assert written == {name: as_text(schema) for name, schema in schemas().items()}, "run `make schemas`"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_file_names_its_schema_and_matches_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    table, *environment = file.stem.split(".")
    name = f"{table}.overlay.json" if environment else f"{table}.json"
    assert text.startswith(f"#:schema ./schemas/{name}\n")
    assert errors(name, text) == []


@pytest.mark.parametrize("name", [f"{table}{kind}.json" for table in TABLES for kind in ("", ".overlay")])
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schemas()[name])


SOURCE = '[web]\nadapter = "plain"\npartners = ["leadleader"]\n'


@pytest.mark.parametrize(
    "more",
    [
        'partners = [{ to = "leadleader", when = { "loan.amount" = { at_least = 5 }, "form.x" = { given = true } } }]',
        'partners = [{ to = ["leadleader", "matchtrade"] }]',
        'stale_after = "12h"',
        '[web.fields]\n"Телефон" = "person.phone"\ntag = "utm.utm_source"',
    ],
)
def test_what_a_person_may_write_is_accepted(more: str) -> None:
    key = more.partition(" =")[0]
    source = re.sub(rf"^{re.escape(key)} = .*\n", "", SOURCE, flags=re.MULTILINE)
    assert errors("sources.json", source + more) == []


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (SOURCE.replace("plain", "plane"), "'plane' is not one of"),
        (SOURCE.replace("adapter", "adaptor"), "'adaptor' was unexpected"),
        (SOURCE.replace("web", "web/1"), ""),
        (SOURCE + 'stale_after = "12 hours"', "'12 hours' does not match"),
        (SOURCE + '[web.fields]\nphone = "person.telephone"', "'person.telephone' is not valid"),
        ('[web]\nadapter = "plain"\n', "'partners' is a required property"),
    ],
)
def test_an_error_is_found_while_typing(toml: str, said: str) -> None:
    toml = toml.replace("[web/1]", '["web/1"]')
    assert any(said in error for error in errors("sources.json", toml))


def test_an_overlay_requires_nothing_and_knows_every_setting() -> None:
    assert errors("partners.overlay.json", '[leadleader.timeouts]\nread = "4s"\n') == []
    assert errors("partners.json", '[leadleader.timeouts]\nread = "4s"\n') != []
    assert errors("partners.overlay.json", '[leadleader.timeouts]\nwrite = "4s"\n') != []


def test_no_schema_mentions_null() -> None:
    def nulls(value: Any) -> bool:
        match value:
            case dict():
                return value.get("type") == "null" or any(map(nulls, value.values()))
            case list():
                return any(map(nulls, value))
        return value is None

    assert not any(map(nulls, schemas().values()))
