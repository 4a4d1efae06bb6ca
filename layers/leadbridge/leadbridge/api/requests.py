"""What operators ask for in a body, checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from leadbridge.api.problems import FieldError
from leadbridge.domain.delivery import State

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]


class InvalidRequest(ValueError):
    """A request that cannot be carried out as it stands: every field that is wrong."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(f"{len(errors)} field(s) are wrong")
        self.errors = errors


class MessageRequest(BaseModel):
    """`POST /messages`: to whom, and what."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    lead_id: Annotated[str, Field(pattern=r"^ld_[a-z2-7]{26}$")] | None = None
    account_id: Id | None = None
    template_id: Id | None = None
    text: Words | None = None
    variables: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=1024)]] = {}

    @model_validator(mode="after")
    def _one_of_each(self) -> MessageRequest:
        if (self.lead_id is None) == (self.account_id is None):
            raise ValueError("give either a lead_id or an account_id")
        if (self.template_id is None) == (self.text is None):
            raise ValueError("give either a template_id or a text")
        return self


class RetryRequest(BaseModel):
    """`POST …/retry`: whether it shall be sent again although it may arrive twice."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    confirm: StrictBool = False


class ResolveRequest(BaseModel):
    """`POST …/resolve`: the id under which the partner has it, or that the partner does not have it.

    `"outcome": "unknown"` withdraws what an operator settled. With `expected_state` nothing is done to a delivery that
    is in another state.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    deal_id: Annotated[StrictInt, Field(ge=1, lt=10**18)] | None = None
    account_uuid: Id | None = None
    outcome: Literal["not_created", "unknown"] | None = None
    expected_state: State | None = None

    @property
    def created(self) -> int | str | None:
        """The id under which the partner has it."""
        return self.deal_id if self.deal_id is not None else self.account_uuid

    @model_validator(mode="after")
    def _says_one_thing(self) -> ResolveRequest:
        if [self.deal_id, self.account_uuid, self.outcome].count(None) != 2:
            raise ValueError('give a deal_id, an account_uuid, or "outcome": "not_created" or "unknown"')
        return self


class RedriveRequest(BaseModel):
    """`POST /dead-letters/{queue}/redrive`: one letter, or as many as one call takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    letter_id: Id | None = None


class DiscardRequest(BaseModel):
    """`POST /dead-letters/{queue}/discard`: the letter that is thrown away."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    letter_id: Id


def read_request[R: BaseModel](kind: type[R], content: dict[str, Any]) -> R:
    """Read a body. Raises InvalidRequest, which names every field that is wrong and quotes no value."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    names = kind.model_fields
    raise InvalidRequest(
        tuple(
            FieldError(
                ".".join(map(str, one["loc"][:1])) if one["loc"] and one["loc"][0] in names else "",
                one["msg"].removeprefix("Value error, "),
            )
            for one in found
        )
    )
