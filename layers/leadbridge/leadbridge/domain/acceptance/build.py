"""Build a lead from the values of a form, for the partners that can take it.

A lead that no partner can take is incomplete: it has `problems` and no partners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from leadbridge.domain import fields
from leadbridge.domain.acceptance.answers import bound_answers
from leadbridge.domain.acceptance.ids import is_personal, own_values
from leadbridge.domain.clock import date_in
from leadbridge.domain.errors.field_codes import FieldCode, FieldError, InvalidValue
from leadbridge.domain.fields.reading import Reading, ReadingRules
from leadbridge.domain.lead import InvalidLead, Lead, LeadFields, find_field_errors
from leadbridge.domain.routing.rules import FORM_PREFIX, Decision, skip_unfit_partners

if TYPE_CHECKING:
    from leadbridge.settings import Partner

DEFAULT_RULES = ReadingRules()
MAX_LISTED_NAMES = 20  # names of form fields in the message of a problem
MAX_LISTED_LENGTH = 60  # characters of such a name
MAX_CAMPAIGN_LENGTH = 50  # characters of a campaign that are counted; the rest is cut
WHOLE_POST = ""  # the `field` of a problem of the whole post

type Chooser = Callable[[LeadFields], Decision]


@dataclass(frozen=True)
class ReadValues:
    """The values of a form after parsing.

    `wrong` are the errors by field of the values that cannot be read; `asked` does not have these values. `warnings`
    are what the parsers changed.
    """

    asked: LeadFields
    wrong: Mapping[str, FieldError]
    warnings: tuple[FieldError, ...]

    @property
    def is_changed(self) -> bool:
        """Whether a value was left out or changed."""
        return bool(self.wrong or self.warnings)

    def errors_for(self, partner: Partner) -> list[FieldError]:
        """Return why a partner cannot take the lead: wrong and missing values. Empty if it can."""
        return [self._wrong(found.field) or found for found in find_field_errors(self.asked, partner)]

    def unmet_because_of(self, paths: Sequence[str]) -> list[FieldError]:
        """Return why a routing rule could not be judged: values at these paths are wrong or missing.

        Empty if another value does not match the rule, so that no correction of these would help.
        """
        found = [self._wrong(path) or self._missing(path) for path in paths]
        return [one for one in found if one is not None] if all(found) else []

    def _missing(self, path: str) -> FieldError | None:
        is_missing = not path.startswith(FORM_PREFIX) and self.asked.value(path) is None
        return FieldError(path, FieldCode.REQUIRED) if is_missing else None

    def _wrong(self, path: str) -> FieldError | None:
        return self.wrong.get(path) or self.wrong.get(path.partition(".")[0])


@dataclass(frozen=True)
class Assignment:
    """The partners that get a lead. Without any, `problems` are the reasons, if it has any.

    `warnings` name the fields because of which other partners do not get the lead.
    """

    decision: Decision
    problems: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()


def build_lead(
    values: dict[str, Any],
    *,
    lead_id: str,
    source: str,
    received_at: datetime,
    partners: Mapping[str, Partner],
    choose: Chooser | None = None,
    content_hash: str | None = None,
    rules: ReadingRules = DEFAULT_RULES,
    answers: Mapping[str, str] | None = None,
    unmapped: Sequence[str] | None = None,
    count_by: str = "utm.utm_campaign",
    time_zone: str = "UTC",
    refuses: bool = False,
    unused: Sequence[str] = (),
) -> Lead:
    """Build a lead for the partners that `choose` returns, or for all.

    `values` contains the sections `person`, `loan`, `trading`, `utm`, `ids` and `consent` of the post. `answers` are
    the raw answers; they are stored if the lead has problems, or if a value was left out or changed. `unmapped` are the
    names of the form's fields if none of them is configured. `count_by` is the path of the value that is counted,
    and `time_zone` that of the day on which the lead is counted. `unused` are the names to report.

    With `refuses`, raises InvalidLead instead of returning an incomplete lead.
    """
    read = read_values(values, rules)
    assigned = assign_partners(read, partners, choose, unmapped)
    if refuses and assigned.problems:
        raise InvalidLead(tuple({**read.wrong, **{one.field: one for one in assigned.problems}}.values()))
    problematic = {one.field for one in (*assigned.problems, *assigned.warnings)}
    left_out = [error for field, error in read.wrong.items() if field not in problematic]
    decision, asked = assigned.decision, read.asked
    return Lead(
        lead_id=lead_id,
        source=source,
        received_at=received_at,
        content_hash=content_hash,
        partners=decision.partners,
        fallbacks=dict(decision.fallbacks) if decision.partners else {},
        next_on=dict(decision.next_on) if decision.partners else {},
        campaign=_campaign(asked, count_by),
        day=date_in(time_zone, received_at).isoformat(),
        unused=tuple(unused),
        routed=decision.reason,
        routed_data=dict(decision.data),
        problems=assigned.problems,
        warnings=(
            *find_value_warnings(asked, [partners[name] for name in decision.partners]),
            *read.warnings,
            *left_out,
            *assigned.warnings,
        ),
        answers=bound_answers(answers or {}) if assigned.problems or read.is_changed else {},
        person=asked.person,
        loan=asked.loan,
        trading=asked.trading,
        utm=asked.utm,
        ids=asked.ids,
        consent=asked.consent,
    )


def _campaign(asked: LeadFields, count_by: str) -> str:
    """Return the campaign that is counted; empty if it is personal, because counters are kept permanently."""
    text = str(asked.value(count_by) or "").strip()
    is_personal_tag = bool(text) and is_personal(count_by.rpartition(".")[2], text, own_values(asked.person))
    return "" if is_personal_tag else text[:MAX_CAMPAIGN_LENGTH]


def is_worth_storing(lead: Lead) -> bool:
    """Return whether an incomplete lead has a contact or any answer. Without both there is nothing to complete."""
    return bool(lead.person.phone or lead.person.email or lead.answers)


def assign_partners(
    read: ReadValues,
    partners: Mapping[str, Partner],
    choose: Chooser | None = None,
    unmapped: Sequence[str] | None = None,
) -> Assignment:
    """Choose the partners that get a lead. In an order, one that cannot take it is skipped for the next one."""
    wanted = Decision(tuple(partners)) if choose is None else choose(read.asked)
    lacking = {name: read.errors_for(partners[name]) for name in wanted.candidates}
    decision = skip_unfit_partners(wanted, lambda name: not lacking[name])
    if decision.partners:
        without = [name for name in wanted.partners if not _is_served(name, wanted, decision)]
        return Assignment(
            decision, warnings=tuple(_not_sent(name, error) for name in without for error in lacking[name])
        )
    if unmapped is not None:
        return Assignment(decision, (_no_configured_field(unmapped),))
    errors = [error for name in wanted.candidates for error in lacking[name]]
    unjudged = [
        error for rule in wanted.data.get("rules", ()) for error in read.unmet_because_of(rule.get("unmet", ()))
    ]
    problems: dict[str, FieldError] = {}
    for error in errors or unjudged:
        problems.setdefault(error.field, error)
    return Assignment(decision, tuple(problems.values()))


def read_values(values: Mapping[str, Any], rules: ReadingRules = DEFAULT_RULES) -> ReadValues:
    """Parse the sections of a post."""
    reading = Reading(rules)
    try:
        return ReadValues(LeadFields.model_validate(values, context=reading), {}, tuple(reading.warnings))
    except ValidationError as error:
        wrong = {one.field: one for one in map(_field_error, error.errors(include_url=False))}
    rest = {
        name: {key: value for key, value in section.items() if f"{name}.{key}" not in wrong}
        for name, section in values.items()
        if name not in wrong and isinstance(section, dict)
    }
    reading = Reading(rules)
    return ReadValues(LeadFields.model_validate(rest, context=reading), wrong, tuple(reading.warnings))


def find_value_warnings(asked: LeadFields, partners: Sequence[Partner]) -> list[FieldError]:
    """Return the warnings about unusual values of a lead for these partners."""
    found = [FieldError("person.full_name", code) for code in fields.find_name_warnings(asked.person.full_name or "")]
    number = asked.person.tax_number
    policies = {partner.tax_number_checksum for partner in partners}
    if "warn" in policies and number is not None and not fields.has_valid_check_digit(number):
        found.append(FieldError("person.tax_number", FieldCode.WRONG_CHECK_DIGIT))
    return found


def _is_served(first: str, wanted: Decision, decision: Decision) -> bool:
    """Return whether a partner of the order that begins with `first` gets the lead."""
    return any(name in decision.partners for name in wanted.order_from(first))


def _not_sent(partner: str, error: FieldError) -> FieldError:
    return FieldError(error.field, error.code, f"{error.message}; {partner} does not get the lead")


def _no_configured_field(names: Sequence[str]) -> FieldError:
    listed = [short for name in names[:MAX_LISTED_NAMES] if (short := fields.truncate_text(name, MAX_LISTED_LENGTH))]
    more = ", …" if len(names) > len(listed) else ""
    meaning = FieldCode.NO_CONFIGURED_FIELD.meaning
    return FieldError(WHOLE_POST, FieldCode.NO_CONFIGURED_FIELD, f"{meaning}; the post has: {', '.join(listed)}{more}")


def _field_error(detail: Any) -> FieldError:
    where = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "value_error":
            error = detail["ctx"]["error"]
            code = error.code if isinstance(error, InvalidValue) else FieldCode.UNREADABLE
            return FieldError(where, code, str(error))
        case "model_type" | "model_attributes_type" | "dict_type":
            return FieldError(where, FieldCode.NOT_AN_OBJECT)
        case _:
            return FieldError(where, FieldCode.UNREADABLE)
