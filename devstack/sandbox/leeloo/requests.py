"""Requests and answers: encodings, errors, pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from multipart import MultipartParser, parse_options_header
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from devstack.sandbox.leeloo.fields import Paging
from devstack.sandbox.partner import MAX_FORM_FIELDS, Answer, Incoming, Refusal

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
WORDS = {"missing": "REQUIRED", "extra_forbidden": "UNKNOWN_FIELD"}  # by Pydantic's type of an error
WORDS |= {"missing_argument": "REQUIRED", "unexpected_keyword_argument": "UNKNOWN_FIELD"}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. The annotations of its function say what it takes; `forms`: as a form too, beside JSON."""

    operation: str
    method: str
    path: str
    forms: bool
    function: TypeAdapter[Answer]

    def answer(self, state: Any, incoming: Incoming) -> Answer:
        """Raises `Refusal` with all fields that are wrong; 404 if nothing is wrong but ids that nothing has."""
        fields = self.fields(incoming)
        unknown = fields.keys() & incoming.params.keys() | (incoming.query.keys() if self.method != "GET" else set())
        if unknown:
            raise refusal(400, dict.fromkeys(unknown, "UNKNOWN_FIELD"))
        try:
            given = ArgsKwargs((state,), {**fields, **incoming.params})
            return self.function.validate_python(given, context=state.collections)
        except ValidationError as error:
            wrong: dict[str, str] = {}
            for found in error.errors(include_url=False, include_input=False):
                word = "NOT_FOUND" if found["type"] == "not_found" else WORDS.get(found["type"], "WRONG_FORMAT")
                wrong[str(found["loc"][0])] = word if len(found["loc"]) == 1 or word == "NOT_FOUND" else "WRONG_FORMAT"
            malformed = {name: word for name, word in wrong.items() if word != "NOT_FOUND"}
            raise (refusal(400, malformed) if malformed else refusal(404, wrong, "NOT_FOUND")) from error

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
                raise refusal(400, {"body": "WRONG_FORMAT"})
            case _:
                raise refusal(415, {"Content-Type": "WRONG_FORMAT"})
        names = [name for name, _ in pairs]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise refusal(400, dict.fromkeys(repeated, "WRONG_FORMAT"))
        return dict(pairs)


ROUTES: list[Route] = []


def endpoint[Function: Callable[..., Answer]](
    method: str, path: str, *, forms: bool = False
) -> Callable[[Function], Function]:
    """Register a function as the endpoint of this path. Its name is the operation."""

    def register(function: Function) -> Function:
        adapter: TypeAdapter[Answer] = TypeAdapter(function, config=ConfigDict(extra="forbid", strict=True))
        ROUTES.append(Route(function.__name__, method, path, forms, adapter))
        return function

    return register


def _form(incoming: Incoming) -> list[tuple[str, str]]:
    """The fields of a form. Files are refused."""
    try:
        if incoming.content_type != "multipart/form-data":
            return incoming.form
        _, options = parse_options_header(incoming.headers["Content-Type"])
        boundary = options.get("boundary", "")
        parts = list(MultipartParser(BytesIO(incoming.raw), boundary, strict=True, part_limit=MAX_FORM_FIELDS))
        if not any(part.filename for part in parts):
            return [(part.name, part.value) for part in parts]
    except ValueError:
        pass
    raise refusal(400, {"body": "WRONG_FORMAT"})


def refusal(status: int, fields: Mapping[str, str], code: str = "FORMAT_ERROR") -> Refusal:
    error = {"fields": fields, "code": code}
    return Refusal(Answer.of(status, {"status": 0, "error": error}, refused=error))


def success(data: object, more: Mapping[str, Any] | None = None, **facts: object) -> Answer:
    return Answer.of(200, {"data": data, "status": 1, **(more or {})}, **facts)


def page(paging: Paging, rows: Sequence[Any], total: int | None = None) -> Answer:
    """The rows of `limit` and `offset`. A limit above the maximum is the maximum, also in `meta`."""
    limit = min(int(paging.get("limit", DEFAULT_LIMIT)), MAX_LIMIT)
    offset = int(paging.get("offset", 0))
    meta = {"limit": limit, "offset": offset, "filteredCount": len(rows)}
    meta["totalCount"] = len(rows) if total is None else total
    return success(rows[offset : offset + limit], {"meta": meta})
