"""The fields of nested JSON, each under a dotted path such as `fields.phone.value`.

- An entry of a list, such as `{"name": "phone", "value": "…"}`, is a field with the entry's name.
- A text that contains JSON is read as that JSON: builders send all answers in one field.
- A field with a dot in its own name comes before a path that reads the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.base import Unreadable
from leadbridge.forms.parsing.json_body import read_value

MAX_FIELDS = 1000
MAX_DEPTH = 32  # levels of nesting; values below are not read
MAX_PREFIX = 255  # characters of an outer name, which each inner name repeats
MAX_CHOICES = 1000  # elements of a list that is one answer
MAX_VISITED = 4000  # values and the objects and lists around them
MAX_NAMES = 6  # names under which the configuration may name one value
MAX_LABEL = 255  # characters of a name that is compared with configured names without regard to case
MAX_EMBEDDED = 20  # texts that are read as JSON
REST = "(more fields)"  # the name of the digest of the fields that were not read

NAME_KEYS = ("name", "key", "id", "label", "field", "ref", "title", "question")
VALUE_KEYS = ("value", "values", "text", "answer", "answers")
TYPE_KEYS = ("type", "required")  # members of an entry that are no answers

_NESTED = frozenset({dict, list})

type Fields = dict[str, str]


def flatten(content: Any, wanted: Collection[str] = ()) -> Fields:
    """Return JSON as fields: scalars as text, lists of scalars joined by ", ".

    `wanted` are the folded names in the configuration. A value has its full path as its name, or the shorter name that
    is wanted: of an entry, of a member of embedded JSON, or without the index in a list of one element. Values beyond
    `MAX_FIELDS` and `MAX_DEPTH` are not read; a digest of the whole content stands for them.
    """
    walk = _Walk()
    found: dict[str, tuple[int, str]] = {}
    shorter: dict[str, tuple[int, str]] = {}
    paths: dict[str, str] = {}
    for names, depth, text in walk.values(content, ("",), 0):
        configured = _wanted_names(names, wanted)
        if not configured:
            _add(found, names[0], depth, text)
        for name in configured:
            _add(shorter, name, depth, text)
            paths.setdefault(name, names[0])
    for name, (depth, text) in shorter.items():
        is_taken = bool(found.get(name, (0, ""))[1])
        _add(found, paths[name] if is_taken else name, depth, text)
    if walk.is_cut:
        found[REST] = (0, f"sha256 {hashlib.sha256(_canonical(content)).hexdigest()[:32]}")
    return {name: text for name, (_, text) in found.items() if name}


class LazyFields(Mapping[str, str]):
    """The fields of JSON, flattened when they are first read. Of a post in a lead's own sections nothing reads them."""

    def __init__(self, content: Any) -> None:
        self._content = content

    @cached_property
    def _fields(self) -> Fields:
        return flatten(self._content)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def inside(name: str, key: str) -> str:
    """Return the name of a field inside another one. Long outer names are truncated."""
    return f"{name[:MAX_PREFIX]}.{key}" if name else key


def as_text(value: object) -> str:
    """Return a JSON value as text: empty for null and objects, lists of scalars joined by ", ".

    Of a list, `MAX_CHOICES` elements are read.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case list():
            listed = value[:MAX_CHOICES]
            texts = (one if type(one) is str else "" if type(one) is list else as_text(one) for one in listed)
            return ", ".join(filter(None, texts))
        case _:
            return ""


def embedded_json(text: str) -> Any:
    """Return the JSON in a text, also where a sender escaped its quotes; None if there is none."""
    plain = text.strip()
    if not (plain.startswith(("{", "[")) and plain.endswith(("}", "]"))):
        return None
    for candidate in (plain, plain.replace('\\"', '"') if '\\"' in plain else ""):
        try:
            return read_value(candidate.encode(errors="surrogatepass")) if candidate else None
        except Unreadable:
            continue
    return None


class _Walk:
    """One pass through a post's JSON. `is_cut`: not all of it was read."""

    def __init__(self) -> None:
        self.is_cut = False
        self._embedded = 0
        self._read = 0
        self._visited = 0

    def values(self, value: Any, names: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], int, str]]:
        """Return each value with its possible names, the full path first, and the depth of that path."""
        if self._is_full():
            return
        self._visited += 1
        names = names[:MAX_NAMES]
        if isinstance(value, dict | list) and value and depth > MAX_DEPTH:
            self._read += 1
            self.is_cut = True
        elif isinstance(value, dict) and value:
            answer = next((key for key in VALUE_KEYS if value.get(key) not in (None, "")), None)
            for key, one in value.items():
                own = tuple([inside(name, key) for name in names])
                # `{"phone": {"title": "…", "value": "…"}}`: the answer may be named without `.value`.
                possible = own + names if key == answer else own
                if type(one) is str and one[:1].isalnum():  # a plain answer, as most are: no JSON in it
                    if self._is_full():
                        return
                    self._visited += 1
                    self._read += 1
                    yield possible[:MAX_NAMES], depth + 1, one
                else:
                    yield from self.values(one, possible, depth + 1)
                if self.is_cut and self._is_full():
                    return
        elif isinstance(value, list) and not _NESTED.isdisjoint(map(type, value)):
            yield from self._elements(value, names, depth)
        elif isinstance(value, str) and (inner := self._inner(value)) is not None:
            yield from self.values(inner, names if "" in names else (*names[: MAX_NAMES - 1], ""), depth + 1)
        else:
            self._read += 1
            yield names, depth, as_text(value)

    def _is_full(self) -> bool:
        if self._read < MAX_FIELDS and self._visited < MAX_VISITED:
            return False
        self.is_cut = True
        return True

    def _elements(
        self, elements: list[Any], names: tuple[str, ...], depth: int
    ) -> Iterator[tuple[tuple[str, ...], int, str]]:
        if text := as_text([one for one in elements if not isinstance(one, dict | list)]):
            self._read += 1
            yield names, depth, text
        if len(elements) > MAX_FIELDS:
            self.is_cut = True
        for index, element in enumerate(elements[:MAX_FIELDS]):
            rest: Any = element
            if isinstance(element, dict) and (entry := _entry(element)) is not None:
                labels, value_key, rest = entry
                full = [inside(name, label) for name in names[:2] for label in labels]
                place = inside(names[0], f"{index}.{value_key}")
                entry_names = (*full[: MAX_NAMES - len(labels) - 1], *labels, place)
                yield from self.values(element[value_key], entry_names, depth + 1)
            if isinstance(rest, dict | list) and rest:
                own = tuple(inside(name, str(index)) for name in names)
                yield from self.values(rest, own + names if len(elements) == 1 else own, depth + 1)
            else:
                self._visited += 1
            if index + 1 < len(elements) and self._is_full():
                return

    def _inner(self, text: str) -> Any:
        """Return the JSON in a text if it has answers in it, else None."""
        if self._embedded >= MAX_EMBEDDED or not text.lstrip().startswith(("{", "[")):
            return None
        self._embedded += 1
        inner = embedded_json(text)
        is_nested = isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(one, dict) for one in inner))
        return inner if inner and is_nested else None


def _wanted_names(names: tuple[str, ...], wanted: Collection[str]) -> list[str]:
    """Return the possible names of a value that the configuration has; none if it has only one."""
    if len(names) == 1 or not wanted:
        return []
    return [name for name in dict.fromkeys(names) if 0 < len(name) <= MAX_LABEL and fold(name) in wanted]


def _add(found: dict[str, tuple[int, str]], name: str, depth: int, text: str) -> None:
    """Store a value. Of two with one name, a filled one counts, then the one that is less deep."""
    known_depth, known = found.get(name, (depth, ""))
    if not known or (text and depth < known_depth):
        found[name] = (depth if text else known_depth, text)
    elif text and depth == known_depth:
        found[name] = (depth, f"{known}, {text}")


def is_entry(element: object) -> bool:
    """Return whether an element of a list is a field's name and its value."""
    return isinstance(element, dict) and _entry(element) is not None


def _entry(element: dict[str, Any]) -> tuple[tuple[str, ...], str, dict[str, Any]] | None:
    """Return the names, the value's key and the other members of an entry of a list; None if it is none."""
    value_key = next((key for key in VALUE_KEYS if key in element), None)
    if value_key is None:
        return None
    labels: list[str] = []
    for key in NAME_KEYS:
        named = element.get(key)
        members = [named.get(inner) for inner in NAME_KEYS] if isinstance(named, dict) else [named]
        labels += [as_text(one) for one in members if isinstance(one, str | int) and not isinstance(one, bool)]
    labels = [label for label in dict.fromkeys(labels) if label.strip()][: MAX_NAMES - 2]
    if not labels:
        return None
    known = {value_key, *NAME_KEYS, *TYPE_KEYS}
    return tuple(labels), value_key, {key: one for key, one in element.items() if key not in known}


def _canonical(content: Any) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, default=str).encode()
    except (ValueError, RecursionError):
        return repr(content).encode(errors="surrogatepass")
