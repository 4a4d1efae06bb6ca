"""Posts that make a careless reader work longer than their length allows, for every adapter and place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus

from leadbridge.forms.base import Request

type Write = Callable[[str], bytes]  # a post around a text
type Build = Callable[[int], bytes]  # a post of about so many bytes

# Each is repeated until the post is long enough.
FILLINGS = {
    "combining marks": ("\u0301", "\u0327"),
    "marks that become two": ("\u0344",),
    "white space": ("\u00a0 ",),
    "invisible characters": ("\u200b",),
    "digits": ("9",),
    "commas": (",",),
    "percent signs": ("%",),
    "an endless domain": ("a@", "a."),
}


def filled(filling: str, size: int) -> str:
    """About `size` bytes of the filling; one of two parts has all of the first before all of the second."""
    parts = FILLINGS[filling]
    return "".join(part * (size // len(parts) // len(part.encode())) for part in parts)


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def urlencoded(pairs: list[tuple[str, str]]) -> bytes:
    return b"&".join(name.encode() + b"=" + value.encode() for name, value in pairs)


def multipart(pairs: list[tuple[str, str]]) -> bytes:
    parts = (f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs)
    return f"{''.join(parts)}--b--\r\n".encode()


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
JSON = "application/json"


def _typeform(question: dict[str, Any], value: Any) -> dict[str, Any]:
    kind = "choices" if isinstance(value, dict) else "text"
    return {"form_response": {"token": "t", "answers": [{"field": question, "type": kind, kind: value}]}}


def _google(column: str, value: str, times: int = 1) -> dict[str, Any]:
    return {"lead_id": "1", "user_column_data": [{"column_id": column, "string_value": value}] * times}


def _tally(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"responseId": "r", "fields": list(fields)}}


def _meta(values: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "page", "entry": [{"changes": [{"field": "leadgen", "value": value} for value in values]}]}


def _repeating_name(size: int) -> bytes:
    return compact({"n" * (size // 2): {str(number): "1" for number in range(min(size // 20, 900))}})


def _jotform(size: int) -> bytes:
    question = f"q1_{'n' * (size // 2)}"
    return multipart([("rawRequest", json.dumps({question: {str(n): "1" for n in range(size // 24)}}))])


def _one_choice(size: int) -> bytes:
    options = [{"id": "a", "text": "t" * (size // 2)}]
    return compact(_tally({"label": "q", "value": ["a"] * (size // 8), "options": options}))


def _choices(size: int) -> bytes:
    ids = [str(number) for number in range(min(size // 60, 1000))]
    options = [{"id": one, "text": "t" * 20} for one in ids]
    return compact(_tally({"label": "q", "value": ids * 4, "options": options}))


def _long_tags(size: int) -> bytes:
    return compact({"utm": {f"{n}": "\u0301" * 200 + "\u0327" * 200 for n in range(size // 810)}})


# Adapter, content type, where the text stands, and the post around it.
PLACES: list[tuple[str, str, str, Write]] = [
    ("plain", FORM, "a name", lambda text: urlencoded([("your-name", text)])),
    ("plain", FORM, "a phone", lambda text: urlencoded([("your-phone", text)])),
    ("plain", FORM, "an e-mail", lambda text: urlencoded([("your-email", text)])),
    ("plain", FORM, "an amount", lambda text: urlencoded([("amount", text)])),
    ("plain", FORM, "a term", lambda text: urlencoded([("term", text)])),
    ("plain", FORM, "a tax number", lambda text: urlencoded([("your-tax-number", text)])),
    ("plain", FORM, "a tag", lambda text: urlencoded([("utm_source", text)])),
    ("plain", FORM, "a tag's name", lambda text: urlencoded([(f"utm_{text}", "1")])),
    ("plain", FORM, "a label", lambda text: urlencoded([(text, "1")])),
    ("plain", FORM, "a box", lambda text: urlencoded([("acceptance", text)])),
    ("plain", FORM, "a field of a condition", lambda text: urlencoded([("city", text)])),
    ("plain", FORM, "quoted", lambda text: urlencoded([("your-name", quote_plus(text))])),
    ("plain", FORM, "a character set", lambda text: urlencoded([("_charset_", text), ("a", "b")])),
    ("plain", MULTIPART, "a part", lambda text: multipart([("your-name", text)])),
    ("plain", MULTIPART, "a part's name", lambda text: multipart([(text[:1000], text)])),
    ("plain", JSON, "a list", lambda text: compact({"your-name": [text]})),
    ("plain", JSON, "an inner name", lambda text: compact({"your-name": {text: 1}})),
    ("tilda", FORM, "cookies", lambda text: urlencoded([("COOKIES", f"TILDAUTM={text}")])),
    ("tilda", FORM, "an id", lambda text: urlencoded([("tranid", text), ("Name", text)])),
    ("elementor", FORM, "a label", lambda text: urlencoded([(text, text[:9])])),
    ("elementor", FORM, "a title", lambda text: urlencoded([("fields[a][value]", "1"), ("fields[a][title]", text)])),
    ("elementor", FORM, "an id", lambda text: urlencoded([(f"fields[{text}][value]", "1")])),
    ("jotform", MULTIPART, "answers", lambda text: multipart([("rawRequest", compact({"q1_name": text}).decode())])),
    ("jotform", MULTIPART, "no JSON", lambda text: multipart([("rawRequest", text)])),
    ("jotform", MULTIPART, "a question", lambda text: multipart([("rawRequest", json.dumps({f"q1_{text}": "a"}))])),
    ("typeform", JSON, "an answer", lambda text: compact(_typeform({"ref": "full_name"}, text))),
    ("typeform", JSON, "a question", lambda text: compact(_typeform({"ref": text}, "a"))),
    ("webflow", JSON, "an answer", lambda text: compact({"payload": {"data": {"Name": text, "Phone": text[:99]}}})),
    ("webflow", JSON, "a label", lambda text: compact({"payload": {"data": {text: "1"}}})),
    ("google_ads", JSON, "an answer", lambda text: compact(_google("FULL_NAME", text))),
    ("google_ads", JSON, "a column", lambda text: compact(_google(text, "1"))),
    ("tally", JSON, "an answer", lambda text: compact(_tally({"label": "Phone", "value": text}))),
    ("tally", JSON, "a label", lambda text: compact(_tally({"label": text, "value": "1"}))),
    ("meta", JSON, "an id", lambda text: compact(_meta([{"leadgen_id": text}, {"leadgen_id": "1"}]))),
    ("standard_webhooks", JSON, "a name", lambda text: compact({"person": {"full_name": text}})),
    ("standard_webhooks", JSON, "a phone", lambda text: compact({"person": {"phone": text}})),
    ("standard_webhooks", JSON, "an e-mail", lambda text: compact({"person": {"email": text}})),
    ("standard_webhooks", JSON, "an amount", lambda text: compact({"loan": {"amount": text, "term": text[:9]}})),
    ("standard_webhooks", JSON, "a site", lambda text: compact({"trading": {"site": text}})),
    ("standard_webhooks", JSON, "a tag", lambda text: compact({"utm": {text: text[:9]}})),
    ("standard_webhooks", JSON, "consent", lambda text: compact({"consent": {"text": text, "ip": text[:9]}})),
    ("standard_webhooks", JSON, "a page", lambda text: compact({"consent": {"page_url": text}})),
]

# Adapter, content type, what is repeated, and a post of about so many bytes in which it is.
REPEATED: list[tuple[str, str, str, Build]] = [
    ("tilda", FORM, "tags in a cookie", lambda size: b"COOKIES=TILDAUTM=" + b"|||utm_a=" * (size // 9)),
    ("tilda", FORM, "cookies", lambda size: b"COOKIES=" + b"a=%2541;" * (size // 8)),
    ("plain", FORM, "one field", lambda size: urlencoded([("a", "1")] * (size // 4))),
    ("plain", FORM, "one long field", lambda size: urlencoded([("a", "1" * (size // 900))] * 900)),
    ("plain", FORM, "fields", lambda size: urlencoded([(f"a{n}", "1") for n in range(size // 8)])),
    ("plain", FORM, "ampersands", lambda size: b"&" * size),
    ("plain", FORM, "percent signs that are wrong", lambda size: b"a=" + b"%zz" * (size // 3)),
    ("plain", MULTIPART, "parts", lambda size: multipart([("a", "1")] * (size // 60))),
    ("plain", MULTIPART, "lines", lambda size: multipart([("your-name", "\r\n-" * (size // 3))])),
    ("plain", MULTIPART, "boundaries that are none", lambda size: multipart([("a", "\r\n--" * (size // 4))])),
    ("plain", MULTIPART, "options of a header", lambda size: multipart([(';a="b' * 600, "1")] * (size // 3000))),
    ("plain", MULTIPART, "headers", lambda size: b"--b\r\n" + b"A: b\r\n" * (size // 6)),
    ("plain", JSON, "an outer name", _repeating_name),
    ("plain", JSON, "lists", lambda size: compact({"a": ["1"] * (size // 4)})),
    ("plain", JSON, "brackets", lambda size: b'{"a":' + b"[" * size),
    ("jotform", MULTIPART, "a question's name", _jotform),
    ("tally", JSON, "one choice", _one_choice),
    ("tally", JSON, "choices", _choices),
    ("tally", JSON, "fields of one name", lambda size: compact(_tally(*[{"label": "a", "value": "b"}] * (size // 24)))),
    ("typeform", JSON, "choices", lambda size: compact(_typeform({"ref": "a"}, {"labels": ["b"] * (size // 4)}))),
    ("google_ads", JSON, "columns", lambda size: compact(_google("a", "b", size // 40))),
    ("webflow", JSON, "labels", lambda size: compact({"payload": {"data": {str(n): "1" for n in range(size // 10)}}})),
    ("meta", JSON, "leads", lambda size: compact(_meta([{"leadgen_id": str(n)} for n in range(size // 60)]))),
    ("standard_webhooks", JSON, "tags", lambda size: compact({"utm": {f"utm_{n}": "1" for n in range(size // 14)}})),
    ("standard_webhooks", JSON, "long tags", _long_tags),
]


def request(content_type: str, body: bytes) -> Request:
    """The post as an adapter gets it."""
    return Request({"content-type": content_type, "webhook-id": "msg_1"}, {}, body)


def cases() -> Iterator[tuple[str, str, str, dict[str, Build]]]:
    """An adapter, its content type, the place that is hostile, and the posts of any size that fill it."""
    for adapter, content_type, place, write in PLACES:
        yield adapter, content_type, place, {filling: _filled_with(write, filling) for filling in FILLINGS}
    for adapter, content_type, what, build in REPEATED:
        yield adapter, content_type, f"many {what}", {what: build}


def _filled_with(write: Write, filling: str) -> Build:
    return lambda size: write(filled(filling, size))
