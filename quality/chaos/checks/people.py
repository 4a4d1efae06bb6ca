"""Erased people leave no data anywhere in the table, and get no messages; a lead's own item expires last."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Person
from quality.chaos.checks.registry import check
from quality.chaos.records import LeadRecord, Posted, Snapshot

BY_OPERATORS = frozenset({"erased", "dead_letter_redriven", "dead_letter_discarded"})
OPERATOR_DATA = frozenset({"operator", "step", "dead_letter_id"})  # the data of such an entry
NATIONAL_DIGITS = 10  # of a phone, contained in every notation
KEPT_ITEMS = frozenset({"LEAD", "DELIVERY", "EVENT", "FEEDBACK", "COUNTED"})  # of an erased lead
ERASED_LINK = frozenset({"pk", "sk", "lead_id", "is_erased"})  # prevents storing the account again
EXPIRING_LINK = frozenset({"pk", "sk", "lead_id", "expires_at"})
RECEIVED = EXPIRING_LINK | {"received_at"}  # recognizes a repeated event of Leeloo, or repeated content for a day
TOLERANCE = 86_400  # seconds by which a lead's item may expire before its other items


@check
def erased_people_leave_no_data(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Of an erased person the table has bare items, and no data but for what expires or docs/security.md lists."""
    for lead_id, record in sorted(snapshot.leads.items()):
        if lead_id in snapshot.to_be_erased and not record.is_erased:
            yield lead_id, "should be erased, and is not"
        for what in _left(record) if record.is_erased else ():
            yield lead_id, f"is erased, and {what}"
    for lead_id, values in _elsewhere(snapshot):
        yield lead_id, f"is erased, and {values['pk']} {values['sk']} has data of it"


@check
def erased_people_get_no_messages(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """No message is sent to an erased person, except one that was being sent at that moment."""
    for message in snapshot.sent_messages:
        records = snapshot.leads_of({"phone": message["phone"] or ""})
        moments = [record.lead.erased_at for record in records if record.lead.erased_at is not None]
        if not moments or len(moments) < len(records):
            continue  # messages about another lead of the person are allowed
        if from_text(message["at"]) > max(moments) + snapshot.send_window:
            names = ", ".join(record.lead_id for record in records)
            yield names, f"is erased since {max(moments)}, and got a message at {message['at']}: {message['text']}"


@check
def leads_expire_last(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """A lead's own item expires no earlier than its other items; without it no other item exists."""
    for lead_id, found in snapshot.items_by_lead.items():
        own = next((values for values in found if values["sk"] == "LEAD"), None)
        last = max(found, key=lambda values: int(values.get("expires_at", 0)))
        ends = int(last.get("expires_at", 0))
        if own is None and ends > snapshot.unix_time:
            yield lead_id, f"has expired, and {last['sk']} exists"
        elif own is not None and ends - TOLERANCE > int(own.get("expires_at", ends)):
            yield lead_id, f"expires {(ends - int(own['expires_at'])) // 86_400} days before {last['sk']}"


def _left(record: LeadRecord) -> Iterator[str]:
    """Data of an erased lead that should not exist."""
    lead = record.lead
    yield from (f"there is {one['sk']}" for one in record.items if one["sk"].partition("#")[0] not in KEPT_ITEMS)
    found = {"the person's data": lead.person != Person(), "answers": lead.answers, "problems": lead.problems}
    yield from (f"it has {what}" for what, is_there in found.items() if is_there)
    for partner, delivery in record.deliveries.items():
        if not delivery.is_erased:
            yield f"its delivery to {partner} is not"
        if delivery.created is not None:
            yield f"its delivery to {partner} has an id"
    for entry in record.timeline:
        if entry.detail is not None and entry.what not in BY_OPERATORS:
            yield f"its timeline has the detail: {entry.what}, {entry.detail}"
        if entry.data.keys() - (OPERATOR_DATA if entry.what in BY_OPERATORS else frozenset()):
            yield f"its timeline has the data: {entry.what}, {dict(entry.data)}"


def _elsewhere(snapshot: Snapshot) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every item with data of an erased person, and the lead."""
    tombstones = {lead_id for lead_id, record in snapshot.leads.items() if record.is_erased}
    erased = tombstones | (snapshot.to_be_erased - snapshot.leads.keys())
    if not erased:
        return
    marks = {posted.lead_id: _marks(snapshot, posted) for posted in snapshot.posted}
    people = {lead_id: marks[lead_id] for lead_id in sorted(erased & marks.keys())}
    others = frozenset[str]().union(*(marks[lead_id] for lead_id in marks.keys() - erased))
    links = {values["pk"]: values["lead_id"] for values in snapshot.table if values["sk"] == "LINK"}
    seen = {values["pk"]: from_text(values["first_seen_at"]) for values in snapshot.table if "first_seen_at" in values}
    for values in snapshot.table:
        if int(values.get("expires_at", snapshot.unix_time)) < int(snapshot.unix_time):
            continue  # DynamoDB deletes it
        kind, _, owner = values["pk"].partition("#")
        of = values.get("lead_id") or (owner if kind == "LEAD" else links.get(values["pk"]))
        is_brokers_own = values["sk"] == "ACCOUNT" and of in snapshot.expired  # docs/security.md, "Remaining risks"
        if is_brokers_own or (of not in snapshot.leads and kind in {"ACCOUNT", "LEELOO"}):
            continue  # the broker's and Leeloo's own records
        if of in tombstones and not _may_stay(snapshot.leads[of], kind, values):
            yield of, values
            continue
        own, lead_ids = frozenset() if of is None or of in erased else marks.get(of, frozenset()), erased
        if kind == "TRACE":  # found by the hashes of the lead's item, while that exists
            lead_ids = tombstones - snapshot.expired
            account = values["sk"]
            if account.startswith("ACCOUNT#") and links.get(account) not in tombstones:
                own = others  # an account is deleted with the last lead that has its e-mail
                if account in seen:  # a later one may be listed (docs/security.md, "Remaining risks")
                    erased_at = {one: snapshot.leads[one].lead.erased_at for one in lead_ids}
                    lead_ids = {one for one, at in erased_at.items() if at is None or at >= seen[account]}
        text = json.dumps(values, ensure_ascii=False, default=str).casefold()
        for lead_id, known_by in people.items():
            if lead_id in lead_ids and any(one in text for one in known_by - own):
                yield lead_id, values


def _marks(snapshot: Snapshot, posted: Posted) -> frozenset[str]:
    """The identifiers of a person, their hashes, and what the person typed that cannot be read."""
    known_by = {posted.phone, posted.email.casefold(), posted.tax_number} - {""}
    unreadable = {text.casefold() for path, text in posted.typed.items() if path in posted.unusable}
    hashes = {keyed_hash(snapshot.index_key, one) for one in known_by} if snapshot.index_key else set()
    return frozenset({*(known_by - {posted.phone}), posted.phone[-NATIONAL_DIGITS:], *hashes, *unreadable})


def _may_stay(record: LeadRecord, kind: str, values: Mapping[str, Any]) -> bool:
    """Whether an item of an erased lead has no personal data."""
    match kind:
        case "LEAD":
            return not any(name.endswith("_hash") for name in values)  # `_left` checks the rest
        case "ACCOUNT" | "DEAL" if values.keys() == EXPIRING_LINK:  # of a delivery that expired before the erasure
            return values["sk"] == "LINK" and values["pk"].split("#")[1] not in record.deliveries
        case "ACCOUNT" | "DEAL":
            return values.keys() == ERASED_LINK
        case "LEELOO" | "CONTENT":
            return values.keys() <= RECEIVED
        case _:
            return False
