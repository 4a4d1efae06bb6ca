"""Requests and answers: encodings, fields, errors, pages.

An error is `{"status": 0, "error": {"fields": {"name": "REQUIRED"}, "code": "FORMAT_ERROR"}}`, a success
`{"data": …, "status": 1}`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any

from multipart import MultipartParser, parse_options_header
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from devstack.sandbox.partner import MAX_FORM_FIELDS, Answer, Incoming, Refusal

TOO_MANY_REQUESTS = "Too many requests, please try again later."
DEFAULT_LIMIT = 20
MAX_LIMIT = 100

ID = "[0-9a-f]{24}"
STRICT = ConfigDict(extra="forbid", strict=True)

REQUIRED, WRONG_FORMAT, UNKNOWN_FIELD = "REQUIRED", "WRONG_FORMAT", "UNKNOWN_FIELD"
NOT_FOUND, NOT_ALLOWED, FORMAT_ERROR = "NOT_FOUND", "NOT_ALLOWED", "FORMAT_ERROR"


type Given = Mapping[str, Any]
"""The valid ids of the path, and the fields of the body or the query."""


@dataclass(frozen=True)
class Route:
    """One of the thirty: its path below the base URL, how it is answered, and the types of its fields.

    `answer` may raise `Refusal`. The fields of a GET are its query. `forms`: form-data and urlencoded bodies are taken
    beside JSON.
    """

    operation: str
    method: str
    path: str
    answer: Callable[[Any, Given], Answer]
    required: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    forms: bool = False

    @cached_property
    def _model(self) -> type[BaseModel]:
        required: dict[str, Any] = {name: (kind, ...) for name, kind in self.required.items()}
        optional: dict[str, Any] = {name: (kind, None) for name, kind in self.optional.items()}
        return create_model(self.operation, __config__=STRICT, **required, **optional)

    def given(self, incoming: Incoming) -> Given:
        """Parse a request. Raises `Refusal` with all errors."""
        fields = self.fields(incoming)
        errors = {name: WRONG_FORMAT for name, value in incoming.params.items() if not re.fullmatch(ID, value)}
        if self.method != "GET":
            errors |= dict.fromkeys(incoming.query, UNKNOWN_FIELD)
        try:
            self._model.model_validate(fields)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                words = {"missing": REQUIRED, "extra_forbidden": UNKNOWN_FIELD} if len(found["loc"]) == 1 else {}
                errors[str(found["loc"][0])] = words.get(found["type"], WRONG_FORMAT)
        if errors:
            raise refusal(400, errors)
        return {**fields, **incoming.params}

    def fields(self, incoming: Incoming) -> dict[str, Any]:
        """The fields as sent, of a repeated one of a query the list. Raises `Refusal` for a wrong encoding."""
        if self.method == "GET":
            values = {name: incoming.query.getall(name) for name in incoming.query}
            return {name: each[0] if len(each) == 1 else each for name, each in values.items()}
        match incoming.content_type:
            case "application/json" if incoming.is_object:
                return incoming.fields
            case "application/x-www-form-urlencoded" | "multipart/form-data" if self.forms:
                pairs = _form(incoming)
            case "application/json":
                raise refusal(400, {"body": WRONG_FORMAT})
            case _:
                raise refusal(415, {"Content-Type": WRONG_FORMAT})
        names = [name for name, _ in pairs]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise refusal(400, dict.fromkeys(repeated, WRONG_FORMAT))
        return dict(pairs)


def _form(incoming: Incoming) -> list[tuple[str, str]]:
    """The fields of a form. Files are refused."""
    try:
        if incoming.content_type != "multipart/form-data":
            return incoming.form
        _, options = parse_options_header(incoming.headers["Content-Type"])
        parser = MultipartParser(
            BytesIO(incoming.raw), options.get("boundary", ""), strict=True, part_limit=MAX_FORM_FIELDS
        )
        parts = list(parser)
        if not any(part.filename for part in parts):
            return [(part.name, part.value) for part in parts]
    except ValueError:
        pass
    raise refusal(400, {"body": WRONG_FORMAT})


def refusal(status: int, fields: Mapping[str, str], code: str = FORMAT_ERROR) -> Refusal:
    error = {"fields": fields, "code": code}
    return Refusal(Answer.of(status, {"status": 0, "error": error}, refused=error))


def too_many_requests(status: int = 429, retry_after: int | None = None) -> Answer:
    """Plain text with any status. `retry_after` is in seconds."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    facts = {"refused": "too many requests"}
    return Answer(status, TOO_MANY_REQUESTS.encode(), "text/plain; charset=utf-8", headers, facts)


def find[Thing](things: Mapping[str, Thing], given: Given, name: str) -> Thing:
    """Return what has the id in this field. Raises `Refusal`, a 404 that names the field."""
    thing = things.get(given[name])
    if thing is None:
        raise refusal(404, {name: NOT_FOUND}, NOT_FOUND)
    return thing


def success(data: object, more: Mapping[str, Any] | None = None, **facts: object) -> Answer:
    """`more` is `meta`, `included` or `linked`. Facts go to the call log."""
    return Answer.of(200, {"data": data, "status": 1, **(more or {})}, **facts)


def page(given: Given, matching: Iterable[Any], total: int) -> Answer:
    """The rows of `limit` and `offset`. A limit above the maximum is the maximum, also in `meta`."""
    rows = list(matching)
    limit = min(int(given.get("limit", DEFAULT_LIMIT)), MAX_LIMIT)
    offset = int(given.get("offset", 0))
    meta = {"limit": limit, "offset": offset, "filteredCount": len(rows), "totalCount": total}
    return success(rows[offset : offset + limit], {"meta": meta})
