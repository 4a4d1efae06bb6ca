"""Of somebody who was erased nothing is left, wherever it may lie, and nobody writes to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.fields.hashes import keyed_hash
from quality.chaos.reconciliation import Books, File, Posted, check

SAYS_WHO_DID_IT = frozenset({"erased", "dead_letter_redriven", "dead_letter_discarded"})
WHO_DID_IT = frozenset({"operator", "step", "dead_letter_id"})  # the data of such an entry
NATIONAL = 10  # digits of a phone as it is written within the country, which are in every way of writing it
TIE_OF_NOBODY = frozenset({"pk", "sk", "lead_id", "is_erased"})  # what keeps an account from being kept again
TIE_THAT_EXPIRES = frozenset({"pk", "sk", "lead_id", "expires_at"})
CAME = frozenset({"pk", "sk", "lead_id", "received_at"})  # what tells that an event of Leeloo's came already
CONTENT_CLAIM = CAME | {"expires_at"}  # what finds the tombstone when the form posts the same content again, for a day


@check
def erased_people_are_forgotten(books: Books) -> Iterator[tuple[str, str]]:
    """Of somebody erased there are a tombstone, bare deliveries and a timeline without quotations, and nothing else.

    Nor is there anything of them elsewhere in the table, under any key, in any attribute, as text or as a hash. The
    exceptions are what docs/security.md names. Everybody who was to be erased is erased.
    """
    for lead_id in sorted(books.to_be_erased):
        if lead_id in books.files and books.files[lead_id].lead.erased_at is None:
            yield lead_id, "was to be erased, and is not"
    for lead_id, file in books.files.items():
        if file.lead.erased_at is None:
            continue
        for what in _left(file):
            yield lead_id, f"is erased, and {what}"
    for lead_id, values in _elsewhere(books):
        yield lead_id, f"is erased, and {values['pk']} {values['sk']} tells of it"


@check
def erased_people_are_written_to_no_more(books: Books) -> Iterator[tuple[str, str]]:
    """No message goes out to somebody after they were erased, but what was under way at that moment."""
    for phone in sorted({message["phone"] for message in books.sent if message["phone"]}):
        files = [books.files[lead_id] for lead_id in books.leads_of(phone=phone) if lead_id in books.files]
        moments = [file.lead.erased_at for file in files if file.lead.erased_at is not None]
        if not moments or len(moments) < len(files):
            continue  # somebody of whom another lead is there may be written to about that
        last = max(moments)
        for message in books.sent:
            if message["phone"] == phone and from_text(message["at"]) > last + books.under_way:
                names = ", ".join(file.lead.lead_id for file in files)
                yield names, f"is erased since {last}, and was written to at {message['at']}: {message['text']}"


def _left(file: File) -> Iterator[str]:
    """What lies beside an erased lead, and should not."""
    for message in file.messages:
        yield f"there is the message {message.message_id}"
    if file.fetch is not None:
        yield "there is its fetch"
    for values in file.others:
        yield f"there is {values['sk']}"
    if any((file.lead.person.phone, file.lead.person.email, file.lead.person.full_name)):
        yield "says whose it is"
    for partner, delivery in file.deliveries.items():
        if not delivery.is_erased:
            yield f"its delivery to {partner} is not"
        if delivery.deal_id is not None or delivery.account_uuid is not None:
            yield f"known at {partner} by its number there"
    for entry in file.steps.values():
        if entry.detail is not None and entry.what not in SAYS_WHO_DID_IT:
            yield f"its timeline quotes: {entry.what}, {entry.detail}"
        allowed = WHO_DID_IT if entry.what in SAYS_WHO_DID_IT else frozenset[str]()
        if entry.data.keys() - allowed:
            yield f"its timeline quotes: {entry.what}, {dict(entry.data)}"


def _elsewhere(books: Books) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every item that tells of an erased lead's person, and whose it is."""
    tombstones = {lead_id for lead_id, file in books.files.items() if file.lead.erased_at is not None}
    erased = tombstones | (books.to_be_erased - books.files.keys())
    if not erased:
        return
    marks = {lead_id: _marks(books, posted) for lead_id, posted in books.who.items()}
    people = {lead_id: marks[lead_id] for lead_id in sorted(erased & marks.keys())}
    ties = {values["pk"]: values["lead_id"] for values in books.table if values["sk"] == "LINK"}
    for values in books.table:
        kind, _, owner = values["pk"].partition("#")
        of = values.get("lead_id") or (owner if kind == "LEAD" else ties.get(values["pk"]))
        text = json.dumps(values, ensure_ascii=False, default=str).casefold()
        if of in tombstones and not _may_stay(kind, values) and not _outlives_its_delivery(books, of, values):
            yield of, values
        elif of not in books.files and kind in {"ACCOUNT", "LEELOO"}:
            continue  # those are the broker's and Leeloo's own
        else:
            own = frozenset() if of is None or of in erased else marks.get(of, frozenset())
            # A pointer to the broker's own record is found by the hashes of the lead's item, while that is there.
            of_whom = tombstones - books.expired if kind == "TRACE" else erased
            about = (lead_id for lead_id, known_by in people.items() if _tells_of(text, known_by - own))
            yield from ((lead_id, values) for lead_id in about if lead_id in of_whom)


def _marks(books: Books, posted: Posted) -> frozenset[str]:
    """What a person is known by, and the hashes of it."""
    known_by = {posted.phone, posted.email.casefold(), posted.tax_number} - {""}
    hashes = {keyed_hash(books.index_key, one) for one in known_by} if books.index_key else set()
    return frozenset({*(known_by - {posted.phone}), posted.phone[-NATIONAL:], *hashes})


def _may_stay(kind: str, values: Mapping[str, Any]) -> bool:
    """Whether what names an erased lead says nothing of its person."""
    match kind:
        case "LEAD":
            return not any(name.endswith("_hash") for name in values)  # what else it may not be, `_left` says
        case "ACCOUNT" | "DEAL":
            return values.keys() == TIE_OF_NOBODY
        case "LEELOO":
            return values.keys() <= CAME
        case "CONTENT":
            return values.keys() <= CONTENT_CLAIM
        case _:
            return False


def _outlives_its_delivery(books: Books, lead_id: str, values: Mapping[str, Any]) -> bool:
    """Whether a tie is of a delivery that expired before its person was erased: nothing leads to the tie any more."""
    partner = values["pk"].split("#")[1]
    return (
        values["sk"] == "LINK" and values.keys() == TIE_THAT_EXPIRES and partner not in books.files[lead_id].deliveries
    )


def _tells_of(text: str, known_by: frozenset[str]) -> bool:
    return any(one in text for one in known_by)
