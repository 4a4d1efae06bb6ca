"""DynamoDB's condition, update and projection expressions, each compiled once into functions over an item.

An item and its values are in DynamoDB's own form: {"S": "text"}. Everything that DynamoDB refuses raises Invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

type Value = dict[str, Any]
type Item = dict[str, Value]
type Operand = Callable[[Item, Scope], Value | None]
type Test = Callable[[Item, Scope], bool]
type Change = Callable[[Item, Item, Scope], None]  # of the item as it was, into a new one

TOKEN = re.compile(r"\s*(:\w+|#\w+|[A-Za-z_]\w*|<=|>=|<>|[=<>(),+.-])")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


class Invalid(Exception):
    """A ValidationException of DynamoDB."""


@dataclass(frozen=True)
class Scope:
    """What a request has for its placeholders."""

    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)

    def name(self, token: str) -> str:
        """The attribute that a token means."""
        if not token.startswith("#"):
            return token
        if token not in self.names:
            raise Invalid(f"An expression attribute name used in the document path is not defined: {token}")
        return self.names[token]

    def value(self, token: str) -> Value:
        """The value that a token means."""
        if token not in self.values:
            raise Invalid(f"An expression attribute value used in expression is not defined: {token}")
        return self.values[token]

    def check_used(self, *expressions: str | None) -> None:
        """Raise Invalid if a placeholder is in none of the expressions."""
        used = {token for text in expressions if text for token in tokens(text)}
        if unused := (self.names.keys() | self.values.keys()) - used:
            raise Invalid(f"Value unused in expressions: {', '.join(sorted(unused))}")


@dataclass(frozen=True)
class Condition:
    """A compiled condition. `equal` are the attributes that it compares with one value, by their tokens."""

    test: Test
    equal: tuple[tuple[str, str], ...]


@lru_cache(maxsize=2000)
def tokens(text: str) -> tuple[str, ...]:
    """The tokens of an expression."""
    found, place = [], 0
    while place < len(text.rstrip()):
        match = TOKEN.match(text, place)
        if match is None:
            raise Invalid(f"Syntax error: {text[place:]}")
        found.append(match[1])
        place = match.end()
    return tuple(found)


@lru_cache(maxsize=2000)
def condition(text: str) -> Condition:
    """Compile a condition, a filter or a key condition."""
    parser = Parser(text)
    test = parser.either()
    parser.end()
    return Condition(test, tuple(parser.equal))


@lru_cache(maxsize=2000)
def update(text: str) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Compile an update: its changes, and the tokens of the attributes that it changes."""
    parser = Parser(text)
    changes = parser.changes()
    return tuple(changes), tuple(parser.changed)


@lru_cache(maxsize=2000)
def projection(text: str) -> tuple[str, ...]:
    """The tokens of the attributes that a projection names."""
    found = tokens(text)
    names = found[::2]
    if any(token != "," for token in found[1::2]) or any(not _is_name(token) for token in names):
        raise NotImplementedError(text)
    for name in names:
        _not_reserved(name)
    return names


class Parser:
    """A recursive-descent parser of one expression."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._place = 0
        self._text = text
        self._depth = 0
        self.equal: list[tuple[str, str]] = []
        self.changed: list[str] = []

    def end(self) -> None:
        """Raise Invalid unless all was read."""
        if self._place != len(self._tokens):
            raise Invalid(f"Syntax error in {self._text!r}")

    def either(self) -> Test:
        """Conditions joined by OR."""
        tests = [self._all()]
        while self._take("OR"):
            self.equal.clear()
            tests.append(self._all())
            self.equal.clear()
        return tests[0] if len(tests) == 1 else lambda item, scope: any(test(item, scope) for test in tests)

    def changes(self) -> list[Change]:
        """The clauses of an update."""
        found: list[Change] = []
        clauses = {"SET": self._set, "REMOVE": self._remove, "ADD": self._add, "DELETE": self._delete}
        while self._place < len(self._tokens):
            clause = clauses.get(self._next().upper())
            if clause is None:
                raise Invalid(f"Syntax error in {self._text!r}")
            found.append(clause())
            while self._take(","):
                found.append(clause())
        if len(set(self.changed)) < len(self.changed):
            raise Invalid("Two document paths overlap with each other")
        return found

    def _all(self) -> Test:
        tests = [self._one()]
        while self._take("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda item, scope: all(test(item, scope) for test in tests)

    def _one(self) -> Test:
        if self._take("NOT"):
            refused = self._one()
            return lambda item, scope: not refused(item, scope)
        if self._take("("):
            inner = self.either()
            self._must("(", ")")
            return inner
        word = self._peek().lower()
        if word in FUNCTIONS and self._peek(1) == "(":
            return self._function(word)
        return self._comparison()

    def _function(self, word: str) -> Test:
        self._next()
        self._must("(")
        name, path = word, self._name()
        if name in {"attribute_exists", "attribute_not_exists"}:
            self._must(")")
            wanted = name == "attribute_exists"
            return lambda item, scope: (scope.name(path) in item) is wanted
        self._must(",")
        other = self._operand()
        self._must(")")
        holds = {"begins_with": _begins_with, "contains": _contains}[name]
        return lambda item, scope: holds(item.get(scope.name(path)), other(item, scope))

    def _comparison(self) -> Test:
        first_token = self._peek()
        one = self._operand()
        operator = self._next().upper()
        if operator == "BETWEEN":
            low = self._operand()
            self._must("AND")
            high = self._operand()
            return lambda item, scope: (
                _compare(one(item, scope), low(item, scope), ">=")
                and _compare(one(item, scope), high(item, scope), "<=")
            )
        if operator == "IN":
            self._must("(")
            others = [self._operand()]
            while self._take(","):
                others.append(self._operand())
            self._must(")")
            return lambda item, scope: any(_same(one(item, scope), other(item, scope)) for other in others)
        second_token = self._peek()
        other = self._operand()
        if operator == "=":
            if _is_name(first_token) and second_token.startswith(":"):
                self.equal.append((first_token, second_token))
            return lambda item, scope: _same(one(item, scope), other(item, scope))
        if operator == "<>":
            return lambda item, scope: not _same(one(item, scope), other(item, scope))
        if operator not in COMPARISONS:
            raise Invalid(f"Syntax error in {self._text!r}")
        return lambda item, scope: _compare(one(item, scope), other(item, scope), operator)

    def _operand(self) -> Operand:
        token = self._peek()
        if token.startswith(":"):
            self._next()
            return lambda _, scope: scope.value(token)
        if token.lower() == "size" and self._peek(1) == "(":
            self._next()
            self._must("(")
            sized = self._name()
            self._must(")")
            return lambda item, scope: _size(item.get(scope.name(sized)))
        name = self._name()
        return lambda item, scope: item.get(scope.name(name))

    def _set(self) -> Change:
        name = self._changed_name()
        self._must("=")
        one = self._set_operand()
        if self._peek() in {"+", "-"}:
            sign = 1 if self._next() == "+" else -1
            other = self._set_operand()

            def put_sum(before: Item, after: Item, scope: Scope) -> None:
                after[scope.name(name)] = _sum(one(before, scope), other(before, scope), sign)

            return put_sum

        def put(before: Item, after: Item, scope: Scope) -> None:
            value = one(before, scope)
            if value is None:
                raise Invalid("The provided expression refers to an attribute that does not exist in the item")
            after[scope.name(name)] = value

        return put

    def _set_operand(self) -> Operand:
        word = self._peek().lower()
        if word == "if_not_exists" and self._peek(1) == "(":
            self._next()
            self._must("(")
            name = self._name()
            self._must(",")
            otherwise = self._set_operand()
            self._must(")")
            return lambda item, scope: item.get(scope.name(name)) or otherwise(item, scope)
        if word == "list_append" and self._peek(1) == "(":
            self._next()
            self._must("(")
            first = self._set_operand()
            self._must(",")
            second = self._set_operand()
            self._must(")")
            return lambda item, scope: {"L": [*_list(first(item, scope)), *_list(second(item, scope))]}
        return self._operand()

    def _remove(self) -> Change:
        name = self._changed_name()

        def remove(_: Item, after: Item, scope: Scope) -> None:
            after.pop(scope.name(name), None)

        return remove

    def _add(self) -> Change:
        name, value = self._changed_name(), self._operand()

        def add(before: Item, after: Item, scope: Scope) -> None:
            added, held = value(before, scope), before.get(scope.name(name))
            after[scope.name(name)] = _added(held, added)

        return add

    def _delete(self) -> Change:
        name, value = self._changed_name(), self._operand()

        def delete(before: Item, after: Item, scope: Scope) -> None:
            taken, held = value(before, scope), before.get(scope.name(name))
            if held is None or taken is None:
                return
            ((kind, members),) = taken.items()
            left = [member for member in held[kind] if member not in members]
            after[scope.name(name)] = {kind: left}
            if not left:
                del after[scope.name(name)]

        return delete

    def _changed_name(self) -> str:
        name = self._name()
        self.changed.append(name)
        return name

    def _name(self) -> str:
        token = self._next()
        if not _is_name(token):
            raise Invalid(f"Syntax error in {self._text!r}")
        if self._peek() in {".", "["}:
            raise NotImplementedError(f"a path into a document: {self._text}")
        _not_reserved(token)
        return token

    def _peek(self, ahead: int = 0) -> str:
        place = self._place + ahead
        return self._tokens[place] if place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _take(self, token: str) -> bool:
        if self._peek().upper() != token:
            return False
        self._place += 1
        return True

    def _must(self, *wanted: str) -> None:
        token = wanted[-1]
        if not self._take(token):
            raise Invalid(f"Syntax error in {self._text!r}: no {token}")


FUNCTIONS = {"attribute_exists", "attribute_not_exists", "begins_with", "contains"}
# moto's list. The module that reads it takes long to import.
RESERVED = Path(str(distribution("moto").locate_file("moto/dynamodb/parsing/reserved_keywords.txt")))
KEYWORDS = frozenset(RESERVED.read_text(encoding="utf-8").split())


def number(value: Value) -> Decimal:
    """A number's value."""
    return Decimal(value["N"])


def _is_name(token: str) -> bool:
    return token.startswith("#") or token[:1].isalpha() or token[:1] == "_"


def _not_reserved(token: str) -> None:
    if not token.startswith("#") and token.upper() in KEYWORDS:
        raise Invalid(f"Attribute name is a reserved keyword; reserved keyword: {token}")


def _same(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return False
    if "N" in one and "N" in other:
        return number(one) == number(other)
    return one == other


def _compare(one: Value | None, other: Value | None, operator: str) -> bool:
    if one is None or other is None or one.keys() != other.keys():
        return False
    ((kind, left),), ((_, right),) = one.items(), other.items()
    match kind:
        case "N":
            return COMPARISONS[operator](Decimal(left), Decimal(right))
        case "S":
            return COMPARISONS[operator](left.encode(), right.encode())
        case "B":
            return COMPARISONS[operator](left, right)
        case _:
            raise Invalid(f"Incorrect operand type for operator {operator}: {kind}")


def _begins_with(value: Value | None, beginning: Value | None) -> bool:
    return value is not None and beginning is not None and "S" in value and value["S"].startswith(beginning["S"])


def _contains(value: Value | None, member: Value | None) -> bool:
    if value is None or member is None:
        return False
    ((kind, held),), ((_, wanted),) = value.items(), member.items()
    match kind:
        case "S":
            return "S" in member and wanted in held
        case "L":
            return any(_same(one, member) for one in held)
        case "SS" | "NS" | "BS":
            return wanted in held
        case _:
            return False


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    ((kind, held),) = value.items()
    return {"N": str(len(held.encode() if kind == "S" else held))}


def _list(value: Value | None) -> list[Value]:
    if value is None or "L" not in value:
        raise Invalid("An operand of list_append is no list")
    return list(value["L"])


def _sum(one: Value | None, other: Value | None, sign: int) -> Value:
    if one is None or other is None:
        raise Invalid("The provided expression refers to an attribute that does not exist in the item")
    return {"N": str(number(one) + sign * number(other))}


def _added(held: Value | None, added: Value | None) -> Value:
    if added is None:
        raise Invalid("ADD without a value")
    if held is None:
        return added
    if "N" in added:
        return {"N": str(number(held) + number(added))}
    ((kind, members),) = added.items()
    return {kind: [*held[kind], *(member for member in members if member not in held[kind])]}
