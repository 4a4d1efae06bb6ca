"""Posts whose structure or whose values cost a careless reader time: nesting, entries, numbers, escapes, emoji.

Each builder gets the length of the post in bytes and returns a body that is not longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from quality.testkit.forms.hostile import FORM, JSON, MULTIPART, Build, compact, multipart, urlencoded

TEXT = "text/plain"

# Texts that a parser of a field must not read many times, in any field.
UNITS = {
    "entities": "&amp;",
    "numeric entities": "&#039;",
    "escapes": "\\u0456",
    "backslashes": "\\",
    "extensions": "доб. ",
    "single digits": "5 ",
    "currencies": "15000 грн ",
    "ranges": "5-",
    "groups": "1.000",
    "mojibake": "Ð¢Ð",
    "question marks": "?",
    "replacement characters": "\ufffd",
    "emoji sequences": "\U0001f469\u200d",
    "joiners": "\u200d",
    "flags": "\U0001f3f4\U000e0061",
    "addresses": "a@b.c,",
    "angle brackets": "<a@",
    "thousands": "1 тис ",
    "words": "Шевченко ",
    "patronymics": "ivna ",
    "wide digits": "９",
    "country codes": "+380",
    "exponents": "3E+",
    "controls": "\u0001 ",
}
FIELDS = ("your-name", "your-phone", "your-email", "amount", "term", "your-tax-number", "your-activity", "your-city")

LONG_FIELDS = ("your-name", "your-phone", "amount")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


def _entry(number: int) -> dict[str, Any]:
    return {**{key: f"{key}{number}" for key in ("name", "key", "id", "label", "field", "ref", "title")}, "value": "x"}


def _tally(fields: list[dict[str, Any]]) -> bytes:
    return compact({"data": {"responseId": "r", "fields": fields}})


def _ticked(size: int) -> bytes:
    options = [{"label": f"Q (a{n})", "key": f"q_{n}", "value": True} for n in range(500)]
    box = {"label": "Q", "type": "CHECKBOXES"}
    boxes = [
        box | {"key": f"k{n}", "value": [f"fd986440-0000-4000-8000-{n:012}"]} for n in range(min(490, size // 200))
    ]
    return _tally(options + boxes)


def _one_option(size: int) -> bytes:
    choices = [str(number) for number in range(size // 20)]
    return _tally([{"label": "q", "value": choices, "options": [{"id": "a", "text": "t" * (size // 3)}]}])


def _typeform(**members: Any) -> bytes:
    return compact({"form_response": {"token": "t", **members}})


def _raw_request(content: dict[str, Any]) -> bytes:
    return multipart([("rawRequest", json.dumps(content))])


def _headers(size: int) -> bytes:
    part = b"--b\r\nContent-Disposition: form-data; " + b"a=b; " * 700 + b'name="x"\r\n\r\nx\r\n'
    return part * (size // len(part)) + b"--b--\r\n"


def _keyed(count: int, value: Any) -> dict[str, Any]:
    return {f"k{number}": value for number in range(count)}


def _asked(count: int, value: Any) -> dict[str, Any]:
    return {f"q{number}_n{number}": value for number in range(count)}


def _columns(size: int) -> bytes:
    return compact({"lead_id": "1", "user_column_data": [{"column_id": "C"}] * (size // 25)})


def _numbers(size: int, number: str) -> bytes:
    return b'{"amount": [' + ",".join([number] * (size // (len(number) + 1) - 20)).encode() + b"]}"


SHAPES: list[tuple[str, str, str, Build]] = [
    ("plain", JSON, "nesting", lambda size: compact({"a": nested(min(900, size // 8))})),
    ("plain", JSON, "wide nesting", lambda size: compact({f"k{n}": {"m": {"v": "1"}} for n in range(size // 25)})),
    ("plain", JSON, "entries", lambda size: compact({"f": [_entry(number) for number in range(size // 130)]})),
    ("plain", JSON, "empty objects", lambda size: compact({"a": [{}] * (size // 4)})),
    ("plain", JSON, "lists in lists", lambda size: compact({"a": [["a"]] * (size // 7)})),
    ("plain", JSON, "long names", lambda size: compact({"п" * 900: {f"{n}": {"a": "1"} for n in range(size // 30)}})),
    ("plain", JSON, "embedded", lambda size: compact({f"d{n}": '{"a":"b"}' for n in range(size // 30)})),
    ("plain", JSON, "embedded brackets", lambda size: compact(_keyed(20, "{" + "[" * (size // 30) + "}"))),
    ("plain", JSON, "keys", lambda size: compact({str(number): "" for number in range(size // 11)})),
    ("plain", JSON, "equal keys", lambda size: b"{" + b",".join([b'"a":1'] * (size // 7)) + b"}"),
    ("plain", JSON, "a long integer", lambda size: b'{"amount":' + b"9" * (size - 20) + b"}"),
    ("plain", JSON, "a long fraction", lambda size: b'{"amount":1.' + b"9" * (size - 20) + b"}"),
    ("plain", JSON, "an exponent", lambda _: b'{"amount": 1e999999999, "term": 1e99999}'),
    ("plain", JSON, "integers", lambda size: _numbers(size, "9" * 99)),
    ("plain", JSON, "fractions", lambda size: _numbers(size, "1.5e9")),
    ("plain", JSON, "escaped surrogates", lambda size: b'{"a":"' + b"\\ud83d\\ude00" * (size // 13) + b'"}'),
    ("plain", JSON, "no UTF-8", lambda size: b'{"your-name":"' + b"\xd8\xe5" * (size // 3) + b'"}'),
    ("plain", FORM, "encoded JSON", lambda size: b"%7B%22a%22%3A%22" + b"%D0%9F" * (size // 7) + b"%22%7D"),
    ("plain", FORM, "half of encoded JSON", lambda size: b'{"a": "' + b"%22" * (size // 4)),
    ("plain", FORM, "brackets", lambda size: urlencoded([("[]" * 120 + str(n), "1") for n in range(size // 260)])),
    ("plain", FORM, "a name of brackets", lambda size: b"[" * (size - 10) + b"=1"),
    ("plain", MULTIPART, "quotes", lambda size: multipart([('\\"' * (size // 3), "x")])),
    ("plain", MULTIPART, "options of headers", _headers),
    ("plain", TEXT, "lines", lambda size: b"\n".join(b"a%d=b" % number for number in range(size // 9))),
    ("tally", JSON, "ticked options", _ticked),
    ("tally", JSON, "choices of one long option", _one_option),
    ("tally", JSON, "brackets", lambda size: _tally([{"label": "Q" + " (" * (size // 3) + "x)", "value": True}])),
    ("typeform", JSON, "variables", lambda size: _typeform(variables=[{"key": "k", "type": "t"}] * (size // 30))),
    ("typeform", JSON, "calculated", lambda size: _typeform(calculated=_keyed(size // 32, nested(2)))),
    ("typeform", JSON, "hidden", lambda size: _typeform(hidden={f"k{number}": "x" for number in range(size // 15)})),
    ("jotform", MULTIPART, "parts", lambda size: _raw_request(_asked(size // 45, {"p": "x", "r": "y"}))),
    ("jotform", MULTIPART, "questions", lambda size: _raw_request(_asked(size // 26, "x"))),
    ("elementor", FORM, "titles", lambda size: urlencoded([(f"fields[a{n}][title]", "t") for n in range(990)])),
    ("webflow", JSON, "entries", lambda size: compact({"payload": {"data": _keyed(size // 160, [_entry(1)])}})),
    ("google_ads", JSON, "columns", _columns),
    ("standard_webhooks", JSON, "members", lambda size: compact({"person": {f"k{n}": "x" for n in range(size // 15)}})),
    ("standard_webhooks", JSON, "zeros", lambda size: b'{"loan":{"amount":1.' + b"0" * (size - 50) + b"}}"),
]


def values() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Each unit in each field of a form: as long as what a parser reads, and in some as long as the post."""
    for field in FIELDS:
        for name, unit in UNITS.items():
            for part in (1, 32) if field in LONG_FIELDS else (32,):
                yield f"{field}: {name}, {part}", _repeated(field, unit, part)


def _repeated(field: str, unit: str, part: int) -> Build:
    length = len(json.dumps(unit, ensure_ascii=False).encode()) - 2
    return lambda size: compact({field: unit * ((size // part - 30) // length)})
