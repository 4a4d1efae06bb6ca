"""What an operator corrected is what partners get from then on, and what the lead keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from quality.chaos.corrections import AMOUNT, NAME, TERM, Correction
from quality.chaos.reconciliation import Snapshot, check


@check
def partners_get_corrected_values(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A call that began after a correction was accepted does not have an older value."""
    for call in snapshot.calls:
        if call["operation"] != "create" or call.get("refused"):
            continue
        for lead_id in _leads_of(snapshot, call):
            for path, found in _sent(call).items():
                newer = _replacing(snapshot, lead_id, path, found, call["number"])
                if newer is not None:
                    yield lead_id, f"{call['partner']} got {path} {found}, which was corrected to {newer}"


@check
def corrections_are_kept(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """An accepted correction is in the lead, unless a later one replaced it, and in the timeline, without values."""
    accepted: dict[str, set[str]] = {}
    for one in snapshot.corrections:
        record = snapshot.leads.get(one.lead_id)
        if not one.is_accepted or record is None or record.lead.erased_at is not None:
            continue
        accepted.setdefault(one.lead_id, set()).update(one.values)
    for lead_id, paths in accepted.items():
        lead = snapshot.leads[lead_id].lead
        for path in sorted(paths):
            found = _normal(path, lead.value(path))
            newer = _replacing(snapshot, lead_id, path, found, None)
            if newer is not None:
                yield lead_id, f"{path} is {found}, and was corrected to {newer}"
    for lead_id, record in snapshot.leads.items():
        values = {value for one in snapshot.corrections if one.lead_id == lead_id for value in one.values.values()}
        for entry in record.timeline.values():
            text = f"{entry.detail} {dict(entry.data)}"
            if entry.what == "corrected" and any(value in text for value in values if len(value) > 2):
                yield lead_id, f"its timeline has a corrected value: {text}"


def _replacing(snapshot: Snapshot, lead_id: str, path: str, found: str, call: int | None) -> str | None:
    """The accepted value that certainly replaced this one before a call; None if this one may be right."""
    made = [one for one in snapshot.corrections if one.lead_id == lead_id and path in one.values]
    accepted = [one for one in made if one.is_accepted and (call is None or one.calls < call)]
    if not accepted:
        return None
    sources = [one for one in made if _normal(path, one.values[path]) == found and one.may_have_worked]
    posted = snapshot.people_by_lead.get(lead_id)
    is_first = posted is not None and _normal(path, posted.values.get(path)) == found
    if not sources and not is_first:
        return _normal(path, accepted[-1].values[path])  # no one ever set it to this
    newer = next((one for one in accepted if all(_precedes(source, one) for source in sources)), None)
    return None if newer is None else _normal(path, newer.values[path])


def _precedes(source: Correction, other: Correction) -> bool:
    return source is not other and source.precedes(other)


def _leads_of(snapshot: Snapshot, call: Mapping[str, Any]) -> list[str]:
    """The leads of a call's person, if there is only one."""
    from devstack.partners import partner_profiles

    if call["partner"] not in partner_profiles():
        return []
    found = snapshot.leads_of(**partner_profiles()[call["partner"]].person_of(call))
    return found if len(found) == 1 else []


def _sent(call: Mapping[str, Any]) -> dict[str, str]:
    """The values of a create call that corrections change."""
    account, client = call.get("account"), call.get("clientInfo")
    if isinstance(account, dict):
        return {NAME: _normal(NAME, f"{account.get('surname')} {account.get('name')}")}
    if isinstance(client, dict):
        return {
            NAME: _normal(NAME, client.get("PIB")),
            AMOUNT: _normal(AMOUNT, call.get("summa")),
            TERM: _normal(TERM, call.get("termin")),
        }
    return {}


def _normal(path: str, value: object) -> str:
    """A value in one notation: an amount without trailing zeros, of a name the part that differs."""
    if value is None:
        return ""
    match path:
        case "loan.amount":
            try:
                return f"{Decimal(str(value)).normalize():f}"
            except ArithmeticError:
                return str(value)
        case "person.full_name":
            return next((word for word in str(value).split() if word.startswith("Олена")), str(value))
        case _:
            return str(value)
