"""An operator's request: operator, path, body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leadbridge.api.params import validation_message
from leadbridge.api.problems import Problem
from leadbridge.api.resources import Resources
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.forms.base import Request, TooLarge, Unreadable
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.runtime.budget import LambdaContext

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]


@dataclass(frozen=True)
class ApiRequest:
    """A validated request. `path` contains the path parameters."""

    operator: str
    path: Mapping[str, str]
    context: LambdaContext
    resources: Resources


class Body(BaseModel):
    """A JSON object without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


def operator_of(event: dict[str, Any]) -> str:
    """Return the name of the operator, from the authorizer."""
    return str(((event.get("requestContext") or {}).get("authorizer") or {}).get("operator") or "")


def read_body[B: Body](kind: type[B], event: dict[str, Any]) -> B:
    """Parse a body; a missing one is an empty object. Raises Problem with all invalid fields, without values."""
    content = _object_of(event)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    errors = tuple(_field_error(one, kind) for one in found)
    raise invalid_request("The request is not valid; see errors.", *errors)


def invalid_request(detail: str, *errors: FieldError) -> Problem:
    """Return the problem for a body with invalid fields."""
    return Problem(422, "invalid-request", "Invalid request", detail, errors)


def _object_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object of the body. The size is checked before the body is parsed."""
    try:
        body = Request.of(event).body
        return read_object(body) if body.strip() else {}
    except TooLarge:
        raise Problem(413, "too-large", "Body too large", "A body may have at most 256 KiB.") from None
    except Unreadable:
        raise Problem(400, "unreadable", "Unreadable body", "The body is not a JSON object.") from None


def _field_error(detail: Any, kind: type[Body]) -> FieldError:
    codes = {"missing": FieldCode.REQUIRED, "extra_forbidden": FieldCode.UNKNOWN_FIELD}
    code = codes.get(detail["type"], FieldCode.UNREADABLE)
    return FieldError(_field_of(detail["loc"], kind), code, validation_message(detail))


def _field_of(location: tuple[int | str, ...], kind: type[Body]) -> str:
    """Return the field of an error; empty if the field is unknown or the error is about the whole body."""
    return str(location[0]) if location and location[0] in kind.model_fields else ""
