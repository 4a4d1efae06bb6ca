"""Types and parsing of path and query parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from leadbridge.api.problems import Problem
from leadbridge.domain import fields

MAX_LIMIT = 100
PLACEHOLDER = re.compile(r"\{(\w+)\}")
YEARS = range(2000, 2200)  # date arithmetic overflows near the ends of the calendar


def invalid_query(detail: str) -> Problem:
    """Return the problem for an invalid query."""
    return Problem(400, "invalid-query", "Invalid query", detail)


def unknown_lead() -> Problem:
    """Return the problem for a lead that does not exist, or that has no such delivery."""
    return Problem(404, "unknown-lead", "Unknown lead", "This lead or delivery does not exist.")


def unknown_message() -> Problem:
    """Return the problem for a message that the lead does not have."""
    return Problem(404, "unknown-message", "Unknown message", "The lead does not have this message.")


def unknown_postback() -> Problem:
    """Return the problem for a postback that the lead does not have."""
    return Problem(404, "unknown-postback", "Unknown postback", "The lead does not have this postback.")


def unknown_queue() -> Problem:
    """Return the problem for a dead-letter queue that does not exist."""
    return Problem(404, "unknown-queue", "Unknown queue", "This dead-letter queue does not exist.")


def unknown_source() -> Problem:
    """Return the problem for a source that does not exist."""
    return Problem(404, "unknown-source", "Unknown source", "No source with this name is configured.")


def unknown_group() -> Problem:
    """Return the problem for a group that the inbox does not have."""
    return Problem(404, "unknown-group", "Unknown group", "The inbox has no such group. It may be solved.")


@dataclass(frozen=True)
class PathParameter:
    """A path parameter. A value that does not match `pattern` raises the problem `unknown`."""

    description: str
    pattern: str
    unknown: Callable[[], Problem]


PATH_PARAMETERS = {
    "lead_id": PathParameter("A lead.", r"ld_[a-z2-7]{26}", unknown_lead),
    "partner": PathParameter("A partner.", r"[a-z0-9_-]{1,64}", unknown_lead),
    "message_id": PathParameter("A message of the lead.", r"[0-9A-Za-z:.#_-]{1,256}", unknown_message),
    "event_id": PathParameter("A postback of the lead.", r"evt_[0-9a-f]{32}", unknown_postback),
    "source": PathParameter("A source.", r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", unknown_source),
    "group": PathParameter("A group of the inbox.", r"[a-z_]{1,16}(\.[A-Za-z0-9_-]{1,64}){2,6}", unknown_group),
    "queue": PathParameter("A dead-letter queue.", r"[a-z-]{1,64}", unknown_queue),
}


def read_path(template: str, values: Mapping[str, str]) -> dict[str, str]:
    """Parse the parameters of a path such as `/leads/{lead_id}`, percent-encoded or decoded. Raises Problem."""
    found = {}
    for name in PLACEHOLDER.findall(template):
        parameter, value = PATH_PARAMETERS[name], unquote(values.get(name) or "")
        if not re.fullmatch(parameter.pattern, value):
            raise parameter.unknown()
        found[name] = value
    return found


def _flag(value: object) -> bool:
    if value not in {"true", "false", True, False}:
        raise ValueError("must be true or false")
    return value in {"true", True}


def _day(value: object) -> date:
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise ValueError("must be a day such as 2026-11-02")
    return day


def _moment(value: object) -> date:
    """Return a day, or the time of an RFC 3339 text."""
    text = str(value)
    with suppress(ValueError):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return _day(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and moment.year in YEARS:
            return moment.astimezone(UTC)
    raise ValueError("must be a day such as 2026-11-02, or a time such as 2026-11-02T08:30:00Z")


def _phone(value: str) -> str | None:
    try:
        return fields.phone_with_country(value)  # a `+` arrives as a space
    except ValueError:
        raise ValueError("must be a phone number") from None


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "string", "enum": ["true", "false"]})]
Day = Annotated[date, BeforeValidator(_day)]
# A day, or as a `datetime` a time.
Moment = Annotated[date, PlainValidator(_moment), WithJsonSchema({"type": "string"})]
Phone = Annotated[str, AfterValidator(_phone)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class QueryParams(BaseModel):
    """Query parameters. An empty parameter counts as missing."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)


class MaskedQuery(QueryParams):
    """Whether to mask the person."""

    masked: Flag = Field(False, description="Whether phones, addresses and tax numbers are masked.")


def read_query[Q: QueryParams](kind: type[Q], parameters: Mapping[str, str]) -> Q:
    """Parse a query string. Raises Problem, also for unknown parameters."""
    known = {field.alias or name for name, field in kind.model_fields.items()}
    if unknown := parameters.keys() - known:
        raise invalid_query(f"Unknown parameter: {', '.join(sorted(unknown))}.")
    try:
        return kind.model_validate({name: value for name, value in parameters.items() if value})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    raise invalid_query(" ".join(f"{one['loc'][0]} {validation_message(one)}." for one in found))


def validation_message(detail: Any) -> str:
    """Return the message of a validation error, without the value."""
    if detail["type"] == "string_pattern_mismatch":
        return "does not have the right form"  # the pattern means nothing to a person
    message: str = detail["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "must be", 1)
