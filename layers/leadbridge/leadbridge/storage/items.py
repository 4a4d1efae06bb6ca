"""How leads, deliveries and timelines are stored: their keys, their attributes, and the attributes of the indexes.

pk            sk                       item
LEAD#{id}     LEAD                     the lead
LEAD#{id}     DELIVERY#{partner}       a delivery
LEAD#{id}     EVENT#{time}#{tiebreaker}   an entry of the timeline. The first one, `received`, is not stored: the
                                          lead has its time. A delivery's newest entries are its `history`
ACCOUNT#{partner}#{uuid}    LINK        which lead an account at a partner was made of
DEAL#{partner}#{deal id}    LINK        which lead a deal at a partner was made of
LEAD#{id}     ATTENTION#{partner}      a delivery that needs a person although it is followed
LEAD#{id}     INCOMPLETE               the mark of an incomplete lead, with its problems
PERSON#{partner}#{attribute}#{hash}    CLAIM    with which lead the person of a phone or a tax number came last
LEAD#{id}     COUNTED                  what of a lead is in the statistics (see `statistics.counted`)
LEAD#{id}     FETCH                    how a lead is fetched that its form only named (see `fetches`)
CONTENT#{source}#{hash}    CONTENT     which lead a post without an id was stored as (see `content_claims`)

index    partition                        sort           holds
listing  `lead#{shard}`,                  received_key   leads, deliveries by state, deliveries that need a person,
         `delivery#{state}#{shard}`,                    incomplete leads, newest first
         `attention#{shard}`,
         `incomplete#{shard}`
phone    keyed hash of the phone          received_key   leads
email    keyed hash of the e-mail         received_key   leads
name     keyed hash of the surname        received_key   leads
account  account at Leeloo                received_key   contacts
due      `{what}#{shard}`: a partner's    due_at         deliveries, messages, fetches that are due at a time
         name, also with `#waiting`,
         `messages`, `fetches`
followed `{partner}#{shard}`              followed_since submitted deliveries whose partner is asked for their status

Items are plain values here. `table` encodes and decodes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.admission import WAITING, waiting_partition
from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.field_codes import FieldError, parse_field_code
from leadbridge.domain.errors.problem_keys import problem_keys
from leadbridge.domain.lead import Lead, Loan, Person, Trading
from leadbridge.domain.shards import sharded
from leadbridge.domain.timeline import Entry, VersionedEntry
from leadbridge.storage.attributes import deserialize, serialize

Item = dict[str, Any]

LISTING, PHONE, EMAIL, NAME, DUE = "listing", "phone", "email", "name", "due"
FOLLOWED = "followed"
# Partitions of `listing`. Their keys have the lead's shard: `lead#5`.
LEADS = "lead"  # the partition that holds every lead
ATTENTION = "attention"  # the partition that holds the deliveries that need a person
INCOMPLETE = "incomplete"  # the partition that holds the incomplete leads
CORRECTABLE = "correctable"  # the part of the rejected deliveries whose fields a person can correct

_TIMES = (
    *("received_at", "first_attempt_at", "last_attempt_at", "retried_at", "next_attempt_at"),
    *("lease_until", "submitted_at", "status_at", "approved_at", "issued_at", "settled_at", "restored_at", "due_at"),
    *("followed_since", "waiting_until", "waits_since", "window_at"),
)
_COUNTS = ("version", "attempts", "attempts_before_retry", "checks_failed", "checks_refused", "deal_id", "void_version")
_TEXTS = (
    *("lead_id", "partner", "source", "account_uuid", "repeat_of", "waits_for", "contested_by"),
    *("partner_status", "outcome", "last_error", "last_error_code", "waiting_reason"),
)
_PLAIN = (*_TEXTS, *_COUNTS)


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with DynamoDB's typed values, without those that are None."""
    return {name: serialize(value) for name, value in item.items() if value is not None}


def decode(item: Mapping[str, Any]) -> Item:
    """Return an item with Python's values; numbers become Decimal."""
    return {name: deserialize(value) for name, value in item.items()}


def present(values: Mapping[str, Any]) -> Item:
    """Leave out the values that are None."""
    return {name: value for name, value in values.items() if value is not None}


def plain(value: Any) -> Any:
    """Return a decoded value as JSON has it: a Decimal is a whole number here."""
    match value:
        case Decimal():
            return int(value)
        case Mapping():
            return {name: plain(one) for name, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case _:
            return value


def lead_key(lead_id: str) -> dict[str, str]:
    """The key of a lead's own item."""
    return {"pk": f"LEAD#{lead_id}", "sk": "LEAD"}


def lead_id_of(values: Mapping[str, Any]) -> str:
    """The id of the lead whose partition an item is in."""
    return str(values["pk"]).partition("#")[2]


def delivery_key(lead_id: str, partner: str) -> dict[str, str]:
    """The key of a delivery."""
    return {"pk": f"LEAD#{lead_id}", "sk": f"DELIVERY#{partner}"}


def link_key(partner: str, created: int | str) -> dict[str, str]:
    """The key of the link of a deal (an int) or an account (a uuid) at a partner to a lead."""
    kind = "DEAL" if isinstance(created, int) else "ACCOUNT"
    return {"pk": f"{kind}#{partner}#{created}", "sk": "LINK"}


def attention_key(lead_id: str, partner: str) -> dict[str, str]:
    """The key of the item that lists a delivery as needing a person."""
    return {"pk": f"LEAD#{lead_id}", "sk": f"ATTENTION#{partner}"}


def of_state(state: str) -> str:
    """The partition of `listing` that holds the deliveries of a state."""
    return f"delivery#{state}"


def received_key(received_at: datetime, lead_id: str) -> str:
    """The sort key by age; the id keeps the leads of one millisecond apart."""
    return f"{to_text(received_at)}#{lead_id}"


def lead_item(
    lead: Lead,
    *,
    phone_hash: str | None,
    email_hash: str | None = None,
    tax_hash: str | None = None,
    name_hash: str | None = None,
) -> Item:
    """A lead as it is stored."""
    return present(
        {
            **lead_key(lead.lead_id),
            **lead.model_dump(include={"person", "loan", "trading", "utm"}, exclude_none=True),
            "ids": dict(lead.ids) or None,
            "consent": lead.consent.model_dump(exclude_none=True) or None,
            "lead_id": lead.lead_id,
            "source": lead.source,
            "campaign": lead.campaign or None,
            "day": lead.day or None,
            "unused": list(lead.unused) or None,
            "partners": list(lead.partners),
            "warnings": field_errors(lead.warnings),
            "problems": field_errors(lead.problems) or None,
            "answers": dict(lead.answers) or None,
            "newer_answers": dict(lead.newer_answers) or None,
            "received_at": to_text(lead.received_at),
            "listed": sharded(LEADS, lead.lead_id),
            "received_key": received_key(lead.received_at, lead.lead_id),
            "phone_hash": phone_hash,
            "email_hash": email_hash,
            "tax_hash": tax_hash,
            "name_hash": name_hash,
            "fallbacks": dict(lead.fallbacks) or None,
            "next_on": {name: list(outcomes) for name, outcomes in lead.next_on.items()} or None,
            "content_hash": lead.content_hash,
            "revision": lead.revision or None,
            "restored_at": to_text(lead.restored_at) if lead.restored_at else None,
            "erased_at": to_text(lead.erased_at) if lead.erased_at else None,
        }
    )


def lead_of(values: dict[str, Any]) -> Lead:
    """The lead that a decoded item holds."""
    loan = values.get("loan", {})
    amount, term = loan.get("amount"), loan.get("term")
    # An accepted lead is never validated again: a rule that became stricter must not make it unreadable.
    return Lead.model_construct(
        lead_id=values["lead_id"],
        source=values["source"],
        received_at=from_text(values["received_at"]),
        partners=tuple(values["partners"]),
        fallbacks=values.get("fallbacks", {}),
        next_on={name: tuple(outcomes) for name, outcomes in values.get("next_on", {}).items()},
        campaign=values.get("campaign", ""),
        day=values.get("day", ""),
        content_hash=values.get("content_hash"),
        revision=int(values.get("revision", 0)),
        restored_at=from_text(values["restored_at"]) if "restored_at" in values else None,
        erased_at=from_text(values["erased_at"]) if "erased_at" in values else None,
        warnings=field_errors_of(values.get("warnings", ())),
        problems=field_errors_of(values.get("problems", ())),
        answers=dict(values.get("answers", {})),
        newer_answers=dict(values.get("newer_answers", {})),
        person=Person.model_construct(**values.get("person", {})),
        loan=Loan.model_construct(
            amount=None if amount is None else Decimal(amount), term=None if term is None else int(term)
        ),
        trading=Trading.model_construct(**values.get("trading", {})),
        utm=dict(values.get("utm", {})),
        ids=dict(values.get("ids", {})),
        consent=Consent.model_construct(**values.get("consent", {})),
    )


def field_errors(errors: Iterable[FieldError]) -> list[list[str]]:
    """Problems or warnings as they are stored."""
    return [[error.field, error.code.value, error.message] for error in errors]


def field_errors_of(stored: Iterable[Sequence[str]]) -> tuple[FieldError, ...]:
    """Problems or warnings that a decoded item holds."""
    return tuple(FieldError(field, parse_field_code(code), text) for field, code, text in stored)


def incomplete_key(lead_id: str) -> dict[str, str]:
    """The key of the mark of an incomplete lead."""
    return {"pk": f"LEAD#{lead_id}", "sk": "INCOMPLETE"}


def incomplete_item(lead: Lead) -> Item:
    """The mark that lists a lead as incomplete. It holds fields and codes, and nothing about the person."""
    return {
        **incomplete_key(lead.lead_id),
        "lead_id": lead.lead_id,
        "source": lead.source,
        "received_at": to_text(lead.received_at),
        "listed": sharded(INCOMPLETE, lead.lead_id),
        "received_key": received_key(lead.received_at, lead.lead_id),
        "problem_codes": [f"{problem.field} {problem.code.value}" for problem in lead.problems],
        "problem_keys": problem_keys((problem.field, problem.code.value) for problem in lead.problems),
    }


def delivery_item(delivery: Delivery) -> Item:
    """A delivery as it is stored. It is in the indexes `due` and `followed` while it has their times."""
    stored = vars(delivery)
    waits = delivery.waits_for_partner
    due = waiting_partition(delivery.partner) if waits else delivery.partner
    return present(
        {
            **delivery_key(delivery.lead_id, delivery.partner),
            **{name: stored[name] for name in _PLAIN},
            **{name: to_text(moment) for name in _TIMES if (moment := stored[name]) is not None},
            "last_error_data": delivery.last_error_data,
            "history": [_stored(one) for one in delivery.history] or None,
            "state": delivery.state.value,
            "attempts_before_retry": delivery.attempts_before_retry or None,
            "counted_in": list(delivery.counted_in) or None,
            "problem_keys": problem_keys(delivery.problems) if delivery.problems else None,
            "checks_refused": delivery.checks_refused or None,
            "void_version": delivery.void_version or None,
            "is_uncertain": delivery.is_uncertain or None,
            "is_erased": delivery.is_erased or None,
            "listed": sharded(_listed_with(delivery), delivery.lead_id),
            "received_key": received_key(delivery.received_at, delivery.lead_id),
            "due_shard": sharded(due, delivery.lead_id) if delivery.due_at is not None else None,
            "follow_shard": sharded(delivery.partner, delivery.lead_id)
            if delivery.followed_since is not None
            else None,
        }
    )


def _listed_with(delivery: Delivery) -> str:
    """The partition of `listing` that holds a delivery. Two states have a part of their own in it."""
    if delivery.waits_for_partner:
        return of_state(WAITING)
    return of_state(CORRECTABLE if delivery.needs_correction else delivery.state.value)


def link_item(delivery: Delivery) -> Item:
    """The item that links a delivery's deal or account to its lead."""
    return present({**link_key(delivery.partner, delivery.created or ""), "lead_id": delivery.lead_id})


def attention_item(delivery: Delivery) -> Item:
    """The item that lists a delivery as needing a person."""
    return present(
        {
            **attention_key(delivery.lead_id, delivery.partner),
            "lead_id": delivery.lead_id,
            "partner": delivery.partner,
            "source": delivery.source,
            "listed": sharded(ATTENTION, delivery.lead_id),
            "received_key": received_key(delivery.received_at, delivery.lead_id),
        }
    )


def delivery_of(values: dict[str, Any]) -> Delivery:
    """The delivery that a decoded item holds."""
    known: dict[str, Any] = {name: values[name] for name in _TEXTS if name in values}
    known |= {name: int(values[name]) for name in _COUNTS if name in values}
    known |= {name: from_text(values[name]) for name in _TIMES if name in values}
    flags = {name: values.get(name, False) for name in ("is_uncertain", "is_erased")}
    history = tuple(_versioned(known["partner"], *one) for one in values.get("history", ()))
    known |= {"state": State(values["state"]), "counted_in": tuple(values.get("counted_in", ()))}
    return Delivery(last_error_data=error_data_of(values), history=history, **flags, **known)


def _stored(versioned: VersionedEntry) -> list[Any]:
    entry = versioned.entry
    return [versioned.version, to_text(entry.at), entry.what, entry.detail, dict(entry.data)]


def _versioned(
    partner: str, version: int | Decimal, at: str, what: str, detail: str | None, data: Mapping[str, Any]
) -> VersionedEntry:
    return VersionedEntry(int(version), Entry(from_text(at), what, partner, detail, plain(data)))


def error_data_of(values: dict[str, Any]) -> dict[str, Any] | None:
    """The data of the last error in a decoded item; None where there is none."""
    return plain(values["last_error_data"]) if "last_error_data" in values else None


def entry_item(lead_id: str, entry: Entry, tiebreaker: str) -> Item:
    """An entry as it is stored; `tiebreaker` keeps the entries of one millisecond apart."""
    return present(
        {
            "pk": f"LEAD#{lead_id}",
            "sk": entry_sort_key(entry, tiebreaker),
            "at": to_text(entry.at),
            "what": entry.what,
            "partner": entry.partner,
            "detail": entry.detail,
            "data": entry.data or None,
        }
    )


def entry_of(values: dict[str, Any]) -> Entry:
    """The entry that a decoded item holds."""
    data = plain(values.get("data", {}))
    return Entry(from_text(values["at"]), values["what"], values.get("partner"), values.get("detail"), data)


def entry_sort_key(entry: Entry, tiebreaker: str) -> str:
    """The sort key of an entry, by which a timeline is ordered."""
    return f"EVENT#{to_text(entry.at)}#{tiebreaker}"


def first_entry(lead: Lead) -> tuple[str, Entry]:
    """The first entry of a lead's timeline, which is not stored, and the sort key that it would have."""
    entry = Entry(lead.received_at, "received")
    return entry_sort_key(entry, "0"), entry


def history_of(delivery: Delivery) -> dict[str, Entry]:
    """The entries in a delivery's item, by the sort keys that they would have as items of their own."""
    return {entry_sort_key(one.entry, _version_tiebreaker(one)): one.entry for one in delivery.history}


def history_item(lead_id: str, versioned: VersionedEntry) -> Item:
    """An entry of a delivery's history as an item of its own."""
    return entry_item(lead_id, versioned.entry, _version_tiebreaker(versioned))


def _version_tiebreaker(versioned: VersionedEntry) -> str:
    return f"{versioned.entry.partner}#{versioned.version:06d}"
