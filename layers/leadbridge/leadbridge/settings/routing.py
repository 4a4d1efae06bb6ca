"""The routing rules of a source: partners, conditions and fallbacks."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr, model_validator

from leadbridge.settings.sections import Section


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise ValueError("must be a number") from None
    if not number.is_finite():
        raise ValueError("must be a number")
    return number


Number = Annotated[Decimal, BeforeValidator(_number)]


class Condition(Section):
    """What one field must be: all that is given must hold. Texts are compared without regard to capitals."""

    equals: StrictStr | None = None
    one_of: tuple[StrictStr, ...] = ()
    at_least: Number | None = None
    at_most: Number | None = None
    given: StrictBool | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("give equals, one_of, at_least, at_most or given")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is more than at_most")
        return self


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


NextOutcome = Literal["rejected", "duplicate", "capped", "closed", "missing_fields"]


class RoutingRule(Section):
    """A way for leads: the first of `to` gets those that fit `when`; each next one after an outcome of `next_on`.

    `when` is by field: a dotted one of the lead such as `loan.amount`, or `form.` and a field's own name. `next_on` are
    outcomes after which the partner certainly does not have the lead from us; a lost reply is not one of them.
    """

    to: Annotated[tuple[StrictStr, ...], Field(min_length=1), BeforeValidator(_several)]
    when: dict[str, Condition] = {}
    next_on: Annotated[tuple[NextOutcome, ...], Field(min_length=1)] = ("rejected", "missing_fields")

    @model_validator(mode="after")
    def _names_each_once(self) -> RoutingRule:
        if len(set(self.to)) < len(self.to):
            raise ValueError("to names a partner twice: remove one of the two")
        return self

    @model_validator(mode="after")
    def _has_a_next_partner(self) -> RoutingRule:
        if len(set(self.next_on)) < len(self.next_on):
            raise ValueError("next_on lists an outcome twice: remove one of the two")
        if "next_on" in self.model_fields_set and len(self.to) == 1:
            raise ValueError("next_on needs a second partner in to: add one, or remove next_on")
        return self


def _route(value: Any) -> Any:
    if not isinstance(value, str | dict | RoutingRule):
        raise ValueError('give a partner in quotes, or a rule such as { to = "a-partner", when = { … } }')
    return {"to": [value]} if isinstance(value, str) else value


Routes = Annotated[tuple[Annotated[RoutingRule, BeforeValidator(_route)], ...], Field(min_length=1)]
