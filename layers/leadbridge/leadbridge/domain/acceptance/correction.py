"""Correct the fields of a stored lead, assign partners to a lead that was incomplete, open a further delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbridge.domain.acceptance.build import (
    DEFAULT_RULES,
    Chooser,
    ReadValues,
    assign_partners,
    find_value_warnings,
    read_values,
)
from leadbridge.domain.acceptance.ids import CLICK_ID, replace_click_id
from leadbridge.domain.delivery import Change, Delivery, State, end, new_delivery
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fields.reading import ReadingRules
from leadbridge.domain.lead import (
    InvalidLead,
    Lead,
    LeadFields,
    Loan,
    Person,
    Trading,
    field_paths,
    find_field_errors,
)
from leadbridge.domain.operator_steps import (
    MOVED,
    ConfirmationRequired,
    SubmissionInProgress,
    WrongState,
    has_certainly_failed,
    move_failed,
)
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import advance

if TYPE_CHECKING:
    from leadbridge.settings import Partner

# A lead whose delivery is in one of these states may be at the partner, or will be sent there.
POSSIBLY_DELIVERED = frozenset({State.RECEIVED, State.SUBMITTING, State.SUBMITTED, State.CLOSED, State.UNKNOWN})
SECTIONS: dict[str, type[Person] | type[Loan] | type[Trading]] = {"person": Person, "loan": Loan, "trading": Trading}
MAX_NAME_LENGTH = 64  # characters of an unknown name in an error
RESTORED = "It was restored from a backup and may have been delivered since. Confirm to deliver it."
NAME_PARTS = ("first_name", "middle_name", "last_name")


@dataclass(frozen=True)
class Correction:
    """A pending correction: the lead before and after, its timeline entry, and its deliveries.

    `waiting` are the deliveries that wait for an attempt, before and after: their new version stops a worker that has
    read the old fields. `moved` are those that end, because another partner gets the lead. `others` are the remaining
    deliveries; they must not change meanwhile. `opened` are new.
    """

    before: Lead
    after: Lead
    entry: Entry
    waiting: tuple[tuple[Delivery, Delivery], ...] = ()
    moved: tuple[Change, ...] = ()
    others: tuple[Delivery, ...] = ()
    opened: tuple[Delivery, ...] = ()


def correct_lead(
    lead: Lead,
    deliveries: Sequence[Delivery],
    values: Mapping[str, Mapping[str, Any]],
    *,
    operator: str,
    now: datetime,
    partners: Mapping[str, Partner],
    choose: Chooser | None,
    rules: ReadingRules = DEFAULT_RULES,
    is_confirmed: bool = False,
) -> Correction | None:
    """Return the correction of a lead's fields; None if it changes nothing.

    An incomplete lead is routed again even if no field changes, because the configuration may have.

    `values` are sections with fields; None removes a value. `choose` routes a lead that is incomplete; it is None if
    the lead's source is not configured any more. `is_confirmed`: the operator accepts that a restored lead may have
    been delivered before. Raises InvalidLead, SubmissionInProgress, WrongState, ConfirmationRequired.
    """
    read = _read(values, rules)
    asked = _merged(lead, values, read.asked)
    changed = tuple(path for path in field_paths() if lead.value(path) != asked.value(path))
    if not changed and not lead.problems:
        return None
    _require_correctable(deliveries, changed)
    _require_accepted(lead, asked, deliveries, partners)
    after = _with_click_id(lead, _corrected(lead, asked, changed, read.warnings, partners))
    opened: tuple[Delivery, ...] = ()
    if lead.problems and deliveries:  # it was restored to a moment before it was completed
        after = after.model_copy(update={"problems": (), "partners": tuple(one.partner for one in deliveries)})
    elif lead.problems:
        if lead.restored_at is not None and not is_confirmed:
            raise ConfirmationRequired(RESTORED)
        after = _assigned(lead, after, changed, partners, choose)
        opened = tuple(new_delivery(lead.lead_id, one, lead.source, lead.received_at, now) for one in after.partners)
    if not changed and after.problems:
        return None
    waiting = [(one, _restarted(one, now)) for one in deliveries if one.state is State.RECEIVED]
    others = [one for one in deliveries if one.state is not State.RECEIVED]
    data = {"fields": list(changed), "operator": operator}
    entry = Entry(now, "corrected", None, f"{', '.join(changed) or 'routed again'}, by {operator}", data)
    return Correction(lead, after, entry, tuple(waiting), others=tuple(others), opened=opened)


def open_delivery(
    lead: Lead,
    deliveries: Sequence[Delivery],
    name: str,
    partner: Partner,
    *,
    operator: str,
    now: datetime,
    is_confirmed: bool = False,
) -> Correction:
    """Return the change of a lead that an operator gives to a further partner.

    If the lead only waits for its partners, and none of them can have it, these deliveries end: it is moved. Deliveries
    that have failed end, too: they need no operator any more. From then on only operators choose its partners: it has
    no next partner any more. An incomplete lead that this partner can take becomes complete. What could not be read of
    it remains as a warning.

    `is_confirmed`: the operator accepts that two partners may have the lead. Raises WrongState, ConfirmationRequired,
    InvalidLead with the fields that the partner requires.
    """
    if any(one.partner == name for one in deliveries):
        raise WrongState(f"The lead has a delivery to {name} already. Retry that one.")
    if errors := find_field_errors(lead, partner):
        raise InvalidLead(tuple(errors))
    holders = [one for one in deliveries if one.state in POSSIBLY_DELIVERED]
    is_moved = all(one.can_be_moved for one in holders)
    if not is_moved and not is_confirmed:
        raise ConfirmationRequired(
            f"{', '.join(one.partner for one in holders)} has or may get the lead. Confirm to send it to {name} too."
        )
    if lead.restored_at is not None and not is_confirmed:
        raise ConfirmationRequired(RESTORED)
    left_out = [one for one in lead.problems if one.code is not FieldCode.REQUIRED]
    new = [one for one in (*left_out, *find_value_warnings(lead, [partner])) if one not in lead.warnings]
    changes = {
        "partners": (*lead.partners, name),
        "fallbacks": {},
        "next_on": {},
        "problems": (),
        "warnings": (*lead.warnings, *new),
        "revision": lead.revision + 1,
        "restored_at": None,
    }
    entry = Entry.by_operator(now, "partner_added", operator, name)
    data = {"next_partner": name, "operator": operator}
    moved = [end(one, "skip", now, MOVED, data) for one in holders] if is_moved else []
    moved += [move_failed(one, now, data) for one in deliveries if has_certainly_failed(one)]
    ended = {change.before.partner for change in moved}
    others = [one for one in deliveries if one.partner not in ended]
    opened = new_delivery(lead.lead_id, name, lead.source, lead.received_at, now)
    after = lead.model_copy(update=changes)
    return Correction(lead, after, entry, moved=tuple(moved), others=tuple(others), opened=(opened,))


def _read(values: Mapping[str, Mapping[str, Any]], rules: ReadingRules) -> ReadValues:
    """Parse the new values. Raises InvalidLead, also for unknown fields."""
    unknown = [
        FieldError(f"{section}.{name[:MAX_NAME_LENGTH]}", FieldCode.UNKNOWN_FIELD)
        for section, members in values.items()
        for name in members
        if section not in SECTIONS or name not in SECTIONS[section].model_fields
    ]
    read = read_values(values, rules)
    if unknown or read.wrong:
        raise InvalidLead((*unknown, *read.wrong.values()))
    return read


def _merged(lead: Lead, values: Mapping[str, Mapping[str, Any]], read: LeadFields) -> LeadFields:
    """Return the lead's fields with the new values, and a name whose parts and full form agree."""
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        before, new = getattr(lead, section), getattr(read, section)
        sections[section] = before.model_copy(update={name: getattr(new, name) for name in values.get(section, {})})
    sections["person"] = _with_one_name(lead.person, sections["person"])
    return LeadFields.model_construct(**sections, utm=lead.utm, ids=lead.ids, consent=lead.consent)


def _with_click_id(before: Lead, lead: Lead) -> Lead:
    """Return a corrected lead whose click id for trackers agrees with that of `trading`.

    A click id that the form gave to trackers in its own field stays.
    """
    old, new = before.trading.click_id, lead.trading.click_id
    if new == old or lead.ids.get(CLICK_ID) not in {None, old}:
        return lead
    ids, fault = replace_click_id(lead.ids, new, lead.person)
    warnings = [one for one in lead.warnings if one.field != f"ids.{CLICK_ID}"]
    return lead.model_copy(update={"ids": ids, "warnings": (*warnings, *filter(None, [fault]))})


def _with_one_name(before: Person, after: Person) -> Person:
    """Return a person whose name was corrected, without the rest of the former name.

    A full name that was composed of its parts is composed again if a part changes. A new full name replaces the parts:
    a broker gets the parts where a lead has them, so old ones would be sent in its place.
    """
    is_full_changed = after.full_name != before.full_name
    are_parts_changed = any(getattr(after, part) != getattr(before, part) for part in NAME_PARTS)
    if are_parts_changed and not is_full_changed and before.full_name in {None, before.composed_name}:
        return after.model_copy(update={"full_name": after.composed_name})
    if is_full_changed and not are_parts_changed and after.full_name != after.composed_name:
        return after.model_copy(update=dict.fromkeys(NAME_PARTS))
    return after


def _require_correctable(deliveries: Sequence[Delivery], changed: Sequence[str]) -> None:
    """Raise if a delivery depends on the present fields."""
    if any(one.state is State.SUBMITTING for one in deliveries):
        raise SubmissionInProgress
    if "person.email" in changed and any(map(_is_found_by_email, deliveries)):
        raise WrongState("The account at the partner is looked up by the present e-mail. Settle the delivery first.")


def _require_accepted(
    lead: Lead, asked: LeadFields, deliveries: Sequence[Delivery], partners: Mapping[str, Partner]
) -> None:
    """Raise InvalidLead if a partner to which the lead waits to be sent would not accept it any more."""
    errors: dict[str, FieldError] = {}
    for delivery in deliveries:
        partner = partners.get(delivery.partner)
        if delivery.state is State.RECEIVED and partner is not None:
            before = find_field_errors(lead, partner)
            new = [one for one in find_field_errors(asked, partner) if one not in before]
            errors |= {one.field: one for one in new if one.field not in errors}
    if errors:
        raise InvalidLead(tuple(errors.values()))


def _is_found_by_email(delivery: Delivery) -> bool:
    """Return whether the partner may have an account that only the lead's e-mail finds."""
    return delivery.is_uncertain or (delivery.state is State.SUBMITTED and delivery.created is None)


def _corrected(
    lead: Lead,
    asked: LeadFields,
    changed: Sequence[str],
    found: Sequence[FieldError],
    partners: Mapping[str, Partner],
) -> Lead:
    """Return the lead with the new values and the warnings about them."""
    own = [partners[name] for name in lead.partners if name in partners]
    new = [*find_value_warnings(asked, own), *found]
    warnings = [one for one in lead.warnings if one.field not in changed]
    warnings += [one for one in new if one.field in changed and one not in warnings]
    return lead.model_copy(
        update={
            "person": asked.person,
            "loan": asked.loan,
            "trading": asked.trading,
            "revision": lead.revision + 1,
            "restored_at": None,
            "warnings": tuple(warnings),
        }
    )


def _assigned(
    before: Lead, lead: Lead, changed: Sequence[str], partners: Mapping[str, Partner], choose: Chooser | None
) -> Lead:
    """Assign partners to a lead that was incomplete, or find its problems again.

    A value that could not be read and was not corrected keeps its problem, which says more than that it is missing.
    """
    if choose is None:
        raise WrongState("The lead's source is not configured any more, so it cannot be routed.")
    old = {one.field: one for one in (*before.warnings, *before.problems) if one.code is not FieldCode.REQUIRED}
    wrong = {path: one for path, one in old.items() if path and not _is_corrected(path, changed, lead)}
    assigned = assign_partners(ReadValues(lead, wrong, ()), partners, choose)
    decision = assigned.decision
    problematic = {one.field for one in assigned.problems}
    own = [partners[name] for name in decision.partners]
    warnings = [one for one in lead.warnings if one.field not in problematic]
    warnings += [one for one in (*find_value_warnings(lead, own), *assigned.warnings) if one not in warnings]
    left_out = [one for path, one in wrong.items() if path not in problematic and one not in warnings]
    return lead.model_copy(
        update={
            "partners": decision.partners,
            "fallbacks": dict(decision.fallbacks) if decision.partners else {},
            "next_on": dict(decision.next_on) if decision.partners else {},
            "routed": decision.reason,
            "routed_data": dict(decision.data),
            "problems": assigned.problems,
            "warnings": (*warnings, *left_out),
        }
    )


def _is_corrected(path: str, changed: Sequence[str], lead: Lead) -> bool:
    """Return whether the value or the section at a path was corrected, or the lead has a value there."""
    return lead.value(path) is not None or any(one == path or one.startswith(f"{path}.") for one in changed)


def _restarted(delivery: Delivery, now: datetime) -> Delivery:
    """Return a waiting delivery with a new version. A due attempt is queued again by the event of this change."""
    after = advance(delivery, "lead_corrected")
    return replace(after, next_attempt_at=None) if (after.next_attempt_at or now) <= now else after
