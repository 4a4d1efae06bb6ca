"""The routing rules of a source: partners, weights, conditions, and the outcomes that open the next partner."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StrictStr, model_validator

from leadbridge.settings.opening_hours import OpeningHours
from leadbridge.settings.sections import HoursLine, Section


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


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


TIME = "time"  # the condition on when a lead was received
MAX_WEIGHT = 1_000_000
Number = Annotated[Decimal, BeforeValidator(_number)]


class Condition(Section):
    """What one field must be: all that is given must hold. Texts are compared without regard to capitals.

    `within` and `outside` are weekly hours such as "mon-fri 09:00-18:00", for the time at which the lead was received.
    A period includes its start, and not its end.
    """

    equals: StrictStr | None = None
    one_of: tuple[StrictStr, ...] = ()
    at_least: Number | None = None
    at_most: Number | None = None
    given: StrictBool | None = None
    within: Annotated[tuple[HoursLine, ...], BeforeValidator(_several)] = ()
    outside: Annotated[tuple[HoursLine, ...], BeforeValidator(_several)] = ()

    @model_validator(mode="after")
    def _asks_for_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("give equals, one_of, at_least, at_most or given; for time: within or outside")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is more than at_most")
        return self

    def is_time_met(self, at: datetime, time_zone: str) -> bool:
        """Return whether a moment is within the hours of this condition."""
        return (not self.within or _week(self.within, time_zone).contains(at)) and not (
            self.outside and _week(self.outside, time_zone).contains(at)
        )


@lru_cache
def _week(lines: tuple[str, ...], time_zone: str) -> OpeningHours:
    return OpeningHours.parse(lines, time_zone)


class Target(Section):
    """A partner of a rule, with its share of the people if the rule has weights."""

    partner: StrictStr
    weight: Annotated[StrictInt, Field(ge=1, le=MAX_WEIGHT)] | None = None


def _target(value: Any) -> Any:
    if not isinstance(value, str | dict | Target):
        raise ValueError('give a partner in quotes, or { partner = "a-partner", weight = 70 }')
    return {"partner": value} if isinstance(value, str) else value


NextOutcome = Literal["rejected", "duplicate", "missing_fields", "capped", "closed"]


class RoutingRule(Section):
    """A way for leads: one partner of `to` gets those that fit `when`; the next one after an outcome of `next_on`.

    Without weights the first of `to` gets the lead, and the order is that of the list. With weights a keyed hash of the
    person decides on the order, so that each partner is the first one for its share of the people.

    `when` is by field: a dotted one of the lead such as `loan.amount`, `form.` and a field's own name, or `time`.
    `next_on` are outcomes after which the partner certainly does not have the lead from us; a lost reply is not one of
    them.
    """

    to: Annotated[
        tuple[Annotated[Target, BeforeValidator(_target)], ...], Field(min_length=1), BeforeValidator(_several)
    ]
    when: dict[str, Condition] = {}
    next_on: Annotated[tuple[NextOutcome, ...], Field(min_length=1)] = ("rejected", "missing_fields")

    @property
    def partners(self) -> tuple[str, ...]:
        """The names of the partners, in the order of the list."""
        return tuple(target.partner for target in self.to)

    @property
    def weights(self) -> dict[str, int]:
        """The weights by partner; empty if the rule has none."""
        return {target.partner: target.weight for target in self.to if target.weight is not None}

    @model_validator(mode="after")
    def _has_an_order(self) -> RoutingRule:
        names, weights = self.partners, self.weights
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"to names {twice!r} twice: remove one of the two")
        if weights and len(weights) < len(names):
            without = ", ".join(repr(name) for name in names if name not in weights)
            raise ValueError(f"to has weights, but not for {without}: give every partner a weight, or none")
        if weights and len(names) == 1:
            raise ValueError(f"a weight needs a second partner in to: add one, or write to = {names[0]!r}")
        return self

    @model_validator(mode="after")
    def _has_a_next_partner(self) -> RoutingRule:
        if len(set(self.next_on)) < len(self.next_on):
            raise ValueError("next_on lists an outcome twice: remove one of the two")
        if "next_on" in self.model_fields_set and len(self.to) == 1:
            raise ValueError("next_on needs a second partner in to: add one, or remove next_on")
        return self

    @model_validator(mode="after")
    def _judges_time_by_hours(self) -> RoutingRule:
        for path, condition in self.when.items():
            has_hours = bool(condition.within or condition.outside)
            if path == TIME and condition.model_fields_set - {"within", "outside"}:
                raise ValueError('the condition time takes within or outside, such as within = "mon-fri 09:00-18:00"')
            if path == TIME and not has_hours:
                raise ValueError("the condition time needs hours in within or outside")
            if path != TIME and has_hours:
                raise ValueError(f"within and outside belong to the condition time, not to {path!r}")
        return self


def _route(value: Any) -> Any:
    if not isinstance(value, str | dict | RoutingRule):
        raise ValueError('give a partner in quotes, or a rule such as { to = "a-partner", when = { … } }')
    return {"to": [value]} if isinstance(value, str) else value


Routes = Annotated[tuple[Annotated[RoutingRule, BeforeValidator(_route)], ...], Field(min_length=1)]
