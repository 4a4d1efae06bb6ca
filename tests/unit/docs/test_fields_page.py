"""docs/fields.md: each example of its tables is read as the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from leadbridge.domain import fields
from leadbridge.domain.fields.reading import Parser, Reading, ReadingRules
from quality.testkit.reading import problem, read, warnings
from quality.testkit.template import ROOT

PAGE = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
PARSERS: dict[str, Parser] = {"Phones": fields.phone, "Amounts": fields.amount, "Tax numbers": fields.tax_number}


def rows(text: str) -> Iterator[list[str]]:
    """The cells of the rows of a page's tables."""
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        yield [cell.strip() for cell in line.split("|")]


def examples() -> Iterator[Any]:
    """What is typed, what it is read as (None for a problem), and the code of its problem or warning."""
    for title, chapter in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL):
        parser = PARSERS.get(title.partition(" and ")[0])
        for row in rows(chapter) if parser else ():
            if "міс" in row[0] or "рік" in row[0] or "днів" in row[0] or row[0].startswith("`12`"):
                parser = fields.term
            typed, result = (re.findall("`(.*?)`", cell) for cell in row[:2])
            code = re.search(r"(?:problem|warning) `(\w+)`", row[2] if len(row) > 2 else "")
            for number, value in enumerate(typed if len(row) > 2 and "number_format" not in row[0] else ()):
                if value.startswith(("auto", "decimal_")):
                    continue
                expected = (result * len(typed) if len(result) == 1 else result)[number] if result else None
                given = int(value) if "JSON" in row[0] else value
                yield pytest.param(parser, given, expected, code and code[1], id=f"{title}: {value}")


@pytest.mark.parametrize(("parser", "typed", "expected", "code"), list(examples()))
def test_an_example_is_read_as_the_page_shows(parser: Parser, typed: object, expected: str | None, code: str) -> None:
    if expected is None:
        assert problem(parser, typed) == code
    else:
        assert str(read(parser, typed)) == expected
        assert warnings(parser, typed) == ([code] if code else [])


@pytest.mark.parametrize("number_format", ["auto", "decimal_comma", "decimal_point"])
def test_the_table_of_number_formats_is_right(number_format: str) -> None:
    (row,) = [row for row in rows(PAGE) if row[0].startswith(f"`{number_format}`")]
    rules = Reading(ReadingRules(number_format=number_format))
    assert [f"`{fields.amount(typed, rules)}`" for typed in ("1,500", "1.500")] == row[1:]


def test_names_are_split_as_the_page_shows() -> None:
    chapter = PAGE.partition("| full name |")[2].partition("\n\n")[0]
    found = [[cell.strip("`") for cell in row[:3]] for row in rows(chapter) if row[0].startswith("`")]
    assert len(found) == 4
    for full_name, first, last in found:
        parts = fields.split_full_name(full_name)
        assert (parts.first, parts.last) == (first, last)


def test_texts_are_read_as_the_page_shows() -> None:
    chapter = PAGE.partition("## Texts\n")[2].partition("\n## ")[0]
    examples = [(typed, row) for row in rows(chapter) for typed in re.findall("`(.*?)`", row[0])]
    assert len(examples) > 8
    for typed, (_, _, in_a_name, elsewhere) in examples:
        assert warnings(fields.words, typed) == re.findall(r"warning `(\w+)`", elsewhere)
        assert [problem(fields.name, typed)] == (re.findall(r"problem `(\w+)`", in_a_name) or [None])
