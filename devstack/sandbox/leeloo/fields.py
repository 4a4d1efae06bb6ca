"""The types of fields."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, ConfigDict, Field, with_config

from devstack.sandbox.partner import Filled, rfc3339, written_as

STRICT = ConfigDict(extra="forbid", strict=True)
ID = "[0-9a-f]{24}"


def date_as(show: Callable[[datetime], str]) -> Callable[[str], str]:
    """A validator of dates that are written so."""

    def check(text: str) -> str:
        if show(datetime.fromisoformat(text)) != text:
            raise ValueError("another format")
        return text

    return check


Text = Filled
Id = Annotated[str, AfterValidator(written_as(ID))]
Phone = Annotated[str, AfterValidator(written_as(r"\+?[0-9]{9,15}"))]
Line = Annotated[str, AfterValidator(written_as(r"\+?[0-9]{2,15}"))]  # a phone, or an extension such as `606`
Email = Annotated[str, AfterValidator(written_as(r"[^@\s]+@[^@\s]+\.[^@\s]+"))]
Currency = Annotated[str, AfterValidator(written_as("[A-Z]{3}"))]
Money = Annotated[str, AfterValidator(written_as(r"[0-9]{1,12}(\.[0-9]{1,2})?"))]
Link = Annotated[str, AfterValidator(written_as(r"https?://[^\s]+|NOT_DEFINED"))]
Digits = Annotated[str, AfterValidator(written_as("[0-9]{1,9}"))]
Positive = Annotated[str, AfterValidator(written_as("(?=.*[1-9])[0-9]{1,9}"))]
Seconds = Annotated[int, Field(ge=0, lt=10**9)] | Digits
Instant = Annotated[str, AfterValidator(date_as(lambda at: rfc3339(at.timestamp())))]
Minute = Annotated[str, AfterValidator(date_as(lambda at: f"{at:%Y-%m-%d %H:%M}"))]
Day = Annotated[str, AfterValidator(date_as(lambda at: f"{at:%Y-%m-%d}"))]
Flag = Literal["true", "false"]
CallStatus = Literal["TALKING", "SUCCESS", "NO_ANSWER", "CLOSED_BY_SYSTEM"]
Direction = Literal["INBOUND", "OUTBOUND"]
Outcome = Literal["RESOLVED", "REJECTED"]


@with_config(STRICT)
class Who(TypedDict):
    """A person of an import."""

    name: Text
    email: Email
    phone: Phone


Recipients = Annotated[list[Who], Field(min_length=1)]


@with_config(STRICT)
class CustomField(TypedDict):
    """A further field of a person."""

    type: Text
    name: Text
    value: str


def some_of(*words: str) -> Any:
    """Comma-separated words."""
    return Annotated[str, AfterValidator(written_as(f"({'|'.join(words)})(,({'|'.join(words)}))*"))]
